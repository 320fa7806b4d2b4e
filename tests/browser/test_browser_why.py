"""Asking why in a real browser: one image, and all clusters."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import go, see, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


def test_why_an_image_is_in_its_cluster_and_a_rule_for_all(address, page, kmeans_runs):
    _, run = kmeans_runs  # the explanations of k-means are exact
    page.goto(f"{address}/clusters?run={run.id}&step=0")
    see(page, r"^Step 0 of")
    settle(page)
    page.locator("#sheet").first.click(position={"x": 20, "y": 12})
    see(page, r"^Item \d+")

    # Only the last step can be explained; the way there is one click.
    page.get_by_text("Why this cluster?").click()
    page.get_by_role("button", name="Go to the last step").click()
    see(page, r"^Ask the trained method")
    page.get_by_role("button", name="Explain", exact=True).click()
    see(page, r"^Similarity to the map of random weights")
    expect(
        page.get_by_alt_text(re.compile("three maps of what the score depends on"))
    ).to_be_visible()

    # The smallest change leads to another cluster, at a distance that is named.
    see(page, r"^Into cluster \d+ at a distance of [\d.]+")
    expect(page.get_by_alt_text(re.compile("before and after the smallest change"))).to_be_visible()

    # A simple rule for all clusters is better than always naming the largest one.
    go(page, "Inside the method")
    page.get_by_text("A simple rule for these clusters").click()
    see(page, r"^A tree that asks 3 questions in a row places")
    words = page.get_by_text(re.compile(r"^A tree that asks 3 questions")).first.inner_text()
    share, largest = (float(x) for x in re.findall(r"([\d.]+)%", words))
    assert 20 < largest < share < 100
    page.get_by_role("tab", name="In words").click()
    see(page, r"(if|<=|>|≤)")

"""Asking why in a real browser: one image, and all clusters."""

import re

import pytest
from playwright.sync_api import expect

from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from tests.browser.test_browser import go, see, settle
from tests.support.browser import server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The app over one finished run of k-means, whose explanations are exact."""
    store = RunStore(tmp_path_factory.mktemp("why") / "runs")
    spec = RunSpec("digits", "kmeans", {"n_samples": 300}, {"n_init": 1, "n_clusters": 6})
    execute(store.root, new_run(store, spec).id)
    with server(store.root) as where:
        yield where


def test_why_an_image_is_in_its_cluster_and_a_rule_for_all(address, page):
    page.goto(f"{address}/clusters?step=0")
    see(page, r"^Step 0 of")
    settle(page)
    page.locator("#sheet").first.click(position={"x": 20, "y": 12})
    see(page, r"^Item \d+")

    # Only the last step can be explained; the way there is one click.
    page.get_by_text("Why this cluster?").click()
    page.get_by_role("button", name="Go to the last step").click()
    see(page, r"^Ask the trained network")
    page.get_by_role("button", name="Explain", exact=True).click()
    see(page, r"^Likeness to the map of random weights")
    expect(
        page.get_by_alt_text(re.compile("three maps of what the score depends on"))
    ).to_be_visible()

    # The smallest change leads to another cluster, at a distance that is named.
    see(page, r"^Into cluster \d+ at a distance of [\d.]+")
    expect(page.get_by_alt_text(re.compile("before and after the smallest change"))).to_be_visible()

    # A simple rule for all clusters is better than always naming the largest one.
    go(page, "Inside the method")
    page.get_by_text("A simple rule for these clusters").click()
    see(page, r"^With 3 questions in a row a tree puts")
    words = page.get_by_text(re.compile(r"^With 3 questions")).first.inner_text()
    share, largest = (float(x) for x in re.findall(r"([\d.]+)%", words))
    assert 20 < largest < share < 100
    page.get_by_role("tab", name="In words").click()
    see(page, r"(if|<=|>|≤)")

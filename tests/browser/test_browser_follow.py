"""Following labels in a real browser: one item, all items, and the alarms."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.support import made_runs
from tests.support.browser import go, see, selected, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
N = 300


@pytest.fixture(scope="module")
def run(store):
    """A run by hand that collapses at step 3, after ten items have moved."""
    even = np.arange(N) % 3
    early = even.copy()
    early[:30:3] = 1
    steps = [even, early, early, *[np.ones(N, int)] * 5]
    data = made_runs.dataset(N, even, ("cat", "dog", "owl"), side=28)
    return made_runs.write(
        store, [made_runs.hard(a, 3, loss=1.0) for a in steps], data, method="dec"
    )


def tab(page, name):
    page.get_by_role("tab", name=name, exact=True).click()
    settle(page)


def test_follow_an_item_all_items_and_the_alarms(address, page, run):
    page.goto(f"{address}/follow?run={run.id}&step=2")
    see(page, r"^Click the picture")
    settle(page)

    # Rows of the raster become images, by the mouse and by the keyboard.
    raster = page.locator("#sheet").first
    box = raster.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    see(page, r"^Rows 0 to \d+ by when it settled: ")
    title, number = selected(page)
    assert number == int(re.search(r"to (\d+)", title)[1]) + 1
    page.locator("#frame").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    see(page, rf"^Rows {number} to \d+ by when it settled: ")

    # A click on an image opens its biography: the strip at once, the rest in tabs.
    page.locator("#sheet").last.click(position={"x": 20, "y": 12})
    see(page, r"^Item \d+$")
    settle(page)
    strip = page.locator("[data-testid=stVegaLiteChart]").filter(has=page.locator(".mark-rect"))
    expect(strip.first).to_be_visible()
    tab(page, "Over time")
    see(page, r"^Its path in the embedding")
    tab(page, "Neighbours")
    see(page, r"were already its neighbours at the first step")

    # Item 0 is the first of cluster 1 at step 2 that has moved: what flipped with it, and when.
    go(page, "Clusters")
    page.get_by_text("Just arrived").click()
    settle(page)
    page.get_by_role("button", name="Previous step").click()
    see(page, "^Step 1 of")
    settle(page)
    page.locator("#sheet").first.click(position={"x": 20, "y": 12})
    see(page, r"^Changed cluster 1 time up to this step")
    tab(page, "Changes")
    see(page, r"^Moved with it: 9 items")
    page.get_by_role("button", name="Select all 10").click()
    see(page, r"^Step 1: 0 → 1 with item \d+: 10 items")

    # An alarm leads to its step, where a line under the scrubber repeats it.
    go(page, "Follow")
    tab(page, "Alarms")
    see(page, "^Collapse$")
    lesson = page.get_by_role("link", name="Lesson: IIC: what an image tells about its copy").first
    assert "lesson=iic&step=4" in lesson.get_attribute("href")
    page.get_by_role("button", name="Step 3").first.click()
    see(page, "^Step 3 of 7")
    assert "step=3" in page.url
    see(page, r"Collapse \(step 3 to 7\)")

    # The flow of clusters tells the end in words.
    tab(page, "Clusters")
    see(page, r"^Clusters 0, 1 and 2 merged into 1: 300 items\.")
    page.get_by_test_id("stEChartsChart").wait_for()

"""What appears under the pointer in a real browser covers nothing that can be pressed."""

import pytest

from tests.support.browser import settle, steady, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
NARROW = {"width": 1100, "height": 900}


def overlap(a, b):
    """Pixels that two rectangles share."""
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    return max(across, 0) * max(down, 0)


@pytest.mark.parametrize(
    ("name", "key"), [("train", "st-key-live-embedding"), ("compare", "st-key-compare-panes")]
)
def test_the_toolbar_of_a_map_leaves_the_choice_by_numbers_free(
    page, address, kmeans_runs, name, key
):
    page.set_viewport_size(NARROW)
    one, other = (run.id for run in kmeans_runs)
    page.goto(f"{address}/{name}?" + (f"run={one}" if name == "train" else f"runs={one},{other}"))
    chart = page.locator(f"[class*={key}] .stVegaLiteChart").first
    chart.wait_for()
    settle(page)
    steady(page, chart.bounding_box)  # the room for it is measured
    chart.hover()
    toolbar = page.locator(f"[class*={key}] .stElementToolbar").first
    until(page, lambda: toolbar.evaluate("e => getComputedStyle(e).opacity") == "1")
    choice = page.get_by_text("Select by numbers").bounding_box()
    assert not overlap(toolbar.bounding_box(), choice)

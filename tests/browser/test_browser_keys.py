"""A run looked into without a mouse: every key press is one that a user could make."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.support import made_runs
from tests.support.browser import see, selected, settle, step_now

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
N = 300
TRUE = np.repeat([0, 1, 2], 100)
HALF = np.where(np.arange(N) < 40, 1, TRUE)
MOST = 90  # stops of the tab key on a page

FOCUSED = """() => {
  let e = document.activeElement;
  while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
  return e.getAttribute("aria-label") || e.innerText || "";
}"""


@pytest.fixture(scope="module")
def runs(store):
    """Two runs over the same items."""
    made_runs.data(store, "keys", n=N, labels=TRUE)
    return [
        made_runs.run(store, [TRUE, HALF, HALF], "keys", method=method).id
        for method in ("dec", "iic")
    ]


def open_at(page, url, words):
    page.goto(url)
    see(page, words)
    settle(page)


def reach(page, name):
    """Press the tab key until something of this name has the focus; how often."""
    for presses in range(1, MOST):
        page.keyboard.press("Tab")
        if re.search(name, page.evaluate(FOCUSED)):
            return presses
    raise AssertionError(f"no stop of the tab key is called {name!r}")


def go_down_to(page, name):
    """Press the arrow key until the option of this name would be taken."""
    option = page.get_by_role("option", name=name)
    for _ in range(MOST):
        if option.get_attribute("data-focused") == "true":
            return
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(100)  # on a busy machine the list moves on later
    raise AssertionError(f"no option is called {name!r}")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    settle(page)


def test_a_cell_is_chosen_changed_and_cleared(address, page, runs):
    open_at(page, f"{address}/evaluate?run={runs[1]}", "^Step 2 of 2")
    reach(page, "^Choose a cell$")
    page.keyboard.type("zero in")
    expect(page.get_by_role("option")).to_have_count(2)
    go_down_to(page, "zero in cluster 1")
    press(page, "Enter")
    see(page, "^zero in cluster 1: 40 items$")
    box = page.get_by_role("combobox", name="Choose a cell")
    expect(box).to_have_value("true zero in cluster 1: 40 images")
    expect(box).to_be_focused()
    press(page, "ArrowDown", "ArrowUp", "Enter")
    see(page, "^zero in cluster 0: 60 items$")
    expect(box).to_be_focused()
    press(page, "Escape")
    expect(page.get_by_text(re.compile(": [0-9]+ items$"))).to_have_count(0)
    expect(box).to_have_value("")

    # What the mouse chooses is shown there, too.
    cell = page.locator("[role=tabpanel] path.cells, [role=tabpanel] .mark-rect path").first
    cell.click()
    title, number = selected(page)
    expect(box).to_have_value(f"true {title}: {number} images")


def test_an_area_its_images_and_the_biography(address, page, runs):
    open_at(page, f"{address}/embedding?run={runs[1]}", "^Step 2 of 2")
    reach(page, "Select by numbers$")
    press(page, "Enter")
    assert reach(page, "^Left to right.* start$") < 4  # it comes next, not after the page
    press(page, *["ArrowRight"] * 5)
    reach(page, "^Left to right.* end$")
    press(page, *["ArrowLeft"] * 40)
    reach(page, "Select these")
    press(page, "Enter")
    title, number = selected(page)
    assert title == "Brushed"
    assert 0 < number < N
    expect(page.get_by_role("button", name=f"Select these {number}")).to_be_focused()

    reach(page, "^Brushed: .* Arrow keys move, Enter opens")
    press(page, "ArrowRight", "Enter")
    see(page, r"^Item \d+$")
    page.locator("[data-testid=stMain]").focus()
    reach(page, "Close$")
    press(page, "Enter")
    expect(page.get_by_text(re.compile(r"^Item \d+$"))).to_have_count(0)


def test_steps_bands_and_panes(address, page, runs):
    open_at(page, f"{address}/shifts?run={runs[1]}", "^Step 2 of 2")
    reach(page, "Previous step$")
    press(page, "Enter")
    assert step_now(page) == 1
    reach(page, "^Choose a band$")
    press(page, *["ArrowDown"] * 4, "Enter")
    see(page, "^Cluster 0 → 1, steps 0 to 1: 40 items$")
    page.locator("[data-testid=stMain]").focus()
    reach(page, "Replay$")
    press(page, "Enter")
    see(page, "^Step 2 of 2")

    open_at(page, f"{address}/compare?runs={','.join(runs)}", "^A: DEC$")
    reach(page, "Select by numbers$")
    press(page, "Enter")
    reach(page, "^A$")
    press(page, "ArrowRight", "Space")
    reach(page, "^Bottom to top.* start$")
    press(page, *["ArrowRight"] * 50)
    reach(page, "Select these")
    press(page, "Enter")
    see(page, "^Brushed in B: ")
    reach(page, "^Both right: ")
    press(page, "Enter")
    see(page, "^Right in A and B: ")

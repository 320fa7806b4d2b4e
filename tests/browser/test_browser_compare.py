"""The page Compare in a real browser: brush one pane, move the control, ask who is right."""

import contextlib
import re

import numpy as np
import pytest
from playwright.sync_api import TimeoutError as Late
from playwright.sync_api import expect

from tests.support import made_runs
from tests.support.browser import PATIENCE, SIZE, see, settle, steady, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
N = 300
TRUE = np.repeat([0, 1, 2], 100)
HALF = np.where(np.arange(N) < 40, 1, TRUE)
TURNED = (TRUE + 1) % 3
MIXED = np.where(np.arange(N) >= 290, 2, TURNED)


@pytest.fixture(scope="module")
def runs(store):
    """Three runs over the same items; two of them differ on the first 40 and the last 10."""
    made_runs.data(store, "compare", n=N, labels=TRUE)
    one = made_runs.run(store, [TRUE, TRUE, HALF], "compare", method="dec")
    other = made_runs.run(store, [TURNED] * 4 + [MIXED], "compare", method="iic")
    third = made_runs.run(store, [HALF] * 2, "compare", method="deepcluster")
    return one.id, other.id, third.id


def colours(page, pane):
    """How many pixels of a pane are coloured, and how many are grey."""
    counts = page.evaluate(
        """(pane) => {
        const canvas = document.querySelector(".st-key-compare-panes canvas");
        if (!canvas) return 0;  // the page puts the chart in its place anew
        const width = canvas.width / 2;
        const data = canvas.getContext("2d")
          .getImageData(pane * width, 60, width, canvas.height - 60).data;
        let bright = 0, grey = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] < 40) continue;
          const [r, g, b] = data.slice(i, i + 3);
          if (Math.max(r, g, b) - Math.min(r, g, b) > 60) bright++; else grey++;
        }
        return [bright, grey];
    }""",
        pane,
    )
    return tuple(counts)


def both_colours(page):
    return [colours(page, pane) for pane in (0, 1)]


def brush(page, pane):
    """Drag over the upper left quarter of a pane; again if a redraw of the page swallowed it."""
    heard = page.get_by_text(re.compile(f"^Brushed in {'AB'[pane]}: ")).first
    for patience in (20_000, 40_000, PATIENCE):
        settle(page)
        box = page.locator(".st-key-compare-panes canvas").bounding_box()
        left = box["x"] + pane * box["width"] / 2 + 30
        page.mouse.move(left, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(left + box["width"] / 4, box["y"] + box["height"] / 2, steps=6)
        page.mouse.up()
        with contextlib.suppress(Late):
            heard.wait_for(timeout=patience)
            return
    raise AssertionError(f"nothing was brushed in {'AB'[pane]}")


def test_two_runs_are_compared_as_a_user_would(page, address, runs):
    one, other, _ = runs
    page.goto(f"{address}/compare?runs={one},{other}")
    see(page, "^A: DEC$")
    see(page, "^Step 2 of 2")
    see(page, "^Step 4 of 4")
    page.locator(".st-key-compare-panes canvas").wait_for()
    until(page, lambda: min(bright for bright, _ in both_colours(page)) > 500)
    before = steady(page, lambda: both_colours(page))

    # A brush in the second pane lights the same images in both, the others stay in sight in grey.
    brush(page, 1)
    see(page, "^Brushed in B: ")
    until(
        page,
        lambda: all(
            0 < bright < all_bright and grey > no_grey
            for (bright, grey), (all_bright, no_grey) in zip(
                both_colours(page), before, strict=True
            )
        ),
    )
    assert page.locator("#sheet").first.is_visible()

    # One control moves both runs.
    page.get_by_role("slider", name="Share of progress").focus()
    page.keyboard.press("Home")
    see(page, "^Step 0 of 2")
    see(page, "^Step 0 of 4")
    page.get_by_role("button", name="Step", exact=True).or_(
        page.get_by_role("radio", name="Step", exact=True)
    ).first.click()
    see(page, "^Step 2 of 2")
    page.get_by_role("slider", name="Step").focus()
    page.keyboard.press("ArrowLeft")
    see(page, "^Step 3 of 4")
    see(page, "^Step 2 of 2")  # it has no more
    assert re.search(r"at=3", page.url)
    page.keyboard.press("ArrowRight")
    see(page, "^Step 4 of 4")

    # Who is right: the images of a cell, each told from both runs.
    see(page, "^Both right: 250$")
    page.get_by_role("button", name="Only B: 40").click()
    see(page, "^Right in B, wrong in A: 40 items$")
    page.locator("#sheet").last.click(position={"x": 20, "y": 20})
    see(page, r"^Item \d+ in each run$")
    see(page, r"^A: DEC: cluster \d .* wrong$")
    see(page, r"^B: IIC: cluster \d .* right$")

    # Agreement: clusters of one run by those of the other; a reload comes back to all of it.
    page.get_by_role("tab", name="Agreement").click()
    see(page, "250 of 300 items")
    page.reload()
    see(page, "^B: IIC$")
    assert one in page.url
    assert other in page.url


def room(page):
    """Right edges of the panes and of what they stand in; and whether the page scrolls sideways."""
    return page.evaluate(
        """() => {
        const edge = (name) => document.querySelector(name).getBoundingClientRect().right;
        const main = document.querySelector("[data-testid=stMain]");
        return [edge(".st-key-compare-panes canvas"), edge(".st-key-compare-panes"),
                main.scrollWidth > main.clientWidth];
    }"""
    )


def height(canvas):
    """Height of the panes; none while they are put in place again."""
    return (canvas.bounding_box() or {"height": 0})["height"]


def test_a_narrow_window_has_all_panes_in_sight(page, address, runs):
    page.goto(f"{address}/compare?runs={','.join(runs)}")
    canvas = page.locator(".st-key-compare-panes canvas")
    canvas.wait_for()
    settle(page)
    wide = steady(page, canvas.bounding_box)
    page.set_viewport_size({"width": 1000, "height": 900})
    until(page, lambda: height(canvas) > 1.5 * wide["height"])  # two rows
    see(page, "^C: DeepCluster$")
    settle(page)
    narrow = steady(page, canvas.bounding_box)
    panes, place, sideways = room(page)
    assert panes <= place
    assert not sideways

    # The third pane stands below the first; a brush there reaches it.
    page.mouse.move(narrow["x"] + 20, narrow["y"] + 0.6 * narrow["height"])
    page.mouse.down()
    to = narrow["x"] + narrow["width"] * 0.45, narrow["y"] + narrow["height"] - 10
    page.mouse.move(*to, steps=6)
    page.mouse.up()
    see(page, "^Brushed in C: ")

    page.set_viewport_size(SIZE)
    until(page, lambda: abs(height(canvas) - wide["height"]) <= 2)


def test_two_moons_start_at_one_click_and_show_their_regions(page, address):
    page.goto(f"{address}/compare")
    page.get_by_role("button", name="Start both on two moons").click()
    see(page, "^B: Spectral clustering$")
    expect(page.get_by_text("done", exact=True)).to_have_count(2, timeout=PATIENCE)
    page.get_by_text("Background: the method's own scores").wait_for()
    # The ground covers the middle of each pane, where points alone would leave most of it free.
    until(page, lambda: min(drawn(page, pane) for pane in (0, 1)) > 0.7)
    settle(page)

    # It does not catch what is meant for the dots: a brush lights the same items in both.
    brush(page, 1)
    see(page, "^Brushed in B: ")

    # Another step hands the chart its rows and does not put another one in its place.
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text(re.compile("^Brushed in B: "))).to_have_count(0, timeout=PATIENCE)
    settle(page)
    page.evaluate("window.before = document.querySelector('.st-key-compare-panes canvas')")
    page.get_by_role("slider", name="Share of progress").focus()
    page.keyboard.press("Home")
    see(page, "^Step 0 of")
    settle(page)
    until(page, lambda: drawn(page, 0) > 0.7)
    same = "window.before === document.querySelector('.st-key-compare-panes canvas')"
    assert page.evaluate(same)


def drawn(page, pane):
    """Share of the pixels of a pane that are not bare."""
    return page.evaluate(
        """(pane) => {
        const canvas = document.querySelector(".st-key-compare-panes canvas");
        if (!canvas) return 0;  // the page puts the chart in its place anew
        const width = canvas.width / 2;
        const data = canvas.getContext("2d")
          .getImageData(pane * width, 30, width, canvas.height - 40).data;
        return data.filter((v, i) => i % 4 === 3 && v > 0).length / (data.length / 4);
    }""",
        pane,
    )

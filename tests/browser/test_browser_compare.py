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


def pane_of(page, pane):
    return page.locator(".st-key-compare-panes .map").nth(pane)


def drawn(page, pane):
    """Shares of the pixels of a pane that are coloured, and that are grey; the rest is bare."""
    return tuple(
        pane_of(page, pane)
        .locator(".map-dots")
        .evaluate(
            """canvas => {
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let bright = 0, grey = 0;
        for (let i = 0; i < data.length; i += 4) {
          const [r, g, b] = data.subarray(i, i + 3);
          if (Math.max(r, g, b) - Math.min(r, g, b) > 20) bright++;
          else if (Math.abs(r - data[0]) > 12) grey++;  // the first pixel is bare
        }
        return [bright, grey].map((number) => (4 * number) / data.length);
    }"""
        )
    )


def both_colours(page):
    return [drawn(page, pane) for pane in (0, 1)]


def assert_pointing_at_an_item_shows_it_in_both(page):
    """Go across the first pane until a dot is under the pointer: it gets a ring in the second."""

    def inked():
        return (
            pane_of(page, 1)
            .locator(".map-over")
            .evaluate(
                """canvas => canvas.getContext("2d")
          .getImageData(0, 0, canvas.width, canvas.height).data.filter(part => part).length"""
            )
        )

    none, box = inked(), pane_of(page, 0).bounding_box()
    for share in np.linspace(0.05, 0.95, 40):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.7 * box["height"])
        if int(pane_of(page, 0).get_attribute("data-hovered") or -1) >= 0:
            break
    until(page, lambda: inked() > none)
    page.mouse.move(0, 0)
    until(page, lambda: inked() == none)


def brush(page, pane):
    """Drag over the upper left quarter of a pane; again if a redraw of the page swallowed it."""
    heard = page.get_by_text(re.compile(f"^Brushed in {'ABC'[pane]}: ")).first
    for patience in (20_000, 40_000, PATIENCE):
        settle(page)
        box = pane_of(page, pane).bounding_box()
        page.mouse.move(box["x"] + 30, box["y"] + 30)
        page.mouse.down()
        to = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(*to, steps=6)
        page.mouse.up()
        with contextlib.suppress(Late):
            heard.wait_for(timeout=patience)
            return
    raise AssertionError(f"nothing was brushed in {'ABC'[pane]}")


def test_two_runs_are_compared_as_a_user_would(page, address, runs):
    one, other, _ = runs
    page.goto(f"{address}/compare?runs={one},{other}")
    see(page, "^A: DEC$")
    see(page, "^Step 2 of 2")
    see(page, "^Step 4 of 4")
    pane_of(page, 1).wait_for()
    until(page, lambda: min(bright for bright, _ in both_colours(page)) > 0.005)
    before = steady(page, lambda: both_colours(page))
    assert_pointing_at_an_item_shows_it_in_both(page)

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


def sideways(page):
    """Whether the page scrolls sideways."""
    main = "document.querySelector('[data-testid=stMain]')"
    return page.evaluate(f"{main}.scrollWidth > {main}.clientWidth")


def test_a_narrow_window_has_all_panes_in_sight(page, address, runs):
    page.goto(f"{address}/compare?runs={','.join(runs)}")
    pane_of(page, 2).wait_for()
    settle(page)

    def below():
        """Whether the third pane stands below the first."""
        first, third = (pane_of(page, pane).bounding_box() for pane in (0, 2))
        return third["y"] >= first["y"] + first["height"]

    assert not below()
    page.set_viewport_size({"width": 1000, "height": 900})
    until(page, below)
    see(page, "^C: DeepCluster$")
    settle(page)
    assert not sideways(page)
    brush(page, 2)  # which is in sight, too
    see(page, "^Brushed in C: ")
    page.set_viewport_size(SIZE)
    until(page, lambda: not below())


def test_two_moons_start_at_one_click_and_show_their_regions(page, address):
    page.goto(f"{address}/compare")
    page.get_by_role("button", name="Start both on two moons").click()
    see(page, "^B: Spectral clustering$")
    expect(page.get_by_text("done", exact=True)).to_have_count(2, timeout=PATIENCE)
    page.get_by_text("Background: the method's own scores").wait_for()
    # The ground covers the middle of each pane, where points alone would leave most of it free.
    until(page, lambda: min(bright for bright, _ in both_colours(page)) > 0.5)
    settle(page)

    # It does not catch what is meant for the dots: a brush lights the same items in both.
    brush(page, 1)
    see(page, "^Brushed in B: ")

    # Another step hands the chart its rows and does not put another one in its place.
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.get_by_text(re.compile("^Brushed in B: "))).to_have_count(0, timeout=PATIENCE)
    settle(page)
    pane_of(page, 0).evaluate("map => { window.before = map; }")
    page.get_by_role("slider", name="Share of progress").focus()
    page.keyboard.press("Home")
    see(page, "^Step 0 of")
    settle(page)
    until(page, lambda: drawn(page, 0)[0] > 0.5)
    assert pane_of(page, 0).evaluate("map => window.before === map")

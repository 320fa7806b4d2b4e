"""The main job in a real browser: start a run, watch it, look inside, come back."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import (
    PATIENCE,
    TRAINING,
    go,
    see,
    selected,
    settle,
    step_now,
    step_words,
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


def test_the_main_job(address, page):
    page.goto(address)
    page.get_by_role("button", name="Watch DEC learn digits").click()

    # It lands on Train and shows the first picture, then more.
    step_words(page).first.wait_for(timeout=TRAINING)
    page.wait_for_function("document.querySelectorAll('[data-testid=stVegaLiteChart]').length >= 2")
    page.get_by_text("done", exact=True).first.wait_for(timeout=TRAINING)
    settle(page)
    see(page, r"(found|put) .*digits")
    last = step_now(page)
    assert last >= 10

    # The URL names the run; a reload comes back to it.
    assert re.search(r"run=[\w-]*dec-digits", page.url)
    page.reload()
    step_words(page).first.wait_for()
    assert step_now(page) == last

    # Embedding: scrub, then brush.
    go(page, "Embedding")
    page.get_by_role("button", name="First step").click()
    see(page, "^Step 0 of")
    page.get_by_role("button", name="Next step").click()
    see(page, "^Step 1 of")
    page.get_by_role("button", name="Newest step").click()
    see(page, f"^Step {last} of")
    settle(page)
    page.locator(f".map[data-step='{last}']").wait_for()
    box = page.locator(".map").bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.8 * box["height"], steps=8)
    page.mouse.up()
    see(page, r"^Brushed: ")
    title, brushed = selected(page)
    assert title == "Brushed"
    assert 0 < brushed <= 1797
    assert page.locator("#sheet").first.is_visible()

    # A click on an image opens it, with its nearest neighbours.
    sheet = page.locator("#sheet").last
    assert sheet.evaluate("image => image.clientWidth >= image.naturalWidth - 1")  # not shrunk
    sheet.click(position={"x": 20, "y": 12})
    see(page, r"^Nearest in the embedding")

    # Evaluate: a cell of the confusion matrix opens its images.
    go(page, "Evaluate")
    see(page, "^Brushed: ")
    cells = page.locator("[data-testid=stVegaLiteChart] .mark-rect path")
    cells.first.wait_for()
    cells.nth(0).click(force=True)
    see(page, r" in cluster \d+: ")
    title, in_cell = selected(page)
    assert in_cell > 0

    # Shifts: from the first step, click a band.
    go(page, "Shifts")
    page.get_by_role("slider", name="Compare with step").focus()
    page.keyboard.press("Home")
    see(page, r"From step 0 to step")
    settle(page)
    chart = page.get_by_test_id("stEChartsChart")
    expect(chart).to_have_attribute("aria-busy", "false", timeout=PATIENCE)
    click_a_band(page, chart)
    see(page, r"Cluster \d+ → \d+, steps 0 to \d+: ")
    title, on_band = selected(page)
    source, target = map(int, re.search(r"(\d+) → (\d+)", title).groups())
    assert on_band > 0
    assert source >= 0
    assert target >= 0

    # A second tab on the same address sees the same run.
    second = page.context.new_page()
    second.set_default_timeout(PATIENCE)
    second.goto(page.url)
    see(second, r"^Step \d+ of \d+")
    second.close()


def click_a_band(page, chart):
    """Click into the middle of the flow, a little further down each time, until one is hit."""
    for share in (0.5, 0.3, 0.4, 0.6, 0.7, 0.2, 0.55, 0.45, 0.35, 0.65) * 3:
        box = chart.bounding_box()  # the flow grows into its place
        page.mouse.click(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * share)
        settle(page)
        if page.get_by_text(re.compile(r"Cluster \d+ → \d+, steps")).count():
            return

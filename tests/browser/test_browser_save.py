"""A chart leaves the page in a real browser: the menu opens, and what is pressed is downloaded."""

import re

import pytest

from tests.support.browser import settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
BEGINNINGS = {"PNG": b"\x89PNG", "SVG": b"<svg ", "PDF": b"%PDF"}


def test_a_chart_is_saved_as_each_kind_under_a_name_that_says_what_it_is(
    page, address, kmeans_runs
):
    run = kmeans_runs[0].id
    page.goto(f"{address}/evaluate?run={run}&step=1")
    save = page.get_by_role("button", name="Save").first
    save.wait_for()
    settle(page)  # a menu that is opened while the page is drawn would be closed again
    save.click()
    menu = page.get_by_test_id("stPopoverBody")
    for kind, beginning in BEGINNINGS.items():
        button = menu.get_by_role("button", name=kind)
        button.wait_for()
        settle(page)
        with page.expect_download() as pressed:
            button.click()
        named = pressed.value.suggested_filename
        assert re.fullmatch(rf"{re.escape(run)}-step-1-[\w-]+\.{kind.lower()}", named)
        assert pressed.value.path().read_bytes().startswith(beginning)

"""A study in the browser: made in the form of Train, interrupted with the server, and finished."""

import re

import pytest
from playwright.sync_api import expect

from clustlab.runs.store import RunStore
from clustlab.studies.state import counts, places
from clustlab.studies.store import Studies
from clustlab.studies.summary import results
from tests.support.browser import TRAINING, server, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
NAME = "k of RIM"
FORM = "/train?dataset=digits&method=rim&rim.preset=quick&rim.epochs=60"


def test_a_study_outlives_the_server_and_its_medians_are_those_of_the_folders(
    page, tmp_path, wait_for
):
    store = RunStore(tmp_path / "runs")
    with server(store.root) as address:
        page.goto(address + FORM)
        settle(page)
        page.get_by_text("Make a study of it").click()
        page.get_by_label("Name", exact=True).fill(NAME)
        page.get_by_label("Name", exact=True).press("Enter")
        start = page.get_by_role("button", name="Start the study (3 runs)")
        expect(start).to_be_enabled()
        start.scroll_into_view_if_needed()  # a list closes as the page scrolls
        box = page.get_by_role("combobox", name=re.compile("Vary"))
        box.click()
        page.get_by_role("option", name="Number of clusters").click()
        page.get_by_label("Values", exact=True).fill("4..6")
        page.get_by_label("Values", exact=True).press("Enter")
        page.get_by_role("button", name="Start the study (9 runs)").click()
        page.wait_for_url("**/studies?**")
        study = Studies(store).study(NAME)
        wait_for(lambda: counts(places(study, store.runs())).get("done", 0) >= 1)
        page.goto("about:blank")
    left = counts(places(study, store.runs()))
    assert left["done"] < 9, "it was over before the server was stopped"

    with server(store.root) as address:
        page.goto(f"{address}/studies?study={NAME}")
        settle(page)
        page.get_by_role("button", name=re.compile(r"Go on \(\d left\)")).click()
        expect(page.get_by_text("9 done")).to_be_visible(timeout=TRAINING)
        settle(page)
        found = results(store, study, places(study, store.runs()))
        best = max(each.median for each in found.of("acc"))
        expect(page.get_by_text(f"leads with a median of {best:.3f}")).to_be_visible()
        page.goto("about:blank")
    assert counts(places(study, store.runs())) == {"done": 9}
    assert len(store.runs()) == 9  # none was trained twice

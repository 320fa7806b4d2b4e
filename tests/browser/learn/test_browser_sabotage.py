"""A broken run and its guarded twin in a real browser: started, watched, judged, compared."""

from functools import partial

import pytest

from clustlab.analysis.lasting_clusters import lasting_numbers
from clustlab.runs import interventions
from tests.support.browser import SIZE, see, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


def test_break_a_run_and_find_the_signature(address, page):
    page.goto(f"{address}/sabotage")

    # The list leads to an entry, and the address with it.
    page.get_by_text("Wrong number of clusters", exact=True).click()
    see(page, "Five clusters are asked for")
    settle(page)
    assert "entry=wrong-k" in page.url

    # One click starts both; the verdicts come by themselves.
    page.get_by_role("button", name="Start both runs").click()
    see(page, r"The signature is there\.")
    see(page, r"No trace of the signature\.")
    see(page, "^Digits without a cluster of their own")
    page.locator("[data-testid=stVegaLiteChart]").first.wait_for()
    settle(page)
    box = page.get_by_role("link", name="Compare the two, image by image").bounding_box()
    assert box["y"] + box["height"] < SIZE["height"]  # all of it on one screen

    # A reload comes back to the same entry and the same verdicts; Compare takes both runs.
    page.reload()
    see(page, r"The signature is there\.")
    page.get_by_role("link", name="Compare the two, image by image").click()
    see(page, "Who is right|Both right|Align runs by")
    assert "runs=" in page.url


def test_pause_a_run_scramble_a_cluster_and_find_it_on_the_timeline(store, address, page, wait_for):
    before = {run.id for run in store.runs()}
    settings = "deepcluster.n_clusters_over=20&deepcluster.epochs=60"
    page.goto(f"{address}/train?dataset=digits&method=deepcluster&{settings}")
    page.get_by_role("button", name="Start", exact=True).click()
    run = wait_for(lambda: next((r for r in store.runs() if r.id not in before), None))
    wait_for(lambda: len(run))  # there is no cluster to change before
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Intervene").wait_for()
    settle(page)

    # What is asked for waits, and can be taken back.
    page.get_by_role("button", name="Intervene").click()
    page.get_by_text("Scramble", exact=True).click()
    see(page, r"towards random clusters once")
    settle(page)
    page.get_by_role("button", name="Add", exact=True).click()
    # Where the run is held before its phase `train`, the change waits for that.
    see(page, r"At the start of the (next step|phase)")
    (wish,) = interventions.pending(run, partial(lasting_numbers, run))
    assert wish.kind == "scramble"

    # It is made at the next step but one at most, and stands under the scrubber there.
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Resume").click()
    at = wait_for(lambda: [i for i, r in enumerate(run.log) if interventions.made_at(r)])
    assert wish.n_steps <= at[0] <= wish.n_steps + 1
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Change and run again").wait_for()
    page.goto(f"{address}/train?run={run.id}&step={at[0]}")
    see(page, r"You changed this run here:.* scramble cluster \d+")

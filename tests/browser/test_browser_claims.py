"""A claim in the browser: run with one click, and measured as the folders have it."""

import pytest
from playwright.sync_api import expect

from clustlab.evidence import record, words
from clustlab.evidence.catalogue import claim
from clustlab.runs.store import RunStore
from tests.support.browser import TRAINING, server, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]


def test_a_claim_is_run_with_one_click_and_judged(page, tmp_path):
    store, asked = RunStore(tmp_path / "runs"), claim("irregular-shapes")
    with server(store.root) as address:
        page.goto(f"{address}/claims")
        settle(page)
        page.locator(".st-key-open-irregular-shapes button").click()
        expect(page.get_by_role("heading", name=asked.title)).to_be_visible()
        page.get_by_role("button", name="Run it (20 runs)").click()
        expect(page.get_by_text("Measured here: small scale, 5 seeds")).to_be_visible(
            timeout=TRAINING
        )
        settle(page)
        found = record.kept(store, asked, "small")
        verdict = words.VERDICTS[found.verdict(asked)].capitalize()
        expect(page.get_by_text(verdict).first).to_be_visible()
        assert len(store.runs()) == 20
        page.get_by_text("Runs (20)").click()
        page.get_by_role("link", name="kmeans-moons, seed 0: done").click()
        page.wait_for_url("**/embedding?**")

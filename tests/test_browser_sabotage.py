"""A broken run and its guarded twin in a real browser: started, watched, judged, compared."""

import pytest

from tests.browser import Watch, browser, server
from tests.test_browser import PATIENCE, SIZE, see, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def test_break_a_run_and_find_the_signature(tmp_path):
    with server(tmp_path / "runs") as address, browser() as chromium:
        context = chromium.new_context(viewport=SIZE)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        watch = Watch(page)
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
        see(page, r"Digits without a cluster of their own: 5\. It is the signature above 4\.")
        page.locator("[data-testid=stVegaLiteChart]").first.wait_for()
        settle(page)
        box = page.get_by_role("link", name="Compare the two, image by image").bounding_box()
        assert box["y"] + box["height"] < SIZE["height"]  # all of it on one screen

        # A reload comes back to the same entry and the same verdicts; Compare takes both runs.
        page.reload()
        see(page, r"The signature is there\.")
        page.get_by_role("link", name="Compare the two, image by image").click()
        see(page, "Who is right|Both right|Bring runs together by")
        assert "runs=" in page.url
        context.close()
        assert watch.problems == []

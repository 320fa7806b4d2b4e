"""No page has a serious obstacle for people who use a keyboard or a screen reader."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.browser import PATIENCE, SIZE, settle

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
PAGES = (
    "",
    "train",
    "embedding",
    "clusters",
    "evaluate",
    "shifts",
    "inside",
    "follow",
    "failures",
    "compare",
    "learn",
    "learn?lesson=dec&step=1",
    "learn?lesson=dec&step=3&said=1",
    "learn?lesson=glossary",
    "sabotage",
    "runs",
    "figures",
    "data",
    "methods",
)
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module", params=["light", "dark"])
def context(request, chromium):
    """A browser window of each colour scheme; its pages share what the browser has fetched."""
    opened = chromium.new_context(viewport=SIZE, color_scheme=request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_violation(context, address, kmeans_runs, name):
    ids = [run.id for run in kmeans_runs]
    page = context.new_page()
    join = "&" if "?" in name else "?"
    page.goto(f"{address}/{name}{join}run={ids[0]}&runs={','.join(ids)}")
    page.locator("[data-testid=stMain] button").first.wait_for(timeout=PATIENCE)
    settle(page)
    violations = Axe().run(page).response["violations"]
    told = [
        (v["id"], v["impact"], [n["target"] for n in v["nodes"]][:5])
        for v in violations
        if v["impact"] in SERIOUS
    ]
    page.close()
    assert told == []

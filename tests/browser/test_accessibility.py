"""No page has a serious obstacle for people who use a keyboard or a screen reader."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.browser import PATIENCE, SIZE, go, settle, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]
LINKED = (  # by their links in the side bar, in its order
    "Home",
    "Train",
    "Embedding",
    "Clusters",
    "Evaluate",
    "Shifts",
    "Inside the method",
    "Lessons",
    "Sabotage",
    "Claims",
    "Follow",
    "Failures",
    "Runs",
    "Figures",
    "Data sets",
    "Methods",
)
ADDRESSED = (
    "compare?runs=",
    "learn?lesson=dec&step=1",
    "learn?lesson=dec&step=3&said=1",
    "learn?lesson=glossary",
    "data?bring=yes",
    "claims?claim=irregular-shapes",
)
SERIOUS = ("serious", "critical")
ALL_RULES = {"resultTypes": ["violations"]}
CONTRAST = {**ALL_RULES, "runOnly": {"type": "rule", "values": ["color-contrast"]}}


@pytest.fixture(scope="module")
def window(chromium, address, kmeans_runs):
    """A page that looks at a run."""
    opened = chromium.new_context(viewport=SIZE, color_scheme="light")
    page = opened.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/train?run={kmeans_runs[0].id}")
    settle(page)
    yield page
    opened.close()


@pytest.mark.parametrize("name", LINKED)
def test_a_page_has_no_serious_violation(window, name):
    go(window, name)
    window.locator("[data-testid=stMain] button").first.wait_for()
    assert_accessible(window)


@pytest.mark.parametrize("name", ADDRESSED)
def test_an_address_has_no_serious_violation(window, address, kmeans_runs, name):
    ids = ",".join(run.id for run in kmeans_runs) if name.endswith("=") else ""
    window.goto(f"{address}/{name}{ids}")
    window.locator("[data-testid=stMain] button").first.wait_for()
    settle(window)
    assert_accessible(window)


def assert_accessible(page):
    """All rules in the light theme; what may differ in the dark one, its colours, in the dark."""
    light = background(page)
    assert serious(page, ALL_RULES) == []
    page.emulate_media(color_scheme="dark")
    try:
        until(page, lambda: background(page) != light)
        settle(page)
        assert serious(page, CONTRAST) == []
    finally:
        page.emulate_media(color_scheme="light")
        until(page, lambda: background(page) == light)


def background(page):
    return page.evaluate(
        "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )


def serious(page, options):
    """Serious violations of the rules of axe: rule, impact and the first elements concerned."""
    return [
        (v["id"], v["impact"], [n["target"] for n in v["nodes"]][:5])
        for v in Axe().run(page, options=options).response["violations"]
        if v["impact"] in SERIOUS
    ]

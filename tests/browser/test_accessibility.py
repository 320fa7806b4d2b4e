"""No page has a serious obstacle for people who use a keyboard or a screen reader."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from tests.support.browser import browser, server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
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


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("axe") / "runs")
    runs = []
    for n_clusters in (10, 8):
        params = {"n_clusters": n_clusters, "n_init": 1}
        spec = RunSpec("digits", "kmeans", {"n_samples": 300}, params, preset="custom")
        runs.append(new_run(store, spec).id)
        execute(store.root, runs[-1])
    with server(store.root) as address, browser() as chromium:
        size = {"width": 1440, "height": 900}
        contexts = {
            scheme: chromium.new_context(viewport=size, color_scheme=scheme)
            for scheme in ("light", "dark")
        }
        yield address, contexts, runs


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_serious_violation(app, name, scheme):
    address, contexts, runs = app
    page = contexts[scheme].new_page()
    join = "&" if "?" in name else "?"
    page.goto(f"{address}/{name}{join}run={runs[0]}&runs={','.join(runs)}")
    page.locator("[data-testid=stMain] button").first.wait_for(timeout=60_000)
    page.wait_for_timeout(2500)
    found = Axe().run(page).response["violations"]
    told = [
        (v["id"], v["impact"], [n["target"] for n in v["nodes"]][:5])
        for v in found
        if v["impact"] in SERIOUS
    ]
    page.close()
    assert told == []

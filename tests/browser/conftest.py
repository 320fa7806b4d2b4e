"""One browser, one app and one folder of runs for all tests of this folder."""

import pytest

from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from tests.support.browser import PATIENCE, SIZE, Watch, browser, server


@pytest.fixture(scope="session")
def chromium():
    """A browser."""
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """The folder of runs behind the app; a test may add runs and changes only its own."""
    return RunStore(tmp_path_factory.mktemp("browser") / "runs")


@pytest.fixture(scope="session")
def address(store):
    """Where the app is served."""
    with server(store.root) as where:
        yield where


@pytest.fixture
def page(chromium):
    """An empty page of its own, which must not end with an error in its console."""
    context = chromium.new_context(viewport=SIZE, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    watch = Watch(opened)
    yield opened
    context.close()
    assert watch.problems == []


@pytest.fixture(scope="session")
def kmeans_runs(store):
    """Two finished runs of k-means on the same digits, with ten clusters and with six."""
    runs = []
    for n_clusters in (10, 6):
        params = {"n_clusters": n_clusters, "n_init": 1, "max_iter": 8}
        runs.append(new_run(store, RunSpec("digits", "kmeans", {"n_samples": 400}, params)))
        execute(store.root, runs[-1].id)
        assert runs[-1].status == "done"
    return runs

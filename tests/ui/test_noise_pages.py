"""Every page on a run with noise, and on one that is nothing but noise."""

import numpy as np
import pytest

from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from clustlab.types import NOISE
from tests.ui.test_pages import visit, words

PAGES = (
    "home",
    "train",
    "embedding",
    "clusters",
    "evaluate",
    "shifts",
    "follow",
    "failures",
    "inside",
    "apply",
    "runs",
)


def cluster(store, dataset="toy", **params):
    """Carry out a small run of HDBSCAN."""
    data = {"n": 90, "shape": "moons", "noise": 0.25}
    if dataset == "digits":
        data = {"n_samples": 80}
    spec = RunSpec(dataset, "hdbscan", data, {"n_sizes": 3, **params}, preset="custom")
    run = new_run(store, spec)
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of a run with some noise and of one with nothing else at its end."""
    store = RunStore(tmp_path_factory.mktemp("noise") / "runs")
    partly = cluster(store, min_cluster_size=6, min_samples=3)
    wholly = cluster(store, "digits", min_cluster_size=70)
    assert 0 < partly[-1].is_noise.mean() < 1
    assert wholly[0].n_clusters > 0
    assert wholly[-1].is_noise.all()
    return store.root, {"partly": partly.id, "wholly": wholly.id}


@pytest.fixture
def named(folder, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(folder[0]))
    return folder[1]


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


@pytest.mark.parametrize("kind", ["partly", "wholly"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_a_run_with_noise(named, page, kind):
    app = visit(page, run=named[kind])
    assert not app.error, app.error
    assert "cluster -1" not in words(app).lower()


@pytest.mark.parametrize("kind", ["partly", "wholly"])
@pytest.mark.parametrize("page", ["embedding", "follow", "shifts"])
def test_an_item_that_is_noise_is_called_so(named, page, kind):
    item = int(np.flatnonzero(RunStore().run(named[kind])[-1].is_noise)[0])
    app = visit(page, run=named[kind])
    app.session_state["picked"] = item
    app.run()
    assert not app.exception, app.exception
    assert "**Noise**: it belongs to no cluster" in words(app)


def test_evaluate_says_how_much_is_clustered(named):
    run = RunStore().run(named["partly"])
    share = 1 - run[-1].is_noise.mean()
    app = visit("evaluate", run=run.id)
    assert metrics(app)["Clustered"] == f"{100 * share:.3g}%"
    nothing = metrics(visit("evaluate", run=named["wholly"]))
    assert nothing["Clustered"] == "0%"
    assert "0.9" not in nothing["ACC"]
    assert not any(character.isdigit() for character in nothing["ACC"])


def test_the_run_bar_has_the_share_beside_the_scores(named):
    said = words(visit("embedding", run=named["wholly"]))
    assert "0% clustered" in said
    assert "ACC **" not in said


def test_noise_is_the_last_row_of_the_clusters(named):
    run = RunStore().run(named["partly"])
    app = visit("clusters", run=run.id)
    rows = [button.key for button in app.button if str(button.key).startswith("all-")]
    assert rows[-1] == f"all-{NOISE}" or len(rows) == 10  # ten on a page
    (only,) = [
        button.key
        for button in visit("clusters", run=named["wholly"]).button
        if str(button.key).startswith("all-")
    ]
    assert only == f"all-{NOISE}"


def test_two_runs_with_noise_are_compared(named):
    store = RunStore()
    other = cluster(store, min_cluster_size=12, min_samples=3)
    app = visit("compare", runs=f"{named['partly']},{other.id}")
    assert not app.error
    labels = [button.label for button in app.button]
    assert any(label.startswith("Noise in one or both: ") for label in labels)


def test_a_size_that_leaves_only_noise_is_said_before_the_start_and_after_it(named):
    sentence = "(min_cluster_size) is 70, more than half of the"
    wholly = named["wholly"]
    app = visit("train", run=wholly)
    said = [warning.value for warning in app.warning if sentence in warning.value]
    assert len(said) == 2  # in the form, which holds the settings of the run, and under the result
    assert "every item is noise" in said[0]
    app = visit("train", run=named["partly"])
    assert not any("min_cluster_size" in warning.value for warning in app.warning)

"""Runs stored by the version before noise was -1 open as before, and can be resumed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from clustlab.__main__ import main
from clustlab.analysis.timeline import Timeline
from clustlab.runs.migration import SCHEMA
from clustlab.runs.store import RunStore, each_assignment, probabilities_at, snapshot_path
from clustlab.training.worker import execute, new_run, requeue
from clustlab.types import NOISE
from clustlab.views import artefacts

STORED = Path(__file__).parents[1] / "support" / "stored_runs"
HDBSCAN = "20261127-142750-hdbscan-digits-8588"  # done
HDBSCAN_STOPPED = "20261127-143044-hdbscan-toy-3a21"  # stopped after 2 of 4 steps
KMEANS = "20261127-142847-kmeans-digits-df5d"  # done
RIM_STOPPED = "20261127-143023-rim-digits-b3fd"  # stopped after 4 of 7 steps
RUNS = [HDBSCAN, KMEANS, RIM_STOPPED, HDBSCAN_STOPPED]

# what `python -m clustlab show` printed then
SHOWN = {
    KMEANS: {"acc": 0.66667, "nmi": 0.80385, "ari": 0.56974, "purity": 0.81667, "n_occupied": 10},
    RIM_STOPPED: {"acc": 0.68333, "nmi": 0.81325, "ari": 0.5916, "n_occupied": 10},
    HDBSCAN: {"acc": 0.78333, "nmi": 0.8815, "ari": 0.74375, "n_occupied": 7},
}


@pytest.fixture
def old(tmp_path):
    shutil.copytree(STORED, tmp_path / "runs")
    return RunStore(tmp_path / "runs")


def told(capsys, store, *words):
    """Answer of a command that must succeed."""
    assert main([*words, "--runs", str(store.root)]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def raw(run, step):
    """Assignments as they lie on disk."""
    with np.load(snapshot_path(run.path, step)) as arrays:
        return arrays["assignments"]


def test_the_stored_runs_are_those_of_before():
    for name in RUNS:
        assert json.loads((STORED / name / "manifest.json").read_text("utf-8"))["schema"] == 1
        lines = (STORED / name / "log.jsonl").read_text("utf-8").splitlines()
        assert all("schema" not in json.loads(line) for line in lines)


@pytest.mark.parametrize("name", [KMEANS, RIM_STOPPED])
def test_a_run_without_noise_shows_the_same_figures(old, capsys, name):
    answer = told(capsys, old, "show", name)
    for key, value in SHOWN[name].items():
        assert answer[key] == pytest.approx(value, abs=1e-5)
    assert answer["share_clustered"] == 1
    run = old.run(name)
    for step, snapshot in enumerate(run):
        assert (snapshot.assignments == raw(run, step)).all()
        assert snapshot.n_clusters == 10


@pytest.mark.parametrize("name", [HDBSCAN, HDBSCAN_STOPPED])
def test_the_last_cluster_of_before_is_noise_and_all_else_as_it_was(old, name):
    run = old.run(name)
    for step, (snapshot, record) in enumerate(zip(run, run.log, strict=True)):
        then, k = raw(run, step), record["n_clusters"] - 1
        assert snapshot.n_clusters == k
        assert (snapshot.is_noise == (then == k)).all()
        assert (snapshot.assignments[then < k] == then[then < k]).all()
        assert record["scalars"]["clusters_found"] == k
        assert record["scalars"]["share_of_noise"] == pytest.approx(snapshot.is_noise.mean())
        assert len(snapshot.centers) == k
        sizes = snapshot.artefacts["sizes"]
        assert sizes.data[0].tolist() == np.bincount(then, minlength=k + 1).tolist()
        shown = artefacts.renumbered(sizes, np.arange(k)[::-1])
        assert shown.columns == (*map(str, range(k)), "noise")
        if "centroids" in snapshot.artefacts:
            assert snapshot.artefacts["centroids"].data.shape[1] == k
    everything = list(each_assignment(run))
    assert [k for _, k in everything] == [snapshot.n_clusters for snapshot in run]
    for (assignments, _), snapshot in zip(everything, run, strict=True):
        assert (assignments == snapshot.assignments).all()
    assert probabilities_at(run, 0) is None


def test_noise_is_out_of_the_figures_and_beside_them_stands_how_much_it_was(old, capsys):
    answer = told(capsys, old, "show", HDBSCAN)
    then, labels = raw(old.run(HDBSCAN), 2), old.dataset(old.run(HDBSCAN)).labels
    assert answer["n_occupied"] == SHOWN[HDBSCAN]["n_occupied"] - 1
    assert answer["share_clustered"] == pytest.approx((then < 6).mean(), abs=1e-5)
    # six clusters with a class each, of which the greatest part is right
    right = sum(np.bincount(labels[then == i]).max() for i in range(6))
    assert answer["purity"] == pytest.approx(right / (then < 6).sum(), abs=1e-5)
    timeline = Timeline(old.run(HDBSCAN), labels)
    timeline.extend()
    assert (timeline.assignments().min(1) == NOISE).all()


@pytest.mark.parametrize("name", [HDBSCAN_STOPPED, RIM_STOPPED])
def test_a_run_that_was_stopped_then_is_resumed_now(old, name):
    before = [snapshot.assignments.copy() for snapshot in old.run(name)]
    requeue(old.run(name))
    execute(old.root, name)
    run = old.run(name)
    assert run.status == "done", run.progress
    fresh = new_run(old, run.spec)
    execute(old.root, fresh.id)
    whole = old.run(fresh.id)
    assert len(run) == len(whole) > len(before)
    for step, assignments in enumerate(before):
        assert (run[step].assignments == assignments).all()
    assert [r.get("schema", 1) for r in run.log][: len(before) + 1] == [1] * len(before) + [SCHEMA]
    assert run.manifest["schema"] == SCHEMA  # or an earlier version would open what it cannot read
    assert [s.n_clusters for s in run] == [s.n_clusters for s in whole]
    assert (run[-1].assignments == whole[-1].assignments).mean() > 0.95


def test_runs_of_then_and_now_are_compared_and_asked_for_failures(old, capsys):
    answer = told(capsys, old, "compare", HDBSCAN, KMEANS)
    (pair,) = answer["pairs"]
    noise = int((raw(old.run(HDBSCAN), 2) == 6).sum())
    assert sum(map(sum, pair["contingency"])) == 60 - noise
    assert len(pair["clusters_a"]) == 6
    assert pair["right"]["noise"] == noise
    assert sum(pair["right"].values()) == 60
    for query in ("confidently-wrong", "giant-clusters", "impostors", "dead-clusters"):
        for name in RUNS:
            found = told(capsys, old, "failures", name, "--query", query)
            assert all(item["cluster"] >= 0 for item in found["items"])
    biography = told(capsys, old, "biography", HDBSCAN, "0")
    assert len(biography["clusters"]) == 3

"""The commands that ask about runs, as a program would call them."""

import json

import numpy as np
import pytest

from clustlab.__main__ import main
from clustlab.analysis import metrics
from clustlab.analysis.failures import report
from clustlab.runs.store import RunSpec
from clustlab.training.worker import execute, new_run


@pytest.fixture
def ask(store, capsys):
    """Ask a question; returns exit code, answer and complaint."""

    def call(*words):
        code = main([*map(str, words), "--json", "--runs", str(store.root)])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


@pytest.fixture
def pair(store):
    """Two runs over the same points."""
    found = []
    for n_clusters in (3, 4):
        params = {"n_clusters": n_clusters, "n_init": 1, "max_iter": 5}
        run = new_run(store, RunSpec("toy", "kmeans", {"n": 90}, params, preset="custom"))
        execute(store.root, run.id)
        found.append(run)
    return found


def test_compare_tells_how_far_runs_agree(ask, pair):
    code, answer, _ = ask("compare", *(run.id for run in pair))
    one, two = (run[-1].assignments for run in pair)
    assert code == 0
    assert answer["ari"][0][1] == pytest.approx(metrics.ari(one, two), abs=1e-5)
    assert answer["nmi"][1][0] == pytest.approx(metrics.nmi(one, two), abs=1e-5)
    assert answer["ari"][0][0] == pytest.approx(1.0)
    assert len(answer["runs"]) == 2


def test_compare_refuses_a_single_run_and_other_items(ask, pair, store):
    code, answer, complaint = ask("compare", pair[0].id)
    assert (code, answer) == (2, None)
    assert "2 to 4" in complaint
    other = new_run(store, RunSpec("toy", "kmeans", {"n": 60}, {"n_clusters": 3}))
    execute(store.root, other.id)
    code, answer, complaint = ask("compare", pair[0].id, other.id)
    assert (code, answer) == (2, None)
    assert other.id in complaint


def test_failures_lists_its_queries_and_answers_each(ask, pair):
    code, answer, _ = ask("failures", pair[0].id, "--query", "list")
    assert code == 0
    assert [q["name"] for q in answer["queries"]] == report.names()
    for name in report.names():
        code, answer, complaint = ask("failures", pair[0].id, "--query", name, "--limit", 3)
        assert code == (0 if name != "near-duplicates-apart" else code), complaint
        assert code == 2 or len(answer["items"]) <= 3


def test_failures_says_what_is_wrong_with_a_question(ask, pair):
    for words, wanted in (
        (("--query", "unhappy"), "unhappy"),
        (("--query", "undecided", "--step", "99"), "99"),
        (("--query", "undecided", "--step", "soon"), "soon"),
        (("--query", "undecided", "--limit", "0"), "0"),
    ):
        code, answer, complaint = ask("failures", pair[0].id, *words)
        assert (code, answer) == (2, None)
        assert wanted in complaint


def test_biography_tells_the_clusters_of_an_item_at_each_step(ask, pair):
    run = pair[0]
    code, answer, _ = ask("biography", run.id, 7)
    assert code == 0
    assert answer["index"] == 7
    assert len(answer["clusters"]) == len(run)
    assert np.isfinite(answer["confidence"]).all()


def test_biography_names_an_index_that_is_not_there(ask, pair):
    code, answer, complaint = ask("biography", pair[0].id, 90)
    assert (code, answer) == (2, None)
    assert "90" in complaint
    code, _, complaint = ask("biography", pair[0].id, "seven")
    assert code == 2
    assert "seven" in complaint

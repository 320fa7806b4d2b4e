"""Which steps of a long run are kept, and what the others still tell."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis.lasting_clusters import followed_clusters
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError, StepThinned
from clustlab.runs import thinning
from clustlab.runs.opened_steps import ordinal
from clustlab.runs.step_files import share_steps
from clustlab.runs.store import RunStore, each_assignment, probabilities_at, snapshot_path
from clustlab.runs.thinning import FEWEST, NEWEST, Thinning, special_steps
from clustlab.scripting.runs import OpenRun
from clustlab.training.writer import RunWriter
from clustlab.types import Snapshot
from tests.engine.test_stored_steps import assert_same_files
from tests.support import made_runs

N, K = 300, 3
GB = 1e9


# -- the rule ----------------------------------------------------------------------------------
@given(
    n=st.integers(1, 400),
    doublings=st.integers(0, 8),
    marked=st.frozensets(st.integers(0, 399), max_size=20),
    special=st.frozensets(st.integers(0, 399), max_size=20),
)
def test_what_is_kept_is_an_even_share_and_all_that_something_speaks_for(
    n, doublings, marked, special
):
    rule = Thinning(marked=marked)
    for _ in range(doublings):
        rule = rule.doubled()
    kept = rule.kept(n, special)
    assert kept == sorted(set(kept))
    assert set(kept) <= set(range(n))
    assert set(range(max(0, n - NEWEST), n)) <= set(kept)
    assert {step for step in marked | special if step < n} <= set(kept)
    assert 0 in kept
    reasons = len(marked) + len(special) + NEWEST
    assert len(kept) <= -(-n // rule.every) + reasons
    gaps = np.diff(kept)
    assert (gaps <= rule.every).all()


@given(st.integers(1, 200), st.integers(0, 5), st.frozensets(st.integers(0, 199)))
def test_a_step_that_is_gone_never_comes_back(n, doublings, marked):
    """So it does not matter when a run is thinned: all rules before have kept what one keeps."""
    rule = Thinning(2**doublings, marked)
    for later in range(n, n + 20):
        assert set(rule.doubled().kept(later, ())) & set(range(n)) <= set(rule.kept(n, ()))


def record(phase="train", **more):
    return {"phase": phase, **more}


def test_phases_changes_and_lenders_are_kept():
    log = [record("a")] * 5 + [record("b")] * 5
    log[7] = record("b", interventions=[{}])
    log[9] = record("b", embedding_of=6)
    assert special_steps(log) == {0, 4, 5, 6, 7}
    assert special_steps([]) == set()


@pytest.mark.parametrize(("text", "limit"), [("", 1.8 * GB), ("all", np.inf), ("0.5", 0.5 * GB)])
def test_the_limit_is_that_of_the_environment(monkeypatch, text, limit):
    monkeypatch.setenv(thinning.VARIABLE, text)
    assert thinning.size_limit() == limit


@pytest.mark.parametrize("text", ["none", "-1", "0", "nan", "inf"])
def test_a_limit_that_is_none_is_refused_with_a_remedy(monkeypatch, text):
    monkeypatch.setenv(thinning.VARIABLE, text)
    with pytest.raises(ParameterError, match=f"is '{text}'") as raised:
        thinning.size_limit()
    assert "'all'" in raised.value.hint


def test_numbers_are_said_as_people_do():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 21, 112, 1024)] == [
        *("", "2nd", "3rd", "4th", "11th", "21st", "112th", "1,024th")
    ]


# -- a run that grows --------------------------------------------------------------------------
def snapshot(step, *, sure=0.9):
    rng = np.random.default_rng(step)
    assignments = (np.arange(N) + (rng.random(N) < 0.05)) % K
    p = np.full((N, K), (1 - sure) / (K - 1), dtype=np.float32)
    p[np.arange(N), assignments] = sure
    return Snapshot(rng.normal(size=(N, 20)), assignments, {"loss": 1 / (1 + step)}, p)


def append(run, snapshots, start=0, phase="train"):
    with RunWriter(run) as writer:
        for step, each in enumerate(snapshots, start):
            about = {"phase": phase, "role": "train", "samples": N}
            writer.append(step, each, {**about, "done": step + 1, "total": 99})
        writer.finish("done", seconds=1.0)


@pytest.fixture
def run(store, monkeypatch):
    monkeypatch.setenv(thinning.VARIABLE, "0.001")
    key = made_runs.data(store, n=N, labels=np.arange(N) % K)
    return made_runs.run(store, [], key, method="iic")


def sizes(run):
    return sum(file.stat().st_size for file in run.path.glob("snapshots/*.npz"))


def test_a_long_run_stays_below_its_limit_and_keeps_an_even_share(run):
    append(run, map(snapshot, range(90)))
    assert sizes(run) <= 1e6
    every = run.thinning.every
    assert every == 4
    kept = run.kept_steps
    assert set(range(0, 90, every)) <= set(kept)
    assert len(kept) < 60
    for step in range(90):
        if step in kept:
            assert run[step].embedding.shape == (N, 20)
        else:
            with pytest.raises(StepThinned, match=f"every {ordinal(every)} step"):
                run[step]
            with pytest.raises(StepThinned):
                probabilities_at(run, step)
    assert len(run.log) == 90
    assert run.missing_steps == []
    assert run.damaged_steps() == []


def test_all_steps_are_kept_if_so_asked(run, monkeypatch):
    monkeypatch.setenv(thinning.VARIABLE, "all")
    append(run, map(snapshot, range(60)))
    assert run.kept_steps == list(range(60))
    assert sizes(run) > 1e6


def test_clusters_and_figures_of_all_steps_stay(store, run, monkeypatch):
    made = [snapshot(step) for step in range(70)]
    append(run, made)
    monkeypatch.setenv(thinning.VARIABLE, "all")
    whole = made_runs.run(store, [], run.manifest["data_key"], method="iic")
    append(whole, made)
    assert len(run.kept_steps) < 70
    for found, wanted in zip(each_assignment(run), each_assignment(whole), strict=True):
        assert (found[0] == wanted[0]).all()
        assert found[1] == wanted[1]
    assert [f.is_missing for f in followed_clusters(run)] == [False] * 70
    labels = store.dataset(run).labels
    mine, other = Timeline(run, labels), Timeline(whole, labels)
    mine.extend()
    other.extend()
    np.testing.assert_allclose(mine.metrics(), other.metrics(), atol=1e-3)
    assert (mine.flips(69) == other.flips(69)).all()
    assert mine.history(3).tolist() == other.history(3).tolist()
    assert mine.stops() == mine.whole() == run.kept_steps
    assert other.stops() == list(range(70))
    assert mine.missing() == []
    thinned = next(step for step in range(70) if step not in run.kept_steps)
    assert np.isnan(mine.certainty(0)[thinned]).all()
    assert (mine.points(thinned) == mine.points(thinned - 1)).all()


def test_the_steps_at_which_an_alarm_begins_and_ends_are_kept(run):
    unsure = range(41, 54)
    append(run, (snapshot(i, sure=0.335 if i in unsure else 0.9) for i in range(80)))
    assert run.thinning.every > 1
    assert {41, 53} <= set(run.kept_steps)
    assert {41, 53} <= run.thinning.marked
    assert run[41].n_clusters == run[53].n_clusters == K


def test_an_alarm_that_was_over_before_the_run_grew_large_is_kept_too(run):
    unsure = range(9, 14)
    append(run, (snapshot(i, sure=0.335 if i in unsure else 0.9) for i in range(60)))
    assert run.thinning.every > 1
    assert {9, 13} <= set(run.kept_steps)
    run[9], run[13]


@pytest.mark.slow
def test_a_run_that_goes_on_is_thinned_as_one_that_was_not_interrupted(store, run):
    append(run, map(snapshot, range(75)))
    other = made_runs.run(store, [], run.manifest["data_key"], method="iic")
    append(other, map(snapshot, range(50)))
    append(other, map(snapshot, range(50, 75)), start=50)
    assert other.thinning == run.thinning
    assert other.kept_steps == run.kept_steps
    for step in range(75):
        assert_same_files(*(snapshot_path(r.path, step) for r in (run, other)))


def test_a_reader_hears_of_steps_that_go_while_it_looks(store, run):
    append(run, map(snapshot, range(30)))
    reader = store.run(run.id)
    timeline = Timeline(reader)
    timeline.extend()
    assert timeline.stops() == list(range(30))
    append(run, map(snapshot, range(30, 80)), start=30)
    with pytest.raises(StepThinned):
        reader[3]
    timeline.extend()
    assert timeline.stops() == run.kept_steps
    assert len(timeline.metrics()) == 80


def test_a_run_trained_longer_takes_the_rule_along(store, run):
    append(run, map(snapshot, range(60)))
    other = made_runs.run(store, [], run.manifest["data_key"], method="iic")
    share_steps(run.path, other.path, 60)
    assert store.run(other.id).kept_steps == run.kept_steps


@pytest.mark.parametrize("text", ["", "{", '{"every": 0, "marked": []}', '{"every": "2"}', "[]"])
def test_a_rule_that_cannot_be_read_keeps_all_steps(run, text):
    append(run, map(snapshot, range(10)))
    (run.path / thinning.FILE).write_text(text)
    assert RunStore(run.path.parent).run(run.id).kept_steps == list(range(10))


def test_scripts_hear_which_steps_have_an_embedding(store, run):
    append(run, map(snapshot, range(60)))
    opened = OpenRun(store, run)
    assert opened.kept_steps == run.kept_steps
    thinned = next(step for step in opened.steps if step not in opened.kept_steps)
    assert opened.assignments(thinned).shape == (N,)
    with pytest.raises(StepThinned):
        opened.embedding(thinned)


def test_few_large_steps_are_all_kept(run, monkeypatch):
    monkeypatch.setenv(thinning.VARIABLE, "0.00001")
    append(run, map(snapshot, range(FEWEST)))
    assert run.kept_steps == list(range(FEWEST))


def test_what_is_noted_is_as_it_is_read(run):
    kept = Thinning(8, frozenset({3, 5}))
    thinning.write(run.path, kept)
    assert thinning.read(run.path) == kept
    assert json.loads((run.path / thinning.FILE).read_text()) == {"every": 8, "marked": [3, 5]}

"""Runs that leave items out: what they train on, what is refused, and what older runs keep."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.data import library, some_rows
from clustlab.errors import ParameterError
from clustlab.runs.store import Run, RunSpec
from clustlab.training.worker import execute, new_run
from clustlab.types import Dataset, Labelling
from clustlab.ui.look.runs import settings


def spec(excluded=(), n=100, **params):
    params = {"n_init": 1, "max_iter": 3, **params}
    return RunSpec("toy", "kmeans", {"n": n}, params, excluded=list(excluded))


def test_a_run_trains_on_the_rest_and_knows_their_old_rows(store):
    run = new_run(store, spec([5, 0, 99, 5]))
    assert run.spec.excluded == [0, 5, 99]
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    whole = library.load(store.root, "toy", {"n": 100}, 0)
    data = store.dataset(run)
    rest = np.delete(np.arange(100), [0, 5, 99])
    assert len(run[-1].assignments) == 97
    assert data.original.tolist() == rest.tolist()
    assert data.items.tobytes() == whole.items[rest].tobytes()
    assert data.labels.tobytes() == whole.labels[rest].tobytes()
    assert data.protocol == f"{whole.protocol}, 3 left out by hand"
    assert settings(run).endswith("without 3 items")
    about = json.loads((run.path / "environment.json").read_text())
    left = library.fingerprint(store.root, "toy", {"n": 100}, 0, [0, 5, 99])
    assert about["fingerprint"] == left
    assert left != library.fingerprint(store.root, "toy", {"n": 100}, 0)


def test_the_key_of_the_data_depends_on_which_rows_are_left_out(store):
    plain = library.key("toy", {"n": 100}, 0)
    assert library.key("toy", {"n": 100}, 0, []) == plain
    assert library.key("toy", {"n": 100}, 0, [3]) != plain
    assert library.key("toy", {"n": 100}, 0, [3, 4]) == library.key("toy", {"n": 100}, 0, [4, 3, 4])
    assert new_run(store, spec()).manifest["data_key"] == plain


def test_a_manifest_from_before_there_was_exclusion_is_read(store):
    run = new_run(store, spec())
    file = run.path / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["spec"]["excluded"]
    file.write_text(json.dumps(manifest))
    assert Run(run.path).spec == run.spec
    assert "without" not in settings(Run(run.path))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([-1], "row numbers from 0 up, got -1"),
        ([1.5], "got 1.5"),
        ([True], "got True"),
        (["2"], "got '2'"),
    ],
)
def test_what_is_no_row_is_refused_at_once(store, rows, words):
    with pytest.raises(ParameterError, match=words):
        new_run(store, spec(rows))
    assert store.runs() == []


def test_what_is_no_list_is_refused(store):
    with pytest.raises(ParameterError, match="got 'all'"):
        some_rows.plain_rows("all")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([100], "names row 100, but there are only 100 items"),
        (range(100), "names all 100 items"),
        (range(95), "only 5 items left for 8 clusters"),
    ],
)
def test_too_much_is_refused_at_once_where_the_items_are_known(store, rows, words):
    library.load(store.root, "toy", {"n": 100}, 0)
    with pytest.raises(ParameterError, match=words):
        new_run(store, spec(rows, n_clusters=8))
    assert store.runs() == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [([100], "names row 100"), (range(100), "names all 100"), (range(95), "only 5 items")],
)
def test_too_much_fails_with_a_word_where_the_items_come_later(store, rows, words):
    run = new_run(store, spec(rows, n_clusters=8))
    execute(store.root, run.id)
    assert run.status == "failed"
    assert words in run.progress["error"]


def test_every_part_of_a_data_set_is_cut_and_rows_add_up():
    other = {"coarse": Labelling(np.arange(6, dtype=np.int32), ("x",) * 6)}
    items = np.arange(6, dtype=np.float32)[:, None]
    whole = Dataset("a", items, np.arange(6, dtype=np.int32), (), "", other)
    once = some_rows.without(whole, [1])
    twice = some_rows.without(once, [0, 3])
    assert twice.original.tolist() == [2, 3, 5]
    assert twice.items[:, 0].tolist() == [2, 3, 5]
    assert twice.labels.tolist() == [2, 3, 5]
    assert twice.other_labels["coarse"].labels.tolist() == [2, 3, 5]
    assert once.protocol == "1 left out by hand"


def test_rows_of_another_number_than_items_are_a_bug():
    with pytest.raises(ValueError, match="2 items but"):
        Dataset("a", np.zeros((2, 1), np.float32), original=np.arange(3))


@given(st.integers(1, 60), st.lists(st.integers(0, 59)))
def test_what_is_left_and_what_is_left_out_are_all(n, excluded):
    excluded = [row % n for row in excluded]
    if len(set(excluded)) == n:
        return
    left = some_rows.rows_left(n, excluded)
    assert sorted([*left.tolist(), *set(excluded)]) == list(range(n))

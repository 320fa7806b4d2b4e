"""Runs that leave items out, compared over those that all of them have."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import comparison, learning_curves, shared_items
from clustlab.analysis.shared_items import shared_rows
from clustlab.data import library, some_rows
from clustlab.errors import ParameterError, RunNotFound
from tests.support import made_runs

N = 12
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, -1])
TRUE = np.repeat([0, 1, 2], 4)
FIRST = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2])  # item 3 is with the ones


def laid_down(store, excluded=(), seed=0):
    """A run's part of the spec, and its items on disk under the key that it has."""
    whole = library.key("digits", {}, seed)
    made_runs.data(store, whole, n=N, labels=LABELS, seed=seed)
    key = library.key("digits", {}, seed, excluded)
    if excluded:
        draw = library.open_folder(store.root / "_data" / whole)
        fingerprint = library.fingerprint(store.root, "digits", {}, seed)
        part = some_rows.without(draw, excluded)
        library._save(store.root / "_data" / key, part, whole=fingerprint)
    return key, {"excluded": list(excluded), "seed": seed}


def run(store, clusters, excluded=(), seed=0, method="dec"):
    """A run of one step; `clusters` are of the whole draw."""
    key, spec = laid_down(store, excluded, seed)
    kept = np.delete(np.asarray(clusters), list(excluded))
    return made_runs.run(store, [kept], key, method=method, **spec)


# -- which rows ----------------------------------------------------------------------------------
def test_rows_of_three_runs_with_different_exclusions():
    shared = shared_rows(8, [[], [0, 5], [7, 5, 2]])
    assert shared.original.tolist() == [1, 3, 4, 6]
    assert [rows.tolist() for rows in shared.rows] == [[1, 3, 4, 6], [0, 2, 3, 4], [1, 2, 3, 4]]
    assert shared.sizes == (8, 6, 5)
    assert len(shared) == 4
    assert shared.in_words == "4 of 8 items"
    assert shared.positions([0, 1, 6, 99, 4]).tolist() == [0, 3, 2]
    assert shared.positions([2, 5], run=1).tolist() == [1]
    assert shared.translated([0, 1, 2, 4], 1, 2).tolist() == [1, 2, 4]
    assert shared.translated([], 0, 1).tolist() == []
    assert not any(shared.has_all(i) for i in range(3))


def test_whole_runs_share_everything_and_a_part_of_one_is_all_of_itself():
    assert shared_rows(5000, [[], []]).in_words == "5,000 items"
    shared = shared_rows(5000, [[], list(range(41))])
    assert shared.in_words == "4,959 of 5,000 items"
    assert [shared.has_all(i) for i in (0, 1)] == [False, True]
    alike = shared_rows(10, [[3], [3]])
    assert alike.has_all(0)
    assert alike.has_all(1)
    assert alike.in_words == "9 of 10 items"


def test_runs_without_an_item_in_common_are_refused():
    with pytest.raises(ParameterError, match="no item in common"):
        shared_rows(4, [[0, 1], [2, 3]])


@given(st.integers(2, 40), st.lists(st.sets(st.integers(0, 39)), min_size=2, max_size=4))
def test_a_shared_item_is_the_same_row_of_the_draw_in_every_run(n, excluded):
    excluded = [[i for i in rows if i < n] for rows in excluded]
    if len(set().union(*excluded)) == n:
        return
    shared = shared_rows(n, excluded)
    for rows, left_out in zip(shared.rows, excluded, strict=True):
        original = np.delete(np.arange(n), left_out)
        assert original[rows].tolist() == shared.original.tolist()
    assert set(shared.original) == set(range(n)) - set().union(*excluded)


# -- which draw ----------------------------------------------------------------------------------
def test_a_run_without_some_items_is_of_the_same_draw_and_another_seed_is_not(store):
    whole, part = run(store, TRUE), run(store, TRUE, [3, 7])
    other = run(store, TRUE, [3], seed=5)
    assert shared_items.strangers(store, [whole, part, other]) == [other]
    assert shared_items.strangers(store, [part, whole]) == []
    with pytest.raises(ParameterError, match="other items"):
        comparison.report(store, [part.id, other.id])


def test_parts_of_equal_draws_under_two_keys_are_known_by_the_fingerprint(store):
    a, b = run(store, TRUE, [3]), run(store, TRUE, [4], seed=9)
    about = store.root / "_data" / b.manifest["data_key"] / "about.json"
    for key in (library.key("digits", {}, seed) for seed in (0, 9)):
        (store.root / "_data" / key / "about.json").unlink()  # the whole draws are gone
    assert shared_items.strangers(store, [a, b]) == [b]
    known = json.loads((store.root / "_data" / a.manifest["data_key"] / "about.json").read_text())
    about.write_text(json.dumps({**json.loads(about.read_text()), "whole": known["whole"]}))
    assert shared_items.strangers(store, [a, b]) == []


def test_the_data_of_a_part_know_the_draw_they_come_from(store):
    library.load(store.root, "toy", {"n": 60}, 0, excluded=[1, 2])
    folder = store.root / "_data" / library.key("toy", {"n": 60}, 0, [1, 2])
    about = json.loads((folder / "about.json").read_text())
    assert about["whole"] == library.fingerprint(store.root, "toy", {"n": 60}, 0)
    assert about["whole"] != about["fingerprint"]


def test_items_are_needed_to_know_what_is_shared(store):
    runs = [made_runs.run(store, [], "away") for _ in range(2)]
    with pytest.raises(RunNotFound, match="are not in"):
        shared_items.shared_items(store, runs)


# -- in numbers ----------------------------------------------------------------------------------
def test_a_run_is_compared_with_its_parent_over_what_both_have(store):
    """The child sees item 3 rightly and does not have items 0 and 8."""
    parent, child = run(store, FIRST), run(store, (TRUE + 1) % 3, [0, 8], method="iic")
    found = comparison.report(store, [parent.id, child.id])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["compared_over"] == "10 of 12 items"
    assert found["n_items"] == 10
    assert found["n_labelled"] == 9
    first, other = found["runs"]
    assert first["acc"] == pytest.approx(8 / 9, abs=1e-5)
    assert first["over_its_own_items"]["acc"] == pytest.approx(10 / 11, abs=1e-5)
    assert first["over_its_own_items"]["n_items"] == 12
    assert other["acc"] == 1
    assert "over_its_own_items" not in other  # all of its items are shared
    (both,) = found["pairs"]
    assert both["contingency"] == [[2, 0, 0], [1, 4, 0], [0, 0, 3]]
    assert both["same_cluster"] == 9
    assert {k: both["right"][k] for k in ("both", "only_a", "only_b", "neither")} == {
        "both": 8,
        "only_a": 0,
        "only_b": 1,
        "neither": 0,
    }
    assert found["consensus"]["unanimous"] == 9
    assert found["most_disputed"][0]["index"] == 3  # its row in the parent
    assert found["most_disputed"][0]["rows"] == [3, 2]
    turned = comparison.report(store, [child.id, parent.id])
    assert turned["most_disputed"][0]["index"] == 2
    assert turned["ari"][0][1] == found["ari"][0][1]
    titles = [each["title"] for each in found["runs"]]
    assert "without" not in titles[0]
    assert "without 2 items" in titles[1]


def test_three_runs_are_compared_over_what_none_of_them_leaves_out(store):
    runs = [run(store, TRUE, [0]), run(store, TRUE, [5, 9]), run(store, FIRST, [11], method="iic")]
    found = comparison.report(store, [each.id for each in runs])
    assert found["compared_over"] == "8 of 12 items"
    assert found["ari"][0][1] == 1
    assert found["pairs"][0]["contingency"] == [[3, 0, 0], [0, 3, 0], [0, 0, 2]]
    assert found["pairs"][1]["contingency"] == [[2, 1, 0], [0, 3, 0], [0, 0, 2]]
    assert found["most_disputed"][0]["rows"] == [2, 3, 3]
    assert [each["acc"] for each in found["runs"]] == [1, 1, 7 / 8]


def test_whole_runs_are_compared_as_before(store):
    runs = [run(store, TRUE), run(store, FIRST, method="iic")]
    found = comparison.report(store, [each.id for each in runs])
    assert found["compared_over"] == "12 items"
    assert not any("over_its_own_items" in each for each in found["runs"])
    assert found["most_disputed"][0]["rows"] == [3, 3]


def test_a_curve_over_some_items_has_the_figures_of_these(store):
    key, spec = laid_down(store)
    made = made_runs.run(store, [TRUE, FIRST], key, **spec)
    table = learning_curves.curve(made, LABELS, np.array([1, 2, 3, 4]))
    assert table["acc"].tolist() == [1, 3 / 4]
    assert table["changed"].tolist()[1] == 1 / 4
    assert table["n_occupied"].tolist() == [2, 2]

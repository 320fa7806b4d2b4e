import json

import numpy as np
import pytest

from clustlab.analysis import comparison, learning_curves, shared_items
from clustlab.errors import ParameterError, RunNotFound
from clustlab.runs.store import RunSpec
from tests.support import made_runs

LABELS = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, -1]
TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
FIRST = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2])  # item 3 is with the ones
SECOND = np.array([1, 1, 1, 1, 2, 2, 2, 0, 0, 0, 0, 0])  # renumbered, and item 7 with the twos


@pytest.fixture
def pair(store):
    made_runs.data(store, labels=LABELS)
    return (
        made_runs.run(store, [TRUE, FIRST], method="dec"),
        made_runs.run(store, [TRUE, TRUE, SECOND], method="iic"),
    )


# -- the same items ------------------------------------------------------------------------------
def test_runs_over_other_items_are_refused_with_both_names_and_a_remedy(store, pair):
    made_runs.data(store, "other", labels=LABELS, seed=5)
    other = made_runs.run(store, [TRUE], "other", method="deepcluster", seed=5)
    assert shared_items.strangers(store, [*pair, other]) == [other]
    with pytest.raises(ParameterError, match="other items") as caught:
        comparison.report(store, [pair[0].id, other.id])
    for word in (pair[0].id, other.id, "seed 5", "Train DeepCluster again", "seed 0"):
        assert word in str(caught.value)


def test_equal_items_under_another_key_are_the_same_items(store, pair):
    made_runs.data(store, "copy", labels=LABELS)  # as digits are when all of them are taken
    copy = made_runs.run(store, [TRUE], "copy", seed=3)
    assert shared_items.strangers(store, [*pair, copy]) == []
    assert shared_items.fingerprint(store, copy) == shared_items.fingerprint(store, pair[0])


def test_items_that_are_not_loaded_are_the_same_by_their_key_only(store):
    runs = [made_runs.run(store, [], key) for key in ("a", "a", "b")]
    assert shared_items.fingerprint(store, runs[0]) is None
    assert shared_items.strangers(store, runs) == [runs[2]]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_two_to_four_runs_are_asked_for(store, pair, count):
    runs = [*pair, *(made_runs.run(store, [TRUE]) for _ in range(3))][:count]
    with pytest.raises(ParameterError, match=f"2 to 4 different runs, got {count}"):
        comparison.report(store, [run.id for run in runs])


def test_a_run_is_not_compared_with_itself(store, pair):
    with pytest.raises(ParameterError, match="different runs, got 2"):
        comparison.report(store, [pair[0].id, pair[0].id])


def test_a_missing_run_and_one_without_a_step_are_named(store, pair):
    with pytest.raises(RunNotFound, match="no-such-run"):
        comparison.report(store, [pair[0].id, "no-such-run"])
    empty = made_runs.run(store, [])
    with pytest.raises(ParameterError, match=f"{empty.id}.*no step yet"):
        comparison.report(store, [pair[0].id, empty.id])


def test_running_again_takes_items_and_seed_of_the_other_run_and_keeps_the_rest(store, pair):
    run = made_runs.run(
        store, [TRUE], seed=9, dataset_params={"n_samples": 50}, method_params={"n_clusters": 4}
    )
    spec = comparison.rerun_spec(run, pair[0])
    assert spec == RunSpec("digits", "kmeans", {}, {"n_clusters": 4}, preset="quick", seed=0)
    left_out = made_runs.run(store, [TRUE], excluded=[4])
    again = comparison.rerun_spec(made_runs.run(store, [TRUE], seed=9, excluded=[2]), left_out)
    assert again.excluded == [4]  # rows of one draw mean nothing in another


def test_three_methods_share_items_seed_and_preset():
    like = RunSpec("digits", "kmeans", {"n_samples": 50}, {"n_clusters": 4}, seed=7, continues="x")
    specs = comparison.three_methods(like, "quick")
    assert [spec.method for spec in specs] == ["dec", "iic", "deepcluster"]
    for spec in specs:
        assert (spec.dataset, spec.dataset_params, spec.seed) == ("digits", {"n_samples": 50}, 7)
        assert spec.preset == "quick"
        assert spec.continues is None
    assert specs[0].method_params["max_updates"] == 25
    with pytest.raises(ParameterError, match="no preset 'custom'"):
        comparison.three_methods(like, "custom")


# -- curves --------------------------------------------------------------------------------------
def test_a_curve_has_the_figures_of_each_step(store, pair):
    table = learning_curves.curve(pair[0], np.array(LABELS))
    assert table["step"].tolist() == [0, 1]
    assert table["seconds"].tolist() == [1, 2]
    assert table["acc"].tolist() == pytest.approx([1, 10 / 11])
    assert table["changed"].tolist() == pytest.approx([np.nan, 1 / 12], nan_ok=True)
    assert table["n_occupied"].tolist() == [3, 3]
    bare = learning_curves.curve(pair[0])
    assert bare["acc"].isna().all()
    assert bare["evenness"][0] == pytest.approx(1)


def test_seeds_are_a_mean_with_their_range_where_all_have_values(store):
    made_runs.data(store, labels=LABELS)
    same = {"method": "iic", "method_params": {"epochs": 3}}
    a = made_runs.run(store, [TRUE, FIRST, TRUE], seed=0, paces=[0, 2, 4], **same)
    b = made_runs.run(store, [TRUE, TRUE, TRUE, TRUE], seed=1, paces=[1, 3, 5, 7], **same)
    c = made_runs.run(store, [TRUE], method="iic", method_params={"epochs": 4})
    assert comparison.seeds([a, c], [b, c]) == [[a, b], [c]]
    assert comparison.seeds([a, b, c]) == [[a, b], [c]]
    curves = {run.id: learning_curves.curve(run, np.array(LABELS)) for run in (a, b, c)}
    groups = {"A": [a.id, b.id], "C": [c.id]}
    found = learning_curves.bands(curves, groups, "seconds", "acc")
    low = 10 / 11
    mean = found[found["group"] == "A"]
    assert mean["x"].tolist() == [1, 2, 3, 4]
    between = (1 + low) / 2
    assert mean["low"].tolist() == pytest.approx([between, low, between, 1])
    assert mean["high"].tolist() == [1] * 4
    assert mean["mean"].tolist() == pytest.approx((mean["low"] + mean["high"]) / 2)
    assert set(mean["runs"]) == {2}
    alone = found[found["group"] == "C"]
    assert alone[["x", "mean", "low", "high", "runs"]].to_numpy().tolist() == [[1, 1, 1, 1, 1]]


def test_figures_and_axes_that_are_not_known_leave_no_curve(store, pair):
    curves = {pair[0].id: learning_curves.curve(pair[0])}
    for axis, figure in (("step", "acc"), ("step", "nmi")):
        assert len(learning_curves.bands(curves, {"A": [pair[0].id]}, axis, figure)) == 0
    dec = made_runs.run(store, [TRUE] * 2, method="dec", phases=["start", "pre-train"])
    known = {dec.id: learning_curves.curve(dec)}
    assert len(learning_curves.bands(known, {"A": [dec.id]}, "samples", "evenness")) == 2


# -- settings ------------------------------------------------------------------------------------
def test_only_differing_settings_are_listed_those_of_all_runs_first(store):
    made_runs.data(store)
    a = made_runs.run(store, [TRUE], method="iic", method_params={"epochs": 9}, seed=2)
    b = made_runs.run(store, [TRUE], method="iic")
    rows = comparison.differing([a, b])
    assert [row["name"] for row in rows] == ["seed", "epochs"]
    assert rows[0]["values"] == {a.id: 2, b.id: 0}
    assert rows[1]["values"][a.id] == 9
    twin = made_runs.run(store, [FIRST], method="iic")
    assert comparison.differing([b, twin]) == []
    dec = made_runs.run(store, [TRUE], method="dec")
    rows = comparison.differing([b, dec])
    assert rows[0] == {"name": "method", "values": {b.id: "iic", dec.id: "dec"}}
    own = {row["name"]: row["values"] for row in rows}
    assert list(own["update_interval"]) == [dec.id]
    counts = [len(row["values"]) for row in rows]
    assert counts == sorted(counts, reverse=True)


def test_versions_and_devices_are_compared_where_they_were_noted(store):
    made_runs.data(store)
    a, b, silent = (made_runs.run(store, [TRUE], seed=seed) for seed in range(3))
    for run, torch, threads in ((a, "2.5", 2), (b, "2.14", 2)):
        noted = {"packages": {"torch": torch}, "threads": threads}
        (run.path / "environment.json").write_text(json.dumps(noted))
    assert comparison.differing_machines([a, b, silent]) == [
        {"name": "torch", "values": {a.id: "2.5", b.id: "2.14"}}
    ]
    assert comparison.differing_machines([a, silent]) == []


# -- in numbers ----------------------------------------------------------------------------------
def test_report_of_a_hand_solved_pair(store, pair):
    found = comparison.report(store, [run.id for run in pair])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["n_items"] == 12
    assert found["n_labelled"] == 11
    assert [run["step"] for run in found["runs"]] == [1, 2]
    assert [run["acc"] for run in found["runs"]] == pytest.approx([10 / 11] * 2, abs=1e-5)
    assert found["ari"][0][0] == 1
    assert found["ari"][0][1] == found["ari"][1][0]
    (both,) = found["pairs"]
    assert both["contingency"] == [[3, 0, 0], [1, 3, 1], [0, 0, 4]]
    assert both["same_cluster"] == 10
    assert both["right"] == {"both": 9, "only_a": 1, "only_b": 1, "neither": 0, "noise": 0}
    assert found["right_in"]["none"] == 0
    assert found["right_in"]["all"] == 9
    assert found["right_in"]["only"] == {run.id: 1 for run in pair}
    assert found["consensus"]["unanimous"] == 10
    assert {row["index"] for row in found["most_disputed"][:2]} == {3, 7}
    assert found["differing_settings"][0]["name"] == "method"


def test_report_works_without_labels(store):
    made_runs.data(store, names=())
    runs = [made_runs.run(store, [c]) for c in (FIRST, SECOND, SECOND)]
    found = comparison.report(store, [run.id for run in runs])
    json.dumps(found, allow_nan=False)
    assert found["n_labelled"] == 0
    assert len(found["pairs"]) == 3
    assert "right" not in found["pairs"][0]
    assert "right_in" not in found
    assert found["nmi"][1][2] == 1
    assert found["consensus"]["acc"] is None
    assert found["consensus"]["unanimous"] == 10

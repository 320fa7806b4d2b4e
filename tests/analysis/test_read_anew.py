"""Steps that read other clusters off what was trained: nothing counts as changed there."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from clustlab.__main__ import main
from clustlab.analysis import biography, learning_curves, rematch, transitions
from clustlab.analysis.alarms import course
from clustlab.analysis.timeline import Timeline
from clustlab.runs.phases import steps_read_anew
from clustlab.views import curves, raster
from tests.support import made_runs

N = 24
CLASSES = np.repeat([0, 1], 12)
FINE = np.arange(N) // 4  # six clusters of four items
MOVED = np.where(np.arange(N) == 0, 1, FINE)  # item 0 moves into cluster 1
STEPS = (FINE, MOVED, MOVED, CLASSES)
PHASES = ["start", "train", "train", "merge"]
ROLES = ["initialise", "train", "train", "read_off"]


@pytest.fixture
def merging(store):
    """Six clusters that are trained on, and two that are read off at the end; and the items."""
    steps = [made_runs.hard(found, int(found.max()) + 1) for found in STEPS]
    data = made_runs.dataset(N, CLASSES, ("a", "b"))
    run = made_runs.write(store, steps, data, method="deepcluster", phases=PHASES, roles=ROLES)
    return run, data


def logged(run, phases, roles, samples):
    """The run with other phases in its log; without roles, as logs were before."""
    lines = (run.path / "log.jsonl").read_text().splitlines()
    records = []
    for i, line in enumerate(lines):
        record = {**json.loads(line), "phase": phases[i]}
        record.pop("role", None)
        record.pop("samples", None)
        if roles:
            record |= {"role": roles[i], "samples": samples[i]}
        records.append(record)
    (run.path / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return type(run)(run.path)


@pytest.mark.parametrize(
    ("phases", "roles", "samples", "expected"),
    [
        (PHASES, ROLES, [0, 9, 9, 0], [3]),
        (PHASES, None, None, [3]),  # a log of before; the plan of DeepCluster knows
        (["what", "train", "train", "odd"], None, None, []),  # nobody knows
        (list("abcc"), ["initialise", "pretrain", "read_off", "read_off"], [0, 9, 0, 0], [2]),
        # the heads of SCAN begin anew after k-means was read off
        (list("abcd"), ["initialise", "read_off", "train", "train"], [0, 0, 9, 9], [1, 2]),
        # a tree is cut lower and lower: each cut carries on from the one before
        (list("abbb"), ["train", "read_off", "read_off", "read_off"], [0] * 4, []),
        (list("aaaa"), ["read_off"] * 4, [0] * 4, []),
    ],
)
def test_clusters_are_read_anew_where_a_phase_reads_them_off(
    merging, phases, roles, samples, expected
):
    assert steps_read_anew(logged(merging[0], phases, roles, samples)) == expected


def test_no_item_counts_as_changed_there(merging):
    run, data = merging
    timeline = Timeline(run, data.labels)
    timeline.extend()
    changed = timeline.metrics()["changed"].tolist()
    assert changed[1:3] == [1 / N, 0]
    assert math.isnan(changed[3])
    assert timeline.flips(3).tolist() == [1] + [0] * (N - 1)
    assert timeline.read_anew() == (3,)
    assert [timeline.stable_before(i) is None for i in range(4)] == [True, False, False, True]
    assert timeline.row(2)["acc"] < 0.5
    assert timeline.row(2)["acc_merged"] > timeline.row(2)["acc"]
    assert timeline.row(3)["acc"] == timeline.row(3)["acc_merged"] == 1


def test_a_timeline_knows_only_the_steps_that_it_has_read(merging):
    timeline = Timeline(merging[0])
    timeline.extend(2)
    assert timeline.read_anew() == ()


def test_all_who_count_changes_agree(merging):
    run, data = merging
    timeline = Timeline(run, data.labels)
    timeline.extend()
    counted = timeline.flips(3).tolist()
    lasting, anew = timeline.assignments(), timeline.read_anew()
    assert transitions.flips(lasting, anew).tolist() == counted
    assert transitions.flips(lasting).sum() > sum(counted)
    told = [biography.report(run, data, timeline, i) for i in range(N)]
    assert [len(each["flips"]) for each in told] == counted
    assert [each["first_stable_step"] for each in told] == [1] + [0] * (N - 1)
    assert raster.order(lasting, "flips", read_anew=anew)[-1] == 0
    curve = learning_curves.curve(run, data.labels)
    np.testing.assert_array_equal(curve["changed"], timeline.metrics()["changed"])
    np.testing.assert_array_equal(course(run.log, timeline).changed, timeline.metrics()["changed"])
    parts = rematch.over_time(data.labels, lasting, 2, anew)
    assert parts["step"].tolist() == [1, 2, 3]
    assert parts[["moved", "rematched"]].isna().to_numpy().tolist() == [[False] * 2] * 2 + [
        [True] * 2
    ]


def test_the_command_line_tells_of_no_flip_there(merging, store, capsys):
    run, _ = merging
    assert main(["biography", run.id, "5", "--runs", str(store.root)]) == 0
    assert json.loads(capsys.readouterr().out)["flips"] == []


def test_curves_and_the_scrubber_mark_it():
    table = pd.DataFrame({"step": range(4), "acc": [0.1, 0.2, 0.3, 0.9]})
    marked = curves.metrics(table, ["acc"], read_anew=[3]).to_dict()
    assert "clusters recomputed" in str(marked)
    assert "clusters recomputed" not in str(curves.metrics(table, ["acc"]).to_dict())
    squares = str(curves.sparkline([math.nan, 0.1, math.nan], read_anew=[2]).to_dict())
    assert "square" in squares
    assert "square" not in str(curves.sparkline([math.nan, 0.1, 0.2]).to_dict())
    assert "square" in str(curves.sparkline_at([math.nan, 0.1, math.nan], 0, read_anew=[2]))

"""How far runs were at each step: by the log, by the plan for old logs, and never by a name."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import progress_axis
from clustlab.runs.phases import first_step_refined, step_phases, steps_with_role
from clustlab.training.worker import execute, new_run
from tests.support import made_runs

TRUE = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]


# -- one control for all -------------------------------------------------------------------------
CLOCK = progress_axis.Clock(5, np.array([1.0, 2.0, 4.0, 8.0, 16.0]))


@pytest.mark.parametrize(
    ("by", "value", "step"),
    [
        ("share", 0, 0),
        ("share", 0.5, 2),
        ("share", 1, 4),
        ("share", 7, 4),
        ("step", 3, 3),
        ("step", 99, 4),
        ("step", -1, 0),
        ("seconds", 0.5, 0),
        ("seconds", 4.0, 2),
        ("seconds", 7.9, 2),
        ("seconds", 99, 4),
    ],
)
def test_a_position_of_the_control_is_a_step_of_each_run(by, value, step):
    assert progress_axis.step_at(CLOCK, by, value) == step


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=30),
    st.sampled_from(["share", "step", "seconds"]),
    st.floats(-10, 200),
    st.floats(0, 50),
)
def test_moving_the_control_on_never_goes_back(paces, by, value, more):
    clock = progress_axis.Clock(len(paces), np.cumsum(paces))
    assert (
        0
        <= progress_axis.step_at(clock, by, value)
        <= progress_axis.step_at(clock, by, value + more)
    )
    assert progress_axis.step_at(clock, by, 1e9) == len(paces) - 1


# -- samples -------------------------------------------------------------------------------------
def made(store, method, phases, **params):
    """A run with a log as it was before phases had roles."""
    made_runs.data(store)
    steps = [TRUE] * len(phases)
    return made_runs.run(store, steps, method=method, phases=phases, method_params=params)


def say(run, *said):
    """Write role and samples into the log of a run."""
    lines = (run.path / "log.jsonl").read_text().splitlines()
    records = [
        {**json.loads(line), "role": role, "samples": samples}
        for line, (role, samples) in zip(lines, said, strict=True)
    ]
    (run.path / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return type(run)(run.path)


def test_samples_and_roles_are_what_the_log_says_whatever_phases_are_called(store):
    run = made(store, "kmeans", ["cluster", "start", "merge", "odd"])
    run = say(run, ("initialise", 0), ("pretrain", 7), ("train", 5), ("read_off", 0))
    assert progress_axis.samples_seen(run)[0].tolist() == [0, 7, 12, 12]
    assert steps_with_role(run, "pretrain", "read_off") == [1, 3]
    assert progress_axis.phases_not_counted(run) == []


def test_training_writes_role_and_samples_of_every_step(store, fake):
    run = new_run(store, fake(warm_up=2, epochs=1, n=40))
    execute(store.root, run.id)
    said = [(record["role"], record["samples"]) for record in run.log]
    assert said == [("pretrain", 40), ("pretrain", 40), ("train", 40)]
    assert progress_axis.samples_seen(run)[0].tolist() == [40, 80, 120]


DEC = ["start", "pre-train", "pre-train", "initialise clusters", "cluster", "cluster"]
SCAN = ["start", "pretext", "mine neighbours", "cluster", "cluster", "self-label"]


@pytest.mark.parametrize(
    ("method", "phases", "params", "samples"),
    [
        ("dec", DEC, {"update_interval": 5, "batch_size": 8}, [0, 12, 24, 24, 64, 104]),
        ("dec", DEC, {"update_interval": 5, "batch_size": 99}, [0, 12, 24, 24, 84, 144]),
        ("vade", DEC, {}, [0, 12, 24, 24, 36, 48]),
        ("scan", SCAN, {}, [0, 12, 12, 36, 60, 72]),
        ("dac", ["start", "train", "train"], {"passes": 3}, [0, 36, 72]),
        ("deepcluster", ["start", "train", "train", "merge"], {}, [0, 12, 24, 24]),
        ("n2d", ["start", "pre-train", "lay out", "fit mixture"], {}, [0, 12, 12, 12]),
    ],
)
def test_an_old_log_is_read_with_the_plan_of_its_method(store, method, phases, params, samples):
    run = made(store, method, phases, **params)
    assert progress_axis.samples_seen(run) == (pytest.approx(np.array(samples)), "")


def test_phases_that_draw_no_batches_are_named(store):
    run = made(store, "n2d", ["start", "pre-train", "lay out", "lay out", "fit mixture"])
    assert progress_axis.phases_not_counted(run) == ["lay out", "fit mixture"]


def test_where_no_batches_are_drawn_there_is_no_such_axis(store):
    run = made(store, "kmeans", ["try starts", "assign and move"])
    assert progress_axis.samples_seen(run) == (
        None,
        (
            "k-means has drawn no batches: its steps look at all items at once, so there are no "
            "samples to count."
        ),
    )


def test_phases_and_settings_that_nobody_knows_are_said(store):
    for phases, params in ((["train"], {}), (["try starts"], {"colour": 3})):
        run = made(store, "kmeans", phases, **params)
        assert [(phase.role, phase.samples) for phase in step_phases(run)] == [(None, None)]
        seen, reason = progress_axis.samples_seen(run)
        assert seen is None
        assert "does not say how many items a step drew" in reason


def test_the_first_clusters_refined_are_those_after_a_stage_of_its_own(store):
    assert first_step_refined(made(store, "dec", DEC)) == 3
    assert first_step_refined(made(store, "dec", ["start", "initialise clusters"])) == 1
    assert first_step_refined(made(store, "kmeans", ["try starts", "assign and move"])) is None
    assert first_step_refined(made(store, "scan", SCAN)) is None

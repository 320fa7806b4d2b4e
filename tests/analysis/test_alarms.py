import json
import math

import numpy as np
import pytest

from clustlab.__main__ import main
from clustlab.analysis import alarms
from clustlab.analysis.alarm_catalogue import ENTRIES
from clustlab.analysis.alarms import Course, alarms_at_step, alarms_of_course, alarms_of_run
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import RunSpec
from clustlab.training.worker import execute, new_run
from clustlab.types import Snapshot
from tests.support import made_runs

STEPS = 20


def course(steps=STEPS, k=10, **changes):
    """A healthy run of so many steps, with some figures replaced; lists are filled up."""
    falling = np.array([math.nan, *np.geomspace(0.5, 0.01, steps - 1)])
    figures = {
        "n_clusters": np.full(steps, k),
        "n_occupied": np.full(steps, float(k)),
        "evenness": np.full(steps, 0.98),
        "changed": falling,
        "confidence": np.linspace(0.3, 0.9, steps),
        "loss": np.geomspace(1, 0.2, steps),
    }
    for name in set(changes) & set(figures):
        given = np.array(changes.pop(name), dtype=np.float64)
        figures[name] = np.concatenate([given, figures[name][len(given) :]])
    return Course(**{"phases": ["train"] * steps, **figures, **changes})


def seen(found):
    return [(alarm.kind, alarm.step, alarm.until) for alarm in found]


def fact(alarm):
    return ENTRIES[alarm.kind].fact(alarm)


def test_a_healthy_course_is_quiet():
    assert alarms_of_course(course()) == []


def test_no_steps_no_alarms():
    nothing = np.zeros(0)
    assert alarms_of_course(Course([], *[nothing] * 6)) == []


# -- collapse and empty clusters -----------------------------------------------------------------
def test_collapse_begins_where_a_third_of_the_clusters_would_do():
    # 10 ** 0.5 = 3.16 clusters, less than a third of ten; 10 ** 0.53 = 3.39 is more
    found = alarms_of_course(course(evenness=[0.9, 0.53, 0.5, 0.3, 0.2, 0.9]))
    assert seen(found) == [("collapse", 2, 4)]
    assert "only 3.2 of 10 clusters" in fact(found[0])
    assert found[0].value == pytest.approx(10**0.5)
    assert found[0].threshold == pytest.approx(10 / 3)
    assert (found[0].n_clusters, found[0].cluster) == (10, None)


def test_of_two_clusters_one_may_be_much_larger():
    sure = [0.9] * STEPS
    assert (
        alarms_of_course(course(k=2, confidence=sure, evenness=[0.6] * STEPS)) == []
    )  # 2 ** 0.6 = 1.52
    found = alarms_of_course(course(k=2, confidence=sure, evenness=[0.5] * STEPS))
    assert seen(found) == [("collapse", 1, 19)]


def test_a_single_cluster_is_no_collapse():
    assert alarms_of_course(course(k=1, evenness=[1.0] * STEPS, confidence=[1.0] * STEPS)) == []


def test_what_passes_within_two_steps_is_no_alarm():
    assert alarms_of_course(course(evenness=[0.1, 0.1, 0.1, 0.9], n_occupied=[2, 4, 6, 10])) == []


def test_empty_clusters_are_counted_where_they_begin():
    found = alarms_of_course(course(n_occupied=[10, 10, 9, 8, 9, 10]))
    assert seen(found) == [("empty", 2, 4)]
    assert fact(found[0]).startswith("1 of 10 clusters is empty.")


def test_two_episodes_are_two_alarms():
    found = alarms_of_course(course(n_occupied=[10, 8, 8, 8, 10, 7, 7, 7, 7, 10]))
    assert seen(found) == [("empty", 1, 3), ("empty", 5, 8)]
    assert fact(found[1]).startswith("3 of 10 clusters are empty.")


# -- probabilities and labels --------------------------------------------------------------------
def test_uniform_probabilities():
    found = alarms_of_course(course(confidence=[0.1, 0.1, 0.11, 0.14, 0.3]))  # 0.145 is the border
    assert seen(found) == [("uniform", 1, 3)]
    assert "1/10 would be a blind guess" in fact(found[0])
    assert (found[0].value, found[0].threshold) == pytest.approx((0.1, 0.145))


def test_a_method_without_probabilities_cannot_be_undecided():
    assert alarms_of_course(course(confidence=[math.nan] * STEPS)) == []


def test_converged_before_anything_was_learned():
    phases = ["start"] + ["pre-train"] * 5 + ["cluster"] * 14
    changed = [math.nan, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.001, 0.0]
    found = alarms_of_course(course(phases=phases, changed=changed))
    assert seen(found) == [("still", 7, 7)]
    assert "In round 2 of the phase 'cluster' 0.1% of the labels changed" in fact(found[0])


def test_no_change_at_the_end_is_what_is_hoped_for():
    changed = [math.nan, 0.5, 0.3, 0.1] + [0.0] * 16
    assert alarms_of_course(course(changed=changed)) == []


def test_a_method_that_trains_nothing_may_be_done_at_once():
    found = course(changed=[math.nan, 0.0, 0.0, 0.0], loss=[math.nan] * STEPS)
    assert alarms_of_course(found) == []


def test_churn_that_does_not_fall():
    found = alarms_of_course(course(changed=[math.nan] + [0.4] * 19))
    # five values make the beginning, the next five are compared with it: steps 6 to 10
    assert seen(found) == [("churn", 10, 19)]
    assert "40% of the labels change at each step, compared with 40%" in fact(found[0])


def test_churn_that_falls_by_a_quarter_or_is_small_is_no_alarm():
    assert alarms_of_course(course(changed=[math.nan] + [0.4] * 5 + [0.3] * 14)) == []
    assert alarms_of_course(course(changed=[math.nan] + [0.15] * 19)) == []


def test_churn_is_that_of_one_phase():
    phases = ["a"] * 10 + ["b"] * 10
    found = course(phases=phases, changed=[math.nan] + [0.02] * 9 + [0.4] * 10)
    assert seen(alarms_of_course(found)) == []  # nine values in the first, ten in the second


# -- heads and losses ----------------------------------------------------------------------------
def test_heads_disagree_where_a_change_of_head_moves_the_labels():
    chosen = np.array([1.0] * 3 + [2.0] * 5 + [3.0] * 4 + [1.0] * 8)  # at 3, 8 and 12
    changed = [math.nan, 0.5, 0.4, 0.5, 0.1, 0.05, 0.05, 0.05, 0.3, 0.02, 0.02, 0.02, 0.04]
    found = alarms_of_course(course(changed=changed, scalars={"chosen_head": chosen}))
    assert seen(found) == [("head_change", 8, 8)]  # 3 is too early, 12 moves too little
    assert fact(found[0]).startswith("Head 3 took over from head 2")
    assert "30% of the labels" in fact(found[0])


def test_heads_disagree_where_their_agreement_is_low_for_three_steps():
    # two steps without heads, five to begin with, then two low ones, a gap, and four low ones
    agreement = [math.nan] * 2 + [0.1, 0.3, 0.5, 0.5, 0.5] + [0.59, 0.59, 0.6] + [0.52] * 4
    found = alarms_of_course(course(scalars={"head_agreement": np.array([*agreement, *[0.9] * 6])}))
    assert seen(found) == [("heads", 10, 13)]
    assert fact(found[0]) == "The mean NMI of all pairs of heads is 0.52, less than 0.6."
    assert (found[0].value, found[0].threshold) == (0.52, 0.6)


def test_a_change_of_head_says_how_far_all_agree_if_that_was_measured():
    chosen, changed = np.array([1.0] * 8 + [2.0] * 12), [math.nan, *[0.05] * 7, 0.3]
    agreement = np.full(STEPS, 0.81)
    scalars = {"chosen_head": chosen, "head_agreement": agreement}
    (found,) = alarms_of_course(course(changed=changed, scalars=scalars))
    assert (found.kind, found.step, found.heads) == ("head_change", 8, (1, 2))
    assert (found.value, found.before) == (0.3, 0.81)
    assert fact(found).endswith(
        "labels changed at once. At that step the mean NMI of all pairs of heads is 0.81."
    )
    (old,) = alarms_of_course(course(changed=changed, scalars={"chosen_head": chosen}))
    assert math.isnan(old.before)
    assert fact(old).endswith("30% of the labels changed at once.")


def test_a_loss_far_above_its_beginning_diverges():
    loss = [1.0, 0.9, 0.8, 0.7, 0.6, 0.7, 1.2, 1.6, 1.7, 1.8, *[1.9] * 10]
    found = alarms_of_course(course(loss=loss))  # limit: 1.0 + half of 1.0, from step 7 on
    assert seen(found) == [("divergence", 7, 19)]
    assert "The loss is 1.6 and rising, up from 0.6" in fact(found[0])
    assert (found[0].value, found[0].threshold, found[0].before) == (1.6, 1.5, 0.6)


def test_a_loss_that_grows_without_end_diverges_from_the_first_steps_on():
    found = alarms_of_course(course(loss=[1.0, 2.0, 4.0, 8.0, 16.0]))
    assert [(a.kind, a.step, a.threshold) for a in found] == [("divergence", 1, 1.5)]


def test_a_rising_loss_of_dec_is_no_divergence():
    loss = [math.nan, 0.08, 0.19, 0.24, 0.26, 0.26, 0.27, 0.27, 0.26, *[0.25] * 11]
    assert alarms_of_course(course(loss=loss)) == []


def test_a_negative_loss_may_fall():
    assert alarms_of_course(course(loss=-np.linspace(0.3, 2.2, STEPS))) == []


def test_a_run_that_broke_off_says_so_at_its_last_step():
    found = alarms_of_course(course(broken="loss became nan."))
    assert seen(found) == [("broke_off", 19, 19)]
    assert fact(found[0]).startswith("loss became nan.")


# -- all together --------------------------------------------------------------------------------
def test_alarms_at_a_step_and_as_json():
    found = alarms_of_course(course(n_occupied=[10, 8, 8, 8, 10], confidence=[0.1] * 6))
    assert [a.kind for a in found] == ["empty", "uniform"]
    assert [a.kind for a in alarms_at_step(found, 4)] == ["uniform"]
    assert alarms_at_step(found, 0) == alarms_at_step(found, 6) == []
    assert json.loads(json.dumps([a.stored() for a in found], allow_nan=False))[0] == {
        "kind": "empty",
        "step": 1,
        "until": 3,
        "value": 2.0,
        "threshold": 0.0,
        "before": None,
        "cluster": None,
        "n_clusters": 10,
        "n_occupied": 8,
        "phase": None,
        "round": None,
        "heads": None,
        "error": None,
        "is_read_off": False,
    }


def test_an_alarm_says_when():
    first, last = alarms_of_course(course(n_occupied=[10, 8, 8, 8, 10], broken="loss became nan."))
    assert (first.when, last.when) == ("step 1 to 3", "step 19")


def test_episodes():
    holds = [1, 0, 1, 1, 0, 1, 1, 1]
    assert alarms.episodes(holds, 1) == [(0, 0), (2, 3), (5, 7)]
    assert alarms.episodes(holds, 2) == [(2, 3), (5, 7)]
    assert alarms.episodes([], 1) == []


def test_a_collapsed_run_by_hand(store):
    even, one = np.arange(60) % 6, np.zeros(60, dtype=int)
    snapshots = [made_runs.hard(even, 6, loss=1.0), *[made_runs.hard(one, 6, loss=0.5)] * 4]
    data = made_runs.dataset(60)
    run = made_runs.write(store, snapshots, data, method="dec")
    timeline = Timeline(run)
    timeline.extend()
    found = alarms_of_run(run, timeline)
    assert {("collapse", 1, 4), ("empty", 1, 4)} <= set(seen(found))
    (collapse,) = [alarm for alarm in found if alarm.kind == "collapse"]
    assert collapse.cluster == timeline.stable(1)[0]
    assert fact(collapse).endswith(f"the largest is cluster {collapse.cluster}.")


def test_the_command_line_shows_alarms_with_their_fields(store, capsys):
    even, one = np.arange(60) % 6, np.zeros(60, dtype=int)
    steps = [made_runs.hard(even, 6, loss=1.0), *[made_runs.hard(one, 6, loss=0.5)] * 4]
    run = made_runs.write(store, steps, made_runs.dataset(60), method="dec")
    assert main(["show", run.id, "--runs", str(store.root)]) == 0
    about = json.loads(capsys.readouterr().out)
    collapse, empty = (a for a in about["alarms"] if a["kind"] in ("collapse", "empty"))
    assert (collapse["title"], collapse["step"], collapse["until"]) == ("Collapse", 1, 4)
    assert (collapse["value"], collapse["threshold"]) == (1.0, 2.0)
    assert (empty["value"], empty["threshold"], empty["n_clusters"]) == (5.0, 0.0, 6)
    assert (empty["cluster"], empty["phase"]) == (None, None)


def test_a_run_that_diverged_ends_with_an_alarm(store, monkeypatch):
    from clustlab.methods.kmeans import KMeans

    def breaks(self, items, ctx):
        for i in ctx.phase("assign and move", 3):
            p = np.full((len(items), 2), 0.5, dtype=np.float32)
            yield Snapshot(p, np.zeros(len(p), int), {"loss": math.nan if i else 1.0}, p)

    monkeypatch.setattr(KMeans, "iterate", breaks)
    run = new_run(store, RunSpec("digits", "kmeans", {"n_samples": 50}, {"n_clusters": 2}))
    execute(store.root, run.id)
    assert run.status == "failed"
    timeline = Timeline(run)
    timeline.extend()
    found = alarms_of_run(run, timeline)
    assert seen(found) == [("broke_off", 0, 0)]
    assert "loss became nan" in fact(found[0])
    assert found[0].error == run.progress["error"]
    status = json.loads((run.path / "status.json").read_text())
    assert status.pop("error_type") == "Diverged"
    # a run of before, which knows no types of errors, is told by the old hint
    (run.path / "status.json").write_text(json.dumps(status))
    assert seen(alarms_of_run(run, timeline)) == [("broke_off", 0, 0)]
    (run.path / "status.json").write_text(json.dumps({**status, "hint": "Try again."}))
    assert alarms_of_run(run, timeline) == []
    # what counts is the type, not how the hint is worded
    told = {**status, "hint": "Take smaller steps.", "error_type": "Diverged"}
    (run.path / "status.json").write_text(json.dumps(told))
    assert seen(alarms_of_run(run, timeline)) == [("broke_off", 0, 0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("kmeans", {"n_init": 3}),
        ("dec", {"epochs": 4, "max_updates": 8, "hidden_widths": "100-100-400"}),
    ],
)
def test_healthy_runs_are_quiet(store, method, params):
    data = {"n_samples": 400}
    run = new_run(store, RunSpec("digits", method, data, params, preset="quick"))
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    timeline = Timeline(run)
    timeline.extend()
    assert alarms_of_run(run, timeline) == []

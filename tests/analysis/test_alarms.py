import dataclasses
import json
import math

import numpy as np
import pytest

from clustlab.analysis import alarms
from clustlab.analysis.alarms import Course
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import RunSpec
from clustlab.training.worker import execute, new_run
from clustlab.types import Snapshot
from tests.support import handmade

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
    return [(alarm.name, alarm.step, alarm.until) for alarm in found]


def test_a_healthy_course_is_quiet():
    assert alarms.find(course()) == []


def test_no_steps_no_alarms():
    nothing = np.zeros(0)
    assert alarms.find(Course([], *[nothing] * 6)) == []


# -- collapse and empty clusters -----------------------------------------------------------------
def test_collapse_begins_where_a_third_of_the_clusters_would_do():
    # 10 ** 0.5 = 3.16 clusters, less than a third of ten; 10 ** 0.53 = 3.39 is more
    found = alarms.find(course(evenness=[0.9, 0.53, 0.5, 0.3, 0.2, 0.9]))
    assert seen(found) == [("collapse", 2, 4)]
    assert "only 3.2 of 10 clusters" in found[0].sentence
    assert "equal size" in found[0].remedy


def test_of_two_clusters_one_may_be_much_larger():
    sure = [0.9] * STEPS
    assert (
        alarms.find(course(k=2, confidence=sure, evenness=[0.6] * STEPS)) == []
    )  # 2 ** 0.6 = 1.52
    found = alarms.find(course(k=2, confidence=sure, evenness=[0.5] * STEPS))
    assert seen(found) == [("collapse", 1, 19)]


def test_a_single_cluster_is_no_collapse():
    assert alarms.find(course(k=1, evenness=[1.0] * STEPS, confidence=[1.0] * STEPS)) == []


def test_what_passes_within_two_steps_is_no_alarm():
    assert alarms.find(course(evenness=[0.1, 0.1, 0.1, 0.9], n_occupied=[2, 4, 6, 10])) == []


def test_empty_clusters_are_counted_where_they_begin():
    found = alarms.find(course(n_occupied=[10, 10, 9, 8, 9, 10]))
    assert seen(found) == [("empty", 2, 4)]
    assert found[0].sentence.startswith("1 of 10 clusters is empty.")


def test_two_episodes_are_two_alarms():
    found = alarms.find(course(n_occupied=[10, 8, 8, 8, 10, 7, 7, 7, 7, 10]))
    assert seen(found) == [("empty", 1, 3), ("empty", 5, 8)]
    assert found[1].sentence.startswith("3 of 10 clusters are empty.")


# -- probabilities and labels --------------------------------------------------------------------
def test_uniform_probabilities():
    found = alarms.find(course(confidence=[0.1, 0.1, 0.11, 0.14, 0.3]))  # 0.145 is the border
    assert seen(found) == [("uniform", 1, 3)]
    assert "1/10 would be a blind guess" in found[0].sentence


def test_a_method_without_probabilities_cannot_be_undecided():
    assert alarms.find(course(confidence=[math.nan] * STEPS)) == []


def test_converged_before_anything_was_learned():
    phases = ["start"] + ["pre-train"] * 5 + ["cluster"] * 14
    changed = [math.nan, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.001, 0.0]
    found = alarms.find(course(phases=phases, changed=changed))
    assert seen(found) == [("still", 7, 7)]
    assert "In round 2 of the phase 'cluster' 0.1% of the labels changed" in found[0].sentence


def test_no_change_at_the_end_is_what_is_hoped_for():
    changed = [math.nan, 0.5, 0.3, 0.1] + [0.0] * 16
    assert alarms.find(course(changed=changed)) == []


def test_a_method_that_trains_nothing_may_be_done_at_once():
    found = course(changed=[math.nan, 0.0, 0.0, 0.0], loss=[math.nan] * STEPS)
    assert alarms.find(found) == []


def test_churn_that_does_not_fall():
    found = alarms.find(course(changed=[math.nan] + [0.4] * 19))
    # five values make the beginning, the next five are compared with it: steps 6 to 10
    assert seen(found) == [("churn", 10, 19)]
    assert "40% of the labels change at each step, and 40% did" in found[0].sentence


def test_churn_that_falls_by_a_quarter_or_is_small_is_no_alarm():
    assert alarms.find(course(changed=[math.nan] + [0.4] * 5 + [0.3] * 14)) == []
    assert alarms.find(course(changed=[math.nan] + [0.15] * 19)) == []


def test_churn_is_that_of_one_phase():
    phases = ["a"] * 10 + ["b"] * 10
    found = course(phases=phases, changed=[math.nan] + [0.02] * 9 + [0.4] * 10)
    assert seen(alarms.find(found)) == []  # nine values in the first, ten in the second


# -- heads and losses ----------------------------------------------------------------------------
def test_heads_disagree_where_a_change_of_head_moves_the_labels():
    chosen = np.array([1.0] * 3 + [2.0] * 5 + [3.0] * 4 + [1.0] * 8)  # at 3, 8 and 12
    changed = [math.nan, 0.5, 0.4, 0.5, 0.1, 0.05, 0.05, 0.05, 0.3, 0.02, 0.02, 0.02, 0.04]
    found = alarms.find(course(changed=changed, scalars={"chosen_head": chosen}))
    assert seen(found) == [("heads", 8, 8)]  # 3 is too early, 12 moves too little
    assert found[0].sentence.startswith("Head 3 took over from head 2")
    assert "30% of the labels" in found[0].sentence


def test_heads_disagree_where_their_agreement_is_low_for_three_steps():
    # two steps without heads, five to begin with, then two low ones, a gap, and four low ones
    agreement = [math.nan] * 2 + [0.1, 0.3, 0.5, 0.5, 0.5] + [0.59, 0.59, 0.6] + [0.52] * 4
    found = alarms.find(course(scalars={"head_agreement": np.array([*agreement, *[0.9] * 6])}))
    assert seen(found) == [("heads", 10, 13)]
    assert found[0].fact == "The mean NMI of all pairs of heads is 0.52, less than 0.6."
    assert found[0].meaning.startswith("The heads divide the same features differently")


def test_a_change_of_head_says_how_far_all_agree_if_that_was_measured():
    chosen, changed = np.array([1.0] * 8 + [2.0] * 12), [math.nan, *[0.05] * 7, 0.3]
    agreement = np.full(STEPS, 0.81)
    scalars = {"chosen_head": chosen, "head_agreement": agreement}
    (found,) = alarms.find(course(changed=changed, scalars=scalars))
    assert (found.name, found.step) == ("heads", 8)
    assert found.fact.endswith("30% of the labels changed at once.")
    assert found.meaning.startswith(
        "At step 8 the mean NMI of all pairs of heads is 0.81, and the "
    )
    (old,) = alarms.find(course(changed=changed, scalars={"chosen_head": chosen}))
    assert old.fact == found.fact
    assert old.meaning.startswith("The heads divide the same features differently")


def test_a_loss_far_above_its_beginning_diverges():
    loss = [1.0, 0.9, 0.8, 0.7, 0.6, 0.7, 1.2, 1.6, 1.7, 1.8, *[1.9] * 10]
    found = alarms.find(course(loss=loss))  # limit: 1.0 + half of 1.0, from step 7 on
    assert seen(found) == [("divergence", 7, 19)]
    assert "The loss is 1.6 and on its way up, after 0.6" in found[0].sentence


def test_a_loss_that_grows_without_end_diverges_from_the_first_steps_on():
    found = alarms.find(course(loss=[1.0, 2.0, 4.0, 8.0, 16.0]))
    assert [(a.name, a.step) for a in found] == [("divergence", 1)]


def test_a_rising_loss_of_dec_is_no_divergence():
    loss = [math.nan, 0.08, 0.19, 0.24, 0.26, 0.26, 0.27, 0.27, 0.26, *[0.25] * 11]
    assert alarms.find(course(loss=loss)) == []


def test_a_negative_loss_may_fall():
    assert alarms.find(course(loss=-np.linspace(0.3, 2.2, STEPS))) == []


def test_a_run_that_broke_off_says_so_at_its_last_step():
    found = alarms.find(course(broken="loss became nan."))
    assert seen(found) == [("divergence", 19, 19)]
    assert found[0].sentence.startswith("loss became nan.")


# -- all together --------------------------------------------------------------------------------
def test_alarms_at_a_step_and_as_json():
    found = alarms.find(course(n_occupied=[10, 8, 8, 8, 10], confidence=[0.1] * 6))
    assert [a.name for a in found] == ["empty", "uniform"]
    assert [a.name for a in alarms.at(found, 4)] == ["uniform"]
    assert alarms.at(found, 0) == alarms.at(found, 6) == []
    assert json.loads(json.dumps([dataclasses.asdict(a) for a in found]))[0]["step"] == 1


def test_fact_and_meaning_make_up_the_sentence():
    first, last = alarms.find(course(n_occupied=[10, 8, 8, 8, 10], broken="loss became nan."))
    assert first.fact == "2 of 10 clusters are empty."
    assert first.meaning.startswith("A centre without items gets no push")
    assert (first.when, last.when) == ("step 1 to 3", "step 19")
    assert last.fact == "loss became nan."


def test_episodes():
    holds = [1, 0, 1, 1, 0, 1, 1, 1]
    assert alarms.episodes(holds, 1) == [(0, 0), (2, 3), (5, 7)]
    assert alarms.episodes(holds, 2) == [(2, 3), (5, 7)]
    assert alarms.episodes([], 1) == []


def test_a_collapsed_run_by_hand(store):
    even, one = np.arange(60) % 6, np.zeros(60, dtype=int)
    snapshots = [handmade.hard(even, 6, loss=1.0), *[handmade.hard(one, 6, loss=0.5)] * 4]
    data = handmade.dataset(60)
    run = handmade.write(store, snapshots, data, method="dec")
    timeline = Timeline(run)
    timeline.extend()
    found = alarms.of(run, timeline)
    assert {("collapse", 1, 4), ("empty", 1, 4)} <= set(seen(found))


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
    found = alarms.of(run, timeline)
    assert seen(found) == [("divergence", 0, 0)]
    assert "loss became nan" in found[0].sentence


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
    assert alarms.of(run, timeline) == []

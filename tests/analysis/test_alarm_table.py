"""Which alarms go off: a table of bad states, families of methods and lengths of runs."""

import math
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from clustlab import registry
from clustlab.analysis.alarm_catalogue import ENTRIES, about_rising_losses, alarm_text, facts
from clustlab.analysis.alarms import Course, alarms_at_step, alarms_of_course, alarms_of_run
from clustlab.analysis.timeline import Timeline
from clustlab.types import MethodFamily
from tests.support import made_runs

FAMILIES = get_args(MethodFamily)
LENGTHS = (1, 2, 3, 4, 20)
K = 10
STATES = {  # figures of every step but the first, and the alarms that they ask for
    "healthy": ({}, ()),
    "one empty": ({"n_occupied": 9, "evenness": math.log(9) / math.log(K)}, ("empty",)),
    "nine empty": ({"n_occupied": 1, "evenness": 0.0}, ("collapse", "empty")),
    "three of ten": ({"evenness": math.log(3) / math.log(K)}, ("collapse",)),
    "undecided": ({"confidence": 0.11}, ("uniform",)),
}
SMOOTH = {"density": {"three of ten"}}  # what is no bad state in a family
TREES = ("linkage", "density")  # whose steps are looks at one tree


def course(family, length, state, *, is_done=True):
    """Steps that are all in one state, the first of which is not trained yet."""
    changes, _ = STATES[state]
    figures = {"n_occupied": K, "evenness": 1.0, "confidence": 0.9, **changes}
    roles = ["initialise" if length > 1 else "train"] + ["train"] * (length - 1)
    if family in TREES:
        roles = ["train"] + ["read_off"] * (length - 1)
    return Course(
        ["start"] + ["train"] * (length - 1),
        np.full(length, K),
        np.full(length, float(figures["n_occupied"])),
        np.full(length, figures["evenness"]),
        np.array([math.nan, *np.geomspace(0.5, 0.1, 20)])[:length],
        np.full(length, figures["confidence"]),
        np.full(length, math.nan if family in TREES else 1.0),
        largest=[0] * length,
        roles=roles,
        family=family,
        is_done=is_done,
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("state", STATES)
def test_what_a_finished_run_ends_with_is_told_however_short_it_was(state, family):
    expected = () if state in SMOOTH.get(family, ()) else STATES[state][1]
    for length in LENGTHS:
        found = alarms_of_course(course(family, length, state))
        assert sorted(alarm.kind for alarm in found) == sorted(expected), length
        begins = length - 1 if family in TREES or length == 1 else 1
        assert {(alarm.step, alarm.until) for alarm in found} <= {(begins, length - 1)}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("state", STATES)
def test_while_it_runs_a_state_must_last(state, family):
    for length in LENGTHS:
        found = alarms_of_course(course(family, length, state, is_done=False))
        lasts = length > 3 and family not in TREES
        expected = sorted(STATES[state][1]) if lasts else []
        assert sorted(alarm.kind for alarm in found) == expected, length


# -- figures of the step in view -----------------------------------------------------------------
def changing(occupied):
    """Ten clusters at each step, of which so many are in use; the fewest at the beginning."""
    n = len(occupied)
    used = np.array(occupied, dtype=float)
    evenness = np.log(used) / math.log(K)
    rest = [np.full(n, math.nan)] * 3
    return Course(["train"] * n, np.full(n, K), used, evenness, *rest, largest=list(range(n)))


def test_an_alarm_tells_the_figures_of_the_step_in_view():
    found = alarms_of_course(changing([10, 4, 4, 7, 9, 9]))
    at_each = [ENTRIES["empty"].fact(alarms_at_step(found, step)[0]) for step in range(1, 6)]
    empty = ["6 of 10 clusters are empty."] * 2 + ["3 of 10 clusters are empty."]
    assert at_each == [*empty, *["1 of 10 clusters is empty."] * 2]
    (alarm,) = found
    assert facts(alarm) == "6 of 10 clusters are empty. At step 5: 1 of 10 clusters is empty."
    assert alarm.stored()["value"] == 6
    assert "seen" not in alarm.stored()


def test_a_collapse_says_how_many_clusters_are_in_use_and_which_is_the_largest_now():
    found = alarms_of_course(changing([10, 2, 3, 2, 2]))
    (now,) = (a for a in alarms_at_step(found, 2) if a.kind == "collapse")
    assert ENTRIES["collapse"].fact(now) == (
        "The items are spread as unevenly as if there were only 3.0 of 10 clusters, of which 3 are "
        "in use; the largest is cluster 2."
    )


def test_a_cut_that_was_only_passed_is_no_alarm():
    """HDBSCAN goes from hundreds of islands beside one large cluster to ten that are fine."""
    n_clusters = np.array([200, 53, 30, 10])
    evenness = np.array([0.2, 0.2, 0.2, 0.9])
    nothing = [np.full(4, math.nan)] * 3
    roles = ["train", "read_off", "read_off", "read_off"]
    made = Course(
        ["grow"] + ["ask"] * 3, n_clusters, n_clusters, evenness, *nothing, roles=roles,
        family="density", is_done=True,
    )  # fmt: skip
    assert alarms_of_course(made) == []


# -- losses --------------------------------------------------------------------------------------
@pytest.mark.parametrize("family", FAMILIES)
def test_a_loss_that_rises_by_design_does_not_diverge(family):
    """The divergence of DEC from its target rises while that sharpens, here from near 0."""
    n = 20
    rising = np.concatenate([[0.01] * 5, np.linspace(0.02, 0.4, 15)])
    figures = [np.full(n, K), np.full(n, float(K)), np.ones(n), np.geomspace(0.5, 0.01, n)]
    made = Course(["train"] * n, *figures, np.full(n, 0.9), rising, family=family)
    assert [alarm.kind for alarm in alarms_of_course(made)] == ["divergence"]
    assert alarms_of_course(replace(made, rising=frozenset({"loss"}))) == []


def test_the_reconstruction_of_such_a_method_may_still_diverge():
    n = 20
    rising = np.concatenate([[0.01] * 5, np.linspace(0.02, 0.4, 15)])
    figures = [np.full(n, K), np.full(n, float(K)), np.ones(n), np.geomspace(0.5, 0.01, n)]
    made = Course(
        ["train"] * n, *figures, np.full(n, 0.9), rising, {"reconstruction": rising},
        family="self-training", rising=frozenset({"loss"}),
    )  # fmt: skip
    assert [alarm.kind for alarm in alarms_of_course(made)] == ["divergence"]


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("dec", "may rise while the run learns"),
        ("idec", "may rise while the run learns"),
        ("dac", "falls in between"),
        ("deepcluster", "falls in between"),
        ("iic", "asks for a lower learning rate"),
        ("kmeans", ""),
        ("hdbscan", ""),
    ],
)
def test_a_lower_learning_rate_is_advised_only_where_it_helps(method, said):
    words = about_rising_losses(registry.method(method))
    assert said in words
    assert bool(words) == bool(said)
    assert ("lower learning rate" in words) == (method == "iic")


# -- what is said --------------------------------------------------------------------------------
def test_what_a_run_does_already_is_not_advised():
    (alarm,) = alarms_of_course(changing([10, 9, 9, 9]))
    method = registry.method("deepcluster")
    repair = "epair of empty clusters"
    assert repair in alarm_text(alarm, method).remedy
    assert repair not in alarm_text(alarm, method, {}).remedy  # it is on by default
    assert repair in alarm_text(alarm, method, {"repair_empty": False}).remedy


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stored_run_of_two_steps_with_nine_of_ten_empty(store, family):
    method = next(m for m in registry.methods().values() if m.family == family)
    even, one = np.arange(40) % K, np.zeros(40, int)
    steps = [made_runs.hard(even, K), made_runs.hard(one, K)]
    run = made_runs.write(
        store,
        steps,
        made_runs.dataset(40),
        method=method.name,
        roles=["train", "read_off"] if family in TREES else ["initialise", "train"],
    )
    timeline = Timeline(run)
    timeline.extend()
    found = alarms_of_run(run, timeline)
    assert [alarm.kind for alarm in found] == ["collapse", "empty"]
    for alarm in found:
        text = alarm_text(alarm, method, run.spec.method_params)
        if family not in ("centres", "self-training", "code"):
            assert "centre" not in f"{text.fact} {text.meaning} {text.remedy}"

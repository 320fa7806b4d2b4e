"""Training a finished run longer: it goes on as if it had been asked for more at the beginning."""

import numpy as np
import pytest

from clustlab.analysis.lasting_clusters import lasting_numbers
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.runs.phases import steps_read_anew
from clustlab.runs.store import RunSpec
from clustlab.training import longer
from clustlab.training.worker import execute, lengthen, new_run, requeue
from tests.engine.test_runner import arrays, carried_out


def ways(store, run):
    items = store.dataset(run).items
    return longer.how_to_train_longer(run, len(items), items.shape[1:])


def lengthened(store, run, more, **options):
    made = lengthen(store, run, ways(store, run), more, **options)
    execute(store.root, made.id)
    assert made.status == "done", made.progress
    return made


def test_a_run_goes_on_as_if_it_had_been_asked_for_more_at_the_beginning(store, fake):
    first = carried_out(store, fake())
    how = ways(store, first)
    assert (how.setting.name, how.phase.name, how.done, how.total) == ("epochs", "train", 4, 4)
    assert (how.stopped_itself, how.proposed, how.units(2)) == (False, 5, "2 epochs")
    more = lengthened(store, first, 3)
    assert more.steps_before == 6
    assert (more.spec.continues, more.spec.method_params["epochs"]) == (first.id, 7)
    assert arrays(more) == arrays(carried_out(store, fake(epochs=7)))
    seconds = [record["seconds"] for record in more.log]
    assert seconds == sorted(seconds)
    again = lengthened(store, more, 1)
    store.delete(first.id)
    store.delete(more.id)
    store.purge()
    assert len(again) == 10  # it holds all its steps itself
    assert again[0].scalars


def test_clusters_keep_their_numbers_from_one_run_to_the_next(store):
    spec = RunSpec("digits", "dec", {"n_samples": 150}, {
        "hidden_widths": "none", "epochs": 2, "max_updates": 3, "update_interval": 10, "n_init": 1,
        "tolerance": 0.0, "cluster_learning_rate": 0.02,
    })  # fmt: skip
    first = carried_out(store, spec)
    last = len(first) - 1
    more = lengthened(store, first, 2)
    assert [record["phase"] for record in more.log[last + 1 :]] == ["cluster"] * 2
    assert [record["done"] for record in more.log[last + 1 :]] == [4, 5]
    assert np.array_equal(lasting_numbers(more, last), lasting_numbers(first, last))
    timeline = Timeline(more)
    timeline.extend()
    assert timeline.metrics()["changed"][last + 1] < 0.5  # it carries on, and begins nothing anew


def test_clusters_that_were_read_off_are_not_carried_on(store):
    spec = RunSpec("digits", "ae-kmeans", {"n_samples": 100}, {"epochs": 2, "n_init": 1})
    first = carried_out(store, spec)
    more = lengthened(store, first, 2)
    phases = [record["phase"] for record in more.log]
    assert phases[-4:] == ["cluster", "pre-train", "pre-train", "cluster"]
    ends = len(more) - 4
    assert steps_read_anew(more) == [ends, ends + 1, len(more) - 1]


def test_a_run_that_has_ended_by_its_own_rule_says_so_and_goes_on_only_if_that_is_lowered(store):
    spec = RunSpec("digits", "kmeans", {"n_samples": 200}, {"n_init": 1, "tolerance": 0.2})
    first = carried_out(store, spec)
    how = ways(store, first)
    assert how.stopped_itself
    assert how.can_go_beyond
    with pytest.raises(ParameterError, match=r"by its own rule.*--beyond"):
        lengthen(store, first, how, 4)
    more = lengthened(store, first, 4, beyond=True)
    assert len(more) > len(first)
    assert more.spec.method_params["tolerance"] == 0
    whole = carried_out(store, RunSpec("digits", "kmeans", {"n_samples": 200}, {"n_init": 1}))
    assert np.array_equal(more[len(first)].assignments, whole[len(first)].assignments)


def test_a_longer_run_that_was_stopped_before_its_first_step_is_resumed(store, fake):
    made = lengthen(store, first := carried_out(store, fake()), ways(store, first), 2)
    made.request("cancel")
    execute(store.root, made.id)
    requeue(made)
    execute(store.root, made.id)
    assert (made.status, len(made)) == ("done", 8)


@pytest.mark.parametrize("more", [0, 5000])
def test_how_much_longer_lies_within_the_bounds_of_the_setting(store, fake, more):
    first = carried_out(store, fake())
    with pytest.raises(ParameterError, match=r"must lie in \[1, 4996\]"):
        lengthen(store, first, ways(store, first), more)


def test_a_run_that_has_not_ended_is_resumed_instead(store, fake):
    run = new_run(store, fake())
    assert ways_of_unstarted(run) is None


def ways_of_unstarted(run):
    return longer.how_to_train_longer(run, 40, (2,))


def test_methods_whose_length_is_no_setting_cannot_be_trained_longer(store):
    run = carried_out(store, RunSpec("toy", "agglomerative", {"n": 40}, {"n_clusters": 3}))
    assert ways(store, run) is None


def test_labels_are_settled_when_hardly_any_changed_for_some_steps():
    assert longer.still_steps([0.2, 0.0, 0.001, 0.0]) == 3
    assert longer.still_steps([0.0, 0.0, 0.2, 0.0, 0.0]) == 0
    assert longer.still_steps([0.0, float("nan"), 0.0, 0.0]) == 0
    assert longer.still_steps([]) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("threshold", "setting", "phase"),
    [(0.1, "label_epochs", "self-label"), (1.0, "cluster_epochs", "cluster")],
)
def test_scan_goes_on_in_the_phase_it_has_come_to(store, threshold, setting, phase):
    """Without confident items it labels none by itself, so its clusters are trained longer."""
    settings = {"epochs": 1, "cluster_epochs": 2, "label_epochs": 2, "threshold": threshold}
    settings |= {"n_neighbors": 5, "n_heads": 2, "width": 4, "batch_size": 40}

    def spec(**changed):
        return RunSpec("digits", "scan", {"n_samples": 80}, {**settings, **changed})

    first = carried_out(store, spec())
    how = ways(store, first)
    assert (how.setting.name, how.phase.name, how.done) == (setting, phase, 2)
    more = lengthened(store, first, 2)
    assert [record["phase"] for record in more.log[len(first) :]] == [phase] * 2
    assert arrays(more) == arrays(carried_out(store, spec(**{setting: 4})))

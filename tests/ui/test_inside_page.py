"""The page Inside: what labels say about the choices of a method, without a browser."""

import numpy as np
import pytest

from clustlab.runs.store import probabilities_at
from clustlab.ui.look import pair_precision
from tests.support import made_runs
from tests.ui.test_pages import trained, visit, words

TINY = {"n_clusters": 4, "epochs": 2, "batch_size": 50, "width": 4}
TITLE = "How many of the chosen pairs are right"
LIMITS = {"upper_threshold": 0.95, "lower_threshold": 0.455}


def is_drawn(app):
    """Whether the page has the chart of right pairs."""
    return any("right among similar" in c.proto.spec for c in app.get("vega_lite_chart"))


def written(store, labels, steps=2):
    """Run by hand: sure of a, of a, of b, and of neither."""
    p = np.array([[1, 0], [1, 0], [0, 1], [0.5, 0.5]], dtype=np.float32)
    snapshots = [made_runs.soft(p), *(made_runs.soft(p, **LIMITS) for _ in range(steps - 1))]
    return made_runs.write(store, snapshots, made_runs.dataset(4, labels, "abc"), method="dac")


def test_a_run_of_dac_shows_how_many_pairs_are_right(runs):
    trained(runs, "dac", **TINY)
    app = visit("inside")
    said = words(app)
    assert TITLE in said
    assert "At step 2: " in said
    assert "the method never sees them" in said
    assert "all pairs of 200 items" in said
    assert is_drawn(app)


def test_the_numbers_are_those_of_the_step_in_view(runs):
    written(runs, [0, 1, 1, 2])
    app = visit("inside", step="1")
    said = words(app)
    assert "similar, **0%** belong to one class (16.7% if drawn at random)" in said
    assert "dissimilar, **50%** belong to two (83.3% if drawn at random)" in said


def test_only_labelled_items_are_counted_and_a_missing_kind_is_said(runs):
    written(runs, [0, -1, 1, 2])
    said = words(visit("inside"))
    assert "no pair is taken as similar" in said
    assert "all pairs of 3 items" in said


@pytest.mark.parametrize("labels", [None, [-1, -1, -1, -1], [-1, 2, -1, -1]])
def test_without_labels_nothing_is_drawn(runs, labels):
    written(runs, labels)
    app = visit("inside")
    said = words(app)
    assert TITLE not in said
    assert "no telling whether" in said
    assert not is_drawn(app)


def test_before_the_first_epoch_there_are_no_pairs_yet(runs):
    written(runs, [0, 0, 1, 1], steps=1)
    said = words(visit("inside"))
    assert TITLE not in said
    assert "labels" not in said


def test_each_step_is_measured_once(runs, monkeypatch):
    read = []
    monkeypatch.setattr(
        pair_precision,
        "probabilities_at",
        lambda run, step: read.append(step) or probabilities_at(run, step),
    )
    written(runs, [0, 0, 1, 1], steps=5)
    visit("inside")
    assert sorted(read) == [0, 1, 2, 3, 4]
    visit("inside", step="2")
    assert len(read) == 5


def test_probabilities_are_read_alone(runs):
    run = written(runs, [0, 0, 1, 1])
    assert np.array_equal(probabilities_at(run, 1), run[1].probabilities)
    hard = made_runs.write(runs, [made_runs.hard([0, 1, 1, 0], 2)], made_runs.dataset(4))
    assert probabilities_at(hard, 0) is None


@pytest.mark.parametrize("n_steps", [0, 1, 2, 64, 65, 66, 129, 1000])
def test_few_steps_are_drawn_and_again_those_of_before(n_steps):
    found = pair_precision.drawn(n_steps)
    assert found == sorted(set(found))
    assert len(found) == n_steps if n_steps <= pair_precision.MOST_STEPS else len(found) <= 65
    assert found[-1:] == [n_steps - 1][: len(found)]
    assert set(pair_precision.drawn(2 * n_steps)[:-1]) & set(range(n_steps)) <= {*found}

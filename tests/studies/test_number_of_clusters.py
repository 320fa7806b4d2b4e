"""What speaks for which number of clusters."""

import json

import numpy as np
import pytest

from clustlab.__main__ import main
from clustlab.analysis import metrics
from clustlab.runs.store import RunStore
from clustlab.studies import summary
from clustlab.studies.carry_out import carry_out
from clustlab.studies.description import Base, Cell, Study, axis_of
from clustlab.studies.number_of_clusters import STABILITY, Curve, bend, curves, is_varied
from clustlab.studies.state import places
from clustlab.studies.store import Studies
from clustlab.studies.summary import SILHOUETTE, SPREAD, CellSummary, Results

BASE = Base("digits", "kmeans", "quick", {}, {"n_init": 1, "max_iter": 2})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A study of four numbers of clusters with two seeds over the same items."""
    store = RunStore(tmp_path_factory.mktemp("study") / "runs")
    study = Study("k", BASE, tuple(axis_of(w, BASE) for w in ("n_clusters=2,10,12,40", "seed=0,1")))
    assert carry_out(study, store, lambda _: None).not_done == {}
    every = places(study, store.runs())
    return every, summary.results(store, study, every)


def test_the_command_tells_what_each_criterion_speaks_for(found, capsys):
    every, results = found
    store = RunStore(every[0].run.path.parent)
    Studies(store).keep(results.study)
    assert main(["study", "show", "k", "--runs", str(store.root)]) == 0
    told = json.loads(capsys.readouterr().out)["choices_of_n_clusters"]
    assert [(each["criterion"], each["needs_labels"], each["choice"]) for each in told] == [
        (curve.criterion, curve.needs_labels, curve.choice) for curve in curves(results)
    ]


def test_every_criterion_is_that_of_the_run_folders(found):
    every, results = found
    by_criterion = {curve.criterion: curve for curve in curves(results)}
    assert list(by_criterion) == [SPREAD, SILHOUETTE, STABILITY, "acc"]
    assert [curve.needs_labels for curve in by_criterion.values()] == [False, False, False, True]
    for place in every:
        k = dict(place.cell.chosen)["n_clusters"]
        last = place.run[-1]
        x, clusters = last.embedding.astype(float), last.assignments
        parts = (x[clusters == c] for c in np.unique(clusters))
        by_hand = sum(((part - part.mean(0)) ** 2).sum() for part in parts) / len(x)
        assert by_criterion[SPREAD].points[k].by_seed[place.seed] == pytest.approx(by_hand, 1e-4)
    chosen = {k: point.median for k, point in by_criterion["acc"].points.items()}
    assert by_criterion["acc"].choice == max(chosen, key=chosen.get)
    steady = results.stability
    assert by_criterion[STABILITY].choice == dict(max(steady, key=steady.get).chosen)["n_clusters"]
    spreads = {k: point.median for k, point in by_criterion[SPREAD].points.items()}
    assert list(spreads.values()) == sorted(spreads.values(), reverse=True)
    assert by_criterion[SPREAD].choice == bend(spreads) == 12


def test_a_spread_is_that_of_k_means_itself(found):
    (place, *_) = found[0]
    last = place.run[-1]
    inertia = last.scalars["inertia"] / len(last.assignments)
    measured = metrics.spread(last.embedding, last.assignments)
    assert measured <= inertia * (1 + 1e-5)  # its centres are those of the step before
    assert measured == pytest.approx(inertia, rel=0.2)


def test_noise_has_no_spread():
    points = np.array([[0.0, 0], [2, 0], [5, 5]])
    assert metrics.spread(points, np.array([0, 0, 1])) == pytest.approx(2 / 3)
    assert np.isnan(metrics.spread(points, np.array([0, 0, -1])))
    assert np.isnan(metrics.spread(points[:0], np.zeros(0, int)))


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({2: 10.0, 3: 6.0, 4: 2.0, 5: 1.5, 6: 1.0}, 4),
        ({2: 10.0, 4: 2.0, 6: 1.5, 20: 1.0}, 4),
        ({2: 4.0, 3: 3.0, 4: 2.0, 5: 1.0}, None),  # straight
        ({2: 10.0, 3: 2.0, 4: 1.0}, None),  # too few
        ({2: 1.0, 3: 2.0, 4: 3.0, 5: 4.0}, None),  # it rises
        ({2: 10.0, 3: 9.9, 4: 9.8, 5: 1.0}, None),  # it falls last
    ],
)
def test_where_a_curve_bends(values, where):
    assert bend(values) == where


def study(*words):
    return Study("k", BASE, tuple(axis_of(word, BASE) for word in words))


def results_of(study, values, *, is_one_space=True):
    """Results of made-up spreads, silhouettes and accuracies, by number of clusters."""
    known = {cell: {0: values[dict(cell.chosen)["n_clusters"]]} for cell in study.cells}
    scores = {cell: {0: {"acc": 1 - each[0] / 100}} for cell, each in known.items()}
    return Results(study, scores, known, {}, is_one_space, known)


def test_spaces_of_their_own_are_not_compared():
    made = results_of(study("n_clusters=2,3,4,5"), {2: 9, 3: 4, 4: 2, 5: 1}, is_one_space=False)
    assert [curve.criterion for curve in curves(made)] == ["acc"]


def test_other_settings_have_curves_of_their_own():
    made = results_of(study("n_clusters=2,3,4,5", "n_init=1,2"), {2: 9, 3: 2, 4: 1.5, 5: 1})
    spreads = [curve for curve in curves(made) if curve.criterion == SPREAD]
    assert [curve.group for curve in spreads] == [Cell((("n_init", n),)) for n in (1, 2)]
    assert [curve.choice for curve in spreads] == [3, 3]
    assert all(list(curve.points) == [2, 3, 4, 5] for curve in spreads)


def test_few_numbers_are_no_choice():
    assert is_varied(results_of(study("n_clusters=2,3,4"), {2: 3, 3: 2, 4: 1}))
    assert not is_varied(results_of(study("n_clusters=2,3"), {2: 3, 3: 2}))
    alone = Curve(SILHOUETTE, Cell(()), {4: CellSummary(Cell(()), {0: 0.5})})
    assert alone.choice is None

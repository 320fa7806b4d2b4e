"""Accuracy after merging clusters to as many as there are classes."""

import math

import numpy as np
import pytest

from clustlab.analysis import learning_curves, matching, run_scores
from clustlab.analysis.matching import has_more_than_classes
from clustlab.analysis.merged_clusters import merged, merged_counts, places_of
from clustlab.analysis.score_catalogue import (
    LABELLED,
    MERGED,
    OVER_CLUSTERED,
    SCORES,
    labelled_scores,
)
from clustlab.analysis.timeline import Timeline
from clustlab.types import NOISE, Snapshot
from tests.support import made_runs

# Eight clusters of three items, two of them around each of four corners; class i is at corner i.
N = 24
CLASSES = np.repeat(np.arange(4), 6)
FINE = np.arange(N) // 3
CORNERS = np.array([[0, 0], [0, 9], [9, 0], [9, 9]], dtype=np.float32)


def snapshot(assignments, *, with_centers=True):
    """Clusters around the corner of the class that most of their items have."""
    assignments = np.asarray(assignments)
    k = int(assignments.max()) + 1
    corner_of = np.array(
        [np.bincount(CLASSES[assignments == i], minlength=4).argmax() for i in range(k)]
    )
    centers = CORNERS[corner_of] + np.linspace(0, 1, k)[:, None]
    embedding = np.where(assignments[:, None] < 0, 99, centers[assignments])
    return Snapshot(embedding, assignments, {}, centers=centers if with_centers else None)


@pytest.mark.parametrize("with_centers", [True, False])
def test_pure_clusters_are_found_however_many_there_are(with_centers):
    fine = snapshot(FINE, with_centers=with_centers)
    assert merged_counts(fine, CLASSES).max(1).tolist() == [6] * 4
    row = Timeline([fine], CLASSES).row(0)
    assert row["acc"] == 0.5  # one cluster of three for each class of six
    assert row["acc_merged"] == row["purity"] == 1


def test_it_is_acc_where_there_are_no_more_clusters_than_classes():
    mixed = CLASSES.copy()
    mixed[:4] = 3
    row = Timeline([snapshot(mixed)], CLASSES).row(0)
    assert row["acc_merged"] == row["acc"] == pytest.approx(20 / 24)
    timeline = Timeline([snapshot(mixed), snapshot(FINE)], CLASSES)
    assert timeline.extend(1) == 1
    assert not timeline.is_over_clustered()
    timeline.extend()
    assert timeline.is_over_clustered()


def test_without_labels_it_is_not_defined():
    timeline = Timeline([snapshot(FINE)])
    assert math.isnan(timeline.row(0)["acc_merged"])
    assert not timeline.is_over_clustered()
    assert not Timeline([snapshot(FINE)], np.full(N, -1)).is_over_clustered()


def test_noise_belongs_to_no_group():
    clusters = np.where(np.arange(N) % 3 == 0, NOISE, FINE)
    noisy = snapshot(clusters)
    assert merged_counts(noisy, CLASSES).sum() == 16
    assert Timeline([noisy], CLASSES).row(0)["acc_merged"] == 1


def test_large_clusters_weigh_more():
    # inertia with 0 and 4 together: 16 a b / (a + b); with 4 and 7 together: 9 b c / (b + c)
    places = np.array([[0.0], [4.0], [7.0]])
    alike = merged(places, np.array([1, 1, 1]), 2)  # 8 or 4.5
    assert alike[0] != alike[1] == alike[2]
    uneven = merged(places, np.array([1, 50, 50]), 2)  # 15.7 or 225
    assert uneven[0] == uneven[1] != uneven[2]


def test_groups_are_always_the_same_and_empty_clusters_have_none():
    places = np.random.default_rng(0).normal(size=(60, 5))
    sizes = np.arange(60) % 7
    first = merged(places, sizes, 6)
    assert (merged(places, sizes, 6) == first).all()
    assert ((first == -1) == (sizes == 0)).all()
    assert set(first[sizes > 0].tolist()) == set(range(6))


def test_clusters_at_one_place_are_one_group():
    groups = merged(np.zeros((5, 2)), np.ones(5, int), 3)
    assert groups.tolist() == [0] * 5
    assert merged(np.zeros((0, 2)), np.zeros(0, int), 3).tolist() == []


def test_without_centres_clusters_lie_at_their_means():
    embedding = np.array([[0.0, 2], [2, 0], [5, 5], [9, 9]])
    made = Snapshot(embedding, np.array([0, 0, 2, NOISE]), {})
    assert places_of(made).tolist() == [[1, 1], [0, 0], [5, 5]]


def test_which_scores_lead_depends_on_the_number_of_clusters():
    assert labelled_scores(is_over_clustered=False) == LABELLED
    assert labelled_scores(is_over_clustered=True) == OVER_CLUSTERED
    assert OVER_CLUSTERED[:2] == ("acc_merged", "purity")
    assert set(OVER_CLUSTERED) == {*LABELLED, *MERGED}
    assert set(LABELLED).isdisjoint(MERGED)


def test_curves_and_last_scores_have_it_where_it_means_something(store):
    data = made_runs.dataset(N, CLASSES, tuple("abcd"))
    run = made_runs.write(store, [snapshot(FINE), snapshot(CLASSES)], data)
    curve = learning_curves.curve(run, data.labels)
    assert curve["acc"].tolist() == [0.5, 1]
    assert curve["acc_merged"].tolist() == [1, 1]
    some = np.arange(0, N, 2)
    assert learning_curves.curve(run, data.labels, some)["acc_merged"].tolist() == [1, 1]
    assert set(MERGED).isdisjoint(run_scores.of_run(run, data))
    assert run_scores.of_snapshot(run[0], data.labels)["acc_merged"] == 1
    assert set(MERGED).isdisjoint(run_scores.of_snapshot(run[0], None))


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.0, "1.000"), (0.9999, ">0.999"), (0.0001, "<0.001"), (0.0, "0.000"), (0.9994, "0.999")],
)
def test_a_score_short_of_its_greatest_value_is_not_written_as_that(value, written):
    assert SCORES["acc"].written(value) == written
    assert SCORES["acc"].written(1 - 1e-12) == "1.000"


def test_one_rule_says_whether_there_are_more_clusters_than_classes():
    labels = np.repeat([0, 1], 6)  # of ten classes that have a name, two occur
    clusters = np.arange(12) // 4
    assert has_more_than_classes(clusters, labels)
    assert matching.usual_class_rule(labels, clusters) == "majority"
    assert matching.classes_of(labels, clusters, 3, 10).tolist() == [0, 0, 1]
    assert matching.usual_class_rule(labels, np.arange(12) // 6) == "match"
    assert matching.usual_class_rule(None, clusters) == "match"

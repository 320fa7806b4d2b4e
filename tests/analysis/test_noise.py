"""Noise is no cluster: what readers make of items that a method leaves out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import learning_curves, matching, metrics, run_scores
from clustlab.analysis.score_catalogue import LABELLED
from clustlab.analysis.timeline import Timeline
from clustlab.types import NOISE, Snapshot
from tests.support import made_runs

CLASSES = np.repeat([0, 1, 2], 20)
PARTLY = np.where(np.arange(60) % 20 < 5, NOISE, CLASSES)  # a quarter of each class is noise

with_noise = st.lists(st.integers(-1, 5), min_size=1, max_size=60).map(np.array)


def snapshot(assignments, k=3, **changes):
    rng = np.random.default_rng(0)
    embedding = CLASSES[:, None] * 5 + rng.normal(size=(60, 2))
    centers = np.arange(k)[:, None] * 5 + np.zeros((k, 2))
    return Snapshot(embedding, assignments, {}, **{"centers": centers, **changes})


# Snapshots ---------------------------------------------------------------------------------------


def test_a_snapshot_knows_its_noise_and_counts_no_cluster_for_it():
    made = snapshot(PARTLY)
    assert made.n_clusters == 3
    assert made.is_noise.tolist() == (PARTLY == -1).tolist()
    assert snapshot(PARTLY, centers=None).n_clusters == 3
    for centers in (None, np.zeros((0, 2))):
        nothing = snapshot(np.full(60, NOISE), centers=centers)
        assert nothing.n_clusters == 0
        assert nothing.is_noise.all()


def test_below_noise_there_is_nothing():
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\), or be -1 for noise"):
        snapshot(np.where(PARTLY == -1, -2, PARTLY))


def test_rows_of_noise_may_leave_probability_over_and_no_others():
    p = np.eye(3)[np.maximum(PARTLY, 0)]
    p[PARTLY == NOISE] = [0.2, 0.1, 0.0]
    made = snapshot(PARTLY, probabilities=p)
    assert (metrics.confidence(made)[PARTLY == NOISE] == 0).all()
    assert (metrics.margin(made)[PARTLY == NOISE] == 0).all()
    assert (metrics.confidence(made)[PARTLY >= 0] == 1).all()
    for row, value in ((PARTLY >= 0, [0.2, 0.1, 0.0]), (PARTLY == NOISE, [0.9, 0.9, 0.0])):
        broken = p.copy()
        broken[row] = value
        with pytest.raises(ValueError, match="sum to 1"):
            snapshot(PARTLY, probabilities=broken)


# Matching and scores -----------------------------------------------------------------------------


@given(with_noise, st.permutations(range(6)))
def test_noise_stays_noise_however_clusters_are_renumbered(clusters, order):
    mapping = np.array(order, dtype=np.int32)
    found = matching.looked_up(clusters, mapping)
    assert ((found == -1) == (clusters == -1)).all()
    assert (found[clusters >= 0] == mapping[clusters[clusters >= 0]]).all()


def test_nothing_but_noise_needs_no_cluster_to_be_looked_up():
    assert matching.looked_up(np.full(3, -1), np.zeros(0, int)).tolist() == [-1, -1, -1]


@given(with_noise)
def test_sizes_are_of_clusters_only(clusters):
    sizes = matching.sizes_of(clusters, 6)
    assert sizes.tolist() == [int((clusters == i).sum()) for i in range(6)]


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=40))
def test_a_table_with_noise_leaves_no_item_out(pairs):
    a, b = np.array(pairs, dtype=int).reshape(-1, 2).T
    counts = matching.with_noise(a, b, 4, 4)
    assert counts.sum() == len(pairs)
    assert (counts[:4, :4] == matching.contingency(a, b, 4, 4)).all()
    assert counts[4, 4] == ((a == -1) & (b == -1)).sum()


def test_an_item_keeps_its_cluster_past_noise_and_noise_takes_no_number():
    stable, mapping = matching.follow(CLASSES, 3)
    renumbered = np.where(PARTLY < 0, -1, (PARTLY + 1) % 3)
    after, mapping = matching.follow(renumbered, 3, stable, mapping)
    assert (after == PARTLY).all()
    nothing, none = matching.follow(np.full(60, -1), 0, after, mapping)
    assert (nothing == -1).all()
    assert len(none) == 0
    back, mapping = matching.follow(CLASSES, 3, nothing, none)
    assert (back >= 0).all()
    assert sorted(mapping.tolist()) == [0, 1, 2]


@given(with_noise)
def test_scores_are_those_of_the_clustered_items_alone(clusters):
    labels = np.arange(len(clusters)) % 3
    kept = clusters >= 0
    found = run_scores.scores(clusters, labels)
    assert found["share_clustered"] == pytest.approx(kept.mean(), abs=1e-5)
    assert found["n_occupied"] == len(set(clusters[kept].tolist()))
    if not kept.any():
        assert {found[key] for key in LABELLED} == {None}
        return
    alone = run_scores.scores(clusters[kept], labels[kept])
    assert {key: found[key] for key in LABELLED} == {key: alone[key] for key in LABELLED}


def test_perfect_on_a_part_is_perfect_and_says_how_large_the_part_is():
    found = run_scores.scores(PARTLY, CLASSES)
    assert {found[key] for key in LABELLED} == {1}
    assert (found["n_occupied"], found["share_clustered"]) == (3, 0.75)


def test_all_noise_has_no_score():
    nothing = np.full(60, NOISE)
    assert math.isnan(metrics.clustering_accuracy(CLASSES, nothing))
    assert metrics.n_occupied(nothing) == 0
    assert metrics.share_clustered(nothing) == 0
    assert math.isnan(metrics.silhouette(np.zeros((60, 2)), nothing))
    assert metrics.confidence(snapshot(nothing, k=0)).tolist() == [0] * 60


def test_silhouette_and_confidence_are_those_of_the_clustered_items():
    made, kept = snapshot(PARTLY), PARTLY >= 0
    alone = Snapshot(made.embedding[kept], PARTLY[kept], {}, centers=made.centers)
    for score in (metrics.confidence, metrics.margin):
        assert (score(made)[kept] == score(alone)).all()
        assert (score(made)[~kept] == 0).all()
    assert metrics.silhouette(made.embedding, PARTLY) == metrics.silhouette(
        made.embedding[kept], PARTLY[kept]
    )


# Timeline ----------------------------------------------------------------------------------------


def test_a_timeline_follows_items_into_noise_and_out_of_it():
    steps = [snapshot(CLASSES), snapshot(PARTLY), snapshot(np.full(60, NOISE), k=0)]
    timeline = Timeline([*steps, snapshot(PARTLY)], CLASSES)
    timeline.extend()
    assert timeline.n_ids() == 3
    assert (timeline.stable(1) == PARTLY).all()
    assert (timeline.stable(2) == NOISE).all()
    assert ((timeline.stable(3) == NOISE) == (PARTLY == NOISE)).all()
    rows = [timeline.row(step) for step in range(4)]
    assert [row["share_clustered"] for row in rows] == [1, 0.75, 0, 0.75]
    assert [row["n_occupied"] for row in rows] == [3, 3, 0, 3]
    assert rows[1]["acc"] == 1
    assert rows[1]["evenness"] == pytest.approx(1)
    assert all(math.isnan(rows[2][name]) for name in ("acc", "nmi", "ari", "purity", "confidence"))
    assert rows[1]["changed"] == 0.25
    assert rows[2]["changed"] == 0.75
    kept = timeline.certainty(59)[1, 0]
    assert timeline.certainty(0)[1].tolist() == [0, 0]
    assert rows[1]["confidence"] > 0.5 < kept
    assert timeline.recall()[1].tolist() == [1, 1, 1]


def test_centers_of_a_timeline_are_means_of_clusters_without_noise():
    far = np.where(PARTLY[:, None] < 0, 100.0, CLASSES[:, None] * [5.0, 0.0])
    far = far + np.random.default_rng(0).normal(size=(60, 2))
    timeline = Timeline([Snapshot(far, PARTLY, {})], CLASSES)
    points, places = timeline.points(0), timeline.centers(0)
    assert places.shape == (3, 2)
    for cluster in range(3):
        mean = points[np.equal(PARTLY, cluster)].mean(0)
        assert places[cluster] == pytest.approx(mean, abs=1e-6)


def test_curves_know_the_share_that_is_clustered(store):
    made_runs.data(store, n=60, labels=CLASSES)
    run = made_runs.run(store, [CLASSES, PARTLY, np.full(60, NOISE)])
    curve = learning_curves.curve(run, CLASSES)
    assert curve["acc"].tolist() == pytest.approx([1, 1, math.nan], nan_ok=True)
    assert curve["n_occupied"].tolist() == [3, 3, 0]
    assert curve["share_clustered"].tolist() == [1, 0.75, 0]
    assert math.isnan(curve["evenness"][2])

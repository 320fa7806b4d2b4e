import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    completeness_score,
    homogeneity_score,
    normalized_mutual_info_score,
    v_measure_score,
)

from clustlab.analysis import metrics
from clustlab.types import Snapshot

LABELS = np.repeat([0, 1], 50)
CLUSTERS = np.repeat([0, 1, 2], [30, 20, 50])

BY_LABELS = (
    metrics.clustering_accuracy,
    metrics.nmi,
    metrics.ari,
    metrics.purity,
    metrics.ami,
    metrics.homogeneity,
    metrics.completeness,
    metrics.v_measure,
)

partitions = st.integers(2, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 4), min_size=n, max_size=n).map(np.array),
        st.lists(st.integers(0, 4), min_size=n, max_size=n).map(np.array),
    )
)


def test_golden_figures_of_a_split_class():
    assert metrics.clustering_accuracy(LABELS, CLUSTERS) == pytest.approx(0.80)
    assert metrics.purity(LABELS, CLUSTERS) == pytest.approx(1.0)
    assert metrics.nmi(LABELS, CLUSTERS) == pytest.approx(0.804675, abs=1e-6)


def test_unlabelled_items_change_nothing():
    labels = np.concatenate([LABELS, np.full(40, -1)])
    clusters = np.concatenate([CLUSTERS, np.arange(40) % 3])
    for figure in BY_LABELS:
        assert figure(labels, clusters) == pytest.approx(figure(LABELS, CLUSTERS))


def test_numbers_need_not_be_dense():
    assert metrics.clustering_accuracy(LABELS * 1000 + 7, CLUSTERS * 10**9) == pytest.approx(0.80)


def test_nothing_labelled_is_nan():
    unknown = np.full(5, -1)
    for figure in BY_LABELS:
        assert math.isnan(figure(unknown, np.arange(5)))


@pytest.mark.slow
@given(partitions)
def test_figures_agree_with_scikit_learn(pair):
    labels, clusters = pair
    assert metrics.nmi(labels, clusters) == pytest.approx(
        normalized_mutual_info_score(labels, clusters), abs=1e-9
    )
    assert metrics.ari(labels, clusters) == pytest.approx(
        adjusted_rand_score(labels, clusters), abs=1e-9
    )
    assert metrics.homogeneity(labels, clusters) == pytest.approx(
        homogeneity_score(labels, clusters), abs=1e-9
    )
    assert metrics.completeness(labels, clusters) == pytest.approx(
        completeness_score(labels, clusters), abs=1e-9
    )
    for beta in (0.3, 1.0, 2.0):
        assert metrics.v_measure(labels, clusters, beta) == pytest.approx(
            v_measure_score(labels, clusters, beta=beta), abs=1e-9
        )


@pytest.mark.slow
@given(partitions)
def test_ami_agrees_with_scikit_learn(pair):
    assert metrics.ami(*pair) == pytest.approx(adjusted_mutual_info_score(*pair), abs=1e-9)


@pytest.mark.parametrize(("n", "classes", "clusters"), [(9000, 10, 10), (4000, 3, 900)])
def test_ami_of_many_items_agrees_with_scikit_learn(n, classes, clusters):
    """Where terms far from the mean are left out."""
    rng = np.random.default_rng(0)
    labels, found = rng.integers(classes, size=n), rng.integers(clusters, size=n)
    found = np.where(rng.random(n) < 0.3, labels, found)
    assert metrics.ami(labels, found) == pytest.approx(
        adjusted_mutual_info_score(labels, found), abs=1e-9
    )


def test_v_measure_is_our_nmi():
    """Both divide the mutual information by the arithmetic mean of the two entropies."""
    rng = np.random.default_rng(1)
    for k in (2, 5, 30):
        labels, clusters = rng.integers(4, size=200), rng.integers(k, size=200)
        assert metrics.v_measure(labels, clusters) == pytest.approx(
            metrics.nmi(labels, clusters), abs=1e-12
        )


def test_scores_of_a_cut_class_by_hand():
    # each cluster holds one class: H(class | cluster) = 0. Class 0 is cut 30 : 20, so that
    # H(cluster | class) = 0.5 H(0.6, 0.4) = 0.336506, H(class) = ln 2, H(cluster) = 1.029653
    assert metrics.homogeneity(LABELS, CLUSTERS) == 1
    assert metrics.completeness(LABELS, CLUSTERS) == pytest.approx(0.693147 / 1.029653, abs=1e-6)
    assert metrics.v_measure(LABELS, CLUSTERS) == pytest.approx(0.804675, abs=1e-6)


def test_ami_by_hand():
    # two pairs: of the three ways to pair four items, one gives ln 2 and two give 0
    labels, crossed = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert metrics.expected_information(np.array([2, 2]), np.array([2, 2])) == pytest.approx(
        math.log(2) / 3
    )
    assert metrics.ami(labels, labels) == pytest.approx(1)
    assert metrics.ami(labels, crossed) == pytest.approx(-0.5)  # -(ln 2)/3 over 2 (ln 2)/3


def test_scores_of_a_single_class_or_cluster():
    one, two = np.zeros(6, dtype=int), np.array([0, 0, 0, 1, 1, 1])
    assert metrics.homogeneity(one, two) == metrics.completeness(two, one) == 1
    assert metrics.completeness(one, two) == metrics.homogeneity(two, one) == 0
    assert metrics.v_measure(one, two) == metrics.v_measure(two, one) == 0
    assert metrics.ami(one, one) == metrics.ami(np.arange(6), np.arange(6)) == 1
    assert metrics.ami(one, two) == pytest.approx(0)
    assert metrics.homogeneity(np.zeros(59, int), np.arange(59)) == 1  # 59 x 1/59 is not 1


@given(partitions, st.permutations(range(5)))
def test_figures_ignore_how_clusters_are_numbered(pair, permutation):
    labels, clusters = pair
    renumbered = np.array(permutation)[clusters]
    for figure in BY_LABELS:
        assert figure(labels, renumbered) == pytest.approx(figure(labels, clusters))


@given(partitions)
def test_purity_is_never_below_accuracy(pair):
    assert metrics.purity(*pair) >= metrics.clustering_accuracy(*pair) - 1e-12


def test_ari_counts_pairs_beyond_32_bits():
    labels = np.repeat([0, 1], 60_000)
    assert metrics.ari(labels, 1 - labels) == pytest.approx(1.0)


def test_recall_is_zero_without_a_cluster_and_nan_without_items():
    counts = np.array([[8, 2], [5, 0], [0, 6], [0, 0]])
    recall = metrics.recall_per_class(counts)
    assert recall[:3].tolist() == pytest.approx([0.8, 0.0, 1.0])
    assert math.isnan(recall[3])


def test_recall_takes_a_given_matching():
    recall = metrics.recall_per_class(np.array([[8, 2], [5, 0]]), np.array([1, 0]))
    assert recall.tolist() == pytest.approx([0.2, 1.0])


def soft(probabilities):
    p = np.array(probabilities)
    return Snapshot(np.zeros((len(p), 2)), p.argmax(1), {}, probabilities=p)


def test_confidence_of_a_soft_method_is_its_greatest_probability():
    snapshot = soft([[0.7, 0.2, 0.1], [0.4, 0.35, 0.25]])
    assert metrics.confidence(snapshot).tolist() == pytest.approx([0.7, 0.4])
    assert metrics.margin(snapshot).tolist() == pytest.approx([0.5, 0.05])


def test_confidence_of_a_hard_method_falls_from_center_to_border():
    points = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    snapshot = Snapshot(points, [0, 0, 0, 1, 1], {}, centers=np.array([[0.0], [4.0]]))
    expected = [1, 2 / 3, 0, 2 / 3, 1]
    assert metrics.confidence(snapshot).tolist() == pytest.approx(expected, abs=1e-6)
    assert metrics.margin(snapshot).tolist() == pytest.approx(expected, abs=1e-6)


def test_means_stand_in_for_missing_centers():
    snapshot = Snapshot(np.array([[-1.0], [1.0], [9.0], [11.0]]), [0, 0, 5, 5], {})
    expected = [10 / 11, 8 / 9, 8 / 9, 10 / 11]
    assert metrics.confidence(snapshot).tolist() == pytest.approx(expected, abs=1e-6)


def test_one_cluster_leaves_no_doubt():
    snapshot = Snapshot(np.zeros((3, 2)), [0, 0, 0], {}, centers=np.zeros((2, 2)))
    assert metrics.confidence(snapshot).tolist() == [1, 1, 1]
    assert metrics.margin(soft([[1.0], [1.0]])).tolist() == [1, 1]


def test_silhouette_of_two_far_groups_is_high_and_of_one_group_undefined():
    points = np.array([[0.0], [0.1], [9.0], [9.1]])
    assert metrics.silhouette(points, np.array([0, 0, 1, 1])) == pytest.approx(0.98889, abs=1e-4)
    assert math.isnan(metrics.silhouette(points, np.zeros(4, dtype=int)))
    assert math.isnan(metrics.silhouette(points, np.arange(4)))


def test_silhouette_of_many_items_repeats_its_draw():
    rng = np.random.default_rng(1)
    points, clusters = rng.normal(size=(2500, 2)), rng.integers(0, 3, 2500)
    assert metrics.silhouette(points, clusters) == metrics.silhouette(points, clusters)


@pytest.mark.parametrize("tiny", [1, 2, 3])
def test_silhouette_of_many_items_looks_at_every_cluster(tiny):
    rng = np.random.default_rng(0)
    clusters = np.repeat([0, 1], [100_000 - tiny, tiny])
    points = rng.normal(size=(len(clusters), 2)).astype(np.float32)
    points[clusters == 1] += 40
    found = [metrics.silhouette(points, clusters, seed) for seed in range(3)]
    # near 1 for the large cluster, which nearly all items are in; nan where the draw missed one
    np.testing.assert_allclose(found, 0.97, atol=0.01)


def test_silhouette_of_a_draw_is_near_that_of_all_items():
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(9), [1200, 1200, 1200, 300, 40, 3, 3, 2, 1])
    points = rng.normal(size=(len(clusters), 2)) + 3 * rng.normal(size=(9, 2))[clusters]
    assert metrics.silhouette(points, clusters) == pytest.approx(
        silhouette_score(points, clusters), abs=0.015
    )


def test_evenness_runs_from_zero_to_one():
    assert metrics.marginal_entropy(np.array([5, 5, 5])) == pytest.approx(1)
    assert metrics.marginal_entropy(np.array([9, 0, 0])) == 0
    assert metrics.marginal_entropy(np.array([9])) == 1
    assert math.isnan(metrics.marginal_entropy(np.zeros(3)))


def test_occupied_clusters_and_share_changed():
    assert metrics.n_occupied(np.array([4, 4, 0])) == 2
    assert metrics.share_changed(np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])) == 0.25
    assert math.isnan(metrics.share_changed(np.array([]), np.array([])))


@pytest.mark.parametrize("with_centers", [True, False])
def test_margins_do_not_depend_on_how_many_are_computed_at_once(monkeypatch, with_centers):
    rng = np.random.default_rng(0)
    rows, clusters = rng.normal(size=(500, 4)).astype(np.float32), rng.integers(-1, 6, 500)
    centers = rng.normal(size=(6, 4)).astype(np.float32) if with_centers else None
    whole = metrics.distance_margin(rows, clusters, centers)
    monkeypatch.setattr(metrics, "CELLS", 6 * 70)
    np.testing.assert_allclose(metrics.distance_margin(rows, clusters, centers), whole, atol=1e-6)

import math

import numpy as np
import pytest

from clustlab.analysis import probes, verdict
from clustlab.types import Snapshot

DIGITS = tuple("0123456789")


def snapshot(assignments, k):
    n = len(assignments)
    centers = np.stack([np.arange(k), np.zeros(k)], axis=1)  # in a row
    return Snapshot(np.zeros((n, 2)), assignments, {}, centers=centers)


def test_two_digits_that_share_a_cluster():
    labels = np.repeat(np.arange(10), 20)
    clusters = labels.copy()
    clusters[labels == 9] = 4
    clusters[180:183] = 9
    found = verdict.verdict_on(snapshot(clusters, 10), labels, DIGITS)
    assert found.sentence == "found 9 of 10 digits; 4 and 9 share a cluster; accuracy 0.915."
    assert found.merged == ((4, 9),)
    assert 9 not in found.recovered


def test_everything_found():
    labels = np.repeat([0, 1, 2], 5)
    found = verdict.verdict_on(snapshot(2 - labels, 3), labels, ("cat", "dog", "owl"))
    assert found.sentence == "found all 3 classes; accuracy 1.000."
    assert found.recovered == (0, 1, 2)


def test_a_split_class_and_a_scattered_one():
    labels = np.repeat([0, 1, 2, 3], 20)
    clusters = np.concatenate([[0] * 10 + [1] * 10, [2] * 20, [3] * 20, [0, 1, 2, 3] * 5])
    found = verdict.verdict_on(snapshot(clusters, 4), labels, ("a", "b", "c", "d"))
    assert found.split == (0,)
    assert found.scattered == (3,)
    assert "a is split; d is scattered" in found.sentence


def test_a_collapse_is_called_one():
    found = verdict.verdict_on(snapshot(np.zeros(9, dtype=int), 10), np.arange(9), DIGITS)
    assert found.sentence == "put every item into one cluster: it collapsed."


def test_more_clusters_than_classes_are_judged_by_purity():
    labels = np.repeat([0, 1, 2], 10)
    clusters = np.repeat(np.arange(6), 5)
    clusters[20:] = [4, 4, 4, 4, 0, 0, 0, 0, 1, 1]
    clusters[15:20] = 5
    found = verdict.verdict_on(snapshot(clusters, 8), labels, ("a", "b", "c"))
    # clusters 0 and 1 are a, 2 and 5 b, 4 c; merged are those near by: 1 with 2, 4 with 5
    assert found.sentence == (
        "made 5 clusters for 3 classes; every class has at least one; 80% pure; "
        "merged to 3, accuracy 0.467."
    )
    labels[labels == 2] = 1
    labels[24] = 2
    found = verdict.verdict_on(snapshot(clusters, 8), labels, ("a", "b", "c"))
    assert found.scattered == (2,)
    assert "no cluster belongs to c" in found.sentence


def test_without_labels_sizes_are_told():
    clusters = np.repeat([0, 2], [30, 10])
    found = verdict.verdict_on(snapshot(clusters, 3), mapping=np.array([5, 6, 7]), changed=0.125)
    assert found.sentence == (
        "made 3 clusters, 2 in use; the largest, cluster 5, holds 75% of the items, "
        "the smallest 25%; 12.5% of the items changed cluster in the last step."
    )
    same = verdict.verdict_on(snapshot(clusters, 3), np.full(40, -1), ("a",))
    assert same.sentence.startswith("made 3 clusters, 2 in use")


def test_fewer_clusters_than_classes_cannot_find_each_of_them():
    labels = np.repeat(np.arange(10), 10)
    clusters = np.array([0, 1, 2, 0, 1, 0, 0, 1, 2, 1])[labels]
    found = verdict.verdict_on(snapshot(clusters, 3), labels, DIGITS)
    assert found.sentence == (
        "put 10 digits into 3 clusters: 0, 3, 5 and 6 in one; 1, 4, 7 and 9 in one; 2 and 8 in one."
    )
    assert (found.recovered, found.merged[0]) == ((), (0, 3, 5, 6))
    clusters[labels == 2] = np.arange(10) % 2  # half in each of the two others
    found = verdict.verdict_on(snapshot(clusters, 3), labels, DIGITS)
    assert found.sentence.startswith("put 10 digits into 3 clusters: 0, 3, 5 and 6 in one;")
    assert "found" not in found.sentence
    assert "accuracy" not in found.sentence


def test_clusters_that_were_there_to_be_used_are_judged_by_what_they_found():
    labels = np.repeat(np.arange(4), 10)
    found = verdict.verdict_on(snapshot(labels // 2, 4), labels, ("a", "b", "c", "d"))
    assert found.sentence.startswith("found 2 of 4 classes; a and b share a cluster;")


def test_one_class_is_nothing_to_tell_apart():
    clusters = np.repeat([0, 1], 10)
    found = verdict.verdict_on(snapshot(clusters, 2), np.zeros(20, int), ("only",))
    assert found.sentence.startswith("made 2 clusters, all in use;")
    assert "pure" not in found.sentence


def test_a_single_cluster_that_was_asked_for_is_no_collapse():
    found = verdict.verdict_on(snapshot(np.zeros(20, int), 1), np.arange(20) % 2, ("a", "b"))
    assert found.sentence == "found a single cluster."


def test_purity_is_not_said_of_clusters_of_a_few_items_each():
    labels, clusters = np.repeat([0, 1], 8), np.arange(16) // 4
    sentence = verdict.verdict_on(snapshot(clusters, 4), labels, ("a", "b")).sentence
    assert sentence.startswith(
        "made 4 clusters for 2 classes; every class has at least one; merged"
    )


def test_nearly_pure_is_not_pure_and_two_classes_are_both():
    labels, clusters = np.repeat([0, 1], 500), np.repeat([0, 1, 2], [480, 20, 500])
    clusters[499] = 2
    noisy = np.where(np.arange(1000) % 100 == 0, -1, clusters)
    sentence = verdict.verdict_on(snapshot(noisy, 3), labels, ("upper", "lower")).sentence
    assert "; 99.9% pure; " in sentence
    assert sentence.endswith("over the 99% that are clustered; the rest is noise.")
    two = np.where(np.arange(1000) == 499, 1, labels)
    whole = np.tile(labels, 3)
    sentence = verdict.verdict_on(
        snapshot(np.concatenate([two, labels, labels]), 2), whole
    ).sentence
    assert sentence == "found both classes; accuracy >0.999."


def test_no_items():
    assert "no items" in verdict.verdict_on(snapshot(np.zeros(0, dtype=int), 3)).sentence


def groups(seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], 30)
    return np.eye(3)[labels] * 8 + rng.normal(size=(90, 3)), labels


def test_probes_read_separable_classes():
    embedding, labels = groups()
    assert probes.knn_probe(embedding, labels) > 0.95
    assert probes.linear_probe(embedding, labels) > 0.95


def test_probes_guess_shuffled_classes_badly():
    embedding, labels = groups()
    shuffled = np.random.default_rng(1).permutation(labels)
    assert probes.knn_probe(embedding, shuffled) < 0.6
    assert probes.linear_probe(embedding, shuffled) < 0.6


def test_probes_ignore_unlabelled_items_and_need_two_classes():
    embedding, labels = groups()
    more = np.concatenate([embedding, np.full((50, 3), 99.0)])
    partly = np.concatenate([labels, np.full(50, -1)])
    assert probes.knn_probe(more, partly) == probes.knn_probe(embedding, labels)
    assert math.isnan(probes.knn_probe(embedding, np.full(90, -1)))
    assert math.isnan(probes.linear_probe(embedding, np.zeros(90, dtype=int)))


def test_a_neighbour_does_not_vote_for_itself():
    # two items of different classes: each sees only the other one
    assert probes.knn_probe(np.eye(2), np.array([0, 1])) == 0


def test_large_sets_are_sampled_by_seed(monkeypatch):
    embedding, labels = groups()
    monkeypatch.setattr(probes, "PROBE_QUERIES", 20)
    shares = {probes.knn_probe(embedding, labels) * 20 for _ in range(2)}
    assert len(shares) == 1
    assert shares.pop() == pytest.approx(round(probes.knn_probe(embedding, labels) * 20))


def test_the_score_told_is_that_of_what_clusters_stand_for():
    labels = np.repeat([0, 1, 2], [10, 5, 1])
    clusters = np.concatenate([np.repeat([0, 1], [6, 4]), np.repeat(2, 5), [1]])
    step = snapshot(clusters, 3)
    by_match = verdict.verdict_on(step, labels, ("a", "b", "c"))
    by_majority = verdict.verdict_on(step, labels, ("a", "b", "c"), class_rule="majority")
    assert "accuracy 0.750" in by_match.sentence  # 6 + 5 + 1 of 16
    assert "purity 0.938" in by_majority.sentence  # 6 + 4 + 5

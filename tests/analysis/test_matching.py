import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis.matching import align, column_order, contingency, hungarian, match_to_classes

numbers = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(np.array)


def test_contingency_counts_pairs_and_skips_unlabelled_items():
    a, b = np.array([0, 0, 1, 2, -1, 2]), np.array([1, 1, 0, -1, 0, 1])
    assert contingency(a, b).tolist() == [[0, 2], [1, 0], [0, 1]]
    assert contingency(a, b, 4, 3).shape == (4, 3)


def test_contingency_of_nothing_is_a_table_of_zeros():
    empty = np.array([], dtype=int)
    assert contingency(empty, empty, 2, 3).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_contingency_rejects_what_does_not_fit():
    with pytest.raises(ValueError, match=r"numbers up to \(3, 0\) do not fit"):
        contingency(np.array([3]), np.array([0]), 3, 1)
    with pytest.raises(ValueError, match="one length"):
        contingency(np.array([3]), np.array([0, 1]))


def test_hungarian_prefers_the_greatest_total_over_the_greedy_choice():
    # greedy would take 9 first and be left with 0; the best total is 8 + 7
    assert hungarian(np.array([[9, 8], [7, 0]])).tolist() == [1, 0]


def test_hungarian_leaves_extra_and_empty_rows_unmatched():
    assert hungarian(np.array([[3, 0], [0, 0], [2, 0], [0, 1]])).tolist() == [0, -1, -1, 1]


def test_clusters_are_matched_to_classes_one_to_one():
    labels = np.array([0] * 50 + [1] * 50 + [-1])
    clusters = np.array([0] * 30 + [1] * 20 + [2] * 50 + [1])
    assert match_to_classes(labels, clusters, 4, 2).tolist() == [0, -1, 1, -1]


@given(numbers, st.permutations(range(6)))
def test_alignment_undoes_any_renumbering(stable, permutation):
    raw = np.array(permutation)[stable]
    mapping = align(stable, raw, 6, 6)
    assert (mapping[raw] == stable).all()
    assert sorted(mapping) == list(range(6))


def test_an_empty_cluster_keeps_the_id_it_had():
    previous, current = np.array([0, 0, 2, 2]), np.array([1, 1, 2, 2])
    last = np.array([1, 0, 2])  # raw cluster 0 was known as 1 and is empty in both steps
    assert align(previous, current, 3, 3, last).tolist() == [1, 0, 2]


def test_a_tie_goes_to_the_former_id():
    previous, current = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    assert align(previous, current, 2, 2, np.array([1, 0])).tolist() == [1, 0]
    assert align(previous, current, 2, 2, np.array([0, 1])).tolist() == [0, 1]


def test_more_clusters_than_before_get_fresh_ids():
    previous, current = np.array([0, 0, 0, 1, 1]), np.array([2, 2, 0, 1, 1])
    assert align(previous, current, 2, 3).tolist() == [2, 1, 0]


def test_fewer_clusters_than_before_keep_their_ids():
    previous, current = np.array([0, 1, 2, 2]), np.array([1, 1, 0, 0])
    assert align(previous, current, 3, 2, np.arange(3)).tolist() == [2, 1]


def test_columns_follow_the_matching_then_the_majority_and_end_with_empty_clusters():
    counts = np.array([[0, 5, 2, 0], [6, 1, 3, 0]])
    assert column_order(counts, np.array([1, 0, -1, -1])).tolist() == [1, 0, 2, 3]

"""Arithmetic of the lesson on trees, solved by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.lessons import trees

LINE = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]])


@pytest.mark.parametrize(
    ("linkage", "last"),
    [("single", 2.0), ("complete", 3.0), ("average", 2.5), ("ward", 2.5 * math.sqrt(4 / 3))],
)
def test_three_points_on_a_line(linkage, last):
    tree = trees.tree_of(LINE, linkage)
    assert tree[0].tolist() == [0, 1, 1, 2]
    assert tree[1, 2] == pytest.approx(last, rel=1e-5)
    assert f"{last:.3f}" in trees._height(LINE[:2], LINE[2:], linkage)
    assert trees.clusters_of(tree, 2).tolist() == [0, 0, 1]
    assert sorted(trees.members(tree, 4)) == [0, 1, 2]


@pytest.mark.parametrize("linkage", trees.LINKAGES)
def test_the_height_that_is_explained_is_the_one_in_the_tree(linkage):
    points = np.array(trees.FOUR)
    tree = trees.tree_of(points, linkage)
    for row in tree:
        one, other = (points[trees.members(tree, int(node))] for node in row[:2])
        assert float(trees._height(one, other, linkage).rsplit("= ", 1)[1]) == pytest.approx(
            row[2], abs=2e-3
        )


def test_the_longest_gap_of_two_pairs_is_at_two_clusters():
    tree = trees.tree_of(np.array([[0.0, 0], [1, 0], [10, 0], [11.5, 0]]), "single")
    best, gaps = trees.longest_gap(tree)
    assert best == 2
    np.testing.assert_allclose(gaps, [9 - 1.5, 0.5], rtol=1e-5)


def test_votes_are_counted_pair_by_pair():
    share = trees.together(np.array(trees.VOTES))
    assert share[0, 1] == 1
    assert share[2, 3] == 0.5
    assert share[0, 3] == 0.25
    assert trees.consensus(np.array(trees.VOTES), 2).tolist() == [0, 0, 0, 1, 1, 1]


@given(st.lists(st.lists(st.integers(0, 3), min_size=5, max_size=5), min_size=1, max_size=6))
def test_numbers_of_clusters_do_not_matter_to_a_vote(votes):
    table = np.array(votes)
    renamed = (table + 1) % 4
    np.testing.assert_array_equal(trees.together(table), trees.together(renamed))
    assert (np.diag(trees.together(table)) == 1).all()


def test_many_clusterings_find_the_moons_that_two_centres_cannot():
    assert trees.of_many(trees.MOST)[1] > 0.9
    assert trees.two_means() < 0.6


def test_single_linkage_finds_rings_and_ward_does_not():
    assert trees.clusters_and_ari("circles", "single")[1] == pytest.approx(1)
    assert trees.clusters_and_ari("circles", "ward")[1] < 0.5

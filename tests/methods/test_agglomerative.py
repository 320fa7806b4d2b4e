"""Trees of merges: solved by hand, a second opinion, and how a tree is cut and drawn."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from clustlab.context import Context
from clustlab.datasets.toy import Toy
from clustlab.errors import Cancelled, ParameterError
from clustlab.methods.agglomerative import Agglomerative
from clustlab.parts.clustering.linkage import cut, merge_tree, square_distances, top_nodes
from clustlab.types import Artefact
from clustlab.views import artefacts, dendrogram, theme

LINKAGES = ["ward", "average", "complete", "single"]
LINE = np.array([[0.0], [1.0], [3.0], [7.0]])  # merged from left to right by any linkage
DIGITS = (load_digits().images[:200] * 255 / 16).round().astype(np.uint8)[..., None]


def grown(x, linkage, ctx=None):
    ctx = ctx or Context()
    squares = square_distances(torch.from_numpy(np.asarray(x, dtype=np.float32)), ctx)
    return merge_tree(squares if linkage == "ward" else np.sqrt(squares), linkage, ctx)


def rows(chart):
    return list(itertools.chain.from_iterable(chart.to_dict()["datasets"].values()))


# -- the tree ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("linkage", "heights"),
    [
        ("single", [1, 2, 4]),
        ("complete", [1, 3, 7]),
        ("average", [1, 2.5, (7 + 6 + 4) / 3]),
        # root of 2 |A| |B| / (|A| + |B|) times the distance of the means
        ("ward", [1, np.sqrt(4 / 3) * 2.5, np.sqrt(6 / 4) * (7 - 4 / 3)]),
    ],
)
def test_four_numbers_are_merged_by_hand(linkage, heights):
    tree = grown(LINE, linkage)
    assert tree[:, :2].tolist() == [[0, 1], [2, 4], [3, 5]]
    assert tree[:, 2] == pytest.approx(heights, rel=1e-6)
    assert tree[:, 3].tolist() == [2, 3, 4]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 999),
    n=st.integers(2, 60),
    d=st.integers(1, 4),
    linkage=st.sampled_from(LINKAGES),
)
def test_trees_are_those_of_scipy(seed, n, d, linkage):
    x = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    ours, theirs = grown(x, linkage), hierarchy.linkage(x.astype(np.float64), linkage)
    assert ours[:, 2] == pytest.approx(theirs[:, 2], rel=1e-4, abs=1e-5)
    assert hierarchy.is_valid_linkage(ours)
    k = min(4, n)
    expected = hierarchy.fcluster(theirs, k, "maxclust")
    assert adjusted_rand_score(expected, cut(ours, k)[0]) == 1.0


@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 999), n=st.integers(2, 30), linkage=st.sampled_from(LINKAGES))
def test_equal_distances_do_no_harm(seed, n, linkage):
    x = np.random.default_rng(seed).integers(0, 3, (n, 2))
    tree = grown(x, linkage)
    assert hierarchy.is_valid_linkage(tree)
    assert hierarchy.is_monotonic(tree)
    assert tree[-1, 3] == n


@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 999), n=st.integers(2, 40))
def test_each_cut_merges_two_clusters_of_the_one_before(seed, n):
    tree = grown(np.random.default_rng(seed).normal(size=(n, 2)), "average")
    before, _ = cut(tree, n)
    assert before.tolist() == list(range(n))
    for k in range(n - 1, 0, -1):
        now, nodes = cut(tree, k)
        assert sorted(set(now.tolist())) == list(range(k)) == list(range(len(nodes)))
        pairs = set(zip(before.tolist(), now.tolist(), strict=True))
        assert len(pairs) == k + 1  # every old cluster lies in one new one
        before = now


def test_squared_distances_do_not_lose_what_is_close_together_and_far_out():
    x = np.array([[1000.0, 1000.0], [1000.0, 1000.125], [0.0, 0.0]], dtype=np.float32)
    found = square_distances(torch.from_numpy(x), Context())
    assert found[0, 1] == pytest.approx(0.125**2, rel=1e-3)
    assert np.array_equal(found, found.T)


def test_growing_can_be_stopped():
    calls = 0

    def poll():
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        grown(np.random.default_rng(0).normal(size=(300, 2)), "ward", Context(poll=poll))
    assert calls == 3


# -- the method ----------------------------------------------------------------------------------
def test_the_scrubber_walks_down_one_merge_at_a_time():
    found = list(Agglomerative(n_clusters=3, first_cut=6).iterate(DIGITS, Context()))
    assert [s.n_clusters for s in found] == [6, 5, 4, 3]
    for before, after in itertools.pairwise(found):
        pairs = set(zip(before.assignments.tolist(), after.assignments.tolist(), strict=True))
        assert len(pairs) == before.n_clusters
        assert after.scalars["distance_of_last_merge"] == (before.scalars["distance_of_next_merge"])


def test_the_last_merge_is_shown_by_its_mean_images():
    *_, before, last = Agglomerative(n_clusters=3, first_cut=6).iterate(DIGITS, Context())
    one, other, both = last.artefacts["merged"].data[0].astype(float)
    pairs = set(zip(before.assignments.tolist(), last.assignments.tolist(), strict=True))
    merged = next(b for _, b in pairs if sum(q == b for _, q in pairs) == 2)
    assert np.abs(both - DIGITS[last.assignments == merged].mean(0)).max() <= 0.5 + 1e-6
    parts = [DIGITS[before.assignments == a].mean(0) for a, b in sorted(pairs) if b == merged]
    assert min(np.abs(one - p).max() for p in parts) <= 0.5 + 1e-6
    assert min(np.abs(other - p).max() for p in parts) <= 0.5 + 1e-6


@pytest.mark.parametrize("shape", ["moons", "circles"])
def test_single_linkage_follows_what_is_bent(shape):
    toy = Toy(shape, n=600, noise=0.03).load(0, lambda *_: None)
    scores = {}
    for linkage in ("single", "ward"):
        *_, last = Agglomerative(n_clusters=2, linkage=linkage).iterate(toy.items, Context())
        scores[linkage] = adjusted_rand_score(toy.labels, last.assignments)
    assert scores["single"] > 0.95
    assert scores["ward"] < 0.7


def test_a_sample_stands_for_all():
    toy = Toy("blobs", n=1000).load(0, lambda *_: None)
    *_, last = Agglomerative(n_clusters=5, max_items=200).iterate(toy.items, Context())
    assert adjusted_rand_score(toy.labels, last.assignments) > 0.95
    assert last.artefacts["tree"].data[0, 2] == 200
    with pytest.raises(ParameterError, match="n_clusters"):
        next(Agglomerative(n_clusters=150, max_items=100).iterate(toy.items, Context()))


# -- the drawing ---------------------------------------------------------------------------------
def test_the_top_of_a_tree_by_hand():
    tree = grown(LINE, "single")
    clusters, nodes = cut(tree, 2)
    assert clusters.tolist() == [0, 0, 0, 1]
    whole = top_nodes(tree, 30, nodes)
    assert whole.tolist() == [
        [-1, 4, 4, -1],
        [0, 0, 1, 1],
        [0, 2, 3, 0],
        [2, 0, 1, 0],
        [2, 1, 2, 0],
        [4, 0, 1, 0],
        [4, 0, 1, 0],
    ]
    assert top_nodes(tree, 2, nodes).tolist() == whole[:3].tolist()
    assert top_nodes(tree, 1, nodes).tolist() == whole[:1].tolist()


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    seed=st.integers(0, 999), n=st.integers(2, 60), leaves=st.integers(1, 60), k=st.integers(1, 9)
)
def test_a_drawn_tree_holds_every_item_once(seed, n, leaves, k):
    tree = grown(np.random.default_rng(seed).normal(size=(n, 2)), "ward")
    nodes = top_nodes(tree, leaves, cut(tree, min(k, n))[1])
    table = dendrogram.placed(nodes.astype(np.float64))
    assert int(table["is_leaf"].sum()) == min(leaves, n)
    assert table.loc[table["is_leaf"], "items"].sum() == n
    assert (table["above"] >= table["height"]).all()
    assert table["x"].between(0, 1).all()
    if leaves >= k:
        assert table["is_top"].sum() == min(k, n)


def test_the_cut_lies_between_the_clusters_and_what_joins_them():
    tree = grown(LINE, "single")
    table = dendrogram.placed(top_nodes(tree, 9, cut(tree, 2)[1]).astype(np.float64))
    assert dendrogram.cut(table) == 3.0
    assert dendrogram.cut(dendrogram.placed(np.array([[-1.0, 2, 5, -1]]))) is None
    uneven = np.array([[-1.0, 9, 9, -1], [0, 8, 4, 0], [0, 5, 5, -1]])
    assert dendrogram.cut(dendrogram.placed(uneven)) is None


def test_a_tree_is_drawn_in_the_colours_of_stable_ids():
    tree = grown(LINE, "single")
    artefact = Artefact("tree", top_nodes(tree, 9, cut(tree, 2)[1]), "Tree")
    drawn = rows(artefacts.artefact_chart(artefact, np.array([7, 3])))
    colours = {row["says"]: row["colour"] for row in drawn if "says" in row}
    assert colours["7"] == theme.colour(7)
    assert colours["3"] == theme.colour(3)
    assert colours["several or none"] == theme.GREY
    assert {"7", "3", "several or none"} == set(colours)
    assert [row["height"] for row in drawn if set(row) == {"height"}] == [3.0]


def test_a_tree_of_one_node_is_drawn():
    chart = dendrogram.tree(np.array([[-1.0, 2.0, 5.0, -1.0]]))
    assert {row["x"] for row in rows(chart) if "x" in row} == {0.5}
    assert "5 items in 1 branch" in str(chart.to_dict()["title"])

"""Islands of density: solved by hand, a second opinion, and what becomes of noise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import HDBSCAN
from sklearn.datasets import load_digits, make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from clustlab.context import Context
from clustlab.datasets.toy import Toy
from clustlab.errors import ParameterError
from clustlab.methods.hdbscan import Hdbscan
from clustlab.methods.hdbscan.density import (
    condense,
    condensed_nodes,
    most_stable,
    mutual_reachability,
    numbers,
    stability,
    strengths,
)
from clustlab.params import size_remarks
from clustlab.parts.clustering.linkage import merge_tree, square_distances
from clustlab.views import artefacts, dendrogram

# Two groups of three numbers and one number far from both.
SEVEN = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [52.0]])
SETS = {
    "moons": make_moons(300, noise=0.08, random_state=0)[0],
    "blobs": make_blobs(300, centers=5, random_state=1)[0],
    "digits": load_digits().data[:300],
    "noise": np.random.default_rng(0).random((200, 2)),
}


def grown(x, min_samples):
    squares = square_distances(torch.from_numpy(np.asarray(x, np.float32)), Context())
    return merge_tree(mutual_reachability(squares, min_samples), "single", Context())


def last(method, items, seed=0):
    *_, found = method.iterate(items, Context(seed))
    return found


def test_mutual_reachability_by_hand():
    squares = square_distances(torch.tensor([[0.0], [1.0], [4.0]]), Context())
    # with two samples the core distances are 1, 1 and 3
    found = mutual_reachability(squares, 2)
    assert found[0].tolist() == [1, 1, 4]
    assert found[1].tolist() == [1, 1, 3]
    plain = mutual_reachability(square_distances(torch.tensor([[0.0], [5.0]]), Context()), 1)
    assert plain.tolist() == [[0, 5], [5, 0]]
    many = mutual_reachability(square_distances(torch.tensor([[0.0], [5.0]]), Context()), 9)
    assert many.tolist() == [[5, 5], [5, 5]]


def test_two_islands_and_a_stray_item_by_hand():
    tree = condense(grown(SEVEN, 1), 2)
    assert tree.parent.tolist() == [-1, 0, 0]
    assert tree.birth == pytest.approx([0.0, 1 / 8, 1 / 8])
    assert tree.size.tolist() == [7, 3, 3]
    assert tree.fell_at[-1] == pytest.approx(1 / 40)  # the stray one leaves the root
    assert tree.fell_from[-1] == 0
    # six items leave at 1; the children of the root are born at 1 / 8
    expected = [1 / 40 + 6 / 8, 3 * (1 - 1 / 8), 3 * (1 - 1 / 8)]
    assert stability(tree) == pytest.approx(expected)
    chosen = most_stable(tree)
    assert chosen == [1, 2]
    number = numbers(tree, chosen)[tree.fell_from]
    assert number[-1] == -1
    assert sorted([set(number[:3].tolist()), set(number[3:6].tolist())], key=min) == [{0}, {1}]
    assert strengths(tree, chosen).tolist() == pytest.approx([1.0] * 6 + [0.0])
    nodes = condensed_nodes(tree, chosen, 9)
    assert nodes == pytest.approx(np.array([[-1, 8, 7, -1], [0, 1, 3, 0], [0, 1, 3, 1]]))
    assert condensed_nodes(tree, chosen, 1).tolist() == [[-1, 8, 7, -1]]


def test_islands_that_are_too_small_leave_noise_only():
    tree = condense(grown(SEVEN, 1), 4)
    assert tree.parent.tolist() == [-1]
    assert most_stable(tree) == []
    assert strengths(tree, []).tolist() == [0.0] * 7
    assert numbers(tree, [])[tree.fell_from].tolist() == [-1] * 7


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("min_samples", [3, 8])
@pytest.mark.parametrize("size", [5, 20])
def test_clusters_are_those_of_scikit_learn_on_the_same_tree(name, min_samples, size):
    x = SETS[name].astype(np.float32)
    theirs = HDBSCAN(min_cluster_size=size, min_samples=min_samples, copy=True)
    theirs.fit(x.astype(np.float64))
    made = theirs._single_linkage_tree_
    columns = ("left_node", "right_node", "value", "cluster_size")
    tree = np.stack([made[c].astype(np.float64) for c in columns], 1)
    # distances agree; which of several equal ones comes first is nobody's right
    assert grown(x, min_samples)[:, 2] == pytest.approx(tree[:, 2], rel=1e-4, abs=1e-6)
    condensed = condense(tree, size)
    chosen = most_stable(condensed)
    number = numbers(condensed, chosen)[condensed.fell_from]
    assert ((number < 0) == (theirs.labels_ < 0)).all()
    assert adjusted_rand_score(number, theirs.labels_) == 1.0
    assert strengths(condensed, chosen) == pytest.approx(theirs.probabilities_, abs=1e-9)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    seed=st.integers(0, 999),
    n=st.integers(2, 60),
    size=st.integers(2, 20),
    min_samples=st.integers(1, 8),
    whole=st.booleans(),
)
def test_what_holds_for_any_items(seed, n, size, min_samples, whole):
    x = np.random.default_rng(seed).normal(size=(n, 2)) * 2
    tree = condense(grown(x.round() if whole else x, min_samples), size)
    assert (tree.size[1:] >= size).all()
    assert (tree.fell_at >= tree.birth[tree.fell_from]).all()
    assert (tree.birth[1:] >= tree.birth[tree.parent[1:]]).all()
    assert (stability(tree) >= -1e-9).all()
    chosen = most_stable(tree)
    for cluster in chosen:  # none within another, and never the root
        above = tree.parent[cluster]
        while above > 0:
            assert above not in chosen
            above = tree.parent[above]
        assert above == 0
    strength = strengths(tree, chosen)
    assert ((strength >= 0) & (strength <= 1)).all()
    assert len(chosen) != 1
    nodes = condensed_nodes(tree, chosen, 60)
    drawn = dendrogram.placed(nodes.astype(np.float64))
    assert (drawn["above"] >= drawn["height"]).all()
    assert drawn["is_top"].sum() == len(chosen)


@pytest.mark.parametrize("shape", ["moons", "circles", "spirals"])
def test_bent_groups_are_found_and_counted(shape):
    toy = Toy(shape, n=600, noise=0.04).load(0, lambda *_: None)
    found = last(Hdbscan(), toy.items)
    assert found.scalars["clusters_found"] == 2
    assert adjusted_rand_score(toy.labels, found.assignments) > 0.95


def test_noise_is_no_cluster_and_called_so():
    rng = np.random.default_rng(0)
    blobs = [rng.normal(c, 0.1, (60, 2)) for c in ((0, 0), (3, 0))]
    stray = np.array([[1.5, 9.0], [9.0, -9.0], [-9.0, 3.0]])
    found = last(Hdbscan(), np.concatenate([*blobs, stray]).astype(np.float32))
    assert found.n_clusters == len(found.centers) == 2
    assert found.assignments[-3:].tolist() == [-1, -1, -1]
    assert found.scalars["share_of_noise"] == pytest.approx(found.is_noise.mean())
    sizes = found.artefacts["sizes"]
    assert sizes.columns == ("0", "1", "noise")
    assert sizes.marked == (2,)
    assert sizes.data[0].tolist() == [(found.assignments == i).sum() for i in (0, 1, -1)]
    shown = artefacts.renumbered(sizes, np.array([1, 0]))
    assert shown.columns == ("0", "1", "noise")
    assert shown.data[0].tolist() == sizes.data[0, [1, 0, 2]].tolist()
    assert found.artefacts["stability"].columns == ("0", "1")
    assert found.artefacts["strength"].data[-3:, 0].tolist() == [0.0, 0.0, 0.0]


def test_there_are_as_many_clusters_as_were_found():
    toy = Toy("blobs", n=300, noise=0.02).load(0, lambda *_: None)
    found = last(Hdbscan(), toy.items)
    assert found.n_clusters == len(found.centers) == 5
    assert found.artefacts["sizes"].data.shape == (1, 6)  # noise has its bar, empty or not


@pytest.mark.parametrize("shape", [(2,), (8, 8, 1)])
def test_items_of_which_none_lies_dense_are_all_noise(shape):
    rng = np.random.default_rng(0)
    if len(shape) == 1:
        items = rng.normal(size=(40, 2)).astype(np.float32)
    else:
        items = rng.integers(256, size=(40, *shape), dtype=np.uint8)
    found = last(Hdbscan(min_cluster_size=30), items)
    assert found.n_clusters == 0
    assert found.is_noise.all()
    assert found.centers.shape == (0, found.embedding.shape[1])
    assert sorted(found.artefacts) == ["sizes", "strength", "tree"]
    assert found.artefacts["sizes"].data.tolist() == [[40]]


def test_least_sizes_rise_to_the_one_asked_for():
    assert Hdbscan(min_cluster_size=30, n_sizes=5).sizes == [2, 4, 8, 15, 30]
    assert Hdbscan(min_cluster_size=3, n_sizes=50).sizes == [2, 3]
    assert Hdbscan(min_cluster_size=2).sizes == [2]
    toy = Toy("uniform-noise", n=400).load(0, lambda *_: None)
    found = [s.scalars for s in Hdbscan(n_sizes=6).iterate(toy.items, Context())]
    assert [s["least_size"] for s in found] == Hdbscan(n_sizes=6).sizes
    assert found[0]["clusters_found"] > 5 * max(1, found[-1]["clusters_found"])


def test_a_sample_stands_for_all_noise_included():
    toy = Toy("moons", n=2000, noise=0.05).load(0, lambda *_: None)
    found = last(Hdbscan(max_items=500), toy.items)
    assert found.scalars["clusters_found"] == 2
    assert adjusted_rand_score(toy.labels, found.assignments) > 0.9
    assert found.artefacts["strength"].data.shape == (2000, 1)


@pytest.mark.parametrize(("n", "max_items", "most"), [(40, 20_000, 40), (300, 100, 100)])
def test_a_least_size_above_the_number_of_items_is_refused_by_its_name(n, max_items, most):
    items = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    with pytest.raises(ParameterError, match=f"min_cluster_size.*only {most} items"):
        last(Hdbscan(min_cluster_size=most + 1, max_items=max_items), items)


def test_above_half_of_the_items_all_are_noise_as_the_form_says_beforehand():
    items = np.concatenate([np.zeros((20, 2)), np.full((20, 2), 9.0)]).astype(np.float32)
    items += np.random.default_rng(0).normal(scale=0.1, size=items.shape).astype(np.float32)
    for size, has_clusters in ((20, True), (21, False)):
        settings = {"min_cluster_size": size}
        assert bool(size_remarks(Hdbscan, settings, len(items))) != has_clusters
        assert (last(Hdbscan(**settings), items).scalars["clusters_found"] > 0) == has_clusters

"""Spectral clustering: graphs solved by hand, a second opinion, and what it is there for."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from clustlab.context import Context
from clustlab.datasets.toy import Toy
from clustlab.errors import Cancelled
from clustlab.methods.kmeans import KMeans
from clustlab.methods.spectral import Spectral
from clustlab.parts.clustering.neighbour_graph import (
    BRIDGE,
    joined,
    local_weights,
    nearest,
    neighbour_graph,
    smooth_functions,
)
from clustlab.parts.inputs.subsets import sample


def last(method, items, seed=0):
    *_, found = method.iterate(items, Context(seed))
    return found


def score(method, toy):
    return adjusted_rand_score(toy.labels, last(method, toy.items).assignments)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("shape", ["moons", "circles"])
def test_k_means_fails_on_moons_and_circles_and_this_does_not(shape, seed):
    toy = Toy(shape, n=600, noise=0.05).load(seed, lambda *_: None)
    assert score(Spectral(2), toy) > 0.95
    assert score(KMeans(2), toy) < 0.6


def test_a_sample_stands_for_all():
    toy = Toy("moons", n=2000, noise=0.05).load(0, lambda *_: None)
    found = last(Spectral(2, max_items=500), toy.items)
    assert adjusted_rand_score(toy.labels, found.assignments) > 0.95
    assert np.linalg.norm(found.embedding, axis=1) == pytest.approx(np.ones(2000), abs=1e-5)


def test_two_triangles_on_one_edge_are_cut_there():
    edges = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)]
    graph = np.zeros((6, 6))
    for a, b in edges:
        graph[a, b] = graph[b, a] = 1
    values, vectors = smooth_functions(sparse.csr_array(graph), 3, Context())
    degree = graph.sum(1)
    laplacian = np.eye(6) - graph / np.sqrt(np.outer(degree, degree))
    assert values == pytest.approx(np.linalg.eigvalsh(laplacian)[:3], abs=1e-9)
    assert values[0] == pytest.approx(0.0, abs=1e-9)
    assert vectors[:, 0] == pytest.approx(np.sqrt(degree / degree.sum()))
    sides = np.sign(vectors[:, 1])
    assert sides[:3].tolist() == [sides[0]] * 3
    assert sides[3:].tolist() == [-sides[0]] * 3


def test_eigenvalues_of_a_ring_are_known():
    # of a ring of n nodes the normalised Laplacian has the eigenvalues 1 - cos(2 pi j / n)
    n = 300  # more nodes than are solved at once
    ring = np.stack([(np.arange(n) + 1) % n, (np.arange(n) - 1) % n], 1)
    values, vectors = smooth_functions(neighbour_graph(ring, np.ones((n, 2))), 5, Context())
    expected = [1 - math.cos(math.tau * j / n) for j in (0, 1, 1, 2, 2)]
    assert values == pytest.approx(expected, abs=1e-7)
    assert vectors.T @ vectors == pytest.approx(np.eye(5), abs=1e-6)


def test_both_ways_to_solve_agree(monkeypatch):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(150, 2)).astype(np.float32))
    ties, _ = nearest(x, x, 6, Context(), same=True)
    graph, _ = joined(neighbour_graph(ties.numpy(), np.ones(ties.shape)), x, Context())
    at_once = smooth_functions(graph, 4, Context())
    monkeypatch.setattr("clustlab.parts.clustering.neighbour_graph.DENSE", 0)
    searched = smooth_functions(graph, 4, Context())
    assert searched[0] == pytest.approx(at_once[0], abs=1e-7)
    assert searched[1] == pytest.approx(at_once[1], abs=1e-4)


def test_neighbours_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.setattr("clustlab.parts.clustering.neighbour_graph.CHUNK_CELLS", 1000)
    x = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    ours, distances = nearest(torch.from_numpy(x), torch.from_numpy(x), 5, Context(), same=True)
    theirs = NearestNeighbors(n_neighbors=5).fit(x)
    far, near = theirs.kneighbors()
    assert ours.numpy().tolist() == near.tolist()
    assert distances.numpy() == pytest.approx(far, abs=1e-4)
    few, _ = nearest(torch.from_numpy(x[:3]), torch.from_numpy(x[:3]), 5, Context(), same=True)
    assert few.shape == (3, 2)


def test_a_tie_that_is_returned_counts_twice_one_that_is_not():
    graph = neighbour_graph(np.array([[1], [0], [1]]), np.ones((3, 1)))
    assert graph.toarray().tolist() == [[0, 1, 0], [1, 0, 0.5], [0, 0.5, 0]]


def test_local_weights_by_hand():
    # item 0 and 1 are neighbours at 1 and reach out to 2 and 4: exp(-1 / 8)
    ties = np.array([[1, 2], [0, 2], [0, 1]])
    gaps = np.array([[1.0, 2.0], [1.0, 4.0], [2.0, 4.0]])
    found = local_weights(ties, gaps)
    assert found[0] == pytest.approx([math.exp(-1 / 8), math.exp(-4 / 8)])
    assert local_weights(ties, np.zeros((3, 2))).tolist() == [[1.0, 1.0]] * 3


def test_islands_are_tied_to_what_is_nearest_by_a_weak_edge():
    x = torch.tensor([[0.0], [1.0], [2.0], [10.0], [11.0], [30.0], [31.0]])
    ties = np.array([[1], [0], [1], [4], [3], [6], [5]])
    graph, pieces = joined(neighbour_graph(ties, np.ones((7, 1))), x, Context())
    assert pieces == 3
    assert graph[2, 3] == graph[3, 2] == BRIDGE
    assert graph[4, 5] == graph[5, 4] == BRIDGE
    assert graph.sum() == pytest.approx(2 * (1 + 0.5 + 1 + 1) + 4 * BRIDGE)


def test_the_cut_between_large_islands_comes_before_that_of_a_small_one():
    rng = np.random.default_rng(0)
    groups = [rng.normal(c, 0.3, (m, 2)) for c, m in (((0, 0), 200), ((9, 0), 200), ((0, 99), 12))]
    found = last(Spectral(2), np.concatenate(groups).astype(np.float32))
    assert found.scalars["pieces"] == 3
    assert len(set(found.assignments[:200])) == len(set(found.assignments[200:400])) == 1
    assert found.assignments[0] != found.assignments[200]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(seed=st.integers(0, 999), n=st.integers(6, 60), k=st.integers(1, 4))
def test_any_graph_becomes_one_with_a_single_constant_function(seed, n, k):
    ctx = Context(seed)
    x = torch.from_numpy(ctx.rng.normal(size=(n, 2)).astype(np.float32))
    ties, _ = nearest(x, x, k, ctx, same=True)
    graph, pieces = joined(neighbour_graph(ties.numpy(), np.ones(ties.shape)), x, ctx)
    values, _ = smooth_functions(graph, 3, ctx)
    assert 1 <= pieces <= n // 2
    assert values[0] == pytest.approx(0.0, abs=1e-9)
    assert values[1] > 1e-9
    assert (np.diff(values) >= 0).all()
    assert abs(graph - graph.T).max() == 0


def test_the_search_for_eigenvectors_can_be_stopped():
    n, calls = 400, 0
    ring = np.stack([(np.arange(n) + 1) % n, (np.arange(n) - 1) % n], 1)

    def poll():
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        smooth_functions(neighbour_graph(ring, np.ones((n, 2))), 5, Context(poll=poll))
    assert calls == 2


def test_nothing_is_drawn_if_all_items_fit():
    ctx = Context()
    before = ctx.rng.bit_generator.state
    inside, outside = sample(10, 10, ctx)
    assert (inside.tolist(), outside.tolist()) == (list(range(10)), [])
    assert ctx.rng.bit_generator.state == before
    inside, outside = sample(100, 30, ctx)
    assert (len(inside), len(outside)) == (30, 70)
    assert sorted([*inside.tolist(), *outside.tolist()]) == list(range(100))


def test_eigenvalues_mark_the_last_one_used():
    images = (load_digits().images[:150] * 255 / 16).round().astype(np.uint8)[..., None]
    found = last(Spectral(4, n_init=1), images)
    shown = found.artefacts["eigenvalues"]
    assert shown.data.shape == (2, 12)
    assert shown.marked == (3,)
    assert shown.data[1, :-1] == pytest.approx(np.diff(shown.data[0]), abs=1e-6)
    assert found.scalars["eigenvalue_step"] == pytest.approx(shown.data[1, 3], abs=1e-6)
    means = found.artefacts["centroids"].data[0].astype(float)
    for cluster in range(4):
        expected = images[found.assignments == cluster].mean(0)
        assert np.abs(means[cluster] - expected).max() <= 0.5 + 1e-6

"""Graphs of nearest neighbours and the smooth functions on them."""

from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from clustlab.context import Context
from clustlab.types import Array

CHUNK_CELLS = 4_000_000  # distances held at once: 16 MB
DENSE = 200  # up to this many nodes all eigenvectors are found at once
SPARE = 20  # vectors that the search for eigenvectors holds beyond twice those asked for
SEARCH_TOL, EQUAL = 1e-8, 1e-7  # how exact eigenvalues are, and when two are the same
BRIDGE = 0.05  # weight of an edge that ties an island to the rest; a mutual neighbour has 1
POLL_EVERY = 50  # products with the graph between two pause points

Graph = Any  # scipy.sparse.csr_array (n, n) float64, symmetric, no entry below 0


def nearest(
    queries: Tensor, rows: Tensor, k: int, ctx: Context, *, same: bool = False
) -> tuple[Tensor, Tensor]:
    """The k nearest rows to each query, (q, k) int64 by rising distance, and their distances.

    Exact and Euclidean; both should be roughly centred. This is the search of all methods, since it
    stays on their device. Readers of runs have one of their own, `analysis.nearest_neighbours`: on
    a CPU it is as fast, and torch, whose import alone takes seconds, is not needed.

    Parameters
    ----------
    queries : Tensor
        (q, d) float32.
    rows : Tensor
        (n, d) float32.
    k : int
        Fewer are returned if there are not as many.
    same : bool
        Whether queries and rows are the same items; then no item is its own neighbour.
    """
    k = min(k, len(rows) - same)
    norms = rows.square().sum(1)
    size = max(1, CHUNK_CELLS // max(1, len(rows)))
    least = []
    for start in range(0, len(queries), size):
        ctx.poll()
        part = queries[start : start + size]
        squares = torch.addmm(norms, part, rows.T, alpha=-2) + part.square().sum(1)[:, None]
        if same:
            own = torch.arange(len(part), device=part.device)
            squares[own, start + own] = torch.inf
        least.append(squares.topk(k, largest=False))
    if not least:
        empty = queries.new_zeros(0, k)
        return empty.long(), empty
    distances = torch.cat([part.values for part in least]).clamp_min(0).sqrt()
    return torch.cat([part.indices for part in least]), distances


def neighbour_graph(neighbours: Array, weights: Array) -> Graph:
    """Symmetric graph W = (A + A.T) / 2 of weighted arrows from each node to its neighbours.

    Parameters
    ----------
    neighbours : array of int
        (n, k).
    weights : array
        (n, k), at least 0.
    """
    n, k = neighbours.shape
    ends = np.arange(0, n * k + 1, k)
    arrows = sparse.csr_array(
        (weights.astype(np.float64).ravel(), neighbours.ravel(), ends), shape=(n, n)
    )
    return sparse.csr_array((arrows + arrows.T) / 2)


def local_weights(neighbours: Array, distances: Array) -> Array:
    """Weights exp(-d_ij^2 / (s_i s_j)) (n, k), with s_i the distance of i to its last neighbour.

    Zelnik-Manor and Perona 2004, *Self-Tuning Spectral Clustering*, eq. 1.
    """
    scale = np.maximum(distances[:, -1], np.finfo(np.float32).tiny).astype(np.float64)
    scales: Array = scale[:, None] * scale[neighbours]
    return np.exp(-np.square(distances, dtype=np.float64) / np.maximum(scales, 1e-300))


def joined(graph: Graph, rows: Tensor, ctx: Context) -> tuple[Graph, int]:
    """Graph in one piece, and in how many it was.

    Each piece but the largest is tied to the rest by one weak edge between its nearest pair; this
    is repeated until one piece is left. Without it every island, however small, would count as
    much as a large group; with it, the cut that sets a large piece free comes first.
    """
    pieces = 0
    while True:
        count, piece = connected_components(graph, directed=False)
        pieces = pieces or int(count)
        if count == 1:
            return graph, pieces
        sizes = np.bincount(piece)
        ends = []
        for island in np.flatnonzero(np.arange(count) != sizes.argmax()):
            inside, outside = np.flatnonzero(piece == island), np.flatnonzero(piece != island)
            closest, far = nearest(rows[inside], rows[outside], 1, ctx)
            at = int(far[:, 0].argmin())
            ends.append((inside[at], outside[int(closest[at, 0])]))
        a, b = np.array(ends).T
        bridges = sparse.csr_array((np.ones(len(a)), (a, b)), shape=graph.shape)
        # two islands that chose each other would else be tied twice
        both = bridges + bridges.T
        both.data[:] = BRIDGE
        graph = sparse.csr_array(graph + both)


def smooth_functions(graph: Graph, size: int, ctx: Context) -> tuple[Array, Array]:
    """Smallest eigenvalues (size,) of the normalised Laplacian, rising, and eigenvectors (n, size).

    L = I - D^-1/2 W D^-1/2 of a graph W in one piece with degrees D. Eigenvalues lie in [0, 2].
    The signs are fixed: of each vector the entry of largest magnitude is positive.
    """
    n = graph.shape[0]
    size = min(size, n)
    root = 1 / np.sqrt(np.asarray(graph.sum(1)).ravel())
    smoothing = sparse.csr_array(graph * root[:, None] * root[None, :])
    if n <= max(DENSE, 2 * size + SPARE):
        values, vectors = eigh(smoothing.toarray(), subset_by_index=[n - size, n - 1])
    else:
        values, vectors = _searched(smoothing, size, ctx)
    order = np.argsort(-values, kind="stable")
    values, vectors = np.clip(1 - values[order], 0, 2), vectors[:, order]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], axis=0)
    return values, vectors * np.where(largest < 0, -1.0, 1.0)


def _searched(smoothing: Graph, size: int, ctx: Context) -> tuple[Array, Array]:
    """Largest eigenvalues (size,) in any order and eigenvectors (n, size) by Lanczos' method.

    Started from one vector, the method sees of several equal eigenvalues but one. So those found
    are taken out, and the search is repeated until it finds nothing better.
    """
    n, products = smoothing.shape[0], 0
    values, vectors = np.zeros(0), np.zeros((n, 0))

    def product(x: Array) -> Array:
        nonlocal products
        products += 1
        if products % POLL_EVERY == 0:
            ctx.poll()
        x = x.ravel()
        return smoothing @ x - vectors @ ((values + 1) * (vectors.T @ x))  # found ones go to -1

    while True:
        operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
        wanted = size if not len(values) else 1
        start, held = ctx.rng.standard_normal(n), min(n, 2 * wanted + SPARE)
        more, directions = eigsh(operator, wanted, which="LA", v0=start, ncv=held, tol=SEARCH_TOL)
        if len(values) and more[0] <= values.min() + EQUAL:
            return values, vectors
        order = np.argsort(-np.append(values, more), kind="stable")[:size]
        vectors = np.hstack((vectors, directions))[:, order]
        values = np.append(values, more)[order]

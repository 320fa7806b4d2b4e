"""Trees of merges: which groups come together in which order, from all pairs of distances.

A tree over m items is an array (m - 1, 4) float64 as in SciPy: the two nodes that are merged, the
distance between them, and the items in the result. Nodes below m are items, node m + i is the
result of row i; rows stand in the order of rising distance.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from clustlab.context import Context
from clustlab.parts.memory import check_fits
from clustlab.types import Array

POLL_EVERY = 100  # merges between two pause points
CHUNK = 500  # rows of distances computed at once
BYTES_OF_PAIR = 4.5  # of a distance, and of what is computed beside it

Linkage = Literal["ward", "average", "complete", "single"]


def check_pairs_fit(n: int) -> None:
    """Nothing, if the distances of all pairs of n items fit into memory; else `ParameterError`."""
    check_fits("Comparing all items with each other", n, BYTES_OF_PAIR, power=2)


def square_distances(x: Tensor, ctx: Context) -> Array:
    """Squared Euclidean distances (n, n) float32 of all pairs of rows (n, d)."""
    x = x.detach().cpu().double()  # differences of large squares would lose what is close together
    norms = x.square().sum(1)
    distances = np.empty((len(x), len(x)), dtype=np.float32)
    for start in range(0, len(x), CHUNK):
        ctx.poll()
        part = slice(start, start + CHUNK)
        squares = torch.addmm(norms, x[part], x.T, alpha=-2) + norms[part, None]
        distances[part] = squares.clamp_min(0).numpy()
    np.fill_diagonal(distances, 0)
    for start in range(0, len(x), CHUNK):  # both ways round off alike
        part, rest = slice(start, start + CHUNK), slice(start, None)
        lesser = np.minimum(distances[part, rest], distances[rest, part].T)
        distances[part, rest], distances[rest, part] = lesser, lesser.T
    return distances


def merge_tree(distances: Array, linkage: Linkage, ctx: Context) -> Array:
    """Tree (n - 1, 4) of merges by a linkage.

    By the nearest-neighbour chain (Murtagh 1983, *A Survey of Recent Advances in Hierarchical
    Clustering Algorithms*): whenever two groups are each other's nearest, they can be merged at
    once, since no linkage here ever brings a third one closer. Distances to the result follow
    from those to its parts (Lance and Williams 1967).

    Parameters
    ----------
    distances : array
        (n, n) float32, symmetric; squared for "ward". Written over.
    """
    n = len(distances)
    sizes = np.ones(n)
    gone = np.zeros(n, dtype=bool)
    np.fill_diagonal(distances, np.inf)
    chain: list[int] = []
    merges = np.empty((n - 1, 3))
    first = 0
    for i in range(n - 1):
        if i % POLL_EVERY == 0:
            ctx.poll()
        while gone[first]:
            first += 1
        a, b = _mutual(distances, chain or [first])
        chain = b
        one, other = a
        merges[i] = one, other, distances[one, other]
        _merge(distances, one, other, sizes, linkage)
        gone[one] = True
    if linkage == "ward":
        merges[:, 2] = np.sqrt(merges[:, 2])
    return _in_order(merges)


def _mutual(distances: Array, chain: list[int]) -> tuple[tuple[int, int], list[int]]:
    """Two groups that are each other's nearest, and the chain that leads to them without both."""
    while True:
        tip = chain[-1]
        nearest = int(distances[tip].argmin())
        if len(chain) > 1:
            before = chain[-2]
            if distances[tip, before] <= distances[tip, nearest]:
                return (tip, before), chain[:-2]
        chain.append(nearest)


def _merge(distances: Array, one: int, other: int, sizes: Array, linkage: Linkage) -> None:
    """Let `other` stand for both, and nothing be near `one`."""
    a, b = distances[one], distances[other]
    if linkage == "single":
        row = np.minimum(a, b)
    elif linkage == "complete":
        row = np.maximum(a, b)
    elif linkage == "average":
        row = (sizes[one] * a + sizes[other] * b) / (sizes[one] + sizes[other])
    else:
        total = sizes[one] + sizes[other] + sizes
        row = (sizes[one] + sizes) * a + (sizes[other] + sizes) * b - sizes * distances[one, other]
        row = row / total
    row[other] = np.inf
    row[one] = np.inf
    distances[other], distances[:, other] = row, row
    distances[one], distances[:, one] = np.inf, np.inf
    sizes[other] += sizes[one]


def _in_order(merges: Array) -> Array:
    """Tree in the order of rising distance, from merges (n - 1, 3) that name groups by an item."""
    n = len(merges) + 1
    merges = merges[np.argsort(merges[:, 2], kind="stable")]
    above, node, count = np.arange(n), np.arange(n), np.ones(n)
    tree = np.empty((n - 1, 4))

    def top(item: int) -> int:
        while above[item] != item:
            above[item] = above[above[item]]
            item = int(above[item])
        return item

    for i, (one, other, height) in enumerate(merges):
        a, b = top(int(one)), top(int(other))
        above[a] = b
        count[b] += count[a]
        tree[i] = min(node[a], node[b]), max(node[a], node[b]), height, count[b]
        node[b] = n + i
    return tree


def cut(tree: Array, n_clusters: int) -> tuple[Array, Array]:
    """Clusters (m,) int64 of the items of a tree, and the node (n_clusters,) that each one is.

    Clusters are numbered by their first item.
    """
    m = len(tree) + 1
    owner, parts = np.arange(2 * m - 1), tree[:, :2].astype(np.int64)
    for node in range(2 * m - 1 - n_clusters, m - 1, -1):  # later nodes are above the cut
        owner[parts[node - m]] = owner[node]
    return _numbered(owner[:m])


def _numbered(owner: Array) -> tuple[Array, Array]:
    owners, first, inverse = np.unique(owner, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], owners[order]


def top_nodes(tree: Array, n_leaves: int, clusters: Array) -> Array:
    """The top of a tree with at most so many leaves, as the data of an artefact of kind "tree".

    Parameters
    ----------
    clusters : array of int
        (n_clusters,) the node that each cluster is, as from `cut`.
    """
    m = len(tree) + 1
    number = np.full(2 * m - 1, -1)
    number[clusters] = np.arange(len(clusters))
    root, lowest = 2 * m - 2, max(m, 2 * m - n_leaves)  # the last merges are the top of the tree
    rows, place = [], {root: -1}
    waiting = [root]
    while waiting:
        node = waiting.pop(0)
        is_merge = node >= m
        height, items = tree[node - m, 2:] if is_merge else (0.0, 1.0)
        rows.append((place[node], height, items, number[node]))
        if is_merge and node >= lowest:
            for child in tree[node - m, :2].astype(np.int64).tolist():
                place[child] = len(rows) - 1
                number[child] = max(number[child], number[node])
                waiting.append(child)
    return np.array(rows, dtype=np.float32)

"""Many divisions of the same items made into one.

A division is a column of cluster numbers; all of them together are an array (n, m) int64. Their
clusters are counted through: those of the second division follow those of the first.
"""

from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import eigh

from clustlab.parts.clustering.agreement import agreement
from clustlab.types import Array

Memberships = Any  # scipy.sparse.csr_array (n, clusters) float64


def memberships(members: Array) -> Memberships:
    """Which item is in which cluster of any division, (n, clusters) of 0 and 1.

    Parameters
    ----------
    members : array of int
        (n, m), each column numbered from 0 without gaps.
    """
    n, m = members.shape
    sizes = members.max(0) + 1
    columns = members + np.concatenate(([0], sizes[:-1].cumsum()))
    ends = np.arange(0, n * m + 1, m)
    shape = (n, int(sizes.sum()))
    return sparse.csr_array((np.ones(n * m), columns.ravel(), ends), shape=shape)


def uncertainty(membership: Memberships) -> Array:
    """How much the other divisions tear each cluster apart, (clusters,) in bits, at least 0.

    The sum over all divisions of the entropy of where the items of the cluster are; its own
    division adds nothing. Huang, Wang and Lai 2018, *Locally Weighted Ensemble Clustering*, eq. 4
    and 5.
    """
    together = sparse.csr_array(membership.T @ membership)
    sizes = together.diagonal()
    shares = sparse.csr_array(together / sizes[:, None])
    shares.data = -shares.data * np.log2(shares.data)
    return np.maximum(np.asarray(shares.sum(1)).ravel(), 0.0)


def trust(membership: Memberships, m: int, theta: float = 0.4) -> Array:
    """Weight of each cluster, (clusters,) in (0, 1]: 1 if all m divisions know it.

    Huang, Wang and Lai 2018, eq. 6.
    """
    weights: Array = np.exp(-uncertainty(membership) / (theta * m))
    return weights


def common_rows(membership: Memberships, weights: Array, size: int) -> Array:
    """Rows (n, size) of length 1 that are close for items which share clusters of weight.

    Left singular vectors of the graph between items and clusters, each edge with the weight of its
    cluster. They follow from the small matrix between clusters, so that no two items are ever
    compared. Huang, Wang and Lai 2018, section 4.3; Li, Wu and Chang 2012, for the shortcut.

    Parameters
    ----------
    weights : array
        (clusters,), above 0.
    size : int
        Columns, filled up with 0 if there are fewer clusters.
    """
    edges = membership * weights[None, :]
    items = np.asarray(edges.sum(1)).ravel()
    clusters = np.asarray(edges.sum(0)).ravel()
    scaled = sparse.csr_array(edges / np.sqrt(items)[:, None] / np.sqrt(clusters)[None, :])
    gram = (scaled.T @ scaled).toarray()
    c = len(gram)
    used = min(size, c)
    values, vectors = eigh((gram + gram.T) / 2, subset_by_index=[c - used, c - 1])
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], axis=0)
    vectors = vectors[:, ::-1] * np.where(largest < 0, -1.0, 1.0)[:, ::-1]
    roots = np.sqrt(np.maximum(values[::-1], 1e-12))
    rows = np.zeros((len(items), size))
    rows[:, :used] = (scaled @ vectors) / roots / np.sqrt(items)[:, None]
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def support(membership: Memberships, weights: Array, assignments: Array, k: int) -> Array:
    """Share (n,) in [0, 1] of the weight of an item's clusters that speaks for its assignment.

    A cluster speaks for each of the k groups by the share of its items there.
    """
    groups = np.zeros((membership.shape[0], k))
    groups[np.arange(len(groups)), assignments] = 1.0
    inside = membership.T @ groups  # (clusters, k)
    speaks = inside / np.maximum(inside.sum(1, keepdims=True), 1.0)
    votes = (membership * weights[None, :]) @ speaks
    own = votes[np.arange(len(votes)), assignments]
    share: Array = own / np.maximum(votes.sum(1), 1e-12)
    return share


def together(membership: Memberships, m: int, assignments: Array, k: int) -> Array:
    """Share (k, k) of the m divisions that put an item of one group with one of another.

    Averaged over all pairs of items of the two groups; 0 where a group is empty.
    """
    groups = np.zeros((membership.shape[0], k))
    groups[np.arange(len(groups)), assignments] = 1.0
    inside = groups.T @ membership  # (k, clusters)
    sizes = np.maximum(groups.sum(0), 1.0)
    shares: Array = (inside @ inside.T) / m / sizes[:, None] / sizes[None, :]
    return shares


def agreements(divisions: Array) -> Array:
    """Normalised mutual information (m, m) of every pair of columns (n, m)."""
    m = divisions.shape[1]
    table = np.eye(m)
    for i in range(m):
        for j in range(i):
            table[i, j] = table[j, i] = agreement(divisions[:, i], divisions[:, j])
    return table


def numbered(assignments: Array) -> Array:
    """The same division (n,) int64 without the numbers of empty clusters."""
    renumbered: Array = np.unique(assignments, return_inverse=True)[1].astype(np.int64)
    return renumbered

"""The division that several clusterings of the same items have in common, in whatever order.

Two items belong together the more, the more runs put them into one cluster (their co-association,
Fred and Jain 2005). Neither the order of the runs nor the numbers of their clusters play a part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import matching, metrics
from clustlab.types import NOISE, Array

MOST_MERGED = 200  # kinds of company that are merged with each other; rarer ones join them

NOBODY = -2  # partner of a cluster that has none

RULE = (
    "Items are merged, starting with those that most runs put together, until there are as many "
    "clusters as the median run has. On ties, the smallest group is merged into the largest one "
    "first. Items that more than half of the runs leave out are noise. The order of the runs does "
    "not matter."
)


@dataclass(frozen=True, slots=True)
class Consensus:
    """A division of n items, and how far the runs follow it."""

    clusters: Array  # (n,) int64, numbered by their first items; NOISE (-1) for none
    share: Array  # (n,) float64 in [0, 1], of the runs that have the item in the partner of it


def consensus(clusterings: Sequence[Array]) -> Consensus:
    """Division by co-association: average linkage, cut to the median number of clusters; `RULE`.

    Parameters
    ----------
    clusterings : sequence of (n,) int
        Clusters of the same items, in any numbering; -1 for noise.
    """
    runs = np.asarray(clusterings)
    wanted = int(np.median([metrics.n_occupied(run) for run in runs]))
    clusters = np.full(runs.shape[1], NOISE, np.int64)
    kept = np.flatnonzero(2 * (runs < 0).sum(0) <= len(runs))
    if len(kept):
        clusters[kept] = _by_first_item(_joined(runs[:, kept], wanted))
    followed = np.mean([_followed(clusters, run) for run in runs], axis=0)
    return Consensus(clusters, followed)


def numbered_like(clusters: Array, clusterings: Sequence[Array]) -> Array:
    """Clusters (n,) of a consensus under the numbers that most items have in some runs.

    What finds no partner gets a number that no run uses. For colours only: which items are together
    stays as it is.
    """
    n_ids = int(max(run.max(initial=-1) for run in clusterings)) + 1
    k = int(clusters.max(initial=-1)) + 1
    counts = sum(matching.contingency(clusters, run, k, n_ids) for run in clusterings)
    ids = matching.hungarian(np.asarray(counts))
    homeless = np.flatnonzero(ids < 0)
    ids[homeless] = n_ids + np.arange(len(homeless))
    return matching.looked_up(clusters, ids)


def _joined(runs: Array, wanted: int) -> Array:
    """Group (n,) int of each item after the most alike have been joined, down to a number."""
    kind, first = _kinds(runs)
    size = np.bincount(kind)
    # the most common kinds, by their first items; of equally common ones the earlier
    common = np.sort(np.lexsort((first, -size))[: max(MOST_MERGED, 2 * wanted)])
    group = np.full(len(size), -1)
    group[common] = common[_merged(_together(runs[:, first[common]]), size[common], wanted)]
    rare = np.setdiff1d(np.arange(len(size)), common)
    if len(rare):
        group[rare] = _nearest_groups(runs, first, size, group, common, rare)
    return group[kind]


def _kinds(runs: Array) -> tuple[Array, Array]:
    """Kind (n,) of each item, and the first item (m,) of each kind, which rises.

    Items of one kind keep the same company: they share their cluster in every run.
    """
    _, first, kind = np.unique(runs, axis=1, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return np.argsort(order)[kind.ravel()], first[order]


def _together(a: Array, b: Array | None = None) -> Array:
    """Number (m, l) int64 of runs in which items of (r, m) and (r, l) share a cluster."""
    others = a if b is None else b
    shared = (a[:, :, None] == others[:, None, :]) & (a >= 0)[:, :, None]
    n_runs: Array = shared.sum(0)
    return n_runs


def _merged(together: Array, size: Array, wanted: int) -> Array:
    """Group (m,) of each kind by average linkage; groups are named by their first kind.

    All sums are whole numbers, so that equal choices are seen to be equal.
    """
    m = len(size)
    size, group = size.copy(), np.arange(m)
    ties = together * np.outer(size, size)  # pairs of items, times the runs that join them
    alike = together.astype(np.float64)
    np.fill_diagonal(alike, -1)
    for _ in range(m - wanted):
        most = alike.max(initial=-1)
        if most <= 0:
            break
        rows, columns = np.nonzero(alike == most)
        one, other = _choice(rows, columns, size)
        ties[one] += ties[other]
        ties[:, one] += ties[:, other]
        size[one] += size[other]
        group[group == other] = one
        gone = alike[one] < 0
        alike[one] = ties[one] / (size[one] * size)
        alike[one, gone | (np.arange(m) == other)] = -1
        alike[:, one] = alike[one]
        alike[other] = alike[:, other] = -1
    return group


def _choice(rows: Array, columns: Array, size: Array) -> tuple[int, int]:
    """The pair to join of several that are as much alike, the earlier of the two in front.

    The one whose smaller group is smallest; of these the one whose larger is largest; of these the
    one with the earliest items.
    """
    upper = rows < columns
    rows, columns = rows[upper], columns[upper]
    small, large = np.minimum(size[rows], size[columns]), np.maximum(size[rows], size[columns])
    rows, columns, large = (a[small == small.min()] for a in (rows, columns, large))
    rows, columns = (a[large == large.max()] for a in (rows, columns))
    at = np.lexsort((columns, rows))[0]
    return int(rows[at]), int(columns[at])


def _nearest_groups(
    runs: Array, first: Array, size: Array, group: Array, common: Array, rare: Array
) -> Array:
    """Group (l,) of each rare kind: the one it is most alike; by itself if it is like none."""
    groups, place = np.unique(group[common], return_inverse=True)
    sizes = np.bincount(place, size[common])
    ties = _together(runs[:, first[rare]], runs[:, first[common]]) * size[common]
    member = place[:, None] == np.arange(len(groups))
    alike = (ties @ member.astype(np.int64)) / sizes
    by_size = np.lexsort((groups, -sizes))  # argmax takes the first of equals
    best = by_size[alike[:, by_size].argmax(1)]
    return np.where(alike.max(1) > 0, groups[best], rare)


def _by_first_item(groups: Array) -> Array:
    """Groups (n,) numbered 0, 1, ... in the order of their first items."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    numbered: Array = np.argsort(np.argsort(first))[inverse]
    return numbered


def _followed(clusters: Array, run: Array) -> Array:
    """Whether a run has each item (n,) in the partner of its cluster, or both leave it out."""
    own = np.full(len(run), NOISE)
    own[run >= 0] = _by_first_item(run[run >= 0])  # so that its numbers play no part
    partner = matching.hungarian(matching.contingency(own, clusters)).astype(np.int64)
    partner[partner < 0] = NOBODY
    followed: Array = matching.looked_up(own, partner) == clusters
    return followed

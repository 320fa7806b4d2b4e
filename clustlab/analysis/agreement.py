"""What several clusterings of the same items agree on.

Numbers of clusters mean nothing across runs, so everything here either does not depend on them or
first finds out which cluster of one run is which of another. Only `who_is_right` needs labels.
Noise (-1) is no cluster: two runs do not agree on a group because both leave it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from clustlab.analysis import matching, metrics
from clustlab.analysis.matching import contingency
from clustlab.types import Array


def scores(clusterings: Sequence[Array]) -> tuple[Array, Array]:
    """ARI and NMI (r, r) float64 of each clustering with each other; 1 on the diagonal.

    Over the items that both put into a cluster; nan if there are none.

    Parameters
    ----------
    clusterings : sequence of (n,) int
        Clusters of the same items, in any numbering.
    """
    r = len(clusterings)
    ari, nmi = np.ones((r, r)), np.ones((r, r))
    for i, j in combinations(range(r), 2):
        counts = contingency(clusterings[i], clusterings[j])
        ari[i, j] = ari[j, i] = metrics.ari_of(counts)
        nmi[i, j] = nmi[j, i] = metrics.nmi_of(counts)
    return ari, nmi


def alignments(clusterings: Sequence[Array], sizes: Sequence[int]) -> list[Array]:
    """Common id (k,) int32 of each cluster of each run, so that one colour scheme holds for all.

    The first run keeps its numbers. A cluster of another run takes the number of the cluster of
    the first run that the Hungarian method gives it, by shared items. One without a partner there
    is matched to those that earlier runs had left over; what finds nobody gets a number of its own,
    never one that stands for other items.

    Parameters
    ----------
    clusterings : sequence of (n,) int
        Clusters of the same items, those of run r in [0, sizes[r]) or -1 for noise.
    sizes : sequence of int
        Number of clusters of each run, empty ones included.
    """
    first, total = clusterings[0], sizes[0]
    maps = [np.arange(total, dtype=np.int32)]
    for own, k in zip(clusterings[1:], sizes[1:], strict=True):
        ids = matching.hungarian(contingency(own, first, k, sizes[0]))
        for earlier, mapping in zip(clusterings[1:], maps[1:], strict=False):
            counts = contingency(own, matching.looked_up(earlier, mapping), k, total)
            counts[ids >= 0] = 0
            counts[:, : sizes[0]] = 0
            counts[:, ids[ids >= 0]] = 0
            ids = np.where(ids < 0, matching.hungarian(counts), ids)
        homeless = np.flatnonzero(ids < 0)
        ids[homeless] = total + np.arange(len(homeless))
        total += len(homeless)
        maps.append(ids.astype(np.int32))
    return maps


def disagreement(clusterings: Sequence[Array]) -> Array:
    """How differently the runs see each item, (n,) float64 in [0, 1): 0 if in the same company.

    An item that is noise keeps no company but its own.

    The co-association of an item in a run is the set of items that share its cluster. Two runs
    differ on it by 1 - |both| / |either| of these sets (the Jaccard distance); the mean over all
    pairs of runs is returned. Numbers of clusters play no part.
    """
    pairs = list(combinations(clusterings, 2))
    total = np.zeros(len(clusterings[0]))
    for a, b in pairs:
        counts = matching.with_noise(a, b, int(a.max(initial=-1)) + 1, int(b.max(initial=-1)) + 1)
        both = np.where((a < 0) | (b < 0), 1, counts[a, b])
        in_a = np.where(a < 0, 1, counts.sum(1)[a])
        in_b = np.where(b < 0, 1, counts.sum(0)[b])
        total += 1 - both / (in_a + in_b - both)
    return total / max(len(pairs), 1)


def n_in_matched(a: Array, b: Array) -> int:
    """Items in clusters that are each other's partner, whatever their numbers; noise in none."""
    counts = contingency(a, b)
    partners = matching.hungarian(counts)
    rows = np.flatnonzero(partners >= 0)
    return int(counts[rows, partners[rows]].sum())


def ranking(clusterings: Sequence[Array], limit: int | None = None) -> Array:
    """Items (m,) int64 that the runs see most differently first; equal ones by number."""
    return np.argsort(-disagreement(clusterings), kind="stable")[:limit]


def right(labels: Array, clusters: Array, n_ids: int, n_classes: int) -> Array:
    """Whether each item's true class is the one its cluster stands for, (n,) bool."""
    classes = matching.classes_of(labels, clusters, n_ids, n_classes)
    return (labels >= 0) & (matching.looked_up(clusters, classes) == labels)


@dataclass(frozen=True, slots=True)
class Tally:
    """Labelled items by how many of some runs put them with their class."""

    every: Array  # item numbers (m,) int64, rising
    only: tuple[Array, ...]  # one for each run: right there and nowhere else
    several: Array  # more than one, but not all
    none: Array


def how_many_are_right(labels: Array, rights: Sequence[Array]) -> Tally:
    """Labelled items that all of several runs get right, exactly one, some, or none.

    Each is in one place only. To call an item noise is not to get it right.

    Parameters
    ----------
    labels : (n,) int
        True classes; items labelled -1 are in no place.
    rights : sequence of (n,) bool
        Two or more, as from `right`.
    """
    labelled, each = np.asarray(labels) >= 0, np.asarray(rights)
    number = each.sum(0)
    return Tally(
        np.flatnonzero(labelled & (number == len(each))),
        tuple(np.flatnonzero(labelled & (number == 1) & own) for own in each),
        np.flatnonzero(labelled & (number > 1) & (number < len(each))),
        np.flatnonzero(labelled & (number == 0)),
    )


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Labelled items by whether one run, and another, puts them with their class.

    What either run calls noise is neither right nor wrong.
    """

    both: Array  # item numbers (m,) int64, rising
    only_a: Array
    only_b: Array
    neither: Array
    noise: Array  # those that either run leaves out

    @property
    def counts(self) -> Array:
        """Counts (2, 2): A right or wrong by B right or wrong."""
        return np.array([[len(self.both), len(self.only_a)], [len(self.only_b), len(self.neither)]])


def who_is_right(labels: Array, right_a: Array, right_b: Array, noise: Array) -> Verdicts:
    """Table `A right x B right` of the labelled items, with the items in each of its cells.

    Parameters
    ----------
    labels : (n,) int
        True classes; items labelled -1 are in no cell.
    right_a, right_b : (n,) bool
        As from `right`.
    noise : (n,) bool
        Items that either run puts into no cluster.
    """
    labelled = np.asarray(labels) >= 0
    known = labelled & ~noise
    return Verdicts(
        np.flatnonzero(known & right_a & right_b),
        np.flatnonzero(known & right_a & ~right_b),
        np.flatnonzero(known & ~right_a & right_b),
        np.flatnonzero(known & ~right_a & ~right_b),
        np.flatnonzero(labelled & noise),
    )

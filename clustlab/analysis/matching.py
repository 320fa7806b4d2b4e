"""Which cluster stands for which class, and which cluster at one step is which at the next."""

import numpy as np

from clustlab.types import NOISE, Array, ClassRule


def contingency(a: Array, b: Array, n_a: int | None = None, n_b: int | None = None) -> Array:
    """Counts (n_a, n_b) int64 of items that carry number i in `a` and number j in `b`.

    Items with a negative number in either (unlabelled, or noise) are left out. Without `n_a` or
    `n_b` the largest number seen decides; numbers that nobody carries keep a row or column of
    zeros.

    Raises
    ------
    ValueError
        If the lengths differ, or a number lies outside the given size.
    """
    a, b = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"need two vectors of one length, got shapes {a.shape} and {b.shape}")
    known = (a >= 0) & (b >= 0)
    if not known.all():
        a, b = a[known], b[known]
    rows = int(a.max(initial=-1)) + 1 if n_a is None else n_a
    columns = int(b.max(initial=-1)) + 1 if n_b is None else n_b
    if a.max(initial=-1) >= rows or b.max(initial=-1) >= columns:
        raise ValueError(
            f"numbers up to ({a.max()}, {b.max()}) do not fit into a table of ({rows}, {columns})"
        )
    counts = np.bincount(a * columns + b, minlength=rows * columns)
    return counts.reshape(rows, columns)


def with_noise(a: Array, b: Array, n_a: int, n_b: int) -> Array:
    """Counts (n_a + 1, n_b + 1) int64 like `contingency`, where the last row and column are noise.

    No item is left out: the counts sum to n.
    """
    a, b = np.asarray(a), np.asarray(b)
    return contingency(np.where(a < 0, n_a, a), np.where(b < 0, n_b, b), n_a + 1, n_b + 1)


def classes_by_clusters(labels: Array, clusters: Array, n_classes: int, n_ids: int) -> Array:
    """Counts (n_classes, n_ids + 1) int64 of labelled items; the last column is noise."""
    return with_noise(labels, clusters, n_classes, n_ids)[:-1]


def with_noise_last(n_ids: int) -> Array:
    """Cluster (n_ids + 1,) of each row of a table `with_noise`: its number, and -1 at the end."""
    return np.append(np.arange(n_ids), NOISE)


def sizes_of(assignments: Array, n_clusters: int = 0) -> Array:
    """Items (at least n_clusters,) int64 in each cluster, noise in none."""
    assignments = np.asarray(assignments, dtype=np.int64)
    return np.bincount(assignments[assignments >= 0], minlength=n_clusters)


def looked_up(assignments: Array, values: Array) -> Array:
    """Value (n,) of each item's cluster in (k,) values, such as its lasting number; noise has -1.

    Indexing by the assignments themselves would give noise the value of the last cluster.
    """
    values = np.asarray(values)
    return np.append(values, values.dtype.type(NOISE))[np.asarray(assignments)]


def hungarian(counts: Array) -> Array:
    """Column (rows,) int32 of each row in the 1-to-1 matching of greatest total; -1 if unmatched.

    Works for any shape; a pair that shares no item counts as unmatched.
    """
    from scipy.optimize import linear_sum_assignment

    counts = np.asarray(counts)
    matched = np.full(len(counts), -1, dtype=np.int32)
    if counts.size:
        rows, columns = linear_sum_assignment(counts, maximize=True)
        shared = counts[rows, columns] > 0
        matched[rows[shared]] = columns[shared]
    return matched


def match_to_classes(labels: Array, assignments: Array, n_clusters: int, n_classes: int) -> Array:
    """Class (n_clusters,) int32 of each cluster, 1-to-1 by the Hungarian method; -1 for the rest.

    Unlabelled items (-1) have no say. With more clusters than classes the extra ones stay
    unmatched, and so do empty clusters.
    """
    return hungarian(contingency(assignments, labels, n_clusters, n_classes))


def n_classes_present(labels: Array | None) -> int:
    """Number of classes that occur, without -1 for unknown; 0 without labels."""
    return 0 if labels is None else len(np.unique(labels[labels >= 0]))


def has_more_than_classes(clusters: Array, labels: Array | None) -> bool:
    """Whether more clusters (n,) are in use than classes (n,) occur; never without labels."""
    return 0 < n_classes_present(labels) < int((sizes_of(clusters) > 0).sum())


def usual_class_rule(labels: Array | None, clusters: Array) -> ClassRule:
    """The 1-to-1 matching; the majority with more clusters in use than classes occur."""
    return "majority" if has_more_than_classes(clusters, labels) else "match"


def classes_of(
    labels: Array | None,
    clusters: Array,
    n_ids: int,
    n_classes: int,
    class_rule: ClassRule | None = None,
) -> Array:
    """Class (n_ids,) int of each cluster by its number; -1 for none, or without labels.

    Parameters
    ----------
    class_rule : ClassRule, optional
        What a cluster stands for; by default as `usual_class_rule` says.
    """
    if labels is None or not n_classes:
        return np.full(n_ids, -1)
    if (class_rule or usual_class_rule(labels, clusters)) == "match":
        return match_to_classes(labels, clusters, n_ids, n_classes)
    counts = contingency(labels, clusters, n_classes, n_ids)
    return np.where(counts.sum(0) > 0, counts.argmax(0), -1)


def align(
    previous: Array,
    current: Array,
    k_previous: int,
    k_current: int,
    last: Array | None = None,
) -> Array:
    """Stable id (k_current,) int32 of each raw cluster: the one it shares most items with.

    Parameters
    ----------
    previous : (n,) int
        Stable ids of the items one step earlier, in [0, k_previous), or -1 for noise.
    current : (n,) int
        Raw assignments now, in [0, k_current), or -1. Items that are noise in either have no say.
    k_previous, k_current : int
        Number of ids in use before, and of raw clusters now; they may differ.
    last : (k,) int, optional
        The raw -> stable map of the step before. It breaks ties, and a cluster without a match
        (one that was or is empty) keeps the id it had there.

    Clusters that find no partner get the smallest ids that nobody holds now, so the ids remain
    0..k-1 as long as k does not change.
    """
    counts = contingency(current, previous, k_current, k_previous)
    weights = counts * (k_current + 1)  # so that ties may be broken without outweighing an item
    if last is not None:
        own = np.flatnonzero(last[:k_current] < k_previous)
        held = last[own]
        weights[own, held] += counts[own, held] > 0
    stable = hungarian(weights)
    taken = set(stable[stable >= 0].tolist())
    homeless = np.flatnonzero(stable < 0).tolist()
    if last is not None:
        for cluster in homeless:
            if cluster < len(last) and int(last[cluster]) not in taken:
                stable[cluster] = last[cluster]
                taken.add(int(last[cluster]))
    fresh = iter(i for i in range(k_previous + k_current) if i not in taken)
    for cluster in homeless:
        if stable[cluster] < 0:
            stable[cluster] = next(fresh)
    return stable


def follow(
    assignments: Array, k: int, stable: Array | None = None, mapping: Array | None = None
) -> tuple[Array, Array]:
    """Stable ids (n,) int32 of the items at the next step, and the map (k,) raw -> stable.

    Noise stays noise (-1).

    Parameters
    ----------
    assignments : (n,) int
        Raw clusters at this step, in [0, k), or -1 for noise.
    stable, mapping : array, optional
        What this function returned for the step before; without them ids are the raw numbers.
    """
    if stable is None or mapping is None:
        fresh = np.arange(k, dtype=np.int32)
    else:
        ids = int(max(mapping.max(initial=-1), stable.max(initial=-1))) + 1
        fresh = align(stable, assignments, ids, k, mapping)
    return looked_up(assignments, fresh).astype(np.int32), fresh


def column_order(counts: Array, classes: Array) -> Array:
    """Cluster numbers (k,) in the order in which a confusion matrix reads as a diagonal.

    Matched clusters come first, by their class; then the others by the class that fills them
    most; empty ones last.

    Parameters
    ----------
    counts : (n_classes, k) int
        Items of each true class in each cluster.
    classes : (k,) int
        Matched class of each cluster, -1 for none, as from `match_to_classes`.
    """
    n_classes, k = counts.shape
    majority = counts.argmax(0) if n_classes else np.zeros(k, dtype=np.int64)
    occupied = counts.sum(0) > 0
    rank = np.where(classes >= 0, 0, np.where(occupied, 1, 2))
    within = np.where(classes >= 0, classes, majority)
    return np.lexsort((np.arange(k), within, rank))

"""Clusters merged to as many groups as there are classes, so that accuracy can be asked of them.

Where there are many more clusters than classes, matching one cluster to each class leaves most
items out, however pure the clusters are. Merging those that lie close together first is what
methods such as DeepCluster do in their last step.
"""

from collections.abc import Callable

import numpy as np

from clustlab.analysis.matching import (
    contingency,
    has_more_than_classes,
    looked_up,
    n_classes_present,
    sizes_of,
)
from clustlab.types import NOISE, Array, Snapshot

STARTS = 10  # of k-means, of which the best counts
SEED = 0  # always the same, so that a step has one score


def merged_counts(snapshot: Snapshot, labels: Array, items: Array | None = None) -> Array:
    """Counts (classes, groups) int64 of items after merging clusters to as many as classes occur.

    Those of the clusters as they are where no more of them are in use than classes occur.

    Parameters
    ----------
    labels : (n,) int
        True classes, -1 where unknown.
    items : (m,) int, optional
        Those that are counted, by default all. Which clusters are merged does not depend on them.
    """
    assignments, k = snapshot.assignments, snapshot.n_clusters
    return merged_counts_at(assignments, k, lambda: places_of(snapshot), labels, items)


def merged_counts_at(
    assignments: Array,
    n_clusters: int,
    places: Callable[[], Array],
    labels: Array,
    items: Array | None = None,
) -> Array:
    """As `merged_counts`, where `places` (k, d) of the clusters are asked for only if needed."""
    counted = slice(None) if items is None else items
    clusters, known = assignments[counted], labels[counted]
    if has_more_than_classes(clusters, known):
        sizes = sizes_of(assignments, n_clusters)
        groups = merged(places(), sizes, n_classes_present(known))
        clusters = looked_up(clusters, groups)
    return contingency(known, clusters)


def places_of(snapshot: Snapshot) -> Array:
    """Where each cluster lies in the embedding, (k, d) float64: its centre, or else its mean.

    Rows of clusters that hold nothing are 0 if the method has no centres.
    """
    if snapshot.centers is not None:
        return snapshot.centers.astype(np.float64)
    rows = np.flatnonzero(~snapshot.is_noise)
    rows = rows[np.argsort(snapshot.assignments[rows], kind="stable")]
    sizes = sizes_of(snapshot.assignments, snapshot.n_clusters)
    places = np.zeros((len(sizes), snapshot.embedding.shape[1]))
    used = sizes > 0
    if used.any():
        starts = (np.cumsum(sizes) - sizes)[used]
        sums = np.add.reduceat(snapshot.embedding[rows].astype(np.float64), starts, axis=0)
        places[used] = sums / sizes[used, None]
    return places


def merged(places: Array, sizes: Array, n_groups: int) -> Array:
    """Group (k,) int32 of each cluster, -1 for empty ones: k-means on their places, by size.

    The same places and sizes always give the same groups.

    Parameters
    ----------
    places : (k, d) float
        Where each cluster lies.
    sizes : (k,) int
        Its items, which are its weight.
    n_groups : int
        At least 1. Where fewer clusters in use lie apart, each place is a group.
    """
    groups = np.full(len(sizes), NOISE, dtype=np.int32)
    used = np.flatnonzero(np.asarray(sizes) > 0)
    distinct, place_of = np.unique(places[used], axis=0, return_inverse=True)
    place_of = place_of.reshape(-1)
    if len(distinct) <= n_groups:
        groups[used] = place_of
        return groups
    from sklearn.cluster import KMeans

    weights = np.bincount(place_of, weights=np.asarray(sizes)[used])
    kmeans = KMeans(n_groups, n_init=STARTS, random_state=SEED)
    groups[used] = kmeans.fit(distinct, sample_weight=weights).labels_[place_of]
    return groups

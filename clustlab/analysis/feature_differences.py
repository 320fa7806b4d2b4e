"""What differs in a cluster: each feature of its items against that of all other items."""

from dataclasses import dataclass

import numpy as np

from clustlab.types import Array

CHUNK = 20_000  # items read together
LEAST = 0.01  # deviation within groups, by that of all items: a difference stays below 200


@dataclass(frozen=True, slots=True)
class FeatureDifferences:
    """Means of each feature by cluster, and how far apart they are."""

    standardised: Array  # (k, d) float64, difference of the means in deviations; nan if empty
    inside: Array  # (k, d) float64, mean in the cluster
    outside: Array  # (k, d) float64, mean of all other items, noise among them


def feature_differences(items: Array, clusters: Array, k: int) -> FeatureDifferences:
    """Standardised mean difference of each feature, for each cluster against the rest.

    The difference of the two means is divided by the square root of the mean of the two variances
    (Cohen's d for groups of any size).

    Parameters
    ----------
    items : (n, d) float32
        Points or vectors.
    clusters : (n,) int
        Cluster of each in [0, k), -1 for noise.
    k : int
        Number of clusters, empty ones included.
    """
    from scipy import sparse

    n, d = items.shape
    middle = np.asarray(items[:CHUNK], np.float64).mean(0)  # large numbers would cancel out
    sums, squares = np.zeros((2, k + 1, d))
    for start in range(0, n, CHUNK):
        part = np.asarray(items[start : start + CHUNK], np.float64) - middle
        place = np.asarray(clusters[start : start + CHUNK], np.int64) % (k + 1)  # noise comes last
        ones = np.ones(len(part))
        member = sparse.csr_array((ones, (place, np.arange(len(part)))), (k + 1, len(part)))
        sums += member @ part
        squares += member @ (part * part)
    sizes = np.bincount(np.asarray(clusters, np.int64) % (k + 1), minlength=k + 1)[:, None]
    total, total_squares = sums.sum(0), squares.sum(0)
    inside, spread = _moments(sums[:k], squares[:k], sizes[:k])
    outside, other_spread = _moments(total - sums[:k], total_squares - squares[:k], n - sizes[:k])
    deviation = np.sqrt((spread + other_spread) / 2)
    floor = LEAST * np.sqrt(_moments(total, total_squares, np.array(n))[1])
    gap = inside - outside
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.where(gap == 0, 0.0, gap / np.maximum(deviation, floor))
    return FeatureDifferences(apart, inside + middle, outside + middle)


def _moments(sums: Array, squares: Array, sizes: Array) -> tuple[Array, Array]:
    """Mean and variance of groups; nan of an empty one."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / sizes
        return mean, np.maximum(squares / sizes - mean * mean, 0.0)

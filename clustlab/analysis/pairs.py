"""What labels say about the pairs that a method takes as one kind or as two.

The method has chosen them without labels; here they are only counted.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clustlab.types import Array

SAMPLE = 1000  # items whose pairs are counted: half a million pairs in a few milliseconds


def cosines(probabilities: Array) -> Array:
    """Cosines (n, n) in [0, 1] of answers (n, k), as between their rows scaled to length 1."""
    p = np.asarray(probabilities)
    rows = p / np.maximum(np.linalg.norm(p, axis=1, keepdims=True), 1e-12)
    similarities: Array = rows @ rows.T
    return similarities


def chosen(s: Array, upper: float, lower: float) -> tuple[Array, Array]:
    """Which pairs are similar and which dissimilar, both (n, n) bool; no item is its own pair.

    Chang et al. 2017, section 3.

    Parameters
    ----------
    s : (n, n) float
        Cosines.
    upper, lower : float
        Similar above the one, dissimilar below the other.
    """
    others = ~np.eye(len(s), dtype=bool)
    return (s > upper) & others, (s < lower) & others


def right(similar: Array, dissimilar: Array, labels: Array) -> tuple[float, float]:
    """Share of the similar pairs that are of one class, and of the dissimilar that are of two.

    Each in [0, 1], and nan where there is no such pair. Labels (n,) int must all be known.
    """
    same = labels[:, None] == labels[None, :]
    return _share(same, similar), _share(~same, dissimilar)


def _share(holds: Array, among: Array) -> float:
    number = int(np.count_nonzero(among))
    return int(np.count_nonzero(holds & among)) / number if number else math.nan


def sample(labels: Array | None, size: int = SAMPLE) -> Array:
    """Numbers (<= size,) int64, in order, of labelled items; the same ones at every step."""
    known = np.flatnonzero(labels >= 0) if labels is not None else np.zeros(0, dtype=np.int64)
    if len(known) <= size:
        return known
    return np.sort(np.random.default_rng(0).choice(known, size, replace=False))


def precision(
    probabilities: Array, labels: Array, limits: tuple[float, float], size: int = SAMPLE
) -> tuple[float, float]:
    """What `right` says about the pairs of a sample of labelled items.

    Parameters
    ----------
    probabilities : (n, k) float
        Answers to all items.
    labels : (n,) int
        True classes, -1 where unknown.
    limits : (float, float)
        Upper and lower threshold.
    size : int
        Most items to look at.
    """
    rows = sample(labels, size)
    return right(*chosen(cosines(probabilities[rows]), *limits), labels[rows])


def by_chance(labels: Array) -> tuple[float, float]:
    """Share of all pairs of labelled items that are of one class, and that are of two.

    What `precision` would be if pairs were drawn blindly; nan with fewer than two such items.
    """
    sizes = np.bincount(labels[labels >= 0]).astype(np.float64)
    n = float(sizes.sum())
    if n < 2:
        return math.nan, math.nan
    same = float((sizes * (sizes - 1)).sum()) / (n * (n - 1))
    return same, 1 - same


def thresholds(log: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Upper and lower threshold of each step; empty if the method has none, or none yet.

    Steps before the first with thresholds have those of that one, since it is their answers that
    it chooses by.

    Parameters
    ----------
    log : sequence of mappings
        One record per step with `scalars`.
    """
    limits_by_step = [_limits(record["scalars"]) for record in log]
    last = next((limits for limits in limits_by_step if limits), None)
    if last is None:
        return []
    filled = []
    for limits in limits_by_step:
        last = limits or last
        filled.append(last)
    return filled


def _limits(scalars: Mapping[str, float]) -> tuple[float, float] | None:
    if "upper_threshold" in scalars and "lower_threshold" in scalars:
        return scalars["upper_threshold"], scalars["lower_threshold"]
    return None

"""How far two sets of pseudo-labels agree."""

import numpy as np

from clustlab.types import Array


def agreement(before: Array, after: Array) -> float:
    """Normalised mutual information of two sets of pseudo-labels, in [0, 1], arithmetic mean.

    Parameters
    ----------
    before, after : array of int
        Pseudo-labels (n,) of the same items in the same order.
    """
    k = int(after.max()) + 1
    counts = np.bincount(before * k + after, minlength=k * (int(before.max()) + 1))
    return agreement_of(counts.reshape(-1, k))


def agreement_of(counts: Array) -> float:
    """The same from how many items (a, b) carry number i in one set and j in the other.

    Two sets that put all items into one cluster each agree in full.
    """
    table = counts / counts.sum()
    both, first, second = (_entropy(p) for p in (table.ravel(), table.sum(1), table.sum(0)))
    return float(max(0.0, 2 * (first + second - both) / (first + second))) if both > 0 else 1.0


def _entropy(p: Array) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())

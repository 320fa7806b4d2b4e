"""Two ways to give clusters of unequal size the same say in training."""

import numpy as np

from clustlab.types import Array


def uniform_draw(pseudo_labels: Array, rng: np.random.Generator) -> Array:
    """Row numbers (n,) in which every non-empty pseudo-label comes equally often, mixed.

    Small clusters repeat their items, large ones leave some out. Caron et al. 2018, section 3.3.
    """
    n = len(pseudo_labels)
    groups = np.split(
        np.argsort(pseudo_labels, kind="stable"),
        np.flatnonzero(np.diff(np.sort(pseudo_labels))) + 1,
    )
    share = n // len(groups) + 1
    drawn = [rng.choice(group, share, replace=len(group) < share) for group in groups]
    return rng.permutation(np.concatenate(drawn))[:n]


def inverse_size_weights(pseudo_labels: Array, k: int) -> Array:
    """Weight of each cluster in the loss, (k,) float32: n / (n_occupied size), 0 if empty.

    Their mean over the items is 1, and every occupied cluster has the same total weight.
    """
    sizes = np.bincount(pseudo_labels, minlength=k)
    scale = len(pseudo_labels) / max(int(np.count_nonzero(sizes)), 1)
    return np.where(sizes > 0, scale / np.maximum(sizes, 1), 0).astype(np.float32)

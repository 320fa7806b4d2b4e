"""Which items of a data set a run sees, in which order, and how to say so."""

import numpy as np

from clustlab.types import Array

FIXED_ORDER = 0  # seed of the order that all draws share


def fixed_order(n: int) -> Array:
    """Permutation (n,) int64 of n rows, the same one at every call."""
    return np.random.default_rng(FIXED_ORDER).permutation(n)


def drawn_rows(total: int, n: int | None, seed: int) -> Array:
    """Row numbers of the items drawn, (min(n, total),) int64, without repeats.

    The seed decides which items are drawn. Their order comes from one fixed shuffle of the whole
    set, the same for every seed: files sorted by class do not stay sorted (batches taken in order
    would then hold one class each), and runs on all items have the same item in the same row
    whatever their seed, so that they can be compared. A smaller draw is part of a larger one.
    """
    order = fixed_order(total)
    if n is None or n >= total:
        return order
    places = np.random.default_rng(seed).permutation(total)[:n]
    return order[np.sort(places)]


def protocol(total: int, n: int | None, seed: int, part: str = "") -> str:
    """Sentence that says which items were drawn, such as "train + test, all 70,000"."""
    start = f"{part}, " if part else ""
    if n is not None and n < total:
        return f"{start}{n:,} of {total:,}, drawn with seed {seed}"
    clipped = f" ({n:,} were asked for)" if n is not None and n > total else ""
    return f"{start}all {total:,}{clipped}"

"""Values as whole numbers of 16 bits, as browsers get them."""

import numpy as np

from clustlab.types import Array

FULL = 65535  # the greatest whole number


def levels(values: Array, low: float, high: float) -> Array:
    """Values in [low, high] as whole numbers of 16 bits, uint16 of the same shape.

    What lies outside is at the rim, and what is no number counts as 0. A value is off by at most
    half a level.
    """
    share = (np.nan_to_num(np.asarray(values, dtype=np.float64)) - low) / (high - low)
    return np.round(np.clip(share, 0, 1) * FULL).astype(np.uint16)


def shares(values: Array) -> Array:
    """Shares in [0, 1] as levels; only what is all is told as all, and only nothing as nothing."""
    told = levels(values, 0, 1)
    told[(values < 1) & (told == FULL)] = FULL - 1
    told[(values > 0) & (told == 0)] = 1
    return told

"""Rows that sum to 1, such as probabilities, as ratios to the greatest number of their row.

The greatest number of a row has the greatest code, the second a smaller one, and all others a
smaller one still, so that the order of the first two is never lost. Codes are square roots: small
ratios are told apart better than large ones, and a row that is nearly sure stays nearly sure.
"""

import numpy as np

from clustlab.types import Array

OFF = 1e-3  # by which a row may differ from 1
LOST = 0.005  # of the greatest number: less is lost in a byte, or two bytes are taken
FEWEST = 2  # columns


def coded(array: Array, dtype: type[np.uint8] | type[np.uint16]) -> Array | None:
    """Codes (n, k) of rows (n, k) float that sum to 1; None if they do not, or hold too much.

    Too much is what would change the greatest number of a row by 0.005 or more.
    """
    n, k = array.shape
    if not n or k < FEWEST or not np.isfinite(array).all() or array.min() < 0:
        return None
    if np.abs(array.sum(1, dtype=np.float64) - 1).max() > OFF:
        return None
    top = int(np.iinfo(dtype).max)
    rows = np.arange(n)
    first = array.argmax(1)
    greatest = array[rows, first].astype(np.float64)
    rest = array.astype(np.float64)
    rest[rows, first] = -1.0
    second = rest.argmax(1)
    runner_up = rest[rows, second]
    codes = np.rint(top * np.sqrt(array / greatest[:, None])).astype(np.int32)
    is_behind = array < runner_up[:, None]
    third = np.where(is_behind, codes, -1).max(1)
    above = np.where(runner_up > 0, np.maximum(third + 1, 1), 0)
    at_second = np.minimum(np.maximum(codes[rows, second], above), top - 1)
    below = np.minimum(codes, np.maximum(at_second - 1, 0)[:, None])
    codes = np.where(is_behind, below, at_second[:, None])
    codes[rows, second] = at_second
    codes[array == greatest[:, None]] = top  # ties stay ties
    found = codes.astype(dtype)
    lost = np.abs(decoded(found)[rows, first] - greatest).max()
    return found if lost < LOST else None


def decoded(codes: Array) -> Array:
    """Rows (n, k) float32 that sum to 1."""
    ratios = codes.astype(np.float32) ** 2
    ratios /= np.maximum(ratios.sum(1, keepdims=True), 1e-30)
    return ratios

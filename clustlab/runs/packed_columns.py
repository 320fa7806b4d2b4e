"""Columns of numbers in as many bits as each needs: what an embedding becomes on disk.

All columns are rounded to about the same step, so a column that varies little takes few bits and
distances are off by the same everywhere. Wide arrays are first turned onto their principal axes,
where most of what varies stands in few columns; axes that vary less than a step are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from clustlab.types import Array

ROWS, SCALES, AXES, MEANS = "rows", "scales", "axes", "means"  # parts
MOST_BITS = 16
WIDE = 32  # columns up to which nothing is turned
WIDEST = 2048  # columns that can be turned
WIDEST_PER_BYTE = 64  # columns for each byte of a row, so that a short file is no large array
BULK = (2.5, 97.5)  # percentiles between which most of a column lies
STEPS_IN_BULK = 24  # at least, or neighbours could not be told apart
IN_BULK_OF_AXES = 16  # the same of an array that is turned: far more columns tell them apart
FINER = 2**0.125  # between steps that are tried
SOME = 10_000  # rows that are looked at together


def packed(
    array: Array, bits: float, *, most: int = MOST_BITS, turned: bool = False
) -> dict[str, Array] | None:
    """Parts of an array (n, d) float, rounded; None if few bits cannot tell its numbers apart.

    Parameters
    ----------
    bits : float
        Of a row, above 0. More are taken where the widest column would be told in fewer than 24
        steps (16, if it is turned) between its percentiles 2.5 and 97.5.
    most : int
        Bits of one column, in [1, 16].
    turned : bool
        Whether an array of more than 32 columns may be turned onto its principal axes.
    """
    n, d = array.shape
    if not n or not d or not np.isfinite(array).all():
        return None
    turn = _Turn.onto_principal_axes(array) if turned and WIDE < d <= WIDEST else None
    if turn is not None:
        array = turn.turned(array)
    low, high = (np.asarray(f(axis=0), dtype=np.float64) for f in (array.min, array.max))
    step = _step(high - low, bits, most, fewest=turn is None)
    finest = _bulk(array) / (STEPS_IN_BULK if turn is None else IN_BULK_OF_AXES)
    if step > finest and (high > low).any():
        step = finest
        if step <= 0 or ((high - low) / step).max() > 2**MOST_BITS - 1:
            return None
    of_column = _bits(high - low, step)
    parts: dict[str, Array] = {}
    if turn is not None:
        kept = np.flatnonzero((high - low > step) | (of_column == of_column.max()))
        array, low, high, of_column = array[:, kept], low[kept], high[kept], of_column[kept]
        parts = {AXES: turn.axes[kept].astype(np.float16), MEANS: turn.means}
    steps = (high - low) / (2.0**of_column - 1)
    rows = _rows(array, low, steps, of_column, -(-d // WIDEST_PER_BYTE))
    return {ROWS: rows, SCALES: np.stack([low, steps, of_column]), **parts}


def unpacked(parts: Mapping[str, Array]) -> Array:
    """Array (n, d) float32 of its parts: each number of `packed` but for at most half its step.

    Raises
    ------
    ValueError
        If the parts do not belong together.
    """
    rows, scales = parts[ROWS], parts[SCALES]
    check_parts(parts)
    array = np.empty((len(rows), scales.shape[1]), dtype=np.float32)
    at = 0
    padded = np.pad(rows, ((0, 0), (0, 2)))  # a code may reach into two bytes more
    for column, (low, step, bits) in enumerate(scales.T):
        byte, shift = divmod(at, 8)
        codes = padded[:, byte].astype(np.uint32)
        codes |= padded[:, byte + 1].astype(np.uint32) << np.uint32(8)
        codes |= padded[:, byte + 2].astype(np.uint32) << np.uint32(16)
        codes = (codes >> np.uint32(shift)) & np.uint32(2 ** int(bits) - 1)
        array[:, column] = low + step * codes
        at += int(bits)
    if AXES in parts:
        array = array @ parts[AXES].astype(np.float32) + parts[MEANS]
    return array


def check_parts(parts: Mapping[str, Array]) -> None:
    """Raise `ValueError` if parts that were read do not belong together."""
    rows, scales = parts[ROWS], parts[SCALES]
    width = scales.shape[1]
    bits = scales[2]
    if not ((bits >= 1) & (bits <= MOST_BITS) & (bits == np.floor(bits))).all():
        raise ValueError("its columns have other than 1 to 16 bits")
    if not np.isfinite(scales).all() or bits.sum() > 8 * rows.shape[1]:
        raise ValueError("its columns do not fit into its rows")
    if AXES in parts:
        axes, means = parts[AXES], parts[MEANS]
        if axes.shape != (width, len(means)):
            raise ValueError("its axes do not fit its columns")
        width = len(means)
    if width > WIDEST_PER_BYTE * rows.shape[1]:
        raise ValueError(f"it claims {width:,} columns")


def _step(ranges: Array, bits: float, most: int, *, fewest: bool) -> float:
    """Finest step with which all columns together take at most so many bits, as far as that goes.

    With `fewest` a column takes a bit at least; without, none if it varies less than a step.
    """
    step = float(ranges.max()) / (2**most - 1)
    if step <= 0:
        return 0.0
    while True:
        taken = _bits(ranges, step)
        total = taken.sum() if fewest else taken[ranges > step].sum()
        if total <= bits or step >= ranges.max():
            return step
        step *= FINER


def _bits(ranges: Array, step: float) -> Array:
    """Bits (d,) float64 in [1, 16] of each column for steps of a size."""
    if step <= 0:
        return np.ones(len(ranges))
    return np.clip(np.ceil(np.log2(ranges / step + 1) - 1e-9), 1, MOST_BITS)


def _bulk(array: Array) -> float:
    """How far most of the widest column reaches."""
    some = array[:: max(1, len(array) // SOME)]
    low, high = np.percentile(some.astype(np.float64), BULK, axis=0)
    return float((high - low).max())


def _rows(array: Array, low: Array, steps: Array, bits: Array, width: int) -> Array:
    """Codes of all columns, one after the other, in rows (n, bytes) uint8."""
    width = max(width, -(-int(bits.sum()) // 8))
    rows = np.zeros((len(array), width + 2), dtype=np.uint8)
    at = 0
    for column, (least, step, of_column) in enumerate(zip(low, steps, bits, strict=True)):
        if step > 0:
            codes = np.rint((array[:, column].astype(np.float64) - least) / step).astype(np.uint32)
            np.minimum(codes, np.uint32(2 ** int(of_column) - 1), out=codes)
            byte, shift = divmod(at, 8)
            codes <<= np.uint32(shift)
            for place in range(3):
                rows[:, byte + place] |= (codes >> np.uint32(8 * place)).astype(np.uint8)
        at += int(of_column)
    return np.ascontiguousarray(rows[:, :width])


@dataclass(frozen=True, slots=True)
class _Turn:
    """Turn of a wide array onto other axes."""

    axes: Array  # (d, d) float32 as they are stored, the one along which most varies first
    means: Array  # (d,) float32

    @classmethod
    def onto_principal_axes(cls, array: Array) -> Self:
        d = array.shape[1]
        means = array.mean(0, dtype=np.float64).astype(np.float32)
        products = np.zeros((d, d))
        for start in range(0, len(array), SOME):
            some = (array[start : start + SOME] - means).astype(np.float64)
            products += some.T @ some
        axes = np.linalg.eigh(products)[1].T[::-1]
        return cls(axes.astype(np.float16).astype(np.float32), means)

    def turned(self, array: Array) -> Array:
        return (array - self.means) @ self.axes.T

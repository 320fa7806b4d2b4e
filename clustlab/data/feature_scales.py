"""Columns of points: refused where a value is not finite, put on one scale, and remarked upon."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clustlab.errors import DataError
from clustlab.params import STANDARDISE, UNIT_LENGTH, WHITEN
from clustlab.types import Array, Dataset

CHUNK = 10_000  # rows looked at together
SWAMPED = 100.0  # how many times more widely another column varies than one that no longer counts
CONSTANT = 1e-12  # deviation of a constant column by rounding, as a share of its mean
FLAT = 1e-10  # variance of a component that is rounding, as a share of the largest
NAMED = 3  # columns named in a sentence


def check_finite(items: Array) -> None:
    """Nothing, if all features (n, d) of points are finite; images always are.

    Raises
    ------
    DataError
        Names the first value that is not finite by row and column, and says how many there are.
    """
    if items.ndim != 2:
        return
    count, first = 0, None
    for start in range(0, len(items), CHUNK):
        places = np.argwhere(~np.isfinite(items[start : start + CHUNK]))
        if first is None and len(places):
            first = start + int(places[0, 0]), int(places[0, 1])
        count += len(places)
    if first is None:
        return
    row, column = first
    many = "One feature is" if count == 1 else f"{count:,} features are"
    raise DataError(
        f"{many} not finite: the first is {items[first]} in row {row}, column {column}, "
        "both counted from 0.",
        "Fill in what is missing, or leave out its row or its column.",
    )


def standardised(dataset: Dataset) -> Dataset:
    """Points with mean 0 and deviation 1 in every column; a constant column becomes 0."""
    means, deviations = _spread(dataset.items)
    varies = _varying(means, deviations)
    scale = np.where(varies, deviations, 1.0)
    items = np.empty(dataset.items.shape, np.float32)
    for start in range(0, len(items), CHUNK):
        rows = slice(start, start + CHUNK)
        items[rows] = np.where(varies, (dataset.items[rows] - means) / scale, 0.0)
    return replace(dataset, items=items, protocol=f"{dataset.protocol}, columns standardised")


def as_wanted(dataset: Dataset, spec: object) -> Dataset:
    """Points changed as the settings of their data set ask: scale, components, length."""
    if dataset.is_image:
        return dataset
    if getattr(spec, STANDARDISE, False):
        dataset = standardised(dataset)
    if getattr(spec, WHITEN, False):
        dataset = whitened(dataset)
    return of_unit_length(dataset) if getattr(spec, UNIT_LENGTH, False) else dataset


def whitened(dataset: Dataset) -> Dataset:
    """Points on their principal components, each with deviation 1; names of columns are lost.

    Components that hardly vary are left out: they would be nothing but rounding.
    """
    means, _ = _spread(dataset.items)
    width = dataset.items.shape[1]
    products = np.zeros((width, width))
    for start in range(0, len(dataset.items), CHUNK):
        centred = dataset.items[start : start + CHUNK] - means
        products += centred.T @ centred
    variances, directions = np.linalg.eigh(products / max(1, len(dataset.items)))
    kept = np.flatnonzero(variances > variances.max(initial=0) * FLAT)[::-1]
    if not len(kept):
        return dataset
    turn = directions[:, kept] / np.sqrt(variances[kept])
    items = np.empty((len(dataset.items), len(kept)), np.float32)
    for start in range(0, len(items), CHUNK):
        rows = slice(start, start + CHUNK)
        items[rows] = (dataset.items[rows] - means) @ turn
    said = f"{dataset.protocol}, {len(kept)} principal components on one scale"
    return replace(dataset, items=items, columns=(), protocol=said)


def of_unit_length(dataset: Dataset) -> Dataset:
    """Points divided by their length; a point at the origin stays there."""
    items = np.empty(dataset.items.shape, np.float32)
    for start in range(0, len(items), CHUNK):
        rows = np.asarray(dataset.items[start : start + CHUNK], np.float64)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        items[start : start + CHUNK] = rows / np.where(lengths > 0, lengths, 1.0)
    return replace(dataset, items=items, protocol=f"{dataset.protocol}, of length 1")


def remarks(items: Array) -> list[str]:
    """What to say of items before they are clustered: all equal, or columns that swamp the rest."""
    if len(items) > 1 and all((item == items[0]).all() for item in items):
        return [f"All {len(items):,} items are equal: there is nothing to divide."]
    if items.ndim != 2 or len(items) < 2:
        return []
    means, deviations = _spread(items)
    varying = np.flatnonzero(_varying(means, deviations))
    widest = deviations.max(initial=0)
    swamped = deviations[varying] * SWAMPED < widest
    if 2 * swamped.sum() < max(1, len(varying)):
        return []
    times = widest / np.median(deviations[varying[swamped]])
    remark = (
        f"{_named(varying[~swamped])} up to {times:,.0f} times as widely as a typical other one: "
        "distances, and so clusters, follow hardly anything else. The setting standardise of the "
        "data set gives every column the same weight."
    )
    return [remark]


def _named(columns: Sequence[int]) -> str:
    """Columns as the subject of a sentence, with its verb; the first few of many by number."""
    if len(columns) == 1:
        return f"Column {columns[0]} (counted from 0) varies"
    shown = ", ".join(str(column) for column in columns[:NAMED])
    more = f" and {len(columns) - NAMED:,} more" if len(columns) > NAMED else ""
    return f"Columns {shown}{more} (counted from 0) vary"


def _spread(items: Array) -> tuple[Array, Array]:
    """Mean and deviation (d,) float64 of each column of points (n, d)."""
    means = items.mean(0, dtype=np.float64)
    squares = np.zeros(items.shape[1])
    for start in range(0, len(items), CHUNK):
        squares += np.square(items[start : start + CHUNK] - means).sum(0)
    return means, np.sqrt(squares / max(1, len(items)))


def _varying(means: Array, deviations: Array) -> Array:
    """Which columns (d,) hold more than one value."""
    varying: Array = deviations > CONSTANT * np.abs(means)
    return varying

"""Columns of points: refused where a value is not finite, put on one scale, and remarked upon."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

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


class Change(Protocol):
    """What is done to points when they are drawn, measured once on all of them.

    A call changes rows (m, d) to rows (m, e) float32, also those of other points.
    """

    @property
    def protocol(self) -> str:
        """What to say of points that were changed."""

    @property
    def keeps_columns(self) -> bool:
        """Whether each column stays what it was."""

    def __call__(self, rows: Array) -> Array:
        """Rows (m, e) of rows (m, d)."""


@dataclass(frozen=True, slots=True)
class Standardising:
    """Every column gets mean 0 and deviation 1; a constant column becomes 0."""

    means: Array  # (d,) float64
    deviations: Array  # (d,) float64
    protocol: str = "columns standardised"
    keeps_columns: bool = True

    def __call__(self, rows: Array) -> Array:
        """Rows (m, d) float32 on the scale of the points that were measured."""
        varies = _varying(self.means, self.deviations)
        scale = np.where(varies, self.deviations, 1.0)
        return _by_chunks(
            rows, len(scale), lambda some: np.where(varies, (some - self.means) / scale, 0.0)
        )


@dataclass(frozen=True, slots=True)
class Whitening:
    """Rows in principal components, each with deviation 1."""

    means: Array  # (d,) float64
    turn: Array  # (d, e) float64
    keeps_columns: bool = False

    @property
    def protocol(self) -> str:
        """How many components there are."""
        return f"{self.turn.shape[1]} principal components on one scale"

    def __call__(self, rows: Array) -> Array:
        """Rows (m, e) float32 in the components of the points that were measured."""
        width = self.turn.shape[1]
        return _by_chunks(rows, width, lambda some: (some - self.means) @ self.turn)


@dataclass(frozen=True, slots=True)
class UnitLength:
    """Rows divided by their length; a point at the origin stays there."""

    protocol: str = "of length 1"
    keeps_columns: bool = True

    def __call__(self, rows: Array) -> Array:
        """Rows (m, d) float32."""

        def divided(some: Array) -> Array:
            some = np.asarray(some, np.float64)
            lengths = np.linalg.norm(some, axis=1, keepdims=True)
            quotients: Array = some / np.where(lengths > 0, lengths, 1.0)
            return quotients

        return _by_chunks(rows, rows.shape[1], divided)


def _by_chunks(rows: Array, width: int, change: Callable[[Array], Array]) -> Array:
    out = np.empty((len(rows), width), np.float32)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        out[part] = change(rows[part])
    return out


def as_wanted(dataset: Dataset, spec: object) -> Dataset:
    """Points changed as the settings of their data set ask: scale, components, length."""
    return with_changes(dataset, spec)[0]


def with_changes(dataset: Dataset, spec: object) -> tuple[Dataset, tuple[Change, ...]]:
    """The same, and the changes in their order, which other points can go through as well."""
    done: list[Change] = []
    if dataset.is_image:
        return dataset, ()
    for name, fit in (
        (STANDARDISE, _standardising),
        (WHITEN, _whitening),
        (UNIT_LENGTH, lambda items: UnitLength()),
    ):
        change = fit(dataset.items) if getattr(spec, name, False) else None
        if change is not None:
            dataset = _after(dataset, change)
            done.append(change)
    return dataset, tuple(done)


def standardised(dataset: Dataset) -> Dataset:
    """Points with mean 0 and deviation 1 in every column; a constant column becomes 0."""
    return _after(dataset, _standardising(dataset.items))


def whitened(dataset: Dataset) -> Dataset:
    """Points on their principal components, each with deviation 1; names of columns are lost.

    Components that hardly vary are left out: they would be nothing but rounding.
    """
    change = _whitening(dataset.items)
    return dataset if change is None else _after(dataset, change)


def of_unit_length(dataset: Dataset) -> Dataset:
    """Points divided by their length; a point at the origin stays there."""
    return _after(dataset, UnitLength())


def _after(dataset: Dataset, change: Change) -> Dataset:
    return replace(
        dataset,
        items=change(dataset.items),
        columns=dataset.columns if change.keeps_columns else (),
        protocol=f"{dataset.protocol}, {change.protocol}",
    )


def _standardising(items: Array) -> Standardising:
    return Standardising(*_spread(items))


def _whitening(items: Array) -> Whitening | None:
    """None if the items do not vary at all."""
    means, _ = _spread(items)
    width = items.shape[1]
    products = np.zeros((width, width))
    for start in range(0, len(items), CHUNK):
        centred = items[start : start + CHUNK] - means
        products += centred.T @ centred
    variances, directions = np.linalg.eigh(products / max(1, len(items)))
    kept = np.flatnonzero(variances > variances.max(initial=0) * FLAT)[::-1]
    if not len(kept):
        return None
    return Whitening(means, directions[:, kept] / np.sqrt(variances[kept]))


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

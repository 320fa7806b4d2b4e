"""Parts of a data set: without what was left out by hand, and with classes made rarer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clustlab.data.item_names import names_at
from clustlab.errors import ParameterError
from clustlab.params import UNBALANCE, Shares
from clustlab.types import Array, Dataset, Labelling

TOLD = 12  # shares of classes that are named


def plain_rows(excluded: Any) -> list[int]:
    """Rows to be left out, by rising number, each once.

    Raises
    ------
    ParameterError
        If it is not a list of whole numbers from 0 up.
    """
    rows: Any = excluded if isinstance(excluded, list | tuple) else [excluded]
    wrong = [row for row in rows if type(row) is not int or row < 0]
    if wrong:
        raise ParameterError(
            f"excluded must list row numbers from 0 up, got {wrong[0]!r}.",
            "Leave items out by way of a basket on the page Failures.",
        )
    return sorted(set(rows))


def rows_left(n: int, excluded: Sequence[int]) -> Array:
    """Rows (m,) int64 of a data set of n items that remain.

    Raises
    ------
    ParameterError
        If a row to be left out is not there, or none would be left.
    """
    rows = plain_rows(list(excluded))
    if rows and rows[-1] >= n:
        raise ParameterError(
            f"excluded names row {rows[-1]}, but there are only {n} items.",
            "Leave out rows that there are.",
        )
    if len(rows) >= n:
        raise ParameterError(f"excluded names all {n} items.", "Keep some of them.")
    kept = np.ones(n, dtype=bool)
    kept[rows] = False
    return np.flatnonzero(kept)


def without(dataset: Dataset, excluded: Sequence[int]) -> Dataset:
    """Data set without some rows; `original` tells where the others were. Raises as `rows_left`."""
    rows = rows_left(len(dataset.items), excluded)
    left_out = len(dataset.items) - len(rows)
    said = ", ".join(filter(None, [dataset.protocol, f"{left_out:,} left out by hand"]))
    return replace(part_of(dataset, rows), protocol=said)


def unbalanced(dataset: Dataset, shares: Shares) -> Dataset:
    """Data set in which some classes are rarer, each by its share.

    One share is that of the last class: from the first on, classes get rarer in equal ratios. What
    is kept of a class are its first items in the order of the draw, one at least, so that a smaller
    share is a part of a larger one. Items without a class stay.

    Raises
    ------
    ParameterError
        If there are several shares, and not one for each class.
    """
    if shares == 1 or dataset.labels is None:
        return dataset
    n_classes = len(dataset.class_names) or int(dataset.labels.max(initial=-1)) + 1
    if isinstance(shares, tuple) and len(shares) != n_classes:
        raise ParameterError(
            f"{UNBALANCE} has {len(shares):,} shares, but {dataset.name!r} has {n_classes:,} "
            "classes.",
            "Give one share for each class, in their order, or one number, for the last class.",
        )
    rows = rows_unbalanced(dataset.labels, shares)
    how = "by class to" if isinstance(shares, tuple) else "down to"
    said = f"{dataset.protocol}, unbalanced {how} {_few(shares)} ({len(rows):,} left)"
    return replace(part_of(dataset, rows), protocol=said, original=None)


def _few(shares: Shares) -> str:
    each = shares if isinstance(shares, tuple) else (shares,)
    more = " : ..." if len(each) > TOLD else ""
    return " : ".join(f"{share:g}" for share in each[:TOLD]) + more


def rows_unbalanced(labels: Array, shares: Shares) -> Array:
    """Rows (m,) int64 of items that `unbalanced` keeps, by their classes (n,)."""
    present = np.unique(labels[labels >= 0])
    kept = np.ones(len(labels), bool)
    for place, label in enumerate(present.tolist()):
        of_class = np.flatnonzero(labels == label)
        part = (
            shares[label]
            if isinstance(shares, tuple)
            else shares ** (place / max(1, len(present) - 1))
        )
        kept[of_class[max(1, round(part * len(of_class))) :]] = False
    return np.flatnonzero(kept)


def part_of(dataset: Dataset, rows: Array) -> Dataset:
    """Some rows (m,) int of a data set, in their order; `original` tells where they were."""
    return replace(
        dataset,
        items=dataset.items[rows],
        labels=None if dataset.labels is None else dataset.labels[rows],
        other_labels={
            title: Labelling(other.labels[rows], other.class_names)
            for title, other in dataset.other_labels.items()
        },
        original=rows if dataset.original is None else dataset.original[rows],
        item_names=names_at(dataset.item_names, rows) if dataset.item_names else (),
        images_shown=None if dataset.images_shown is None else dataset.images_shown[rows],
    )

"""What a file says of items, an entry each, and by what an entry belongs to its item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from clustlab.data.item_names import IN_WHOLE_DRAW
from clustlab.errors import DataError, ParameterError
from clustlab.importing import number_files, sources, tables
from clustlab.importing.arrays import NAMES, as_text, is_called
from clustlab.importing.cells import told_near, told_some
from clustlab.importing.classes import MOST, Classes, TooManyClasses
from clustlab.importing.name_index import NameIndex
from clustlab.importing.number_files import Numbers
from clustlab.importing.plan import Choices
from clustlab.importing.table_columns import Head, Seen, Table, head_of
from clustlab.types import Array

ROWS, ITEMS = ("row", "rows", "index"), ("item", "items")
MOST_VALUES = 100_000_000  # entries of all columns together

KeyKind = Literal["names", "rows", "items", "order"]
"""By what an entry belongs to an item.

| kind | what it is |
|---|---|
| names | the name that the item has in its data set |
| rows | its row in what the data set was made from, counted from 0 |
| items | its number as pages and exports have it |
| order | nothing: entries are in the order of the rows |
"""


@dataclass(frozen=True, slots=True)
class Entries:
    """What a file says of items, an entry each."""

    origin: str  # name of the file
    n: int
    kind: KeyKind
    key: str  # column or array of the keys; empty for order
    keys: Sequence[str] | Array  # (n,) text, or numbers; empty for order
    columns: Mapping[str, Classes] = field(default_factory=dict)
    """Columns of classes or clusters."""
    unused: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Columns with too many values for classes, which nobody asked for."""


def is_table(path: Path) -> bool:
    """Whether entries are in a table rather than in arrays; raises `DataError` if in neither."""
    number_files.check_plain(path)
    kind = sources.reader_of(path)
    if kind == "images":
        raise DataError(
            f"{path.name} holds neither a table nor arrays.",
            "Give CSV, TSV, Parquet, Feather, .npz or .npy.",
        )
    return kind == "tables"


@dataclass(frozen=True, slots=True)
class Guess:
    """What columns of a table are taken for, by its first rows, or arrays by their shapes."""

    columns: tuple[str, ...]  # that may be classes or clusters
    keys: tuple[str, ...]  # that entries may be joined by
    kind: KeyKind
    key: str  # column of the keys; empty for order
    said: tuple[str, ...]  # columns of classes or clusters


def guess(path: Path, names: NameIndex, preferred: Sequence[Sequence[str]] = ()) -> Guess:
    """What columns of a table are taken for; see `entries_of_table`."""
    return _guess(path, tables.opened(path), Choices(), (), names, preferred)


def _guess(
    path: Path,
    table: Table,
    choices: Choices,
    wanted: Sequence[str],
    names: NameIndex,
    preferred: Sequence[Sequence[str]],
) -> Guess:
    head = head_of(table)
    if head is None:
        raise DataError(f"{path.name} holds no row.", "Choose a table that holds some.")
    columns = head.columns
    for name in (*wanted, choices.names):
        if name and name not in columns:
            raise ParameterError(
                f"There is no column {name!r} in {path.name}.",
                f"Choose one of: {told_near(name, columns)}.",
            )
    fits = names_that_fit(head, names)
    kind, key = _key_column(columns, choices, fits, has_names=len(names) > 0)
    possible = [name for name, c in columns.items() if c.holds == "text" or c.is_whole]
    others = {key, *fits, *(name for name, c in columns.items() if _counts(c))}
    said = list(wanted) or _called([name for name in possible if name not in others], preferred)
    if not said:
        shown = told_some((f"{c.name}: {c.about}" for c in columns.values()), between="; ")
        raise DataError(
            f"{path.name} holds no column of classes or clusters ({shown}).",
            "They are whole numbers or text, one for each item.",
        )
    return Guess(tuple(possible), tuple(possible), kind, key, tuple(said))


def guess_of_arrays(
    path: Path, arrays: Mapping[str, Numbers], columns: Sequence[str], said: Sequence[str]
) -> Guess | None:
    """The same of arrays, of which some may be chosen; None if there is nothing to choose."""
    if len(arrays) == 1 or not columns:
        return None
    keys = tuple(name for name, each in arrays.items() if len(each.shape) == 1)
    kind: KeyKind = "order"
    key = ""
    if said:
        n = arrays[said[0]].shape[-1] if len(arrays[said[0]].shape) > 1 else len(arrays[said[0]])
        kind, key, _ = key_of_arrays(path, arrays, Choices(), n)
    return Guess(tuple(columns), keys, kind, key, tuple(said))


def _called(columns: Sequence[str], preferred: Sequence[Sequence[str]]) -> list[str]:
    """Columns called by the first words that any is called by, or all of them.

    Those that are called just so come before `raw_cluster` beside `cluster`.
    """
    for words in preferred:
        called = [name for name in columns if is_called(name, words)]
        if called:
            return [name for name in called if name.lower() in words] or called
    return list(columns)


def entries_of_table(
    path: Path,
    choices: Choices,
    wanted: Sequence[str],
    names: NameIndex,
    preferred: Sequence[Sequence[str]] = (),
) -> Entries:
    """Entries of a table: its `wanted` columns, or those that may be classes.

    Parameters
    ----------
    names : NameIndex
        Names of the items, by which entries are found if the table has them, too.
    preferred : sequence
        Groups of words: where columns are called by those of a group, only these are taken. The
        first group that any column is called by counts.
    """
    table = tables.opened(path)
    guessed = _guess(path, table, choices, wanted, names, preferred)
    kind, key = guessed.kind, guessed.key
    classes = {name: Classes(name) for name in guessed.said}
    keys: list[str] = []
    left_out: list[str] = []
    n = 0
    for chunk in table.chunks():
        n += chunk.n_rows
        _check_size(path, n, len(classes), choices)
        for name in list(classes):
            try:
                classes[name].add(chunk.cells(name).classes())
            except TooManyClasses:
                if wanted or len(classes) == 1:
                    raise
                del classes[name]  # free text beside the classes
                left_out.append(name)
        if key:
            keys += chunk.cells(key).text()
    unused = tuple(name for name in table.names if name not in (*guessed.said, key))
    found: Sequence[str] | Array = keys if kind == "names" else _numbers(path, key, keys)
    return Entries(path.name, n, kind, key, found, classes, unused, tuple(left_out))


def left_out(entries: Entries) -> list[str]:
    """What was not taken though it might have been, a sentence each."""
    return [
        f"{name!r} is left out: it holds more than {MOST:,} different values."
        for name in entries.left_out
    ]


def names_that_fit(head: Head, names: NameIndex) -> dict[str, int]:
    """Columns that may be names of items, and how many of their first rows are known names."""
    return {
        name: sum(names.found(text) is not None for text in head.cells(name).text())
        for name in _names_in(head.columns)
    }


def _names_in(columns: Mapping[str, Seen]) -> list[str]:
    """Columns of text that may be names of items, those that are called so first."""
    text = [c for c in columns.values() if c.holds == "text"]
    called = [c.name for c in text if is_called(c.name, NAMES)]
    return [*called, *(c.name for c in text if c.may_be_names and c.name not in called)]


def _counts(column: Seen) -> bool:
    """Whether a column of whole numbers says which row or item it is about."""
    return column.is_whole and (column.is_counter or is_called(column.name, (*ROWS, *ITEMS)))


def _key_column(
    columns: Mapping[str, Seen],
    choices: Choices,
    fits: Mapping[str, int],
    *,
    has_names: bool,
) -> tuple[KeyKind, str]:
    """By which column entries are joined: that with the most names, else one of numbers.

    Where neither fits, a column of names is taken all the same, so that it is said why it does not
    fit: entries that are named are never joined by their order unless somebody asks for it.
    """
    if choices.names == "":
        return "order", ""
    if choices.names:
        if columns[choices.names].is_whole and not has_names:
            return _kind_of_numbers(choices.names), choices.names
        return "names", choices.names
    best = max(fits, key=lambda name: fits[name], default="")
    if best and fits[best]:
        return "names", best
    numbers = [c.name for c in columns.values() if _counts(c)]
    if not has_names:
        numbers += [c.name for c in columns.values() if c.is_whole and is_called(c.name, NAMES)]
    for name in IN_WHOLE_DRAW:  # in an export, items are counted without those left out
        if name in numbers:
            return "items", name
    if numbers:
        return _kind_of_numbers(numbers[0]), numbers[0]
    return ("names", best) if best else ("order", "")


def _kind_of_numbers(name: str) -> KeyKind:
    return "items" if name in IN_WHOLE_DRAW or is_called(name, ITEMS) else "rows"


def _numbers(path: Path, key: str, keys: Sequence[str]) -> Array:
    if not key:
        return np.empty(0, np.int64)
    try:
        return np.array([int(each.removesuffix(".0")) for each in keys], np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"The column {key!r} of {path.name} holds something else than whole numbers.",
            "Number the items there, or name another column.",
        ) from error


def _check_size(path: Path, n: int, columns: int, choices: Choices) -> None:
    if n > choices.limits.items:
        raise DataError(
            f"{path.name} has more than {choices.limits.items:,} rows.",
            "Give one for each item.",
        )
    if n * columns > MOST_VALUES:
        raise DataError(
            f"{path.name} holds {columns:,} columns for more than {n // 2:,} items, too much to "
            "be read at once.",
            "Bring in fewer columns at a time.",
        )


def key_of_arrays(
    path: Path, arrays: Mapping[str, Numbers], choices: Choices, n: int
) -> tuple[KeyKind, str, Sequence[str] | Array]:
    """By which array of an archive its n entries are joined."""
    if choices.names and choices.names not in arrays:
        raise ParameterError(
            f"There is no array {choices.names!r} in {path.name}.",
            f"Choose one of: {told_near(choices.names, arrays)}.",
        )
    if choices.names == "":
        return "order", "", ()
    called = [choices.names] if choices.names else []
    if not called:
        called = [
            name
            for name, each in arrays.items()
            if is_called(name, (*NAMES, *ROWS, *ITEMS)) and each.shape == (n,)
        ]
    if not called:
        return "order", "", ()
    name = called[0]
    values = arrays[name]
    if len(values) != n:
        raise DataError(
            f"{name!r} in {path.name} holds {len(values):,} entries for {n:,} items.",
            "Give one for each item.",
        )
    is_number = values.dtype.kind in "iu"
    if is_number and not is_called(name, NAMES):
        return _kind_of_numbers(name), name, values.all().ravel().astype(np.int64)
    return "names", name, as_text(values.all().ravel())

"""Entries of a file brought to the items that they are about: by names, by numbers, or by order."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from clustlab.errors import DataError, ParameterError
from clustlab.importing import number_files, sources, tables
from clustlab.importing.arrays import NAMES, as_text, is_called
from clustlab.importing.cells import TableChunk, told
from clustlab.importing.classes import Classes
from clustlab.importing.number_files import Numbers
from clustlab.importing.plan import Choices
from clustlab.types import Array

ROWS, ITEMS = ("row", "rows", "index"), ("item", "items")
MOST_VALUES = 100_000_000  # entries of all columns together
UNKNOWN, ELSEWHERE = -1, -2  # in place of an item
EXAMPLES = 3  # of what is wrong, that are named

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


# -- reading ---------------------------------------------------------------------------------------
def entries_of_table(
    path: Path, choices: Choices, wanted: Sequence[str], names: "NameIndex"
) -> Entries:
    """Entries of a table: its `wanted` columns, or all that may be classes.

    Parameters
    ----------
    names : NameIndex
        Names of the items, by which entries are found if the table has them, too.
    """
    table = tables.opened(path)
    head = next(table.chunks(tables.HEAD), None)
    if head is None:
        raise DataError(f"{path.name} holds no row.", "Choose a table that holds some.")
    columns = tables.seen(table, head)
    for name in (*wanted, choices.names):
        if name and name not in columns:
            raise ParameterError(
                f"There is no column {name!r} in {path.name}.",
                f"Choose one of: {', '.join(columns)}.",
            )
    fits = names_that_fit(columns, head, names)
    kind, key = _key_column(columns, choices, fits, has_names=len(names) > 0)
    others = {*fits, *(name for name, c in columns.items() if _counts(c))}
    said = list(wanted) or [
        name
        for name, c in columns.items()
        if name != key and name not in others and (c.holds == "text" or c.is_whole)
    ]
    if not said:
        shown = "; ".join(f"{c.name}: {c.about}" for c in columns.values())
        raise DataError(
            f"{path.name} holds no column of classes or clusters ({shown}).",
            "They are whole numbers or text, one for each item.",
        )
    classes = {name: Classes(name) for name in said}
    keys: list[str] = []
    n = 0
    for chunk in table.chunks():
        n += chunk.n_rows
        _check_size(path, n, len(said), choices)
        for name in said:
            classes[name].add(chunk.cells(name).classes())
        if key:
            keys += chunk.cells(key).text()
    unused = tuple(name for name in columns if name not in (*said, key))
    found: Sequence[str] | Array = keys if kind == "names" else _numbers(path, key, keys)
    return Entries(path.name, n, kind, key, found, classes, unused)


def names_that_fit(
    columns: Mapping[str, tables.Seen], head: TableChunk, names: "NameIndex"
) -> dict[str, int]:
    """Columns that may be names of items, and how many of their first rows are known names."""
    return {
        name: sum(names.found(text) is not None for text in head.cells(name).text())
        for name in _names_in(columns)
    }


def _names_in(columns: Mapping[str, tables.Seen]) -> list[str]:
    """Columns of text that may be names of items, those that are called so first."""
    text = [c for c in columns.values() if c.holds == "text"]
    called = [c.name for c in text if is_called(c.name, NAMES)]
    return [*called, *(c.name for c in text if c.may_be_names and c.name not in called)]


def _counts(column: tables.Seen) -> bool:
    """Whether a column of whole numbers says which row or item it is about."""
    return column.is_whole and (column.is_counter or is_called(column.name, (*ROWS, *ITEMS)))


def _key_column(
    columns: Mapping[str, tables.Seen],
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
    if numbers:
        return _kind_of_numbers(numbers[0]), numbers[0]
    return ("names", best) if best else ("order", "")


def _kind_of_numbers(name: str) -> KeyKind:
    return "items" if is_called(name, ITEMS) else "rows"


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
            f"Choose one of: {', '.join(arrays)}.",
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


# -- joining ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Joined:
    """Which entry is about which item."""

    entry: Array  # (n,) int64, the entry of each item; -1 where there is none
    n_elsewhere: int  # entries about items that are known and not looked at
    words: str  # how they were joined, a sentence


class NameIndex:
    """Names of items, found also where a path is given in more or fewer folders.

    Parameters
    ----------
    names : sequence of str
        Names of all items of a data set, or none.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = frozenset(names)
        ends: dict[str, str | None] = {}
        for name in names:
            end = name.rpartition("/")[2]
            ends[end] = None if end in ends else name  # of several, none
        self._ends = ends

    def __len__(self) -> int:
        return len(self._exact)

    def found(self, text: str) -> str | None:
        """The name that is meant; None if there is none, or it may be one of several."""
        if text in self._exact:
            return text
        rest = text.replace("\\", "/")
        if "/" not in rest:
            return self._ends.get(rest)
        while "/" in rest:
            rest = rest.partition("/")[2]
            if rest in self._exact:
                return rest
        return None


@dataclass(frozen=True, slots=True)
class Items:
    """The items that entries are brought to.

    Parameters
    ----------
    title : str
        Of their data set.
    names : sequence of str
        Of the items looked at, or none.
    known : NameIndex
        Names of all items of the data set, also of those that are not looked at.
    rows : array
        (n,) int64, row of each item in what the data set was made from; None if nobody knows.
    n_rows : int
        How many of these rows there are.
    """

    title: str
    n: int
    names: Sequence[str]
    known: NameIndex
    rows: Array | None
    n_rows: int


def join(entries: Entries, items: Items, *, must_be_all: bool) -> Joined:
    """Bring entries to the items that they are about.

    Parameters
    ----------
    must_be_all : bool
        Whether every entry must be about an item, and every item have an entry.

    Raises
    ------
    DataError
        If that is not so, an item comes twice, or nothing fits: all that is wrong is said at once.
    """
    if entries.kind == "order":
        return _by_order(entries, items)
    if entries.kind == "names":
        places = _places_of_names(entries, items)
    else:
        places = _places_of_numbers(entries, items)

    def shown(place: int) -> str:
        key = entries.keys[place]
        return told(key) if entries.kind == "names" else str(key)

    def missing(place: int) -> str:
        if entries.kind == "names":
            return told(items.names[place])
        rows = items.rows if entries.kind == "rows" else None
        return str(place if rows is None else rows[place])

    entry, counts = np.full(items.n, -1, np.int64), np.zeros(items.n, np.int64)
    known = np.flatnonzero(places >= 0)
    entry[places[known[::-1]]] = known[::-1]
    np.add.at(counts, places[known], 1)
    twice = np.flatnonzero(counts > 1)
    unknown = np.flatnonzero(places == UNKNOWN)
    without = np.flatnonzero(counts == 0)
    if items.rows is not None:
        without = without[np.argsort(items.rows[without])]  # named in the order of their file
    wrong = []
    if len(twice):
        wrong.append(f"{_many(twice, missing)} {_verb(twice, 'comes', 'come')} more than once")
    if must_be_all and len(unknown):
        wrong.append(f"{_many(unknown, shown)} {_verb(unknown, 'is', 'are')} unknown")
    if must_be_all and len(without):
        wrong.append(f"{_many(without, missing)} {_verb(without, 'is', 'are')} missing")
    if not len(known) and not must_be_all:
        wrong.append(f"none of its {entries.n:,} entries is about an item")
    if wrong:
        what = {"names": "names", "rows": "rows", "items": "numbers of items"}[entries.kind]
        raise DataError(
            f"{entries.origin} does not fit {items.title!r} by the {what} in {entries.key!r}: "
            f"{'; '.join(wrong)}.",
            f"Give each of the {items.n:,} items once, by what it is called there."
            if entries.kind == "names"
            else f"Give each of the {items.n:,} items once, counted from 0.",
        )
    n_elsewhere = int((places == ELSEWHERE).sum()) + (0 if must_be_all else len(unknown))
    return Joined(entry, n_elsewhere, f"Joined by {entries.key!r}.")


def _many(places: Array, shown: Callable[[int], str]) -> str:
    """The first of some keys, and how many there are."""
    named = [shown(int(place)) for place in places[:EXAMPLES]]
    if len(places) == 1:
        return named[0]
    more = f" and {len(places) - EXAMPLES:,} more" if len(places) > EXAMPLES else ""
    return f"{len(places):,} ({', '.join(named)}{more})"


def _verb(places: Array, one: str, several: str) -> str:
    return one if len(places) == 1 else several


def _by_order(entries: Entries, items: Items) -> Joined:
    if items.rows is None:
        raise DataError(
            f"{entries.origin} names no items, and the order of {items.title!r} is not that of "
            "its file.",
            "Give a column 'item' with the numbers that pages and exports show.",
        )
    if entries.n != items.n_rows:
        raise DataError(
            f"{entries.origin} has {entries.n:,} entries for the {items.n_rows:,} items of "
            f"{items.title!r}, and names none of them.",
            "Give one for each, in the order of its file, or a column of names, or one called "
            "'item' with the numbers that pages show.",
        )
    words = "Joined by order: entry i is row i of what the data set was made from."
    return Joined(items.rows, items.n_rows - items.n, words)


def _places_of_names(entries: Entries, items: Items) -> Array:
    if not len(items.names):
        raise DataError(
            f"The items of {items.title!r} have no names, so the column {entries.key!r} of "
            f"{entries.origin} says nothing of them.",
            "Give their rows in a column 'row', or say that entries are in the order of the items.",
        )
    place_of: dict[str, int] = {}
    for place, name in enumerate(items.names):
        place_of.setdefault(name, place)
    if len(place_of) < items.n:
        twice = next(name for name, count in Counter(items.names).items() if count > 1)
        raise DataError(
            f"{items.n - len(place_of):,} names in {items.title!r} are those of other items, such "
            f"as {told(twice)}, so nothing can be joined by them.",
            "Give rows in a column 'row', or say that entries are in the order of the items.",
        )
    meant = map(items.known.found, map(str, entries.keys))
    return np.array(
        [UNKNOWN if name is None else place_of.get(name, ELSEWHERE) for name in meant], np.int64
    )


def _places_of_numbers(entries: Entries, items: Items) -> Array:
    numbers = np.asarray(entries.keys, np.int64)
    if entries.kind == "items":
        return np.where((numbers >= 0) & (numbers < items.n), numbers, UNKNOWN)
    if items.rows is None:
        raise DataError(
            f"Nobody knows which row of its file an item of {items.title!r} was.",
            "Give a column 'item' with the numbers that pages and exports show.",
        )
    place_of = np.full(items.n_rows, ELSEWHERE, np.int64)
    place_of[items.rows] = np.arange(items.n)
    inside = (numbers >= 0) & (numbers < items.n_rows)
    return np.where(inside, place_of[np.where(inside, numbers, 0)], UNKNOWN)

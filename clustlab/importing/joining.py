"""Entries of a file brought to the items that they are about: by names, by numbers, or by order."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.data.item_names import IN_WHOLE_DRAW
from clustlab.errors import DataError
from clustlab.importing.cells import told
from clustlab.importing.entries import Entries
from clustlab.importing.name_index import NameIndex
from clustlab.types import Array

UNKNOWN, ELSEWHERE = -1, -2  # in place of an item
EXAMPLES = 3  # of what is wrong, that are named


@dataclass(frozen=True, slots=True)
class Joined:
    """Which entry is about which item."""

    entry: Array  # (n,) int64, the entry of each item; -1 where there is none
    n_elsewhere: int  # entries about items that are known and not looked at
    words: str  # how they were joined, a sentence


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
    numbered : array
        (m,) int64, place of the item that pages and exports give the number 0, 1, ...; None if
        nobody knows.
    n_refused : int
        Rows of what the data set was made from that did not come in, and are not counted above.
    """

    title: str
    n: int
    names: Sequence[str]
    known: NameIndex
    rows: Array | None
    n_rows: int
    numbered: Array | None
    n_refused: int = 0


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
        if entries.kind == "rows" and items.rows is not None:
            return str(items.rows[place])
        assert items.numbered is not None, "it was joined by"
        return str(np.flatnonzero(items.numbered == place)[0])

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
    words = f"Joined by {entries.key!r}."
    if entries.kind == "items" and entries.n < items.n:
        words = (
            f"Joined by {entries.key!r}, the numbers of items in this draw: numbers from another "
            "draw would be of other items."
        )
    return Joined(entry, n_elsewhere, words)


def _many(places: Array, shown: Callable[[int], str]) -> str:
    """The first of some keys, and how many there are."""
    named = [shown(int(place)) for place in places[:EXAMPLES]]
    if len(places) == 1:
        return named[0]
    more = f" and {len(places) - EXAMPLES:,} more" if len(places) > EXAMPLES else ""
    return f"{len(places):,} ({', '.join(named)}{more})"


def _places_of_items(entries: Entries, numbers: Array, items: Items) -> Array:
    """Places of items by the numbers that pages and exports give them."""
    if items.numbered is None:
        raise DataError(
            f"Nobody knows which items of {items.title!r} have the numbers in {entries.key!r} of "
            f"{entries.origin}, since classes were made rarer.",
            "Give names in a column 'name', or rows of the file in a column 'row'.",
        )
    n = len(items.numbered)
    is_of_all = entries.n < n and np.array_equal(np.sort(numbers), np.arange(entries.n))
    if is_of_all and entries.key not in IN_WHOLE_DRAW:
        raise DataError(
            f"{entries.origin} numbers all of {entries.n:,} items by {entries.key!r}, but there "
            f"are {n:,} in this draw of {items.title!r}: of another draw, the same numbers are "
            "other items.",
            "Say which draw it is of. If only the first items have a class, give the others an "
            "entry that is empty, or -1.",
        )
    inside = (numbers >= 0) & (numbers < len(items.numbered))
    return np.where(inside, items.numbered[np.where(inside, numbers, 0)], UNKNOWN)


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
        refused = f" ({items.n_refused:,} more were refused)" if items.n_refused else ""
        raise DataError(
            f"{entries.origin} has {entries.n:,} entries for the {items.n_rows:,} items of "
            f"{items.title!r}{refused}, and names none of them.",
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
        return _places_of_items(entries, numbers, items)
    if items.n_refused:
        raise DataError(
            f"{items.n_refused:,} rows were refused when {items.title!r} was imported, so the rows "
            f"in {entries.key!r} of {entries.origin} may be others than those that it has.",
            "Give names in a column 'name', or a column 'item' with the numbers that pages and "
            "exports show.",
        )
    if items.rows is None:
        raise DataError(
            f"Nobody knows which row of its file an item of {items.title!r} was.",
            "Give a column 'item' with the numbers that pages and exports show.",
        )
    place_of = np.full(items.n_rows, ELSEWHERE, np.int64)
    place_of[items.rows] = np.arange(items.n)
    inside = (numbers >= 0) & (numbers < items.n_rows)
    return np.where(inside, place_of[np.where(inside, numbers, 0)], UNKNOWN)

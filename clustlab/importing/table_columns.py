"""What columns of a table hold, as the first rows show it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clustlab.importing.arrays import Role, is_called
from clustlab.importing.arrow_tables import ArrowTable
from clustlab.importing.cells import Cells, Holds, TableChunk
from clustlab.importing.text_tables import TextTable

HEAD = 2_000  # rows by which columns are known
ODD = 0.1  # share of values that may be no numbers in a column of features
MOST_CLASSES = 1_000  # that a column may have to be guessed as classes
LONGEST_NAME = 300
COUNTERS = ("", "index", "row", "unnamed", "column")  # columns that only count rows

Table = TextTable | ArrowTable


@dataclass(frozen=True, slots=True)
class Seen:
    """What a column holds in the first rows."""

    name: str
    holds: Holds
    n: int
    n_missing: int
    n_odd: int  # values that are no numbers, in a column of numbers
    distinct: int
    is_whole: bool  # whether its numbers are whole
    is_counter: bool  # whether it only counts rows
    width: int  # of vectors
    about: str
    is_said: bool = False  # to hold classes, by whoever has written the file

    @property
    def is_feature(self) -> bool:
        """Whether it is taken for a feature unless somebody says otherwise."""
        known = self.n - self.n_missing
        return (
            self.holds == "numbers"
            and not self.is_counter
            and self.n_missing <= ODD * self.n
            and self.n_odd <= ODD * known
        )

    @property
    def may_be_classes(self) -> bool:
        """Whether its values are few enough for classes, or are said to be some."""
        if self.is_said and self.distinct and "labels" in self.roles:
            return True
        few = self.distinct <= min(MOST_CLASSES, max(2, self.n // 2))
        return few and self.distinct > 0 and (self.holds == "text" or self.is_whole)

    @property
    def may_be_names(self) -> bool:
        """Whether it tells every item from all others."""
        return (
            (self.holds == "text" or self.is_whole)
            and self.n_missing == 0
            and self.distinct == self.n
        )

    @property
    def roles(self) -> tuple[Role, ...]:
        """What it may be chosen for."""
        if self.holds in ("vectors", "image"):
            return ("vectors",) if self.holds == "vectors" else ("image",)
        if self.holds == "numbers":
            return ("feature", "labels", "names") if self.is_whole else ("feature",)
        return ("labels", "names") if self.holds == "text" else ()


def seen(table: Table, chunk: TableChunk) -> dict[str, Seen]:
    """Columns of a table by their names."""
    return {name: _seen(table, name, chunk.cells(name)) for name in table.names}


def _seen(table: Table, name: str, cells: Cells) -> Seen:
    n = len(cells)
    holds: Any = table.held_by(name) if isinstance(table, ArrowTable) else "text"
    if holds == "text":
        holds = _held_by_text(cells, holds)
    if holds == "vectors":
        lengths = cells.lengths()
        known = lengths[lengths >= 0]
        width = int(np.bincount(known).argmax()) if len(known) else 0
        about = f"lists of {width:,} numbers"
        return Seen(name, holds, n, int((lengths < 0).sum()), 0, 0, False, False, width, about)
    if holds in ("image", "other"):
        about = "images as files" if holds == "image" else "not read"
        return Seen(name, holds, n, 0, 0, 0, False, False, 0, about)
    if holds == "numbers":
        values, wrong = cells.numbers()
        known = values[np.isfinite(values)]
        missing = sum(reason == "has no value" for reason in wrong.values())
        is_whole = bool(len(known)) and bool((known == np.round(known)).all())
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        about = f"{'whole ' * is_whole}numbers, {low:g} to {high:g}"
        counts = is_whole and len(known) == n > 1 and bool((np.diff(known) == 1).all())
        is_counter = counts and (known[0] in (0, 1)) and _only_counts(name)
        distinct = len(np.unique(known))
        odd = len(wrong) - missing
        return Seen(name, holds, n, missing, odd, distinct, is_whole, is_counter, 0, about)
    text = cells.text()
    missing = sum(not each for each in text)
    distinct = len({each for each in text if each})
    longest = max(map(len, text), default=0)
    about = f"text, {distinct:,} different"
    if longest > LONGEST_NAME:
        distinct = n + 1  # neither classes nor names
    return Seen(name, "text", n, missing, 0, distinct, False, False, 0, about)


@dataclass(frozen=True, slots=True)
class Head:
    """The first rows of a table, by which its columns are known."""

    columns: Mapping[str, Seen]  # by their names
    n_rows: int  # of which all columns were looked at
    cells: Callable[[str], Cells]  # first rows of a column: of numbers and text it may be more


def head_of(table: Table) -> Head | None:
    """What its first rows tell of a table; None if there are none."""
    first = next(table.chunks(HEAD), None)
    if first is None:
        return None
    columns = seen(table, first)
    if not isinstance(table, ArrowTable):
        return Head(columns, first.n_rows, first.cells)
    cheap: set[str] = set()
    more = table.beginning(HEAD) if first.n_rows < min(HEAD, table.n_rows) else None
    if more is not None and more.n_rows > first.n_rows:
        cheap = {name for name in columns if table.held_by(name) in ("numbers", "text")}
        columns |= {name: _seen(table, name, more.cells(name)) for name in cheap}
    for name in table.class_names.keys() & columns.keys():
        columns[name] = replace(columns[name], is_said=True)

    def cells(name: str) -> Cells:
        return more.cells(name) if more is not None and name in cheap else first.cells(name)

    return Head(columns, first.n_rows, cells)


def _held_by_text(cells: Cells, otherwise: Holds) -> Holds:
    """Whether a column of text holds numbers, or lists of them, in most rows that hold anything."""
    values, wrong = cells.numbers()
    missing = sum(reason == "has no value" for reason in wrong.values())
    known = len(values) - missing
    if known and len(wrong) - missing <= known / 2:
        return "numbers"
    if known and (cells.lengths() > 1).sum() > known / 2:
        return "vectors"
    return otherwise


def _only_counts(name: str) -> bool:
    return is_called(name, COUNTERS) or name.startswith("__index")

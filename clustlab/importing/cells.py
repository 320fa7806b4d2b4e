"""Columns of a part of a table, whatever file it comes from: as numbers, text, vectors, bytes."""

import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar

import numpy as np

from clustlab.errors import DataError
from clustlab.types import Array

T = TypeVar("T")

MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "?", "-"))
"""What stands for a number that nobody knows, in small letters."""
NO_CLASS = frozenset(("", "nan"))
THOUSANDS = re.compile(r"^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?$")
LONGEST = 4_000  # letters of a text that are read
LONGEST_TOLD = 40  # letters of a value that a message shows
MOST_TOLD = 20  # values that a message lists
MOST_NEAR, COMPARED = 5, 2_000  # names that may have been meant, of so many that are compared

Commas = Literal["none", "decimal", "thousands"]
"""What stands after a comma within a number: nothing that is known, decimals or three digits."""
Wrong = dict[int, str]
"""Rows that hold something else than they should, and what, as the end of a sentence."""


class Cells(ABC):
    """A column in some consecutive rows."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of rows."""

    @abstractmethod
    def numbers(self) -> tuple[Array, Wrong]:
        """Values (m,) float64, nan where there is none, and which rows hold none."""

    @abstractmethod
    def classes(self) -> Array:
        """Classes (m,) as numbers, text or None."""

    @abstractmethod
    def text(self) -> list[str]:
        """Each value in words; empty where there is none."""

    def vectors(self, width: int) -> tuple[Array, Wrong]:
        """Lists of numbers (m, width) float32, and which rows hold no such list."""
        raise NotImplementedError

    def lengths(self) -> Array:
        """Length (m,) of each list; -1 where there is none."""
        raise NotImplementedError

    def encoded(self) -> list[bytes | None]:
        """Files of images (m,)."""
        raise NotImplementedError

    def paths(self) -> list[str]:
        """Names of files of images (m,); empty where nobody has kept them."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TableChunk:
    """Some consecutive rows of a table."""

    first: int  # row, counted from 0
    n_rows: int
    cells: Callable[[str], Cells]  # of a column by its name
    lines: Sequence[int] = ()  # (m,) where each row stands in a file of text, counted from 1


def told(value: str) -> str:
    """A value as a message shows it."""
    return repr(value if len(value) <= LONGEST_TOLD else f"{value[:LONGEST_TOLD]}...")


def told_some(values: Iterable[str], most: int = MOST_TOLD, between: str = ", ") -> str:
    """The first of some values, each cut, and how many more there are."""
    listed = list(values)
    few = [v if len(v) <= LONGEST_TOLD else f"{v[:LONGEST_TOLD]}..." for v in listed[:most]]
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return between.join(few) + more


def told_near(wanted: str, names: Iterable[str]) -> str:
    """Names that may have been meant by one that is not there, and how many more there are."""
    listed = list(names)
    if len(listed) <= MOST_TOLD:
        return told_some(listed)
    lower = {name.lower(): name for name in listed[:COMPARED]}
    near = [lower[each] for each in difflib.get_close_matches(wanted.lower(), lower, MOST_NEAR)]
    others = [name for name in listed if name not in near]
    return told_some([*near, *others], len(near) or MOST_TOLD)


class TextCells(Cells):
    """A column of a file of text, or one of text.

    Parameters
    ----------
    values : sequence of str
        None where there is nothing.
    commas : str
        Whether 1,5 is one and a half, or 1,500 fifteen hundred; else neither is a number.
    """

    def __init__(self, values: Sequence[str | None], commas: Commas = "none") -> None:
        self._values, self._commas = values, commas

    def __len__(self) -> int:
        return len(self._values)

    def numbers(self) -> tuple[Array, Wrong]:
        """See `Cells.numbers`."""
        given: Sequence[str | None] = self._values
        if self._commas == "decimal":
            given = [each.replace(",", ".") if each else each for each in given]
        elif self._commas == "thousands":
            given = [_without_commas(each) if each else each for each in given]
        values = _numbers(given)
        wrong = {}
        for row in np.flatnonzero(np.isnan(values)).tolist():
            text = (self._values[row] or "").strip()
            wrong[row] = "has no value" if text.lower() in MISSING else f"holds {told(text)}"
        return values, wrong

    def classes(self) -> Array:
        """See `Cells.classes`: numbers if all of them are, else text."""
        out = np.empty(len(self._values), object)
        for row, each in enumerate(self._values):
            text = (each or "").strip()
            out[row] = None if text.lower() in NO_CLASS else text
        return out

    def text(self) -> list[str]:
        """See `Cells.text`."""
        return [(each or "").strip() for each in self._values]

    def lengths(self) -> Array:
        """See `Cells.lengths`."""
        return np.array([-1 if v is None else len(v) for v in map(_list_in, self._values)])

    def vectors(self, width: int) -> tuple[Array, Wrong]:
        """See `Cells.vectors`."""
        out, wrong = np.full((len(self), width), np.nan, np.float32), {}
        for row, each in enumerate(map(_list_in, self._values)):
            if each is not None and len(each) == width:
                out[row] = each
            else:
                wrong[row] = _no_vector(-1 if each is None else len(each), width)
        return out, wrong


def _without_commas(text: str) -> str:
    return text.replace(",", "") if THOUSANDS.match(text.strip()) else text


def _numbers(given: Sequence[str | None]) -> Array:
    """Values (m,) float64 of text, nan where it is no number."""
    import pandas as pd

    values = np.array(given, dtype=object)
    try:
        return values.astype(np.float64)  # ten times as fast, if all of them are
    except (ValueError, TypeError):
        return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(np.float64, copy=True)


def _no_vector(length: int, width: int) -> str:
    if length < 0:
        return "has no list of numbers"
    return f"has {length:,} numbers instead of {width:,}"


_A_LIST = re.compile(r"^\[[-+\d.,eE\s]*\]$")


def _list_in(text: str | None) -> Array | None:
    """Numbers of a list written as text, such as `[0.1, 0.2]`; None if it is none."""
    text = (text or "").strip()
    if not _A_LIST.match(text):
        return None
    try:
        return np.array(text[1:-1].replace(",", " ").split(), np.float32)
    except ValueError:
        return None


def _read(method: Callable[..., T]) -> Callable[..., T]:
    """Raise `DataError` where what a file holds is not what it declares."""

    @wraps(method)
    def read(self: "ArrowCells", *args: Any) -> T:
        import pyarrow as pa

        try:
            return method(self, *args)
        except (pa.ArrowException, UnicodeDecodeError, OverflowError, MemoryError) as error:
            raise DataError(
                f"The column {told(self.name)} is damaged: it holds something else than it says.",
                "Save or download the table again.",
            ) from error

    return read


class ArrowCells(Cells):
    """A column of Arrow, as Parquet and Feather hold it.

    Raises
    ------
    DataError
        If it is damaged: in every method.
    """

    def __init__(self, name: str, array: Any) -> None:
        import pyarrow as pa

        self.name = name
        is_coded = pa.types.is_dictionary(array.type)
        # text stays coded: a long one that comes in every row is there only once
        self._array = array.dictionary_decode() if is_coded and not is_text(array.type) else array

    def _strings(self) -> list[str | None]:
        """Text (m,), of which equal ones are one and the same."""
        import pyarrow as pa

        if not pa.types.is_dictionary(self._array.type):
            return list(self._array.to_pylist())
        words = [each and each[:LONGEST] for each in self._array.dictionary.to_pylist()]
        places = self._array.indices.to_pylist()
        return [None if place is None else words[place] for place in places]

    def __len__(self) -> int:
        return len(self._array)

    @_read
    def numbers(self) -> tuple[Array, Wrong]:
        """See `Cells.numbers`."""
        import pyarrow as pa

        if held_by(self._array.type) == "text":
            return TextCells(self.text()).numbers()
        plain = self._array
        if pa.types.is_boolean(plain.type):
            plain = plain.cast(pa.int8())
        values = _as_numpy(plain.cast(pa.float64(), safe=False), np.float64)
        gone = np.flatnonzero(np.isnan(values)).tolist()
        return values, dict.fromkeys(gone, "has no value")

    @_read
    def classes(self) -> Array:
        """See `Cells.classes`."""
        import pyarrow as pa

        if is_text(self._array.type) or pa.types.is_boolean(self._array.type):
            return TextCells(self.text()).classes()
        if not is_number(self._array.type):
            return TextCells(self.text()).classes()
        return np.asarray(self._array.to_numpy(zero_copy_only=False))

    @_read
    def text(self) -> list[str]:
        """See `Cells.text`."""
        values = self._strings() if is_text(self._array.type) else self._array.to_pylist()
        return ["" if each is None else str(each).strip() for each in values]

    @_read
    def lengths(self) -> Array:
        """See `Cells.lengths`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if held_by(self._array.type) != "vectors":
            return TextCells(self.text()).lengths()
        lengths = pc.list_value_length(self._array).cast(pa.int64())
        return np.asarray(pc.fill_null(lengths, -1).to_numpy(zero_copy_only=False))

    @_read
    def vectors(self, width: int) -> tuple[Array, Wrong]:
        """See `Cells.vectors`."""
        import pyarrow as pa

        if held_by(self._array.type) != "vectors":
            return TextCells(self.text()).vectors(width)
        lengths = self.lengths()
        wrong = {
            row: _no_vector(int(lengths[row]), width)
            for row in np.flatnonzero(lengths != width).tolist()
        }
        out = np.full((len(self), width), np.nan, np.float32)
        fit = lengths == width
        chosen = self._array.filter(pa.array(fit))
        values = _as_numpy(chosen.flatten().cast(pa.float64(), safe=False), np.float64)
        with np.errstate(over="ignore"):
            out[fit] = values.reshape(-1, width).astype(np.float32)
        return out, wrong

    @_read
    def encoded(self) -> list[bytes | None]:
        """See `Cells.encoded`."""
        return self._part_of_struct("bytes") or list(self._array.to_pylist())

    @_read
    def paths(self) -> list[str]:
        """See `Cells.paths`."""
        return [each or "" for each in self._part_of_struct("path") or [""] * len(self)]

    def _part_of_struct(self, name: str) -> list[Any]:
        """Values (m,) of a part of a struct; none at all if it is no struct with such a part."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = self._array.type
        if not pa.types.is_struct(kind) or kind.get_field_index(name) < 0:
            return []
        return list(pc.struct_field(self._array, name).to_pylist())


def _as_numpy(array: Any, dtype: Any) -> Array:
    import pyarrow.compute as pc

    return np.asarray(pc.fill_null(array, np.nan).to_numpy(zero_copy_only=False), dtype)


# -- what a column holds ---------------------------------------------------------------------------
Holds = Literal["numbers", "text", "vectors", "image", "other"]


def is_text(kind: Any) -> bool:
    """Whether a type of Arrow is text."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return any(test(kind) for test in tests)


def is_number(kind: Any) -> bool:
    """Whether a type of Arrow is numbers."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return is_number(kind.value_type)
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(test(kind) for test in tests)


def held_by(kind: Any) -> Holds:
    """What a column of a type of Arrow holds, before any of its values is seen."""
    import pyarrow as pa

    types = pa.types
    if is_text(kind):
        return "text"
    if is_number(kind) or types.is_boolean(kind):
        return "numbers"
    tests = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    if any(test(kind) for test in tests) and is_number(kind.value_type):
        return "vectors"
    if types.is_struct(kind):
        names = [kind.field(i).name for i in range(kind.num_fields)]
        if "bytes" in names and is_binary(kind.field(names.index("bytes")).type):
            return "image"
    if is_binary(kind):
        return "image"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "text"
    return "other"


def is_binary(kind: Any) -> bool:
    """Whether a type of Arrow is plain bytes."""
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def joined(wrongs: Mapping[str, Wrong]) -> Wrong:
    """What is wrong in each row, by the column that it is wrong in: the first of them."""
    refused: Wrong = {}
    for column, wrong in wrongs.items():
        for row, reason in wrong.items():
            refused.setdefault(row, f"{reason} in column {told(column)}")
    return refused

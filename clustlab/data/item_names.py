"""Names of items on disk: any number of any length, each read when it is asked for."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self, overload

import numpy as np

from clustlab.data import checked_arrays
from clustlab.data.checked_arrays import Declared
from clustlab.data.checked_json import Unreadable
from clustlab.types import Array, Dataset

LETTERS, ENDS = "names.npy", "name-ends.npy"
TOGETHER = 100_000  # names that are read at once
MANY = 50  # of so many names one has to be asked for, so that all are read
LONGEST = 4_000  # bytes of a name that are read
IN_A_LINE = 40  # letters of a name that are shown within a line
IN_WHOLE_DRAW = ("row in the whole draw", "row_in_whole_draw")
"""Column of exports for people and for programs: number of an item where none are left out."""


class GrowingNames:
    """Names that come in piece by piece, a few bytes more than their letters in memory."""

    def __init__(self) -> None:
        self._letters = bytearray()
        self._ends = array("q")

    def __len__(self) -> int:
        return len(self._ends)

    def extend(self, names: Iterable[str]) -> None:
        """Add names."""
        for name in names:
            self._letters += name.encode("utf-8", "replace")[:LONGEST]
            self._ends.append(len(self._letters))

    def arrays(self) -> tuple[Array, Array]:
        """Letters (m,) uint8 and ends (n,) int64, as `ItemNames` takes them."""
        letters = np.frombuffer(bytes(self._letters), np.uint8)
        return letters, np.array(self._ends, np.int64)

    def joined(self) -> Iterator[bytes]:
        """All letters, with a zero between two names, some at a time."""
        start = 0
        for first in range(0, len(self), TOGETHER):
            ends = self._ends[first : first + TOGETHER]
            starts = [start, *ends[:-1]]
            pieces = [self._letters[a:b] for a, b in zip(starts, ends, strict=True)]
            yield (b"\0" if first else b"") + b"\0".join(pieces)
            start = ends[-1]


class ItemNames(Sequence[str]):
    """Names in two arrays: their letters one after the other, and where each of them ends.

    Parameters
    ----------
    letters : array
        (m,) uint8, text in UTF-8.
    ends : array
        (n,) int64.
    folder : Path, optional
        Where they lie.
    """

    def __init__(self, letters: Array, ends: Array, folder: Path | None = None) -> None:
        self._letters, self._ends, self._folder = letters, ends, folder

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied by where they lie: charts are known by a digest of what they are made of."""
        if self._folder is None:
            return ItemNames, (self._letters, self._ends)
        return ItemNames.from_folder, (self._folder, len(self))

    @classmethod
    def made_of(cls, names: Sequence[str]) -> Self:
        """The same names, packed."""
        packed = GrowingNames()
        packed.extend(names)
        return cls(*packed.arrays())

    @classmethod
    def from_folder(cls, folder: Path, n: int) -> Self:
        """Names of n items from a folder, mapped and not read.

        Raises
        ------
        FileNotFoundError
            If there are none.
        Unreadable
            If they are not what they should be.
        """

        def of_letters(name: str, about: Declared) -> None:
            if len(about.shape) != 1 or about.dtype != np.uint8:
                raise Unreadable(f"{LETTERS} has the shape {about.shape} of {about.dtype}")

        def of_ends(name: str, about: Declared) -> None:
            if about.shape != (n,) or about.dtype != np.int64:
                raise Unreadable(f"{ENDS} has the shape {about.shape} of {about.dtype}")

        parent = folder.parent
        letters = checked_arrays.mapped(parent, f"{folder.name}/{LETTERS}", of_letters)
        ends = checked_arrays.mapped(parent, f"{folder.name}/{ENDS}", of_ends)
        return cls(letters, ends, folder)

    def save(self, folder: Path) -> None:
        """Write them into a folder."""
        np.save(folder / LETTERS, self._letters)
        np.save(folder / ENDS, self._ends)

    def holding(self, text: str) -> Iterator[int]:
        """Items whose names hold a text, letters from a to z in whatever case."""
        wanted, letters = text.encode().lower(), bytes(self._letters).lower()
        at = letters.find(wanted)
        while at >= 0:
            item = int(np.searchsorted(self._ends, at, side="right"))
            if item >= len(self):  # of a damaged file
                return
            end = int(self._ends[item])
            is_within = at + len(wanted) <= end  # else it ends in the next name
            if is_within:
                yield item
            at = letters.find(wanted, end if is_within else at + 1)

    def called(self, name: str) -> Array:
        """Items (m,) int64 that have just this name."""
        wanted = np.frombuffer(name.encode(), np.uint8)
        ends = np.asarray(self._ends)
        starts = np.concatenate([[0], ends[:-1]])
        is_sound = (starts >= 0) & (ends <= len(self._letters))  # else of a damaged file
        same = np.flatnonzero((ends - starts == len(wanted)) & is_sound)
        for place, letter in enumerate(wanted):
            same = same[self._letters[starts[same] + place] == letter]
        return same

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"there are {n} names, not {index}")
        place = index % n
        start = int(self._ends[place - 1]) if place else 0
        end = int(self._ends[place])
        if not 0 <= start <= end <= min(len(self._letters), start + LONGEST):
            return ""  # of a damaged file
        return bytes(self._letters[start:end]).decode("utf-8", "replace")

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), TOGETHER):
            yield from self._part(first, min(first + TOGETHER, len(self)))

    def _part(self, first: int, last: int) -> list[str]:
        """Consecutive names, read at once: one by one, each takes as long as fifty of them."""
        ends = np.asarray(self._ends[first:last], np.int64)
        starts = np.concatenate([self._ends[first - 1 : first] if first else [0], ends[:-1]])
        longest = np.minimum(len(self._letters), starts + LONGEST)
        if ((starts < 0) | (ends < starts) | (ends > longest)).any():
            return [self[i] for i in range(first, last)]  # of a damaged file
        offset = int(starts[0])
        letters = bytes(self._letters[offset : int(ends[-1])])
        places = zip((starts - offset).tolist(), (ends - offset).tolist(), strict=True)
        return [letters[start:end].decode("utf-8", "replace") for start, end in places]


def names_at(names: Sequence[str], rows: Array) -> list[str]:
    """Names of some items (m,), in the order of their rows."""
    if len(names) <= MANY * len(rows):
        every = list(names)
        return [every[row] for row in rows.tolist()]
    return [names[row] for row in rows.tolist()]


def items_named(names: Sequence[str], text: str, most: int) -> list[int]:
    """Items (at most so many) that are called so; if there is none, those whose names hold it."""
    wanted = text.strip()
    if not wanted:
        return []
    packed = names if isinstance(names, ItemNames) else ItemNames.made_of(names)
    exact: list[int] = packed.called(wanted)[:most].tolist()
    return exact or list(islice(packed.holding(wanted), most))


def shortened(name: str, longest: int = IN_A_LINE) -> str:
    """A name for one line: without line breaks, and cut in its middle if it is long.

    The end of the name of a file often says most.
    """
    line = " ".join(name.split())
    if len(line) <= longest:
        return line
    end = (longest - 1) // 2
    return f"{line[: longest - 1 - end]}…{line[-end:]}"


def item_words(dataset: Dataset, item: int, number: int | None = None) -> str:
    """An item within a line, such as `item 12`, or `cat-3.png (item 12)` where it has a name.

    `number` is the one to say, where that is not its own.
    """
    words = f"item {item if number is None else number}"
    name = shortened(dataset.name_of(item))
    return f"{name} ({words})" if name else words

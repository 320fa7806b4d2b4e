"""Arrays in files that anybody may have written: what they declare is checked before it is read."""

import math
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, BinaryIO, Literal

import numpy as np

from clustlab.data import plain_files, stored_archives
from clustlab.data.checked_json import Unreadable
from clustlab.types import Array

KINDS = "fiu"  # of numbers
LONGEST_HEAD = 2000  # letters in which an array declares itself
NAMES_AT = 26  # where a member's head says how long its name and its extra field are
HEAD = 30  # bytes of a member's head before them
# numpy parses the head of an array, and the parser of CPython 3.11 now and then raises a
# SystemError ("AST constructor recursion depth mismatch") when threads use it at the same time
_parsing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Declared:
    """What an array says of itself before its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    order: Literal["C", "F"]

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


Check = Callable[[str, Declared], None]
"""Raises `Unreadable` if an array of a name is not what it should be, before it is read."""


def declared(file: IO[bytes], kinds: str = KINDS, letters: int = 0) -> Declared:
    """What the array at the beginning of a file says of itself; the file stands at its numbers.

    Parameters
    ----------
    kinds : str
        Of values that it may hold, as numpy calls them.
    letters : int
        That a text may have, if `kinds` allows any.

    Raises
    ------
    Unreadable
        If it is none of numbers.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        with _parsing:
            shape, by_column, dtype = read(file, LONGEST_HEAD)
    except Exception as error:  # numpy leaves it to parsers of Python, which raise many things
        raise Unreadable("an array is cut off or damaged") from error
    longest = 4 * letters if dtype.kind in "US" else 8
    if dtype.kind not in kinds or not 0 < dtype.itemsize <= longest:
        raise Unreadable(f"an array holds {dtype}, not plain numbers")
    if min(shape, default=0) < 0:
        raise Unreadable(f"an array has the shape {shape}")
    return Declared(shape, dtype, "F" if by_column else "C")


def mapped(folder: Path, name: str, check: Check) -> Array:
    """Array in a file of its own, mapped and not read.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    Unreadable
        If it is not what it should be, or is cut off.
    """
    with plain_files.opened(folder, name) as file:
        name = PurePath(name).name
        about = _declared_in(file, name)
        check(name, about)
        start, size = file.tell(), file.seek(0, 2)
        if size - start != about.nbytes:
            raise Unreadable(f"{name} holds {size - start:,} of {about.nbytes:,} bytes of numbers")
        return np.memmap(file, about.dtype, "r", start, about.shape, about.order)


def _declared_in(file: IO[bytes], name: str) -> Declared:
    try:
        return declared(file)
    except Unreadable as error:
        raise Unreadable(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Member:
    """An array in an archive: where its bytes stand, with its own head."""

    start: int
    size: int


class Arrays(Mapping[str, Array]):
    """Arrays by name in an archive as `numpy.savez` writes it: each is read when it is asked for.

    An archive that is compressed is refused, since its size says nothing of what it becomes.

    Parameters
    ----------
    file : file
        Open as long as arrays are asked for.
    check : callable
        Judges what an array declares before it is read.

    Raises
    ------
    Unreadable
        If it is no such archive, or an array is not what it should be.
    """

    def __init__(self, file: BinaryIO, check: Check) -> None:
        self._file, self._check = file, check
        self._archive = stored_archives.opened(file)

    def __getitem__(self, name: str) -> Array:
        info = self._archive.NameToInfo[f"{name}.npy"]
        with stored_archives.readable(), self._archive.open(info) as file:
            about = _declared_in(file, name)
            self._check(name, about)
            if file.tell() + about.nbytes != info.file_size:
                raise Unreadable(f"{name} holds {info.file_size:,} bytes, not {about.nbytes:,}")
            content = file.read()  # also compares the sum of all bytes with the one kept beside it
        return np.frombuffer(content, about.dtype).reshape(about.shape, order=about.order)

    def declared(self, name: str) -> Declared:
        """What an array says of itself; raises `KeyError` if there is none."""
        info = self._archive.NameToInfo[f"{name}.npy"]
        with stored_archives.readable(), self._archive.open(info) as file:
            return _declared_in(file, name)

    def member(self, name: str) -> Member:
        """Where an array stands in the file; raises `KeyError` if there is none."""
        info = self._archive.NameToInfo[f"{name}.npy"]
        with stored_archives.readable():
            self._file.seek(info.header_offset + NAMES_AT)
            start = info.header_offset + HEAD + sum(struct.unpack("<HH", self._file.read(4)))
        return Member(start, info.file_size)

    def __contains__(self, name: object) -> bool:
        return f"{name}.npy" in self._archive.NameToInfo

    def __iter__(self) -> Iterator[str]:
        return (name.removesuffix(".npy") for name in self._archive.NameToInfo)

    def __len__(self) -> int:
        return len(self._archive.NameToInfo)

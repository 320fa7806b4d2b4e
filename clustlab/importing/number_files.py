"""Arrays of numbers or text in files that anybody may have written, read a few rows at a time.

`.npy`, `.npz` (compressed or not), and idx as MNIST is shipped, also in gzip. What an array
declares is checked before room is made for it, and nothing is ever unpickled.
"""

import contextlib
import gzip
import math
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from clustlab.data import checked_arrays, stored_archives
from clustlab.data.checked_json import Unreadable
from clustlab.errors import DataError
from clustlab.importing.plan import Limits
from clustlab.importing.source_entries import is_hidden, megabytes
from clustlab.types import Array

PIECE = 8 * 2**20  # bytes of rows that are read together
TURNED = 512 * 2**20  # bytes of an array by columns in an archive, which has to be read whole
MOST_ARRAYS = 200
LONGEST_TEXT = 4_000  # letters of a text in an array
KINDS = "fiubUS"  # numbers, yes or no, text
IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
IDX_MARKS = tuple(bytes((0, 0, code)) for code in IDX_TYPES)  # with which idx files begin
NPY = b"\x93NUMPY"
DAMAGED = (
    *(OSError, EOFError, ValueError, OverflowError, struct.error),
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
)
"""What archives and decompressors raise over a damaged file."""


class Numbers(ABC):
    """An array in a file, of which a few rows at a time are read."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape, self.dtype = shape, dtype

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    @abstractmethod
    def pieces(self, rows: int) -> Iterator[Array]:
        """Consecutive parts of so many rows; the last one may have fewer.

        Raises
        ------
        DataError
            If the file is cut off or damaged.
        """

    def all(self) -> Array:
        """The whole array; for labels and names, which are small."""
        parts = list(self.pieces(rows_together(self.row_bytes)))
        return np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)


def rows_together(row_bytes: int, most: int = PIECE) -> int:
    """How many rows are read together, 1 or more."""
    return max(1, most // max(1, row_bytes))


class Mapped(Numbers):
    """An array of a `.npy` file, mapped and not read."""

    def __init__(self, array: Array) -> None:
        super().__init__(array.shape, array.dtype)
        self._array = array

    def pieces(self, rows: int) -> Iterator[Array]:
        """See `Numbers.pieces`."""
        for start in range(0, len(self), rows):
            yield np.asarray(self._array[start : start + rows])


class Streamed(Numbers):
    """An array whose bytes come one after the other, out of an archive or a gzip file."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(shape, dtype)
        self._path = path

    @abstractmethod
    def _opened(self) -> IO[bytes]:
        """A file that stands at the first number."""

    def pieces(self, rows: int) -> Iterator[Array]:
        """See `Numbers.pieces`."""
        try:
            with self._opened() as file:
                for start in range(0, len(self), rows):
                    shape = (min(rows, len(self) - start), *self.shape[1:])
                    yield np.frombuffer(_exactly(file, shape, self.dtype), self.dtype).reshape(
                        shape
                    )
                if file.read(1):
                    raise DataError(
                        f"{self._path.name} holds more numbers than it declares.", "Save it again."
                    )
        except DAMAGED as error:
            raise damaged(self._path) from error


def _exactly(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    wanted = math.prod(shape) * dtype.itemsize
    content = file.read(wanted)
    while len(content) < wanted:
        more = file.read(wanted - len(content))
        if not more:
            raise EOFError
        content += more
    return content


def damaged(path: Path) -> DataError:
    """What to say of a file that is cut off."""
    return DataError(f"{path.name} is cut off or damaged.", "Save or download it again.")


class _Zipped(Streamed):
    """An array of an `.npz` archive."""

    def __init__(
        self, path: Path, member: str, about: checked_arrays.Declared, by_column: bool
    ) -> None:
        super().__init__(path, about.shape, about.dtype)
        self._member, self._by_column = member, by_column

    def _opened(self) -> IO[bytes]:
        archive = zipfile.ZipFile(self._path)
        file = archive.open(self._member)
        checked_arrays.declared(file, KINDS, LONGEST_TEXT)
        return file

    def pieces(self, rows: int) -> Iterator[Array]:
        """See `Numbers.pieces`."""
        if not self._by_column:
            yield from super().pieces(rows)
            return
        if len(self) * self.row_bytes > TURNED:
            raise DataError(
                f"{self._member} in {self._path.name} is stored by columns, and too large to be "
                "turned.",
                "Save it with numpy.ascontiguousarray.",
            )
        try:
            with self._opened() as file:
                content = _exactly(file, self.shape, self.dtype)
        except DAMAGED as error:
            raise damaged(self._path) from error
        turned = np.frombuffer(content, self.dtype).reshape(self.shape, order="F")
        for start in range(0, len(self), rows):
            yield np.ascontiguousarray(turned[start : start + rows])


class _Idx(Streamed):
    """An array of an idx file."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(path, shape, dtype)

    def _opened(self) -> IO[bytes]:
        file = _plain_or_gzip(self._path)
        file.read(4 + 4 * len(self.shape))
        return file


# -- opening -------------------------------------------------------------------------------------
def arrays_in(path: Path, limits: Limits) -> Mapping[str, Numbers]:
    """Arrays by name in a file, none of which was read yet; one without a name is called `x`.

    Raises
    ------
    DataError
        If it holds none, or is not what its name says, or is larger than the limits allow.
    """
    check_plain(path)
    try:
        with path.open("rb") as file:
            mark = file.read(len(NPY))
        if mark.startswith(b"PK") or path.suffix.lower() == ".npz":
            return _of_archive(path, limits)
        if mark == NPY or path.suffix.lower() == ".npy":
            return {"x": _of_npy(path, limits)}
        return {"x": _of_idx(path, limits)}
    except Unreadable as error:
        raise DataError(
            f"{path.name} cannot be read: {error}.", "Save it again as numbers."
        ) from error
    except DAMAGED as error:
        raise damaged(path) from error


def check_plain(path: Path) -> None:
    """Refuse what is no file, such as a folder or a pipe, before it is opened."""
    if not path.exists():
        raise DataError(f"There is no file {path}.", "Check its name.")
    if not path.is_file():
        raise DataError(f"{path} is no file.", "Name a file.")
    if not path.stat().st_size:
        raise DataError(f"{path.name} is empty.", "Save or download it again.")


def _of_npy(path: Path, limits: Limits) -> Numbers:
    with path.open("rb") as file:
        about = _declared(file, "its array")
        _check_size(path, about, limits)
        start, size = file.tell(), file.seek(0, 2)
        if size - start != about.nbytes:
            raise Unreadable(f"it holds {size - start:,} of {about.nbytes:,} bytes of numbers")
        if not about.nbytes:
            return Mapped(np.empty(about.shape, about.dtype))
        return Mapped(np.memmap(file, about.dtype, "r", start, about.shape, about.order))


def _of_archive(path: Path, limits: Limits) -> dict[str, Numbers]:
    with path.open("rb") as file:
        stored_archives.check_list(file)
        with zipfile.ZipFile(file) as archive:
            members = [each for each in archive.infolist() if is_array(each.filename)]
            if not members:
                raise Unreadable("it holds no arrays")
            if len(members) > MOST_ARRAYS:
                raise Unreadable(f"it holds {len(members):,} arrays, more than {MOST_ARRAYS}")
            found: dict[str, Numbers] = {}
            in_all = 0
            for each in members:
                name = each.filename.removesuffix(".npy")
                with archive.open(each) as member:
                    about = _declared(member, name)
                    in_all += about.nbytes
                    _check_size(path, about, limits, in_all)
                    if member.tell() + about.nbytes != each.file_size:
                        raise Unreadable(
                            f"{name} holds {each.file_size:,} bytes, not {about.nbytes:,}"
                        )
                by_column = about.order == "F" and len(about.shape) > 1
                found[name] = _Zipped(path, each.filename, about, by_column)
    return found


def is_array(name: str) -> bool:
    """Whether a file of an archive is called like an array, and not left behind by a system."""
    return name.endswith(".npy") and not is_hidden(name)


def left_in(path: Path) -> list[str]:
    """Files of an archive that are no arrays; none of what is no archive of arrays."""
    with contextlib.suppress(*DAMAGED), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        return [n for n in names if not n.endswith(("/", ".npy")) and not is_hidden(n)]
    return []


def _declared(file: IO[bytes], name: str) -> checked_arrays.Declared:
    try:
        about = checked_arrays.declared(file, KINDS, LONGEST_TEXT)
    except Unreadable as error:
        if "object" in str(error):
            raise Unreadable(f"{name} holds Python objects, which are never loaded") from error
        raise Unreadable(f"{name}: {error}") from error
    if not about.shape:
        return checked_arrays.Declared((1,), about.dtype, about.order)
    return about


def _check_size(
    path: Path, about: checked_arrays.Declared, limits: Limits, in_all: int | None = None
) -> None:
    """Nothing, if an array, and all up to it, is not larger than it may be; else `DataError`."""
    n = about.shape[0] if about.shape else 1
    if n > limits.items:
        raise DataError(
            f"{path.name} declares {n:,} items, more than the limit of {limits.items:,}.",
            "Raise the limit, or save a part of it.",
        )
    nbytes = about.nbytes if in_all is None else in_all
    if nbytes > limits.bytes_in_all:
        raise DataError(
            f"{path.name} declares {megabytes(nbytes)}, more than the limit of "
            f"{megabytes(limits.bytes_in_all)} for all.",
            "Raise the limit, or save a part of it.",
        )


def _of_idx(path: Path, limits: Limits) -> Numbers:
    with _plain_or_gzip(path) as file:
        head = file.read(4)
        if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or not 0 < head[3] < 5:
            raise Unreadable("it is no idx file, as MNIST is shipped")
        sizes = file.read(4 * head[3])
        if len(sizes) < 4 * head[3]:
            raise EOFError
    shape = struct.unpack(f">{head[3]}I", sizes)
    dtype = np.dtype(IDX_TYPES[head[2]])
    _check_size(path, checked_arrays.Declared(shape, dtype, "C"), limits)
    return _Idx(path, shape, dtype)


def _plain_or_gzip(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    if is_packed:
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")

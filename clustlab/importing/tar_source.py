"""A tar archive, whether compressed or not, entry by entry from its beginning.

A head in an archive may claim any length, and what is unpacked may never end: no more is read than
the limits of an import allow.
"""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from typing import IO, Any, BinaryIO

from clustlab.data.checked_json import Unreadable
from clustlab.errors import DataError
from clustlab.importing.plan import Limits, Refused
from clustlab.importing.source_entries import (
    PIECE,
    Entry,
    Names,
    Opens,
    Reads,
    megabytes,
    nothing,
)

LONGEST_HEAD = 2**20  # bytes of the head of an entry, such as a very long name
XZ_MEMORY = 2**28  # bytes that unpacking may ask for; the strongest setting of xz needs a quarter


class Tar:
    """A tar archive, compressed or not, which is read from its beginning each time."""

    def __init__(
        self,
        origin: str,
        file: BinaryIO,
        unpack: Callable[[BinaryIO], Reads] | None,
        limits: Limits,
    ) -> None:
        self.tick: Callable[[], None] = nothing
        self.origin, self._file, self._unpack, self._limits = origin, file, unpack, limits
        self._size = max(1, file.seek(0, 2))

    @property
    def progress(self) -> float:
        """Share of the file that was read, in [0, 1]."""
        return min(1.0, self._file.tell() / self._size)

    def entries(self) -> Iterator[Entry | Refused]:
        """Every entry that is not hidden; what follows a damaged place is refused as one.

        Raises
        ------
        DataError
            If it is no archive from the start, or holds more than it may.
        """
        names, n = Names(), 0
        self._file.seek(0)
        unpacked = self._unpack(self._file) if self._unpack else self._file
        skip = None if self._unpack else self._file.seek
        stream = _Forward(unpacked, self._limits.bytes_in_all, skip, lambda: self.tick())
        try:
            archive = tarfile.TarFile(fileobj=stream, mode="r")  # type: ignore[arg-type]
            while (about := archive.next()) is not None:
                archive.members.clear()  # type: ignore[attr-defined]  # it would keep all that it has seen
                n += 1
                if about.isdir():
                    continue
                found = names.entry(
                    about.name, about.size, _opener_in_tar(archive, about), _flaw_in_tar(about)
                )
                if found is not None:
                    yield found
            whole = stream.ended_well
        except DataError:
            raise
        except Exception:  # readers of archives raise many things over a damaged one
            if stream.was_stopped:
                raise
            whole = False
        if not whole:
            hint = "Pack it anew, or give the folder itself."
            if not n:
                raise DataError(f"{self.origin} is no archive, or is damaged.", hint)
            yield Refused(self.origin, f"is cut off or damaged after {n:,} entries")


def _opener_in_tar(archive: tarfile.TarFile, about: tarfile.TarInfo) -> Opens:
    def open_() -> IO[bytes]:
        file = archive.extractfile(about)
        if file is None:
            raise Unreadable("is no file")
        return file

    return open_


def _flaw_in_tar(about: tarfile.TarInfo) -> str:
    if about.issym() or about.islnk():
        return "is a link"
    if not about.isreg():
        return "is a device, or something else that is no file"
    return "is a file with holes" if about.issparse() else ""


class _Forward:
    """A stream that can only be read on, never too much at once nor in all."""

    def __init__(
        self,
        file: Reads,
        most: int,
        skip: Callable[[int], object] | None,
        tick: Callable[[], None],
    ) -> None:
        self._file, self._most, self._skip, self._tick = file, most, skip, tick
        self.was_stopped = False
        self._at = 0
        self._last = b""

    @property
    def ended_well(self) -> bool:
        """Whether what was read last marks the end of an archive, and is no damaged head."""
        return not self._last.strip(b"\0") and len(self._last) in (0, tarfile.BLOCKSIZE)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LONGEST_HEAD:
            raise Unreadable("an entry has too long a head")
        self._last = self._file.read(size)
        self._move(self._at + len(self._last))
        return self._last

    def _move(self, at: int) -> None:
        self._at = at
        if at > self._most:
            raise DataError(
                f"The archive holds more than {megabytes(self._most)}.",
                "Import it in parts, or raise the limit.",
            )

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence or offset < self._at:
            raise Unreadable("an archive is read from its beginning to its end")
        if self._skip:
            self._skip(offset)
            self._move(offset)
        while self._at < offset and self.read(min(PIECE, offset - self._at)):
            self.was_stopped = True  # if the next line raises
            self._tick()
            self.was_stopped = False
        return self._at


class _Xz(io.RawIOBase):
    """What a file of xz unpacks to, with a limit on the memory that it asks for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        while not self._unpacker.eof:
            packed = self._file.read(PIECE) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not packed:
                raise EOFError("an archive is cut off")
            if piece := self._unpacker.decompress(packed, len(room)):
                room[: len(piece)] = piece
                return len(piece)
        return 0


UNPACKERS: dict[bytes, Callable[[BinaryIO], Reads]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": lambda file: bz2.BZ2File(file),
    b"\xfd7zXZ\0": lambda file: io.BufferedReader(_Xz(file), PIECE),
}

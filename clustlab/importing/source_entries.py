"""Entries of what was given for an import: their names are judged before anything else.

Nothing is ever unpacked to the disk: an entry is read into memory, up to a limit, when it is asked
for. What is refused is handed out as `Refused`.
"""

import io
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from clustlab.data.checked_json import Unreadable
from clustlab.importing.plan import Refused

SYSTEM = ("__MACOSX", "Thumbs.db", "desktop.ini", "ehthumbs.db", "@eaDir")
ARCHIVES = ("zip", "tar", "tgz", "gz", "tbz2", "bz2", "txz", "xz", "7z", "rar", "zst")
HEAD = 1024  # bytes by which a file is judged
PIECE = 2**20  # bytes read at a time
LONGEST_NAME = 4_000  # bytes of the name of an entry
DRIVE = re.compile(r"[A-Za-z]:")
UNSHOWN = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Reads(Protocol):
    """What can be read in order."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, none at the end."""
        ...


Opens = Callable[[], AbstractContextManager[Reads]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file. It can be read once, until the next one is asked for."""

    name: str  # relative, with `/` between folders
    size: int  # bytes, as declared
    open: Opens

    def read(self, most: int, check: Callable[[bytes], None] = lambda head: None) -> bytes:
        """All of it, once.

        Parameters
        ----------
        check : callable
            Judges its first bytes before the others are read.

        Raises
        ------
        Unreadable
            If it is larger than `most` bytes, whatever it declared, or is damaged.
        """
        if self.size > most:
            raise Unreadable(too_large(self.size, most))
        try:
            with self.open() as file:
                content = io.BytesIO()  # which grows, and hands out what it holds, without a copy
                content.write(file.read(HEAD))
                check(content.getvalue())
                while content.tell() <= most and (piece := file.read(PIECE)):
                    content.write(piece)
        except Unreadable:
            raise
        except Exception as error:  # readers of archives raise many things over a damaged one
            raise Unreadable("is damaged, or cannot be read") from error
        if content.tell() > most:
            raise Unreadable(f"has more than {megabytes(most)}, whatever it declares")
        return content.getvalue()


class Opened(Protocol):
    """What was given, open to be read."""

    origin: str  # what it is called
    tick: Callable[[], None]  # called while much of it is passed over; may raise to stop

    @property
    def progress(self) -> float:
        """Share of it that was handed out, in [0, 1]; 0 where nobody knows."""
        ...

    def entries(self) -> Iterator[Entry | Refused]:
        """Every entry that is not hidden, in the same order each time."""
        ...


def nothing() -> None:
    """Tick without anybody who waits for it."""


def clean(raw: str) -> str:
    """Name with `/` between folders, that can be printed and stored."""
    text = raw.encode("utf-8", "replace").decode("utf-8").replace("\\", "/")
    return UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text)


def is_hidden(name: str) -> bool:
    """Whether an entry is one of those that systems leave behind; such are passed over."""
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return any(part.startswith(".") or part in SYSTEM for part in parts)


def _judged(name: str) -> str:
    """The same name in its shortest form; raises `Unreadable` if it leads elsewhere."""
    if name.startswith("/") or DRIVE.match(name):
        raise Unreadable("has a name that begins at the root of a disk")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Unreadable("has a name that leads out of its folder")
    if not parts:
        raise Unreadable("has no name")
    if parts[-1].rpartition(".")[2].lower() in ARCHIVES and "." in parts[-1]:
        raise Unreadable("is an archive within what was given; import it on its own")
    return "/".join(parts)


class Names:
    """Judges names in turn, and finds those that come twice."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def entry(self, raw: str, size: int, open_: Opens, flaw: str = "") -> Entry | Refused | None:
        """Entry of a name, or why it is refused; None if it is hidden."""
        if (n := len(raw.encode("utf-8", "replace"))) > LONGEST_NAME:
            why = f"has a name of {n:,} bytes, more than {LONGEST_NAME:,}"
            return Refused(clean(raw[:LONGEST_NAME]), why)
        name = clean(raw)
        if is_hidden(name):
            return None
        try:
            short = _judged(name)
            if flaw:
                raise Unreadable(flaw)
            if short in self._seen:
                raise Unreadable("comes a second time under the same name")
        except Unreadable as error:
            return Refused(name or "(no name)", str(error))
        self._seen.add(short)
        return Entry(short, size, open_)


def too_large(size: int, most: int) -> str:
    """Why something is refused, as the end of a sentence."""
    return f"has {megabytes(size)}, more than {megabytes(most)}"


def megabytes(size: int) -> str:
    """Size in bytes, in words."""
    if size < 2**20:
        return f"{size / 2**10:,.0f} KB" if size >= 2**10 else f"{size:,} bytes"
    if size >= 10 * 2**30:
        return f"{size / 2**30:,.0f} GB"
    return f"{size / 2**20:,.0f} MB" if size >= 10 * 2**20 else f"{size / 2**20:,.2g} MB"


def flaw_of(mode: int) -> str:
    """Why an entry of this mode of Unix is refused; empty if it is a plain file."""
    if stat.S_ISREG(mode):
        return ""
    return "is a link" if stat.S_ISLNK(mode) else "is a device, or something else that is no file"

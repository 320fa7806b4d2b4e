"""What a folder, an archive or a list of uploaded files holds, one entry after the other."""

import contextlib
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.errors import DataError, storage_errors
from clustlab.importing.plan import Limits, Refused, Source, Upload, told_name
from clustlab.importing.source_entries import (
    Entry,
    Names,
    Opened,
    Opens,
    Reads,
    flaw_of,
    is_hidden,
    nothing,
)
from clustlab.importing.tar_source import UNPACKERS, Tar

LONGEST_LIST = 2**26  # bytes in which a ZIP archive lists its files; read, it takes ten times that
END = 2**16 + 200  # bytes within which an archive says where its list is
IN_PARTS = "Give the folder itself, or a TAR archive."
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


@contextlib.contextmanager
def opened(given: Source, limits: Limits) -> Iterator[Opened]:
    """What was given, until the context ends.

    Raises
    ------
    DataError
        If it is not there, or is an archive that cannot be opened or holds too much.
    StorageError
        If the machine does not let us read it.
    """
    with contextlib.ExitStack() as stack, storage_errors():
        if isinstance(given, Path):
            if given.is_dir():
                yield _Folder(given)
                return
            if not given.exists():
                raise DataError(f"There is no file or folder {given}.", "Check its name.")
            file: BinaryIO = stack.enter_context(given.open("rb"))
            given = [(given.name, file)]
        if not given:
            raise DataError("Nothing was given.", "Choose files, or a folder that holds some.")
        name, file = given[0]
        if len(given) > 1 or (archive := _archive(name, file, limits, stack)) is None:
            yield _Uploads(given)
        else:
            yield archive


def _archive(
    name: str, file: BinaryIO, limits: Limits, stack: contextlib.ExitStack
) -> Opened | None:
    """Archive in a file, or None if it is none."""
    file.seek(0)
    head = file.read(512)
    file.seek(0)
    base = told_name(name.rpartition("/")[2])
    if head.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return _Zip(base, stack.enter_context(_zip(base, file)))
    for mark, unpack in UNPACKERS.items():
        if head.startswith(mark):
            return Tar(base, file, unpack, limits)
    if head[257:262] == b"ustar" or base.lower().endswith(".tar"):
        return Tar(base, file, None, limits)
    if head.startswith((b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\x28\xb5\x2f\xfd")):
        raise DataError(
            f"{base} is an archive of a kind that cannot be opened here.",
            "Pack its files as ZIP or TAR, or give the folder itself.",
        )
    return None


# -- folders and uploads -------------------------------------------------------------------------
_FOLDER = "/"  # ends the name of a folder, which puts it where an archive would have it


class _Folder:
    """A folder of this machine, with all folders in it; links in it are not followed."""

    progress = 0.0

    def __init__(self, folder: Path) -> None:
        self.tick: Callable[[], None] = nothing
        self._folder = folder.resolve()
        self.origin = self._folder.name or str(self._folder)

    def entries(self) -> Iterator[Entry | Refused]:
        names = Names()
        for name, flaw in self._names():
            found = names.entry(name, self._size(name), self._opener(name), flaw)
            if found is not None:
                yield found

    def _names(self) -> Iterator[tuple[str, str]]:
        """Relative names of all files in order, and why each is refused, if it is."""
        waiting = [_FOLDER]  # the next one last; without recursion, since folders may be deep
        while waiting:
            name = waiting.pop()
            if not name.endswith(_FOLDER):
                yield name, flaw_of(self._mode(name))
                continue
            try:
                with os.scandir(self._folder / name.lstrip(_FOLDER)) as listed:
                    inside = [
                        f"{name}{each.name}{_FOLDER if each.is_dir(follow_symlinks=False) else ''}"
                        for each in listed
                        if not is_hidden(each.name)
                    ]
            except OSError:
                yield name, "is a folder that cannot be opened"
                continue
            waiting += sorted((each.lstrip(_FOLDER) for each in inside), reverse=True)

    def _mode(self, name: str) -> int:
        try:
            return (self._folder / name).lstat().st_mode
        except OSError:  # removed meanwhile
            return 0

    def _size(self, name: str) -> int:
        try:
            return (self._folder / name).lstat().st_size
        except OSError:
            return 0

    def _opener(self, name: str) -> Opens:
        return lambda: plain_files.opened(self._folder, name)


class _Uploads:
    """Files that were handed over one by one."""

    def __init__(self, files: Sequence[Upload]) -> None:
        self.tick: Callable[[], None] = nothing
        self._files = sorted(files, key=lambda pair: pair[0])
        self.progress = 0.0
        first = self._files[0][0].replace("\\", "/")
        folder = first.partition("/")[0]
        same = len(files) > 1 and all(name.startswith(f"{folder}/") for name, _ in files)
        of_one = folder if same else first
        self.origin = f"{len(files):,} files" if len(files) > 1 and not same else told_name(of_one)

    def entries(self) -> Iterator[Entry | Refused]:
        names = Names()
        for place, (name, file) in enumerate(self._files):
            self.progress = place / len(self._files)
            found = names.entry(name, file.seek(0, 2), _rewound(file))
            if found is not None:
                yield found


def _rewound(file: BinaryIO) -> Opens:
    def open_() -> AbstractContextManager[Reads]:
        file.seek(0)
        return contextlib.nullcontext(file)  # whoever has given it closes it

    return open_


# -- ZIP -----------------------------------------------------------------------------------------
@contextlib.contextmanager
def _zip(origin: str, file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    hint = "Pack it anew, or give the folder itself."
    try:
        check_list(file)
        archive = zipfile.ZipFile(file)
    except Unreadable as error:
        raise DataError(
            f"{origin} {error}.", "Give the folder itself, or a TAR archive."
        ) from error
    except Exception as error:  # zipfile raises many things over a damaged one
        raise DataError(f"{origin} is cut off or damaged.", hint) from error
    with archive:
        yield archive


def check_list(file: BinaryIO) -> None:
    """Nothing, if the list of files is not too long to be read; else `Unreadable`."""
    file.seek(max(0, file.seek(0, 2) - END))
    tail = file.read()
    for mark, place, form in ((b"PK\5\6", 12, "<L"), (b"PK\6\6", 40, "<Q")):
        at = tail.rfind(mark) + place
        length = struct.unpack_from(form, tail, at)[0] if at >= place and len(tail) >= at + 8 else 0
        if LONGEST_LIST < length != 2**32 - 1:  # which stands for the second list
            raise Unreadable("lists more files than can be read at once")


class _Zip:
    """A ZIP archive."""

    def __init__(self, origin: str, archive: zipfile.ZipFile) -> None:
        self.tick: Callable[[], None] = nothing
        self.origin, self._archive = origin, archive
        self._listed = [(_name_in_zip(each), each) for each in archive.infolist()]
        self._listed.sort(key=lambda pair: pair[0])
        self.progress = 0.0

    def entries(self) -> Iterator[Entry | Refused]:
        names = Names()
        for place, (name, about) in enumerate(self._listed):
            self.progress = place / len(self._listed)
            if name.endswith(("/", "\\")):  # a folder; `is_dir` stumbles over an empty name
                continue
            found = names.entry(name, about.file_size, self._opener(about), _flaw_in_zip(about))
            if found is not None:
                yield found

    def _opener(self, about: zipfile.ZipInfo) -> Opens:
        return lambda: self._archive.open(about)


def _name_in_zip(about: zipfile.ZipInfo) -> str:
    """Name of an entry; UTF-8 without its mark, as some programs write it, is seen."""
    if about.flag_bits & 0x800:
        return about.filename
    try:
        return about.orig_filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return about.filename


def _flaw_in_zip(about: zipfile.ZipInfo) -> str:
    mode = about.external_attr >> 16
    if about.flag_bits & 1:
        return "is encrypted"
    if stat.S_IFMT(mode) and not stat.S_ISREG(mode):
        return flaw_of(mode)
    return "" if about.compress_type in READABLE else "is packed in a way that cannot be read here"

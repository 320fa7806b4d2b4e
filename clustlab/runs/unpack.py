"""Packs of runs, opened: all that is in one comes in, or nothing does.

Anybody may have made a pack. What it lists is judged before anything is written; its files go into
a hidden folder beside the runs, are compared with their checksums and opened there, and take their
places at the end.
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, TypedDict

from msgspec import Meta

from clustlab.data import handed_sets, library, own_sets, plain_files, stored_archives
from clustlab.data.atomic import flush
from clustlab.data.checked_json import LONGEST, Text, Unreadable, parsed
from clustlab.errors import (
    ClustlabError,
    DataError,
    RunNotFound,
    RunOfNewerVersion,
    StorageError,
    storage_errors,
)
from clustlab.runs import handed_baskets
from clustlab.runs.baskets import FOLDER as BASKETS
from clustlab.runs.pack import ABOUT, CHUNK, DATA, FORMAT, PLAIN, SCHEMA, SETS, About
from clustlab.runs.reading import MANIFEST
from clustlab.runs.status import FILE as STATUS
from clustlab.runs.store import Run, RunStore

LONGEST_LIST = 2**24  # bytes in which an archive lists its files
SPARE = 100 * 2**20  # bytes that are left on the disk
AGAIN = "Nothing was unpacked. Fetch or make the pack again."
UPDATE = "Nothing was unpacked. Update clustlab to open it."
ELSEWHERE = "Nothing was unpacked. Choose another folder of runs for it, with --runs."


class _Kind(TypedDict):
    """What any version says of a pack."""

    format: Text
    schema: Annotated[int, Meta(ge=1)]
    version: Text


@dataclass(frozen=True, slots=True)
class UnpackedRun:
    """A run of a pack."""

    run: Run
    is_new: bool  # else it was there, and is kept as it was


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What has become of a pack."""

    runs: tuple[UnpackedRun, ...]
    sets: tuple[str, ...]  # imported sets that are new
    baskets: tuple[str, ...]  # names of those that are new
    remarks: tuple[str, ...]  # what was not brought in, and why


def unpack(store: RunStore, file: BinaryIO, origin: str) -> Unpacked:
    """Bring in the runs of a pack.

    Parameters
    ----------
    file : file
        Open to be read.
    origin : str
        What the pack is called, for messages.

    Raises
    ------
    DataError
        If it is no pack, is damaged, was made by a newer version, or does not go with what is
        there; nothing has changed then.
    StorageError
        If there is no room for it, or the disk does not let it be written.
    """
    try:
        with storage_errors(), contextlib.ExitStack() as stack:
            archive = stack.enter_context(stored_archives.opened(file, LONGEST_LIST))
            about = _about(archive, origin)
            _check_names(archive, about)
            _check_room(store.root, sum(each["size"] for each in about["files"].values()))
            half = RunStore(stack.enter_context(_hidden(store.root)))
            sets = None
            if any(name.startswith(f"{SETS}/") for name in about["files"]):
                sets = stack.enter_context(_hidden(own_sets.folder_of_all()))
            _extract(archive, about, half.root, sets)
            _check_content(half, sets, about)
            return _put_in_place(store, half, sets, about["runs"], origin)
    except RunOfNewerVersion as error:
        raise DataError(f"{origin} cannot be unpacked: {error.message}", UPDATE) from error
    except (Unreadable, RunNotFound) as error:
        why = error.message if isinstance(error, ClustlabError) else f"{error}."
        raise DataError(f"{origin} cannot be unpacked: {why}", AGAIN) from error


# -- judged before anything is written -----------------------------------------------------------
def _about(archive: zipfile.ZipFile, origin: str) -> About:
    """What a pack says of itself; raises `DataError` if another version has written it."""
    if ABOUT not in archive.NameToInfo:
        raise Unreadable("it is an archive, but no pack of runs")
    if archive.getinfo(ABOUT).file_size > LONGEST:
        raise Unreadable(f"{ABOUT} is too long")
    with stored_archives.readable():
        text = archive.read(ABOUT)
    kind = parsed(text, _Kind)
    if kind["format"] != FORMAT:
        raise Unreadable("it is an archive, but no pack of runs")
    if kind["schema"] > SCHEMA:
        raise DataError(
            f"{origin} was packed by a newer version of clustlab ({kind['version']}).", UPDATE
        )
    return parsed(text, About)


def _check_names(archive: zipfile.ZipFile, about: About) -> None:
    """Refuse names that lead elsewhere, come twice, or are not the listed ones."""
    listed = about["files"]
    seen = {ABOUT}
    for info in archive.infolist():
        name, mode = info.filename, info.external_attr >> 16
        if info is archive.getinfo(ABOUT):
            continue
        parts = name.split("/")
        is_known = parts[0] in (DATA, SETS, BASKETS) if len(parts) == 3 else False
        is_known = is_known or (len(parts) in (2, 3) and parts[0] in about["runs"])
        if not is_known or not all(map(PLAIN.match, parts)):
            raise Unreadable(f"{name!r} in it leads elsewhere, or is no name for a file of a run")
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):  # 0: nothing is said of it
            raise Unreadable(f"{name!r} in it is a link, or no plain file")
        if name in seen:
            raise Unreadable(f"{name!r} is in it twice")
        if name not in listed or listed[name]["size"] != info.file_size:
            raise Unreadable(f"{name!r} in it is not the file that it lists")
        seen.add(name)
    for name in listed:
        if name not in seen:
            raise Unreadable(f"{name!r} is missing from it")
    if any(run.startswith("_") for run in about["runs"]):
        raise Unreadable("it names a run as no run is called")


def _check_room(root: Path, nbytes: int) -> None:
    while not root.is_dir() and root != root.parent:
        root = root.parent
    free = shutil.disk_usage(root).free
    if nbytes + SPARE > free:
        raise StorageError(
            f"The pack takes {nbytes / 1e9:,.1f} GB, and the disk has {free / 1e9:,.1f} GB left.",
            "Delete runs on the page Runs, then try again.",
        )


# -- written beside the runs, and checked --------------------------------------------------------
@contextlib.contextmanager
def _hidden(folder: Path) -> Iterator[Path]:
    """A new folder that nobody looks into, gone at the end with all that is still in it."""
    half = folder / f"{own_sets.HALF_WRITTEN}{secrets.token_hex(6)}"
    half.mkdir(parents=True)
    try:
        yield half
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _extract(archive: zipfile.ZipFile, about: About, half: Path, sets: Path | None) -> None:
    """Write all files, each of which must have its checksum."""
    for name, expected in about["files"].items():
        room, _, rest = name.partition("/")
        target = sets / rest if sets and room == SETS else half / name
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with (
            stored_archives.readable(),
            archive.open(name) as source,
            target.open("xb") as written,
        ):
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                written.write(chunk)
        if digest.hexdigest() != expected["sha256"]:
            raise Unreadable(f"{name!r} in it is damaged: its checksum is another")
        flush(target)


def _check_content(half: RunStore, sets: Path | None, about: About) -> None:
    """Open what was written, as it will be opened in its place."""
    keys = set()
    for run_id in about["runs"]:
        run = half.run(run_id)
        keys.add(run.manifest["data_key"])
        if half.data_folder(run).is_dir():
            half.dataset(run)
        with contextlib.suppress(FileNotFoundError):  # a new one would be a worker's sign of life
            os.utime(run.path / STATUS, (0, 0))
    for folder in sets.iterdir() if sets else ():
        handed_sets.checked(folder)
    for folder in _folders(half.root / BASKETS):
        if folder.name not in keys:
            raise Unreadable("it holds baskets of other items than its runs")
        handed_baskets.check(half.root, folder.name)


# -- in its place --------------------------------------------------------------------------------
def _put_in_place(
    store: RunStore, half: RunStore, sets: Path | None, runs: Collection[str], origin: str
) -> Unpacked:
    """Move all that is not there yet; if that fails, nothing stays."""
    moved: list[Path] = []
    remarks: list[str] = []
    baskets: list[str] = []

    def move(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        moved.append(target)

    try:
        found = [_judged(store, half.run(each), origin) for each in dict.fromkeys(runs)]
        for source in _folders(half.root / DATA):
            target = library.folder_of(store.root, source.name)
            if not library.is_whole(target):
                library.remove_folder(target)
                move(source, target)
        for source in _folders(sets):
            target = own_sets.folder_of_all() / source.name
            if remark := handed_sets.why_not_taken(source):
                remarks.append(remark)
            elif not target.exists():
                move(source, target)
        for source in _folders(half.root / BASKETS):
            names, said = handed_baskets.bring_in(half.root, store.root, source.name, move)
            baskets += names
            remarks += said
        for run_id, is_new in found:
            if is_new:
                move(half.root / run_id, store.root / run_id)
        flush(store.root)
    except BaseException:
        for path in reversed(moved):
            path.unlink() if path.is_file() else library.remove_folder(path)
        raise
    return Unpacked(
        tuple(UnpackedRun(store.run(run_id), is_new) for run_id, is_new in found),
        tuple(path.name for path in moved if path.parent == own_sets.folder_of_all()),
        tuple(baskets),
        tuple(remarks),
    )


def _folders(folder: Path | None) -> list[Path]:
    return sorted(folder.iterdir()) if folder and folder.is_dir() else []


def _judged(store: RunStore, run: Run, origin: str) -> tuple[str, bool]:
    """Name of a run, and whether it is new; raises `DataError` if another one is in its place."""
    key = run.manifest["data_key"]
    here, packed = library.folder_of(store.root, key), library.folder_of(run.path.parent, key)
    if (
        library.is_whole(here)
        and packed.is_dir()
        and library.fingerprint_in(here) != library.fingerprint_in(packed)
    ):
        raise DataError(
            f"{origin} cannot be unpacked here: the items {key!r} are there with other content.",
            ELSEWHERE,
        )
    there = store.root / run.id
    if not os.path.lexists(there):
        return run.id, True
    with contextlib.suppress(OSError, Unreadable):
        if plain_files.content(there, MANIFEST) == plain_files.content(run.path, MANIFEST):
            return run.id, False
    raise DataError(
        f"{origin} cannot be unpacked here: there is another run {run.id!r} already.", ELSEWHERE
    )

"""Runs with their items in one file, to be opened on another machine: see `unpack`.

A pack is a ZIP archive whose files are stored as they are, laid out as a folder of runs is:

    <run id>/...        the run, without what belongs to a worker
    _data/<key>/...     the items that it was given
    _imported/<name>/.. the imported set that these were drawn from, if it is there unchanged
    _baskets/<key>/...  the baskets of these items
    pack.json           what there is, with the size and the SHA-256 of each file

Equal runs make equal packs, byte for byte.
"""

import hashlib
import json
import re
import stat
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, TypedDict

from msgspec import Meta

import clustlab
from clustlab import registry
from clustlab.data import library, own_sets, plain_files
from clustlab.data.checked_json import Count, Name, PlainName
from clustlab.errors import ParameterError
from clustlab.runs import handed_baskets
from clustlab.runs.baskets import FOLDER as BASKETS
from clustlab.runs.source import why_not_drawn
from clustlab.runs.store import Run, RunStore

FORMAT: Literal["clustlab pack"] = "clustlab pack"
SCHEMA, WITHOUT_BASKETS = 2, 1  # of packs; one that any version can open says so
ABOUT, DATA, SETS = "pack.json", "_data", "_imported"
MOST_FILES = 40_000  # the list of which can still be read at once
CHUNK = 2**20  # bytes read at a time
OF_A_WORKER = ("lock", "request", "wishes")  # of which none comes along
PLAIN = re.compile(r"[\w][\w .-]{0,199}\Z")
DAWN = (1980, 1, 1, 0, 0, 0)  # date of all files, so that equal runs make equal packs


class PackedFile(TypedDict):
    """What is said of a file."""

    size: Count
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class About(TypedDict):
    """`pack.json`."""

    format: Literal["clustlab pack"]
    schema: Annotated[int, Meta(ge=1)]
    version: Name  # of clustlab
    runs: Annotated[list[PlainName], Meta(min_length=1)]
    files: dict[str, PackedFile]


@dataclass(frozen=True, slots=True)
class Packed:
    """What has come into a pack."""

    runs: tuple[str, ...]
    data: tuple[str, ...]  # keys
    imported: tuple[str, ...]  # names of sets
    n_baskets: int
    nbytes: int  # of all files


def write_pack(store: RunStore, runs: Sequence[Run], file: BinaryIO) -> Packed:
    """Write runs with their items into an open file.

    Raises
    ------
    ParameterError
        If a run is at work or waits for it, or there are too many files.
    Unreadable
        If a file of a run is not plain.
    """
    _check(runs)
    sources = list(_sources(store, runs))
    if len(sources) > MOST_FILES:
        raise ParameterError(
            f"These runs have {len(sources):,} files, and a pack holds at most {MOST_FILES:,}.",
            "Make several packs, each of fewer runs.",
        )
    files: dict[str, PackedFile] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, folder, place in sources:
            files[name] = _written(archive, name, folder, place)
        about: About = {
            "format": FORMAT,
            "schema": SCHEMA if _folders(files, BASKETS) else WITHOUT_BASKETS,
            "version": clustlab.__version__,
            "runs": [run.id for run in runs],
            "files": files,
        }
        archive.writestr(_entry(ABOUT), json.dumps(about))
    return Packed(
        tuple(run.id for run in runs),
        _folders(files, DATA),
        _folders(files, SETS),
        sum(name.startswith(f"{BASKETS}/") for name in files),
        sum(each["size"] for each in files.values()),
    )


def packed_bytes(store: RunStore, runs: Sequence[Run]) -> int:
    """How large a pack of these runs becomes, nearly."""
    return sum((folder / place).lstat().st_size for _, folder, place in _sources(store, runs))


def _check(runs: Sequence[Run]) -> None:
    if not runs:
        raise ParameterError("Nothing was chosen to be packed.", "Name one run or more.")
    for run in runs:
        if run.is_active:
            raise ParameterError(
                f"The run {run.id!r} is {run.status}, so half of it would be packed.",
                "Wait until it is done, or stop it first.",
            )


def _folders(files: dict[str, Any], room: str) -> tuple[str, ...]:
    parts = [name.split("/") for name in files]
    return tuple(dict.fromkeys(part[1] for part in parts if part[0] == room))


def _sources(store: RunStore, runs: Sequence[Run]) -> Iterator[tuple[str, Path, str]]:
    """Name in the pack, folder and place in that folder of each file, without repetition."""
    for run in runs:
        for place in _plain_places(run.path):
            yield f"{run.id}/{place}", run.path, place
    for key in dict.fromkeys(run.manifest["data_key"] for run in runs):
        folder = library.folder_of(store.root, key)
        for place in _plain_places(folder):
            yield f"{DATA}/{key}/{place}", folder, place
        baskets = handed_baskets.baskets_of(store.root, key)
        for slug in sorted(basket.slug for basket in baskets.all()):
            yield f"{BASKETS}/{key}/{slug}.json", baskets.folder, f"{slug}.json"
    for name in dict.fromkeys(run.spec.dataset for run in runs if _comes_from_set(run)):
        folder = own_sets.own_set(name).folder
        for place in _plain_places(folder):
            yield f"{SETS}/{name}/{place}", folder, place


def _comes_from_set(run: Run) -> bool:
    """Whether the items of a run were imported, and are still to be had from there."""
    known = registry.datasets()
    is_own = run.spec.dataset in known and registry.is_imported(known[run.spec.dataset])
    return is_own and why_not_drawn(run.spec, run.manifest) is None


def _plain_places(folder: Path) -> Iterator[str]:
    """Places of the files of a folder, in order; what belongs to a worker is left out."""
    for path in sorted(folder.glob("*")) + sorted(folder.glob("*/*")):
        parts = path.relative_to(folder).parts
        is_ours = all(map(PLAIN.match, parts)) and parts[0] not in OF_A_WORKER
        if is_ours and path.suffix != ".tmp" and stat.S_ISREG(path.lstat().st_mode):
            yield "/".join(parts)


def _written(archive: zipfile.ZipFile, name: str, folder: Path, place: str) -> PackedFile:
    digest, size = hashlib.sha256(), 0
    with (
        plain_files.opened(folder, place) as source,
        archive.open(_entry(name), "w", force_zip64=True) as target,
    ):
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            target.write(chunk)
            size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, DAWN)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    return info

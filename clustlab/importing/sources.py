"""What was given, be it a file, a folder or uploads, and which reader it belongs to."""

import contextlib
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Literal

from clustlab.data.scratch import scratch
from clustlab.errors import DataError, ParameterError
from clustlab.importing.cells import told
from clustlab.importing.image_files import ENDINGS, is_image
from clustlab.importing.number_files import IDX_MARKS, is_array
from clustlab.importing.plan import Choices, Outcome, Preview, Upload, Watch
from clustlab.importing.plan import Source as Source
from clustlab.importing.source_entries import clean
from clustlab.importing.tar_source import UNPACKERS

Reader = Literal["images", "arrays", "tables"]

BEGINNINGS: tuple[tuple[bytes, Reader], ...] = (  # of files, by which they are known
    (b"\x93NUMPY", "arrays"),
    (b"PAR1", "tables"),
    (b"ARROW1", "tables"),
    (b"FEA1", "tables"),
    *((mark, "arrays") for mark in IDX_MARKS),
    (b"PK\x05\x06", "images"),  # an archive without content
)
TEXT = (".csv", ".tsv", ".txt")
UNUSABLE = re.compile(r'[<>:"|?*]')  # in names of files, on some systems
LONGEST_NAME, LONGEST_ENDING = 100, 20  # bytes of the name of a file
READ = 512  # bytes of a file that tell what it is


def preview(source: Source, choices: Choices) -> Preview:
    """What would come in of a file, a folder or uploads; nothing is written.

    Raises
    ------
    DataError
        If none of it can be read, with the reason.
    ParameterError
        If a choice names what is not there.
    """
    with as_one(source) as one:
        found: Preview = _reader(one).preview(one, choices)
        return found


def bring_in(source: Source, title: str, choices: Choices, watch: Watch) -> Outcome:
    """Make a data set of a file, a folder or uploads; raises like `preview`.

    Raises
    ------
    Cancelled
        If `watch` raises it; nothing is left then.
    """
    with as_one(source) as one:
        outcome: Outcome = _reader(one).bring_in(one, title, choices, watch)
        return outcome


def _reader(source: Source) -> ModuleType:
    """Module that reads a source; imported here, since each needs libraries of its own."""
    kind = reader_of(source)
    if kind == "arrays":
        from clustlab.importing import arrays

        return arrays
    if kind == "tables":
        from clustlab.importing import tables

        return tables
    from clustlab.importing import images

    return images


def reader_of(source: Source) -> Reader:
    """Which reader a source belongs to, by its content, whatever it is called.

    Raises
    ------
    DataError
        If there is nothing.
    """
    if not isinstance(source, Path):
        return "images"
    if source.is_dir():
        return "images"
    try:
        with source.open("rb") as file:
            head = file.read(READ)
    except FileNotFoundError as error:
        raise ParameterError(f"There is no {told(source.name)}.", "Check its place.") from error
    if not head:
        raise DataError(f"{source.name} is empty.", "Choose a file that holds items.")
    for beginning, kind in BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head.startswith(b"PK"):
        return "arrays" if _holds_arrays(source) else "images"
    if head.startswith(b"\x1f\x8b") and _unpacked(source).startswith(IDX_MARKS):
        return "arrays"
    if head.startswith(tuple(UNPACKERS)):
        _check_archive(source)
        return "images"
    is_text = b"\0" not in head or source.suffix.lower() in TEXT
    return "tables" if is_text and not _is_image(source) and not _is_tar(head) else "images"


def _holds_arrays(path: Path) -> bool:
    """Whether an archive is one of numpy; one that is damaged is so if it is called so.

    Arrays that lie among images do not make it one: they are refused one by one.
    """
    from clustlab.importing.image_sources import check_list

    with contextlib.suppress(Exception):  # readers of archives raise many things
        with path.open("rb") as file:
            check_list(file)
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            has_images = any(name.rpartition(".")[2].lower() in ENDINGS for name in names)
            return any(map(is_array, names)) and not has_images
    return path.suffix == ".npz"


def _unpacked(path: Path) -> bytes:
    """The first bytes of what a compressed file holds; none if it is damaged."""
    with contextlib.suppress(Exception), path.open("rb") as file:  # unpackers raise many things
        head = file.read(READ)
        file.seek(0)
        for mark, unpack in UNPACKERS.items():
            if head.startswith(mark):
                return unpack(file).read(READ)
    return b""


def _check_archive(path: Path) -> None:
    """Nothing, if a compressed file may hold an archive; else `DataError`."""
    head = _unpacked(path)
    if head and not _is_tar(head) and (b"\0" not in head or _is_known(head)):
        raise DataError(
            f"{path.name} is one compressed file, and no archive of images.",
            "Unpack it first, and choose the file that it holds.",
        )


def _is_known(head: bytes) -> bool:
    """Whether a file begins like one that comes in by itself."""
    return is_image(head) or head.startswith(tuple(beginning for beginning, _ in BEGINNINGS))


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _is_image(path: Path) -> bool:
    """Whether Pillow knows how a file begins; it may be damaged further on."""
    from PIL import Image

    with contextlib.suppress(Exception), Image.open(path):  # its readers raise many things
        return True
    return False


@contextlib.contextmanager
def as_one(source: Source) -> Iterator[Source]:
    """The source; a single upload that is no image becomes a file, which readers can map."""
    if isinstance(source, Path) or len(source) != 1:
        if not isinstance(source, Path) and not source:
            raise DataError("No file was given.", "Choose a file or a folder.")
        yield source
        return
    with as_file(source[0]) as path:
        yield path


@contextlib.contextmanager
def as_file(upload: Upload) -> Iterator[Path]:
    """An upload as a file that readers can map, until the context ends."""
    name, content = upload
    with scratch() as folder:  # the folder for temporary files may be small, or in memory
        path = folder / _file_name(name)
        content.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        yield path


def _file_name(name: str) -> str:
    """Name for a file on any system, as like that of an upload as can be; its ending stays."""
    base = UNUSABLE.sub("_", clean(name).rpartition("/")[2]).strip()
    stem, ending = os.path.splitext(base)
    if len(ending.encode()) > LONGEST_ENDING:
        stem, ending = base, ""
    stem = stem.encode()[: LONGEST_NAME - len(ending.encode())].decode("utf-8", "ignore")
    return (stem if stem.strip(".") else "upload") + (ending if ending != "." else "")


def beside_uploads(folder: Path, name: str) -> Path:
    """Place below a folder that a visitor names; nothing outside of it can be reached.

    Raises
    ------
    ParameterError
        If it leads elsewhere, also by way of a link, or is not there.
    """
    root = folder.resolve()
    with contextlib.suppress(OSError, ValueError):  # such as a name that no file can have
        place = Path(os.path.normpath(root / name.strip().lstrip("/")))
        if place.resolve().is_relative_to(root) and place.exists():
            return place
    raise ParameterError(
        f"There is no {told(name)} in the folder for imports.",
        "Give a path below the folder that CLUSTLAB_IMPORT_ROOT names on the server.",
    )

"""One item's row of an array in every snapshot, read without the rest of the array."""

import struct
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np

from clustlab.errors import RunNotFound
from clustlab.runs.store import Run, snapshot_path
from clustlab.types import Array

NAMES_AT = 26  # where a member's header says how long its name and its extra field are


def of_item(run: Run, name: str, item: int) -> list[Array | None]:
    """Row (m,) of one item in an array of each committed step; None where a step has none.

    A snapshot is not compressed, so a row stands at a known place: 50 steps of 10,000 items take
    4 ms, instead of 40 ms for the whole arrays.

    Parameters
    ----------
    name : str
        `embedding`, `probabilities`, or `artefact:` and the name of one with a row for each item.

    Raises
    ------
    RunNotFound
        If the run was deleted or damaged.
    IndexError
        If there is no such item.
    """
    return [_row(run, record["step"], name, item) for record in list(run.log)]


def _row(run: Run, step: int, name: str, item: int) -> Array | None:
    try:
        return _read(snapshot_path(run.path, step), name, item)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, struct.error) as error:
        raise RunNotFound(
            f"Step {step} of the run {run.id!r} cannot be read.",
            "The run was deleted or damaged; open the page Runs for those there are.",
        ) from error


def _read(path: Path, name: str, item: int) -> Array | None:
    with path.open("rb") as file:
        with zipfile.ZipFile(file) as archive:
            if f"{name}.npy" not in archive.NameToInfo:
                return None
            member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{path.name} is compressed")
        file.seek(member.header_offset + NAMES_AT)
        file.seek(sum(struct.unpack("<HH", file.read(4))), 1)
        np.lib.format.read_magic(file)
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
        if len(shape) != 2 or not 0 <= item < shape[0]:
            raise IndexError(f"item {item} of an array of shape {shape}")
        order: Literal["C", "F"] = "F" if by_column else "C"
        mapped = np.memmap(file, dtype, "r", file.tell(), shape, order)  # reads what is touched
        return np.array(mapped[item])

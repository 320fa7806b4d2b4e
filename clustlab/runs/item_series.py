"""One item's row of an array in every snapshot, read without the rest of the array."""

from typing import BinaryIO

import numpy as np

from clustlab.data.checked_arrays import declared
from clustlab.data.checked_json import Unreadable
from clustlab.errors import StepMissing
from clustlab.runs.step_arrays import StepArrays
from clustlab.runs.step_log import is_missing
from clustlab.runs.store import Run, step_file
from clustlab.types import Array


def of_item(run: Run, name: str, item: int) -> list[Array | None]:
    """Row (m,) of one item in an array of each committed step; None where there is none.

    A snapshot is not compressed, so a row stands at a known place: 50 steps of 10,000 items take
    4 ms, instead of 40 ms for the whole arrays.

    Parameters
    ----------
    name : str
        `embedding`, `probabilities`, or `artefact:` and the name of one with a row for each item.

    Raises
    ------
    RunNotFound
        If the run was deleted.
    IndexError
        If there is no such item.
    """
    return [_row(run, record["step"], name, item) for record in list(run.log)]


def _row(run: Run, step: int, name: str, item: int) -> Array | None:
    record = run.log[step]
    if is_missing(record):
        return None
    try:
        with step_file(run, step) as file:
            return _read(file, StepArrays(file, record, run.n_items), name, item)
    except StepMissing:
        return None


def _read(file: BinaryIO, arrays: StepArrays, name: str, item: int) -> Array | None:
    if name not in arrays:
        return None
    member = arrays.member(name)
    file.seek(member.start)
    about = declared(file)
    start = file.tell()
    if start + about.nbytes != member.start + member.size:
        raise Unreadable(f"{name} is cut off")
    if len(about.shape) != 2 or not 0 <= item < about.shape[0]:
        raise IndexError(f"item {item} of an array of shape {about.shape}")
    mapped = np.memmap(file, about.dtype, "r", start, about.shape, about.order)
    return np.array(mapped[item])  # reads what is touched

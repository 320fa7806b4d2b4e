"""Where the arrays of a run's steps lie, how a step is written, and how two runs share steps."""

import contextlib
import dataclasses
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clustlab.data.atomic import flush, replacing
from clustlab.runs import thinning
from clustlab.runs.identity import INTERVENTIONS
from clustlab.runs.migration import SCHEMA
from clustlab.types import Array, Artefact, Snapshot

LOG = "log.jsonl"


def snapshot_path(run: Path, step: int) -> Path:
    """File that holds the arrays of one step."""
    return run / "snapshots" / f"{step:05d}.npz"


def arrays_of(snapshot: Snapshot) -> dict[str, Array]:
    """Arrays of a snapshot by the names under which they are stored."""
    arrays = {
        "embedding": snapshot.embedding,
        "assignments": snapshot.assignments,
        "probabilities": snapshot.probabilities,
        "centers": snapshot.centers,
        **{f"artefact:{name}": a.data for name, a in snapshot.artefacts.items()},
    }
    return {name: array for name, array in arrays.items() if array is not None}


def write_arrays(run: Path, step: int, parts: Mapping[str, Array]) -> Path:
    """Write what is to be stored of a step, whole or not at all; return its file."""
    place = snapshot_path(run, step)
    with replacing(place) as temporary:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(parts))
        if place.exists():  # a committed step must outlast a loss of power at any moment
            flush(temporary)
    return place


def log_line(step: int, snapshot: Snapshot, record: Mapping[str, Any]) -> str:
    """Line of the log that tells of a step; `record` says of which phase it is."""
    line = {
        "schema": SCHEMA,
        "step": step,
        "time": time.time(),
        "n_clusters": snapshot.n_clusters,
        **record,
        "scalars": dict(snapshot.scalars),
        "artefacts": {name: _about(a) for name, a in snapshot.artefacts.items()},
    }
    return json.dumps(line, allow_nan=False) + "\n"


def _about(artefact: Artefact) -> dict[str, Any]:
    """Everything of an artefact but its data."""
    names = (f.name for f in dataclasses.fields(artefact))
    return {name: getattr(artefact, name) for name in names if name != "data"}


def append_line(run: Path, line: str, *, is_first: bool) -> None:
    """Commit a step by its line, after its arrays are written."""
    log = run / LOG
    with log.open("a+b" if is_first else "r+b") as file:  # one that is gone stays gone
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - 1))
        if file.read() not in (b"", b"\n"):  # a crash has left half a line: cut it off
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
        file.write(line.encode())


def share_steps(source: Path, target: Path, n_steps: int) -> None:
    """Give the steps of a finished run to another one; both have the files, which never change.

    What was changed in it by hand goes along, since the steps show it.
    """
    for step in range(n_steps):
        here, there = snapshot_path(source, step), snapshot_path(target, step)
        try:
            os.link(here, there)
        except OSError:  # a file system without links
            shutil.copyfile(here, there)
    for name in (LOG, INTERVENTIONS, thinning.FILE):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(source / name, target / name)

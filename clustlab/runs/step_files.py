"""Where the arrays of a run's steps lie, and how two runs share them."""

import contextlib
import os
import shutil
from pathlib import Path

from clustlab.runs.identity import INTERVENTIONS


def snapshot_path(run: Path, step: int) -> Path:
    """File that holds the arrays of one step."""
    return run / "snapshots" / f"{step:05d}.npz"


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
    for name in ("log.jsonl", INTERVENTIONS):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(source / name, target / name)

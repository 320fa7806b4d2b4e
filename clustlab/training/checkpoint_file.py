"""Checkpoints from anybody: read as all files of torch are, and checked for what a run keeps."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

import msgspec
import numpy as np
import torch

from clustlab.data import plain_files, torch_file
from clustlab.data.checked_json import Count, Seconds, Unreadable


class Kept(TypedDict):
    """What every checkpoint says."""

    phase: str
    done: Count
    finished: list[str]
    parts: dict[str, Any]
    step: Count
    seconds: Seconds
    random: NotRequired[dict[str, Any]]  # earlier versions left it out of the last one
    not_across_runs: NotRequired[list[str]]


def state_in(file: Path) -> dict[str, Any]:
    """State of a run from its file, on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is none.
    Unreadable
        If it is damaged, or not what a run keeps.
    """
    with plain_files.opened(file.parent, file.name) as stream:
        try:
            state = torch_file.tensors_in(stream)
            msgspec.convert(state, Kept)
            if state["phase"] or "random" in state:
                _check_random(state["random"])
        except Exception as error:  # torch leaves it to many parsers
            raise Unreadable("it is damaged, or not what a run keeps") from error
    return dict(state)


def _check_random(state: dict[str, Any]) -> None:
    """Raise an error if random streams cannot go on from a state."""
    np.random.PCG64().state = state["numpy"]
    torch.Generator().set_state(state["torch"])

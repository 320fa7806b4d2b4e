"""Checkpoints from anybody: nothing in them is carried out, and they grow no larger than they are.

Torch keeps code out. What is left is a file that claims more than it holds, and one of another
make than ours.
"""

import pickletools
import re
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, NotRequired, TypedDict

import msgspec
import numpy as np
import torch

from clustlab.data import plain_files
from clustlab.data.checked_arrays import check_list
from clustlab.data.checked_json import Count, Seconds, Unreadable

LONGEST_PICKLE = 64 * 2**20  # bytes; tensors lie beside it
KNOWN = re.compile(  # what our checkpoints are built of; torch would also make room for anything
    r"collections (OrderedDict|defaultdict)|torch \w+Storage|torch\._utils _rebuild_\w+"
    r"|torch (Size|device|u?int\d+|b?float\d+|double|half|long|bool)|(builtins|__builtin__) set"
)


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
            _check_archive(stream)
            stream.seek(0)
            state = torch.load(stream, map_location="cpu", weights_only=True)
            msgspec.convert(state, Kept)
            if state["phase"] or "random" in state:
                _check_random(state["random"])
        except Exception as error:  # torch leaves it to many parsers
            raise Unreadable("it is damaged, or not what a run keeps") from error
    return dict(state)


def _check_archive(stream: BinaryIO) -> None:
    """Raise an error if a file holds anything packed, or builds what no run keeps."""
    size = stream.seek(0, 2)
    check_list(stream)
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise Unreadable("its archive is compressed")
        if sum(member.file_size for member in members) > size:
            raise Unreadable("its archive claims more than it holds")
        (pickled,) = (each for each in members if each.filename.endswith("/data.pkl"))
        if pickled.file_size > LONGEST_PICKLE:
            raise Unreadable("it is too long")
        for operation, argument, _ in pickletools.genops(archive.read(pickled)):
            if "GLOBAL" in operation.name and not KNOWN.fullmatch(str(argument)):
                raise Unreadable(f"it builds {argument}")


def _check_random(state: dict[str, Any]) -> None:
    """Raise an error if random streams cannot go on from a state."""
    np.random.PCG64().state = state["numpy"]
    torch.Generator().set_state(state["torch"])

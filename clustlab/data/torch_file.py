"""Tensors from files that anybody may have written: nothing in them is carried out.

Torch keeps code out. What is left is a file that claims more than it holds, and one that would
build other things than tensors, numbers, text and lists.
"""

import pickletools
import re
from typing import Any, BinaryIO

import torch

from clustlab.data import stored_archives
from clustlab.data.checked_json import Unreadable

LONGEST_PICKLE = 64 * 2**20  # bytes; tensors lie beside it
KNOWN = re.compile(  # what checkpoints and weights are built of; torch would take more
    r"collections (OrderedDict|defaultdict)|torch \w+Storage|torch\._utils _rebuild_\w+"
    r"|torch (Size|device|u?int\d+|b?float\d+|double|half|long|bool)|(builtins|__builtin__) set"
)


def tensors_in(stream: BinaryIO) -> Any:
    """What `torch.save` has put into a file, on the CPU.

    Raises
    ------
    Exception
        Of any kind, since torch leaves it to many parsers: the file is damaged, holds anything
        packed, or builds what it should not.
    """
    _check_archive(stream)
    stream.seek(0)
    return torch.load(stream, map_location="cpu", weights_only=True)


def _check_archive(stream: BinaryIO) -> None:
    """Raise an error if a file holds anything packed, or builds what is no tensor."""
    with stored_archives.opened(stream) as archive:
        members = archive.infolist()
        (pickled,) = (each for each in members if each.filename.endswith("/data.pkl"))
        if pickled.file_size > LONGEST_PICKLE:
            raise Unreadable("it is too long")
        for operation, argument, _ in pickletools.genops(archive.read(pickled)):
            if "GLOBAL" in operation.name and not KNOWN.fullmatch(str(argument)):
                raise Unreadable(f"it builds {argument}")

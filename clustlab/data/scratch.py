"""Room on the disk for what imports and exports need until they are done, beside imported sets."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from clustlab.data import own_sets
from clustlab.data.locks import held


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, removed at the end; that of a killed process goes like a half set."""
    own_sets.clear_left_overs()
    folder = own_sets.folder_of_all() / f"{own_sets.HALF_WRITTEN}{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    try:
        with held(folder / own_sets.IN_USE, 0.0):  # however long ago something was written to it
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

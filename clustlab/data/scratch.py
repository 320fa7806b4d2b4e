"""Room on the disk for what an import needs until it is done, beside the imported sets."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from clustlab.data import own_sets


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, removed at the end; that of a killed import goes like its half set."""
    own_sets.clear_left_overs()
    folder = own_sets.folder_of_all() / f"{own_sets.HALF_WRITTEN}{secrets.token_hex(6)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

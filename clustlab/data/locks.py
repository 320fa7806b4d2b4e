"""Locks between processes: a file that one of them holds, and the system frees however it ends."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def held(path: Path, patience: float) -> Iterator[bool]:
    """Hold a lock; yields False if another one keeps it for `patience` seconds.

    It belongs to an open file, so that threads of one process exclude each other as well. Where
    there are no such locks (Windows, some network drives) every try succeeds.
    """
    end = time.monotonic() + patience
    with path.open("w") as file:
        while not (mine := _lock(file.fileno())) and time.monotonic() < end:
            time.sleep(0.02)
        yield mine


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock at the moment."""
    if not path.exists():
        return False
    with held(path, 0.0) as mine:
        return not mine


def _lock(descriptor: int) -> bool:
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
    return True

"""Whether the process behind a run still lives, and who may work on it."""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from clustlab.data.locks import held

BEAT_EVERY = 5.0  # seconds between touches of the status file
HEARTBEAT = 30.0  # seconds of silence after which a run counts as lost
TOLERANCE = 2.0  # seconds by which two readings of the start of one process may differ


def worker_identity() -> dict[str, Any]:
    """Which process speaks for a run, so that a reader can tell whether it still lives."""
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": psutil.Process().create_time(),
    }


def is_orphan(state: Mapping[str, Any], age: float) -> bool:
    """Whether nobody stands behind an active status that was last touched `age` seconds ago.

    On this machine a dead process gives it away at once. A queued run waits as long as its
    process lives; any other must also have been touched of late, as must one on another machine.
    """
    if state.get("host") == socket.gethostname() and state.get("pid"):
        if not _is_alive(int(state["pid"]), float(state["born"])):
            return True
        if state["status"] == "queued":
            return False
    return age > HEARTBEAT


def _is_alive(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - born) <= TOLERANCE  # numbers of processes come again
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:  # somebody else's, so it is there
        return True
    except psutil.Error:
        return False


def beat(folder: Path) -> None:
    """Show that a run's worker, or the queue it waits in, is alive."""
    with contextlib.suppress(OSError):
        os.utime(folder / "status.json")


@contextlib.contextmanager
def claim(folder: Path, patience: float = 1.0) -> Iterator[bool]:
    """Hold a run for this worker; yields False if another one keeps it for `patience` seconds.

    One that has just written its last word needs a moment to let go. The lock belongs to an open
    file, so that the system frees it however a process ends. Where there are no such locks
    (Windows, some network drives) every claim succeeds.
    """
    with held(folder / "lock", patience) as mine:
        yield mine

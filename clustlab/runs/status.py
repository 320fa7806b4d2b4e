"""Where a run stands, as its folder says and as the silence of its worker gives away."""

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Unreadable
from clustlab.errors import Diverged
from clustlab.runs import reading
from clustlab.runs.liveness import is_orphan, worker_identity
from clustlab.runs.reading import Status
from clustlab.types import REMEDY

FILE = "status.json"
ACTIVE: tuple[Status, ...] = ("queued", "running", "paused")
READY: tuple[Status, ...] = ("queued", "lost")  # a worker may take it
RESUMABLE: tuple[Status, ...] = ("cancelled", "set aside", "failed", "lost")
Request = Literal["run", "pause", "cancel", "aside"]
Intention = Literal["", "pausing", "stopping", "setting aside"]
INTENTIONS: Mapping[str, Intention] = {
    "pause": "pausing",
    "cancel": "stopping",
    "aside": "setting aside",
}
LONGEST_REQUEST = 100  # bytes
UNDERSTOOD = re.compile(r"run|pause|cancel|aside|(until|box) [0-9]{1,9}")
WRITTEN_ANEW = "Resume the run: its status is written anew, and its steps are kept."


def progress_of(path: Path) -> dict[str, Any]:
    """What is known of a run in a folder: its status, which may be derived, and the rest."""
    try:
        state = dict(reading.state(plain_files.content(path, FILE)))
        age = time.time() - (path / FILE).stat().st_mtime
    except Unreadable as error:
        return {"status": "lost", "error": f"{FILE}: {error}.", "hint": WRITTEN_ANEW}
    except OSError:
        return {"status": "lost"}
    if state["status"] == "failed" and state.get("hint") == REMEDY:
        state.setdefault("error_type", Diverged.__name__)  # a run of before says no type
    if state["status"] == "queued" and requested(path) == "cancel":
        state["status"] = "cancelled"  # the worker will see to it when it comes to this run
    elif state["status"] in ACTIVE and is_orphan(state, age):
        state["status"] = "lost"
    return state


def requested(path: Path) -> str:
    """What was last asked of the run in a folder; to run on, unless it can be understood."""
    try:
        word = plain_files.content(path, "request", LONGEST_REQUEST).decode().strip()
    except (OSError, ValueError):
        return "run"
    return word if UNDERSTOOD.fullmatch(word) else "run"


def queued_status() -> dict[str, Any]:
    """Status of a run that waits from now on."""
    return {"status": "queued", "queued": time.time(), **worker_identity()}


def write_status(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the status of a run."""
    write_atomically(path / FILE, json.dumps(state))

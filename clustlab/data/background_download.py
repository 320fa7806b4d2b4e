"""Fetching a data set before any run needs it: a background job with progress and cancel.

Like a run, a download talks through files, so that a reload or a second tab sees it.
"""

import contextlib
import json
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from clustlab.data import library, plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Text, Unreadable, parsed
from clustlab.errors import Cancelled, ClustlabError, known_cause, storage_error

log = logging.getLogger(__name__)

SILENCE = 30.0  # seconds without a sign of life after which a download counts as stopped
BEAT_EVERY = 5.0
THREAD = "clustlab-download"


class State(TypedDict):
    """What a download says of itself."""

    status: Literal["running", "done", "failed", "cancelled"]
    message: NotRequired[Text]
    fraction: NotRequired[float]
    error: NotRequired[Text]
    hint: NotRequired[Text]


def start(root: Path, name: str) -> None:
    """Fetch a data set in the background, unless that is under way."""
    if progress(root, name).get("status") != "running":
        _request(root, name).unlink(missing_ok=True)
        _write(root, name, status="running", message="Connecting", fraction=0.0)
        threading.Thread(target=_fetch, args=(root, name), name=THREAD, daemon=True).start()


def progress(root: Path, name: str) -> dict[str, Any]:
    """Status (running, done, failed, cancelled), message and fraction; empty if never started."""
    file = _status(root, name)
    try:
        text = plain_files.content(file.parent, file.name)
        state: dict[str, Any] = {"message": "", "fraction": 0.0, **parsed(text, State)}
        silent = time.time() - file.stat().st_mtime
    except (OSError, Unreadable):
        return {}
    if state["status"] == "running" and silent > SILENCE:
        return {"status": "cancelled", "message": "The download stopped.", "fraction": 0.0}
    return {**state, "fraction": min(max(0.0, state["fraction"]), 1.0)}


def cancel(root: Path, name: str) -> None:
    """Ask a download to stop; files fetched whole are kept."""
    write_atomically(_request(root, name), "cancel")


def _fetch(root: Path, name: str) -> None:
    def report(message: str, share: float) -> None:
        if _request(root, name).exists():
            raise Cancelled
        _write(root, name, status="running", message=message, fraction=share)

    over = threading.Event()

    def beat() -> None:  # checking or unpacking a large file says nothing for minutes
        while not over.wait(BEAT_EVERY):
            with contextlib.suppress(OSError):
                os.utime(_status(root, name))

    threading.Thread(target=beat, daemon=True).start()
    try:
        library.load(root, name, {}, 0, report)
        last: dict[str, Any] = {"status": "done", "message": "Done.", "fraction": 1.0}
    except Cancelled:
        last = {"status": "cancelled", "message": "Stopped.", "fraction": 0.0}
    except ClustlabError as error:
        last = {"status": "failed", "error": error.message, "hint": error.hint}
    except OSError as error:
        told = storage_error(error, "download again")
        last = {"status": "failed", "error": told.message, "hint": told.hint}
    except Exception as error:
        log.info("download of %s failed", name, exc_info=True)
        known = known_cause(error, "download again", "Close other programs, then download again.")
        said = known.message if known else f"{type(error).__name__}: {error}"
        hint = known.hint if known else "This is a bug; download it by hand."
        last = {"status": "failed", "error": said, "hint": hint}
    finally:
        over.set()
    try:
        _write(root, name, **last)
    except OSError:  # no new file can be made: into the one that is there, if that can be written
        with contextlib.suppress(OSError):
            _status(root, name).write_text(json.dumps(last), encoding="utf-8")


def _write(root: Path, name: str, **state: Any) -> None:
    _status(root, name).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(_status(root, name), json.dumps(state))


def _status(root: Path, name: str) -> Path:
    return root / "_downloads" / f"{name}.json"


def _request(root: Path, name: str) -> Path:
    return root / "_downloads" / f"{name}.cancel"

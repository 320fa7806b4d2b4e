"""An import in the background: one at a time, with progress and cancel, seen from every tab.

Like a download, it talks through files, so that a reload, a second tab and another server on the
same data folder see it.
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from clustlab.data import own_sets, plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Count, Text, Unreadable, parsed
from clustlab.errors import Cancelled, ClustlabError, ParameterError, known_cause, storage_error
from clustlab.importing.plan import Outcome, Refused, Watch, reasons

log = logging.getLogger(__name__)

SILENCE = 30.0  # seconds without a sign of life after which an import counts as stopped
BEAT_EVERY = 5.0
TOLD_EVERY = 0.2  # seconds between two messages of progress
REFUSED_TOLD = 200
REASONS_TOLD = 50
THREAD = "clustlab-import"
LESS = "Close other programs, or bring in a part of it."
STATUS, REQUEST = ".import.json", ".import.cancel"

Work = Callable[[Watch], Outcome]
"""Brings something in, and asks its `Watch` often whether it is to stop."""


class _State(TypedDict):
    """What an import says of itself."""

    status: Literal["running", "done", "failed", "cancelled"]
    title: Text
    message: NotRequired[Text]
    fraction: NotRequired[float]
    error: NotRequired[Text]
    hint: NotRequired[Text]
    name: NotRequired[Text]
    n_items: NotRequired[Count]
    is_new: NotRequired[bool]
    n_refused: NotRequired[Count]
    added: NotRequired[list[Text]]
    reasons: NotRequired[dict[str, Count]]
    refused: NotRequired[list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Job:
    """How far an import is, or how it ended."""

    status: Literal["running", "done", "failed", "cancelled"]
    title: str  # what the data set is to be called
    message: str = ""
    fraction: float = 0.0  # in [0, 1]
    error: str = ""
    hint: str = ""
    name: str = ""  # of the data set that was made, or found
    n_items: int = 0
    is_new: bool = True
    n_refused: int = 0
    reasons: tuple[tuple[str, int], ...] = ()  # how often each was given among the first refused
    refused: tuple[Refused, ...] = ()  # the first of them
    added: tuple[str, ...] = ()  # sets of classes that the one which was there has got


_beginning = threading.Lock()


def start(title: str, work: Work) -> None:
    """Begin an import in the background.

    Raises
    ------
    ParameterError
        If another one is under way.
    """
    with _beginning:
        now = current()
        if now is not None and now.status == "running":
            raise ParameterError(
                f"The import of {now.title!r} is under way.", "Wait until it is done, or stop it."
            )
        own_sets.folder_of_all().mkdir(parents=True, exist_ok=True)
        _file(REQUEST).unlink(missing_ok=True)
        _write(_State(status="running", title=title[:200], message="Beginning", fraction=0.0))
    threading.Thread(target=_carry_out, args=(title[:200], work), name=THREAD, daemon=True).start()


def current() -> Job | None:
    """The import that is under way, or the last one until it is put away; None if there is none."""
    file = _file(STATUS)
    try:
        told = parsed(plain_files.content(file.parent, file.name), _State)
        silent = time.time() - file.stat().st_mtime
    except (OSError, Unreadable):
        return None
    if told["status"] == "running" and silent > SILENCE:
        return Job("cancelled", told["title"], "The import stopped; nothing of it was kept.")
    return Job(
        told["status"],
        told["title"],
        told.get("message", ""),
        min(max(0.0, told.get("fraction", 0.0)), 1.0),
        told.get("error", ""),
        told.get("hint", ""),
        told.get("name", ""),
        told.get("n_items", 0),
        told.get("is_new", True),
        told.get("n_refused", 0),
        tuple(told.get("reasons", {}).items()),
        tuple(Refused(name, reason) for name, reason in told.get("refused", ())),
        tuple(told.get("added", ())),
    )


def cancel() -> None:
    """Ask the import to stop; nothing of it is kept."""
    write_atomically(_file(REQUEST), "cancel")


def put_away() -> None:
    """Forget an import that is over."""
    now = current()
    if now is None or now.status != "running":
        _file(STATUS).unlink(missing_ok=True)


def _carry_out(title: str, work: Work) -> None:
    told = 0.0

    def watch(message: str, share: float) -> None:
        nonlocal told
        if _file(REQUEST).exists():
            raise Cancelled
        if time.monotonic() - told >= TOLD_EVERY:
            told = time.monotonic()
            _write(_State(status="running", title=title, message=message, fraction=share))

    over = threading.Event()

    def beat() -> None:  # a large file may say nothing for minutes
        while not over.wait(BEAT_EVERY):
            with contextlib.suppress(OSError):
                os.utime(_file(STATUS))

    threading.Thread(target=beat, daemon=True).start()
    try:
        last = _told(title, work(watch))
    except Cancelled:
        last = _State(status="cancelled", title=title, message="Stopped; nothing of it was kept.")
    except ClustlabError as error:
        last = _State(status="failed", title=title, error=error.message, hint=error.hint)
    except OSError as failure:
        told_error = storage_error(failure, "import again")
        said, hint = told_error.message, told_error.hint
        last = _State(status="failed", title=title, error=said, hint=hint)
    except Exception as failure:
        log.exception("import of %s failed", title)
        known = known_cause(failure, "import again", LESS)
        said = known.message if known else f"{type(failure).__name__}: {failure}"
        hint = known.hint if known else "This is a bug; the log of the server has the details."
        last = _State(status="failed", title=title, error=said, hint=hint)
    finally:
        over.set()
    try:
        _write(last)
    except OSError:  # no new file can be made: into the one that is there, if that can be written
        with contextlib.suppress(OSError):
            _file(STATUS).write_text(_json(last), encoding="utf-8")


def _told(title: str, outcome: Outcome) -> _State:
    return _State(
        status="done",
        title=title,
        fraction=1.0,
        name=outcome.own.name,
        n_items=len(outcome.own),
        is_new=outcome.is_new,
        n_refused=outcome.n_refused,
        added=list(outcome.added),
        reasons=dict(list(reasons(outcome.refused).items())[:REASONS_TOLD]),
        refused=[(each.name[:300], each.reason) for each in outcome.refused[:REFUSED_TOLD]],
    )


def _write(state: _State) -> None:
    write_atomically(_file(STATUS), _json(state))


def _json(state: _State) -> str:
    """A state in letters that every file can hold: names of files may be of any bytes."""
    return json.dumps(state, ensure_ascii=False).encode("utf-8", "replace").decode("utf-8")


def _file(name: str) -> Path:
    return own_sets.folder_of_all() / name

"""Where in the course somebody was last, kept in one small file beside the runs.

It holds titles, too, so that a reader need not load all lessons, which takes seconds.
"""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Unreadable, parsed

FILE = "_lesson.json"
FIRST_LESSON = "assumptions"  # name of lesson 1


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A step of a lesson."""

    lesson: str  # its name
    number: int  # of the lesson in the course
    title: str
    step: int  # from 1
    n_steps: int


def set_bookmark(root: Path, mark: Bookmark) -> None:
    """Keep where somebody is, unless that is known or the folder cannot be written to."""
    if mark != bookmark(root):
        with contextlib.suppress(OSError):
            root.mkdir(parents=True, exist_ok=True)
            write_atomically(root / FILE, json.dumps(asdict(mark)))


def bookmark(root: Path) -> Bookmark | None:
    """Where somebody was last; None if nobody was anywhere, or the file is broken."""
    try:
        return parsed(plain_files.content(root, FILE), Bookmark)
    except (OSError, Unreadable):
        return None

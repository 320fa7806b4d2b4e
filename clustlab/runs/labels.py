"""What a user says of a run: a name, tags and a note, in one small file beside it.

None of it is part of what the run is: figures do not depend on it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Protocol, TypedDict

from msgspec import Meta

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Name, Text, Unreadable, parsed
from clustlab.errors import ParameterError, RunNotFound

FILE = "about.json"
LONGEST_NAME, LONGEST_TAG, LONGEST_NOTE = 60, 30, 2000  # letters
MOST_TAGS = 12


class Folder(Protocol):
    """Anything that lies in a folder of its own, such as a run."""

    id: str
    path: Path


class LabelRecord(TypedDict):
    """`about.json` in the folder of a run."""

    name: Name
    tags: Annotated[list[Name], Meta(max_length=100)]
    note: Text


@dataclass(frozen=True, slots=True)
class Label:
    """What a user says of a run."""

    name: str = ""  # stands in place of its title
    tags: tuple[str, ...] = ()
    note: str = ""


def label_of(run: Folder) -> Label:
    """Label of a run; an empty one if it has none, or none that can be read."""
    try:
        said = parsed(plain_files.content(run.path, FILE), LabelRecord)
    except (OSError, Unreadable):
        return Label()
    return Label(said["name"], tuple(said["tags"]), said["note"])


def set_label(run: Folder, label: Label) -> Label:
    """Keep a label, and return it as it is kept: without spaces around, and each tag once.

    Raises
    ------
    ParameterError
        If a part of it is too long or cannot be shown.
    RunNotFound
        If the run is deleted.
    """
    name, note = label.name.strip(), label.note.strip()
    tags = tuple(dict.fromkeys(filter(None, (tag.strip() for tag in label.tags))))
    _check("name", name, LONGEST_NAME)
    for tag in tags:
        _check("tag", tag, LONGEST_TAG)
        if "," in tag:
            raise ParameterError(f"The tag {tag!r} holds a comma.", "Give two tags.")
    if len(tags) > MOST_TAGS:
        raise ParameterError(f"A run has at most {MOST_TAGS} tags, got {len(tags)}.", "Drop some.")
    if len(note) > LONGEST_NOTE:
        raise ParameterError(
            f"The note has {len(note):,} letters.", f"Use at most {LONGEST_NOTE:,}."
        )
    kept = Label(name, tags, note)
    try:
        write_atomically(run.path / FILE, json.dumps(asdict(kept), indent=1), is_lasting=True)
    except FileNotFoundError as error:
        raise RunNotFound(
            f"The run {run.id!r} is not there any more.", "It may have been deleted."
        ) from error
    return kept


def tags_in(text: str) -> tuple[str, ...]:
    """Tags of a text in which commas part them."""
    return tuple(filter(None, (tag.strip() for tag in text.split(","))))


def all_tags(runs: Iterable[Folder]) -> list[str]:
    """Every tag of some runs, by the alphabet."""
    return sorted({tag for run in runs for tag in label_of(run).tags}, key=str.lower)


def _check(what: str, text: str, longest: int) -> None:
    if len(text) > longest:
        raise ParameterError(
            f"The {what} {text[:20]!r}... has {len(text)} letters.", f"Use at most {longest}."
        )
    if not text.isprintable():
        raise ParameterError(
            f"The {what} {text!r} holds characters that cannot be shown.", "Write it anew."
        )

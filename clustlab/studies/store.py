"""Where studies are kept: one small file each beside the runs.

<runs>/_studies/<slug>.json
                _deleted/<slug>.json    until another of that name is deleted
"""

import contextlib
import dataclasses
import json
import time
from pathlib import Path
from typing import Any, TypedDict

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Count, Moment, Name, Setting, Unreadable, parsed
from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.baskets import slug_of
from clustlab.runs.store import RunStore
from clustlab.studies.description import Axis, Base, Study, Value

SCHEMA = 1
LONGEST = 60  # letters in a name


class AxisRecord(TypedDict):
    """An axis in the file of a study."""

    name: Name
    values: list[Setting]


class BaseRecord(TypedDict):
    """What all runs share, in the file of a study."""

    dataset: Name
    method: Name
    preset: Name
    data: dict[Name, Setting]
    settings: dict[Name, Setting]
    device: Name


class StudyRecord(TypedDict):
    """The file of a study."""

    schema: Count
    name: Name
    base: BaseRecord
    axes: list[AxisRecord]
    created: Moment


@dataclasses.dataclass(frozen=True, slots=True)
class UnreadableStudy:
    """A file that should hold a study and does not."""

    slug: str
    reason: str


class Studies:
    """The studies beside some runs."""

    def __init__(self, store: RunStore) -> None:
        self._folder = store.root / "_studies"
        self._bin = self._folder / "_deleted"

    def all(self) -> list[Study]:
        """Studies that can be read, newest first."""
        read = [each for each in self._each() if isinstance(each, Study)]
        return sorted(read, key=lambda study: -study.created)

    def unreadable(self) -> list[UnreadableStudy]:
        """Files that hold no study that could be carried out here, each with the reason."""
        return [each for each in self._each() if isinstance(each, UnreadableStudy)]

    def _each(self) -> list[Study | UnreadableStudy]:
        found: list[Study | UnreadableStudy] = []
        files = sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []
        for file in files:
            try:
                found.append(self._read(file))
            except FileNotFoundError:  # deleted meanwhile
                continue
            except (OSError, Unreadable, ClustlabError) as error:
                reason = error.message if isinstance(error, ClustlabError) else str(error)
                found.append(UnreadableStudy(file.stem, reason))
        return found

    def _read(self, file: Path) -> Study:
        record = parsed(plain_files.content(self._folder, file.name), StudyRecord)
        axes = tuple(
            Axis(axis["name"], tuple(map(_value, axis["values"]))) for axis in record["axes"]
        )
        given: Any = record["base"]
        data = {name: _value(value) for name, value in given["data"].items()}
        base = Base(**{**given, "data": data})
        return Study(record["name"], base, axes, record["created"])

    def study(self, name: str) -> Study:
        """Study of a name.

        Raises
        ------
        ParameterError
            If there is none, or its file cannot be read.
        """
        file = self._file(name)
        try:
            return self._read(file)
        except OSError as error:
            known = ", ".join(study.name for study in self.all()) or "none yet"
            raise ParameterError(
                f"There is no study {name!r}.", f"There are: {known}; 'study run' makes one."
            ) from error
        except Unreadable as error:
            raise ParameterError(
                f"The study {name!r} cannot be read: {error}.", "Make it again: no run is repeated."
            ) from error

    def is_there(self, name: str) -> bool:
        """Whether there is a study of a name, or a file in its place."""
        return self._file(name).exists()

    def keep(self, study: Study) -> Study:
        """Write a study, in the place of one of its name."""
        checked_name(study.name)
        study = dataclasses.replace(study, created=study.created or time.time())
        record = {"schema": SCHEMA, **dataclasses.asdict(study)}
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file(study.name), json.dumps(record, indent=1), is_lasting=True)
        return study

    def keep_widened(self, study: Study) -> Study:
        """Keep a study with what one of its name and of the same settings has besides.

        One of its name and of other settings keeps that name, and this one gets a number.
        """
        for name in (study.name, *(f"{study.name[: LONGEST - 5]} ({n})" for n in range(2, 1000))):
            if not self.is_there(name):
                return self.keep(dataclasses.replace(study, name=name))
            known = self.study(name)
            alike = dataclasses.replace(study.base, method=known.base.method) == known.base
            if alike and {axis.name for axis in known.axes} == {axis.name for axis in study.axes}:
                return self.keep(known.with_axes(study.axes))
        raise ParameterError(f"There are too many studies {study.name!r}.", "Delete some of them.")

    def delete(self, name: str) -> None:
        """Put a study aside, which `restore` brings back; its runs stay."""
        self._bin.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # somebody else was faster
            self._file(name).replace(self._bin / self._file(name).name)

    def restore(self, name: str) -> None:
        """Bring back a deleted study.

        Raises
        ------
        ParameterError
            If it is not among the deleted, or there is another one of its name by now.
        """
        aside = self._bin / self._file(name).name
        if self.is_there(name):
            raise ParameterError(
                f"There is another study {name!r} by now.", "Delete that one first, then undo."
            )
        try:
            aside.rename(self._file(name))
        except FileNotFoundError as error:
            raise ParameterError(
                f"The study {name!r} is not among the deleted.",
                "Make it again: no run is repeated.",
            ) from error

    def _file(self, name: str) -> Path:
        return self._folder / f"{slug_of(checked_name(name))}.json"


def _value(setting: Setting) -> Value:
    """A setting as it was before it was written: JSON has lists only."""
    return tuple(setting) if isinstance(setting, list) else setting


def checked_name(name: str) -> str:
    """The name of a study without spaces around it; raises `ParameterError` if it is none."""
    name = name.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise ParameterError(
            f"{name[:20]!r} cannot be the name of a study.",
            f"Use 1 to {LONGEST} letters that can be shown, such as 'k of dec'.",
        )
    return name

"""Changes that a user makes to a run under way: asked for, taken back, made, and recorded.

A reader asks by laying a file into the run's folder. The worker writes the change with its step
into `interventions.jsonl` before it makes it, and removes the file after that: so a change is made
exactly once, and made again at the same step when that step is repeated after a resume.

A user knows a cluster by its lasting number, a method by the raw one of its last snapshot, and from
step to step a cluster may get another raw number. So lasting numbers are asked for, and turned into
raw ones when the change is made; both are written down.
"""

import contextlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustlab.data import plain_files
from clustlab.data.atomic import flush, write_atomically
from clustlab.data.checked_json import Unreadable
from clustlab.errors import ClustlabError, ParameterError, RunNotFound
from clustlab.runs import reading
from clustlab.runs.identity import INTERVENTIONS, recorded_changes
from clustlab.runs.store import Run
from clustlab.types import Array, Intervention, InterventionKind

MOST_PENDING = 1000  # more are left aside
Offered = Mapping[str, tuple[InterventionKind, ...]]
"""Kinds of intervention by phase, in the order of the phases."""
LastingNumbers = Callable[[int], Array]
"""Lasting number (k,) of each raw cluster of a committed step, as pages show them."""


@dataclass(frozen=True, slots=True)
class PendingIntervention:
    """An intervention that is asked for and not made yet."""

    name: str  # of its file
    kind: InterventionKind
    lasting: tuple[int, ...]  # lasting numbers of its clusters
    value: float
    n_steps: int  # committed steps when it was asked for


@dataclass(frozen=True, slots=True)
class RecordedIntervention:
    """An intervention that was made at the start of a step, or could not be made."""

    kind: InterventionKind
    value: float
    lasting: tuple[int, ...] | None  # lasting numbers; None if the run is older than this record
    raw: tuple[int, ...]  # of the step before; what was asked for if it could not be made
    n_items: int | None  # see `items_taken`; None if the run is older
    reason: str  # why it could not be made; empty if it was


def ask(run: Run, kind: InterventionKind, lasting: tuple[int, ...] = (), value: float = 1.0) -> str:
    """Name of a new file that asks for a change at the start of the next iteration.

    Parameters
    ----------
    lasting : tuple of int
        Lasting numbers of the clusters, see `types.Intervention` for how many.

    Raises
    ------
    ParameterError
        If the kind takes other clusters or values.
    RunNotFound
        If the run is deleted.
    """
    Intervention(kind, lasting, value)  # checks
    about = {"kind": kind, "lasting": [int(i) for i in lasting], "value": value}
    name = f"{time.time_ns():020d}-{secrets.token_hex(2)}"  # by name is by time
    try:
        _folder(run.path).mkdir(exist_ok=True)
        text = json.dumps({**about, "n_steps": len(run)})
        write_atomically(_folder(run.path) / f"{name}.json", text)
    except FileNotFoundError as error:
        raise RunNotFound(
            f"The run {run.id!r} is not there any more.", "It may have been deleted."
        ) from error
    return name


def take_back(run: Run, name: str) -> None:
    """Drop what was asked for.

    Raises
    ------
    ParameterError
        If it was made meanwhile.
    """
    if Path(name).name != name:
        raise ParameterError(f"{name!r} is not the name of a change that was asked for.")
    try:
        (_folder(run.path) / f"{name}.json").unlink()
    except FileNotFoundError as error:
        raise ParameterError(
            "This change was made meanwhile and cannot be taken back.",
            "Go on with the run and watch it recover, or start it again.",
        ) from error


def pending(run: Run, lasting_numbers: LastingNumbers) -> list[PendingIntervention]:
    """What is asked for and not made yet, oldest first."""
    asked = []
    for file in sorted(_folder(run.path).glob("*.json"))[:MOST_PENDING]:
        with contextlib.suppress(OSError, Unreadable, ClustlabError):
            about = reading.wish(plain_files.content(run.path, f"wishes/{file.name}"))
            n_steps = about["n_steps"]
            if "lasting" in about:
                lasting = tuple(about["lasting"])
            else:  # asked for by raw numbers, as was done before
                lasting = _lasting(about["clusters"], min(n_steps, len(run)), lasting_numbers)
            checked = Intervention(about["kind"], lasting, about["value"])
            asked.append(
                PendingIntervention(file.stem, checked.kind, lasting, checked.value, n_steps)
            )
    return asked


def _lasting(raw: list[int], n_steps: int, lasting_numbers: LastingNumbers) -> tuple[int, ...]:
    """Lasting numbers of raw clusters after so many steps; a cluster that was none stays as is."""
    names = lasting_numbers(n_steps - 1) if raw and n_steps else np.zeros(0, np.int32)
    return tuple(int(names[i]) if 0 <= i < len(names) else int(i) for i in raw)


def made_at(record: Mapping[str, Any]) -> list[RecordedIntervention]:
    """Interventions that were made at the start of a step, from its record in the log."""
    return [_recorded(about) for about in record.get("interventions", ())]


def refused_at(record: Mapping[str, Any]) -> list[RecordedIntervention]:
    """Interventions that could not be made at a step, each with the reason."""
    return [_recorded(about) for about in record.get("refused", ())]


def items_taken(run: Run, step: int, made: RecordedIntervention) -> Array:
    """Items (m,) int64 of the cluster that was changed at the start of a step.

    Those that it held in the step before; of two merged clusters, those of the one that was given
    up. None for a change of the learning rate.
    """
    if not made.raw or not step:
        return np.zeros(0, np.int64)
    return np.flatnonzero(run[step - 1].assignments == made.raw[-1])


class InterventionQueue:
    """The worker's side: makes at the start of an iteration what is asked for, and remembers it.

    Parameters
    ----------
    offered : mapping
        What the method carries out.
    lasting_numbers : callable
        Lasting number (k,) of each raw cluster at a step.
    """

    def __init__(self, run: Run, offered: Offered, lasting_numbers: LastingNumbers) -> None:
        self.run, self.offered = run, offered
        self._lasting_numbers = lasting_numbers
        self._file = run.path / INTERVENTIONS
        self._lines = _whole_lines(run.path)

    def take(self, step: int, phase: str, *, is_new: bool) -> list[Intervention]:
        """What to change at the start of the iteration that makes a step, by raw numbers.

        Nothing new is taken at a step that is repeated: it must come out as before.
        """
        if is_new:
            self._take_new(step, phase)
        return [
            Intervention(line["kind"], tuple(line["clusters"]), line["value"])
            for line in self._lines
            if line["step"] == step and not line["reason"]
        ]

    def record(self, step: int) -> dict[str, Any]:
        """What the log says of the changes at a step; nothing if there were none."""
        here = [line for line in self._lines if line["step"] == step]
        made = [_about(line) for line in here if not line["reason"]]
        refused = [{**_about(line), "reason": line["reason"]} for line in here if line["reason"]]
        record: dict[str, Any] = {"interventions": made} if made else {}
        return {**record, "refused": refused} if refused else record

    def _take_new(self, step: int, phase: str) -> None:
        known = {line["wish"] for line in self._lines}
        for asked in pending(self.run, self._lasting_numbers):
            if asked.name not in known and self._waits(asked.kind, phase):
                continue
            if asked.name not in known:
                line = self._record(asked, step, phase)
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                flush(self._file, self.run.path)
                self._lines.append(line)
            (_folder(self.run.path) / f"{asked.name}.json").unlink(missing_ok=True)

    def _waits(self, kind: InterventionKind, phase: str) -> bool:
        """Whether a later phase offers what this one does not."""
        phases = list(self.offered)
        later = phases[phases.index(phase) + 1 :] if phase in phases else []
        here = kind in self.offered.get(phase, ())
        return not here and any(kind in self.offered[each] for each in later)

    def _record(self, asked: PendingIntervention, step: int, phase: str) -> dict[str, Any]:
        """What is written down: both numbers of the clusters, and why it cannot be made."""
        raw, reason, n_items = list(asked.lasting), "", 0
        if asked.kind not in self.offered.get(phase, ()):
            reason = f"the phase '{phase}' does not offer it"
        elif asked.lasting and not 0 < asked.n_steps <= step:
            reason = "there were no clusters yet"
        elif asked.lasting:
            names = self._lasting_numbers(step - 1).tolist()
            gone = [str(number) for number in asked.lasting if number not in names]
            if gone:
                reason = f"there is no cluster {' or '.join(gone)}"
            else:
                raw = [names.index(number) for number in asked.lasting]
                n_items = int((self.run[step - 1].assignments == raw[-1]).sum())
        return {
            "step": step,
            "wish": asked.name,
            "reason": reason,
            "kind": asked.kind,
            "clusters": raw,
            "lasting": list(asked.lasting),
            "value": asked.value,
            "n_items": n_items,
        }


def _folder(path: Path) -> Path:
    return path / "wishes"


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    """What a run has recorded, and the file without a line that a crash has left half-written."""
    lines = [dict(line) for line in recorded_changes(path)]
    file = path / INTERVENTIONS
    text = file.read_bytes() if file.is_file() else b""
    if text and not text.endswith(b"\n"):
        file.write_bytes(text[: text.rfind(b"\n") + 1])
    return lines


def _about(line: Mapping[str, Any]) -> dict[str, Any]:
    """What the log says of a change, from its line; older lines know less."""
    return {name: value for name, value in line.items() if name not in ("step", "wish", "reason")}


def _recorded(about: Mapping[str, Any]) -> RecordedIntervention:
    lasting = about.get("lasting")
    return RecordedIntervention(
        about["kind"],
        float(about["value"]),
        None if lasting is None else tuple(lasting),
        tuple(about["clusters"]),
        about.get("n_items"),
        str(about.get("reason", "")),
    )

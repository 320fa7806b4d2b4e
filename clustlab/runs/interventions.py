"""Changes that a user makes to a run under way: asked for, taken back, made, and recorded.

A reader asks by laying a file into the run's folder. The worker writes the change with its step
into `interventions.jsonl` before it makes it, and removes the file after that: so a change is made
exactly once, and made again at the same step when that step is repeated after a resume.
"""

import contextlib
import dataclasses
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustlab.data.atomic import write_atomically
from clustlab.errors import ClustlabError, ParameterError, RunNotFound
from clustlab.runs.identity import INTERVENTIONS
from clustlab.runs.store import Run
from clustlab.types import Intervention, InterventionKind, Snapshot

Offered = Mapping[str, tuple[InterventionKind, ...]]
"""Kinds of intervention by phase, in the order of the phases."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An intervention that is asked for and not made yet."""

    name: str  # of its file
    intervention: Intervention
    n_steps: int  # committed steps at that time: its clusters are those of the last one


def ask(run: Run, intervention: Intervention) -> str:
    """Name of a new wish, to be granted at the start of the next iteration.

    Raises
    ------
    RunNotFound
        If the run is deleted.
    """
    about = {**dataclasses.asdict(intervention), "n_steps": len(run)}
    name = f"{time.time_ns():020d}-{secrets.token_hex(2)}"  # by name is by time
    try:
        _folder(run.path).mkdir(exist_ok=True)
        write_atomically(_folder(run.path) / f"{name}.json", json.dumps(about))
    except FileNotFoundError as error:
        raise RunNotFound(
            f"The run {run.id!r} is not there any more.", "It may have been deleted."
        ) from error
    return name


def take_back(run: Run, name: str) -> None:
    """Drop a wish.

    Raises
    ------
    ParameterError
        If it was granted meanwhile.
    """
    if Path(name).name != name:
        raise ParameterError(f"{name!r} is not the name of a wish.")
    try:
        (_folder(run.path) / f"{name}.json").unlink()
    except FileNotFoundError as error:
        raise ParameterError(
            "This change was made meanwhile and cannot be taken back.",
            "Go on with the run and watch it recover, or start it again.",
        ) from error


def wishes(run: Run) -> list[Wish]:
    """What is asked for and not made yet, oldest first."""
    found = []
    for file in sorted(_folder(run.path).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, ClustlabError):
            about = json.loads(file.read_text("utf-8"))
            found.append(Wish(file.stem, _from(about), int(about["n_steps"])))
    return found


def at_step(record: Mapping[str, Any]) -> list[Intervention]:
    """Interventions that were made at the start of a step, from its record in the log."""
    return [_from(about) for about in record.get("interventions", ())]


def refused_at(record: Mapping[str, Any]) -> list[tuple[Intervention, str]]:
    """Interventions that could not be made at a step, each with the reason."""
    return [(_from(about), about["reason"]) for about in record.get("refused", ())]


class Desk:
    """The worker's side: grants wishes at the start of an iteration, and remembers at which."""

    def __init__(self, run: Run, offered: Offered) -> None:
        self.run, self.offered = run, offered
        self._file = run.path / INTERVENTIONS
        self._made = _lines(self._file)

    def take(self, step: int, phase: str, *, is_new: bool) -> list[Intervention]:
        """What to change at the start of the iteration that makes a step.

        Wishes are granted at a new step only: one that is repeated must come out as before.
        """
        if is_new:
            self._grant(step, phase)
        return [_from(line) for line in self._made if line["step"] == step and not line["reason"]]

    def record(self, step: int) -> dict[str, Any]:
        """What the log says of the changes at a step; nothing if there were none."""
        here = [line for line in self._made if line["step"] == step]
        made = [_plain(line) for line in here if not line["reason"]]
        refused = [{**_plain(line), "reason": line["reason"]} for line in here if line["reason"]]
        found: dict[str, Any] = {"interventions": made} if made else {}
        return {**found, "refused": refused} if refused else found

    def _grant(self, step: int, phase: str) -> None:
        known = {line["wish"] for line in self._made}
        for wish in wishes(self.run):
            if wish.name not in known and self._waits(wish.intervention.kind, phase):
                continue
            if wish.name not in known:
                about, reason = self._judged(wish, step, phase)
                line = {"step": step, "wish": wish.name, "reason": reason, **about}
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                self._made.append(line)
            (_folder(self.run.path) / f"{wish.name}.json").unlink(missing_ok=True)

    def _waits(self, kind: InterventionKind, phase: str) -> bool:
        """Whether a later phase offers what this one does not."""
        phases = list(self.offered)
        later = phases[phases.index(phase) + 1 :] if phase in phases else []
        here = kind in self.offered.get(phase, ())
        return not here and any(kind in self.offered[each] for each in later)

    def _judged(self, wish: Wish, step: int, phase: str) -> tuple[dict[str, Any], str]:
        """The wish with its clusters as they are numbered now, and why it cannot be granted."""
        about = dataclasses.asdict(wish.intervention)
        if wish.intervention.kind not in self.offered.get(phase, ()):
            return about, f"the phase '{phase}' does not offer it"
        if not 0 < wish.n_steps <= step:
            return about, "there were no clusters yet"
        before, now = self.run[wish.n_steps - 1], self.run[step - 1]
        if any(not 0 <= i < before.n_clusters for i in wish.intervention.clusters):
            return about, f"there are only {before.n_clusters} clusters"
        about["clusters"] = [_successor(i, before, now) for i in wish.intervention.clusters]
        if len(set(about["clusters"])) < len(about["clusters"]):
            return about, "the two clusters are one by now"
        return about, ""


def _successor(cluster: int, before: Snapshot, now: Snapshot) -> int:
    """Cluster that holds most of the items of an earlier one; the same number if it had none."""
    members = now.assignments[before.assignments == cluster]
    return int(np.bincount(members).argmax()) if len(members) else cluster


def _folder(path: Path) -> Path:
    return path / "wishes"


def _lines(file: Path) -> list[dict[str, Any]]:
    """Lines of a file, without one that a crash has left half-written."""
    if not file.is_file():
        return []
    text = file.read_bytes()
    whole = text[: text.rfind(b"\n") + 1]
    if whole != text:
        file.write_bytes(whole)
    return [json.loads(line) for line in whole.splitlines()]


def _plain(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("kind", "clusters", "value")}


def _from(about: Mapping[str, Any]) -> Intervention:
    clusters: Sequence[int] = about["clusters"]
    return Intervention(about["kind"], tuple(int(i) for i in clusters), float(about["value"]))

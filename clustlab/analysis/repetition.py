"""Whether a run that was carried out again came out the same to the bit, and what may tell why not.

Equal figures are promised on the same kind of device with the same versions: elsewhere sums are
formed in another order, and training carries their last digits on to all others.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.errors import ParameterError
from clustlab.runs import reading
from clustlab.runs.identity import differences, identity_of
from clustlab.runs.source import why_not_drawn
from clustlab.runs.store import Run
from clustlab.types import Snapshot

NOT_NOTED = "not noted"


@dataclass(frozen=True, slots=True)
class Repetition:
    """A run and the same once more."""

    steps: tuple[int, int]  # that each has
    first_difference: int | None  # step; None if all steps that both have are equal
    items_differing: int | None  # by raw cluster, at the last step that both have; None without one
    settings: tuple[str, ...]  # in which they differ, though they should not
    machine: Mapping[str, tuple[str, str]]  # what differs of versions and device, then and now

    @property
    def is_exact(self) -> bool:
        """Whether all steps are equal to the bit."""
        return self.first_difference is None and self.steps[0] == self.steps[1]


def repetition(run: Run, again: Run) -> Repetition:
    """How a run and its repetition differ.

    Raises
    ------
    RunNotFound
        If a step of one of them cannot be read.
    """
    n = min(len(run), len(again))
    first = next((step for step in range(n) if not _equal(run[step], again[step])), None)
    moved = None
    if n:
        a, b = run[n - 1].assignments, again[n - 1].assignments
        moved = int((a != b).sum()) if a.shape == b.shape else len(a)
    return Repetition(
        (len(run), len(again)),
        first,
        moved,
        tuple(
            name for name in differences(identity_of(run), identity_of(again)) if name != "version"
        ),
        _changed(machine_of(run), machine_of(again)),
    )


def sentences(found: Repetition) -> list[str]:
    """What came of a repetition, and what may tell why."""
    mine, other = found.steps
    first = found.first_difference
    if found.is_exact:
        said = [f"All {mine:,} steps came out the same to the bit."]
    elif first is None:
        said = [f"One has {mine:,} steps and the other {other:,}; those that both have are equal."]
    else:
        said = [
            f"They differ from step {first:,} on."
            if first
            else "They differ from the first step on."
        ]
        if found.items_differing is not None:
            n = found.items_differing
            said.append(
                f"At the last step that both have, {n:,} item{'s are' if n != 1 else ' is'} in a "
                "cluster of another number."
            )
    if found.settings:
        said.append(f"Not the same run: it differs in {', '.join(found.settings)}.")
    said += [
        f"Another {name}: {then} in the one, {now} in the other."
        for name, (then, now) in found.machine.items()
    ]
    return said


def check_repeatable(run: Run) -> None:
    """Nothing, if a run can be carried out once more.

    Raises
    ------
    ClustlabError
        If it was made elsewhere or goes on from another one, or its items cannot be drawn again.
    """
    registry.method(run.spec.method)  # says it of a clustering that was made elsewhere
    if run.steps_before:
        raise ParameterError(
            f"{run.title} goes on from another run, so it cannot be repeated by itself.",
            "Repeat the run that it goes on from, then train that longer.",
        )
    if missing := why_not_drawn(run.spec, run.manifest):
        raise missing


def _equal(a: Snapshot, b: Snapshot) -> bool:
    """Whether all numbers of two steps are the same."""
    for name in ("embedding", "assignments", "probabilities", "centers"):
        mine, other = getattr(a, name), getattr(b, name)
        if (mine is None) != (other is None):
            return False
        if mine is not None and not np.array_equal(mine, other, equal_nan=True):
            return False
    return dict(a.scalars) == dict(b.scalars)


def machine_of(run: Run) -> dict[str, str]:
    """What the figures of a run may depend on besides its settings, by name."""
    facts = {"clustlab": str(run.manifest.get("version", NOT_NOTED))}
    with contextlib.suppress(OSError, Unreadable):
        said: Any = reading.machine(plain_files.content(run.path, "environment.json"))
        facts |= said.pop("packages", {})
        facts |= {name: str(value) for name, value in said.items()}
    return facts


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    both = {
        n: (then.get(n, NOT_NOTED), now.get(n, NOT_NOTED)) for n in dict.fromkeys([*then, *now])
    }
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}

"""How far runs were at each step, which brings them together: in steps, seconds or samples."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from clustlab.runs.phases import step_phases
from clustlab.runs.store import Run
from clustlab.types import Array

By = Literal["share", "step", "seconds"]
AXES = ("step", "seconds", "samples")


@dataclass(frozen=True, slots=True)
class Clock:
    """How far a run was at each of its steps."""

    n_steps: int
    seconds: Array | None  # (n_steps,) float64 of training time, None if the log has none


def clock(run: Run) -> Clock:
    """Steps and training time of a run, from its log."""
    times = [record.get("seconds") for record in list(run.log)]
    return Clock(len(times), None if None in times else np.array(times, dtype=np.float64))


def step_at(clock: Clock, by: By, value: float) -> int:
    """Step of a run that belongs to a position of the common control, in [0, n_steps).

    Parameters
    ----------
    by : str
        `share` of the steps in [0, 1], `step` (the last one of runs that are shorter), or
        `seconds` of training (the last step that was done by then).
    """
    last = clock.n_steps - 1
    if by == "share":
        return round(min(max(value, 0.0), 1.0) * last)
    if by == "seconds" and clock.seconds is not None:
        return max(int(np.searchsorted(clock.seconds, value, side="right")) - 1, 0)
    return int(min(max(value, 0), last))


def samples_seen(run: Run) -> tuple[Array | None, str]:
    """Items trained on up to each step, (steps,) float64; or None and the reason, in words.

    What counts as one is said at `PlannedPhase`. Phases that draw no batches add nothing, see
    `phases_not_counted`.
    """
    if run.spec.is_outside:
        return None, "This clustering was made elsewhere: nobody has counted the samples here."
    phases = step_phases(run)
    title = run.manifest["method_title"]
    each = [phase.samples for phase in phases]
    known = [samples for samples in each if samples is not None]
    if len(known) < len(each):
        return None, (
            f"The log of this run does not say how many items a step drew, and {title} as it is "
            "installed here does not know all of its phases."
        )
    if not any(known):
        return None, (
            f"{title} has drawn no batches: its steps look at all items at once, so there are no "
            "samples to count."
        )
    return np.cumsum(known).astype(np.float64), ""


def phases_not_counted(run: Run) -> list[str]:
    """Names of the phases that have trained without drawing batches, in order.

    Their steps stand at one place of the axis of samples.
    """
    names = [
        phase.name
        for phase in step_phases(run)
        if phase.role in ("pretrain", "train") and phase.samples == 0
    ]
    return list(dict.fromkeys(names))

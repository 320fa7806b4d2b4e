"""How far runs were at each step, by which they are brought together, and their curves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from clustlab import registry
from clustlab.analysis import matching, score_catalogue
from clustlab.analysis.score_catalogue import FROM_ASSIGNMENTS, Division
from clustlab.errors import ParameterError
from clustlab.runs.identity import method_settings
from clustlab.runs.store import Run, each_assignment
from clustlab.types import Array

By = Literal["share", "step", "seconds"]
AXES = ("step", "seconds", "samples")
UNTRAINED = ("start", "initialise clusters", "merge")  # phases that only look at the items
GRID = 300  # places along a mean over seeds


# -- one control for all -----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Clock:
    """How far a run was at each of its steps."""

    n_steps: int
    seconds: Array | None  # (n_steps,) float64 of training time, None if the log has none


def clock(run: Run) -> Clock:
    """Steps and training time of a run, from its log."""
    times = [record.get("seconds") for record in list(run.log)]
    return Clock(len(times), None if None in times else np.array(times, dtype=np.float64))


def samples_seen(run: Run, n_items: int) -> tuple[Array | None, str]:
    """Items trained on up to each step, (steps,) float64; or None and the reason, in words.

    The log does not count them. An epoch of training sees each item once (changed copies of it
    do not count); an update of DEC's target sees `update_interval` batches. Where a step is
    neither of the two, they are not known.
    """
    each, reason = _samples_per_step(run, n_items)
    if each is None:
        return None, reason
    counts = [each(str(record.get("phase", ""))) for record in list(run.log)]
    return np.cumsum(counts).astype(np.float64), ""


def _samples_per_step(run: Run, n: int) -> tuple[Callable[[str], int] | None, str]:
    """Samples that a step of a phase trains on; None and the reason if that cannot be known."""
    settings = method_settings(run.spec)
    title = run.manifest["method_title"]
    try:
        unit = registry.method(run.spec.method).step_unit
    except ParameterError:
        return None, f"{title} is not installed here."
    interval, batch = settings.get("update_interval"), settings.get("batch_size")
    if unit != "epoch" and not (interval and batch):
        return None, f"A step of {title} is a {unit}, which does not say how many items it used."
    update = min(int(batch), n) * int(interval) if interval and batch else 0

    def each(phase: str) -> int:
        if phase in UNTRAINED:
            return 0
        return update if phase == "cluster" else n

    return each, ""


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


# -- curves ------------------------------------------------------------------------------------
def curve(run: Run, n_items: int, labels: Array | None = None) -> pd.DataFrame:
    """`AXES` and scores of each step; nan where one is not defined or known.

    Reads assignments only, so it is quick for runs that nobody looks at otherwise.
    """
    rows: list[dict[str, float]] = []
    stable: Array | None = None
    mapping: Array | None = None
    for assignments, k in each_assignment(run):
        before = stable
        stable, mapping = matching.follow(assignments, k, stable, mapping)
        counts = None if labels is None else matching.contingency(labels, stable)
        division = Division(matching.sizes_of(assignments, k), stable, before, counts)
        rows.append(score_catalogue.values(division, FROM_ASSIGNMENTS))
    table = pd.DataFrame(rows, columns=list(FROM_ASSIGNMENTS), dtype=float)
    missing = np.full(len(table), np.nan)
    for name, values in (
        ("samples", samples_seen(run, n_items)[0]),
        ("seconds", clock(run).seconds),
    ):
        table.insert(0, name, (missing if values is None else values)[: len(table)])
    table.insert(0, "step", np.arange(len(table)))
    return table


def bands(
    curves: Mapping[str, pd.DataFrame], groups: Mapping[str, Sequence[str]], axis: str, figure: str
) -> pd.DataFrame:
    """Mean, lowest and highest value of a figure for each group of runs along an axis.

    Columns: `group`, `x`, `mean`, `low`, `high`, `runs`. A group of several runs (seeds) is shown
    where all of them have values, between steps by straight lines; one run as it is. Groups
    whose axis or figure is not known have no rows.
    """
    parts = []
    for group, members in groups.items():
        lines = [_line(curves[run], axis, figure) for run in members]
        if not all(len(x) for x, _ in lines):
            continue
        x = _common(lines)
        values = np.array([y if len(lines) == 1 else np.interp(x, at, y) for at, y in lines])
        mean, low, high = values.mean(0), values.min(0), values.max(0)
        data = {"group": group, "x": x, "mean": mean, "low": low, "high": high}
        parts.append(pd.DataFrame({**data, "runs": len(members)}))
    columns = ["group", "x", "mean", "low", "high", "runs"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _line(table: pd.DataFrame, axis: str, figure: str) -> tuple[Array, Array]:
    """Places and values of a curve where both are known; the last value of each place."""
    known = table[[axis, figure]].dropna().drop_duplicates(axis, keep="last")
    return known[axis].to_numpy(float), known[figure].to_numpy(float)


def _common(lines: Sequence[tuple[Array, Array]]) -> Array:
    """Places that all lines cover."""
    if len(lines) == 1:
        return lines[0][0]
    low, high = max(x[0] for x, _ in lines), min(x[-1] for x, _ in lines)
    places = np.unique(np.concatenate([x for x, _ in lines]))
    places = places[(places >= low) & (places <= high)]
    return places if len(places) <= GRID else np.linspace(low, high, GRID)

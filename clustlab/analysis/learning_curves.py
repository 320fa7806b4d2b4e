"""Curves of the figures of runs along an axis of progress, and bands over their seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from clustlab.analysis import matching, score_catalogue
from clustlab.analysis.lasting_clusters import followed_clusters
from clustlab.analysis.matching import n_classes_present
from clustlab.analysis.merged_clusters import merged_counts
from clustlab.analysis.progress_axis import clock, samples_seen
from clustlab.analysis.score_catalogue import FROM_ASSIGNMENTS, MERGED, Division
from clustlab.runs.store import Run
from clustlab.types import Array

FIGURES = (*MERGED, *FROM_ASSIGNMENTS)
GRID = 300  # places along a mean over seeds


def curve(run: Run, labels: Array | None = None, only: Array | None = None) -> pd.DataFrame:
    """Place of each step on every axis of progress, and its scores; nan where not known.

    `only` are the items (m,) int over which scores are taken, by default all.

    Reads assignments only, and more of steps with more clusters than classes, so it is quick for
    runs that nobody looks at otherwise.
    """
    rows: list[dict[str, float]] = []
    numbers: list[int] = []
    taken = slice(None) if only is None else only
    known = None if labels is None else labels[taken]
    n_classes = n_classes_present(known)
    before: Array | None = None
    for step in followed_clusters(run):
        numbers.append(step.step)
        if step.is_missing:
            rows.append({})
            continue
        now = step.lasting[taken]
        counts = None if known is None else matching.contingency(known, now)
        sizes = matching.sizes_of(step.raw[taken], len(step.mapping))
        merged = counts
        if labels is not None and 0 < n_classes < (sizes > 0).sum():
            merged = merged_counts(run[step.step], labels, only)
        past = None if step.is_read_anew else before
        division = Division(sizes, now, past, counts, merged=merged)
        rows.append(score_catalogue.values(division, FIGURES))
        before = now
    table = pd.DataFrame(rows, columns=list(FIGURES), dtype=float)
    steps, missing = np.array(numbers, dtype=np.int64), np.full(len(table), np.nan)
    for name, values in (
        ("samples", samples_seen(run)[0]),
        ("seconds", clock(run).seconds),
    ):
        table.insert(0, name, missing if values is None else values[steps])
    table.insert(0, "step", steps)
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
        lines = [_known_points(curves[run], axis, figure) for run in members]
        if not all(len(x) for x, _ in lines):
            continue
        x = _common(lines)
        values = np.array([y if len(lines) == 1 else np.interp(x, at, y) for at, y in lines])
        mean, low, high = values.mean(0), values.min(0), values.max(0)
        data = {"group": group, "x": x, "mean": mean, "low": low, "high": high}
        parts.append(pd.DataFrame({**data, "runs": len(members)}))
    columns = ["group", "x", "mean", "low", "high", "runs"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _known_points(table: pd.DataFrame, axis: str, figure: str) -> tuple[Array, Array]:
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

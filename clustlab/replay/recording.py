"""What a page replays of one run: figures of all compared items, and places of those shown."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.analysis import matching, metrics, score_catalogue, transitions
from clustlab.analysis.alarm_catalogue import alarm_text, facts
from clustlab.analysis.alarms import alarms_of_run
from clustlab.analysis.merged_clusters import merged_counts
from clustlab.analysis.nearest_neighbours import k_nearest
from clustlab.analysis.scalar_catalogue import own_scalars, scalar_of
from clustlab.analysis.score_catalogue import SCORES, Division
from clustlab.analysis.step_story import step_story
from clustlab.analysis.step_view import StepView
from clustlab.analysis.timeline import Timeline
from clustlab.replay.packing import numbers, sparse
from clustlab.runs.store import Run
from clustlab.types import Array, Dataset, Report
from clustlab.views import sheets
from clustlab.views.quantised import levels

NEIGHBOURS = 8  # of each item, at the first step and the last


@dataclass(frozen=True)
class Source:
    """One run, and which of its items a page is about."""

    run: Run
    dataset: Dataset
    timeline: Timeline  # over all steps; where runs are compared, by their common numbers
    title: str
    rows: Array  # (m,) int64, items that figures count
    shown: Array  # (s,) int64, those of them that are on the page

    @cached_property
    def has_all(self) -> bool:
        """Whether figures count all items of the run."""
        return len(self.rows) == len(self.dataset.items)

    @cached_property
    def labels(self) -> Array | None:
        """Class of each item of the run, (n,) int; None if none is known."""
        labels = self.dataset.labels
        return None if labels is None or not (labels[self.rows] >= 0).any() else labels

    def view(self, step: int) -> StepView:
        """A step of the run, with all its items."""
        return StepView(self.run, step, self.timeline, self.dataset)


class CommonTimeline(Timeline):
    """A timeline whose clusters have other numbers, such as those that two runs share.

    Parameters
    ----------
    timeline : Timeline
        Over all steps of a run.
    ids : (k,) int
        Number of each cluster in place of its own.
    """

    def __init__(self, timeline: Timeline, ids: Array) -> None:
        self.__dict__.update(timeline.__dict__)  # what it knows of the steps is the same
        self._ids = ids.astype(np.int32)

    def stable(self, step: int) -> Array:
        """Common cluster ids (n,) int32 of the items at a step, -1 for noise."""
        return matching.looked_up(super().stable(step), self._ids)

    def mapping(self, step: int) -> Array:
        """Common id (k,) int32 of each raw cluster at a step."""
        return np.asarray(self._ids[super().mapping(step)])

    def history(self, item: int) -> Array:
        """Common cluster (steps,) int32 of one item over all known steps, -1 where it is noise."""
        return matching.looked_up(super().history(item), self._ids)

    def n_ids(self) -> int:
        """One more than the greatest common id."""
        return int(self._ids.max(initial=-1)) + 1

    def centers(self, step: int) -> Array:
        """Where each cluster's center lies, (ids, 2) float32 by common id; nan for none."""
        own = super().centers(step)
        places = np.full((self.n_ids(), 2), np.nan, dtype=np.float32)
        places[self._ids[: len(own)]] = own
        return places


@dataclass(frozen=True)
class Recording:
    """Figures for people, and arrays with a row for each step, of one run."""

    facts: dict[str, Any]
    arrays: dict[str, Array]


def recording(source: Source, steps: Sequence[int], n_ids: int, report: Report) -> Recording:
    """All that a page shows of a run at some of its steps.

    Parameters
    ----------
    steps : sequence of int
        Which, rising; all of them can be read.
    n_ids : int
        Numbers of clusters on the page.
    """
    timeline, rows, shown = source.timeline, source.rows, source.shown
    n_classes, labels = timeline.n_classes, source.labels
    known = np.full(len(rows), -1) if labels is None else np.asarray(labels)[rows]
    stacks: dict[str, list[Array]] = {}
    confusions, shifts, stories, beginnings = [], [], [], []
    figures: dict[str, list[float]] = {key: [] for key in SCORES}
    extent = timeline.extent()
    before: Array | None = None
    for place, step in enumerate(steps):
        report(f"Reading step {step}", place / len(steps))
        view = source.view(step)
        clusters = view.clusters[rows]
        carried = place > 0 and _is_carried_on(timeline, steps[place - 1], step)
        beginnings.append("carried on" if carried else "read anew" if place else "first")
        shifts.append(
            transitions.table(before, clusters, n_ids)
            if carried and before is not None
            else np.zeros((n_ids + 1, n_ids + 1), np.int64)
        )
        confusions.append(matching.classes_by_clusters(known, clusters, n_classes, n_ids))
        standing = matching.classes_of(
            None if labels is None else known, clusters, n_ids, n_classes
        )
        order = sheets.order("central", np.sort(shown), view.snapshot)
        rank = np.empty(len(view.clusters), np.uint16)
        rank[order] = np.arange(len(order))
        points = timeline.points(step)[shown]
        for name, row in {
            "x": levels(points[:, 0], -extent, extent),
            "y": levels(points[:, 1], -extent, extent),
            "cluster": numbers(view.clusters[shown]),
            "confidence": levels(view.confidence[shown], 0, 1),
            "central": rank[shown],
            "changes": np.minimum(view.changes[shown], 65535).astype(np.uint16),
            "size": np.bincount(np.where(clusters < 0, n_ids, clusters), minlength=n_ids + 1),
            "class_of": numbers(standing),
            "center": _centers(timeline.centers(step), n_ids, extent),
            "is_there": np.isin(np.arange(n_ids), view.ids).astype(np.uint8),
        }.items():
            stacks.setdefault(name, []).append(row)
        stories.append(list(step_story(view).sentences))
        scores = timeline.row(step) if source.has_all else _over(view, rows, known)
        for key in figures:
            figures[key].append(scores[key])
        before = clusters
    arrays = {name: np.stack(stack) for name, stack in stacks.items()}
    arrays["size"] = arrays["size"].astype(np.uint32)
    arrays |= {**sparse(confusions, "confusion"), **sparse(shifts, "shifts")}
    report("Finding neighbours", 1.0)
    ends = [_neighbours(source, step) for step in (steps[0], steps[-1])]
    arrays["near"] = np.stack(ends)
    return Recording(_facts(source, steps, figures, beginnings, stories), arrays)


def _neighbours(source: Source, step: int) -> Array:
    """Nearest items (s, k) uint16 of each item on the page, among these, in the embedding."""
    embedding = source.run[step].embedding[source.shown]
    return k_nearest(embedding, NEIGHBOURS).indices.astype(np.uint16)


def _is_carried_on(timeline: Timeline, before: int, step: int) -> bool:
    """Whether the clusters of a step carry on from an earlier one, through all between them."""
    return not any(before < anew <= step for anew in timeline.read_anew())


def _centers(places: Array, n_ids: int, extent: float) -> Array:
    """Places (ids, 2) of centers as whole numbers; both are 0 where there is none."""
    every = np.full((n_ids, 2), np.nan)
    every[: len(places)] = places
    gone = np.isnan(every).any(1)
    whole = levels(np.nan_to_num(every), -extent, extent)
    whole = np.maximum(whole, 1)
    whole[gone] = 0
    return whole


def _over(view: StepView, rows: Array, known: Array) -> dict[str, float]:
    """Scores of a step over some of its items, as `Timeline.row`."""
    snapshot, before = view.snapshot, view.timeline.stable_before(view.step)
    clusters, labels = view.clusters[rows], view.labels
    return score_catalogue.values(
        Division(
            sizes=matching.sizes_of(snapshot.assignments[rows], snapshot.n_clusters),
            clusters=clusters,
            before=None if before is None else before[rows],
            counts=None if labels is None else metrics.counts_by_class(known, clusters),
            certainty=view.confidence[rows],
            merged=None if labels is None else merged_counts(snapshot, labels, rows),
        )
    )


# -- for people --------------------------------------------------------------------------------
def _facts(
    source: Source,
    steps: Sequence[int],
    figures: dict[str, list[float]],
    beginnings: Sequence[str],
    stories: Sequence[Sequence[str]],
) -> dict[str, Any]:
    run, timeline, log = source.run, source.timeline, source.run.log
    n = len(timeline)
    curve_steps = list(range(n)) if source.has_all else list(steps)
    table = timeline.metrics()
    curves = {key: table[key].tolist() for key in SCORES} if source.has_all else figures
    phases = [str(log[step]["phase"]) for step in range(n)]
    return {
        "id": run.id,
        "title": source.title,
        "method": run.manifest["method_title"],
        "status": run.status,
        "n_steps": n,
        "steps": list(steps),
        "phases": [phases[step] for step in steps],
        "phase_starts": [
            [0, phases[0]],
            *([i + 1, b] for i, (a, b) in enumerate(pairwise(phases)) if a != b),
        ],
        "read_anew": list(timeline.read_anew()),
        "beginnings": list(beginnings),
        "stories": [list(story) for story in stories],
        "curve_steps": curve_steps,
        "scores": _defined(curves),
        "scalars": _scalars(run, curve_steps),
        "is_over_clustered": timeline.is_over_clustered(),
        "has_noise": timeline.has_noise(),
        "has_labels": source.labels is not None,
        "alarms": _alarms(source),
    }


def _defined(curves: dict[str, list[float]]) -> dict[str, list[float | int | None]]:
    """Scores for JSON, without those that are defined at no step."""
    stored = {key: [SCORES[key].stored(v) for v in values] for key, values in curves.items()}
    return {key: v for key, v in stored.items() if any(value is not None for value in v)}


def _scalars(run: Run, steps: Sequence[int]) -> list[dict[str, Any]]:
    """What the method reported at some steps, by its declaration; None where it said nothing."""
    log, own = run.log, own_scalars(run)
    said = [log[step]["scalars"] for step in steps]
    told = []
    for key in dict.fromkeys(key for each in said for key in each):
        scalar = scalar_of(key, own)
        values = [each.get(key, math.nan) for each in said]
        told.append(
            {
                "key": key,
                "words": scalar.words,
                "unit": scalar.unit,
                "values": [float(f"{v:.6g}") if math.isfinite(v) else None for v in values],
            }
        )
    return told


def _alarms(source: Source) -> list[dict[str, Any]]:
    run, timeline = source.run, source.timeline
    found = alarms_of_run(run, timeline)
    if not found:
        return []  # loading all methods takes seconds
    method = registry.methods().get(run.spec.method)
    told = []
    for alarm in found:
        text = alarm_text(alarm, method, run.spec.method_params)
        told.append(
            {
                "title": text.title,
                "step": alarm.step,
                "until": alarm.until,
                "when": alarm.when,
                "fact": facts(alarm),
                "meaning": text.meaning,
                "remedy": text.remedy,
            }
        )
    return told

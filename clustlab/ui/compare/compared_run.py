"""One run among those that are compared, and selections that concern all of them.

Everything that is compared is over the items that all runs have. On the page an item has the
number that it has in the first run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from clustlab.analysis import agreement, matching, metrics, score_catalogue, shared_items
from clustlab.analysis.merged_clusters import merged_counts
from clustlab.analysis.score_catalogue import Division
from clustlab.analysis.shared_items import SharedItems
from clustlab.data import some_rows
from clustlab.runs.store import Run, RunStore
from clustlab.types import Array, Dataset, Snapshot
from clustlab.ui import session, state
from clustlab.ui.run.view import View
from clustlab.ui.state import SessionValue


@dataclass(frozen=True)
class PartView(View):
    """One step of a run of which some items are looked at, with the numbers 0 to m - 1."""

    whole: View
    rows: Array  # (m,) int64, which items of the run

    @cached_property
    def snapshot(self) -> Snapshot:
        """Snapshot of these items, without artefacts."""
        of = self.whole.snapshot
        q = of.probabilities
        return Snapshot(
            embedding=of.embedding[self.rows],
            assignments=of.assignments[self.rows],
            scalars=of.scalars,
            probabilities=None if q is None else q[self.rows],
            centers=of.centers,
        )

    @cached_property
    def clusters(self) -> Array:
        """Cluster of each item, (m,) int32."""
        return self.whole.clusters[self.rows]

    @cached_property
    def changes(self) -> Array:
        """How often each item changed its cluster up to this step, (m,) int32."""
        return self.whole.changes[self.rows]

    @cached_property
    def confidence(self) -> Array:
        """How sure the method is of each item's cluster, (m,) float32 in [0, 1]."""
        return self.whole.confidence[self.rows]


@dataclass(frozen=True)
class Side:
    """One run at one step, with its clusters under numbers that all runs share."""

    letter: str
    view: View  # of the shared items only
    ids: Array  # (k,) lasting number in the run -> common number
    whole: View  # of all items of the run
    rows: Array  # (m,) int64, rows of the shared items in this run
    items: Array  # (m,) int64, their rows in the first run: their numbers on the page

    @cached_property
    def clusters(self) -> Array:
        """Cluster of each shared item under its common number, (m,) int32, -1 for noise."""
        return matching.looked_up(self.view.clusters, self.ids)

    @cached_property
    def class_of(self) -> Array:
        """Class that each cluster stands for, by common number; -1 for none."""
        classes = np.full(int(self.ids.max(initial=-1)) + 1, -1)
        classes[self.ids] = self.view.class_of[: len(self.ids)]
        return classes

    @property
    def present(self) -> Array:
        """Common numbers of the clusters that the method has at this step, empty ones included."""
        return np.asarray(self.ids[self.view.timeline.mapping(self.view.step)])

    @property
    def points(self) -> Array:
        """Where the shared items lie at this step, (m, 2) float32."""
        return self.view.timeline.points(self.view.step)[self.rows]

    @property
    def has_others(self) -> bool:
        """Whether the run has items that are not compared."""
        return self.view is not self.whole

    @cached_property
    def figures(self) -> dict[str, float]:
        """Scores of the step over the shared items by key, as in `Timeline.row`."""
        step, timeline = self.whole.step, self.whole.timeline
        if not self.has_others:
            return timeline.row(step)
        labels, now = self.view.labels, self.view.clusters
        snapshot, before = self.whole.snapshot, timeline.stable_before(step)
        every_label = self.whole.labels
        division = Division(
            sizes=matching.sizes_of(snapshot.assignments[self.rows], snapshot.n_clusters),
            clusters=now,
            before=None if before is None else before[self.rows],
            counts=None if labels is None else metrics.counts_by_class(labels, now),
            certainty=self.view.confidence,
            merged=None if every_label is None else merged_counts(snapshot, every_label, self.rows),
        )
        return score_catalogue.values(division)

    @property
    def name(self) -> str:
        """Letter and method, short enough for a heading."""
        return f"{self.letter}: {self.view.run.manifest['method_title']}"

    def pick(self, position: int) -> None:
        """Open a shared item in the inspector."""
        session.pick(int(self.items[position]))


def sides(runs: Sequence[Run], steps: dict[str, int], letters: str) -> list[Side]:
    """Runs that have begun, at their steps, with clusters under common numbers.

    Clusters are matched at the last step of each run and keep their numbers at all others, so
    that a colour means one cluster over time as well as across runs.
    """
    shared = shared_by(runs)
    begun = [(place, run) for place, run in enumerate(runs) if run.id in steps]
    maps = common_ids([run for _, run in begun], [shared.rows[place] for place, _ in begun])
    items = shared.rows[begun[0][0]]
    chosen = []
    for (place, run), ids in zip(begun, maps, strict=True):
        whole = View(run, steps[run.id], session.timeline(run), session.dataset(run))
        rows = shared.rows[place]
        view = whole
        if not shared.has_all(place):
            part = _part(run, tuple(r.id for r in runs))
            view = PartView(run, whole.step, whole.timeline, part, whole, rows)
        chosen.append(Side(letters[place], view, ids, whole, rows, items))
    return chosen


def shared_by(runs: Sequence[Run]) -> SharedItems:
    """Items that all runs have; raises like `shared_items`."""
    return _shared(runs[0].path.parent, tuple(run.id for run in runs))


@lru_cache(maxsize=8)
def _shared(folder: Path, run_ids: tuple[str, ...]) -> SharedItems:
    return shared_items.shared_items(RunStore(folder), [session.open_run(i) for i in run_ids])


@session.kept_per_run(maxsize=4)
def _part(run: Run, compared: tuple[str, ...]) -> Dataset:
    """Items and labels of a run that all compared runs have."""
    shared = _shared(run.path.parent, compared)
    return some_rows.part_of(session.dataset(run), shared.rows[compared.index(run.id)])


def common_ids(runs: Sequence[Run], rows: Sequence[Array]) -> list[Array]:
    """Common number of each cluster of each run, matched by shared items at its last step."""
    timelines = [session.timeline(run) for run in runs]
    last = [t.stable(len(t) - 1)[own] for t, own in zip(timelines, rows, strict=True)]
    return agreement.alignments(last, [timeline.n_ids() for timeline in timelines])


# -- selecting ---------------------------------------------------------------------------------
def chart_key(name: str) -> str:
    """Key of a chart to select in; a new one when something is selected elsewhere."""
    return f"{session.chart_key(name)}-{_times_superseded(name).get()}"


def _times_superseded(name: str) -> SessionValue[int]:
    return SessionValue(f"superseded-{name}", 0)


def select(source: str, indices: Array, title: str) -> None:
    """Select items by their numbers on the page.

    Marks in other charts than the source would mislead, and go.
    """
    before = state.COMPARED_SOURCE.get()
    if before is not None and before != source:
        times = _times_superseded(before)
        times.set(times.get() + 1)
    state.COMPARED_SOURCE.set(source)
    session.select(indices, title)

"""What changes over the steps of a run, computed once per step and kept while the run grows."""

import contextlib
import threading
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd

from clustlab.analysis import metrics, score_catalogue
from clustlab.analysis.aligned_points import Chain, box_of, box_on, points_on
from clustlab.analysis.matching import (
    contingency,
    follow,
    has_more_than_classes,
    n_classes_present,
    sizes_of,
)
from clustlab.analysis.merged_clusters import merged_counts, merged_counts_at
from clustlab.analysis.projection import carry
from clustlab.analysis.score_catalogue import SCORES, Division
from clustlab.errors import StepMissing
from clustlab.runs import item_series
from clustlab.runs.opened_steps import Glance, glance, map_of, plane_at
from clustlab.runs.phases import steps_read_anew
from clustlab.runs.store import Run
from clustlab.types import NOISE, Array, Report, Snapshot

ROOM = 1.15  # what is shown of the plane, in the same unit


class Steps(Protocol):
    """Anything that has snapshots by number, such as a run or a list."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Snapshot: ...


@dataclass(frozen=True, slots=True)
class _Step:
    """What is kept of one step: a few bytes per item."""

    stable: Array  # (n,) int16, -1 for noise
    mapping: Array  # (k,) int32, raw -> stable
    flips: Array  # (n,) int16, label changes so far
    soft: bool  # whether the method gave probabilities
    row: dict[str, float]  # scores by key
    recall: Array  # (n_classes,) float64, empty without labels
    is_missing: bool = False  # then all but the figures is that of the last step before
    is_thinned: bool = False  # then only the clusters and the figures are its own


class _Carried(NamedTuple):
    """Clusters of a step beside those of the step before."""

    stable: Array  # (n,) int16
    mapping: Array  # (k,) int32
    sizes: Array  # (k,) int64
    past: Array | None  # (n,) int16, those of the step before; None if they are read anew
    flips: Array  # (n,) int16


class Timeline:
    """Stable cluster ids, figures and aligned points of a growing run, step by step.

    A stable id follows a cluster by its items (Hungarian matching from each step to the next), so
    it keeps its colour although a method may redraw its numbers. Where a run reads its clusters
    anew (`phases.steps_read_anew`) they keep their colours, too, but no item counts as changed.
    A step of a damaged run that cannot be read has no figures, and nothing changed at it or since.
    A step of a long run that was thinned has clusters and figures, but neither points of its own
    nor how sure the method is of each item.
    Points are principal components, turned at each step onto the ones before. Safe to share
    between threads.

    Parameters
    ----------
    run : sequence of Snapshot
        May grow while it is read; steps are loaded once, in order.
    labels : (n,) int, optional
        True classes, -1 where unknown. Without them accuracy and its like are nan.
    n_classes : int, optional
        Number of classes; by default the greatest label plus one.
    """

    def __init__(self, run: Steps, labels: Array | None = None, n_classes: int = 0) -> None:
        self._run = run
        self._labels = labels
        known = -1 if labels is None or not len(labels) else int(labels.max())
        self.n_classes = max(n_classes, known + 1)
        self._n_present = n_classes_present(labels)
        self._steps: list[_Step] = []
        self._n_repaired = _n_repaired(run)
        self._read_anew: tuple[int, ...] = ()
        self._silhouettes: dict[int, float] = {}
        self._metrics = pd.DataFrame(columns=["step", *SCORES])
        self._points: dict[int, Array] = {}  # (n, 2) float32 of steps that were asked for
        self._sure: dict[int, Array] = {}  # (n, 2) float16, confidence and margin, likewise
        self._chain: tuple[int, Chain] | None = None  # and the step up to which it has come
        self._lock = threading.RLock()

    def __len__(self) -> int:
        """Number of steps known so far."""
        return len(self._steps)

    def extend(self, upto: int | None = None, report: Report | None = None) -> int:
        """Number of steps known after reading new ones, up to and without step `upto`.

        Work done before `report` raises is kept. If the run has become shorter (it was resumed
        from an earlier checkpoint), the surplus is forgotten.
        """
        with self._lock:
            available = len(self._run)
            if self._n_repaired != _n_repaired(self._run):
                self._n_repaired = _n_repaired(self._run)
                self._forget(0)
            if available < len(self._steps):
                self._forget(available)
            goal = available if upto is None else min(upto, available)
            first = len(self._steps)
            if first < goal:
                self._read_anew = _steps_read_anew(self._run)
            while len(self._steps) < goal:
                if report:
                    done = len(self._steps)
                    report(f"Reading step {done}", (done - first) / (goal - first))
                self._steps.append(self._step(len(self._steps)))
            return len(self._steps)

    def stable(self, step: int) -> Array:
        """Stable cluster ids (n,) int32 of the items at a step, -1 for noise."""
        return self._known_step(step).stable.astype(np.int32)

    def mapping(self, step: int) -> Array:
        """Stable id (k,) int32 of each raw cluster at a step."""
        return self._known_step(step).mapping

    def points(self, step: int) -> Array:
        """Principal components (n, 2) float32 at a step, turned onto the step before.

        Every step is drawn to one size: nearly all points lie in [-1, 1].
        """
        self.extend(step + 1)
        with self._lock:
            return self._points_at(step)

    def box(self) -> tuple[Array, Array]:
        """Least and greatest coordinates (2,) of nearly all points of all known steps."""
        with self._lock:
            boxes = [self._box_at(step) for step in self.whole()]
        low = np.min([each[0] for each in boxes], axis=0, initial=0.0)
        high = np.max([each[1] for each in boxes], axis=0, initial=0.0)
        return low, high

    def centers(self, step: int) -> Array:
        """Where each cluster's center lies among the points, (ids, 2) float32 by stable id.

        The method's own centers; where it has none, the means of the clusters. Rows of ids that
        hold nothing at this step are nan.
        """
        snapshot, at, points = self._run[step], self._known_step(step), self.points(step)
        places = np.full((int(at.mapping.max(initial=-1)) + 1, 2), np.nan, dtype=np.float32)
        if not len(points):
            return places
        if (
            snapshot.centers is not None
            and snapshot.centers.shape[1] == snapshot.embedding.shape[1]
        ):
            places[at.mapping] = carry(snapshot.embedding, points, snapshot.centers)
            return places
        sizes, clustered = sizes_of(at.stable, len(places)), at.stable >= 0
        for axis in (0, 1):
            weights = points[clustered, axis]
            sums = np.bincount(at.stable[clustered], weights=weights, minlength=len(places))
            np.divide(sums, sizes, out=places[:, axis], where=sizes > 0, casting="unsafe")
        return places

    def flips(self, step: int) -> Array:
        """How often each item changed its stable cluster up to a step, (n,) int32.

        Steps whose clusters are read anew do not count.
        """
        return self._known_step(step).flips.astype(np.int32)

    def read_anew(self) -> tuple[int, ...]:
        """Known steps whose clusters are read anew rather than carried on, in order."""
        with self._lock:
            return tuple(step for step in self._read_anew if step < len(self._steps))

    def stable_before(self, step: int) -> Array | None:
        """Stable clusters (n,) int32 that those of a step carry on from, one step before.

        None at the first step, where clusters are read anew, and after one that is missing.
        """
        self._known_step(step)
        return self.stable(step - 1) if self._is_carried_on(step) else None

    def _is_carried_on(self, step: int) -> bool:
        return step > 0 and step not in self._read_anew and not self._steps[step - 1].is_missing

    def row(self, step: int) -> dict[str, float]:
        """Scores of one step by key, in the order of `SCORES`; nan where one is not defined."""
        return dict(self._known_step(step).row)

    def is_missing(self, step: int) -> bool:
        """Whether a step cannot be read; its clusters are those of the one before."""
        return self._known_step(step).is_missing

    def stops(self) -> list[int]:
        """Known steps that can be looked at, in order: all but those that were thinned."""
        with self._lock:
            steps = [i for i, step in enumerate(self._steps) if not step.is_thinned]
        if isinstance(self._run, Run):
            kept = set(self._run.kept_steps)  # some may have been whole when they were read
            steps = [step for step in steps if step in kept]
        return steps

    def whole(self) -> list[int]:
        """Known steps that can be read and have all their arrays, in order."""
        missing = set(self.missing())
        return [step for step in self.stops() if step not in missing]

    def missing(self) -> list[int]:
        """Known steps that cannot be read, in order."""
        with self._lock:
            return [i for i, step in enumerate(self._steps) if step.is_missing]

    def metrics(self) -> pd.DataFrame:
        """Scores of all known steps: column `step`, then one for each of `SCORES`."""
        with self._lock:
            if len(self._metrics) != len(self._steps):
                rows = [{"step": i, **s.row} for i, s in enumerate(self._steps)]
                self._metrics = pd.DataFrame(rows, columns=["step", *SCORES])
            return self._metrics.copy(deep=False)  # pandas copies what is written to

    def recall(self) -> Array:
        """Recall (steps, n_classes) float64 of each class; nan for classes without items."""
        with self._lock:
            rows = [s.recall for s in self._steps]
        return np.array(rows).reshape(len(rows), self.n_classes)

    def history(self, item: int) -> Array:
        """Stable cluster (steps,) int32 of one item over all known steps, -1 where it is noise."""
        with self._lock:
            return np.array([s.stable[item] for s in self._steps], dtype=np.int32)

    def path(self, item: int) -> Array:
        """Where one item lies at each known step, (steps, 2) float32, as in `points`."""
        with self._lock:
            places = [self._place_of(item, step) for step in range(len(self._steps))]
            return np.array(places, np.float32).reshape(-1, 2)

    def certainty(self, item: int) -> Array:
        """Confidence and margin (steps, 2) float32 of one item, to three decimals."""
        with self._lock:
            sure = [self._sure_of(item, step) for step in range(len(self._steps))]
            return np.array(sure, np.float16).astype(np.float32).reshape(-1, 2)

    def confidence(self, step: int) -> Array:
        """How sure the method was of each item at a step, (n,) float32, to three decimals.

        nan at steps that are missing or thinned.
        """
        with self._lock:
            at = self._steps[step]
            if at.is_missing or at.is_thinned:
                return np.full(len(at.stable), np.nan, np.float32)
            return self._sure_at(step)[:, 0].astype(np.float32)

    def has_probabilities(self) -> Array:
        """Whether the method gave probabilities at each known step, (steps,) bool."""
        with self._lock:
            return np.array([s.soft for s in self._steps], dtype=bool)

    def assignments(self) -> Array:
        """Stable clusters (steps, n) int16 of all items over all known steps, -1 for noise."""
        with self._lock:
            return np.array([s.stable for s in self._steps], dtype=np.int16)

    def has_noise(self) -> bool:
        """Whether any item is noise at any known step."""
        with self._lock:
            return any(step.row["share_clustered"] < 1 for step in self._steps)

    def is_over_clustered(self) -> bool:
        """Whether at any known step more clusters are in use than classes occur."""
        with self._lock:
            return any(0 < self._n_present < step.row["n_occupied"] for step in self._steps)

    def n_ids(self) -> int:
        """Number of stable ids handed out so far: colours and axes count up to it."""
        with self._lock:
            return max((int(s.mapping.max()) + 1 for s in self._steps if len(s.mapping)), default=0)

    def extent(self) -> float:
        """Half the side of a square around the origin that holds nearly all points of each step."""
        return ROOM

    def silhouette(self, step: int) -> float:
        """Silhouette of a step on at most 2,000 items, computed when first asked for."""
        stable = self.stable(step)
        if step not in self._silhouettes:
            self._silhouettes[step] = metrics.silhouette(self._run[step].embedding, stable)
        return self._silhouettes[step]

    def _known_step(self, step: int) -> _Step:
        self.extend(step + 1)
        with self._lock:
            return self._steps[step]

    # -- points ----------------------------------------------------------------------------------
    def _points_at(self, step: int) -> Array:
        """Points of a step; of one that is missing or thinned, those of the last one before."""
        whole = self._last_whole(step)
        if whole is None:
            return np.zeros((len(self._steps[step].stable), 2), dtype=np.float32)
        if whole in self._points:
            return self._points[whole]
        known = map_of(self._run, whole) if isinstance(self._run, Run) else None
        if known is not None:
            self._points[whole] = points_on(known[1], known[0])
            return self._points[whole]
        return self._chained(whole)

    def _chained(self, step: int) -> Array:
        """Points of a step by way of all steps before it."""
        begun = max((known for known in self._points if known < step), default=None)
        if self._chain is None or self._chain[0] != begun:
            chain = Chain() if begun is None else Chain.after(self._points[begun])
        else:
            chain = self._chain[1]
        for place in range(0 if begun is None else begun + 1, step + 1):
            if self._last_whole(place) == place:
                self._points[place] = chain.next_points(self._run[place].embedding)
        self._chain = step, chain
        return self._points[step]

    def _last_whole(self, step: int) -> int | None:
        """The step itself, or the last one before it that has an embedding of its own."""
        while step >= 0 and (self._steps[step].is_missing or self._steps[step].is_thinned):
            step -= 1
        return None if step < 0 else step

    def _box_at(self, step: int) -> tuple[Array, Array]:
        plane = None
        if step not in self._points and isinstance(self._run, Run):
            plane = plane_at(self._run, step)
        return box_of(self._points_at(step)) if plane is None else box_on(plane)

    def _place_of(self, item: int, step: int) -> Array:
        """Where an item lies at a step (2,), read without the others if that is possible."""
        whole = self._last_whole(step)
        if whole is None or whole in self._points or not isinstance(self._run, Run):
            return self._points_at(step)[item]
        plane = plane_at(self._run, whole)
        row = None if plane is None else item_series.of_item_at(self._run, whole, "embedding", item)
        if plane is None or row is None:
            return self._points_at(step)[item]
        return points_on(plane, row[None])[0]

    def _sure_of(self, item: int, step: int) -> tuple[float, float]:
        """Confidence and margin of an item at a step; nan where nobody knows them any more."""
        at = self._steps[step]
        if at.is_missing or at.is_thinned:
            return np.nan, np.nan
        if at.soft and isinstance(self._run, Run):
            row = item_series.of_item_at(self._run, step, "probabilities", item)
            if row is not None:
                return metrics.certainty_by(row, is_noise=at.stable[item] == NOISE)
        confidence, margin = self._sure_at(step)[item].tolist()
        return confidence, margin

    def _sure_at(self, step: int) -> Array:
        """Confidence and margin (n, 2) float16 of all items at a step that can be read."""
        if step not in self._sure:
            self._sure[step] = metrics.certainty(self._run[step]).astype(np.float16)
        return self._sure[step]

    def _forget(self, keep: int) -> None:
        del self._steps[keep:]
        self._metrics = self._metrics[:0]
        for known in (self._silhouettes, self._points, self._sure):
            for step in [step for step in known if step >= keep]:
                del known[step]
        self._chain = None

    # -- a step after the other ------------------------------------------------------------------
    def _step(self, step: int) -> _Step:
        try:
            return self._read(step)
        except StepMissing:
            if self._steps:
                return _without_figures(self._steps[-1])
            return self._before_the_first()

    def _before_the_first(self) -> _Step:
        """What is known of a missing step that none comes before: how many items there are."""
        for step in range(1, len(self._run)):
            with contextlib.suppress(StepMissing):
                known = self._read(step)
                return replace(
                    _without_figures(known),
                    stable=np.full_like(known.stable, NOISE),
                    mapping=known.mapping[:0],
                    flips=np.zeros_like(known.flips),
                )
        raise StepMissing(
            "No step of this run can be read.", "Resume the run, which computes them again."
        )

    def _read(self, step: int) -> _Step:
        seen = glance(self._run, step) if isinstance(self._run, Run) else None
        if seen is None or seen.mean_confidence is None:  # of an earlier version
            return self._read_snapshot(self._run[step])
        before = self._last_read()
        if seen.is_thinned and before is None:  # the first step never is
            raise StepMissing(f"Step {step} of this run cannot be read.", "Resume the run.")
        soft = before.soft if seen.is_thinned and before is not None else seen.is_soft
        merged = self._merged(step, seen)
        known = self._scored_step(seen.assignments, seen.n_clusters, merged, None, soft=soft)
        row = {**known.row, "confidence": seen.mean_confidence}
        return replace(known, row=row, is_thinned=seen.is_thinned)

    def _read_snapshot(self, snapshot: Snapshot) -> _Step:
        merged = None if self._labels is None else merged_counts(snapshot, self._labels)
        soft, sure = snapshot.probabilities is not None, metrics.certainty(snapshot)[:, 0]
        clusters, k = snapshot.assignments, snapshot.n_clusters
        return self._scored_step(clusters, k, merged, sure, soft=soft)

    def _scored_step(
        self, assignments: Array, k: int, merged: Array | None, sure: Array | None, *, soft: bool
    ) -> _Step:
        now = self._carried_on(assignments, k, self._last_read())
        counts, recall = self._scored(now.stable)
        row = score_catalogue.values(
            Division(now.sizes, now.stable, now.past, counts, sure, merged)
        )
        return _Step(now.stable, now.mapping, now.flips, soft, row, recall)

    def _merged(self, step: int, seen: Glance) -> Array | None:
        """Counts after merging clusters; None if nobody knows any more what lies close."""
        labels, assignments, centers = self._labels, seen.assignments, seen.centers
        if labels is None:
            return None
        if centers is None and has_more_than_classes(assignments, labels):
            return None if seen.is_thinned else merged_counts(self._run[step], labels)
        places = np.zeros((0, 0)) if centers is None else centers.astype(np.float64)
        return merged_counts_at(assignments, seen.n_clusters, lambda: places, labels)

    def _last_read(self) -> _Step | None:
        """The last step; None if no step so far could be read."""
        before = self._steps[-1] if self._steps else None
        if before is not None and before.is_missing and not len(before.mapping):
            return None
        return before

    def _carried_on(self, assignments: Array, k: int, before: _Step | None) -> _Carried:
        """Clusters of a step under the numbers of those of the step before."""
        known = (before.stable, before.mapping) if before else ()
        ids, mapping = follow(assignments, k, *known)
        stable = ids.astype(np.int16)
        flips = np.zeros(len(ids), dtype=np.int16) if before is None else before.flips
        past = None
        if before is not None and self._is_carried_on(len(self._steps)):
            past = before.stable
            flips = flips + (stable != past)
        return _Carried(stable, mapping, sizes_of(assignments, k), past, flips)

    def _scored(self, stable: Array) -> tuple[Array | None, Array]:
        if self._labels is None:
            return None, np.zeros(self.n_classes)
        counts = contingency(self._labels, stable, self.n_classes)
        return counts, metrics.recall_per_class(counts)


def _n_repaired(run: Steps) -> int:
    return run.n_repaired if isinstance(run, Run) else 0


def _without_figures(step: _Step) -> _Step:
    """Stand-in for a missing step after this one."""
    return replace(
        step,
        row=dict.fromkeys(step.row, np.nan),
        recall=np.full_like(step.recall, np.nan),
        is_missing=True,
        is_thinned=False,
    )


def _steps_read_anew(run: Steps) -> tuple[int, ...]:
    """As `phases.steps_read_anew`; none for snapshots that no run has logged."""
    return tuple(steps_read_anew(run)) if isinstance(run, Run) else ()

"""Thins the steps of a run while it is trained; see `clustlab.runs.thinning` for the rule."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from clustlab.analysis import alarms, matching, metrics
from clustlab.analysis.scalar_catalogue import own_scalars
from clustlab.analysis.score_catalogue import SCORES, Division
from clustlab.errors import StepMissing
from clustlab.runs import thinning
from clustlab.runs.encodings import narrow
from clustlab.runs.opened_steps import glance, opened_step
from clustlab.runs.phases import step_phases, steps_read_anew
from clustlab.runs.step_arrays import MEAN_CONFIDENCE
from clustlab.runs.step_files import snapshot_path, write_arrays
from clustlab.runs.store import Run
from clustlab.types import Array, Snapshot


class Thinner:
    """Keeps the steps of one run below a size; the only one that takes arrays out of its steps.

    Raises
    ------
    ParameterError
        If the size is not a number, see `thinning.size_limit`.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._limit = thinning.size_limit()
        self._thinning = thinning.read(run.path)
        self._sizes = [self._size(step) for step in range(len(run))]  # bytes on disk
        self._watched = _Watched(run)

    def after(self, newest: int) -> None:
        """Take out what is too much, now that there is a newest step and others are condensed."""
        n = newest + 1
        self._sizes += [0] * (n - len(self._sizes))
        for step in {newest - 1, newest} - {-1}:
            self._sizes[step] = self._size(step)
        if self._thinning.every > 1:
            self._mark(n)
            self._thin([n - 1 - thinning.NEWEST], n)
        while sum(self._sizes) > self._limit and n // self._thinning.every > thinning.FEWEST:
            self._mark(n)
            self._note(self._thinning.doubled())
            before = sum(self._sizes)
            self._thin(range(n), n)
            if sum(self._sizes) >= before and n // self._thinning.every < 2 * thinning.FEWEST:
                return  # what is left is there for a reason

    def _size(self, step: int) -> int:
        try:
            return snapshot_path(self._run.path, step).stat().st_size
        except FileNotFoundError:  # it is missing
            return 0

    def _note(self, kept: thinning.Thinning) -> None:
        if kept != self._thinning:
            thinning.write(self._run.path, kept)
            self._thinning = kept

    def _mark(self, n: int) -> None:
        """Have the steps kept at which an alarm begins or has ended."""
        ended = {
            step
            for alarm in self._watched.alarms(n)
            for step in (alarm.step, *([alarm.until] if alarm.until < n - 1 else []))
        }
        every, known = self._thinning.every, self._thinning.marked
        whole = {step for step in ended - known if self._sizes[step] and not self._is_thinned(step)}
        if whole:
            self._note(thinning.Thinning(every, known | whole))

    def _is_thinned(self, step: int) -> bool:
        return glance(self._run, step).is_thinned

    def _thin(self, steps: range | list[int], n: int) -> None:
        special = thinning.special_steps(self._run.log[:n])
        for step in steps:
            if 0 <= step < n and not self._thinning.keeps(step, n, special):
                self._take_out(step)

    def _take_out(self, step: int) -> None:
        """Leave of a step its clusters, where they lie, and how sure the method is on average."""
        try:
            if self._is_thinned(step):
                return
            with opened_step(self._run, step) as arrays:
                parts = {"assignments": narrow(arrays["assignments"])}
                if "centers" in arrays:
                    parts["centers"] = arrays["centers"]
            sure = self._run.log[step].get("mean_confidence")
            if sure is None:
                sure = mean_confidence(self._run.read_step(step))
        except StepMissing:
            return
        parts[MEAN_CONFIDENCE] = np.array([sure], dtype=np.float32)
        write_arrays(self._run.path, step, parts)
        self._sizes[step] = self._size(step)


def mean_confidence(snapshot: Snapshot) -> float:
    """Mean confidence of a step as the curves show it, nan where it is not defined."""
    sizes = matching.sizes_of(snapshot.assignments, snapshot.n_clusters)
    sure = metrics.confidence(snapshot)
    return SCORES["confidence"].compute(Division(sizes, snapshot.assignments, certainty=sure))


class _Figures(NamedTuple):
    """What alarms look at, of one step."""

    n_clusters: int
    n_occupied: float
    evenness: float
    changed: float
    confidence: float  # nan without probabilities
    largest: int


NO_FIGURES = _Figures(0, math.nan, math.nan, math.nan, math.nan, 0)  # of a step that is missing


class _Watched:
    """Figures of all steps of a run, each read once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._figures: list[_Figures] = []
        self._last: tuple[Array, Array] | tuple[()] = ()  # lasting clusters, raw -> lasting
        self._is_soft = False  # whether the last step that is whole has probabilities

    def alarms(self, n: int) -> list[alarms.Alarm]:
        """Alarms of the first n steps."""
        anew = set(steps_read_anew(self._run))
        for step in range(len(self._figures), n):
            self._figures.append(self._figures_of(step, is_read_anew=step in anew))
        log = self._run.log[:n]
        own = own_scalars(self._run)
        of_step = np.array(self._figures[:n], dtype=np.float64).reshape(n, len(NO_FIGURES)).T
        k, occupied, evenness, changed, confidence, largest = of_step
        course = alarms.Course(
            [str(record["phase"]) for record in log],
            k.astype(np.int64),
            occupied,
            evenness,
            changed,
            confidence,
            *alarms.scalars_of(log, own),
            largest=largest.astype(int).tolist(),
        )
        roles = [phase.role for phase in step_phases(self._run)[:n]]
        course = dataclasses.replace(course, roles=roles)
        return alarms.with_method(self._run, course, alarms.alarms_of_course(course))

    def _figures_of(self, step: int, *, is_read_anew: bool) -> _Figures:
        try:
            seen = glance(self._run, step)
            sure = seen.mean_confidence
            if sure is None:  # the step was stored by an earlier version
                sure = mean_confidence(self._run.read_step(step))
        except StepMissing:
            return NO_FIGURES
        raw, k = seen.assignments, seen.n_clusters
        self._is_soft = self._is_soft if seen.is_thinned else seen.is_soft
        lasting, mapping = matching.follow(raw, k, *self._last)
        before = None if is_read_anew or not self._last else self._last[0]
        self._last = lasting, mapping
        division = Division(matching.sizes_of(raw, k), lasting, before)
        occupied, evenness, changed = (
            SCORES[key].compute(division) for key in ("n_occupied", "evenness", "changed")
        )
        largest = int(matching.sizes_of(lasting, 1).argmax())
        sure = sure if self._is_soft else math.nan
        return _Figures(k, occupied, evenness, changed, sure, largest)

"""How far a study is: which of its runs are there, and what each of them has reached."""

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clustlab.analysis import run_scores
from clustlab.errors import ParameterError, RunNotFound
from clustlab.runs.identity import comes_from
from clustlab.runs.spec import RunSpec
from clustlab.runs.status import ACTIVE
from clustlab.runs.store import Run, RunStore
from clustlab.studies.description import Cell, Study

MISSING = "missing"  # status of a run that was never laid down, or was deleted


@dataclass(frozen=True, slots=True)
class Place:
    """One run of a study: where it belongs, and the run that carries it out, if there is one."""

    cell: Cell
    seed: int
    spec: RunSpec
    run: Run | None

    @property
    def status(self) -> str:
        """Status of the run; `missing` without one."""
        return MISSING if self.run is None else self.run.status  # one without a step is falsy


def places(study: Study, runs: Iterable[Run]) -> list[Place]:
    """Every run of a study in the order in which they are carried out.

    Of several runs that carry out the same, one that is done counts, then one at work, then the
    newest; `runs` come newest first, as from `RunStore.runs`.
    """
    kept: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        spec = run.spec
        kept.setdefault((spec.method, spec.dataset, spec.seed), []).append(run)
    found = []
    for cell, seed, spec in study.specs():
        candidates = kept.get((spec.method, spec.dataset, seed), [])
        found.append(Place(cell, seed, spec, best_of(candidates, spec)))
    return found


def best_of(runs: Sequence[Run], spec: RunSpec) -> Run | None:
    """Of several runs, the one that carries out a spec best: see `places`; None if none does."""
    fitting = []
    for run in runs:
        with contextlib.suppress(ParameterError):  # a setting that there was before
            if comes_from(run, spec):
                fitting.append(run)
    order = ("done", *ACTIVE)
    return min(
        fitting,
        key=lambda run: order.index(run.status) if run.status in order else len(order),
        default=None,
    )


def counts(every: Sequence[Place]) -> Mapping[str, int]:
    """How many runs have each status."""
    return Counter(place.status for place in every)


def scores_of(store: RunStore, place: Place) -> run_scores.Scores:
    """Scores of the last step of a run that is done; empty for any other, or without its items."""
    run = place.run
    if run is None or run.status != "done" or not len(run):
        return {}
    try:
        return run_scores.of_run(run, store.dataset(run))
    except RunNotFound:
        return {}

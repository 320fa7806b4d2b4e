"""How far a study is: which of its runs are there, and what each of them has reached."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from clustlab.analysis import run_scores
from clustlab.errors import ParameterError, RunNotFound, RunUnreadable
from clustlab.runs.identity import Identity, identity_of, planned
from clustlab.runs.spec import RunSpec
from clustlab.runs.status import ACTIVE
from clustlab.runs.store import Run, RunStore
from clustlab.studies.description import Cell, Study

MISSING = "missing"  # status of a run that was never laid down, or was deleted
WORDS: Mapping[str, str] = {  # statuses as people call them, in the order in which they are told
    "done": "done",
    "running": "running",
    "queued": "waiting",
    "paused": "paused",
    MISSING: "not started",
    "set aside": "set aside",
    "cancelled": "stopped",
    "failed": "failed",
    "lost": "lost",
}


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
    specs = list(study.specs())
    wanted = {(spec.method, spec.dataset, seed) for _, seed, spec in specs}
    kept: dict[Identity, list[Run]] = {}
    for run in runs:
        of_one = (run.spec.method, run.spec.dataset, run.spec.seed)
        if of_one in wanted and (known := _known(run)):
            kept.setdefault(known, []).append(run)
    return [
        Place(cell, seed, spec, _best(kept.get(_of_any_version(planned(spec)), ())))
        for cell, seed, spec in specs
    ]


def _of_any_version(identity: Identity) -> Identity:
    """What a run is, whatever version of the code made it: see `runs.identity.comes_from`."""
    return replace(identity, version="")


def best_of(runs: Iterable[Run], spec: RunSpec) -> Run | None:
    """Of several runs, the one that carries out a spec best: see `places`; None if none does."""
    wanted = _of_any_version(planned(spec))
    return _best([run for run in runs if _known(run) == wanted])


def _known(run: Run) -> Identity | None:
    """What a run is; None if it cannot be read, or has settings that nobody compares."""
    try:
        return _of_any_version(identity_of(run))
    except (ParameterError, RunUnreadable, TypeError):
        return None


def _best(runs: Sequence[Run]) -> Run | None:
    order = ("done", *ACTIVE)
    return min(
        runs,
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

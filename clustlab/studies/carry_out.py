"""Carrying a study out, run by run: what is there is never trained again."""

from collections.abc import Callable
from dataclasses import dataclass

from clustlab.errors import ClustlabError
from clustlab.runs.status import ACTIVE, RESUMABLE
from clustlab.runs.store import Run, RunStore
from clustlab.studies.description import Study
from clustlab.studies.state import MISSING, Place, places
from clustlab.training.worker import execute, new_run, requeue


@dataclass(frozen=True, slots=True)
class Ended:
    """How a study ended: runs that are done, and those that are not, with the reason."""

    done: int
    not_done: dict[str, str]  # what the run is, by its words; the reason


def to_do(study: Study, store: RunStore) -> list[Place]:
    """Runs of a study that are neither done nor at work."""
    return [
        place
        for place in places(study, store.runs())
        if place.status == MISSING or place.status in RESUMABLE
    ]


def ready(store: RunStore, place: Place) -> Run:
    """A queued run for a place: laid down, or the one that was stopped there, to go on.

    Raises
    ------
    ClustlabError
        If it cannot be started.
    """
    if place.run is None:
        return new_run(store, place.spec)
    requeue(place.run)
    return place.run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run of a study."""

    place: Place
    run: Run | None  # that is done; None if none is
    reason: str = ""  # why none is
    is_new: bool = False  # it was trained just now

    def __str__(self) -> str:
        if self.run is not None and self.is_new:
            return f"done in {self.run.progress['seconds']:.0f} s"
        return self.reason or "is there"


def outcome(place: Place, store: RunStore) -> Outcome:
    """Train one run in this process unless it is there; one that fails is told of and left."""
    if place.status == "done":
        return Outcome(place, place.run)
    if place.status in ACTIVE:
        return Outcome(place, None, f"is {place.status} elsewhere")
    try:
        run = ready(store, place)
        execute(store.root, run.id)
    except ClustlabError as error:
        return Outcome(place, None, error.message)
    state = run.progress
    if state["status"] == "done":
        return Outcome(place, run, is_new=True)
    return Outcome(place, None, state.get("error") or f"it is {state['status']}")


def carry_out(study: Study, store: RunStore, tell: Callable[[str], None]) -> Ended:
    """Carry out a study, and tell of each of its runs."""
    every = places(study, store.runs())
    not_done: dict[str, str] = {}
    for i, place in enumerate(every):
        each, words = outcome(place, store), words_of(place)
        if each.run is None:
            not_done[words] = each.reason
        tell(f"{i + 1}/{len(every)} {words}: {each}")
    return Ended(len(every) - len(not_done), not_done)


def words_of(place: Place) -> str:
    """Which run of a study it is: `n_clusters 5, seed 0`."""
    return ", ".join(filter(None, (str(place.cell), f"seed {place.seed}")))

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


def carry_out(study: Study, store: RunStore, tell: Callable[[str], None]) -> Ended:
    """Train what is missing, one run after the other, in this process.

    A run that fails is told and left; the others go on.
    """
    every = places(study, store.runs())
    not_done: dict[str, str] = {}
    n_done = 0
    for i, place in enumerate(every):
        words = f"{i + 1}/{len(every)} {words_of(place)}"
        if place.status == "done":
            n_done += 1
            tell(f"{words}: is there")
            continue
        if place.status in ACTIVE:
            tell(f"{words}: is {place.status} elsewhere")
            not_done[words_of(place)] = place.status
            continue
        try:
            run = ready(store, place)
            execute(store.root, run.id)
        except ClustlabError as error:
            tell(f"{words}: {error.message}")
            not_done[words_of(place)] = error.message
            continue
        state = run.progress
        if state["status"] == "done":
            n_done += 1
            tell(f"{words}: done in {state['seconds']:.0f} s")
        else:
            not_done[words_of(place)] = state.get("error") or state["status"]
            tell(f"{words}: {not_done[words_of(place)]}")
    return Ended(n_done, not_done)


def words_of(place: Place) -> str:
    """Which run of a study it is: `n_clusters 5, seed 0`."""
    return ", ".join(filter(None, (str(place.cell), f"seed {place.seed}")))

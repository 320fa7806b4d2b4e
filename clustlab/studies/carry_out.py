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
        reason = trained(store, place, telling(tell, words))
        if reason:
            not_done[words_of(place)] = reason
        else:
            n_done += 1
    return Ended(n_done, not_done)


def telling(tell: Callable[[str], None], words: str) -> Callable[[str], None]:
    """What tells the same, after some words."""
    return lambda said: tell(f"{words}: {said}")


def trained(store: RunStore, place: Place, tell: Callable[[str], None]) -> str:
    """Train one run unless it is there; return why it is not done, empty if it is.

    `tell` is given what has become of it.
    """
    if place.status == "done":
        tell("is there")
        return ""
    if place.status in ACTIVE:
        tell(f"is {place.status} elsewhere")
        return place.status
    try:
        run = ready(store, place)
        execute(store.root, run.id)
    except ClustlabError as error:
        tell(error.message)
        return error.message
    state = run.progress
    if state["status"] == "done":
        tell(f"done in {state['seconds']:.0f} s")
        return ""
    reason = str(state.get("error") or state["status"])
    tell(reason)
    return reason


def words_of(place: Place) -> str:
    """Which run of a study it is: `n_clusters 5, seed 0`."""
    return ", ".join(filter(None, (str(place.cell), f"seed {place.seed}")))

"""How far the runs of a claim are: which are there, and which can be started."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clustlab.evidence.claim import Arm, Claim, Scale
from clustlab.runs.store import Run
from clustlab.studies.description import Cell
from clustlab.studies.state import Place, best_of


@dataclass(frozen=True, slots=True)
class Needed:
    """A run that a claim needs, and whether it can be started already."""

    arm: Arm
    place: Place
    is_startable: bool  # False while the run that it goes on from is not done


def needed(
    claim: Claim, scale: Scale, runs: Iterable[Run], seeds: Sequence[int] = ()
) -> list[Needed]:
    """Every run of a claim at a scale: all arms with the first seed, then with the next.

    Parameters
    ----------
    runs : iterable of Run
        Runs that there are, newest first, as from `RunStore.runs`.
    seeds : sequence of int
        Those of the protocol if empty.
    """
    kept: dict[tuple[str, str, int], list[Run]] = {}
    for run in runs:
        kept.setdefault((run.spec.method, run.spec.dataset, run.spec.seed), []).append(run)
    protocol = claim.protocols[scale]
    return [
        each for seed in seeds or protocol.seeds for each in _of_seed(protocol.arms, seed, kept)
    ]


def _of_seed(
    arms: Sequence[Arm], seed: int, kept: dict[tuple[str, str, int], list[Run]]
) -> list[Needed]:
    found: dict[str, Needed] = {}
    for arm in arms:
        before = found[arm.after].place.run if arm.after else None
        is_startable = not arm.after or (before is not None and before.status == "done")
        spec = arm.spec(seed, before.id if before is not None and is_startable else None)
        candidates = kept.get((spec.method, spec.dataset, seed), []) if is_startable else []
        place = Place(Cell((("run", arm.key),)), seed, spec, best_of(candidates, spec))
        found[arm.key] = Needed(arm, place, is_startable)
    return list(found.values())


def by_seed(every: Sequence[Needed]) -> dict[int, list[Needed]]:
    """The same by seed."""
    found: dict[int, list[Needed]] = {}
    for each in every:
        found.setdefault(each.place.seed, []).append(each)
    return found

"""Trying a claim in this process, run by run; what is there is never trained again."""

from collections.abc import Callable, Sequence

from clustlab.data import library
from clustlab.evidence import measuring, record
from clustlab.evidence.claim import Claim, Scale
from clustlab.evidence.record import Record
from clustlab.evidence.state import needed
from clustlab.runs.store import RunStore
from clustlab.studies.carry_out import outcome


def carry_out(
    claim: Claim,
    scale: Scale,
    seeds: Sequence[int],
    store: RunStore,
    tell: Callable[[str], None],
) -> tuple[Record, dict[str, str]]:
    """Train what is missing, one run after the other; return the figures, and what is not done.

    The figures are kept beside the runs if there are any. A run that fails is told and left, and
    so are those that would go on from it.

    Raises
    ------
    ClustlabError
        If a data set is not there and cannot be fetched.
    """
    total = len(needed(claim, scale, (), seeds))
    not_done: dict[str, str] = {}
    for i in range(total):
        each = needed(claim, scale, store.runs(), seeds)[i]  # anew: the run before may be done now
        name = f"{each.arm.key}, seed {each.place.seed}"
        words = f"{i + 1}/{total} {name}"
        if not each.is_startable:
            not_done[name] = "the run that it goes on from is not done"
            tell(f"{words}: {not_done[name]}")
            continue
        if each.place.status != "done":
            spec = each.place.spec
            library.load(store.root, spec.dataset, spec.dataset_params, spec.seed)  # or say why not
        ended = outcome(each.place, store)
        tell(f"{words}: {ended}")
        if ended.run is None:
            not_done[name] = ended.reason
    every = needed(claim, scale, store.runs(), seeds)
    found = measuring.record(claim, scale, store, every)
    if found.seeds:
        record.keep(store, found)
    return found, not_done

"""What became of the clusters over a whole run: what happened to them when, and descent.

All cluster numbers are stable ids. Noise (-1) is no cluster: nothing happens to it, but flows lead
into it and out of it.
"""

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import transitions
from clustlab.analysis.matching import sizes_of, with_noise
from clustlab.analysis.transitions import Change
from clustlab.types import Array

COLUMNS = 8  # steps that a flow shows side by side


@dataclass(frozen=True, slots=True)
class Event:
    """A change of whole clusters, and when it was."""

    step: int  # at which it happened, or most of it
    first: int  # the steps between which it was found
    last: int
    change: Change


def thinned(n_steps: int, limit: int = COLUMNS) -> Array:
    """Numbers (<= limit) of evenly spread steps, the first and the last among them."""
    places = np.linspace(0, n_steps - 1, min(limit, n_steps)) if n_steps else np.zeros(0)
    return np.unique(places.round().astype(np.int64))


def events(assignments: Array, columns: Array) -> list[Event]:
    """Events between each two consecutive columns, by the step at which they took place.

    They are found over the distance of two columns, since many a cluster splits little by little,
    and dated to the step in between at which most of it happened.

    Parameters
    ----------
    assignments : (steps, n) int
        Stable clusters over all steps.
    columns : (m,) int
        Rising steps to compare, as from `thinned`.
    """
    n_ids = int(assignments.max(initial=-1)) + 1
    all_events: list[Event] = []
    for first, last in itertools.pairwise(columns.tolist()):
        part = assignments[first : last + 1]
        all_events += _between(part, n_ids, first)
    return sorted(all_events, key=lambda event: event.step)


def of_all(known: Sequence[Event], clusters: Collection[int]) -> list[Event]:
    """Those events in which all of some clusters take part."""
    return [event for event in known if event.change.concerns.issuperset(clusters)]


def _between(part: Array, n_ids: int, first: int) -> list[Event]:
    """Events between the first and the last of some consecutive steps."""
    start, end = part[0], part[-1]
    last = first + len(part) - 1
    span_events: list[Event] = []
    for change in transitions.events(start, end, n_ids).changes:
        concerned = np.isin(start, change.before) | (not change.before)
        concerned &= np.isin(end, change.after) | (not change.after) | (change.kind == "loss")
        span_events.append(Event(first + _busiest(part, concerned), first, last, change))
    return span_events


def _busiest(part: Array, concerned: Array) -> int:
    """Step (>= 1) at which most of the items concerned changed their cluster, the first of equals.

    Where none of them did, because a cluster was left by all others, the step at which most did.
    """
    moved = (part[1:] != part[:-1])[:, concerned].sum(1)
    if not moved.any():
        moved = (part[1:] != part[:-1]).sum(1)
    return int(moved.argmax()) + 1


def traced(assignments: Array, columns: Array, members: Array) -> Array:
    """Counts (columns, ids) of the clusters that some items (m,) are in at each column."""
    n_ids = int(assignments.max(initial=-1)) + 1
    rows = [sizes_of(assignments[step][members], n_ids) for step in columns]
    return np.array(rows, dtype=np.int64).reshape(len(columns), n_ids)


def flows(assignments: Array, columns: Array, members: Array | None = None) -> list[Array]:
    """Counts (ids + 1, ids + 1) of items in cluster i at one column and j at the next, by pairs.

    The last row and column are noise. With `members` (m,) only those items are counted.
    """
    n_ids = int(assignments.max(initial=-1)) + 1
    kept = assignments[columns] if members is None else assignments[columns][:, members]
    return [with_noise(*pair, n_ids, n_ids) for pair in itertools.pairwise(kept)]

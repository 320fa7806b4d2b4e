"""What became of the clusters over a whole run: births, deaths, splits, merges, and descent.

All cluster numbers are stable ids. Noise (-1) is no cluster: it is not born and does not die, split
or merge, but flows lead into it and out of it.
"""

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clustlab.analysis import transitions
from clustlab.analysis.matching import sizes_of, with_noise
from clustlab.types import Array

COLUMNS = 8  # steps that a flow shows side by side
Kind = Literal["birth", "death", "split", "merge"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to whole clusters."""

    step: int  # at which it happened, or most of it
    first: int  # the steps between which it was found
    last: int
    kind: Kind
    before: tuple[int, ...]  # clusters before it
    after: tuple[int, ...]  # clusters after it
    items: int  # in the clusters that it made, or that it emptied

    @property
    def sentence(self) -> str:
        """The event in words."""
        many = f"{self.items:,} item{'s' * (self.items != 1)}"
        if self.kind == "birth":
            return f"Cluster {self.after[0]} appeared, with {many}."
        if self.kind == "death":
            return f"Cluster {self.before[0]} emptied; it had {many}."
        if self.kind == "split":
            return f"Cluster {self.before[0]} split into {_and(self.after)}: {many}."
        return f"Clusters {_and(self.before)} merged into {self.after[0]}: {many}."


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


def _between(part: Array, n_ids: int, first: int) -> list[Event]:
    """Events between the first and the last of some consecutive steps."""
    start, end = part[0], part[-1]
    last = first + len(part) - 1
    before, after = (sizes_of(each, n_ids) for each in (start, end))
    whole = transitions.events(start, end, n_ids)
    span_events: list[Event] = []

    def add(step: int, kind: Kind, old: tuple[int, ...], new: tuple[int, ...], items: int) -> None:
        span_events.append(Event(step, first, last, kind, old, new, items))

    for born in whole.births:
        filled = (part == born).any(1)
        add(first + int(filled.argmax()), "birth", (), (born,), int(after[born]))
    for dead in whole.deaths:
        filled = (part == dead).any(1)
        step = first + len(part) - int(filled[::-1].argmax())
        add(step, "death", (dead,), (), int(before[dead]))
    for source, targets in whole.splits:
        step = first + _busiest(part, np.isin(end, targets) & (start == source))
        add(step, "split", (source,), targets, int(after[list(targets)].sum()))
    for sources, target in whole.merges:
        step = first + _busiest(part, np.isin(start, sources) & (end == target))
        add(step, "merge", sources, (target,), int(after[target]))
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


def _and(ids: tuple[int, ...]) -> str:
    words = [str(i) for i in ids]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

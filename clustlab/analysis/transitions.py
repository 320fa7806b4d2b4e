"""Who moved between two steps, and what became of the clusters.

All ids are stable ones. Noise (-1) is no cluster, but items move into it and out of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis.matching import with_noise
from clustlab.types import Array

MAIN = 0.5  # share from which a cluster counts as the origin or the heir of another
FEW = 3  # events of a kind named in a sentence


def table(before: Array, after: Array, n_ids: int | None = None) -> Array:
    """Counts (ids + 1, ids + 1) int64 of items in cluster i before and j after; they sum to n.

    The last row and column are noise, so that `counts[-1, 3]` came from there into cluster 3.
    """
    if n_ids is None:
        n_ids = int(max(np.max(before, initial=-1), np.max(after, initial=-1))) + 1
    return with_noise(before, after, n_ids, n_ids)


def changes(assignments: Array, read_anew: Sequence[int] = ()) -> Array:
    """Whether each item changed its cluster at each step, (steps, n) bool.

    Nothing changes at the first step, nor at those whose clusters are read anew.
    """
    changed = np.zeros(assignments.shape, dtype=bool)
    changed[1:] = assignments[1:] != assignments[:-1]
    changed[list(read_anew)] = False
    return changed


def flips(assignments: Array, read_anew: Sequence[int] = ()) -> Array:
    """How often each item changed its cluster over steps (steps, n), as (n,) int64.

    Steps whose clusters are read anew do not count.
    """
    return changes(assignments, read_anew).sum(0)


def first_stable_step(assignments: Array, read_anew: Sequence[int] = ()) -> Array:
    """First step (n,) int64 from which each item keeps its cluster to the end.

    Steps whose clusters are read anew do not count as a change.
    """
    changed = changes(assignments, read_anew)
    return np.where(changed.any(0), len(assignments) - 1 - changed[::-1].argmax(0), 0)


@dataclass(frozen=True, slots=True)
class Events:
    """What happened to whole clusters between two steps."""

    moved: int  # items
    births: tuple[int, ...]  # empty before, occupied after
    deaths: tuple[int, ...]  # occupied before, empty after
    splits: tuple[tuple[int, tuple[int, ...]], ...]  # cluster before, clusters after
    merges: tuple[tuple[tuple[int, ...], int], ...]  # clusters before, cluster after

    @property
    def sentence(self) -> str:
        """The events in words."""
        parts = []
        if self.births:
            parts.append(f"{_clusters(self.births)} appeared")
        if self.deaths:
            parts.append(f"{_clusters(self.deaths)} emptied")
        parts += [f"{_clusters([a])} split into {_and(b)}" for a, b in self.splits[:FEW]]
        parts += [f"{_clusters(a)} merged into {b}" for a, b in self.merges[:FEW]]
        left_out = max(len(self.splits) - FEW, 0) + max(len(self.merges) - FEW, 0)
        if left_out:
            parts.append(f"{left_out} more splits and merges")
        if not parts:
            return "No cluster appeared, emptied, split or merged."
        text = "; ".join(parts)
        return f"{text[0].upper()}{text[1:]}."


def events(before: Array, after: Array, n_ids: int | None = None) -> Events:
    """Births, deaths, splits and merges of clusters between two steps; noise is never one of them.

    A cluster splits if at least two later clusters got more than half of their items from it;
    clusters merge if more than half of the items of each went into the same later one.
    """
    counts = table(before, after, n_ids)
    rows, columns = counts.sum(1)[:-1], counts.sum(0)[:-1]
    counts = counts[:-1, :-1]
    births = np.flatnonzero((rows == 0) & (columns > 0))
    deaths = np.flatnonzero((rows > 0) & (columns == 0))
    heirs: dict[int, list[int]] = {}
    origins: dict[int, list[int]] = {}
    for a, b in np.argwhere(counts > MAIN * columns[None, :]).tolist():
        heirs.setdefault(a, []).append(b)
    for a, b in np.argwhere(counts > MAIN * rows[:, None]).tolist():
        origins.setdefault(b, []).append(a)
    return Events(
        int((np.asarray(before) != np.asarray(after)).sum()),
        tuple(births.tolist()),
        tuple(deaths.tolist()),
        tuple((a, tuple(b)) for a, b in sorted(heirs.items()) if len(b) > 1),
        tuple((tuple(a), b) for b, a in sorted(origins.items()) if len(a) > 1),
    )


def _clusters(ids: Sequence[int]) -> str:
    return f"cluster{'s' * (len(ids) > 1)} {_and(ids)}"


def _and(ids: Sequence[int]) -> str:
    words = [str(i) for i in ids]
    if len(words) > 6:
        words = [*words[:5], f"{len(words) - 5} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

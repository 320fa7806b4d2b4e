"""Who moved between two steps, and what became of the clusters.

All ids are stable ones. Noise (-1) is no cluster, but items move into it and out of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clustlab.analysis.matching import with_noise
from clustlab.types import Array

PART = 0.25  # share of a cluster from which on the items that go or come together are a great part
FEW = 3  # moves named in a sentence; of changes twice as many
NOTHING = "No cluster appeared, dissolved, split, merged, regrouped or lost more than a quarter"
RULE = (
    "Two clusters are linked if a quarter or more of one of them goes to, or comes from, the "
    "other. Linked clusters make one event: one into several is a split, several into one a merge, "
    "several into several a regrouping. A cluster linked to no earlier one has appeared, and one "
    "linked to no later one has dissolved. A cluster that goes on but loses more than a quarter in "
    "smaller parts is a loss. No cluster is in more than one event."
)


def table(before: Array, after: Array, n_ids: int | None = None) -> Array:
    """Counts (ids + 1, ids + 1) int64 of items in cluster i before and j after; they sum to n.

    The last row and column are noise, so that `counts[-1, 3]` came from there into cluster 3.
    """
    if n_ids is None:
        n_ids = int(max(np.max(before, initial=-1), np.max(after, initial=-1))) + 1
    return with_noise(before, after, n_ids, n_ids)


def order_by_exchange(counts: Array) -> Array:
    """Numbers (k,) of the clusters in an order that puts those beside each other that trade items.

    In a flow diagram whose sides are both in this order, few bands cross. Clusters that trade with
    nobody stay where their numbers put them.

    Parameters
    ----------
    counts : (k, k) int
        Items in cluster i before and j after, without noise.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial.distance import squareform

    traded = counts + counts.T
    distances = 1 / (1 + traded)
    np.fill_diagonal(distances, 0)
    n_groups, group = connected_components(traded, directed=False)
    order = []
    for members in (np.flatnonzero(group == i) for i in range(n_groups)):  # by their least number
        if len(members) > 2:
            pairs = squareform(distances[np.ix_(members, members)])
            members = members[leaves_list(linkage(pairs, "average", optimal_ordering=True))]
        order.append(members if members[0] <= members[-1] else members[::-1])
    return np.concatenate([np.zeros(0, dtype=np.int64), *order])


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


Kind = Literal["birth", "death", "split", "merge", "regrouping", "renaming", "loss"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to whole clusters between two steps."""

    kind: Kind
    before: tuple[int, ...]  # clusters before it
    after: tuple[int, ...]  # clusters after it
    items: int  # that went from the ones to the others; of a birth or death all, of a loss the lost
    flows: tuple[tuple[int, int, int], ...] = ()  # from, to, items: great parts, largest first

    @property
    def concerns(self) -> set[int]:
        """Clusters that take part in it."""
        return {*self.before, *self.after}

    @property
    def sentence(self) -> str:
        """The change in words."""
        return self.in_words("item")

    def in_words(self, noun: str) -> str:
        """The change as a sentence; `noun` is what one of the items is called."""
        many = f"{self.items:,} {noun}{'s' * (self.items != 1)}"
        old, new = map(_and, (self.before, self.after))
        if self.kind == "birth":
            return f"Cluster {new} appeared, with {many}."
        if self.kind == "death":
            return f"Cluster {old} dissolved; it had {many}."
        if self.kind == "split":
            return f"Cluster {old} split into {new}: {many}."
        if self.kind == "merge":
            return f"Clusters {old} merged into {new}: {many}."
        if self.kind == "renaming":
            return f"Cluster {old} continues as {new}: {many}."
        if self.kind == "loss":
            return f"Cluster {old} lost {many}, a few at a time to several clusters."
        moves = [f"{n:,} from {a} to {b}" for a, b, n in self.flows]
        more_moves = len(moves) - FEW
        more = f" and {more_moves} more move{'s' * (more_moves != 1)}" if more_moves > 0 else ""
        into = "" if self.before == self.after else f" into {new}"
        return f"Clusters {old} regrouped{into}: {', '.join(moves[:FEW])}{more}."


@dataclass(frozen=True, slots=True)
class Events:
    """What happened between two steps: every occupied cluster takes part in at most one change."""

    moved: int  # items
    changes: tuple[Change, ...]

    @property
    def sentence(self) -> str:
        """The changes in words."""
        if not self.changes:
            return f"{NOTHING}."
        told = [change.sentence for change in self.changes[: 2 * FEW]]
        left_out = len(self.changes) - len(told)
        return " ".join([*told, f"{left_out} more changes." if left_out else ""]).strip()


def events(before: Array, after: Array, n_ids: int | None = None) -> Events:
    """What became of the clusters between two steps, by `RULE`; noise is no cluster.

    Clusters are tied to later ones by the great parts that went from one to the other. What is tied
    together, directly or by way of others, is one change, whose kind is how many clusters it has
    before and after: 0 and 1 make a birth, 1 and 0 a death, 1 and more a split, more and 1 a merge,
    more and more a regrouping. One and one under different numbers is a renaming, and under the
    same number nothing, or a loss if more than a quarter of the cluster went elsewhere.
    """
    counts = table(before, after, n_ids)
    rows, columns = counts.sum(1)[:-1], counts.sum(0)[:-1]
    counts = counts[:-1, :-1]
    great = (counts > 0) & ((counts >= PART * rows[:, None]) | (counts >= PART * columns))
    changes = (
        _change(np.flatnonzero(old), np.flatnonzero(new), counts, great, rows, columns)
        for old, new in _tied_together(great, rows > 0, columns > 0)
    )
    return Events(
        int((np.asarray(before) != np.asarray(after)).sum()),
        tuple(change for change in changes if change),
    )


def _tied_together(great: Array, old: Array, new: Array) -> Iterator[tuple[Array, Array]]:
    """Occupied clusters before (ids,) and after (ids,), bool, of each group that is tied."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(great)
    a, b = np.nonzero(great)
    ties = coo_array((np.ones(len(a)), (a, n + b)), shape=(2 * n, 2 * n))
    _, group = connected_components(ties, directed=False)
    for one in np.unique(group[np.concatenate((old, new))]):
        yield (group[:n] == one) & old, (group[n:] == one) & new


def _change(
    old: Array, new: Array, counts: Array, great: Array, rows: Array, columns: Array
) -> Change | None:
    """What became of the clusters `old` (a,), which are now `new` (b,); None if nothing did."""
    before, after = tuple(old.tolist()), tuple(new.tolist())
    if not before or not after:
        kind: Kind = "death" if before else "birth"
        return Change(kind, before, after, int(rows[old].sum() + columns[new].sum()))
    items = int(counts[np.ix_(old, new)].sum())
    flows = [(a, b, int(counts[a, b])) for a in before for b in after if great[a, b] and a != b]
    flows.sort(key=lambda flow: -flow[2])
    if len(before) == len(after) == 1:
        if before != after:
            return Change("renaming", before, after, items, tuple(flows))
        lost = int(rows[old[0]]) - items
        return Change("loss", before, after, lost) if lost > PART * rows[old[0]] else None
    kind = "split" if len(before) == 1 else "merge" if len(after) == 1 else "regrouping"
    return Change(kind, before, after, items, tuple(flows))


def _and(ids: Sequence[int]) -> str:
    words = [str(i) for i in ids]
    if len(words) > 6:
        words = [*words[:5], f"{len(words) - 5} others"]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""

"""Ready questions to one step of a run: which items, clusters or classes look wrong.

Each is a pure function from a `QueriedStep` to what it found, ranked, the worst first. Noise is no
cluster and neither right nor wrong, so only queries in which clusters play no part look at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clustlab.analysis import metrics
from clustlab.analysis.matching import sizes_of
from clustlab.analysis.nearest_neighbours import Neighbours, Twins
from clustlab.analysis.step_view import StepView
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.types import Array

K = 10  # neighbours looked at
UNDECIDED = 0.1  # lead of the first choice over the second
MANY = 3  # changes of cluster
LONELY = 0.5  # share of neighbours in the same cluster
SHARE = 0.2  # of a class, or of a cluster, that counts as a part of its own
GIANT = 2.0  # times an even share
WHISKER = 1.5  # times the distance between the quartiles, as in a box plot


@dataclass(frozen=True)
class QueriedStep(StepView):
    """What a query may look at: a step, and what takes long, as far as the query needs it."""

    neighbours: Neighbours | None = None
    twins: Twins | None = None
    within: tuple[int, int] | None = None  # steps whose changes of cluster count; None for all

    @cached_property
    def changes(self) -> Array:
        """How often each item changed its cluster up to this step, or within the given steps."""
        return (
            super().changes if self.within is None else changed_within(self.timeline, self.within)
        )


@dataclass(frozen=True, slots=True)
class Side:
    """Items that belong together, to be shown beside others."""

    title: str
    items: Array  # (m,) int64


@dataclass(frozen=True, slots=True)
class Group:
    """One cluster, class or pair that was found, with its items."""

    title: str
    score: float
    sides: tuple[Side, ...]
    clusters: tuple[int, ...] = ()
    classes: tuple[int, ...] = ()
    whole: bool = False  # its items make sense together only


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Items in the order of their rank, each once; with groups where the query asks for those."""

    items: Array  # (m,) int64
    scores: Array  # (m,) float64
    groups: tuple[Group, ...] = ()


def changed_within(timeline: Timeline, steps: tuple[int, int]) -> Array:
    """How often each item changed its cluster in a range of steps, both ends included.

    Raises
    ------
    ParameterError
        If the range is empty or leaves the run.
    """
    first, last = steps
    known = timeline.extend()
    if not 0 <= first <= last < known:
        raise ParameterError(
            f"There are no steps {first} to {last} in a run of {known} steps.",
            f"Choose a range in [0, {known - 1}].",
        )
    changes = timeline.flips(last)
    return changes - timeline.flips(first - 1) if first else changes


def _ranked(items: Array, value: Array) -> Array:
    """Items by rising value, equal ones by number."""
    return items[np.argsort(value[items], kind="stable")]


def _by(items: Array, value: Array, sign: int = 1) -> QueryResult:
    """Items by rising (sign 1) or falling (sign -1) value, which is their score."""
    items = _ranked(np.sort(items), sign * value)
    return QueryResult(items, value[items].astype(np.float64))


def _grouped(groups: Sequence[Group], parts: Sequence[Array] | None = None) -> QueryResult:
    """Groups by falling score, and their items, or the named part of them, each once."""
    order = sorted(range(len(groups)), key=lambda i: -groups[i].score)
    groups = tuple(groups[i] for i in order)
    rows = [np.concatenate([s.items for s in g.sides]) for g in groups]
    if parts is not None:
        rows = [parts[i] for i in order]
    items = np.concatenate([np.zeros(0, np.int64), *rows]).astype(np.int64)
    scores = np.repeat([float(g.score) for g in groups], [len(row) for row in rows])
    first = np.sort(np.unique(items, return_index=True)[1])
    return QueryResult(items[first], scores[first], groups)


# -- items -------------------------------------------------------------------------------------
def confidently_wrong(queried: QueriedStep) -> QueryResult:
    """Wrong items that the method is at least as sure of as of half of all clustered items."""
    if not queried.is_clustered.any():
        return _by(np.zeros(0, np.int64), queried.confidence)
    sure = queried.confidence >= np.median(queried.confidence[queried.is_clustered])
    return _by(np.flatnonzero(queried.wrong & sure), queried.confidence, -1)


def undecided(queried: QueriedStep) -> QueryResult:
    """Items whose first choice hardly leads the second."""
    margin = metrics.margin(queried.snapshot)
    return _by(np.flatnonzero((margin < UNDECIDED) & queried.is_clustered), margin)


def flip_floppers(queried: QueriedStep) -> QueryResult:
    """Items that changed their cluster many times."""
    return _by(np.flatnonzero(queried.changes >= MANY), queried.changes, -1)


def impostors(queried: QueriedStep) -> QueryResult:
    """Items of whose nearest neighbours few share the cluster."""
    near = _neighbours(queried)
    share = np.full(len(queried.clusters), np.inf)
    if near.indices.shape[1]:
        same = queried.clusters[near.indices] == queried.clusters[near.queries][:, None]
        share[near.queries] = same.mean(1)
    return _by(np.flatnonzero((share < LONELY) & queried.is_clustered), share)


def outliers(queried: QueriedStep) -> QueryResult:
    """Items whose k-th neighbour is further off than the whiskers of a box plot reach."""
    near = _neighbours(queried)
    neighbour_distances = np.full(len(queried.clusters), -np.inf)
    if not near.distances.size:
        return _by(np.zeros(0, np.int64), neighbour_distances)
    neighbour_distances[near.queries] = near.distances[:, -1]
    low, high = np.percentile(near.distances[:, -1], (25, 75))
    return _by(
        np.flatnonzero(neighbour_distances > high + WHISKER * (high - low)), neighbour_distances, -1
    )


def _neighbours(queried: QueriedStep) -> Neighbours:
    if queried.neighbours is None:
        raise ValueError("this query needs the neighbours of the items")
    return queried.neighbours


def near_duplicates_apart(queried: QueriedStep) -> QueryResult:
    """Pairs of look-alikes in different clusters, the most alike first."""
    if queried.twins is None:
        raise ValueError("this query needs the look-alikes among the items")
    pairs, distances = queried.twins.pairs, queried.twins.distances
    one, other = queried.clusters[pairs[:, 0]], queried.clusters[pairs[:, 1]]
    apart = (one != other) & (one >= 0) & (other >= 0)
    pairs, distances = pairs[apart], distances[apart]
    groups = [
        _pair(queried, int(a), int(b), float(gap))
        for (a, b), gap in zip(pairs.tolist(), distances.tolist(), strict=True)
    ]
    flat, first = np.unique(pairs.ravel(), return_index=True)
    order = np.argsort(first, kind="stable")
    scores = np.repeat(distances, 2)[first]
    return QueryResult(
        flat[order].astype(np.int64), scores[order].astype(np.float64), tuple(groups)
    )


def _pair(queried: QueriedStep, a: int, b: int, gap: float) -> Group:
    ids = tuple(int(queried.clusters[i]) for i in (a, b))
    labels = () if queried.labels is None else {int(queried.labels[i]) for i in (a, b)}
    sides = tuple(
        Side(f"item {i} in cluster {c}", np.array([i])) for i, c in zip((a, b), ids, strict=True)
    )
    known = tuple(sorted(label for label in labels if label >= 0))
    return Group(f"items {a} and {b}", gap, sides, ids, known, whole=True)


# -- classes and clusters ----------------------------------------------------------------------
def split_classes(queried: QueriedStep) -> QueryResult:
    """Classes of which a good part lies in another cluster than most of the rest."""
    groups, parts = [], []
    for label, row in enumerate(queried.counts):
        order = np.argsort(-row, kind="stable")
        large = [int(c) for c in order if row[c] and row[c] >= SHARE * row.sum()]
        if len(large) < 2:
            continue
        members = [queried.members(cluster, label) for cluster in large]
        sides = [
            Side(f"{queried.class_name(label)} in cluster {c}: {len(m):,}", m)
            for c, m in zip(large, members, strict=True)
        ]
        score = 1 - row[order[0]] / row.sum()
        title = f"{queried.class_name(label)}: clusters {_and(large)}"
        groups.append(Group(title, float(score), tuple(sides), tuple(large), (label,)))
        parts.append(np.concatenate(members[1:]))
    return _grouped(groups, parts)


def merged_classes(queried: QueriedStep) -> QueryResult:
    """Pairs of classes that share a cluster, each with a good part of it."""
    groups = []
    for cluster, column in enumerate(queried.counts.T):
        order = np.argsort(-column, kind="stable")
        large = [int(c) for c in order if column[c] and column[c] >= SHARE * column.sum()]
        for i, one in enumerate(large):
            groups += [_merged(queried, cluster, one, other) for other in large[i + 1 :]]
    return _grouped(groups)


def _merged(queried: QueriedStep, cluster: int, one: int, other: int) -> Group:
    sides = []
    for label in (one, other):
        items = queried.members(cluster, label)
        sides.append(Side(f"{queried.class_name(label)}: {len(items):,}", items))
    column = queried.counts[:, cluster]
    title = f"{queried.class_name(one)} and {queried.class_name(other)} in cluster {cluster}"
    score = float(column[other] / column.sum())
    return Group(title, score, tuple(sides), (cluster,), (one, other))


def dead_clusters(queried: QueriedStep) -> QueryResult:
    """Clusters that hold nothing, with the items they held last."""
    groups = []
    for cluster in _empty(queried).tolist():
        items = queried.former_members(cluster)
        words = (
            f"were in cluster {cluster} last: {len(items):,}" if len(items) else "never held any"
        )
        title = f"cluster {cluster}"
        groups.append(Group(title, float(len(items)), (Side(words, items),), (cluster,)))
    return _grouped(groups)


def count_dead(queried: QueriedStep) -> int:
    """Number of clusters that hold nothing, without looking for what they held."""
    return len(_empty(queried))


def _empty(queried: QueriedStep) -> Array:
    ids: Array = np.setdiff1d(queried.ids, queried.clusters)
    return ids


def giant_clusters(queried: QueriedStep) -> QueryResult:
    """Clusters at least twice as large as an even share, the least sure items first."""
    sizes = sizes_of(queried.clusters, int(queried.ids.max(initial=-1)) + 1)
    even = sizes.sum() / max(len(queried.ids), 1)
    groups = []
    for cluster in np.flatnonzero(sizes >= GIANT * even).tolist() if even else ():
        side = Side(f"cluster {cluster}: {sizes[cluster]:,}", queried.members(cluster)[::-1])
        title = f"cluster {cluster}, {sizes[cluster] / even:.1f} times an even share"
        groups.append(Group(title, float(sizes[cluster] / even), (side,), (cluster,)))
    return _grouped(groups)


def _and(ids: Sequence[int]) -> str:
    words = [str(i) for i in ids]
    return f"{', '.join(words[:-1])} and {words[-1]}"

"""The ready questions asked of a whole run: filters, counts over time, and what takes long."""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from clustlab.analysis import nearest_neighbours
from clustlab.analysis.failures import catalogue, queries
from clustlab.analysis.failures.queries import Group, QueriedStep, QueryResult, Side, changed_within
from clustlab.analysis.timeline import Steps, Timeline
from clustlab.errors import ParameterError
from clustlab.types import Array, ClassRule, Dataset, Report

THINNED = 12  # steps at which a query that compares all items is counted over time
COUNTED = 2_000_000  # items times steps at which any other query is counted, all of them read
KEPT = 16  # steps whose neighbours are kept


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows a query; None leaves it as it is."""

    cluster: int | None = None  # its lasting number
    label: int | None = None  # a true class
    steps: tuple[int, int] | None = None  # only items that changed their cluster in these steps
    confidence: tuple[float, float] | None = None  # least and greatest


def is_labelled(dataset: Dataset) -> bool:
    """Whether the true class of any item is known."""
    return dataset.labels is not None and bool((dataset.labels >= 0).any())


class FailureSearch:
    """The queries over one run; what takes long is kept. Safe to share between threads.

    An item is wrong if its class is not the one that its cluster stands for. By default that is
    the class of most of its items: the question is what does not belong into a cluster, and one
    that was left over in the matching would be wrong as a whole.
    """

    def __init__(
        self,
        run: Steps,
        dataset: Dataset,
        timeline: Timeline,
        class_rule: ClassRule | None = "majority",
    ) -> None:
        self.run, self.dataset, self.timeline = run, dataset, timeline
        self.class_rule = class_rule
        self.is_labelled = is_labelled(dataset)
        self._neighbours: OrderedDict[int, nearest_neighbours.Neighbours] = OrderedDict()
        self._twins: nearest_neighbours.Twins | None = None
        self._counts: dict[tuple[str, int], int] = {}
        self._filters, self._filtered = Filters(), dict[tuple[str, int], int]()
        self._lock = threading.RLock()

    def available(self, q: catalogue.Query) -> bool:
        """Whether a query can be asked, with the labels there are."""
        return self.is_labelled or not q.needs_labels

    def is_ready(self, q: catalogue.Query, step: int) -> bool:
        """Whether the answer needs no long computation."""
        if q.needs == "twins":
            return self._twins is not None
        return q.needs != "neighbours" or step in self._neighbours

    def find(
        self, name: str, step: int, filters: Filters | None = None, report: Report | None = None
    ) -> QueryResult:
        """What a query finds at a step, narrowed by filters.

        Raises
        ------
        ParameterError
            If there is no such query, or it needs labels that there are not.
        """
        q = self.asked(name)
        queried = self.queried(step, q, filters, report)
        result = q.find(queried)
        if filters is None or filters == Filters():
            self._counts[name, step] = q.number(result)
            return result
        return _narrowed(result, queried, filters, self.timeline)

    def count(self, name: str, step: int) -> int | None:
        """How many of its unit a query finds at a step; None if that takes long or needs labels."""
        q = catalogue.query(name)
        if (name, step) not in self._counts and self.available(q) and self.is_ready(q, step):
            self._count(step)
        return self._counts.get((name, step)) if self.available(q) else None

    def history(
        self, name: str, filters: Filters | None = None, report: Report | None = None
    ) -> tuple[Array, Array]:
        """Steps and counts (m,) int64 of a query: all steps, or an even share if it takes long."""
        q = self.asked(name)
        steps, known = self._counted(q), self._known(filters)
        counts = []
        for done, step in enumerate(steps.tolist()):
            if (name, step) not in known:
                if report:
                    report(f"Step {step}", done / len(steps))
                if known is self._counts:
                    self._with(q, step)
                    self._count(step)
                else:
                    known[name, step] = q.number(self.find(name, step, filters))
            counts.append(known[name, step])
        return steps, np.array(counts, dtype=np.int64)

    def missing(self, name: str, filters: Filters | None = None) -> int:
        """Number of steps that `history` has yet to count."""
        steps, known = self._counted(catalogue.query(name)).tolist(), self._known(filters)
        return sum((name, step) not in known for step in steps)

    def _known(self, filters: Filters | None) -> dict[tuple[str, int], int]:
        """Counts by query and step: all, and those of the filters that were used last."""
        if filters is None or filters == Filters():
            return self._counts
        with self._lock:
            if filters != self._filters:
                self._filters, self._filtered = filters, {}
            return self._filtered

    def _counted(self, q: catalogue.Query) -> Array:
        """Steps at which a query is counted over time: those that can be read, or some of them."""
        known = self._readable()
        most = THINNED
        if q.needs != "neighbours":
            most = max(THINNED, COUNTED // max(len(self.dataset.items), 1))
        if len(known) <= most:
            return known
        return known[np.unique(np.linspace(0, len(known) - 1, most).round().astype(np.int64))]

    def _readable(self) -> Array:
        return np.array(self.timeline.whole(), dtype=np.int64)

    def note(self, name: str) -> str:
        """Words for what a query leaves out; empty if it looks at everything."""
        n, q = len(self.dataset.items), catalogue.query(name)
        width = 1
        if q.needs == "neighbours":
            width = next((self.run[s].embedding.shape[1] for s in self._readable().tolist()), 1)
        looked = len(nearest_neighbours.examined(n, width)) if q.needs else n
        return "" if looked >= n else f"{looked:,} of {n:,} items examined"

    def forget_after(self, n_steps: int) -> None:
        """Let go of counts of steps that there are no longer."""
        with self._lock:
            self._counts = {k: v for k, v in self._counts.items() if k[1] < n_steps}
            self._filtered = {k: v for k, v in self._filtered.items() if k[1] < n_steps}
            for step in [s for s in self._neighbours if s >= n_steps]:
                del self._neighbours[step]

    def asked(self, name: str) -> catalogue.Query:
        """Query of this name.

        Raises
        ------
        ParameterError
            If there is none, or it needs labels that there are not.
        """
        q = catalogue.query(name)
        if not self.available(q):
            raise ParameterError(
                f"The query {name!r} needs labels, and {self.dataset.name} has none.",
                "Ask one that needs none: "
                f"{', '.join(q.name for q in catalogue.QUERIES if not q.needs_labels)}.",
            )
        return q

    def _count(self, step: int) -> None:
        """Count every query that can be answered quickly at a step, loading it once."""
        queried = self.queried(step)
        queried = replace(queried, neighbours=self._neighbours.get(step), twins=self._twins)
        for q in catalogue.QUERIES:
            if self.available(q) and self.is_ready(q, step) and (q.name, step) not in self._counts:
                dead = q.find is queries.dead_clusters
                number = queries.count_dead(queried) if dead else q.number(q.find(queried))
                self._counts[q.name, step] = number

    def queried(
        self,
        step: int,
        q: catalogue.Query | None = None,
        filters: Filters | None = None,
        report: Report | None = None,
    ) -> QueriedStep:
        """What queries look at at a step; with what takes long only as far as `q` needs it."""
        within = filters.steps if filters else None
        queried = QueriedStep(
            self.run,
            step,
            self.timeline,
            self.dataset,
            within=within,
            asked_class_rule=self.class_rule,
        )
        if q is None or not q.needs:
            return queried
        self._with(q, step, report)
        return replace(queried, neighbours=self._neighbours.get(step), twins=self._twins)

    def _with(self, q: catalogue.Query, step: int, report: Report | None = None) -> None:
        """Compute what a query needs that takes long, unless it is there."""
        if not q.needs:
            return

        def tell(share: float) -> None:
            if report:
                report("Comparing items", share)

        with self._lock:
            if q.needs == "twins" and self._twins is None:
                self._twins = nearest_neighbours.twins(self.dataset.items, tell)
            if q.needs == "neighbours":
                if step not in self._neighbours:
                    rows = self.run[step].embedding
                    chosen = nearest_neighbours.examined(*rows.shape)
                    self._neighbours[step] = nearest_neighbours.k_nearest(
                        rows, queries.K, chosen, tell
                    )
                self._neighbours.move_to_end(step)
                while len(self._neighbours) > KEPT:
                    self._neighbours.popitem(last=False)


def _narrowed(
    result: QueryResult, queried: QueriedStep, filters: Filters, timeline: Timeline
) -> QueryResult:
    """What remains of a result; a group that names a cluster or class stays or goes as a whole."""
    fits = np.ones(len(queried.clusters), bool)
    if filters.confidence:
        low, high = filters.confidence
        fits &= (queried.confidence >= low) & (queried.confidence <= high)
    if filters.steps:
        fits &= changed_within(timeline, filters.steps) > 0
    in_cluster = fits if filters.cluster is None else fits & (queried.clusters == filters.cluster)
    of_class = fits
    if filters.label is not None:
        known = np.full(len(fits), -1) if queried.labels is None else queried.labels
        of_class = fits & (known == filters.label)
    if not result.groups:
        kept = (in_cluster & of_class)[result.items]
        return QueryResult(result.items[kept], result.scores[kept])
    groups = []
    for group in result.groups:
        mask = fits
        if filters.cluster is not None and filters.cluster not in group.clusters:
            continue
        if filters.label is not None and filters.label not in group.classes:
            if group.classes:
                continue
            mask = of_class
        rest = _cut(group, mask)
        if rest is not None:
            groups.append(rest)
    return _of_groups(result, groups)


def _cut(group: Group, mask: Array) -> Group | None:
    """Group with the items that fit; None if none of those it had does."""
    rows = [side.items for side in group.sides]
    kept = [row[mask[row]] for row in rows]
    if any(map(len, rows)) and not any(map(len, kept)):
        return None
    if group.whole:
        return group
    sides = (Side(s.title, k) for s, k in zip(group.sides, kept, strict=True))
    return replace(group, sides=tuple(sides))


def _of_groups(result: QueryResult, groups: list[Group]) -> QueryResult:
    """Result with some of its groups, and its items in the order they had."""
    rows = [side.items for group in groups for side in group.sides]
    kept = (
        np.isin(result.items, np.concatenate(rows)) if rows else np.zeros(len(result.items), bool)
    )
    return QueryResult(result.items[kept], result.scores[kept], tuple(groups))

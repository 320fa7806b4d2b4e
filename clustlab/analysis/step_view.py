"""One step of a run as pages, queries and reports look at it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from clustlab.analysis import matching, metrics
from clustlab.analysis.timeline import Steps, Timeline
from clustlab.types import Array, ClassRule, Dataset, Snapshot


@dataclass(frozen=True)
class StepView:
    """One step of a run and what follows from it; worked out when first asked for.

    All clusters are lasting numbers.
    """

    run: Steps
    step: int
    timeline: Timeline
    dataset: Dataset
    asked_class_rule: ClassRule | None = field(default=None, kw_only=True)  # None: the usual one

    @cached_property
    def class_rule(self) -> ClassRule:
        """What a cluster stands for at this step."""
        return self.asked_class_rule or matching.usual_class_rule(self.labels, self.clusters)

    @cached_property
    def snapshot(self) -> Snapshot:
        """Snapshot of the step."""
        return self.run[self.step]

    @cached_property
    def clusters(self) -> Array:
        """Cluster of each item, (n,) int32, -1 for noise."""
        return self.timeline.stable(self.step)

    @property
    def is_clustered(self) -> Array:
        """Whether an item belongs to a cluster rather than to noise, (n,) bool."""
        return self.clusters >= 0

    @cached_property
    def ids(self) -> Array:
        """Clusters there are at this step, occupied or not, (k,) int32 by rising number."""
        return np.unique(self.timeline.mapping(self.step))

    @cached_property
    def changes(self) -> Array:
        """How often each item changed its cluster up to this step, (n,) int32."""
        return self.timeline.flips(self.step)

    @property
    def labels(self) -> Array | None:
        """True classes (n,) int, -1 where unknown; None without any."""
        return self.dataset.labels

    @cached_property
    def class_of(self) -> Array:
        """Class (ids,) int that each cluster stands for, by cluster number; -1 for none."""
        ids, classes = self.timeline.n_ids(), self.timeline.n_classes
        return matching.classes_of(self.labels, self.clusters, ids, classes, self.class_rule)

    @cached_property
    def wrong(self) -> Array:
        """Whether an item's class is known and not that of its cluster, (n,) bool.

        Noise is neither right nor wrong.
        """
        if self.labels is None:
            return np.zeros(len(self.clusters), bool)
        meant = matching.looked_up(self.clusters, self.class_of)
        return (self.labels >= 0) & self.is_clustered & (meant != self.labels)

    @cached_property
    def confidence(self) -> Array:
        """How sure the method is of each item's cluster, (n,) float32 in [0, 1]."""
        return metrics.confidence(self.snapshot)

    @cached_property
    def counts(self) -> Array:
        """Items (classes, clusters) int64 of each class in each cluster."""
        labels = np.zeros(0, np.int64) if self.labels is None else self.labels
        clusters = self.clusters[: len(labels)]
        n_ids = int(max(self.ids.max(initial=-1), self.clusters.max(initial=-1))) + 1
        return matching.contingency(labels, clusters, n_b=n_ids)

    def class_name(self, label: int) -> str:
        """Name of a true class."""
        names = self.dataset.class_names
        return names[label] if 0 <= label < len(names) else f"class {label}"

    def members(self, cluster: int, label: int | None = None) -> Array:
        """Items (m,) int64 of a cluster, or those of one class in it, the surest first."""
        chosen = self.clusters == cluster
        if label is not None and self.labels is not None:
            chosen &= self.labels == label
        items = np.flatnonzero(chosen)
        return items[np.argsort(-self.confidence[items], kind="stable")]

    def former_members(self, cluster: int) -> Array:
        """Items (m,) int64 that a cluster held when it held any last; none if it never did."""
        for earlier in reversed(range(self.step)):
            items = np.flatnonzero(self.timeline.stable(earlier) == cluster)
            if len(items):
                return items
        return np.zeros(0, np.int64)

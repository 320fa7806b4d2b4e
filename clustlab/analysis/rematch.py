"""How much of a change of accuracy is learning, and how much only another matching."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from clustlab.analysis.matching import contingency, hungarian, looked_up
from clustlab.analysis.shares import signed
from clustlab.types import Array


@dataclass(frozen=True, slots=True)
class Rematch:
    """Accuracy at two steps a and b, and what lies between them.

    `acc_before + moved + rematched = acc_after`. As in all scores, noise does not count: an item
    that becomes noise, or leaves it, counts among those that moved. All is nan if there is nothing
    but noise at a or b.
    """

    acc_before: float  # at a, by the matching of a
    acc_after: float  # at b, by the matching of b
    moved: float  # what items gain that changed their cluster, while a's matching is kept
    rematched: float  # what b's own matching adds: never negative, since it is the best for b
    n_gained: int  # items that became right under a's matching
    n_lost: int  # items that became wrong under it
    classes_before: Array  # (ids,) int32 class of each stable cluster at a, -1 for none
    classes_after: Array  # (ids,) int32 at b

    @property
    def changed(self) -> list[tuple[int, int, int]]:
        """Clusters that stand for another class at b: (cluster, class at a, class at b)."""
        changed_clusters = np.flatnonzero(self.classes_before != self.classes_after)
        return [
            (int(i), int(self.classes_before[i]), int(self.classes_after[i]))
            for i in changed_clusters
        ]

    @property
    def sentence(self) -> str:
        """The decomposition in words."""
        change = self.acc_after - self.acc_before
        if math.isnan(change):
            return (
                "At one of the two steps every item is noise, so there is no accuracy to explain."
            )
        parts = [f"Of the change in accuracy of {signed(change)},"]
        parts.append(f"{signed(self.moved)} comes from items that moved to another cluster")
        if self.rematched:
            parts.append(f"and {signed(self.rematched)} from matching clusters to other classes")
        else:
            parts.append("and nothing from the matching, which could not be improved")
        return f"{parts[0]} {parts[1]}, {parts[2]}."


def decompose(labels: Array, before: Array, after: Array, n_classes: int | None = None) -> Rematch:
    """What makes up the difference of the accuracies of two steps.

    Items without a label (-1) have no say, and those that are noise none at that step. Where
    several matchings are equally good at a, the decomposition is that of the one found.

    Parameters
    ----------
    labels : (n,) int
        True classes.
    before, after : (n,) int
        Stable clusters at the steps a and b, -1 for noise.
    n_classes : int, optional
        Number of classes.

    Raises
    ------
    ValueError
        If nothing is labelled.
    """
    labels = np.asarray(labels)
    known = labels >= 0
    if not known.any():
        raise ValueError("without labels there is no accuracy to take apart")
    labels, before, after = labels[known], np.asarray(before)[known], np.asarray(after)[known]
    n_ids = int(max(before.max(initial=-1), after.max(initial=-1))) + 1
    classes = int(labels.max()) + 1 if n_classes is None else n_classes
    first, second = (
        hungarian(contingency(clusters, labels, n_ids, classes)) for clusters in (before, after)
    )
    right, kept = looked_up(before, first) == labels, looked_up(after, first) == labels
    n_before, n_kept, n_after = (
        int(right.sum()),
        int(kept.sum()),
        int((looked_up(after, second) == labels).sum()),
    )
    if n_after == n_kept:  # another matching that is as good is no change
        second = first
    at_a, at_b = (int((clusters >= 0).sum()) or math.nan for clusters in (before, after))
    return Rematch(
        n_before / at_a,
        n_after / at_b,
        n_kept / at_b - n_before / at_a,
        (n_after - n_kept) / at_b,
        int((kept & ~right).sum()),
        int((right & ~kept).sum()),
        first,
        second,
    )


def over_time(
    labels: Array,
    assignments: Array,
    n_classes: int | None = None,
    read_anew: Sequence[int] = (),
) -> pd.DataFrame:
    """Decomposition of each step from the one before: step, acc, moved, rematched.

    Where clusters are `read_anew`, neither moves nor another matching make the difference: nan.

    Parameters
    ----------
    assignments : (steps, n) int
        Stable clusters over all steps.
    """
    rows = []
    for step in range(1, len(assignments)):
        rematch = decompose(labels, assignments[step - 1], assignments[step], n_classes)
        parts = (rematch.moved, rematch.rematched)
        if step in read_anew:
            parts = (math.nan, math.nan)
        rows.append((step, rematch.acc_after, *parts))
    return pd.DataFrame(rows, columns=["step", "acc", "moved", "rematched"])

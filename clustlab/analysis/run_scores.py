"""Scores of a run's last step, for the command line, the run bar and tables."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clustlab.analysis import metrics
from clustlab.runs.store import Run
from clustlab.types import Array, Dataset


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement with the true classes, in [0, 1]; None where there are no labels."""

    n_occupied: int
    acc: float | None = None
    nmi: float | None = None
    ari: float | None = None
    purity: float | None = None


def scores(assignments: Array, labels: Array | None) -> Scores:
    """Scores of one assignment; items labelled -1 do not count."""
    occupied = len(np.unique(assignments))
    if labels is None or not (np.asarray(labels) >= 0).any():
        return Scores(occupied)
    return Scores(
        occupied,
        acc=round(metrics.clustering_accuracy(labels, assignments), 5),
        nmi=round(metrics.nmi(labels, assignments), 5),
        ari=round(metrics.ari(labels, assignments), 5),
        purity=round(metrics.purity(labels, assignments), 5),
    )


def of_run(run: Run, dataset: Dataset) -> dict[str, Any]:
    """Scores of the last committed step; empty before the first."""
    return asdict(scores(run[-1].assignments, dataset.labels)) if len(run) else {}

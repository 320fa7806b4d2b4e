"""Scores of a run's last step, for the command line, the run bar and tables."""

from dataclasses import asdict, dataclass
from typing import Any

from clustlab.analysis import metrics
from clustlab.runs.store import Run
from clustlab.types import Array, Dataset


@dataclass(frozen=True, slots=True)
class Scores:
    """Agreement of the clustered items with the true classes, in [0, 1].

    None where there are no labels, or nothing labelled is clustered.
    """

    n_occupied: int
    share_clustered: float  # of all items in [0, 1]: less than 1 if a method leaves some as noise
    acc: float | None = None
    nmi: float | None = None
    ari: float | None = None
    purity: float | None = None


def scores(assignments: Array, labels: Array | None) -> Scores:
    """Scores of one assignment; items labelled -1, or -1 for noise, do not count."""
    about = metrics.n_occupied(assignments), round(metrics.share_clustered(assignments), 5)
    if labels is None or not ((labels >= 0) & (assignments >= 0)).any():
        return Scores(*about)
    return Scores(
        *about,
        acc=round(metrics.clustering_accuracy(labels, assignments), 5),
        nmi=round(metrics.nmi(labels, assignments), 5),
        ari=round(metrics.ari(labels, assignments), 5),
        purity=round(metrics.purity(labels, assignments), 5),
    )


def of_run(run: Run, dataset: Dataset) -> dict[str, Any]:
    """Scores of the last committed step; empty before the first."""
    return asdict(scores(run[-1].assignments, dataset.labels)) if len(run) else {}

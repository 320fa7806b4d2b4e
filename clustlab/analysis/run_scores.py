"""Scores of a run's last step, for the command line, the run bar and tables."""

from clustlab.analysis import metrics, score_catalogue
from clustlab.analysis.matching import sizes_of
from clustlab.analysis.score_catalogue import OF_ONE_STEP, SCORES, Division
from clustlab.runs.store import Run
from clustlab.types import Array, Dataset

Scores = dict[str, float | int | None]
"""Scores by key, rounded for files and JSON; None where one is not defined."""


def percent(share: float) -> str:
    """A share in [0, 1] in percent, to three figures, so that 0.999 is not all."""
    return f"{100 * share:.3g}%"


def clustered_words(share: float) -> str:
    """Share of items that belong to a cluster, as it stands beside scores: `92% clustered`."""
    return f"{percent(share)} clustered"


def scores(assignments: Array, labels: Array | None) -> Scores:
    """Scores of one assignment; items labelled -1, or -1 for noise, do not count."""
    counts = None if labels is None else metrics.counts_by_class(labels, assignments)
    division = Division(sizes_of(assignments), assignments, counts=counts)
    computed = score_catalogue.values(division, OF_ONE_STEP)
    return {key: SCORES[key].stored(value) for key, value in computed.items()}


def of_run(run: Run, dataset: Dataset) -> Scores:
    """Scores of the last committed step; empty before the first."""
    return scores(run[-1].assignments, dataset.labels) if len(run) else {}

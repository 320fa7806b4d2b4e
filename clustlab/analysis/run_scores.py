"""Scores of a run's last step, for the command line, the run bar and tables."""

from clustlab.analysis import metrics, score_catalogue
from clustlab.analysis.matching import has_more_than_classes, sizes_of
from clustlab.analysis.merged_clusters import merged_counts
from clustlab.analysis.score_catalogue import MERGED, OF_ONE_STEP, SCORES, Division
from clustlab.analysis.shares import percent
from clustlab.runs.store import Run
from clustlab.types import Array, Dataset, Snapshot

Scores = dict[str, float | int | None]
"""Scores by key, rounded for files and JSON; None where one is not defined."""


def clustered_words(share: float) -> str:
    """Share of items that belong to a cluster, as it stands beside scores: `92% clustered`."""
    return f"{percent(share)} clustered"


def scores(assignments: Array, labels: Array | None) -> Scores:
    """Scores of one assignment; items labelled -1, or -1 for noise, do not count."""
    counts = None if labels is None else metrics.counts_by_class(labels, assignments)
    division = Division(sizes_of(assignments), assignments, counts=counts)
    computed = score_catalogue.values(division, OF_ONE_STEP)
    return {key: SCORES[key].stored(value) for key, value in computed.items()}


def of_snapshot(snapshot: Snapshot, labels: Array | None, items: Array | None = None) -> Scores:
    """Scores of a snapshot, over some items (m,) int or all.

    Those of merged clusters are there only if more clusters are in use than classes occur.
    """
    taken = slice(None) if items is None else items
    clusters = snapshot.assignments[taken]
    own = scores(clusters, None if labels is None else labels[taken])
    if labels is None or not has_more_than_classes(clusters, labels[taken]):
        return own
    division = Division(sizes_of(clusters), clusters, merged=merged_counts(snapshot, labels, items))
    computed = score_catalogue.values(division, MERGED)
    return {**{key: SCORES[key].stored(value) for key, value in computed.items()}, **own}


def of_run(run: Run, dataset: Dataset) -> Scores:
    """Scores of the last committed step, as `of_snapshot`; empty before the first."""
    return of_snapshot(run[-1], dataset.labels) if len(run) else {}

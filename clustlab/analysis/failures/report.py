"""Failures of a run in plain numbers: what a program gets instead of the page."""

from collections.abc import Callable
from typing import Any

from clustlab.analysis.failures import catalogue
from clustlab.analysis.failures.queries import Group, QueriedStep
from clustlab.analysis.failures.search import FailureSearch, Filters
from clustlab.analysis.timeline import Steps, Timeline
from clustlab.errors import ParameterError
from clustlab.types import ClassRule, Dataset


def names() -> list[str]:
    """Names of all queries."""
    return catalogue.names()


def report(
    run: Steps,
    dataset: Dataset,
    timeline: Timeline,
    query: str,
    step: int | None = None,
    limit: int = 20,
    filters: Filters | None = None,
    class_rule: ClassRule = "majority",
) -> dict[str, Any]:
    """Answer to a query in plain numbers, lists and text.

    Keys: query, title, meaning, step, stands_for (the rule), unit and count (of that unit),
    n_items, score (what it is), note (what was left out), items (index, name, score, cluster,
    class, class_name, confidence), and groups for queries after clusters, classes and pairs (title,
    score, clusters, classes, sides of title, count and items). At most `limit` items, groups, and
    items of a side are listed. The cluster of noise is -1.

    Parameters
    ----------
    step : int, optional
        By default the last one.
    class_rule : ClassRule
        What a cluster stands for, which decides what is wrong.

    Raises
    ------
    ParameterError
        If there is no such query or step, labels are missing, or the limit is below 1.
    """
    n_steps = timeline.extend()
    at = n_steps - 1 if step is None else step
    if not 0 <= at < n_steps:
        raise ParameterError(
            f"There is no step {at} in a run of {n_steps} steps.",
            f"Choose one in [0, {n_steps - 1}]." if n_steps else "Wait for its first step.",
        )
    if limit < 1:
        raise ParameterError(f"The limit must be at least 1, got {limit}.", "Leave it out for 20.")
    search = FailureSearch(run, dataset, timeline, class_rule)
    q = search.asked(query)
    result = search.find(query, at, filters)
    queried = search.queried(at)

    def facts(item: int) -> dict[str, Any]:
        name = dataset.name_of(item) or None
        return {"index": item, "name": name, **_facts(queried, item)}

    return {
        "query": q.name,
        "title": q.title,
        "meaning": q.meaning,
        "step": int(at),
        "stands_for": class_rule,
        "unit": q.unit,
        "count": q.number(result),
        "n_items": len(result.items),
        "score": q.score,
        "note": search.note(query),
        "items": [
            {**facts(int(i)), "score": float(s)}
            for i, s in zip(result.items[:limit], result.scores[:limit], strict=True)
        ],
        "groups": [_plain(group, facts, limit) for group in result.groups[:limit]],
    }


def _facts(queried: QueriedStep, index: int) -> dict[str, Any]:
    label = -1 if queried.labels is None else int(queried.labels[index])
    return {
        "cluster": int(queried.clusters[index]),
        "class": label if label >= 0 else None,
        "class_name": queried.class_name(label) if label >= 0 else None,
        "confidence": float(queried.confidence[index]),
    }


def _plain(group: Group, facts: Callable[[int], dict[str, Any]], limit: int) -> dict[str, Any]:
    return {
        "title": group.title,
        "score": float(group.score),
        "clusters": [int(c) for c in group.clusters],
        "classes": [int(c) for c in group.classes],
        "sides": [
            {
                "title": side.title,
                "count": len(side.items),
                "items": [facts(int(i)) for i in side.items[:limit]],
            }
            for side in group.sides
        ],
    }

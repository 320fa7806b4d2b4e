"""Everything about one item over all steps of a run: where it was, how sure, and with whom."""

from typing import Any

import numpy as np

from clustlab.analysis import transitions
from clustlab.analysis.nearest_neighbours import k_nearest
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.runs import item_series
from clustlab.runs.store import Run
from clustlab.types import Array, Dataset, Snapshot

NEIGHBOURS = 12
COMPANIONS = 100  # items named that flipped with it, for each flip


def report(
    run: Run,
    dataset: Dataset,
    timeline: Timeline,
    index: int,
    *,
    step: int | None = None,
    n_neighbors: int = NEIGHBOURS,
    companions: int = COMPANIONS,
) -> dict[str, Any]:
    """What is known of one item, as plain numbers, words and lists, ready for JSON.

    Clusters are stable ids, and -1 is noise. Lists over time have one entry a step, None where it
    cannot be read; where the method gave no probabilities, confidence and margin come from
    distances (see `metrics.distance_margin`).

    Parameters
    ----------
    run : Run
        At least one step of it must be committed.
    dataset : Dataset
        Its items.
    timeline : Timeline
        Of the run; extended here to its newest step.
    index : int
        Number of the item.
    step : int, optional
        At which its cluster, probabilities and neighbours are told; by default the newest.
    n_neighbors : int
        How many nearest items.
    companions : int
        How many of the items that flipped with it are named, for each flip; all are counted.

    Raises
    ------
    ParameterError
        If there is no such item or step.
    """
    steps = timeline.extend()
    check_index(index, len(dataset.items))
    step = check_step(step, steps)
    clusters, sure = timeline.history(index)[:steps], timeline.certainty(index)[:steps]
    label = -1 if dataset.labels is None else int(dataset.labels[index])
    read_anew = [place for place in timeline.read_anew() if place < steps]
    return {
        "index": int(index),
        "name": dataset.name_of(index) or None,
        "step": step,
        "n_steps": steps,
        "label": label if label >= 0 else None,
        "class": _class_name(dataset, label),
        "cluster": int(clusters[step]),
        "clusters": [
            None if timeline.is_missing(place) else int(cluster)
            for place, cluster in enumerate(clusters)
        ],
        "confidence": _rounded(sure[:, 0]),
        "margin": _rounded(sure[:, 1]),
        "first_stable_step": int(transitions.first_stable_step(clusters[:, None], read_anew)[0]),
        "flips": flips(timeline, index, companions=companions),
        "probabilities": _probabilities(run, timeline, index, step),
        "probability_rows": _rows(probability_rows(run, timeline, index)[:steps]),
        "neighbors_then": near(run, timeline, index, 0, n_neighbors),
        "neighbors_now": near(run, timeline, index, step, n_neighbors),
        "path": timeline.path(index)[:steps].astype(np.float64).round(4).tolist(),
    }


def check_index(index: int, n: int) -> None:
    """Refuse the number of an item that there is not.

    Raises
    ------
    ParameterError
        With the number and the range allowed.
    """
    if not 0 <= index < n:
        allowed = f"Items are numbered 0 to {n - 1}." if n else "The data set has no items."
        raise ParameterError(f"There is no item {index}.", allowed)


def check_step(step: int | None, steps: int) -> int:
    """Step in [0, steps), by default the last one.

    Raises
    ------
    ParameterError
        If there is no such step.
    """
    if not steps:
        raise ParameterError("The run has no step yet.", "Wait for its first step.")
    if step is None:
        return steps - 1
    if not 0 <= step < steps:
        raise ParameterError(f"There is no step {step}.", f"Steps are numbered 0 to {steps - 1}.")
    return step


def _class_name(dataset: Dataset, label: int) -> str | None:
    if label < 0:
        return None
    names = dataset.class_names
    return names[label] if label < len(names) else str(label)


def _rounded(values: Array) -> list[float | None]:
    """Values for JSON; None where one is not defined, as at a step that cannot be read."""
    return [round(float(value), 4) if value == value else None for value in values]


def flips(timeline: Timeline, index: int, *, companions: int | None = None) -> list[dict[str, Any]]:
    """When an item changed its cluster, from where to where, and what did so with it.

    Steps whose clusters are read anew are left out: there no item changes its own.

    Each flip has `step`, `from`, `to`, the number `n_together` of other items that made the same
    move at the same step, and the first `companions` of them as `together`.
    """
    history = timeline.history(index)
    changed = transitions.changes(history[:, None], timeline.read_anew())[:, 0]
    moves = []
    for step in np.flatnonzero(changed).tolist():
        source, target = int(history[step - 1]), int(history[step])
        same = (timeline.stable(step - 1) == source) & (timeline.stable(step) == target)
        same[index] = False
        others = np.flatnonzero(same)
        moves.append(
            {
                "step": step,
                "from": source,
                "to": target,
                "n_together": len(others),
                "together": others[:companions].tolist(),
            }
        )
    return moves


def _probabilities(
    run: Run, timeline: Timeline, index: int, step: int
) -> list[dict[str, Any]] | None:
    """Probability of each stable cluster at a step, by rising id; None for a hard method."""
    probabilities = run[step].probabilities
    if probabilities is None:
        return None
    mapping = timeline.mapping(step)
    return [
        {"cluster": int(mapping[raw]), "probability": round(float(probabilities[index, raw]), 6)}
        for raw in np.argsort(mapping)
    ]


def _rows(values: Array) -> list[list[float | None] | None]:
    """Probabilities over time for JSON: None for a step, and 0 for an id, without any."""
    return [
        None if np.isnan(row).all() else _rounded(np.nan_to_num(row)) for row in values.tolist()
    ]


def near(run: Run, timeline: Timeline, index: int, step: int, k: int) -> dict[str, Any]:
    """The k nearest items in the embedding of a step, by rising distance, with their clusters.

    Noise shares its cluster with nothing.
    """
    nearest = k_nearest(run[step].embedding, k, np.array([index]))
    items, distances = nearest.indices[0], nearest.distances[0]
    clusters = timeline.stable(step)
    same = (clusters[items] == clusters[index]) & (clusters[index] >= 0)
    return {
        "step": step,
        "items": items.tolist(),
        "distances": _rounded(distances),
        "clusters": clusters[items].tolist(),
        "same_cluster": round(float(same.mean()), 4) if len(items) else None,
    }


def probability_rows(run: Run, timeline: Timeline, index: int) -> Array:
    """Probabilities (steps, ids) float32 of one item over all known steps, by stable cluster.

    Rows of steps at which the method gave none, and ids that nobody held, are nan.
    """
    probabilities = np.full((len(timeline), timeline.n_ids()), np.nan, dtype=np.float32)
    for step, row in enumerate(item_series.of_item(run, "probabilities", index)[: len(timeline)]):
        if row is not None:
            probabilities[step, timeline.mapping(step)] = row
    return probabilities


def restored(snapshot: Snapshot, index: int) -> dict[str, Array]:
    """What the method made of an item as images (h, w, c) by name; empty where it made none.

    The reconstruction, if the item is among those that the snapshot keeps one of, and the decoded
    centre of its cluster.
    """
    images: dict[str, Array] = {}
    for artefact in snapshot.artefacts.values():
        if artefact.kind != "images":
            continue
        if "reconstruction" in artefact.rows and str(index) in artefact.columns:
            row, column = artefact.rows.index("reconstruction"), artefact.columns.index(str(index))
            images["reconstruction"] = artefact.data[row, column]
        elif artefact.cluster_axes == (1,) and not snapshot.is_noise[index]:
            images["center"] = artefact.data[0, snapshot.assignments[index]]
    return images

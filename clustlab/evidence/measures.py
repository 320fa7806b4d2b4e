"""Figures that claims are about, each from a run that is done."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from clustlab.device import choose_device
from clustlab.evidence.claim import Done
from clustlab.runs import phases
from clustlab.types import Array

KMEANS_STARTS = 20


def labels_of(done: Done) -> Array:
    """True classes (n,) int; claims are tried on labelled items only."""
    labels = done.dataset.labels
    assert labels is not None
    return labels


def accuracy(done: Done, step: int = -1) -> float:
    """Share of items in the cluster matched to their class, 0 to 1, of the last step or another."""
    return accuracy_of(done, done.run[step].assignments)


def accuracies(of: Mapping[str, Done]) -> Mapping[str, float]:
    """Accuracy at the end of each run, by its key: what many claims are about."""
    return {key: accuracy(done) for key, done in of.items()}


def accuracy_of(done: Done, clusters: Array) -> float:
    """The same of clusters (n,) that were made of a run."""
    from clustlab.analysis import metrics

    return metrics.clustering_accuracy(labels_of(done), clusters)


def knn(done: Done, step: int = -1) -> float:
    """Share of items, 0 to 1, whose class their nearest neighbours in the embedding tell."""
    from clustlab.analysis.probes import knn_probe

    return knn_probe(done.run[step].embedding, labels_of(done))


def linear(done: Done, step: int = -1) -> float:
    """Share of held-out items, 0 to 1, that a linear classifier on the embedding gets right."""
    from clustlab.analysis.probes import linear_probe

    return linear_probe(done.run[step].embedding, labels_of(done))


def linear_of_pixels(done: Done) -> float:
    """The same on the items themselves."""
    from clustlab.analysis.probes import linear_probe

    items = done.dataset.items
    return linear_probe(items.reshape(len(items), -1).astype(np.float32), labels_of(done))


def commonest(done: Done) -> float:
    """Share of the commonest class, 0 to 1: what a blind guess gets right."""
    sizes = np.bincount(labels_of(done))
    return float(sizes.max() / sizes.sum())


def largest_cluster(done: Done, step: int = -1) -> float:
    """Share of the items in the largest cluster, 0 to 1."""
    clusters = done.run[step].assignments
    return float(np.bincount(clusters[clusters >= 0]).max() / len(clusters))


def last_trained(done: Done) -> int:
    """The last step that trained, before clusters were only read off."""
    return phases.steps_with_role(done.run, "train")[-1]


def nearest_kept(done: Done, step: int) -> int:
    """The step nearest to one, from 0, whose embedding the run has kept: long runs are thinned."""
    return min(done.run.kept_steps, key=lambda kept: abs(kept - step))


def last_pretrained(done: Done) -> int:
    """The last step of what was trained before."""
    return phases.steps_with_role(done.run, "pretrain")[-1]


def first_clusters(done: Done) -> int:
    """The last step before training proper: of DEC, when k-means has placed the centres."""
    return phases.steps_with_role(done.run, "train")[0] - 1


def accuracy_by_kmeans(done: Done, seed: int = 0) -> float:
    """Accuracy of new k-means clusters of the last embedding, the best of 20 starts."""
    from sklearn.cluster import KMeans

    last = done.run[-1]
    assert last.centers is not None
    new = KMeans(len(last.centers), n_init=KMEANS_STARTS, random_state=seed)
    return accuracy_of(done, new.fit_predict(last.embedding))


def head_accuracies(done: Done) -> list[float]:
    """Accuracy of each head of a run of IIC.

    Of the head that the run shows, by its last step as it stands there; the others are rebuilt.
    """
    shown = lowest_loss_head(done)
    found = [accuracy_of(done, clusters) for clusters in rebuilt_heads(done)]
    return [*found[:shown], accuracy(done), *found[shown + 1 :]]


def rebuilt_heads(done: Done) -> list[Array]:
    """Clusters (n,) of each head, from what a run of IIC has kept of its last step."""
    from clustlab import registry
    from clustlab.explaining.scorers import assigned
    from clustlab.params import build
    from clustlab.parts.inputs.network_input import Inputs
    from clustlab.training.writer import load_checkpoint

    run, last = done.run, done.run[-1]
    state = load_checkpoint(run.path / "checkpoint.pt")
    assert state is not None
    method: Any = build(registry.method(run.spec.method), run.spec.method_params)
    inputs = Inputs(done.dataset.items, choose_device("cpu")[0])
    found = []
    for head in range(1, method.n_heads + 1):
        as_if = replace(last, scalars={**last.scalars, "chosen_head": float(head)})
        module = method.scorer(inputs, state, as_if)
        found.append(assigned(module, inputs, np.arange(len(inputs))))
    return found


def lowest_loss_head(done: Done) -> int:
    """Which head, from 0, has the lowest loss at the last step; no label is looked at."""
    return int(done.run[-1].scalars["chosen_head"]) - 1


def pair_precision(done: Done, step: int = 0) -> float:
    """Share of the pairs that DAC takes as similar which are of one class, 0 to 1."""
    from clustlab.analysis import pairs

    p = done.run[step].probabilities
    assert p is not None
    limits = pairs.thresholds(done.run.log)
    return pairs.precision(p, labels_of(done), limits[step])[0] if limits else math.nan


def pairs_by_chance(done: Done) -> float:
    """Share of all pairs that are of one class, 0 to 1."""
    from clustlab.analysis import pairs

    return pairs.by_chance(labels_of(done))[0]

"""What neighbours and a linear classifier tell about the quality of an embedding."""

import math
import warnings

import numpy as np

from clustlab.types import Array

PROBE_NEIGHBOURS = 20
PROBE_TEMPERATURE = 0.1
PROBE_QUERIES = 5000  # items tested at most; all others still serve as neighbours
PROBE_TRAINING = 10_000  # items a linear probe is trained on at most
CHUNK = 500  # queries compared at a time


def knn_probe(
    embedding: Array,
    labels: Array,
    k: int = PROBE_NEIGHBOURS,
    temperature: float = PROBE_TEMPERATURE,
    seed: int = 0,
) -> float:
    """Accuracy in [0, 1] of guessing each item's class from its k nearest labelled neighbours.

    Leave-one-out; neighbours vote with the weight exp(cosine / temperature), as in Wu et al. 2018,
    section 3.4. At most 5,000 items, drawn by the seed, are guessed; neighbours come from all.
    nan with fewer than two labelled items.
    """
    known = np.flatnonzero(labels >= 0)
    if len(known) < 2:
        return math.nan
    rows = np.asarray(embedding[known], dtype=np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    classes = np.asarray(labels)[known]
    queries = np.arange(len(rows))
    if len(queries) > PROBE_QUERIES:
        queries = np.random.default_rng(seed).choice(queries, PROBE_QUERIES, replace=False)
    k = min(k, len(rows) - 1)
    hits = 0
    for start in range(0, len(queries), CHUNK):
        query = queries[start : start + CHUNK]
        cosine = rows[query] @ rows.T  # (q, n)
        line = np.arange(len(query))
        cosine[line, query] = -np.inf
        neighbours = np.argpartition(cosine, -k, axis=1)[:, -k:]
        weight = np.exp(cosine[line[:, None], neighbours] / temperature)
        votes = np.zeros((len(query), int(classes.max()) + 1))
        np.add.at(votes, (line[:, None], classes[neighbours]), weight)
        hits += int((votes.argmax(1) == classes[query]).sum())
    return hits / len(queries)


def linear_probe(embedding: Array, labels: Array, seed: int = 0) -> float:
    """Accuracy in [0, 1] of a logistic regression on one half of the items, tested on the other.

    Halves are drawn by the seed; at most 10,000 items train. Columns are standardised by the
    training half. nan if that half holds fewer than two classes.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = np.random.default_rng(seed).permutation(np.flatnonzero(labels >= 0))
    half = len(known) // 2
    train, test = known[: min(half, PROBE_TRAINING)], known[half:]
    y = np.asarray(labels)
    if len(np.unique(y[train])) < 2:
        return math.nan
    mean, deviations = embedding[train].mean(0), np.maximum(embedding[train].std(0), 1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits do not matter here
        model = LogisticRegression(max_iter=200).fit(
            (embedding[train] - mean) / deviations, y[train]
        )
    return float((model.predict((embedding[test] - mean) / deviations) == y[test]).mean())

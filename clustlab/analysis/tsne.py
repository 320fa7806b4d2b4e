"""The descent of t-SNE, round by round, so that it can tell how far it is and be stopped.

The loop of scikit-learn tells nothing for half a minute, and always begins with a long exaggeration
that tears a given start apart. Affinities and gradient are scikit-learn's own.
"""

import os
from typing import Any

import numpy as np

from clustlab.types import Array, Report

PERPLEXITY = 30.0
MOMENTUM = (0.5, 0.8)  # while attraction is exaggerated, and afterwards
COLD = (12.0, 100)  # exaggeration and its rounds from principal components
WARM = (4.0, 30)  # the same from an earlier layout, which shall stay recognisable


def descend(embedding: Array, start: Array, rounds: int, tell: Report, *, warm: bool) -> Array:
    """Layout (n, 2) float32 after some rounds of gradient descent with momentum and gains.

    van der Maaten & Hinton 2008, algorithm 1, with the Barnes-Hut gradient of van der Maaten 2014
    and the learning rate n / exaggeration of Belkina et al. 2019.

    Parameters
    ----------
    embedding : (n, d) float32
        At least four items.
    start : (n, 2) float
        First places; shrunk to a dot of 1e-4 unless warm.
    rounds : int
        How many.
    tell : callable
        Told of progress after each round; what it raises ends the work.
    warm : bool
        Whether the start is a layout to be kept.
    """
    from sklearn.manifold import _t_sne

    n = len(embedding)
    affinities = _affinities(embedding)
    places = np.array(start, dtype=np.float32)
    if not warm:
        places *= 1e-4 / max(float(places[:, 0].std()), 1e-12)
    places = places.ravel()
    factor, early = WARM if warm else COLD
    rate = max(n / COLD[0] / 4, 50.0)
    step, gains = np.zeros_like(places), np.ones_like(places)
    affinities.data *= factor
    for i in range(rounds):
        if i == min(early, rounds // 2):
            affinities.data /= factor
        _, gradient = _t_sne._kl_divergence_bh(
            places, affinities, 1, n, 2, compute_error=False, num_threads=os.cpu_count() or 1
        )
        onward = step * gradient < 0
        gains = np.maximum(np.where(onward, gains + 0.2, gains * 0.8), 0.01)
        step = MOMENTUM[i >= early] * step - rate * gains * gradient
        places = (places + step).astype(np.float32)
        tell(f"Laying out by t-SNE, round {i + 1} of {rounds}", 0.1 + 0.9 * (i + 1) / rounds)
    return places.reshape(n, 2)


def _affinities(embedding: Array) -> Any:
    """Sparse symmetric matrix (n, n) of shares that sum to 1: how near two items are."""
    from sklearn.manifold import _t_sne
    from sklearn.neighbors import NearestNeighbors

    n = len(embedding)
    perplexity = min(PERPLEXITY, (n - 1) / 3)
    k = max(min(n - 1, int(3 * perplexity + 1)), 1)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(np.asarray(embedding))
    distances = search.kneighbors_graph(mode="distance")  # without each item itself
    distances.data **= 2
    return _t_sne._joint_probabilities_nn(distances, perplexity, 0)

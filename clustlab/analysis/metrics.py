"""Figures that readers compute from a snapshot; methods never see them.

Unlabelled items (label -1) are left out everywhere, and so are items that a method calls noise
(cluster -1): beside each score stands `share_clustered`, as users of HDBSCAN report it. Where a
figure is not defined, because nothing is labelled or there is a single cluster, the value is nan.
"""

import math
from functools import lru_cache

import numpy as np

from clustlab.analysis.matching import contingency, hungarian, sizes_of
from clustlab.types import Array, Snapshot

CELLS = 8_000_000  # distances of items to centers held at once: 32 MB
SILHOUETTE_SAMPLE = 2000  # all pairs of them are compared


def clustering_accuracy(labels: Array, assignments: Array) -> float:
    """Share in [0, 1] of items in the cluster matched to their class, 1-to-1 by Hungarian method.

    Items in unmatched clusters count as errors. Matching and score use the same items.
    """
    return accuracy_of(counts_by_class(labels, assignments))


def nmi(labels: Array, assignments: Array) -> float:
    """Normalised mutual information in [0, 1], with the arithmetic mean of both entropies."""
    return nmi_of(counts_by_class(labels, assignments))


def ari(labels: Array, assignments: Array) -> float:
    """Rand index adjusted for chance: 1 for equal partitions, about 0 for random ones."""
    return ari_of(counts_by_class(labels, assignments))


def purity(labels: Array, assignments: Array) -> float:
    """Share in (0, 1] of items that belong to the most frequent class of their cluster.

    Many-to-one, so it never falls below the accuracy and grows with the number of clusters.
    """
    return purity_of(counts_by_class(labels, assignments))


def ami(labels: Array, assignments: Array) -> float:
    """Mutual information adjusted for chance: 1 for equal partitions, about 0 for random ones.

    Normalised by the arithmetic mean of both entropies, like `nmi`; may fall a little below 0.
    """
    return ami_of(counts_by_class(labels, assignments))


def homogeneity(labels: Array, assignments: Array) -> float:
    """How far each cluster holds one class only, in [0, 1]: 1 - H(class | cluster) / H(class)."""
    return homogeneity_of(counts_by_class(labels, assignments))


def completeness(labels: Array, assignments: Array) -> float:
    """How far each class lies in one cluster only, in [0, 1]: homogeneity the other way."""
    return completeness_of(counts_by_class(labels, assignments))


def v_measure(labels: Array, assignments: Array, beta: float = 1.0) -> float:
    """Weighted harmonic mean of homogeneity and completeness, in [0, 1].

    With `beta` 1, both count alike and the value is that of `nmi`.
    """
    return v_measure_of(counts_by_class(labels, assignments), beta)


def counts_by_class(labels: Array, assignments: Array) -> Array:
    """Counts (classes, clusters) int64 over the numbers that occur, however large they are."""
    labels, assignments = np.asarray(labels), np.asarray(assignments)
    if labels.shape != assignments.shape:
        raise ValueError(f"{labels.shape} labels but {assignments.shape} assignments")
    known = (labels >= 0) & (assignments >= 0)
    _, rows = np.unique(labels[known], return_inverse=True)
    _, columns = np.unique(assignments[known], return_inverse=True)
    return contingency(rows, columns)


def accuracy_of(counts: Array) -> float:
    """Accuracy from a table of counts (classes, clusters)."""
    total = counts.sum()
    if not total:
        return math.nan
    matched = hungarian(counts)
    rows = np.flatnonzero(matched >= 0)
    return float(counts[rows, matched[rows]].sum() / total)


def purity_of(counts: Array) -> float:
    """Purity from a table of counts (classes, clusters)."""
    total = counts.sum()
    return float(counts.max(0).sum() / total) if total else math.nan


def nmi_of(counts: Array) -> float:
    """NMI (arithmetic) from a table of counts; two partitions without any cut count as equal."""
    if not counts.sum():
        return math.nan
    information, of_rows, of_columns = _information(counts)
    mean = (of_rows + of_columns) / 2
    return 1.0 if mean == 0 else min(max(information / mean, 0.0), 1.0)


def homogeneity_of(counts: Array) -> float:
    """Homogeneity from a table of counts (classes, clusters); a single class is never mixed."""
    if not counts.sum():
        return math.nan
    information, of_rows, _ = _information(counts)
    return 1.0 if of_rows == 0 else min(max(information / of_rows, 0.0), 1.0)


def completeness_of(counts: Array) -> float:
    """Completeness from a table of counts (classes, clusters); one cluster parts no class."""
    return homogeneity_of(counts.T)


def v_measure_of(counts: Array, beta: float = 1.0) -> float:
    """V-measure from a table of counts (classes, clusters); `beta` above 1 favours completeness."""
    pure, whole = homogeneity_of(counts), completeness_of(counts)
    return (1 + beta) * pure * whole / (beta * pure + whole) if pure + whole else 0.0


def ami_of(counts: Array) -> float:
    """AMI (arithmetic) from a table of counts; partitions that chance alone makes equal have 1."""
    if not counts.sum():
        return math.nan
    information, of_rows, of_columns = _information(counts)
    expected = expected_information(counts.sum(1), counts.sum(0))
    best = (of_rows + of_columns) / 2
    if best - expected < 1e-12:  # no cut, or each item alone: there is but one such partition
        return 1.0
    return min((information - expected) / (best - expected), 1.0)


def _information(counts: Array) -> tuple[float, float, float]:
    """Mutual information of rows and columns, entropy of the rows, of the columns, in nats."""
    total = counts.sum()
    # shares from whole numbers, so that a single part has exactly 1 and no entropy
    joint, rows, columns = counts / total, counts.sum(1) / total, counts.sum(0) / total
    filled = joint > 0
    outer = np.outer(rows, columns)
    information = float((joint[filled] * np.log(joint[filled] / outer[filled])).sum())
    return information, entropy(rows), entropy(columns)


def expected_information(rows: Array, columns: Array) -> float:
    """Mutual information in nats that partitions of these sizes have by chance, on average.

    Parameters
    ----------
    rows, columns : (r,) and (c,) int
        Sizes of the parts of two partitions of the same n items, which are dealt out at random.

    Notes
    -----
    How many items two parts share is then hypergeometric. Terms further from the mean than ten
    standard deviations and twenty items weigh less than 1e-12 together and are left out, and equal
    pairs of sizes are computed once, so that a table of 10 by 10 takes about as many terms for
    70,000 items as for 5,000.
    """
    a_sizes, a_times = np.unique(rows[rows > 0], return_counts=True)
    b_sizes, b_times = np.unique(columns[columns > 0], return_counts=True)
    n = int((a_sizes * a_times).sum())
    a, b = (grid.ravel() for grid in np.meshgrid(a_sizes, b_sizes, indexing="ij"))
    times = np.outer(a_times, b_times).ravel()
    mean = a * (b / n)
    half_width = 10 * np.sqrt(mean * (1 - a / n) * (1 - b / n) * n / max(n - 1, 1)) + 20
    low = np.maximum(np.maximum(1, a + b - n), np.floor(mean - half_width).astype(np.int64))
    high = np.minimum(np.minimum(a, b), np.ceil(mean + half_width).astype(np.int64))
    lengths = high - low + 1
    pair = np.repeat(np.arange(len(a)), lengths)
    shared = np.arange(len(pair)) - np.repeat(np.cumsum(lengths) - lengths - low, lengths)
    log_factorial = _log_factorials(n)
    of_pair = log_factorial[[a, b, n - a, n - b]].sum(0) - log_factorial[n]
    a, b = a[pair], b[pair]
    rest = log_factorial[[shared, a - shared, b - shared, n - a - b + shared]].sum(0)
    share = np.exp(of_pair[pair] - rest) * times[pair]
    return float((share * (shared / n) * np.log(shared * (n / a) / b)).sum())


@lru_cache(maxsize=8)
def _log_factorials(n: int) -> Array:
    """Logarithms of 0! to n!, (n + 1,) float64."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])


def ari_of(counts: Array) -> float:
    """ARI from a table of counts, with pairs counted in floats of 53 exact bits."""
    total = float(counts.sum())
    if not total:
        return math.nan

    def pairs(sizes: Array) -> float:
        sizes = sizes.astype(np.float64)
        return float((sizes * (sizes - 1) / 2).sum())

    together, rows, columns = pairs(counts.ravel()), pairs(counts.sum(1)), pairs(counts.sum(0))
    all_pairs = total * (total - 1) / 2
    expected = rows * columns / all_pairs if all_pairs else 0.0
    best = (rows + columns) / 2
    return (together - expected) / (best - expected) if best != expected else 1.0


def entropy(shares: Array) -> float:
    """Entropy in nats of shares that sum to 1; zero shares add nothing."""
    shares = np.asarray(shares, dtype=np.float64)
    filled = shares[shares > 0]
    return float(-(filled * np.log(filled)).sum()) + 0.0  # turns -0.0 into 0.0


def silhouette(embedding: Array, assignments: Array, seed: int = 0) -> float:
    """Mean silhouette in [-1, 1] of all items without noise, from about 2,000 if there are more.

    How much nearer an item is to its own cluster than to the next one, in the space of the
    embedding; figures from two embeddings cannot be compared. Items are drawn by a fixed seed, two
    or more of each cluster, and each cluster counts by its size. Undefined (nan) unless there are
    at least two clusters and fewer clusters than items.
    """
    from sklearn.metrics import silhouette_samples

    embedding, assignments = np.asarray(embedding), np.asarray(assignments)
    clustered = assignments >= 0
    if not clustered.all():
        embedding, assignments = embedding[clustered], assignments[clustered]
    _, clusters, sizes = np.unique(assignments, return_inverse=True, return_counts=True)
    if not 2 <= len(sizes) < len(clusters):
        return math.nan
    if len(clusters) <= SILHOUETTE_SAMPLE:
        return float(silhouette_samples(embedding, clusters).mean())
    draw = _draw_from_each(clusters, sizes, seed)
    embedding, clusters = embedding[draw], clusters[draw]
    n_drawn = np.bincount(clusters, minlength=len(sizes))
    if np.count_nonzero(n_drawn) == len(draw):  # of tiny clusters only, each once
        return math.nan
    weights = (sizes / np.maximum(n_drawn, 1))[clusters]
    return float(np.average(silhouette_samples(embedding, clusters), weights=weights))


def spread(embedding: Array, assignments: Array) -> float:
    """Mean squared distance of items (n, d) to the mean of their cluster; nan where any is noise.

    It falls with every cluster more, and depends on the scale of the embedding. Noise would count
    for nothing, and so make it look good.
    """
    embedding, assignments = np.asarray(embedding), np.asarray(assignments)
    if not len(assignments) or (assignments < 0).any():
        return math.nan
    means, dense = _means(embedding, assignments)
    return float(np.square(embedding - means[dense], dtype=np.float64).sum(1).mean())


def _draw_from_each(clusters: Array, sizes: Array, seed: int) -> Array:
    """Rows of 2,000 items, and of some more where that gives fewer than two of a cluster.

    If there are so many clusters that two of each would be more than 2,000, some are left out.
    """
    rng = np.random.default_rng(seed)
    draw = rng.choice(len(clusters), SILHOUETTE_SAMPLE, replace=False)
    if 2 * len(sizes) > SILHOUETTE_SAMPLE:
        return draw
    is_drawn = np.zeros(len(clusters), dtype=bool)
    is_drawn[draw] = True
    n_drawn = np.bincount(clusters[draw], minlength=len(sizes))
    for cluster in np.flatnonzero(n_drawn < np.minimum(2, sizes)):
        others = np.flatnonzero((clusters == cluster) & ~is_drawn)
        draw = np.append(draw, rng.choice(others, min(2 - n_drawn[cluster], len(others)), False))
    return draw


def recall_per_class(counts: Array, classes: Array | None = None) -> Array:
    """Share (n_classes,) float64 of each class's clustered items in the cluster matched to it.

    Parameters
    ----------
    counts : (n_classes, k) int
        Items of each true class in each cluster.
    classes : (k,) int, optional
        Class of each cluster, -1 for none; by default the Hungarian matching of `counts`.

    A class without a cluster has recall 0, one without items nan.
    """
    if classes is None:
        classes = hungarian(counts.T)
    sizes = counts.sum(1).astype(np.float64)
    hits = np.zeros(len(counts))
    clusters = np.flatnonzero(classes >= 0)
    hits[classes[clusters]] = counts[classes[clusters], clusters]
    return np.divide(hits, sizes, out=np.full(len(counts), math.nan), where=sizes > 0)


def confidence(snapshot: Snapshot) -> Array:
    """How sure the method is of each item, (n,) float32 in [0, 1].

    The greatest probability; for a method without probabilities 1 - a/b, where a is the distance
    to the own center and b that to the nearest other one (see `distance_margin`). Noise has 0.
    """
    if snapshot.probabilities is not None:
        return np.where(snapshot.is_noise, 0, snapshot.probabilities.max(1, initial=0.0))
    return distance_margin(snapshot.embedding, snapshot.assignments, snapshot.centers)


def margin(snapshot: Snapshot) -> Array:
    """Lead of the first choice over the second, (n,) float32 in [0, 1].

    The difference of the two greatest probabilities; without probabilities as in `confidence`.
    Noise has 0.
    """
    p = snapshot.probabilities
    if p is None:
        return distance_margin(snapshot.embedding, snapshot.assignments, snapshot.centers)
    if p.shape[1] < 2:
        return (~snapshot.is_noise).astype(np.float32)
    top = np.partition(p, p.shape[1] - 2, axis=1)[:, -2:]
    return np.where(snapshot.is_noise, 0, top[:, 1] - top[:, 0])


def certainty(snapshot: Snapshot) -> Array:
    """Confidence and margin (n, 2) float32 of each item."""
    sure = confidence(snapshot)
    hard = snapshot.probabilities is None  # then both are the same figure
    return np.stack([sure, sure if hard else margin(snapshot)], axis=1)


def certainty_by(p: Array, *, is_noise: bool) -> tuple[float, float]:
    """Confidence and margin of an item by its probabilities (k,)."""
    if is_noise:
        return 0.0, 0.0
    if len(p) == 1:
        return float(p[0]), 1.0
    second, first = np.sort(p)[-2:].tolist()
    return first, first - second


def distance_margin(embedding: Array, assignments: Array, centers: Array | None = None) -> Array:
    """1 - a/b of each item, (n,) float32 in [0, 1]: a to its own center, b to the nearest other.

    1 on the center, 0 on the border and beyond it. Without centers the means of the clusters are
    used; with fewer than two occupied clusters every item has 1. Noise has 0 in any case.
    """
    clustered = assignments >= 0
    if n_occupied(assignments) < 2:
        return clustered.astype(np.float32)
    if not clustered.all():
        margins = np.zeros(len(assignments), dtype=np.float32)
        margins[clustered] = distance_margin(embedding[clustered], assignments[clustered], centers)
        return margins
    if centers is None:
        centers, assignments = _means(embedding, assignments)
    size = max(1, CELLS // len(centers))  # or many items and clusters would take tens of GB
    parts = [
        _margins_to(embedding[at : at + size], assignments[at : at + size], centers)
        for at in range(0, len(embedding), size)
    ]
    return np.concatenate(parts)


def _margins_to(embedding: Array, assignments: Array, centers: Array) -> Array:
    """Margins (n,) float32 of clustered items from centers (k, d)."""
    squares = (
        (embedding * embedding).sum(1)[:, None]
        - 2 * embedding @ centers.T
        + (centers * centers).sum(1)
    )
    distances = np.sqrt(np.maximum(squares, 0))
    rows = np.arange(len(distances))
    own = distances[rows, assignments]
    distances[rows, assignments] = np.inf
    other = distances.min(1)
    ratio = np.divide(own, other, out=np.ones_like(own), where=other > 0)
    return np.clip(1 - ratio, 0, 1).astype(np.float32)


def _means(embedding: Array, assignments: Array) -> tuple[Array, Array]:
    """Means of the occupied clusters, and the assignments renumbered to them."""
    _, dense = np.unique(assignments, return_inverse=True)
    k = int(dense.max()) + 1
    sums, sizes = np.zeros((k, embedding.shape[1]), np.float32), np.zeros((k, 1), np.float32)
    size = max(1, CELLS // k)
    for at in range(0, len(dense), size):
        some = dense[at : at + size]
        member = np.zeros((k, len(some)), dtype=np.float32)
        member[some, np.arange(len(some))] = 1
        sums += member @ embedding[at : at + size]
        sizes += member.sum(1, keepdims=True)
    return sums / sizes, dense


def n_occupied(assignments: Array) -> int:
    """Number of clusters that hold at least one item; noise is none."""
    return int((sizes_of(assignments) > 0).sum())


def share_clustered(assignments: Array) -> float:
    """Share in [0, 1] of items that belong to a cluster rather than to noise; nan without items."""
    assignments = np.asarray(assignments)
    return float((assignments >= 0).mean()) if len(assignments) else math.nan


def share_changed(previous: Array, current: Array) -> float:
    """Share in [0, 1] of items whose (aligned) cluster differs between two steps; nan if none.

    To become noise, or to leave it, is a change.
    """
    previous, current = np.asarray(previous), np.asarray(current)
    return float((previous != current).mean()) if len(current) else math.nan


def marginal_entropy(sizes: Array) -> float:
    """Evenness in [0, 1] of cluster sizes (k,): their entropy over ln k.

    1 if all are equally large, 0 if one holds everything; nan without items, 1 for k = 1.
    """
    total = float(np.sum(sizes))
    if not total:
        return math.nan
    return entropy(np.asarray(sizes) / total) / math.log(len(sizes)) if len(sizes) > 1 else 1.0

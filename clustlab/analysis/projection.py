"""Two dimensions for the eye: PCA, UMAP and t-SNE, and turning one picture onto another."""

import threading
import warnings

import numpy as np

from clustlab.analysis import tsne
from clustlab.analysis.nearest_neighbours import Neighbours, k_nearest
from clustlab.types import Array, Report

N_NEIGHBORS = 15  # of each point, as UMAP's authors suggest
WIDE = 512  # columns; beyond it the covariance costs more than iterating with the data itself
_one_at_a_time = threading.Lock()  # compiled parallel kernels must not run in two threads at once


def pca_2d(embedding: Array) -> Array:
    """First two principal components (n, 2) float32, centred.

    Exact and repeatable: the largest weight of each axis is made positive. Missing dimensions
    are filled with zeros. The same plane as `parts.inputs.pca.principal`, without torch.
    """
    n, d = embedding.shape
    centred = np.asarray(embedding, dtype=np.float32)
    centred = centred - centred.mean(0, dtype=np.float64).astype(np.float32) if n else centred
    points = np.zeros((n, 2), dtype=np.float32)
    if n < 2 or d == 0:
        return points
    axes = _wide_axes(centred) if min(n, d) > WIDE else _narrow_axes(centred)
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    points[:, : axes.shape[1]] = centred @ axes.astype(np.float32)
    return points


def _narrow_axes(centred: Array) -> Array:
    """Two leading eigenvectors (d, <= 2) by way of the smaller of both product matrices."""
    n, d = centred.shape
    if d <= n:
        _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        return vectors[:, ::-1][:, :2]
    _, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    axes = centred.T.astype(np.float64) @ vectors[:, ::-1][:, :2]
    return axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-12)


def _wide_axes(centred: Array) -> Array:
    """Two leading eigenvectors (d, 2) by Lanczos iteration, without forming a matrix of d x d."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    def covariance_times(vector: Array) -> Array:
        return centred.T @ (centred @ vector.astype(np.float32))

    d = centred.shape[1]
    operator = LinearOperator((d, d), matvec=covariance_times, dtype=np.float32)
    start = np.random.default_rng(0).normal(size=(d,)).astype(np.float32)
    eigenpairs: tuple[Array, Array] = eigsh(operator, k=2, v0=start, tol=1e-5)
    values, vectors = eigenpairs
    return vectors[:, np.argsort(values)[::-1]]


def procrustes(points: Array, reference: Array, *, scale: bool = True) -> Array:
    """Points (n, 2) float32 turned, mirrored, shifted and scaled as one onto the reference.

    The turn is the one with the least squared distance to the reference; the scale makes both
    clouds equally wide (the least-squares scale would shrink a cloud that changed, and over many
    steps everything into one dot). Distances within the cloud keep their proportions, and without
    `scale` their size.
    """
    points, reference = np.asarray(points, np.float64), np.asarray(reference, np.float64)
    if not len(points):
        return points.astype(np.float32)
    center = reference.mean(0)
    a, b = points - points.mean(0), reference - center
    u, _, vt = np.linalg.svd(a.T @ b)
    ratio = 1.0
    size = np.sqrt((a * a).sum())
    if scale and size > 0:
        ratio = float(np.sqrt((b * b).sum()) / size) or 1.0
    return (a @ (u @ vt) * ratio + center).astype(np.float32)


def carry(embedding: Array, points: Array, extra: Array) -> Array:
    """Where further points (m, 2) float32 of the same space land under a linear projection.

    The map is read off from what it did to the embedding: principal components, turned and scaled
    as one. Not for UMAP or t-SNE, which are no maps of the space.

    Parameters
    ----------
    embedding : (n, d) float
        The items before projection.
    points : (n, 2) float
        The same items after it.
    extra : (m, d) float
        What else to project, such as cluster centers.
    """
    axes, middle, center = linear_map(embedding, points)
    return ((extra - middle) @ axes + center).astype(np.float32)


def linear_map(embedding: Array, points: Array) -> tuple[Array, Array, Array]:
    """Axes (d, 2), what lies in their middle (d,), and where that lies (2,); see `carry`."""
    middle, center = embedding.mean(0), points.mean(0)
    flat = points - center
    # principal axes are orthogonal to the rest, so regression on them gives the axes over scale^2
    inverse = np.linalg.pinv((flat.T @ flat).astype(np.float64))
    axes = (embedding - middle).T @ flat @ inverse
    squares = (axes * axes).sum(0)
    axes = np.divide(axes, squares, out=np.zeros_like(axes), where=squares > 0)
    return axes, middle, center


def umap_2d(
    embedding: Array,
    init: Array | None = None,
    epochs: int | None = None,
    report: Report | None = None,
    seed: int = 0,
) -> Array:
    """UMAP layout (n, 2) float32 from exact nearest neighbours.

    Parameters
    ----------
    embedding : (n, d) float32
        The points to lay out.
    init : (n, 2) float, optional
        Where they start, such as the layout of the step before: the result is turned back onto
        it, so that points keep their place. By default the principal components.
    epochs : int, optional
        Rounds of optimisation; by default 200, or 50 from a given start.
    report : callable, optional
        Told of progress after each round; what it raises ends the work.
    seed : int
        Of the sampled repulsion; the same seed gives the same layout.
    """
    start = pca_2d(embedding) if init is None else np.asarray(init, dtype=np.float32)
    if len(embedding) < 4:
        return start
    rounds = epochs or (200 if init is None else 50)
    tell: Report = report or (lambda _text, _share: None)
    tell("Finding nearest neighbours", 0.0)
    k = min(N_NEIGHBORS, len(embedding) - 1)  # oneself included
    indices, distances = _with_oneself(k_nearest(embedding, k - 1))
    tell("Preparing UMAP (slow only on first use)", 0.1)
    with _one_at_a_time:
        points = _umap_layout(embedding, indices, distances, start, rounds, tell, seed)
    return procrustes(points, start, scale=False)


def _with_oneself(near: Neighbours) -> tuple[Array, Array]:
    """Indices (n, k + 1) int32 and distances float32, each item before its neighbours."""
    own = near.queries[:, None]
    indices = np.hstack((own, near.indices)).astype(np.int32)
    return indices, np.hstack((np.zeros_like(own), near.distances)).astype(np.float32)


def _umap_layout(
    embedding: Array,
    indices: Array,
    distances: Array,
    start: Array,
    rounds: int,
    tell: Report,
    seed: int,
) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)  # of parts of umap that are not needed here
        from umap import umap_

    draws = np.random.RandomState(seed)
    graph, _, _ = umap_.fuzzy_simplicial_set(
        embedding,
        indices.shape[1],
        draws,
        "euclidean",
        knn_indices=indices,
        knn_dists=distances,
    )
    a, b = umap_.find_ab_params(1.0, 0.1)
    start = _parted(start, draws)
    points, _ = umap_.simplicial_set_embedding(
        embedding,
        graph,
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=rounds,
        init=start.astype(np.float32),
        random_state=draws,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        tqdm_kwds={
            "disable": False,
            "file": _Rounds(tell, rounds),
            "bar_format": "{n}",
            "mininterval": 0.1,
        },
    )
    return np.asarray(points, dtype=np.float32)


class _Rounds:
    """A file that reads the counter a progress bar writes into it, and reports it."""

    def __init__(self, tell: Report, rounds: int) -> None:
        self.tell, self.rounds = tell, rounds

    def write(self, text: str) -> None:
        done = text.strip()
        if done.isdigit():
            share = int(done) / self.rounds
            self.tell(f"Laying out, round {done} of {self.rounds}", 0.2 + 0.8 * share)

    def flush(self) -> None:
        pass


def _parted(start: Array, draws: np.random.RandomState) -> Array:
    """Places each moved by a hair, since two in one place would never part."""
    # coordinates without any spread would be divided by zero when UMAP rescales them
    return start + draws.normal(scale=1e-4 * (start.std() or 1.0), size=start.shape)


def tsne_2d(
    embedding: Array,
    init: Array | None = None,
    epochs: int | None = None,
    report: Report | None = None,
    seed: int = 0,
) -> Array:
    """t-SNE layout (n, 2) float32; arguments as in `umap_2d`.

    By default 300 rounds, or 200 from a given start. The seed draws only the hair by which first
    places are moved.
    """
    start = pca_2d(embedding) if init is None else np.asarray(init, dtype=np.float32)
    if len(embedding) < 4:
        return start
    rounds = epochs or (300 if init is None else 200)
    tell: Report = report or (lambda _text, _share: None)
    draws = np.random.RandomState(seed)
    first = _parted(start, draws)
    points = tsne.descend(embedding, first, rounds, tell, warm=init is not None)
    # few equal items attract each other until their places are equal to the last bit
    return procrustes(_parted(points, draws), start, scale=False)


def warm_up() -> None:
    """Compile UMAP by laying out a few points, so that the first real layout need not wait."""
    points = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    umap_2d(points, epochs=2)

"""Small pictures of an embedding, for cards and tables of runs."""

import io
from collections.abc import Sequence

import numpy as np

from clustlab.analysis import matching
from clustlab.analysis.projection import pca_2d, procrustes
from clustlab.types import Array
from clustlab.views import theme

WIDTH, HEIGHT = 240, 180
MAX_DOTS = 1500


def embedding(points: Array, clusters: Array) -> bytes:
    """PNG of a scatter of items, coloured by cluster, on a transparent ground.

    Parameters
    ----------
    points : (n, d) float32
        The embedding, projected here on its two leading principal components.
    clusters : (n,) int
        Cluster of each item.
    """
    return _png(pca_2d(points), clusters)


def beside(points: Array, clusters: Array, n_clusters: int, first: tuple[Array, Array]) -> bytes:
    """PNG like `embedding` of a run that is drawn beside others over the same items.

    It is turned onto the first of them, and clusters that hold the same items have its colours.

    Parameters
    ----------
    points : (n, d) float32
        The embedding.
    clusters : (n,) int
        Cluster of each item, in [0, n_clusters) or -1 for noise.
    first : (n, e) float32 and (n,) int
        Embedding and clusters of the first.
    """
    reference, known = first
    numbers = np.arange(int(known.max(initial=-1)) + 1)
    alike, _ = matching.follow(clusters, n_clusters, known, numbers)
    return _png(procrustes(pca_2d(points), pca_2d(reference), scale=False), alike)


def story(steps: Sequence[Array], clusters: Sequence[Array]) -> list[bytes]:
    """PNG of a scatter for each of several steps, each turned onto the one before.

    Parameters
    ----------
    steps : sequence of (n, d) float32
        The embedding at each step, of the same items.
    clusters : sequence of (n,) int
        Lasting cluster of each item at each step.
    """
    pictures, before = [], None
    for points, of_step in zip(steps, clusters, strict=True):
        xy = pca_2d(points)
        if before is not None:
            xy = procrustes(xy, before, scale=False)
        pictures.append(_png(xy, of_step))
        before = xy
    return pictures


def _png(xy: Array, clusters: Array) -> bytes:
    from PIL import Image

    keep = np.linspace(0, len(xy) - 1, min(len(xy), MAX_DOTS)).astype(int)
    xy = xy[keep]
    low, high = np.percentile(xy, (1, 99), axis=0)
    place = np.clip((xy - low) / np.maximum(high - low, 1e-9), 0, 1)
    columns = (8 + place[:, 0] * (WIDTH - 18)).astype(int)
    rows = (8 + (1 - place[:, 1]) * (HEIGHT - 18)).astype(int)
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgb = theme.rgb([theme.colour(int(c)) for c in clusters[keep]])
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        pixels[rows + down, columns + right, :3] = rgb
        pixels[rows + down, columns + right, 3] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()

"""Small pictures of an embedding, for cards and tables of runs."""

import io

import numpy as np

from clustlab.analysis.projection import pca_2d
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
    from PIL import Image

    keep = np.linspace(0, len(points) - 1, min(len(points), MAX_DOTS)).astype(int)
    xy = pca_2d(points)[keep]
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

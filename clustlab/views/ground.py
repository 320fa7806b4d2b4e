"""Pictures that lie behind points to be dragged: dots, shades of regions and outlines."""

from collections.abc import Sequence

import numpy as np

from clustlab.types import Array
from clustlab.views import theme

SIZE = (420, 640)  # pixels, height and width
EXTENT = tuple[float, float, float, float]
SHADE = 70  # of 255: how much of a region's colour is seen


def grid(extent: EXTENT, size: tuple[int, int] = SIZE) -> Array:
    """Places (h * w, 2) of the pixels of a picture, row by row from the top."""
    h, w = size
    x0, x1, y0, y1 = extent
    across = x0 + (np.arange(w) + 0.5) / w * (x1 - x0)
    down = y1 - (np.arange(h) + 0.5) / h * (y1 - y0)
    return np.stack([a.ravel() for a in np.meshgrid(across, down)], 1)


def scene(
    extent: EXTENT,
    points: Array,
    clusters: Array,
    *,
    regions: Array | None = None,
    outlines: Sequence[Array] = (),
    size: tuple[int, int] = SIZE,
) -> Array:
    """Picture (h, w, 4) uint8, transparent where nothing is drawn.

    Parameters
    ----------
    extent : tuple
        Ranges of the plane: x low, x high, y low, y high.
    points : (n, 2) float
        Dots, in the colours of `clusters`.
    clusters : (n,) int
        Grey where negative.
    regions : (h * w, k) float, optional
        Share of each cluster at the places of `grid`, as a shade behind the dots.
    outlines : sequence of (m, 2) float
        Lines through places, one a cluster.
    """
    from PIL import Image, ImageDraw

    h, w = size
    x0, x1, y0, y1 = extent
    picture = np.zeros((h, w, 4), dtype=np.uint8)
    if regions is not None:
        colours = theme.rgb([theme.colour(i) for i in range(regions.shape[1])])
        picture[..., :3] = (regions @ colours).round().clip(0, 255).reshape(h, w, 3)
        picture[..., 3] = SHADE

    def pixels(places: Array) -> Array:
        places = np.asarray(places, dtype=np.float64)
        return np.stack(
            [(places[:, 0] - x0) / (x1 - x0) * w, (y1 - places[:, 1]) / (y1 - y0) * h], 1
        )

    drawn = Image.fromarray(picture)
    pen = ImageDraw.Draw(drawn)
    for (x, y), cluster in zip(pixels(points), np.asarray(clusters), strict=True):
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=theme.colour(int(cluster)))
    for number, line in enumerate(outlines):
        pen.line([tuple(p) for p in pixels(line)], fill=theme.colour(number), width=4)
    return np.asarray(drawn)


def ellipse(mean: Array, covariance: Array, deviations: float = 2.0) -> Array:
    """Closed line (65, 2) at so many standard deviations around the mean of a bell."""
    turns = np.linspace(0, 2 * np.pi, 65)
    circle = np.stack([np.cos(turns), np.sin(turns)], 1)
    return np.asarray(mean + deviations * circle @ np.linalg.cholesky(covariance).T)

"""Principal components of the steps of a run, each turned onto those of the step before."""

from typing import Self

import numpy as np

from clustlab.analysis.projection import linear_map, pca_2d, procrustes
from clustlab.types import Array

PERCENTILE = 99.5  # percentile of the distance from the origin that is scaled to 1
BOXED = 5000  # items whose points say how far a step reaches
WIDEST = 256  # columns of an embedding up to which its plane is kept with a step


class Chain:
    """Points of one step after the other: nearly all lie in [-1, 1] at each of them."""

    def __init__(self) -> None:
        self._embedding: Array | None = None
        self._points: Array | None = None

    @classmethod
    def after(cls, points: Array) -> Self:
        """A chain that goes on from the points (n, 2) of a step."""
        chain = cls()
        chain._points = points
        return chain

    def next_points(self, embedding: Array) -> Array:
        """Points (n, 2) float32 of the next step, by its embedding (n, d)."""
        if self._points is not None and self._embedding is not None:
            same = self._embedding.shape == embedding.shape
            # methods on raw pixels repeat one wide embedding; comparing is cheaper than projecting
            if same and np.array_equal(self._embedding, embedding):
                return self._points
        points = pca_2d(embedding)
        if self._points is not None:
            points = procrustes(points, self._points, scale=False)
        # to one size at every step, by a percentile, so that outliers do not shrink all the rest
        scale = float(np.percentile(np.abs(points).max(1), PERCENTILE)) if len(points) else 0.0
        self._embedding, self._points = embedding, points / scale if scale > 0 else points
        return self._points


# -- the plane of a step, kept with it so that no step before it has to be read ------------------
def plane_of(embedding: Array, points: Array) -> Array | None:
    """Plane (d + 3, 2) float64 of a step: axes, offset, and the box in which its points lie.

    None if it is too wide, or there are no items.
    """
    n, d = embedding.shape
    if not n or not 0 < d <= WIDEST:
        return None
    axes, middle, center = linear_map(embedding, points)
    offset = center - middle.astype(np.float64) @ axes
    return np.vstack([axes, offset, *box_of(points)]).astype(np.float64)


def points_on(plane: Array, embedding: Array) -> Array:
    """Points (n, 2) float32 of rows (n, d) of an embedding."""
    # in doubles, since an embedding may lie far from the origin
    return np.asarray(embedding.astype(np.float64) @ plane[:-3] + plane[-3], dtype=np.float32)


def box_on(plane: Array) -> tuple[Array, Array]:
    """Least and greatest coordinates (2,) of the points of a step."""
    return plane[-2], plane[-1]


def box_of(points: Array) -> tuple[Array, Array]:
    """Least and greatest coordinates (2,) of some points (n, 2), in any case of the origin."""
    some = points[:: max(1, len(points) // BOXED)]
    return some.min(0, initial=0.0), some.max(0, initial=0.0)

"""The plane of the items themselves, each spot in the colour of the cluster it belongs to."""

import base64
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import panes, scatter, theme
from clustlab.views.sheets import png

SIDE = 160  # spots along each side
OPACITY = 70  # of 255: dots of the same colour must stand out


Square = tuple[float, float, float]  # middle (x, y) and half the side


def square_of(points: Array) -> Square:
    """Middle (x, y) and half the side of the square in which items (n, 2) are shown."""
    return scatter.square_of(pd.DataFrame(np.asarray(points), columns=["x", "y"]), None)


def spots(square: Square) -> Array:
    """Places (SIDE * SIDE, 2) float32 of the spots in a square, row by row from the top."""
    x, y, half = square
    along = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    across, down = np.meshgrid(x + half * along, y - half * along)
    return np.stack((across.ravel(), down.ravel()), 1).astype(np.float32)


def nearest(points: Array, places: Array) -> Array:
    """Number (m,) of the item, out of those at (n, 2), that is nearest to each place (m, 2)."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(np.asarray(points)).query(places)[1])


def plane(table: pd.DataFrame, clusters: Array, **options: Any) -> alt.LayerChart:
    """The items where they really lie, before a ground in the colours of the clusters.

    Reading: the background shows which cluster a new point would join: by the method's own scores,
    or else that of the nearest item. Straight boundaries are typical of k-means; where the
    background follows a curved group, the method has captured its shape. Far from all items the
    background means little.

    Parameters
    ----------
    table : DataFrame
        From `scatter.dots`, with the coordinates of the items.
    clusters : (SIDE * SIDE,) int
        Stable id of each spot of the square that is shown.
    options
        See `scatter.embedding`.
    """
    chart = scatter.embedding(table, **options)
    x, y, _ = scatter.square_of(table, None)
    side = alt.ExprRef("min(width, height)")  # of the square that is shown, in pixels
    across, up = scatter.axes(table)
    chart.layer.insert(0, _ground(clusters, {"x": x, "y": y}, side).encode(x=across, y=up))
    return chart


def linked(
    table: pd.DataFrame,
    titles: Sequence[str],
    clusters: Sequence[Array],
    square: Square,
    **options: Any,
) -> alt.ConcatChart:
    """The items where they really lie, a pane for each run before the ground of that run.

    Reading: the background of a pane shows which cluster a new point would join: by the method's
    own scores, or else that of the nearest item. A colour means the same cluster in all panes.
    Where a boundary cuts through a group that another run keeps whole, the first method has missed
    its shape. Drag a rectangle in any pane: the same items stay coloured in all of them.

    Parameters
    ----------
    table : DataFrame
        From `panes.wide`, with the coordinates of the items for each run.
    titles : sequence of str
        Above the panes.
    clusters : sequence of (SIDE * SIDE,) int
        Common id of each spot of the square, run by run.
    square : three float
        Middle (x, y) and half the side of what is shown.
    options
        See `panes.linked`.
    """
    x, y, half = square
    chart = panes.linked(table, titles, middle=(x, y), extent=half, **options)
    for letter, pane, ids in zip(panes.letters_of(table), chart.concat, clusters, strict=True):
        at, axes = {f"x{letter}": x, f"y{letter}": y}, pane.layer[0].encoding
        ground = _ground(ids, at, min(pane.width, pane.height))
        pane.layer.insert(0, ground.encode(x=axes.x, y=axes.y))
    return chart


def _ground(clusters: Array, at: dict[str, float], side: Any) -> alt.Chart:
    """Picture of so many pixels across around a place, without axes.

    Its address stands among the rows, so that another step does not change the chart.
    """
    address = f"data:image/png;base64,{base64.b64encode(png(picture(clusters))).decode()}"
    rows = pd.DataFrame([{**at, "ground": address}])
    base = alt.Chart(rows).mark_image(width=side, height=side, aspect=False, aria=False)
    return base.encode(url="ground:N")


def picture(clusters: Array) -> Array:
    """Ground (SIDE, SIDE, 4) uint8 from the cluster of each spot."""
    ids, place = np.unique(clusters, return_inverse=True)
    colours = theme.rgb([theme.colour(int(i)) for i in ids])
    shade = np.full((len(ids), 1), OPACITY, np.uint8)
    pixels: Array = np.hstack((colours, shade))[place].reshape(SIDE, SIDE, 4)
    return pixels

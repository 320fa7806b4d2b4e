"""The plane of the items themselves, each spot in the colour of the cluster it belongs to."""

import base64
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import scatter, theme
from clustlab.views.sheets import png

SIDE = 160  # spots along each side
OPACITY = 70  # of 255: dots of the same colour must stand out


def spots(table: pd.DataFrame) -> Array:
    """Places (SIDE * SIDE, 2) float32 of the spots in the shown square, row by row from the top.

    Parameters
    ----------
    table : DataFrame
        From `scatter.dots`, with the coordinates of the items.
    """
    x, y, half = scatter.square_of(table, None)
    along = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    across, down = np.meshgrid(x + half * along, y - half * along)
    return np.stack((across.ravel(), down.ravel()), 1).astype(np.float32)


def by_nearest(table: pd.DataFrame, places: Array) -> Array:
    """Cluster (m,) of the item that is nearest to each place (m, 2)."""
    from scipy.spatial import cKDTree

    _, rows = cKDTree(table[["x", "y"]].to_numpy()).query(places)
    found: Array = table["cluster"].to_numpy()[rows]
    return found


def plane(table: pd.DataFrame, clusters: Array, **options: Any) -> alt.LayerChart:
    """The items where they really lie, before a ground in the colours of the clusters.

    Reading: the ground shows to which cluster a new point would belong at each spot: as the
    method scores it, or else as the nearest item has it. Straight borders are the mark of
    k-means; where the ground follows a bent group, the method has seen its shape. Far from all
    items the ground means little.

    Parameters
    ----------
    table : DataFrame
        From `scatter.dots`, with the coordinates of the items.
    clusters : (SIDE * SIDE,) int
        Stable id of each spot of `spots(table)`.
    options
        See `scatter.embedding`.
    """
    chart = scatter.embedding(table, **options)
    x, y, _ = scatter.square_of(table, None)
    address = base64.b64encode(png(picture(clusters))).decode()
    side = alt.ExprRef("min(width, height)")  # of the square that is shown, in pixels
    ground = alt.Chart(pd.DataFrame({"x": [x], "y": [y]})).mark_image(
        url=f"data:image/png;base64,{address}", width=side, height=side, aspect=False
    )
    across, up = scatter.axes(table)
    chart.layer.insert(0, ground.encode(x=across, y=up))
    return chart


def picture(clusters: Array) -> Array:
    """Ground (SIDE, SIDE, 4) uint8 from the cluster of each spot."""
    ids, place = np.unique(clusters, return_inverse=True)
    colours = theme.rgb([theme.colour(int(i)) for i in ids])
    shade = np.full((len(ids), 1), OPACITY, np.uint8)
    found: Array = np.hstack((colours, shade))[place].reshape(SIDE, SIDE, 4)
    return found

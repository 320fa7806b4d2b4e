"""What only one method has, shown by the kind of its data."""

from collections.abc import Sequence
from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import NOISE, Array, Artefact, cluster_name
from clustlab.views import bars, charts, dendrogram, matrices, theme, tiles

TILE = 56  # side of an image in pixels
MAX_IMAGES = 24  # in a row
BINS = 30


def artefact_chart(
    artefact: Artefact, mapping: Array | None = None, *, item: int | None = None
) -> alt.Chart | alt.LayerChart | Array:
    """View of an artefact: a chart, or for images a picture (h, w, 3) uint8.

    Reading: see the sentence that comes with the artefact.

    Parameters
    ----------
    mapping : (k,) int, optional
        Stable id of each raw cluster: axes that count clusters are renumbered by it.
    item : int, optional
        For data per item, the one to show; without it how all are distributed.
    """
    if mapping is not None:
        artefact = renumbered(artefact, mapping)
    if artefact.kind == "images":
        return images(artefact)
    if artefact.kind == "matrix":
        return matrices.generic(
            artefact.data,
            artefact.rows,
            artefact.columns,
            marked=artefact.marked,
            titles=_axis_titles(artefact),
        )
    if artefact.kind == "bars":
        return bars.series(
            artefact.data,
            artefact.rows,
            artefact.columns,
            marked=artefact.marked,
            axis_title="cluster" if 1 in artefact.cluster_axes else "",
        )
    if artefact.kind == "tree":
        name = artefact.columns[dendrogram.HEIGHT] if artefact.columns else "height"
        return dendrogram.tree(artefact.data, "distance" if name == "height" else name)
    return per_item(artefact, item)


def _axis_titles(artefact: Artefact) -> tuple[str, str]:
    """What the rows and the columns of a matrix are; runs of old do not say it of clusters."""
    if len(artefact.axis_titles) == 2:
        return artefact.axis_titles[0], artefact.axis_titles[1]
    rows, columns = ("cluster" if axis in artefact.cluster_axes else "" for axis in (0, 1))
    return rows, columns


def renumbered(artefact: Artefact, mapping: Array) -> Artefact:
    """The same artefact with its cluster axes in the order, and under the names, of stable ids.

    An axis with one entry more than there are clusters has noise at its end, which stays there. One
    of any other length does not count clusters and stays as it is. A name that is more than the raw
    number of its cluster is kept behind the id, such as "6 emptied". In a tree the column of
    clusters is renumbered.
    """
    if artefact.kind == "tree":
        return replace(artefact, data=_renumbered_nodes(artefact.data, mapping))
    of_clusters = np.argsort(mapping, kind="stable")
    data, rows, columns, marked = artefact.data, artefact.rows, artefact.columns, artefact.marked
    for axis in artefact.cluster_axes:
        if data.shape[axis] - len(mapping) not in (0, 1):
            continue
        order = np.append(of_clusters, np.arange(len(mapping), data.shape[axis]))
        data = np.take(data, order, axis=axis)
        if axis == 0:
            rows = _ids(mapping, order, rows)
        else:
            columns = _ids(mapping, order, columns)
            place = np.argsort(order)
            marked = tuple(int(place[m]) for m in marked)
    return replace(artefact, data=data, rows=rows, columns=columns, marked=marked)


def _ids(mapping: Array, order: Array, names: tuple[str, ...]) -> tuple[str, ...]:
    """Stable ids in their order, each with the name of its cluster if that says more."""
    extra = [f" {name}" if name != str(i) else "" for i, name in enumerate(names)]
    ids = [*np.asarray(mapping).tolist(), NOISE]
    return tuple(
        f"{ids[i]}{extra[i] if extra else ''}" if ids[i] >= 0 else cluster_name(NOISE)
        for i in order
    )


def _renumbered_nodes(nodes: Array, mapping: Array) -> Array:
    nodes, raw = nodes.copy(), nodes[:, dendrogram.CLUSTER].astype(np.int64)
    known = (raw >= 0) & (raw < len(mapping))
    nodes[known, dendrogram.CLUSTER] = np.asarray(mapping)[raw[known]]
    return nodes


def images(artefact: Artefact) -> Array:
    """Images of a grid as one picture (h, w, 3) uint8, with the names of rows and columns."""
    from PIL import Image, ImageDraw, ImageFont

    grid = artefact.data[:, :MAX_IMAGES]
    rows, columns, h, w, c = grid.shape
    names = [artefact.rows[i] if i < len(artefact.rows) else "" for i in range(rows)]
    font = ImageFont.load_default(size=12)
    left = max((int(font.getlength(name)) for name in names), default=0)
    left += 10 if left else 1
    top = 18 if artefact.columns else 1
    pitch = TILE + 1
    picture = np.full(
        (top + max(rows, 1) * pitch, left + max(columns, 1) * pitch, 3), theme.GROUND, np.uint8
    )
    flat = tiles.pictures_of_items(grid.reshape(-1, h, w, c), np.arange(rows * columns), TILE)
    blocks = np.full((rows, columns, pitch, pitch, 3), theme.GROUND, np.uint8)
    blocks[:, :, :TILE, :TILE] = flat.reshape(rows, columns, TILE, TILE, 3)
    body = picture[top : top + rows * pitch, left : left + columns * pitch]
    body[:] = blocks.swapaxes(1, 2).reshape(rows * pitch, columns * pitch, 3)
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    for i, name in enumerate(names):
        pen.text((left - 6, top + i * pitch + TILE / 2), name, "white", font, anchor="rm")
    for j, name in enumerate(artefact.columns[:columns]):
        pen.text((left + j * pitch + TILE / 2, top / 2), name, "white", font, anchor="mm")
    for j in artefact.marked:
        corner = (left + j * pitch, top)
        pen.rectangle(
            (*corner, corner[0] + TILE - 1, top + rows * pitch - 2), outline=theme.WRONG, width=2
        )
    return np.asarray(canvas)


def per_item(artefact: Artefact, item: int | None = None) -> alt.Chart:
    """Numbers of one item as bars, or without one how the numbers of all are distributed."""
    n, m = artefact.data.shape
    if item is not None and 0 <= item < n:
        one = artefact.data[item][None]
        return bars.series(one, (f"item {item}",), artefact.columns, marked=artefact.marked)
    names = theme.names(m, artefact.columns)[: bars.MAX_BARS]
    edges = np.histogram_bin_edges(artefact.data, BINS) if n and m else np.linspace(0, 1, BINS + 1)
    parts = []
    for j, name in enumerate(names) if n else ():
        counts, _ = np.histogram(artefact.data[:, j], bins=edges)
        part = {"name": name, "start": edges[:-1], "end": edges[1:], "items": counts}
        parts.append(pd.DataFrame(part)[counts > 0])
    empty = pd.DataFrame({"name": [], "start": [], "end": [], "items": []})
    table = pd.concat(parts, ignore_index=True) if parts else empty
    if m > 1:
        side = "cluster" if 1 in artefact.cluster_axes else ""
        return _rows_of_counts(table, names, side, artefact.title)
    chart = alt.Chart(table).mark_bar(color=theme.RIGHT, opacity=0.6)
    return charts.finish(
        chart.encode(
            x=alt.X("start:Q", bin="binned", title=artefact.title),
            x2="end:Q",
            y=alt.Y("items:Q", title="items"),
            tooltip=["name:N", alt.Tooltip("items:Q", format=",d")],
        )
    )


def _rows_of_counts(table: pd.DataFrame, names: Sequence[str], side: str, title: str) -> alt.Chart:
    """How numbers of several kinds are distributed, a row each: more items are more colour.

    Of ten bars on one spot nobody sees nine. The colour grows with the logarithm of the items, or
    the many near zero would be all there is to see.
    """
    chart = alt.Chart(table).mark_rect(color=matrices.CELL)
    axis = charts.names_axis(len(names))
    most = float(table["items"].max()) if len(table) else 1.0
    values = [10**i for i in range(len(str(int(most))))]
    key = charts.shade_key("items", matrices.CELL, values, ",d")
    shade = alt.Scale(type="log", domain=[1, max(most, 2)], range=[0.15, 1])
    drawn = chart.encode(
        x=alt.X("start:Q", bin="binned", title=title),
        x2="end:Q",
        y=alt.Y("name:N", sort=list(names), title=side or None, axis=axis),
        opacity=alt.Opacity("items:Q", scale=shade, legend=key),
        tooltip=["name:N", "start:Q", "end:Q", alt.Tooltip("items:Q", format=",d")],
    )
    return charts.finish(drawn.properties(height=max(len(names), 1) * bars.ROW + 90))

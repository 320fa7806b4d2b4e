"""Tables of counts as squares: classes by clusters, clusters before and after, and others."""

import json
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd

from clustlab.analysis import matching, transitions
from clustlab.analysis.shares import figure, percent
from clustlab.types import NOISE, Array, cluster_name
from clustlab.views import charts, theme

MAX_CELLS = 4900  # drawn; the fullest ones of a larger table
MAX_TEXTS = 420  # cells with numbers written in them
CELL = "light-dark(#1f549b, #3572bd)"  # of a full cell; the page shows through emptier ones
INK = "light-dark(#10151c, #ffffff)"  # letters on an emptier cell
FULL = 0.78  # share from which a cell is dark in the light theme, too
MAX_SIDE = 70  # rows or columns of a matrix that is not a table of counts
QUARTERS = (0.1, 0.25, 0.5, 0.75, 1.0)  # shares whose colour a legend shows
STEP = 34  # height of a cell in pixels
MAX_VALUES = 150  # cells of a matrix of numbers up to which they are written in
WIDE = 40  # width of a cell in pixels below which no such number fits in
NARROW = 20  # width of a cell in pixels below which no number fits in
HEAD = 60  # height of the names of the columns
SPARE = 12  # columns from which on their names are small and steep, so that none is left out
LETTER = 6  # pixels across of a letter of a name
ROOM = 380  # pixels for the columns in a narrow window
Side = Literal["class", "cluster"]
"""Of what the shares of a confusion matrix are."""


def confusion(
    labels: Array,
    clusters: Array,
    class_names: Sequence[str] = (),
    *,
    classes: Array | None = None,
    ids: Array | None = None,
    share_of: Side = "class",
    title: str = "",
) -> alt.LayerChart:
    """True classes by clusters: how many items of each class lie in each cluster.

    Reading: each row is a true class, each column a cluster; the stronger the colour, the greater
    the share. The class that each cluster stands for is outlined; everything else counts as an
    error. A column with two strong cells is a cluster that mixes two classes. A noise column, if
    there is one, counts neither way. Click a cell to see its images.

    Parameters
    ----------
    labels : (n,) int
        True classes, -1 where unknown; those items are left out.
    clusters : (n,) int
        Stable cluster ids, -1 for noise, which gets the last column.
    class_names : sequence of str
        Their names, also of classes without items.
    classes : (ids,) int, optional
        Class of each cluster, -1 for none; by default the Hungarian matching.
    ids : (k,) int, optional
        Clusters of this step, so that empty ones are shown and those of other steps are not.
    share_of : "class" or "cluster"
        Of what the shares are: of the class, so that rows add up to 100%, or of the cluster, so
        that columns do.

    Selection: point `cell` with the fields `true` (name of the class) and `cluster`.
    """
    n_classes = max(len(class_names), int(np.max(labels, initial=-1)) + 1)
    counts = matching.contingency(labels, clusters, n_classes)
    if classes is None:
        classes = matching.hungarian(counts.T)
    elif len(classes) > counts.shape[1]:
        counts = np.pad(counts, ((0, 0), (0, len(classes) - counts.shape[1])))
    names = theme.names(n_classes, class_names)
    order = matching.column_order(counts, classes)
    present = counts.shape[1] <= MAX_SIDE if ids is None else np.isin(order, ids)
    order = order[(counts.sum(0)[order] > 0) | present]
    heads = [f"{c} → {names[classes[c]]}" if classes[c] >= 0 else f"{c}" for c in order.tolist()]
    counts = counts[:, order]
    noise = matching.sizes_of(np.asarray(labels)[np.asarray(clusters) < 0], n_classes)
    if noise.any():
        counts = np.column_stack([counts, noise])
        order, heads = np.append(order, NOISE), [*heads, cluster_name(NOISE)]
    table = _cells(counts, by_column=share_of == "cluster")
    table["true"] = np.array([*names, ""], dtype=object)[table["row"]]
    table["cluster"] = order[table["column"]]
    table["head"] = np.array([*heads, ""], dtype=object)[table["column"]]
    table["matched"] = matching.looked_up(table["cluster"].to_numpy(), classes) == table["row"]
    note = theme.shown(len(table), counts.size, "cells")
    return _heat(
        table,
        x=_top("head", heads, "cluster → class"),
        y=_left("true", names, "true class"),
        fields=["true", "cluster"],
        title=title,
        note=note,
        rows=n_classes,
    )


def transition(
    before: Array, after: Array, n_ids: int | None = None, *, title: str = ""
) -> alt.LayerChart:
    """Clusters before by clusters after: where the items of each cluster went.

    Reading: rows are clusters at the earlier step, columns at the later one; outlined cells hold
    the items that stayed. A row with two strong cells is a cluster that split, a column with two is
    a merge. Noise has a row and a column of its own. Click a cell to see the images that moved.

    Parameters
    ----------
    before, after : (n,) int
        Stable cluster ids at both steps, -1 for noise.
    n_ids : int, optional
        Number of ids; unused ones are left out.

    Selection: point `cell` with the fields `from` and `to`.
    """
    counts = transitions.table(before, after, n_ids)
    used = counts.sum(0) + counts.sum(1) > 0
    ids = matching.with_noise_last(len(counts) - 1)[used]
    counts = counts[np.ix_(used, used)]
    table = _cells(counts)
    table["from"], table["to"] = ids[table["row"]], ids[table["column"]]
    table["matched"] = table["row"] == table["column"]
    ids = ids.tolist()
    note = theme.shown(len(table), counts.size, "cells")
    return _heat(
        table,
        x=_top("to", ids, "cluster after"),
        y=_left("from", ids, "cluster before"),
        fields=["from", "to"],
        title=title,
        note=note,
        rows=len(ids),
    )


def between(
    a: Array, b: Array, words: tuple[str, str] = ("A", "B"), *, title: str = ""
) -> alt.LayerChart:
    """Clusters of one run by clusters of another: which items each pair shares.

    Reading: rows are clusters of the first run, columns those of the second; outlined cells are
    matched clusters, which share a number. A row with two strong cells is a group that the second
    run splits, a column with two is one that it merges. Noise is not a cluster and has a row or
    column of its own. Click a cell to see its images.

    Parameters
    ----------
    a, b : (n,) int
        Clusters of the same items under common ids, -1 for noise.
    words : two str
        Names of the runs.

    Selection: point `cell` with the fields `from` and `to`.
    """
    n_ids = int(max(np.max(a, initial=-1), np.max(b, initial=-1))) + 1
    counts, ids = matching.with_noise(a, b, n_ids, n_ids), matching.with_noise_last(n_ids)
    in_a, in_b = counts.any(1), counts.any(0)
    rows, columns, counts = ids[in_a], ids[in_b], counts[np.ix_(in_a, in_b)]
    table = _cells(counts)
    table["from"], table["to"] = rows[table["row"]], columns[table["column"]]
    table["matched"] = (table["from"] == table["to"]) & (table["from"] >= 0)
    return _heat(
        table,
        x=_top("to", columns.tolist(), f"cluster in {words[1]}"),
        y=_left("from", rows.tolist(), f"cluster in {words[0]}"),
        fields=["from", "to"],
        title=title,
        note=theme.shown(len(table), counts.size, "cells"),
        rows=len(rows),
    )


def pairwise(values: Array, names: Sequence[str], *, title: str = "") -> alt.LayerChart:
    """A score of every run with every other, such as ARI.

    Reading: 1 means identical clusters, 0 no more agreement than chance (ARI) or nothing in common
    (NMI). Two runs can both be fairly accurate and still disagree.

    Parameters
    ----------
    values : (r, r) float
        Symmetric, 1 on the diagonal.
    names : sequence of str
        Of the runs.
    """
    row, column = (index.ravel() for index in np.indices(np.shape(values)))
    order = np.array(list(names), dtype=object)
    table = pd.DataFrame({"a": order[row], "b": order[column], "score": np.ravel(values)})
    table["words"] = [figure(value) for value in table["score"]]
    x = alt.X("b:N", sort=list(names), title=None, axis=alt.Axis(orient="top", labelAngle=0))
    y = alt.Y("a:N", sort=list(names), title=None, axis=charts.names_axis(len(order)))
    shade = alt.Scale(domain=[0, 1], range=[0, 1], clamp=True)
    squares = alt.Chart(table).mark_rect(color=CELL, stroke=theme.FAINT)
    heat = squares.encode(
        x=x,
        y=y,
        opacity=alt.Opacity("score:Q", scale=shade, legend=None),
        tooltip=["a:N", "b:N", alt.Tooltip("words:N", title="score")],
    )
    letters = (
        alt.Chart(table)
        .mark_text(fontSize=12)
        .encode(x=x, y=y, text=alt.Text("words:N"), color=ink_on("score"))
    )
    drawn = charts.layered(heat, letters).properties(height=len(order) * STEP + HEAD // 2)
    return charts.finish(drawn, title)


def ink_on(share: str) -> alt.ColorValue:
    """Colour of letters in cells that are as dark as a share, so that they can be read on them."""
    white: dict[str, Any] = {"test": f"datum.{share} >= {FULL}", "value": "white"}
    return alt.ColorValue(INK, condition=white)


def _top(field: str, order: Sequence[Any], title: str) -> alt.X:
    many = len(order) > SPARE
    lies = f"width > {_lying(order)}"
    axis = alt.Axis(
        labelAngle=alt.ExprRef(f"{lies} ? 0 : {-70 if many else -40}"),
        labelAlign=alt.ExprRef(f"{lies} ? 'center' : 'left'"),
        labelBaseline=alt.ExprRef(f"{lies} ? 'bottom' : '{'middle' if many else 'bottom'}'"),
        labelFontSize=9 if many else alt.Undefined,
        labelOverlap=len(order) > charts.READABLE,
        orient="top",
        domain=False,
        ticks=False,
        labelExpr=charts.CLUSTER_LABEL,
    )
    scale = alt.Scale(domain=list(order))
    return alt.X(f"{field}:N", sort=list(order), title=title, scale=scale, axis=axis)


def _lying(names: Sequence[Any]) -> int:
    """Pixels of a row of cells from which on the names of their columns have room side by side."""
    letters = max((len(cluster_name(i) if isinstance(i, int) else i) for i in names), default=0)
    return len(names) * (LETTER * letters + 10)


def _left(field: str, order: Sequence[Any], title: str) -> alt.Y:
    scale = alt.Scale(domain=list(order))
    axis = charts.names_axis(len(order))
    if field != "true":
        axis.labelExpr = charts.CLUSTER_LABEL
    return alt.Y(f"{field}:N", sort=list(order), title=title, scale=scale, axis=axis)


def _cells(counts: Array, *, by_column: bool = False) -> pd.DataFrame:
    """One row per cell: row, column, count, its shares; of a large table the fullest.

    `share` is that of the row or, `by_column`, of the column; both are written out.
    """
    row, column = (index.ravel() for index in np.indices(counts.shape))
    flat = counts.ravel()
    if len(flat) > MAX_CELLS:
        keep = np.sort(np.argsort(-flat, kind="stable")[:MAX_CELLS])
        row, column, flat = row[keep], column[keep], flat[keep]
    of_row = flat / np.maximum(counts.sum(1), 1)[row]
    of_column = flat / np.maximum(counts.sum(0), 1)[column]
    table = pd.DataFrame({"row": row, "column": column, "count": flat})
    table["share"] = of_column if by_column else of_row
    table["of row written"] = [percent(share) for share in of_row.tolist()]
    table["of column written"] = [percent(share) for share in of_column.tolist()]
    return table


def _heat(
    table: pd.DataFrame, *, x: alt.X, y: alt.Y, fields: list[str], title: str, note: str, rows: int
) -> alt.LayerChart:
    """Squares, more strongly coloured for a greater share of the row, with their counts written in.

    Of the fields, all but `true` are clusters.
    """
    table = table.assign(
        **{f"{f} name": [cluster_name(c) for c in table[f]] for f in fields if f != "true"}
    )
    cell = alt.selection_point(name="cell", fields=fields)
    tooltip = [
        *(alt.Tooltip("true:N") if f == "true" else charts.cluster_tooltip(f, f) for f in fields),
        alt.Tooltip("count:Q", format=",d", title="items"),
        charts.written_tooltip("of row", "share of the row"),
        charts.written_tooltip("of column", "share of the column"),
    ]
    # opacity instead of a pale end of the scale: empty cells show the page, light or dark
    squares = alt.Chart(table).mark_rect(color=CELL, cursor="pointer")
    chosen: dict[str, Any] = {"param": "cell", "empty": False}
    has_numbers = len(table) <= MAX_TEXTS
    heat = (
        squares.encode(
            x=x,
            y=y,
            opacity=alt.Opacity(
                "share:Q",
                scale=alt.Scale(domain=[0, 1], range=[0, 1]),
                legend=None if has_numbers else charts.shade_key("share", CELL, QUARTERS, "%"),
            ),
            stroke=alt.StrokeValue(theme.FAINT, condition={**chosen, "value": theme.ACCENT}),
            strokeWidth=alt.StrokeWidthValue(0.5, condition={**chosen, "value": 2.5}),
            tooltip=tooltip,
        )
        .add_params(cell)
        .properties(name="cells")
    )
    outline = alt.Chart(table[table["matched"]]).mark_rect(
        filled=False, stroke=theme.WRONG, strokeWidth=1.5
    )
    layers = [heat, outline.encode(x=x, y=y)]
    if has_numbers:
        layers.append(_numbers(table, rows).encode(x=x, y=y))
    return charts.finish(
        charts.layered(*layers).properties(height=max(rows, 1) * STEP + HEAD), title, note
    )


def _numbers(table: pd.DataFrame, rows: int) -> alt.Chart:
    """Counts where they fit, with the shares below them where the chart is tall enough."""
    written = table[table["count"] > 0]
    pairs = zip(written["count"], written["share"], strict=True)
    written = written.assign(words=[f"{count:,}\n{percent(share, 0)}" for count, share in pairs])
    tall = f"height > {rows * 28}"
    long = {"test": tall, "value": {"expr": "datum.words"}}
    shift = alt.ExprRef(f"{tall} ? -5 : 0")
    fits = alt.ExprRef(f"width > {table['column'].nunique() * NARROW} ? 1 : 0")
    text = alt.Text("count:Q", format=",d", condition=long)
    letters = alt.Chart(written).mark_text(
        fontSize=11, lineBreak="\n", baseline="middle", dy=shift, opacity=fits
    )
    return letters.encode(text=text, color=ink_on("share"))


def generic(
    data: Array,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    *,
    title: str = "",
    marked: Sequence[int] = (),
    titles: tuple[str, str] = ("", ""),
) -> alt.LayerChart:
    """Any matrix of numbers as squares.

    Reading: the stronger the colour, the greater the number; it is written in where there is room,
    zeros are left out.

    Parameters
    ----------
    data : (a, b) float
        A side of more than 70 is shrunk to it by taking means.
    rows, columns : sequences of str
        Names along the axes; numbers by default.
    marked : sequence of int
        Columns to outline.
    titles : two str
        What the rows and the columns are.
    """
    data = np.asarray(data, dtype=np.float64)
    a, b = data.shape
    note = ""
    if max(a, b) > MAX_SIDE:
        data, note = _shrunk(data), f"{a} x {b}, shown as means of neighbours"
        rows, columns, marked = (), (), ()
    names = [
        theme.names(count, given) for count, given in zip(data.shape, (rows, columns), strict=True)
    ]
    row, column = (index.ravel() for index in np.indices(data.shape))
    table = pd.DataFrame({"row": row, "column": column, "value": data.ravel()})
    table["matched"] = np.isin(column, np.asarray(marked, dtype=np.int64))
    low, high = (float(data.min()), float(data.max())) if data.size else (0.0, 1.0)
    lie = LETTER * sum(len(name) + 1 for name in names[1]) <= ROOM
    y_axis, x_axis = (
        alt.Axis(
            domain=False,
            ticks=False,
            labelAngle=angle,
            labelFontSize=9 if len(given) > SPARE else alt.Undefined,
            labelOverlap=len(given) > charts.READABLE,
            labelExpr=f"{json.dumps(given)}[datum.value]",
        )
        for given, angle in zip(names, (0, 0 if lie else -60), strict=True)
    )
    x = alt.X("column:O", title=titles[1] or None, axis=x_axis)
    y = alt.Y("row:O", title=titles[0] or None, axis=y_axis)
    squares = alt.Chart(table).mark_rect(color=CELL, stroke=theme.FAINT)
    low, high = min(low, 0.0), high if high > 0 else 1.0
    shade = alt.Scale(domain=[low, high], range=[0, 1])
    has_numbers = data.size <= MAX_VALUES
    steps = np.linspace(low, high, len(QUARTERS)).tolist()
    heat = squares.encode(
        x=x,
        y=y,
        opacity=alt.Opacity(
            "value:Q",
            scale=shade,
            legend=None if has_numbers else charts.shade_key("value", CELL, steps, ".2~g"),
        ),
        tooltip=["row:O", "column:O", alt.Tooltip("value:Q", format=".4~g")],
    )
    outline = alt.Chart(table[table["matched"]]).mark_rect(
        filled=False, stroke=theme.WRONG, strokeWidth=1.5
    )
    side = min(max(320 // max(data.shape[0], 1), 4), STEP)
    layers = [heat, outline.encode(x=x, y=y)]
    if has_numbers:
        layers.append(_values(table, low, high).encode(x=x, y=y))
    drawn = charts.layered(*layers)
    return charts.finish(drawn.properties(height=max(data.shape[0], 1) * side + 30), title, note)


def _values(table: pd.DataFrame, low: float, high: float) -> alt.Chart:
    """Numbers in the cells of a small matrix, where they fit; what would read 0 is left out."""
    decimals = int(np.clip(2 - np.floor(np.log10(high)), 0, 9))  # three digits of the largest
    written = table[table["value"].round(decimals) != 0]
    written = written.assign(
        words=[f"{value:,.{decimals}f}" for value in written["value"]],
        share=(written["value"] - low) / (high - low),
    )
    fits = alt.ExprRef(f"width > {table['column'].nunique() * WIDE} ? 1 : 0")
    letters = alt.Chart(written).mark_text(fontSize=11, baseline="middle", opacity=fits)
    return letters.encode(text="words:N", color=ink_on("share"))


def _shrunk(data: Array) -> Array:
    """A matrix whose sides are at most `MAX_SIDE`, by means over runs of rows and columns."""
    for axis in (0, 1):
        length = data.shape[axis]
        if length > MAX_SIDE:
            starts = np.linspace(0, length, MAX_SIDE, endpoint=False).astype(np.int64)
            sizes = np.diff([*starts, length])
            sums = np.add.reduceat(data, starts, axis=axis)
            data = sums / (sizes[:, None] if axis == 0 else sizes)
    return data

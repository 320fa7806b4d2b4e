"""Bars: sizes, recall, probabilities, the history of one item, and what methods report."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.analysis.shares import figure
from clustlab.types import NOISE, Array, cluster_name
from clustlab.views import charts, scatter, theme

ROW = 20  # height of a lying bar in pixels
SERIES = (theme.RIGHT, "#7a74b8", "#4a9d94", "#b0627d", "#c9a227", "#8c6d5a")
LETTER = 6  # pixels across of a letter of a name
ROOM = 400  # pixels for the names of all groups in a narrow window
MAX_BARS = 200  # of one kind in a chart; the largest of more


def class_balance(labels: Array, class_names: Sequence[str] = ()) -> alt.LayerChart:
    """Number of items of each true class.

    Reading: bars of equal length mean a balanced data set. Where one class is rare, a method that
    favours clusters of equal size will split another class instead.
    """
    labels = np.asarray(labels)
    count = max(len(class_names), int(labels.max(initial=-1)) + 1)
    names = theme.names(count, class_names)
    sizes = np.bincount(labels[labels >= 0], minlength=count).tolist()
    if (labels < 0).any():
        names, sizes = [*names, "unlabelled"], [*sizes, int((labels < 0).sum())]
    table = pd.DataFrame({"name": names, "items": sizes})
    return _lying(table, "name", "items", title="items", colour=theme.GREY)


def sizes(counts: Mapping[str, int]) -> alt.LayerChart:
    """Number of items of each of some classes, by their names.

    Reading: bars of equal length mean a balanced data set.
    """
    table = pd.DataFrame({"name": list(counts), "items": list(counts.values())})
    return _lying(table, "name", "items", title="items", colour=theme.GREY)


def recall(shares: Array, class_names: Sequence[str] = ()) -> alt.LayerChart:
    """Share of each true class that lies in the cluster matched to it.

    Reading: a short bar is a class without a cluster of its own: it shares one with another class
    or is spread over several.
    """
    names = theme.names(len(shares), class_names)
    own = [theme.class_colour(i) for i in range(len(names))]
    table = pd.DataFrame({"name": names, "recall": shares, "own": own})
    return _lying(table.dropna(), "name", "recall", title="recall", colour="own", limit=1.0)


def probabilities(values: Array, mapping: Array | None = None) -> alt.Chart:
    """How the method spreads one item over the clusters.

    Reading: one long bar is a confident choice; two of equal length mean that the item lies between
    two clusters.

    Parameters
    ----------
    values : (k,) float
        One row of probabilities, by raw cluster.
    mapping : (k,) int, optional
        Stable id of each raw cluster.
    """
    ids = np.arange(len(values)) if mapping is None else np.asarray(mapping)
    table = pd.DataFrame({"cluster": ids, "probability": np.asarray(values, dtype=np.float64)})
    return _by_cluster(table, "probability", "probability", limit=1.0)


def _lying(
    table: pd.DataFrame,
    name: str,
    value: str,
    *,
    title: str,
    colour: str,
    limit: float | None = None,
) -> alt.LayerChart:
    """Lying bars with their numbers beside them, in the order of the table.

    `colour` is one for all, or the column that has one for each.
    """
    order = table[name].tolist()
    top = limit if limit is not None else float(max(table[value].max(), 1)) if len(table) else 1.0
    y = alt.Y(f"{name}:N", sort=order, title=None, axis=charts.names_axis(len(order)))
    x = alt.X(f"{value}:Q", title=title, axis=None, scale=alt.Scale(domain=[0, top * 1.15]))
    figures = [f"{v:,}" if limit is None else figure(v) for v in table[value].tolist()]
    table = table.assign(**{f"{value} written": figures})
    tooltip = [alt.Tooltip(f"{name}:N"), charts.written_tooltip(value, title)]
    base = alt.Chart(table).encode(x=x, y=y, tooltip=tooltip)
    text = base.mark_text(align="left", dx=4, color=theme.GREY)
    lying = base.mark_bar(height=ROW - 8)
    if colour in table:
        lying = lying.encode(color=alt.Color(f"{colour}:N", scale=None, legend=None))
    else:
        lying = lying.encode(color=alt.value(colour))
    layers = charts.layered(
        lying,
        text.encode(text=alt.Text(f"{value} written:N")),
    )
    return charts.finish(layers.properties(height=max(len(table), 1) * ROW))


def _by_cluster(
    table: pd.DataFrame, value: str, title: str, limit: float | None = None
) -> alt.Chart:
    """Standing bars in the colours of the clusters."""
    note = ""
    if len(table) > MAX_BARS:
        note = theme.shown(MAX_BARS, len(table), "clusters")
        table = table.nlargest(MAX_BARS, value)
    ids = sorted(int(i) for i in table["cluster"])
    top = limit if limit is not None else float(max(table[value].max(), 1)) if len(table) else 1.0
    chart = (
        charts.write(alt.Chart(table), value)
        .mark_bar()
        .encode(
            x=alt.X("cluster:N", sort=ids, title="cluster", axis=alt.Axis(labelAngle=0)),
            y=alt.Y(f"{value}:Q", title=title, scale=alt.Scale(domain=[0, top])),
            color=alt.Color("cluster:N", scale=charts.scale(ids), legend=None),
            tooltip=["cluster:N", charts.written_tooltip(value, value)],
        )
    )
    return charts.finish(chart, "", note)


def history(
    clusters: Array, step: int | None = None, missing: Sequence[int] = ()
) -> alt.LayerChart:
    """The cluster of one item at each step, as a strip of colours.

    Reading: a single colour means that the item never changed cluster; many stripes mean that the
    method cannot make up its mind about it. A gap is a step that cannot be read.

    Parameters
    ----------
    clusters : (steps,) int
        Stable ids, -1 for noise.
    step : int, optional
        The step in view.
    missing : sequence of int
        Steps at which nobody knows the cluster.
    """
    clusters = np.asarray(clusters, dtype=np.int64)
    gaps = np.asarray(missing, dtype=np.int64)
    starts = np.union1d(stretches(clusters), np.concatenate([gaps, gaps + 1]))
    starts = starts[starts < len(clusters)]
    ends = np.append(starts[1:], len(clusters))[: len(starts)]
    known = ~np.isin(starts, gaps)
    starts, ends = starts[known], ends[known]
    table = pd.DataFrame({"cluster": clusters[starts], "start": starts, "end": ends})
    table["cluster name"] = [cluster_name(c) for c in table["cluster"]]
    table["steps"] = [f"{a} to {b - 1}" for a, b in zip(starts, ends, strict=True)]
    ids = sorted(set(clusters[starts].tolist()))
    x = alt.X(
        "start:Q",
        title=None,
        scale=alt.Scale(domain=[0, max(len(clusters), 1)], nice=False),
        axis=None,
    )
    base = alt.Chart(table).encode(
        x=x, x2="end:Q", tooltip=[charts.cluster_tooltip(), alt.Tooltip("steps:N")]
    )
    stretch = base.mark_rect().encode(
        color=alt.Color("cluster:N", scale=charts.scale(ids), legend=None)
    )
    wide = table[(table["end"] - table["start"]) >= len(clusters) / 12]
    ink = ["white" if theme.is_dark(theme.colour(int(c))) else "black" for c in wide["cluster"]]
    middle = wide.assign(middle=(wide["start"] + wide["end"]) / 2, ink=ink)
    number = alt.Chart(middle).mark_text(fontSize=10, fontWeight="bold")
    layers: list[Any] = [
        stretch,
        number.encode(
            x="middle:Q", text="cluster name:N", color=alt.Color("ink:N", scale=None, legend=None)
        ),
    ]
    if step is not None:
        here = alt.Chart(pd.DataFrame({"at": [step + 0.5]})).encode(x="at:Q")
        layers += [
            here.mark_rule(color="white", strokeWidth=5),
            here.mark_rule(color=theme.ACCENT, strokeWidth=2),
        ]
    return charts.finish(charts.layered(*layers).properties(height=44, padding=0))


def stretches(clusters: Array) -> Array:
    """First steps (m,) of the stretches in which an item stays in one cluster, or is noise."""
    return np.flatnonzero(np.diff(clusters, prepend=NOISE - 1))


def points(items: Array, labels: Array | None = None) -> alt.Chart:
    """A data set of points as it is, by its first two coordinates.

    Reading: colours are the true groups, which the method never sees.
    """
    keep = theme.thin(len(items))
    second = items[keep, 1] if items.shape[1] > 1 else np.zeros(len(keep))
    table = pd.DataFrame({"x": items[keep, 0], "y": second})
    known = np.full(len(keep), -1) if labels is None else np.asarray(labels)[keep]
    table["group"] = known
    ids = sorted(set(known.tolist()))
    scale = alt.Scale(domain=ids, range=[theme.class_colour(int(i)) for i in ids])
    chart = alt.Chart(table).mark_circle(size=16, opacity=0.8)
    x, y = scatter.axes(table)
    drawn = chart.encode(
        x=x,
        y=y,
        color=alt.Color("group:N", scale=scale, legend=None),
        tooltip=["group:N"],
    )
    note = theme.shown(len(keep), len(items))
    return charts.finish(drawn.properties(width=420, height=420), "", note)


def series(
    data: Array,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    *,
    marked: Sequence[int] = (),
    axis_title: str = "",
    title: str = "",
) -> alt.Chart:
    """Groups of bars side by side; marked groups are outlined.

    Reading: bars that stand together belong to the same group; the legend names the series.

    Parameters
    ----------
    data : (series, bars) float
        Heights.
    rows, columns : sequences of str
        Names of the series and of the groups of bars.
    marked : sequence of int
        Groups to point out.
    axis_title : str
        What the groups are.
    """
    data = np.asarray(data, dtype=np.float64)
    drawn = data[:, :MAX_BARS]
    names, groups = theme.names(len(data), rows), theme.names(drawn.shape[1], columns)
    row, column = (index.ravel() for index in np.indices(drawn.shape))
    table = pd.DataFrame({"value": drawn.ravel()})
    table["series"] = np.array([*names, ""], dtype=object)[row]
    table["bar"] = np.array([*groups, ""], dtype=object)[column]
    table["marked"] = np.isin(column, np.asarray(marked, dtype=np.int64))
    legend = alt.Legend(title=None, orient="top", symbolStrokeWidth=0) if len(names) > 1 else None
    lie = LETTER * sum(len(group) + 1 for group in groups) <= ROOM
    axis = alt.Axis(labelAngle=0 if lie else -60, labelOverlap=len(groups) > charts.READABLE)
    colours = [SERIES[i % len(SERIES)] for i in range(len(names))]
    chart = alt.Chart(table).mark_bar(stroke=theme.WRONG)
    encoded = chart.encode(
        x=alt.X("bar:N", sort=groups, title=axis_title or None, axis=axis),
        xOffset=alt.XOffset("series:N", sort=names),
        y=alt.Y("value:Q", title=None),
        color=alt.Color(
            "series:N", sort=names, scale=alt.Scale(domain=names, range=colours), legend=legend
        ),
        strokeWidth=alt.StrokeWidthValue(0, condition={"test": "datum.marked", "value": 3}),
        tooltip=["series:N", "bar:N", alt.Tooltip("value:Q", format=".4~g")],
    )
    note = theme.shown(drawn.shape[1], data.shape[1], "groups")
    return charts.finish(encoded, title, note)


def chip(
    cluster: int,
    size: int,
    full: int,
    counts: Sequence[int] | Array = (),
    class_names: Sequence[str] = (),
    words: str = "",
) -> str:
    """HTML of a patch with the number of a cluster, or `noise`, and a bar as long as its size.

    A bar of `full` items goes all the way, so those of several clusters can be compared.

    Words stand below in small letters. With the number of its items of each true class, a thin
    bar below shows what it is made of, the most frequent class first.
    """
    colour = theme.colour(cluster)
    ink = "white" if theme.is_dark(colour) else "black"
    share = size / full if full else 0.0
    class_counts = np.asarray(counts, dtype=np.float64)
    names = theme.names(len(class_counts), class_names)
    order = [i for i in np.argsort(-class_counts, kind="stable").tolist() if class_counts[i] > 0]
    pieces = "".join(
        f'<span title="{escape(names[i])}: {class_counts[i]:,.0f}" style="display:inline-block;'
        f"width:{class_counts[i] / class_counts.sum():.2%};height:5px;"
        f'background:{theme.class_colour(i)}"></span>'
        for i in order
    )
    made_of = f'<div style="line-height:0;margin-top:4px">{pieces}</div>' if pieces else ""
    return (
        '<div style="display:flex;align-items:center;gap:8px">'
        f'<span style="background:{colour};color:{ink};border-radius:4px;min-width:28px;'
        f'padding:2px 6px;text-align:center;font-weight:600">{cluster_name(cluster)}</span>'
        '<span style="flex:1"><span style="display:block;height:8px;border-radius:4px;'
        f'background:{theme.FAINT}"><span style="display:block;width:{share:.1%};height:8px;'
        f'border-radius:4px;background:{colour}"></span></span>{made_of}</span></div>'
        + (f'<div style="font-size:13px;opacity:0.75">{escape(words)}</div>' if words else "")
    )

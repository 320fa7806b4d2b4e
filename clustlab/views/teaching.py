"""Plain charts for lessons: a cloud of points, bars, lines and a table of shades."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import charts, matrices, theme

HEIGHT = 380
EXTENT = tuple[float, float, float, float]


def extent(points: Array, margin: float = 0.06) -> EXTENT:
    """Ranges (x low, x high, y low, y high) that hold all points (n, 2) with some room."""
    low, high = np.min(points, 0), np.max(points, 0)
    room = np.maximum((high - low) * margin, 1e-3)
    (x0, y0), (x1, y1) = low - room, high + room
    return float(x0), float(x1), float(y0), float(y1)


def cloud(
    points: Array,
    clusters: Array,
    *,
    centers: Array | None = None,
    arrows: Array | None = None,
    links: Array | None = None,
    sizes: Array | None = None,
    marked: Sequence[int] = (),
    within: EXTENT | None = None,
    names: Mapping[int, str] | None = None,
    texts: Sequence[tuple[float, float, str]] = (),
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Points in the plane, coloured by cluster.

    Reading: a dot is an item, its colour is its cluster, a large cross is a center; an arrow shows
    where something is pulled to.

    Parameters
    ----------
    points : (n, 2) float
    clusters : (n,) int
        Grey where negative.
    centers : (k, 2) float, optional
        Drawn as crosses in the colours 0 to k-1.
    arrows : (m, 4) float, optional
        From x, y to x, y.
    links : (m, 4) float, optional
        Thin lines from x, y to x, y.
    sizes : (n,) float, optional
        Area of each dot.
    marked : sequence of int
        Points to ring.
    within : tuple, optional
        Ranges of the axes, as `extent` gives them; fix them when frames are compared.
    names : mapping, optional
        What the clusters are called in the tooltip.
    texts : sequence of (x, y, words)
        Words above places, such as the names of points.
    """
    points = np.asarray(points, dtype=np.float64)
    ids = np.asarray(clusters, dtype=np.int64)
    places = np.array([(x, y) for x, y, _ in texts], dtype=np.float64).reshape(-1, 2)
    others = places if centers is None else np.concatenate([places, np.asarray(centers)])
    everything = np.concatenate([points, others])
    x0, x1, y0, y1 = within or extent(everything)
    x = alt.X("x:Q", scale=alt.Scale(domain=[x0, x1], nice=False), axis=None)
    y = alt.Y("y:Q", scale=alt.Scale(domain=[y0, y1], nice=False), axis=None)
    table = _table(points, ids, sizes, names)
    dots = (
        alt.Chart(table)
        .mark_circle(opacity=0.85, clip=True)
        .encode(
            x=x,
            y=y,
            color=alt.Color("colour:N", scale=None, legend=None),
            size=alt.Size("size:Q", scale=None, legend=None),
            tooltip=[alt.Tooltip("cluster:N"), alt.Tooltip("item:Q")],
        )
    )
    layers: list[Any] = []
    for ends, width, head in ((links, 0.8, False), (arrows, 1.6, True)):
        if ends is not None and len(ends):
            ranges = (x1 - x0, y1 - y0) if head else None
            layers += _lines(np.asarray(ends, dtype=np.float64), x, y, width, ranges)
    layers.append(dots)
    if len(marked):
        ring = alt.Chart(table.iloc[list(marked)]).mark_point(
            size=260, strokeWidth=2.5, color=theme.ACCENT, filled=False, opacity=1
        )
        layers.append(ring.encode(x=x, y=y))
    if centers is not None:
        layers += _crosses(np.asarray(centers, dtype=np.float64), x, y)
    if texts:
        table = pd.DataFrame(texts, columns=["x", "y", "words"])
        words = alt.Chart(table).mark_text(dy=-14, fontSize=12, color=theme.GREY)
        layers.append(words.encode(x=x, y=y, text="words:N"))
    return charts.finish(charts.layered(*layers).properties(height=height))


def _table(
    points: Array, ids: Array, sizes: Array | None, names: Mapping[int, str] | None
) -> pd.DataFrame:
    known = names or {}
    return pd.DataFrame(
        {
            "x": points[:, 0],
            "y": points[:, 1],
            "cluster": [known.get(int(i), "none" if i < 0 else str(i)) for i in ids],
            "colour": [theme.colour(int(i)) for i in ids],
            "size": np.full(len(ids), 46.0) if sizes is None else np.asarray(sizes, np.float64),
            "item": np.arange(len(ids)),
        }
    )


def _lines(
    ends: Array, x: alt.X, y: alt.Y, width: float, ranges: tuple[float, float] | None
) -> list[Any]:
    """Lines, with heads turned on the screen if the ranges of the axes are given."""
    table = pd.DataFrame(ends, columns=["x", "y", "x2", "y2"])
    rule = alt.Chart(table).mark_rule(
        strokeWidth=width, color=theme.GREY, opacity=0.9 if ranges else 0.5, clip=True
    )
    layers: list[Any] = [rule.encode(x=x, y=y, x2="x2:Q", y2="y2:Q")]
    if ranges:
        across, up = (ends[:, 2] - ends[:, 0]) / ranges[0], (ends[:, 3] - ends[:, 1]) / ranges[1]
        tips = pd.DataFrame(
            {"x": ends[:, 2], "y": ends[:, 3], "turn": np.degrees(np.arctan2(across, up))}
        )
        tip = alt.Chart(tips).mark_point(
            shape="triangle-up", filled=True, size=60, color=theme.GREY, opacity=1, clip=True
        )
        layers.append(tip.encode(x=x, y=y, angle=alt.Angle("turn:Q", scale=None)))
    return layers


def _crosses(centers: Array, x: alt.X, y: alt.Y) -> list[Any]:
    table = pd.DataFrame(
        {
            "x": centers[:, 0],
            "y": centers[:, 1],
            "cluster": [str(i) for i in range(len(centers))],
            "colour": [theme.colour(i) for i in range(len(centers))],
        }
    )
    base = alt.Chart(table).encode(x=x, y=y, tooltip=[alt.Tooltip("cluster:N", title="center")])
    under = base.mark_point(shape="cross", filled=True, size=420, color="white", opacity=0.9)
    over = base.mark_point(shape="cross", filled=True, size=230, opacity=1, stroke="black")
    return [under, over.encode(color=alt.Color("colour:N", scale=None, legend=None))]


def bars(
    names: Sequence[str],
    values: Sequence[float] | Array,
    *,
    title: str = "",
    colours: Sequence[str] | None = None,
    high: float | None = None,
    digits: int = 3,
    height: int = 220,
) -> alt.LayerChart:
    """One bar a name, with its value written at its end.

    Reading: longer is more; the number is the value itself.
    """
    table = pd.DataFrame(
        {
            "name": list(names),
            "value": np.asarray(values, dtype=np.float64),
            "colour": list(colours or [theme.RIGHT] * len(names)),
        }
    )
    low = min(0.0, float(table["value"].min())) if len(table) else 0.0
    top = max(high or 0.0, float(table["value"].max()) if len(table) else 1.0, low + 1e-9)
    base = alt.Chart(table).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=220, labelOverlap=False)),
        x=alt.X(
            "value:Q",
            title=title or None,
            scale=alt.Scale(domain=[low, top * 1.12]),
            axis=alt.Axis(tickCount=5),
        ),
    )
    body = base.mark_bar().encode(color=alt.Color("colour:N", scale=None, legend=None))
    text = base.mark_text(align="left", dx=4, color=theme.GREY).encode(
        text=alt.Text("value:Q", format=f".{digits}f")
    )
    return charts.finish(charts.layered(body, text).properties(height=height))


def lines(
    table: pd.DataFrame,
    *,
    x: str = "x",
    y: str = "y",
    by: str | None = None,
    title: tuple[str, str] = ("", ""),
    colours: Sequence[str] | None = None,
    at: float | None = None,
    height: int = 260,
) -> alt.LayerChart:
    """Curves of one quantity over another, one a group, with a red line at the place in view.

    Reading: each line is one case; the red line marks where the controls stand.
    """
    encoded: dict[str, Any] = {
        "x": alt.X(f"{x}:Q", title=title[0] or x, scale=alt.Scale(nice=False)),
        "y": alt.Y(f"{y}:Q", title=title[1] or y, scale=alt.Scale(zero=False)),
        "tooltip": [alt.Tooltip(f"{x}:Q", format=".4~g"), alt.Tooltip(f"{y}:Q", format=".4~g")],
    }
    if by:
        domain = list(dict.fromkeys(table[by]))
        shades = list(colours or [theme.colour(i) for i in range(len(domain))])
        encoded["color"] = alt.Color(
            f"{by}:N",
            scale=alt.Scale(domain=domain, range=shades[: len(domain)]),
            legend=alt.Legend(title=None, orient="top"),
        )
        drawn = alt.Chart(table).mark_line(strokeWidth=2)
    else:
        drawn = alt.Chart(table).mark_line(strokeWidth=2, color=theme.RIGHT)
    layers: list[Any] = [drawn.encode(**encoded)]
    if at is not None:
        rule = alt.Chart(pd.DataFrame({x: [at]})).mark_rule(color=theme.ACCENT, strokeWidth=1.5)
        layers.append(rule.encode(x=f"{x}:Q"))
    return charts.finish(charts.layered(*layers).properties(height=height))


def shades(
    matrix: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    titles: tuple[str, str] = ("", ""),
    digits: int = 2,
    height: int = 300,
) -> alt.LayerChart:
    """A matrix (a, b) of values of at least 0 as shaded squares with their numbers.

    Reading: more strongly coloured cells hold more; the number in a cell is its value.
    """
    array = np.asarray(matrix, dtype=np.float64)
    table = pd.DataFrame(
        {
            "row": np.repeat(list(rows), array.shape[1]),
            "column": np.tile(list(columns), array.shape[0]),
            "value": array.ravel(),
        }
    )
    high = max(float(array.max(initial=0)), 1e-9)
    table["share"] = table["value"] / high
    base = alt.Chart(table).encode(
        x=alt.X(
            "column:N", sort=list(columns), title=titles[1] or None, axis=alt.Axis(labelAngle=0)
        ),
        y=alt.Y("row:N", sort=list(rows), title=titles[0] or None),
        tooltip=["row:N", "column:N", alt.Tooltip("value:Q", format=".4~g")],
    )
    shade = alt.Scale(domain=[0, high], range=[0, 1], clamp=True)
    cells = base.mark_rect(color=matrices.CELL).encode(
        opacity=alt.Opacity("value:Q", scale=shade, legend=None)
    )
    texts = base.mark_text(fontSize=12).encode(
        text=alt.Text("value:Q", format=f".{digits}f"), color=matrices.ink_on("share")
    )
    return charts.finish(charts.layered(cells, texts).properties(height=height))

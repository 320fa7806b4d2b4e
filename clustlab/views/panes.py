"""The embeddings of several runs side by side, linked: one brush lights the same items in all."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import charts, scatter, theme

LETTERS = "ABCD"
MAX_DOTS = 2000  # in each pane
UPRIGHT = {1: 0.8, 2: 0.8, 3: 1.0, 4: 1.07}  # height by width of a pane, by the number of panes
SPACE = 14  # pixels between two panes
ENOUGH = 1140  # pixels across in which panes are as large as they get
IN_A_ROW = 700  # pixels across from which on all of them stand beside each other
MARGIN = 16  # pixels around all panes
MAX_RINGS = 20  # clusters that get their number written at their middle
INK = "#22252b"  # letters on a light ground of their own


def wide(
    points: Sequence[Array],
    clusters: Sequence[Array],
    *,
    letters: Sequence[str] = LETTERS,
    labels: Array | None = None,
    class_names: Sequence[str] = (),
    items: Array | None = None,
) -> pd.DataFrame:
    """Table of all items: `index`, then `x`, `y` and `cluster` of each run, followed by a letter.

    Parameters
    ----------
    points : sequence of (n, 2) float
        Where the items lie, run by run.
    clusters : sequence of (n,) int
        Their clusters under ids common to all runs.
    letters : sequence of str
        Short names of the runs, one letter each.
    labels : (n,) int, optional
        True classes, -1 where unknown; gives the column `class`.
    class_names : sequence of str
        Their names.
    items : (n,) int, optional
        Their numbers, rising; by default 0 to n - 1.
    """
    columns: dict[str, Any] = {"index": np.arange(len(points[0])) if items is None else items}
    for letter, at, ids in zip(letters, points, clusters, strict=False):
        columns[f"x{letter}"], columns[f"y{letter}"] = at[:, 0], at[:, 1]
        columns[f"cluster{letter}"] = np.asarray(ids, dtype=np.int64)
    if labels is not None:
        known = np.asarray(labels, dtype=np.int64)
        names = [*theme.names(int(known.max(initial=-1)) + 1, class_names), "unknown"]
        columns["class"] = np.array(names)[known]
    return pd.DataFrame(columns)


def linked(
    table: pd.DataFrame,
    titles: Sequence[str],
    *,
    selected: Sequence[int] | Array = (),
    ids: Sequence[int] | Array = (),
    image_url: str | None = None,
    names: Sequence[str] = (),
    extent: float = 1.15,
    middle: tuple[float, float] = (0.0, 0.0),
    room: int = ENOUGH,
) -> alt.ConcatChart:
    """The same items in the embedding of each run, a pane each.

    Reading: a colour means the same cluster in all panes, matched by shared items. Drag a rectangle
    in any pane: the same images stay coloured in all of them, the rest turn grey. A group that
    stays together in one pane and falls apart in another is where the runs differ.

    Parameters
    ----------
    table : DataFrame
        From `wide`; thinned here to 2,000 items, always with the selected ones (see `kept`).
    titles : sequence of str
        Above the panes.
    selected : sequence of int
        Items to highlight; all others turn grey.
    ids : sequence of int, optional
        All clusters that may occur, so that the colours of a step do not change the chart.
    image_url : str, optional
        Address of an item's image for the hover, with `{index}` in it.
    names : sequence of str, optional
        Of all items by `index`, for the hover.
    extent : float
        Half the shorter side of what is shown; dots further out lie at the rim.
    middle : two float
        What is shown is around this place.
    room : int
        Pixels across, all of which panes take up to `ENOUGH`. With less than `IN_A_ROW`, two of
        them stand beside each other, others below.

    Selections: interval `brush` over the coordinates of the pane it was drawn in, point `pick`
    with the field `index`.
    """
    few = _drawn(table, selected)
    if names:
        few["name"] = scatter.named(few, names)
    letters = letters_of(table)
    columns, (width, height) = layout(len(titles), room)
    half_range_per_pixel = extent / min(width, height)  # one unit is as long on both axes
    known = np.union1d(ids, np.unique(table[[f"cluster{a}" for a in letters]])).astype(np.int64)
    colours = charts.scale(known.tolist())
    tooltip = _tooltip(few, letters, image_url is not None)
    panes = []
    for letter, title in zip(letters, titles, strict=True):
        x = _axis(alt.X, f"x{letter}", middle[0], half_range_per_pixel * width)
        y = _axis(alt.Y, f"y{letter}", middle[1], half_range_per_pixel * height)
        dots = (
            alt.Chart(name=f"dots{letter}", width=width, height=height)
            .mark_circle(size=18, aria=False)
            .encode(
                x=x,
                y=y,
                color=alt.Color(
                    f"cluster{letter}:N", scale=colours, legend=None, condition=_grey(theme.GREY)
                ),
                opacity=alt.OpacityValue(0.8, condition=_grey(0.25)),
                tooltip=tooltip,
            )
        )
        marks = [mark.encode(x=x, y=y) for mark in _rings(table, letter)]
        pane = charts.layered(dots, *marks)
        pane.title = alt.TitleParams(
            title, anchor="start", offset=2
        )  # set, here and below, since Altair's own way copies the whole chart
        panes.append(pane)
    chart = alt.concat(*panes, data=few, spacing=SPACE, columns=columns)
    chart.transform = charts.named(*(f"cluster{a}" for a in letters))
    chart.params = _params([pane.layer[0].name for pane in chart.concat])
    if image_url is not None:
        before, after = (json.dumps(part) for part in image_url.split("{index}", 1))
        address = f"{before} + datum.index + {after}"
        chart.transform.append(alt.CalculateTransform(calculate=address, **{"as": "image"}))
    chart.usermeta = {"embedOptions": {"renderer": "canvas"}}
    return charts.finish(
        chart, "", theme.shown(len(few), len(table), "items" if image_url is None else "images")
    )


def letters_of(table: pd.DataFrame) -> list[str]:
    """Short names of the runs in a table from `wide`."""
    return [name[1] for name in table.columns if len(name) == 2 and name[0] == "x"]


def layout(n: int, room: int = ENOUGH) -> tuple[int, tuple[int, int]]:
    """Panes in a row, and width and height of each, for `n` panes in so many pixels across."""
    columns = n if room >= IN_A_ROW else min(n, 2)
    beside = max(columns, 2)  # one alone is as large as one of two
    width = max((min(room, ENOUGH) - MARGIN - SPACE * (beside - 1)) // beside, 60)
    return columns, (width, int(width * UPRIGHT[n]))


def _params(panes: list[str]) -> list[Any]:
    """One brush and one click for all panes; added pane by pane they would be independent."""
    selects: dict[str, Any] = {
        "brush": alt.IntervalSelectionConfig(type="interval", encodings=["x", "y"]),
        "pick": alt.PointSelectionConfig(type="point", fields=["index"]),
    }
    return [
        alt.TopLevelSelectionParameter(name=name, select=select, views=panes)
        for name, select in selects.items()
    ]


def kept(selected: Sequence[int] | Array) -> Array:
    """Selected items that are drawn in any case: all, or a fixed sample that leaves room for grey.

    Half of the dots are for them, so that the rest stays in sight beside a large selection.
    """
    chosen = np.asarray(selected, dtype=np.int64)
    return np.asarray(chosen[theme.thin(len(chosen), limit=MAX_DOTS // 2)])


def _drawn(table: pd.DataFrame, selected: Sequence[int] | Array) -> pd.DataFrame:
    """The drawn part of a table; lit items come last, so that they lie on top."""
    lit = np.flatnonzero(np.isin(table["index"], kept(selected)))
    few = table.iloc[theme.thin(len(table), lit, MAX_DOTS)].copy()
    few["lit"] = np.isin(few["index"], selected) if len(selected) else True
    return few.sort_values("lit", kind="stable") if len(selected) else few


def _grey(value: Any) -> list[Any]:
    """Condition for dots outside the brush, or of items that are not selected."""
    outside = {"test": {"not": {"param": "brush"}}, "value": value}
    return [outside, {"test": "!datum.lit", "value": value}]


def _axis(kind: Any, field: str, middle: float, extent: float) -> Any:
    domain = [middle - extent, middle + extent]
    scale = alt.Scale(domain=domain, nice=False, zero=False, clamp=True)
    return kind(f"{field}:Q", scale=scale, axis=None)


def _tooltip(table: pd.DataFrame, letters: Sequence[str], with_image: bool) -> list[alt.Tooltip]:
    fields = [alt.Tooltip("index:Q", title="item")]
    if "name" in table:
        fields.insert(0, alt.Tooltip("name:N"))
    if "class" in table:
        fields.append(alt.Tooltip("class:N", title="true class"))
    fields += [charts.cluster_tooltip(f"cluster{a}", f"cluster in {a}") for a in letters]
    if with_image:
        fields.append(alt.Tooltip("image:N"))  # a field of this name is shown as a picture
    return fields


def _rings(table: pd.DataFrame, letter: str) -> list[Any]:
    """Numbers of the clusters at the means of their items; none if there are too many to read."""
    x, y, cluster = f"x{letter}", f"y{letter}", f"cluster{letter}"
    means = table[table[cluster] >= 0].groupby(cluster)[[x, y]].mean().reset_index()
    if len(means) > MAX_RINGS:
        means = means[:0]
    base = alt.Chart(means.assign(color=[theme.colour(int(c)) for c in means[cluster]]))
    ring = base.mark_point(size=260, strokeWidth=2.2, filled=True, fill="white", fillOpacity=0.85)
    number = base.mark_text(fontSize=10, fontWeight="bold", color=INK)
    return [
        ring.encode(stroke=alt.Stroke("color:N", scale=None)),
        number.encode(text=f"{cluster}:N"),
    ]


def brushed(table: pd.DataFrame, brush: Mapping[str, Sequence[float]]) -> Array:
    """Numbers of all items in a brushed rectangle, also of those that are not drawn."""
    inside = np.ones(len(table), dtype=bool)
    for field, (low, high) in brush.items():
        inside &= table[field].between(min(low, high), max(low, high)).to_numpy()
    return table.loc[inside, "index"].to_numpy() if brush else np.zeros(0, dtype=np.int64)

"""The embeddings of several runs side by side as one picture: the same items lit in all of them."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import charts, theme

LETTERS = "ABCD"
MAX_DOTS = 2000  # in each pane
UPRIGHT = {1: 0.8, 2: 0.8, 3: 1.0, 4: 1.07}  # height by width of a pane, by the number of panes
SPACE = 14  # pixels between two panes
ACROSS = 1140  # pixels of all panes
MARGIN = 16  # pixels around all panes
MAX_RINGS = 20  # clusters that get their number written at their middle
INK = "#22252b"  # letters on a light ground of their own


def wide(
    points: Sequence[Array],
    clusters: Sequence[Array],
    *,
    letters: Sequence[str] = LETTERS,
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
    items : (n,) int, optional
        Their numbers, rising; by default 0 to n - 1.
    """
    columns: dict[str, Any] = {"index": np.arange(len(points[0])) if items is None else items}
    for letter, at, ids in zip(letters, points, clusters, strict=False):
        columns[f"x{letter}"], columns[f"y{letter}"] = at[:, 0], at[:, 1]
        columns[f"cluster{letter}"] = np.asarray(ids, dtype=np.int64)
    return pd.DataFrame(columns)


def linked(
    table: pd.DataFrame,
    titles: Sequence[str],
    *,
    selected: Sequence[int] | Array = (),
    ids: Sequence[int] | Array = (),
    extent: float = 1.15,
    middle: tuple[float, float] = (0.0, 0.0),
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
    extent : float
        Half the shorter side of what is shown; dots further out lie at the rim.
    middle : two float
        What is shown is around this place.
    """
    few = _drawn(table, selected)
    letters = letters_of(table)
    width, height = size(len(titles))
    half_range_per_pixel = extent / min(width, height)  # one unit is as long on both axes
    known = np.union1d(ids, np.unique(table[[f"cluster{a}" for a in letters]])).astype(np.int64)
    colours = charts.scale(known.tolist())
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
                    f"cluster{letter}:N", scale=colours, legend=None, condition=_unlit(theme.GREY)
                ),
                opacity=alt.OpacityValue(0.8, condition=_unlit(0.25)),
            )
        )
        marks = [mark.encode(x=x, y=y) for mark in _rings(table, letter)]
        pane = charts.layered(dots, *marks)
        pane.title = alt.TitleParams(
            title, anchor="start", offset=2
        )  # set, here and below, since Altair's own way copies the whole chart
        panes.append(pane)
    chart = alt.concat(*panes, data=few, spacing=SPACE, columns=len(titles))
    return charts.finish(chart, "", theme.shown(len(few), len(table), "items"))


def letters_of(table: pd.DataFrame) -> list[str]:
    """Short names of the runs in a table from `wide`."""
    return [name[1] for name in table.columns if len(name) == 2 and name[0] == "x"]


def size(n: int) -> tuple[int, int]:
    """Width and height of each of `n` panes in pixels."""
    beside = max(n, 2)  # one alone is as large as one of two
    width = (ACROSS - MARGIN - SPACE * (beside - 1)) // beside
    return width, int(width * UPRIGHT[n])


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


def _unlit(value: Any) -> dict[str, Any]:
    """Condition for dots of items that are not selected."""
    return {"test": "!datum.lit", "value": value}


def _axis(kind: Any, field: str, middle: float, extent: float) -> Any:
    domain = [middle - extent, middle + extent]
    scale = alt.Scale(domain=domain, nice=False, zero=False, clamp=True)
    return kind(f"{field}:Q", scale=scale, axis=None)


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

"""Clusters over a whole run as one flow, and accuracy taken apart step by step."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.analysis import transitions
from clustlab.analysis.matching import with_noise_last
from clustlab.types import NOISE, Array, cluster_name
from clustlab.views import charts, theme

THIN = 0.005  # share of all items; narrower bands are drawn as one
REST = "small moves"
SIDE = 5  # percent of the width beside the flow
Link = tuple[int, int, int] | None  # column, cluster there, cluster at the next column

PARTS = {"moved": "Items that moved", "rematched": "New matching"}


def sankey(
    counts: Sequence[Array], steps: Sequence[int] | Array, traced: Sequence[Array] | None = None
) -> tuple[dict[str, Any], list[Link]]:
    """ECharts option of a flow over several steps, and where each band comes from and leads to.

    Reading: each block is a cluster at a step, each band the items that went from one block to the
    next; a straight band of one colour stayed. Broad bands that leave one block are a split, broad
    bands that meet are a merge. While a cluster is traced, its members are in colour and all others
    faint. Clusters that trade items stand beside each other. Bands under 0.5% of all items are
    drawn as one grey band; noise is grey and named. Click a band to see its images.

    Parameters
    ----------
    counts : sequence of (ids + 1, ids + 1) int
        Items in cluster i at one column and j at the next, noise last, as from `genealogy.flows`.
    steps : (columns,) int
        The step of each column, one more than there are tables.
    traced : sequence of (ids + 1, ids + 1) int, optional
        The same for the members of the traced cluster only.
    """
    nodes: dict[str, dict[str, Any]] = {}
    links: list[dict[str, Any]] = []
    pairs: list[Link] = []

    def node(cluster: int | None, column: int) -> str:
        name = f"{REST if cluster is None else cluster_name(cluster)} at step {steps[column]}"
        nodes.setdefault(name, _node(name, cluster, column))
        return name

    def link(column: int, a: int | None, b: int | None, items: int, opacity: float) -> None:
        style = {"color": theme.GREY if a is None else theme.colour(a), "opacity": opacity}
        ends = {"source": node(a, column), "target": node(b, column + 1)}
        links.append({**ends, "value": items, "lineStyle": style})
        pairs.append(None if a is None or b is None else (column, a, b))

    for column, table in enumerate(counts):
        least = _least(table)
        for a, b in with_noise_last(len(table) - 1)[np.argwhere(table >= least)].tolist():
            mine = 0 if traced is None else int(traced[column][a, b])
            if mine:
                link(column, a, b, mine, 0.75)
            others = int(table[a, b]) - mine
            if others:
                usual = 0.25 if a == b else 0.6
                link(column, a, b, others, usual if traced is None else 0.1)
        rest = int(table[table < least].sum())
        if rest:
            link(column, None, None, rest, 0.2)
    places = _places(counts)
    series = _series(
        sorted(nodes.values(), key=lambda each: (each["depth"], places[each["cluster"]])), links
    )
    series["levels"] = [{"depth": 0, "label": {"position": "left"}}]
    return {"tooltip": {"trigger": "item"}, "title": _heads(steps), "series": [series]}, pairs


def _places(counts: Sequence[Array]) -> dict[int | None, int]:
    """Place of each cluster in every column, then of noise, then of small moves."""
    n_ids = len(counts[0]) - 1 if counts else 0
    wide = sum((each * (each >= _least(each)) for each in counts), np.zeros((n_ids + 1, n_ids + 1)))
    order: list[int | None] = [*transitions.order_by_exchange(wide[:-1, :-1]).tolist(), NOISE, None]
    return {cluster: place for place, cluster in enumerate(order)}


def _least(table: Array) -> float:
    """Items from which on a band is drawn."""
    return max(THIN * float(table.sum()), 1)


def _heads(steps: Sequence[int] | Array) -> list[dict[str, Any]]:
    """The step of each column, written above it."""
    gap = (100 - 2 * SIDE) / max(len(steps) - 1, 1)
    style = {"color": theme.GREY, "fontSize": 11, "fontWeight": "normal"}
    return [
        {
            "text": f"{'' if i else 'step '}{int(step)}",
            "left": f"{SIDE + i * gap:.2f}%",
            "top": 4,
            "padding": 0,
            "textAlign": "center",
            "textStyle": style,
        }
        for i, step in enumerate(steps)
    ]


def _node(name: str, cluster: int | None, column: int) -> dict[str, Any]:
    """Block of a cluster, of noise below all of them, or of small moves at the bottom."""
    return {
        "name": name,
        "depth": column,  # without it, what was born later would stand at the beginning
        "cluster": cluster,
        "itemStyle": {"color": theme.GREY if cluster is None else theme.colour(cluster)},
        "label": {"formatter": "" if cluster is None else cluster_name(cluster)},
    }


def _series(nodes: list[dict[str, Any]], links: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "sankey",
        "id": "lineage",
        "data": [{k: v for k, v in each.items() if k != "cluster"} for each in nodes],
        "links": links,
        "nodeAlign": "left",  # what died early stays where it died
        "selectedMode": "single",
        "select": {"lineStyle": {"opacity": 0.95}, "itemStyle": {"borderWidth": 0}},
        "emphasis": {"focus": "adjacency"},
        "layoutIterations": 0,  # keeps every column in the order of the ids
        "nodeGap": 5,
        "nodeWidth": 12,
        "left": f"{SIDE}%",
        "right": f"{SIDE}%",
        "top": 24,
        "bottom": 8,
        "label": {"color": theme.GREY, "fontSize": 11},
    }


def jumps(table: pd.DataFrame, step: int | None = None) -> alt.LayerChart:
    """Change of accuracy at each step, in two parts.

    Reading: blue is what items that moved to another cluster gain or lose, orange what matching the
    clusters to other classes adds. A tall orange bar above a blue one below the line means that the
    score jumped without much learning.

    Parameters
    ----------
    table : DataFrame
        Columns `step`, `moved` and `rematched`, as from `rematch.over_time`; nan has no bar.
    step : int, optional
        The step in view.
    """
    long = table.melt("step", list(PARTS), "part", "change").dropna(subset="change")
    long["part"] = long["part"].map(PARTS)
    words, colours = list(PARTS.values()), [theme.RIGHT, theme.WRONG]
    last = max(int(table["step"].max()) if len(table) else 1, 1)
    wide = min(max(560 / last * 0.7, 1), 14)
    bars = alt.Chart(long).mark_bar(size=wide)
    layers: list[Any] = [
        bars.encode(
            x=alt.X(
                "step:Q",
                title="step",
                scale=alt.Scale(domain=[0.5, last + 0.5], nice=False),
                axis=alt.Axis(tickMinStep=1, grid=False, format="d"),
            ),
            y=alt.Y("change:Q", title="change of ACC", axis=alt.Axis(format="+.2f")),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=words, range=colours),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[
                alt.Tooltip("step:Q"),
                alt.Tooltip("part:N"),
                alt.Tooltip("change:Q", format="+.4f"),
            ],
        )
    ]
    if step is not None:
        here = alt.Chart(pd.DataFrame({"step": [step]}))
        layers.insert(0, here.mark_rule(color=theme.ACCENT, strokeWidth=1.5).encode(x="step:Q"))
    return charts.finish(charts.layered(*layers).properties(height=190))

"""One item over the steps: how it was spread over the clusters, and where it went."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import Array, cluster_name
from clustlab.views import charts, scatter, theme

MOST = 8  # clusters with a band of their own; the rest is one grey band
GROUND = 500  # items drawn behind a path
SIDE = 260  # pixels


def certainty(values: Array, step: int | None = None) -> alt.LayerChart:
    """How sure the method was of one item at each step.

    Reading: confidence is the probability of its cluster, margin the lead over the second choice.
    Where the margin touches zero, the item was about to change cluster.

    Parameters
    ----------
    values : (steps, 2) float
        Confidence and margin, from `Timeline.certainty`.
    step : int, optional
        The step in view.
    """
    wide = pd.DataFrame(np.asarray(values, dtype=np.float64), columns=["Confidence", "Margin"])
    table = wide.rename_axis("step").reset_index().melt("step", var_name="figure")
    scale = alt.Scale(domain=["Confidence", "Margin"], range=[theme.RIGHT, theme.WRONG])
    legend = charts.line_legend(["Confidence", "Margin"])
    lines = charts.write(alt.Chart(table), "value").mark_line(point=alt.OverlayMarkDef(size=14))
    layers: list[Any] = [
        lines.encode(
            x=alt.X(
                "step:Q",
                title=None,
                scale=alt.Scale(domain=[0, max(len(wide) - 1, 1)], nice=False),
                axis=alt.Axis(tickMinStep=1, grid=False, format="d"),
            ),
            y=alt.Y(
                "value:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(tickCount=3, format=".1f"),
            ),
            color=alt.Color("figure:N", scale=scale, legend=legend),
            strokeDash=alt.StrokeDash("figure:N", legend=legend),
            tooltip=["step:Q", "figure:N", charts.written_tooltip("value", "value")],
        )
    ]
    if step is not None:
        here = alt.Chart(pd.DataFrame({"at": [step]})).encode(x="at:Q")
        layers.insert(0, here.mark_rule(color=theme.ACCENT, strokeWidth=1.5))
    return charts.finish(charts.layered(*layers).properties(height=170))


def spread(values: Array, step: int | None = None) -> alt.LayerChart:
    """How the method spread one item over the clusters at each step.

    Reading: the height of a colour is the probability of that cluster. One colour that fills the
    strip is a confident choice; two that trade places announce a change of cluster. A gap means
    that the method gives no probabilities in that phase.

    Parameters
    ----------
    values : (steps, ids) float
        Rows of probabilities by stable cluster; nan for what there is none of.
    step : int, optional
        The step in view.
    """
    table = _stacked(np.asarray(values, dtype=np.float64))
    scale = alt.Scale(domain=[0, max(len(values), 1)], nice=False)
    base = charts.write(alt.Chart(table), "probability").mark_rect()
    layers: list[Any] = [
        base.encode(
            x=alt.X("step:Q", scale=scale, axis=None),
            x2="end:Q",
            y=alt.Y("low:Q", scale=alt.Scale(domain=[0, 1]), axis=None),
            y2="high:Q",
            color=alt.Color("colour:N", scale=None, legend=None),
            tooltip=["step:Q", "cluster:N", charts.written_tooltip("probability", "probability")],
        )
    ]
    if step is not None:
        here = alt.Chart(pd.DataFrame({"at": [step + 0.5]})).encode(x="at:Q")
        layers.append(here.mark_rule(color="white", strokeWidth=5))
        layers.append(here.mark_rule(color=theme.ACCENT, strokeWidth=2))
    return charts.finish(charts.layered(*layers).properties(height=70, padding=0))


def _stacked(values: Array) -> pd.DataFrame:
    """A rectangle for each step and each of the clusters that are ever likely, the rest as one."""
    steps = np.flatnonzero(~np.isnan(values).all(1))
    filled = np.nan_to_num(values[steps])
    most = np.sort(np.argsort(-filled.max(0, initial=0), kind="stable")[:MOST])
    heights = np.column_stack([filled[:, most], np.clip(1 - filled[:, most].sum(1), 0, 1)])
    high = heights.cumsum(1)
    names = [*(str(i) for i in most), "all others"]
    colours = [*(theme.colour(int(i)) for i in most), theme.GREY]
    row, column = (index.ravel() for index in np.indices(heights.shape))
    table = pd.DataFrame(
        {
            "step": steps[row],
            "end": steps[row] + 1,
            "cluster": np.array(names, dtype=object)[column],
            "colour": np.array(colours, dtype=object)[column],
            "probability": heights.ravel(),
            "low": (high - heights).ravel(),
            "high": high.ravel(),
        }
    )
    return table[table["probability"] > 0.002]  # what nobody sees need not be sent


def path(
    places: Array, clusters: Array, ground: Array, step: int, *, extent: float | None = None
) -> alt.LayerChart:
    """Where one item went over the steps, before all others as they lie at the step in view.

    Reading: each dot is the item at one step, in the colour of its cluster then; the square marks
    the first step, the ring the one in view. A long leap is a step at which the network came to see
    it differently.

    Parameters
    ----------
    places : (steps, 2) float
        Of the item, from `Timeline.path`.
    clusters : (steps,) int
        Its stable clusters, -1 for noise.
    ground : (n, 2) float
        All items at the step in view; thinned here.
    step : int
        The step in view.
    extent : float, optional
        Half the side of the square to show.
    """
    behind = pd.DataFrame(
        np.asarray(ground)[theme.thin(len(ground), (), GROUND)], columns=["x", "y"]
    )
    table = pd.DataFrame(np.asarray(places, dtype=np.float64), columns=["x", "y"])
    table["step"], table["cluster"] = np.arange(len(table)), np.asarray(clusters)
    table["cluster name"] = [cluster_name(c) for c in table["cluster"]]
    x, y = scatter.axes(behind, extent)
    ids = sorted({int(c) for c in clusters})
    colour = alt.Color("cluster:N", scale=charts.scale(ids), legend=None)
    base = alt.Chart(table).encode(x=x, y=y)
    tooltip = [alt.Tooltip("step:Q"), charts.cluster_tooltip()]
    here = alt.Chart(table.iloc[step : step + 1]).encode(x=x, y=y, tooltip=tooltip)
    first = alt.Chart(table.iloc[:1]).encode(x=x, y=y, tooltip=tooltip, color=colour)
    layers = [
        alt.Chart(behind).mark_circle(size=8, color=theme.GREY, opacity=0.25).encode(x=x, y=y),
        base.mark_line(color=theme.GREY, strokeWidth=1.2).encode(order="step:Q"),
        base.mark_circle(size=34, opacity=1).encode(color=colour, tooltip=tooltip),
        first.mark_square(size=90, opacity=1),
        here.mark_point(size=190, strokeWidth=2.5, color=theme.ACCENT),
    ]
    return charts.finish(charts.layered(*layers).properties(width=SIDE, height=SIDE))

"""Curves of several runs over one another."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from clustlab.analysis.score_catalogue import SCORES
from clustlab.views import charts
from clustlab.views.curves import DASHES, LINES

AXES = {"step": "step", "seconds": "seconds of training", "samples": "samples seen"}


def overlaid(
    table: pd.DataFrame,
    groups: Sequence[str],
    *,
    figure: str,
    axis: str = "step",
    at: Sequence[float] = (),
    height: int = 300,
) -> alt.LayerChart:
    """One figure of several runs along one axis; seeds of one setting as mean and range.

    Reading: a line is a run, or the mean over runs that differ only in the seed; the band spans
    their lowest and highest values. Where bands overlap, the seed matters as much as the setting.
    Plotted against seconds, a fast method is not penalised for small steps; plotted against
    samples, a large batch is not rewarded for speed. Vertical lines are the steps in view.

    Parameters
    ----------
    table : DataFrame
        Columns `group`, `x`, `mean`, `low`, `high` and `runs`, as from `learning_curves.bands`.
    groups : sequence of str
        All groups, in the order of their colours, also those without rows.
    figure, axis : str
        What is drawn, and along what: a key of `AXES`.
    at : sequence of float
        Where each group stands along the axis now, nan for nowhere.
    """
    colours = alt.Scale(domain=list(groups), range=[LINES[i % len(LINES)] for i in _count(groups)])
    dashes = alt.Scale(domain=list(groups), range=[DASHES[i % len(DASHES)] for i in _count(groups)])
    legend = charts.line_legend(groups)
    last = float(table["x"].max()) if len(table) else 1.0
    x = alt.X(
        "x:Q",
        title=AXES[axis],
        scale=alt.Scale(domain=[0, last or 1.0], nice=False),
        axis=alt.Axis(grid=False, format="~s" if axis == "samples" else "~g"),
    )
    top = max(1.0, float(table["high"].max())) if len(table) else 1.0
    bounds = alt.Scale(domain=[min(0.0, float(table["low"].min()) if len(table) else 0.0), top])
    colour = alt.Color("group:N", scale=colours, legend=legend)
    base = charts.write(alt.Chart(table), "mean", "low", "high").encode(x=x, color=colour)
    band = base.mark_area(opacity=0.22).encode(
        y=alt.Y("low:Q", scale=bounds, title=SCORES[figure].title), y2="high:Q"
    )
    y = alt.Y("mean:Q", scale=bounds, title=SCORES[figure].title)
    line = base.mark_line(strokeWidth=2).encode(
        y=y, strokeDash=alt.StrokeDash("group:N", scale=dashes, legend=legend)
    )
    dots = base.mark_circle(size=26, opacity=1).encode(y=y, tooltip=_tooltip(axis))
    here = pd.DataFrame({"group": list(groups)[: len(at)], "x": list(at)}).dropna()
    marks = alt.Chart(here).mark_rule(strokeWidth=1.2, opacity=0.8).encode(x=x, color=colour)
    return charts.finish(charts.layered(marks, band, line, dots).properties(height=height))


def _count(groups: Sequence[str]) -> range:
    return range(len(groups))


def _tooltip(axis: str) -> list[Any]:
    return [
        alt.Tooltip("group:N", title="run"),
        alt.Tooltip("x:Q", title=AXES[axis], format=",.4~g"),
        charts.written_tooltip("mean", "mean"),
        charts.written_tooltip("low", "lowest"),
        charts.written_tooltip("high", "highest"),
        alt.Tooltip("runs:Q", title="seeds"),
    ]

"""Figures over the steps of a run, with the step in view marked."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from clustlab.analysis.scalar_catalogue import scalar_of
from clustlab.analysis.score_catalogue import SCORES
from clustlab.types import Array, Scalar
from clustlab.views import charts, specification, theme

PAIRS = ("right among similar", "right among dissimilar")
MAX_STEPS = 1500  # drawn per curve
LINES = ("#2f81d6", "#ee7f1b", "#7a74b8", "#4a9d94", "#b0627d", "#8c6d5a")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3])
SMALL = (160, 90)  # width and height of one of many small charts, of which three fit beside
IN_A_ROW = 3


def title_of(name: str) -> str:
    """Words for a column of figures: those of the score with this key, else the name itself."""
    return SCORES[name].title if name in SCORES else name


def metrics(
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    step: int | None = None,
    phases: Sequence[tuple[str, int]] = (),
    read_anew: Sequence[int] = (),
    title: str = "",
) -> alt.LayerChart:
    """One curve per figure over the steps; the upright line is the step in view.

    Reading: rising scores and a falling share of changed labels mean that the run settles. A
    score that rises while labels still change a lot may fall again. A dashed line marks a step at
    which other clusters are read off what was trained: a jump there is no learning.

    Parameters
    ----------
    table : DataFrame
        Column `step` and one per figure, as from `Timeline.metrics`; nan leaves a gap.
    names : sequence of str
        Which figures to draw.
    step : int, optional
        The step in view.
    phases : sequence of (name, first step)
        Where phases begin.
    read_anew : sequence of int
        Steps to mark at which the clusters are read anew.

    Selection: point `at` with the field `step`.
    """
    rows = _long(table, names)
    words = [title_of(name) for name in names]
    lowest = min(0.0, float(rows["value"].min())) if len(rows) else 0.0
    highest = max(1.0, float(rows["value"].max())) if len(rows) else 1.0
    order = [i % len(LINES) for i in range(len(names))]
    legend = alt.Legend(title=None, orient="top")
    colour = alt.Scale(domain=words, range=[LINES[i] for i in order])
    turned = [DASHES[(i + i // len(LINES)) % len(DASHES)] for i in range(len(names))]
    dash = alt.Scale(domain=words, range=turned)  # a colour that comes again has another dash
    base = alt.Chart(rows).encode(
        x=_steps(table),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[lowest, highest])),
        color=alt.Color("name:N", scale=colour, legend=legend),
    )
    lines = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash("name:N", scale=dash, legend=legend)
    )
    at = alt.selection_point(name="at", fields=["step"], nearest=True)
    dots = (
        base.mark_circle(size=30, opacity=1)
        .encode(tooltip=_tooltip())
        .add_params(at)
        .properties(name="steps")
    )
    marks = _marks(step, phases) + _marks_read_anew(read_anew)
    return charts.finish(charts.layered(*marks, lines, dots), title)


def right_pairs(table: pd.DataFrame, *, step: int | None = None) -> alt.LayerChart:
    """How many of the pairs that a method chose are right by the labels, over the steps.

    Reading: at 1 every pair taken as similar is of one class, or every dissimilar one of two. Most
    pairs are of two classes anyway, so watch the similar ones: they fall when thresholds close
    faster than the network learns.

    Parameters
    ----------
    table : DataFrame
        Column `step` and those named in `PAIRS`, in [0, 1]; nan leaves a gap.
    step : int, optional
        The step in view.

    Selection: point `at` with the field `step`.
    """
    return metrics(table, PAIRS, step=step)


def _long(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """One row per step and figure, evenly thinned; undefined values left out."""
    thin = np.unique(np.linspace(0, len(table) - 1, MAX_STEPS).round().astype(np.int64))
    few = table if len(table) <= MAX_STEPS else table.iloc[thin]
    parts = [
        pd.DataFrame({"step": few["step"], "name": title_of(name), "value": few[name]})
        for name in names
    ]
    empty = pd.DataFrame({"step": [], "name": [], "value": []})
    rows = pd.concat(parts, ignore_index=True) if parts else empty
    return rows[np.isfinite(rows["value"].astype(float))]


def _steps(table: pd.DataFrame) -> alt.X:
    last = float(table["step"].max()) if len(table) else 1.0
    return alt.X(
        "step:Q",
        title="step",
        scale=alt.Scale(domain=[0, max(last, 1)], nice=False),
        axis=alt.Axis(tickMinStep=1, grid=False, format="d"),
    )


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("step:Q"),
        alt.Tooltip("name:N", title="figure"),
        alt.Tooltip("value:Q", format=".4~g"),
    ]


def _marks(step: int | None, phases: Sequence[tuple[str, int]]) -> list[Any]:
    """Upright lines at the step in view and where phases begin."""
    marks: list[Any] = []
    if len(phases) > 1:
        starts = pd.DataFrame(phases, columns=["phase", "step"])
        base = alt.Chart(starts).encode(x="step:Q")
        text = base.mark_text(align="left", dx=4, dy=6, baseline="top", color=theme.GREY)
        marks += [
            base.mark_rule(strokeDash=[2, 3], color=theme.GREY),
            text.encode(text="phase:N", y=alt.value(0)),
        ]
    if step is not None:
        rule = alt.Chart(pd.DataFrame({"step": [step]})).mark_rule(
            color=theme.ACCENT, strokeWidth=1.5
        )
        marks.append(rule.encode(x="step:Q"))
    return marks


def _marks_read_anew(steps: Sequence[int]) -> list[Any]:
    """Upright dashed lines where clusters are read anew, with words to their left."""
    if not steps:
        return []
    table = pd.DataFrame({"step": list(steps), "words": "clusters read anew"})
    base = alt.Chart(table).encode(x="step:Q")
    words = base.mark_text(align="right", dx=-4, dy=6, baseline="top", color=theme.GREY)
    return [
        base.mark_rule(strokeDash=[2, 3], color=theme.GREY),
        words.encode(text="words:N", y=alt.value(0)),
    ]


def scalar_frame(log: Sequence[Mapping[str, Any]], own: Sequence[Scalar] = ()) -> pd.DataFrame:
    """Losses and schedules of a run, one row per step and scalar.

    Columns: `step`, `phase`, `key`, `name` (its words), `about` (unit and direction), `value`.

    Parameters
    ----------
    log : sequence of mappings
        One record per step with `phase` and `scalars`.
    own : sequence of Scalar
        What the method of the run declares itself.
    """
    keys = dict.fromkeys(key for record in log for key in record["scalars"])
    known = {key: scalar_of(key, own) for key in keys}
    rows = [
        (step, record.get("phase", ""), key, known[key].words, known[key].about, value)
        for step, record in enumerate(log)
        for key, value in record["scalars"].items()
    ]
    return pd.DataFrame(rows, columns=["step", "phase", "key", "name", "about", "value"])


def scalars(table: pd.DataFrame, *, step: int | None = None) -> alt.ConcatChart:
    """What the method itself reports: a small chart per loss or schedule, each on its own scale.

    Reading: a loss that falls and levels off is learning; what one says that rises depends on the
    method. Losses of different names cannot be compared.

    Parameters
    ----------
    table : DataFrame
        From `scalar_frame`.
    step : int, optional
        The step in view.
    """
    parts = [
        _small(part["name"].iloc[0], part["about"].iloc[0], part, table, step)
        for _, part in table.groupby("key", sort=False)
    ]
    if not parts:
        nothing = pd.DataFrame({"step": [], "name": [], "value": []})
        parts = [_small("no figures yet", "", nothing, nothing, None)]
    return charts.finish(alt.concat(*parts, columns=IN_A_ROW, spacing=12))


def _small(
    words: str, about: str, part: pd.DataFrame, table: pd.DataFrame, step: int | None
) -> alt.LayerChart:
    part = part.iloc[:: max(len(part) // MAX_STEPS, 1)]
    y = alt.Y(
        "value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=3, format="~g")
    )
    line = alt.Chart(part).mark_line(
        color=LINES[0], strokeWidth=1.5, point=alt.OverlayMarkDef(size=12, color=LINES[0])
    )
    x = _steps(table)
    drawn = line.encode(x=x, y=y, tooltip=_tooltip())
    marks = _marks(step, ())
    title = alt.TitleParams(words, subtitle=about, limit=SMALL[0] + 30)
    return charts.layered(*marks, drawn).properties(title=title, width=SMALL[0], height=SMALL[1])


@lru_cache(maxsize=16)
def _resting_sparkline(
    shares: tuple[float, ...],
    alarms: tuple[int, ...],
    interventions: tuple[int, ...],
    read_anew: tuple[int, ...],
) -> dict[str, Any]:
    return specification.vega_lite_spec(
        sparkline(shares, 0, alarms=alarms, interventions=interventions, read_anew=read_anew)
    )


def sparkline_at(
    changed: Array | Sequence[float],
    step: int,
    *,
    alarms: Sequence[int] = (),
    interventions: Sequence[int] = (),
    read_anew: Sequence[int] = (),
) -> dict[str, Any]:
    """Specification of the sparkline with the red line at a step; built once for all steps."""
    shares = tuple(np.nan_to_num(np.asarray(changed, dtype=np.float64)).tolist())
    spec = _resting_sparkline(shares, tuple(alarms), tuple(interventions), tuple(read_anew))
    return specification.with_rows(spec, 1, pd.DataFrame({"step": [step]}))


def sparkline(
    changed: Array | Sequence[float],
    step: int | None = None,
    *,
    alarms: Sequence[int] = (),
    interventions: Sequence[int] = (),
    read_anew: Sequence[int] = (),
) -> alt.LayerChart:
    """Share of labels changed at each step, above the slider.

    Reading: high bars are steps at which many items changed their cluster; the red line is the
    step in view, triangles are alarms, diamonds are what you changed in the run. At a square other
    clusters are read off what was trained, and no item counts as changed.

    Parameters
    ----------
    changed : (steps,) float
        In [0, 1], nan at the first step and where clusters are read anew.
    alarms, interventions, read_anew : sequence of int
        Steps to mark.
    """
    shares = np.nan_to_num(np.asarray(changed, dtype=np.float64))
    last = max(len(shares) - 1, 1)
    if len(shares) > MAX_STEPS:  # the highest of each group, so that no event is lost
        starts = np.linspace(0, len(shares), MAX_STEPS, endpoint=False).astype(np.int64)
        table = pd.DataFrame({"step": starts, "value": np.maximum.reduceat(shares, starts)})
    else:
        table = pd.DataFrame({"step": np.arange(len(shares)), "value": shares})
    x = alt.X("step:Q", axis=None, scale=alt.Scale(domain=[0, last], nice=False))
    high = max(float(shares.max(initial=0)), 0.02)
    y = alt.Y("value:Q", axis=None, scale=alt.Scale(domain=[0, high]))
    tooltip = [alt.Tooltip("step:Q"), alt.Tooltip("value:Q", format=".1%", title="changed")]
    area = alt.Chart(table).mark_area(
        interpolate="step", color=theme.GREY, opacity=0.55, line=False
    )
    layers = [area.encode(x=x, y=y, tooltip=tooltip), *_marks(step, ())]
    flags = (
        (alarms, "triangle-down", theme.WRONG, 4),
        (interventions, "diamond", LINES[0], 14),
        (read_anew, "square", theme.GREY, 26),
    )
    for steps, shape, colour, height in flags:
        if len(steps):
            flag = alt.Chart(pd.DataFrame({"step": list(steps)})).mark_point(
                shape=shape, filled=True, color=colour, size=50, opacity=1
            )
            layers.append(flag.encode(x="step:Q", y=alt.value(height)))
    chart = charts.layered(*layers).properties(
        height=34, padding={"left": 8, "right": 8, "top": 0, "bottom": 0}
    )
    return charts.finish(chart)

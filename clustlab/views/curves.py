"""Figures over the steps of a run, with the step in view marked."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from textwrap import wrap
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
LINES = (
    *("#2f81d6", "#ee7f1b", "#7a74b8", "#4a9d94", "#b0627d"),
    *("#8c6d5a", "#c9a227", "#3f8f4f", "#d0508f", "#5d6b7a"),
)
DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3])
ABOUT_READ_ANEW = (
    "A dashed vertical line marks a step at which the clusters are recomputed from what was "
    "trained: a jump there is not learning."
)
SMALL = (156, 90)  # width and height of one of many small charts
WHOLE = SMALL[0] + 64  # its width with axis and space
IN_A_ROW = 4
TITLE_LETTERS, SUBTITLE_LETTERS = 22, 34  # in a line above a small chart
ENOUGH = IN_A_ROW * WHOLE  # pixels in which that many stand beside each other
SCALAR_COLUMNS = ["step", "phase", "key", "name", "about", "unit", "value"]


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
    colours: Sequence[str] = (),
    with_legend: bool = True,
    title: str = "",
) -> alt.LayerChart:
    """One curve per figure over the steps; the upright line is the step in view.

    Reading: rising scores and a falling share of changed labels mean that the run is settling. A
    score that rises while many labels still change may fall again.

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
    colours : sequence of str, optional
        Of the figures, where those of the lines are not to be taken.
    with_legend : bool
        Whether it says which line is which; not where something beside the chart does.

    Selection: point `at` with the field `step`.
    """
    rows = _long(table, names)
    words = [title_of(name) for name in names]
    lowest = min(0.0, float(rows["value"].min())) if len(rows) else 0.0
    highest = max(1.0, float(rows["value"].max())) if len(rows) else 1.0
    legend = charts.line_legend(words) if with_legend else None
    palette = colours or [LINES[i % len(LINES)] for i in range(len(names))]
    colour = alt.Scale(domain=words, range=list(palette))
    turned = [DASHES[(i + i // len(LINES)) % len(DASHES)] for i in range(len(names))]
    dash = alt.Scale(domain=words, range=turned)  # a colour that comes again has another dash
    base = charts.write(alt.Chart(rows), "value").encode(
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
        .encode(tooltip=_tooltip(charts.written_tooltip("value", "value")))
        .add_params(at)
        .properties(name="steps")
    )
    marks = _marks(step, phases) + _marks_read_anew(read_anew)
    return charts.finish(charts.layered(*marks, lines, dots), title)


def right_pairs(table: pd.DataFrame, *, step: int | None = None) -> alt.LayerChart:
    """How many of the pairs that a method chose are right by the labels, over the steps.

    Reading: at 1, every pair taken as similar belongs to one class, or every dissimilar pair to
    two. Most pairs belong to two classes anyway, so watch the similar ones: their share falls when
    the thresholds close faster than the network learns.

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


def _tooltip(value: alt.Tooltip) -> list[alt.Tooltip]:
    return [alt.Tooltip("step:Q"), alt.Tooltip("name:N", title="figure"), value]


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
    table = pd.DataFrame({"step": list(steps), "words": "clusters recomputed"})
    base = alt.Chart(table).encode(x="step:Q")
    words = base.mark_text(align="right", dx=-4, dy=6, baseline="top", color=theme.GREY)
    return [
        base.mark_rule(strokeDash=[2, 3], color=theme.GREY),
        words.encode(text="words:N", y=alt.value(0)),
    ]


def scalar_frame(log: Sequence[Mapping[str, Any]], own: Sequence[Scalar] = ()) -> pd.DataFrame:
    """Losses and schedules of a run, one row per step and scalar.

    Columns: `step`, `phase`, `key`, `name` (its words), `about` (unit and direction),
    `unit`, `value`.

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
        (
            *(step, record.get("phase", ""), key),
            *(known[key].words, known[key].about, known[key].unit, value),
        )
        for step, record in enumerate(log)
        for key, value in record["scalars"].items()
    ]
    return pd.DataFrame(rows, columns=SCALAR_COLUMNS)


def curves_of(table: pd.DataFrame) -> list[str]:
    """Keys of the scalars of a `scalar_frame` that have a curve; one value is none."""
    finite = table[np.isfinite(table["value"].astype(float))]
    spread = finite.groupby("key", sort=False)["value"].nunique()
    return spread.index[spread > 1].tolist()


def single_values(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Words and value of each scalar of a `scalar_frame` that has only one, and where it held.

    Such as ("Greatest mutual information", "2.303 nats at every step").
    """
    rest = table[~table["key"].isin(curves_of(table))]
    n_steps = table["step"].nunique()
    values = []
    for _, part in rest.groupby("key", sort=False):
        first, last = int(part["step"].min()), int(part["step"].max())
        when = f"at step {first}" if first == last else f"at steps {first} to {last}"
        if first != last and part["step"].nunique() == n_steps:
            when = "at every step"
        unit = f" {part['unit'].iloc[0]}" if part["unit"].iloc[0] else ""
        values.append((part["name"].iloc[0], f"{part['value'].iloc[0]:,.4g}{unit} {when}"))
    return values


def scalars(table: pd.DataFrame, *, step: int | None = None, room: int = ENOUGH) -> alt.ConcatChart:
    """What the method itself reports: a small chart per loss or schedule, each on its own scale.

    Reading: a loss that falls and levels off is learning; how to read one that rises depends on
    the method. Each chart covers the steps of the phases that report it. Losses of different names
    cannot be compared.

    Parameters
    ----------
    table : DataFrame
        From `scalar_frame`; scalars with one value only are left out, see `single_values`.
    step : int, optional
        The step in view.
    room : int
        Pixels across; the charts stand below one another where it is narrow.
    """
    n_phases = table["phase"].nunique()
    parts = [
        _small(table[table["key"] == key], step, with_phases=n_phases > 1)
        for key in curves_of(table)
    ]
    if not parts:
        nothing = scalar_frame([{"phase": "", "scalars": {}}])
        parts = [_small(nothing, None, with_phases=False)]
    columns = max(min(room // WHOLE, IN_A_ROW), 1)
    return charts.finish(alt.concat(*parts, columns=columns, spacing=12))


def _small(part: pd.DataFrame, step: int | None, *, with_phases: bool) -> alt.LayerChart:
    words, about = ("no figures yet", "") if part.empty else part[["name", "about"]].iloc[0]
    phases = list(dict.fromkeys(part["phase"])) if with_phases else []
    first, last = (0, 1) if part.empty else (int(part["step"].min()), int(part["step"].max()))
    part = part.iloc[:: max(len(part) // MAX_STEPS, 1)]
    y = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(zero=False),
        axis=alt.Axis(
            tickCount=3,
            labelExpr="abs(datum.value) >= 1000 ? format(datum.value, ',') : "
            "format(datum.value, '~g')",
        ),
    )
    x = alt.X(
        "step:Q",
        title="step",
        scale=alt.Scale(domain=[first, last], nice=False),
        axis=alt.Axis(tickMinStep=1, tickCount=4, grid=False, format="d"),
    )
    line = alt.Chart(part).mark_line(
        color=LINES[0], strokeWidth=1.5, point=alt.OverlayMarkDef(size=12, color=LINES[0])
    )
    drawn = line.encode(x=x, y=y, tooltip=_tooltip(alt.Tooltip("value:Q", format=".4~g")))
    marks = _marks(step if step is not None and first <= step <= last else None, ())
    below = [note for note in (about, f"in {_and(phases)}" if phases else "") if note]
    title = alt.TitleParams(
        wrap(words, TITLE_LETTERS),
        subtitle=[line for note in below for line in wrap(note, SUBTITLE_LETTERS)] or [""],
    )
    return charts.layered(*marks, drawn).properties(title=title, width=SMALL[0], height=SMALL[1])


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


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

    Reading: high bars are steps at which many items changed cluster; the red line is the step in
    view, triangles are alarms, diamonds are your interventions. At a square the clusters are
    recomputed from what was trained, and no item counts as changed.

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
    tooltip = [alt.Tooltip("step:Q"), charts.written_tooltip("value", "changed")]
    area = charts.write(alt.Chart(table), "value", how="percent").mark_area(
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

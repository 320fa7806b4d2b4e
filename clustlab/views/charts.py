"""What every chart is finished with: scales in the shared colours, titles, transparent ground."""

import json
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import altair as alt
from altair.utils.schemapi import disable_debug_mode

from clustlab.views import theme

# Altair would check every part against its schema while a chart is put together, which doubles the
# time to draw; the finished chart is still checked as a whole when it becomes a specification.
disable_debug_mode()

CLUSTER_LABEL = "datum.value < 0 ? 'noise' : datum.label"
"""Vega expression for the labels of clusters on an axis or in a legend."""

READABLE = 20  # names along an axis up to which none is left out
LEGEND_ROOM = 400  # pixels that a legend above a chart has in a narrow window
Written = Literal["figure", "percent"]
"""How a number is written out: as a share or score of three decimals, or in percent."""

C = TypeVar("C", alt.Chart, alt.LayerChart, alt.ConcatChart, alt.HConcatChart)


def scale(domain: Sequence[int]) -> alt.Scale:
    """Scale from stable cluster ids to their colours."""
    ids = [int(i) for i in domain]
    return alt.Scale(domain=ids, range=[theme.colour(i) for i in ids])


def named(*fields: str) -> list[alt.CalculateTransform]:
    """Transforms that give each field of clusters a second one to show, such as `cluster name`."""
    return [
        alt.CalculateTransform(
            calculate=f"datum.{field} < 0 ? 'noise' : datum.{field}", **{"as": f"{field} name"}
        )
        for field in fields
    ]


def cluster_tooltip(field: str = "cluster", title: str = "cluster") -> alt.Tooltip:
    """Tooltip of a field of clusters that has a name, as from `named`."""
    return alt.Tooltip(f"{field} name:N", title=title)


def write(chart: alt.Chart, *fields: str, how: Written = "figure") -> alt.Chart:
    """The chart, changed: each of these fields gets a second one with its number as text.

    A format of Vega would round 0.9999 to 1.000, see `shares.figure` and `shares.percent`.
    """
    known = [] if chart.transform is alt.Undefined else list(chart.transform)
    chart.transform = known + [
        alt.CalculateTransform(calculate=_text(field, how), **{"as": f"{field} written"})
        for field in fields
    ]
    return chart


def _text(field: str, how: Written) -> str:
    """Vega expression of a number as text."""
    value = f"datum[{json.dumps(field)}]"
    most, least, form = {
        "figure": ("'>0.999'", "'<0.001'", f"format({value}, '.3f')"),
        "percent": ("'>99.9%'", "'<0.1%'", f"format({value}, '.1~%')"),
    }[how]
    return (
        f"!isValid({value}) || isNaN({value}) ? '–' : "
        f"abs({value}) >= 2 && {value} == round({value}) ? format({value}, ',d') : "
        f"{value} >= 0.9995 && {value} < 1 - 1e-9 ? {most} : "
        f"{value} > 1e-9 && {value} < 0.0005 ? {least} : "
        f"{value} <= 0 && {value} > -0.0005 ? {form.replace(value, '0')} : {form}"
    )


def written_tooltip(field: str, title: str) -> alt.Tooltip:
    """Tooltip of a field that `write` has written out."""
    return alt.Tooltip(f"{field} written:N", title=title)


def line_legend(names: Sequence[str]) -> alt.Legend:
    """Legend above a chart of lines: a piece of each line, and words that are never cut."""
    widths = [44 + 7 * len(name) for name in names]
    fits = sum(widths) <= LEGEND_ROOM
    columns = len(names) if fits else max(LEGEND_ROOM // max(widths), 1)
    return alt.Legend(
        title=None,
        orient="top",
        symbolType="stroke",
        symbolSize=500,
        symbolStrokeWidth=2,
        columns=max(columns, 1),
    )


def shade_key(title: str, colour: str, values: Sequence[float], form: str) -> alt.Legend:
    """Legend below a chart whose cells are the stronger coloured the more there is."""
    return alt.Legend(
        title=title,
        orient="bottom",
        direction="horizontal",
        titleOrient="left",
        values=list(values),
        format=form,
        symbolType="square",
        symbolFillColor=colour,
        symbolStrokeWidth=0,
    )


def ramp(low: float = 0.0, high: float = 1.0) -> alt.Scale:
    """Scale of one hue from few to many."""
    return alt.Scale(domain=[low, high], range=list(theme.RAMP), clamp=True)


def layered(*layers: alt.Chart) -> alt.LayerChart:
    """Charts drawn over one another, the last one on top."""
    return alt.LayerChart(layer=list(layers))


def finish(chart: C, title: str = "", *notes: str) -> C:
    """Chart with its title, notes in small letters under it, transparent ground and no frame.

    To be called once, on the outermost chart, which is changed: Altair's own way copies all of it.
    """
    subtitle = [note for note in notes if note]
    if title:
        extra: dict[str, Any] = {"subtitle": subtitle} if subtitle else {}
        chart.title = alt.TitleParams(title, anchor="start", **extra)
    elif subtitle:  # Vega draws no subtitle without a title
        chart.title = alt.TitleParams(subtitle, anchor="start", fontSize=11, fontWeight="normal")
    if chart.padding is alt.Undefined:
        chart.padding = {"bottom": 5}  # Streamlit would leave 20 pixels empty
    chart.config = alt.Config(
        background="transparent",
        view=alt.ViewConfig(stroke=None),
        legend=alt.LegendConfig(labelLimit=0),
        title=alt.TitleConfig(subtitleColor=theme.GREY),
    )
    return chart


def names_axis(count: int, widest: int | None = None) -> alt.Axis:
    """Axis of names beside rows, none of them left out unless there are too many to read.

    Names wider than `widest` pixels are cut; by default as everywhere in the app.
    """
    return alt.Axis(
        domain=False,
        ticks=False,
        labelBaseline="middle",
        labelOverlap=count > 40,
        labelLimit=alt.Undefined if widest is None else widest,
    )

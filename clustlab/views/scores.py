"""Accuracies of methods over seeds, beside published ones."""

import altair as alt
import pandas as pd

from clustlab.views import charts, theme

ROW, AXIS = 34, 60  # heights of a method and of what stands below, in pixels
WIDEST = 230  # pixels of a name
PARTS = "split(datum.label, ', ')"
MORE = f"length({PARTS}) > 2 ? ' …' : ''"
BROKEN = f"length({PARTS}) < 2 ? datum.label : [{PARTS}[0], {PARTS}[1] + ({MORE})]"
"""Vega expression of a name, with the first changed setting in a line of its own."""
HERE, PUBLISHED = "mean measured here", "published"
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross")  # of devices


def seeds(measured: pd.DataFrame, published: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each seed of each method, the means as bars, published figures as upright ticks.

    Reading: each symbol is one seed, its shape the device it ran on, and the long tick the mean of
    the seeds on one device. Orange ticks are published figures: they come from other numbers of
    images, epochs and choices of the best run, so compare them with care; hover for their protocol.
    Symbols far apart mean that one run says little.

    Parameters
    ----------
    measured : DataFrame
        Columns `method`, `device` and `acc` in [0, 1], one row a seed.
    published : DataFrame
        Columns `method`, `acc` and `words`.
    """
    means = measured.groupby(["method", "device"], as_index=False)["acc"].mean()
    means["mark"] = HERE
    order = means.groupby("method")["acc"].max().sort_values(ascending=False).index.tolist()
    devices = list(dict.fromkeys(measured["device"]))
    names = charts.names_axis(len(order), WIDEST)
    names.labelExpr, names.labelLineHeight = BROKEN, 12
    y = alt.Y("method:N", sort=order, title=None, axis=names)
    colour = alt.Color(
        "mark:N",
        scale=alt.Scale(domain=[HERE, PUBLISHED], range=[theme.RIGHT, theme.WRONG]),
        legend=alt.Legend(title=None, orient="top", symbolType="square", symbolOpacity=1),
    )
    x = alt.X("acc:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]))
    shape = alt.Shape(
        "device:N",
        scale=alt.Scale(
            domain=devices, range=[SHAPES[i % len(SHAPES)] for i in range(len(devices))]
        ),
        legend=alt.Legend(title="device", orient="top") if len(devices) > 1 else None,
    )
    dots = charts.write(alt.Chart(measured), "acc").mark_point(
        size=60, color=theme.RIGHT, opacity=0.7, filled=True
    )
    bar = charts.write(alt.Chart(means), "acc").mark_tick(thickness=3, size=ROW - 10)
    known = published[published["method"].isin(order)].assign(mark=PUBLISHED)
    ticks = alt.Chart(known).mark_tick(thickness=2, size=ROW - 14)
    value = charts.written_tooltip("acc", "acc")
    words = ["method:N", "device:N"]
    chart = charts.layered(
        bar.encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[*words, charts.written_tooltip("acc", "mean")],
        ),
        dots.encode(x=x, y=y, shape=shape, tooltip=[*words, value]),
        ticks.encode(
            x=x,
            y=y,
            color=colour,
            tooltip=["method:N", alt.Tooltip("words:N", title="published")],
        ),
    )
    chart.height = max(len(order), 1) * ROW + AXIS
    return charts.finish(chart)

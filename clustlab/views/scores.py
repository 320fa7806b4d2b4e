"""Accuracies of methods over seeds, beside published ones."""

import altair as alt
import pandas as pd

from clustlab.views import charts, theme

ROW, AXIS = 34, 60  # heights of a method and of what stands below, in pixels


def seeds(measured: pd.DataFrame, published: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each seed of each method, the mean as a bar, published figures as upright ticks.

    Reading: each dot is one seed, the long tick their mean. Orange ticks are published figures:
    they come from other numbers of images, epochs and choices of the best run, so compare them
    with care; hover for their protocol. Dots far apart mean that one run says little.

    Parameters
    ----------
    measured : DataFrame
        Columns `method` and `acc` in [0, 1], one row a seed.
    published : DataFrame
        Columns `method`, `acc` and `words`.
    """
    order = measured.groupby("method")["acc"].mean().sort_values(ascending=False).index.tolist()
    y = alt.Y("method:N", sort=order, title=None, axis=charts.names_axis(len(order), 200))
    x = alt.X("acc:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]))
    dots = alt.Chart(measured).mark_circle(size=60, color=theme.RIGHT, opacity=0.7)
    means = measured.groupby("method", as_index=False)["acc"].mean()
    bar = alt.Chart(means).mark_tick(color=theme.RIGHT, thickness=3, size=ROW - 10)
    known = published[published["method"].isin(order)]
    ticks = alt.Chart(known).mark_tick(color=theme.WRONG, thickness=2, size=ROW - 14)
    value = alt.Tooltip("acc:Q", format=".3f")
    chart = charts.layered(
        bar.encode(x=x, y=y, tooltip=["method:N", value]),
        dots.encode(x=x, y=y, tooltip=["method:N", value]),
        ticks.encode(x=x, y=y, tooltip=["method:N", alt.Tooltip("words:N", title="published")]),
    )
    chart.height = max(len(order), 1) * ROW + AXIS
    return charts.finish(chart)

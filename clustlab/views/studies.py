"""What a study found: every seed a dot, over the values of what was varied."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from clustlab.views import charts, theme

COLUMNS = ("value", "seed", "figure", "group")
MANY = 12  # values up to which categories are written level


def over_setting(
    rows: pd.DataFrame, setting: str, title: str, *, values: Sequence[str], is_number: bool
) -> alt.LayerChart:
    """A figure over the values of a setting: a dot for each seed, the median and the range.

    Reading: where dots of two values mix, the seed matters as much as the setting. Only a gap wider
    than the spread of the seeds says something of the setting.

    Parameters
    ----------
    rows : DataFrame
        One row a run: `value` of the setting (number or text), `seed`, `figure`, and `group`, the
        other settings in words, empty without any.
    setting, title : str
        What the axes are called.
    values : sequence of str
        Values in their order, where they are no numbers.
    is_number : bool
        Whether values are numbers on a scale; they are in a row of their own otherwise.
    """
    few = list(dict.fromkeys(rows["value"])) if is_number and len(values) <= MANY else None
    # with its digits, or Vega takes as few as would do for ticks at equal distances: 15 as 2e+1
    ticks = alt.Axis(values=few, format=".6~g") if few else alt.Axis()
    x = alt.X("value:Q", title=setting, scale=alt.Scale(zero=False, padding=20), axis=ticks)
    if not is_number:
        turned = alt.Axis(labelAngle=0 if len(values) <= MANY else -45)
        x = alt.X("value:N", title=setting, sort=list(values), axis=turned)
    groups = list(dict.fromkeys(rows["group"]))
    colour = alt.Color(
        "group:N",
        scale=alt.Scale(domain=groups, range=[theme.colour(i) for i in range(len(groups))]),
        legend=charts.line_legend(groups) if len(groups) > 1 else None,
    )
    base = alt.Chart(rows)
    spread = base.mark_rule(strokeWidth=2, opacity=0.5).encode(
        x=x, y=alt.Y("min(figure):Q", title=title), y2="max(figure):Q", color=colour
    )
    median = (
        base.mark_line(strokeWidth=2) if is_number else base.mark_tick(thickness=3, size=26)
    ).encode(x=x, y=alt.Y("median(figure):Q", title=title), color=colour)
    dots = (
        charts.write(alt.Chart(rows), "figure")
        .mark_circle(size=60, opacity=0.9)
        .encode(
            x=x,
            y=alt.Y("figure:Q", title=title, scale=alt.Scale(zero=False)),
            color=colour,
            tooltip=[
                alt.Tooltip("value", title=setting),
                alt.Tooltip("seed:N"),
                charts.written_tooltip("figure", title),
                *([alt.Tooltip("group:N", title="others")] if len(groups) > 1 else []),
            ],
        )
    )
    return charts.finish(charts.layered(spread, median, dots), "")

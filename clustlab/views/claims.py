"""What was measured for a claim: a dot for each seed, or a table as its source prints it."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from clustlab.views import charts, theme

COLUMNS = ("series", "seed", "figure")
CELLS = ("row", "column", "figure")
CLAIMED = "#c2410c"  # what the source prints, beside what was measured
LONGEST = 280  # pixels of a title of a series


def seeds(
    rows: pd.DataFrame,
    claimed: pd.DataFrame,
    title: str,
    *,
    series: Sequence[str],
    joined: Sequence[str] = (),
) -> alt.LayerChart:
    """Figures of several series: a dot for each seed, the median, the range and what is claimed.

    Reading: a dot is one seed, the bar the median, a diamond the figure that the source prints.
    Where dots of two rows mix, the seed matters as much as what the rows differ in.

    Parameters
    ----------
    rows : DataFrame
        One row a measurement: `series` (its title), `seed` and `figure`.
    claimed : DataFrame
        `series` and `figure` of what the source prints; may be empty.
    title : str
        What is measured.
    series : sequence of str
        Titles in their order.
    joined : sequence of str
        Titles of series through which a line is drawn for each seed.
    """
    y = alt.Y(
        "series:N",
        sort=list(series),
        title=None,
        scale=alt.Scale(domain=list(series)),
        axis=alt.Axis(labelLimit=LONGEST),
    )
    scale, ticks = alt.Scale(zero=False, nice=False, padding=16), alt.Axis(tickCount=8)
    x = alt.X("figure:Q", title=title, scale=scale, axis=ticks)
    base = alt.Chart(rows)
    spread = base.mark_rule(strokeWidth=2, opacity=0.5, color=theme.colour(0)).encode(
        y=y, x=alt.X("min(figure):Q", title=title), x2="max(figure):Q"
    )
    median = base.mark_tick(thickness=3, size=18, color=theme.colour(0)).encode(
        y=y, x=alt.X("median(figure):Q", title=title)
    )
    dots = (
        charts.write(alt.Chart(rows), "figure")
        .mark_circle(size=60, opacity=0.8, color=theme.colour(0))
        .encode(
            y=y,
            x=x,
            tooltip=[
                alt.Tooltip("series:N"),
                alt.Tooltip("seed:N"),
                charts.written_tooltip("figure", title),
            ],
        )
    )
    layers = [spread, median, dots]
    if joined:
        through = rows[rows["series"].isin(list(joined))].copy()
        through["place"] = through["series"].map({name: i for i, name in enumerate(joined)})
        lines = alt.Chart(through).mark_line(opacity=0.35, color=theme.GREY)
        layers.insert(0, lines.encode(y=y, x=x, detail="seed:N", order="place:Q"))
    if len(claimed):
        layers.append(
            charts.write(alt.Chart(claimed), "figure")
            .mark_point(shape="diamond", size=110, filled=True, color=CLAIMED)
            .encode(
                y=y,
                x=x,
                tooltip=[alt.Tooltip("series:N"), charts.written_tooltip("figure", "claimed")],
            )
        )
    return charts.finish(charts.layered(*layers), "")


def table(
    cells: pd.DataFrame, *, rows: Sequence[str], columns: Sequence[str], row_title: str
) -> alt.LayerChart:
    """A table of figures with a number in each cell.

    Reading: the darker a cell, the larger its figure within its table. Cells of one row are heads
    of one network, so where a row has light and dark ones, its heads have ended far apart.

    Parameters
    ----------
    cells : DataFrame
        `row`, `column` and `figure` of each cell.
    rows, columns : sequence of str
        In their order.
    row_title : str
        What rows are.
    """
    base = charts.write(alt.Chart(cells), "figure").encode(
        x=alt.X(
            "column:N", sort=list(columns), title=None, axis=alt.Axis(orient="top", labelAngle=0)
        ),
        y=alt.Y("row:N", sort=list(rows), title=row_title),
    )
    highest = max(0.2, float(cells["figure"].max())) if len(cells) else 0.2
    filled = base.mark_rect().encode(
        color=alt.Color(
            "figure:Q",
            scale=alt.Scale(domain=[0, highest], range=list(theme.RAMP)),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("row:N", title=row_title),
            alt.Tooltip("column:N", title="head"),
            charts.written_tooltip("figure", "figure"),
        ],
    )
    text = base.mark_text(fontSize=11).encode(
        text="figure written:N",
        color=alt.condition(
            f"datum.figure > {0.55 * highest}", alt.value("white"), alt.value("black")
        ),
    )
    return charts.finish(charts.layered(filled, text), "")

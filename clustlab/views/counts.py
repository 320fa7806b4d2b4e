"""How many there are of something at each step, with the step in view marked."""

import altair as alt
import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import charts, theme

MAX_STEPS = 500  # drawn; a chart this wide has no room for more


def over_time(steps: Array, counts: Array, *, step: int, last: int) -> alt.LayerChart:
    """One dot and line per counted step; the upright line is the step in view.

    Reading: a falling line means that the run sorts this out by itself. A jump marks a step at
    which something went wrong; click it to go there.

    Parameters
    ----------
    steps, counts : (m,) int
        Steps that were counted, and what was found there.
    step : int
        The step in view.
    last : int
        The last step of the run.

    Selection: point `at` with the field `step`.
    """
    few = np.unique(np.linspace(0, len(steps) - 1, MAX_STEPS).round().astype(np.int64))
    table = pd.DataFrame({"step": steps, "found": counts}).iloc[few if len(steps) else []]
    x = alt.X(
        "step:Q",
        title="step",
        scale=alt.Scale(domain=[0, max(last, 1)], nice=False),
        axis=alt.Axis(tickMinStep=1, grid=False, format="d"),
    )
    high = max(int(counts.max(initial=0)), 1)
    y = alt.Y(
        "found:Q",
        title=None,
        scale=alt.Scale(domain=[0, high]),
        axis=alt.Axis(tickMinStep=1, tickCount=4, format=",d"),
    )
    base = alt.Chart(table).encode(x=x, y=y)
    at = alt.selection_point(name="at", fields=["step"], nearest=True)
    tooltip = [alt.Tooltip("step:Q"), alt.Tooltip("found:Q", format=",d")]
    colour = theme.RAMP[3]
    line = base.mark_line(color=colour, strokeWidth=2)
    dots = base.mark_circle(size=30, opacity=1, color=colour).encode(tooltip=tooltip)
    now = alt.Chart(pd.DataFrame({"step": [step]})).mark_rule(color=theme.ACCENT, strokeWidth=1.5)
    named = dots.add_params(at).properties(name="steps")
    return charts.finish(charts.layered(now.encode(x="step:Q"), line, named))

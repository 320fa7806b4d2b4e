"""Bars for the features of vectors: what differs in a cluster."""

import json
from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from clustlab.data.item_names import shortened
from clustlab.types import Array
from clustlab.views import charts, theme

MOST = 12  # features in sight
ROW, AXIS = 22, 60  # height of a bar in pixels, and of what stands below them


def differences(
    values: Array, inside: Array, outside: Array, names: Sequence[str], *, cluster: int
) -> alt.LayerChart:
    """The features in which a cluster differs most from all other items.

    Reading: a bar to the right means that the feature is greater in this cluster than elsewhere, to
    the left that it is smaller, in standard deviations. Beyond 2 the two hardly overlap; if no bar
    gets to 0.5, no single feature tells the cluster apart.

    Parameters
    ----------
    values, inside, outside : (d,) float
        Standardised difference of each feature, and its means in the cluster and elsewhere.
    names : (d,) str
        Of the features.
    cluster : int
        Whose colour the bars have.
    """
    order = np.argsort(-np.abs(values), kind="stable")[:MOST]
    table = pd.DataFrame(
        {
            "row": [str(i) for i in range(len(order))],  # two names may be short for the same
            "feature": [shortened(names[i]) for i in order],
            "difference": values[order],
            "in the cluster": inside[order],
            "elsewhere": outside[order],
        }
    )
    table["written"] = [f"{value:+.2f}" for value in table["difference"]]
    reach = 1.25 * max(float(np.abs(values[order]).max(initial=0.0)), 1.0)
    x = alt.X(
        "difference:Q",
        title="difference from all other items, in deviations",
        scale=alt.Scale(domain=[-reach, reach]),
    )
    labels = json.dumps(table["feature"].tolist()) + "[toNumber(datum.value)]"
    axis = alt.Axis(labelExpr=labels, labelLimit=220, labelOverlap=False, ticks=False, domain=False)
    y = alt.Y("row:N", sort=table["row"].tolist(), title=None, axis=axis)
    numbers = [alt.Tooltip(f"{name}:Q", format=".4~g") for name in ("in the cluster", "elsewhere")]
    tooltip = [alt.Tooltip("feature:N"), alt.Tooltip("written:N", title="difference"), *numbers]
    base = alt.Chart(table).encode(x=x, y=y, tooltip=tooltip)
    beside = alt.ExprRef("datum.difference < 0 ? -4 : 4")
    side = alt.ExprRef("datum.difference < 0 ? 'right' : 'left'")
    layers = charts.layered(
        base.mark_bar(height=ROW - 8, color=theme.colour(cluster)),
        base.mark_text(dx=beside, align=side, color=theme.GREY).encode(text="written:N"),
    )
    return charts.finish(layers.properties(height=max(len(table), 1) * ROW + AXIS))

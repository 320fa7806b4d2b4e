"""The embedding as dots that glide between steps, to draw a lasso in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import scatter, theme


def option(
    table: pd.DataFrame,
    *,
    colour_by: str = "cluster",
    selected: Sequence[int] | Array = (),
    names: Sequence[str] = (),
    title: str = "",
    extent: float | None = None,
    side: int = 560,
) -> tuple[dict[str, Any], list[Array]]:
    """ECharts option with a lasso, and for each of its series the items of its dots, in order.

    Reading: draw around a group to select it; double-click to clear. Dots move to their new places
    when the step changes.

    A selected data index of series i stands for that place in the i-th list. To find items that
    are not drawn as well, pass the polygon of the selection to `lassoed`.

    Parameters
    ----------
    names : (n,) str, optional
        Of all items, for the hover.
    side : int
        Height of the chart in pixels; the dots fill a square in it.
    """
    few = scatter.drawn(table, selected).reset_index(drop=True)
    if names:
        few["name"] = scatter.named(few, names)
    x, y, half = scatter.square_of(table, extent)
    few["x"], few["y"] = few["x"].clip(x - half, x + half), few["y"].clip(y - half, y + half)
    note = theme.shown(len(few), len(table))
    chart = {
        "title": {"text": title, "subtext": note, "left": 0, "textStyle": {"fontSize": 13}},
        "animationThreshold": theme.MAX_POINTS + 1,  # so that dots glide instead of jumping
        "animationDurationUpdate": 300,
        "dataset": {"source": few},
        "grid": {"left": "center", "top": 48, "width": side - 56, "height": side - 56},
        "xAxis": {"type": "value", "show": False, "min": x - half, "max": x + half},
        "yAxis": {"type": "value", "show": False, "min": y - half, "max": y + half},
        "toolbox": {"right": 48, "feature": {"brush": {"type": ["polygon", "clear"]}}},
        "brush": {
            "xAxisIndex": "all",
            "yAxisIndex": "all",
            "throttleType": "debounce",
            "throttleDelay": 300,
            "outOfBrush": {"colorAlpha": 0.15},
        },
        "tooltip": {"trigger": "item"},
        "visualMap": _visual_map(table, colour_by),
        "series": [
            {
                "type": "scatter",
                "id": "dots",
                "symbolSize": 5,
                "encode": {
                    "x": "x",
                    "y": "y",
                    "itemId": "index",
                    "itemName": "name" if names else "index",
                },
            }
        ],
    }
    return chart, [few["index"].to_numpy()]


def _visual_map(table: pd.DataFrame, by: str) -> dict[str, Any]:
    """ECharts mapping from a column to colours, the same as in the other chart."""
    if by in ("confidence", "changes"):
        high = 1.0 if by == "confidence" else float(max(table[by].max(), 1)) if len(table) else 1.0
        scale = {"type": "continuous", "min": 0, "max": high}
        return {**scale, "dimension": by, "inRange": {"color": list(theme.RAMP)}, "show": False}
    if by == "correct":
        pairs = scatter.correctness(table)
    elif by == "class":
        known = table[["class_id", "class"]].drop_duplicates()
        rows = zip(known["class_id"].tolist(), known["class"].tolist(), strict=True)
        pairs = {name: theme.class_colour(number) for number, name in rows}
    else:
        pairs = {str(c): theme.colour(int(c)) for c in sorted(table["cluster"].unique())}
    return {
        "type": "piecewise",
        "dimension": by,
        "categories": list(pairs),
        "inRange": {"color": pairs},
        "show": False,
    }


def lassoed(table: pd.DataFrame, polygon: Sequence[Sequence[float]]) -> Array:
    """Numbers of all items inside a polygon of (x, y) corners, by the even-odd rule."""
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    inside = np.zeros(len(table), dtype=bool)
    corners = np.asarray(polygon, dtype=np.float64).reshape(-1, 2)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay == by:
            continue
        crosses = (y < ay) != (y < by)
        inside ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return table.loc[inside, "index"].to_numpy()

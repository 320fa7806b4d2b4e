"""The embedding as dots that glide between steps, to draw a lasso in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from clustlab.types import Array
from clustlab.views import scatter, theme


def embedding(
    table: pd.DataFrame,
    *,
    color_by: str = "cluster",
    selected: Sequence[int] | Array = (),
    title: str = "",
    extent: float | None = None,
    size: tuple[int, int] = (760, 620),
) -> tuple[dict[str, Any], pd.DataFrame]:
    """ECharts option with a lasso, and the table of its dots in the order of their indices.

    Reading: draw around a group to select it; double-click clears. Dots move to their new place
    when the step changes.

    The table is the option's `dataset.source`: a selected data index is a row of it. Better is to
    pass the polygon of the selection to `lassoed`, which also finds items that are not drawn.
    """
    few = scatter.drawn(table, selected).reset_index(drop=True)
    x, y = (s.to_dict()["domain"] for s in scatter.window_of(table, extent, size))
    note = theme.shown(len(few), len(table))
    option = {
        "title": {"text": title, "subtext": note, "left": 0, "textStyle": {"fontSize": 13}},
        "animationThreshold": theme.MAX_POINTS + 1,  # so that dots glide instead of jumping
        "animationDurationUpdate": 300,
        "dataset": {"source": few},
        "grid": {"left": 8, "right": 8, "top": 48, "bottom": 8},
        "xAxis": {"type": "value", "show": False, "min": x[0], "max": x[1]},
        "yAxis": {"type": "value", "show": False, "min": y[0], "max": y[1]},
        "toolbox": {"right": 48, "feature": {"brush": {"type": ["polygon", "rect", "clear"]}}},
        "brush": {
            "xAxisIndex": "all",
            "yAxisIndex": "all",
            "throttleType": "debounce",
            "throttleDelay": 300,
            "outOfBrush": {"colorAlpha": 0.15},
        },
        "tooltip": {"trigger": "item"},
        "visualMap": _visual_map(table, color_by),
        "series": [
            {
                "type": "scatter",
                "id": "dots",
                "symbolSize": 5,
                "encode": {"x": "x", "y": "y", "itemId": "index", "itemName": "index"},
            }
        ],
    }
    return option, few


def _visual_map(table: pd.DataFrame, by: str) -> dict[str, Any]:
    """ECharts mapping from a column to colours, the same as in the other chart."""
    if by in ("confidence", "changes"):
        high = 1.0 if by == "confidence" else float(max(table[by].max(), 1)) if len(table) else 1.0
        scale = {"type": "continuous", "min": 0, "max": high}
        return {**scale, "dimension": by, "inRange": {"color": list(theme.RAMP)}, "show": False}
    if by == "correct":
        pairs = {"right": theme.RIGHT, "wrong": theme.WRONG, "unknown": theme.UNKNOWN}
    elif by == "class":
        known = table[["class_id", "class"]].drop_duplicates()
        rows = zip(known["class_id"].tolist(), known["class"].tolist(), strict=True)
        pairs = {name: theme.class_color(number) for number, name in rows}
    else:
        pairs = {str(c): theme.color(int(c)) for c in sorted(table["cluster"].unique())}
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

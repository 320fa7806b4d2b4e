"""From an Altair chart to what the browser is sent, in a third of the time.

Altair checks each specification against the schema of Vega-Lite, which takes longer than all the
rest of drawing a step. The tests check every view; a running app need not do it again.
"""

import threading
from collections.abc import Mapping
from typing import Any

import altair as alt
import pandas as pd
import pyarrow as pa

_one_at_a_time = threading.Lock()  # Altair's choice of transformer belongs to the process
_frames: dict[int, tuple[str, pd.DataFrame]] = {}


def vega_lite_spec(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """Specification of a chart with its tables, unchanged, under `datasets`.

    Tables are numbered in their order, so that two charts that differ in their rows only have the
    same specification otherwise.
    """
    with _one_at_a_time, alt.data_transformers.enable("by number"):
        _frames.clear()
        spec: dict[str, Any] = chart.to_dict(validate=False)
        spec["datasets"] = dict(_frames.values())
        _frames.clear()
    return spec


def with_rows(spec: Mapping[str, Any], number: int, rows: pd.DataFrame) -> dict[str, Any]:
    """A specification with other rows in its table of this number; the rest is shared."""
    return {**spec, "datasets": {**spec["datasets"], f"table-{number}": rows}}


def with_arrow_tables(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A specification with its tables as they are sent, so that they need not be turned again."""
    tables = {
        name: pa.Table.from_pandas(rows) if isinstance(rows, pd.DataFrame) else rows
        for name, rows in spec["datasets"].items()
    }
    return {**spec, "datasets": tables}


def _by_number(data: Any) -> dict[str, Any]:
    name, _ = _frames.setdefault(id(data), (f"table-{len(_frames)}", data))
    return {"name": name}


alt.data_transformers.register("by number", _by_number)

"""What was measured for a claim as a chart, or as a table beside the one that was printed."""

import statistics
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from clustlab.evidence import words
from clustlab.evidence.claim import Claim, Grid, Paths
from clustlab.evidence.record import Record
from clustlab.ui import state
from clustlab.ui.markdown import plain
from clustlab.ui.widgets import panels
from clustlab.views import claims as views

ROW = 34  # pixels of a series
MARGIN = 70


def draw(claim: Claim, found: Record) -> None:
    """Draw the figures of a claim: every seed, its spread, and what is claimed."""
    if isinstance(claim.drawing, Grid):
        _tables(claim.drawing, found)
    else:
        _dots(claim, found)


def _dots(claim: Claim, found: Record) -> None:
    title = claim.series_title
    keys = words.told_series(claim)
    rows = [
        {"series": title(key), "seed": seed, "figure": value}
        for key in keys
        for seed, value in found.figures.get(key, {}).items()
    ]
    claimed = [
        {"series": each.title, "figure": each.claimed}
        for each in claim.series
        if each.claimed is not None and each.key in keys
    ]
    joined = claim.drawing.keys if isinstance(claim.drawing, Paths) else ()
    panels.chart(
        views.seeds,
        pd.DataFrame(rows, columns=list(views.COLUMNS)),
        pd.DataFrame(claimed, columns=["series", "figure"]),
        claim.figure,
        series=[title(key) for key in keys],
        joined=[title(key) for key in joined],
        key="claim-chart",
        height=MARGIN + ROW * len(keys),
        alt=f"{claim.figure}, a dot for each seed",
    )


def _tables(grid: Grid, found: Record) -> None:
    seeds = found.seeds
    printed = {
        (row, column): grid.printed[i][j]
        for i, row in enumerate(grid.rows)
        for j, column in enumerate(grid.columns)
    }
    choices: list[int | None] = [*seeds, None]
    seed = st.segmented_control(
        "Seed of what was measured",
        choices,
        format_func=lambda seed: "median" if seed is None else plain(seed),
        default=seeds[0] if seeds else None,
        key=state.CLAIM_SEED.key,
    )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**As printed**")
        _table(grid, printed, "printed")
    with right:
        st.markdown("**As measured**")
        _table(grid, _cells(grid, found, seed), "measured")


def _cells(grid: Grid, found: Record, seed: int | None) -> Mapping[tuple[str, str], float]:
    """Figures by row and column: of a seed, or the median of all."""
    cells = {}
    for i, row in enumerate(grid.rows):
        for j, column in enumerate(grid.columns):
            by_seed = found.figures.get(grid.key(i, j), {})
            if seed is None and by_seed:
                cells[row, column] = statistics.median(by_seed.values())
            elif seed is not None and seed in by_seed:
                cells[row, column] = by_seed[seed]
    return cells


def _table(grid: Grid, cells: Mapping[tuple[str, str], float], name: str) -> None:
    rows = [{"row": r, "column": c, "figure": value} for (r, c), value in cells.items()]
    panels.chart(
        views.table,
        pd.DataFrame(rows, columns=list(views.CELLS)),
        rows=list(grid.rows),
        columns=list(grid.columns),
        row_title=grid.row_title,
        key=f"claim-table-{name}",
        height=MARGIN + ROW * len(grid.rows),
        alt=f"Errors of each head in each setting, {name}",
    )

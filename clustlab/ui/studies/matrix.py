"""The runs of a study as a table that fills up: a row for each cell, a column for each seed."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from clustlab.analysis.shares import percent
from clustlab.runs.status import ACTIVE
from clustlab.studies.description import Study
from clustlab.studies.state import MISSING, WORDS, Place
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain
from clustlab.views import theme

PARTLY = ("running", "paused", "set aside", "cancelled", "failed", "lost")  # a share is done
GROUNDS = {  # behind the words, and so faint that they can be read on white and on near-black
    "done": f"{theme.RIGHT}55",
    "running": f"{theme.RIGHT}22",
    "paused": f"{theme.RIGHT}22",
    "failed": f"{theme.WRONG}55",
    "lost": f"{theme.WRONG}55",
}
MOST_ROWS, MOST_HEIGHT = 11, 420  # rows that are all in sight, and pixels of more of them


def matrix(study: Study, every: Sequence[Place]) -> None:
    """Where every run of a study stands; a click on one opens it."""
    told = [told_of(place) for place in every]
    frame = table(study, every, [words for words, _ in told])
    grounds = table(study, every, [ground for _, ground in told], others="")
    event: Any = st.dataframe(
        frame.style.apply(lambda _: grounds, axis=None),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        height="content" if len(frame) <= MOST_ROWS else MOST_HEIGHT,
        column_config={
            axis.name: st.column_config.TextColumn(
                plain(_capital(study.label(axis.name))), pinned=True
            )
            for axis in study.varied
        },
        key=f"study-matrix-{hash(repr(study))}",
        alt=f"Where each run of the study {study.name} stands",
    )
    st.caption("Choose a field to open its run.")
    place = place_at(event.selection.cells, study, every)
    if place is not None and place.run is not None:
        session.choose(place.run.id)
        nav.go("train" if place.status in ACTIVE else "embedding")


def told_of(place: Place) -> tuple[str, str]:
    """How far a run is, in words, and the style of its field."""
    if place.run is None:
        return WORDS[MISSING], ""
    progress = place.run.progress
    status, share = progress["status"], float(progress.get("fraction") or 0)
    words = WORDS[status]
    if share and status in PARTLY:
        words = f"{words}, {percent(share, 0)}"
    ground = GROUNDS.get(status)
    return words, f"background-color: {ground}" if ground else ""


def seed_names(study: Study) -> list[str]:
    """Columns of the seeds."""
    return [f"Seed {seed}" for seed in study.seeds]


def table(
    study: Study, every: Sequence[Place], fields: Sequence[str], others: str | None = None
) -> pd.DataFrame:
    """A field for each run, in the row of its cell; `others` stands in the columns before them."""
    of_places = {(p.cell, p.seed): field for p, field in zip(every, fields, strict=True)}
    rows = []
    for cell in study.cells:
        row = {
            name: study.value_words(name, value) if others is None else others
            for name, value in cell.chosen
        }
        seeds = zip(seed_names(study), study.seeds, strict=True)
        rows.append({**row, **{name: of_places[cell, seed] for name, seed in seeds}})
    return pd.DataFrame(rows)


def place_at(
    cells: Sequence[tuple[int, str]], study: Study, every: Sequence[Place]
) -> Place | None:
    """The run in a field that was chosen; None for none, and for a column that names no seed."""
    for row, column in cells:
        if column in seed_names(study) and row < len(study.cells):
            chosen = study.cells[row], study.seeds[seed_names(study).index(column)]
            return next((p for p in every if (p.cell, p.seed) == chosen), None)
    return None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

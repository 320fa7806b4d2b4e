"""The figure of a lesson: draws the parts that the lesson computed."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from clustlab.course.controls import Grid, Values
from clustlab.course.figure import Chart, Element, Numbers, Picture, Words
from clustlab.course.lesson import LessonStep, Material
from clustlab.ui import state
from clustlab.ui.learn import plane
from clustlab.ui.markdown import authored
from clustlab.ui.state import SessionValue
from clustlab.ui.widgets.picture_menu import picture_menu
from clustlab.views import specification

Mover = Callable[[str, tuple[tuple[float, float], ...]], None]


def draw_lesson_figure(
    step: LessonStep, values: Values, materials: Sequence[Material], move: Mover | None
) -> None:
    """Compute the figure of a step and draw its parts one below the other."""
    with st.spinner("Computing the figure ..."):  # seen only if it takes half a second
        parts = step.figure(values, materials)
    for place, part in enumerate(parts):
        _part(part, values, step.title, f"figure-{step.title}-{place}", move)


def _part(part: Element, values: Values, title: str, key: str, move: Mover | None) -> None:
    if isinstance(part, Words):
        st.markdown(authored(part.text))
    elif isinstance(part, Chart):
        spec = specification.vega_lite_spec(part.chart)
        st.vega_lite_chart(
            spec,
            width="stretch",
            height=part.height or "content",
            key=key,
            alt=part.alt,
        )
        picture_menu(spec, name=title, key=key, reading=part.alt)
    elif isinstance(part, Picture):
        st.image(part.pixels, width=part.width or "content", alt=part.alt)
    elif isinstance(part, Numbers):
        _numbers(part, key)
    else:
        control = part.control
        plane.movable_points(
            part,
            values[control],
            key=key,
            on_move=partial(move, control) if move else None,
        )


def _numbers(part: Numbers, key: str) -> None:
    """A table; below it the arithmetic of the number that was clicked."""
    table = part.table
    event: Any = st.dataframe(
        table.style.format(precision=part.digits),
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        height="content",
        alt=part.label,
    )
    cells = event.selection.cells if event else []
    chosen = part.start
    if cells and cells[0][1] in table.columns:
        chosen = (int(cells[0][0]), str(cells[0][1]))
    if chosen is None or chosen[0] >= len(table):
        st.caption(f"{authored(part.label)}. Click a number to see how it came about.")
    else:
        st.markdown(authored(part.arithmetic(*chosen)))
        st.caption(f"{authored(part.label)}. Click another number to see its arithmetic.")


def grid(control: Grid, value: Any, *, key: str, locked: bool) -> Any:
    """A table to edit; returns its numbers as tuples."""
    base = SessionValue(f"{key}-base", value)
    if not state.widget(key).is_set():
        base.set(value)
    table = pd.DataFrame(
        [list(map(float, row)) for row in base.get()],
        index=list(control.rows),
        columns=list(control.columns),
    )
    st.caption(authored(control.label))
    edited = st.data_editor(table, key=key, disabled=locked, height="content")
    return tuple(tuple(float(x) for x in row) for row in edited.fillna(0.0).to_numpy())

"""Choosing by keyboard what a chart lets one choose by mouse: a cell, a band, or an area."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import streamlit as st

from clustlab.types import Array
from clustlab.ui import session, state
from clustlab.ui.markdown import Markdown, plain

MOST = 1000  # choices in a box; beyond them lie the smallest cells of a very large table
WHOLE = (0, 100)  # percent
HELP = (
    "Selects the dots in a rectangle without a mouse. Percentages refer to the square in the "
    "middle of the map; 0 and 100 also include everything beyond it."
)


@dataclass(frozen=True)
class Chooser:
    """One thing out of several, chosen in a chart or in the box beside it: `choose` does the rest.

    What was chosen last is remembered for as long as the chart would keep its mark.
    """

    name: str  # of the chart, as in `session.chart_key`
    key: str  # of the chart as it is drawn now
    choose: Callable[[Any], None]  # selects the items of a cell, a band ...

    def take(self, value: Hashable) -> None:
        """Choose what was clicked."""
        self.choose(value)
        title = session.selection()[1]
        state.CHOSEN_BY_KEYS.set((session.chart_key(self.name), value, title))

    def current(self) -> Hashable:
        """What is selected now, if it was chosen here; else None."""
        key, value, title = state.CHOSEN_BY_KEYS.get()
        here = key == session.chart_key(self.name) and title == session.selection()[1]
        return value if here else None

    def box(
        self,
        label: Markdown,
        words: Mapping[Any, str],
        *,
        width: int | Literal["stretch"] = "stretch",
    ) -> None:
        """Select box of all that can be chosen, by its words; clearing it clears the selection.

        The style sheet lifts it into the line of the tabs where it is the first in one of them.
        """
        box = state.widget(f"box-{self.name}")
        now = self.current()
        now = now if now in words else None
        if box.get() != now or not box.is_set():
            box.set(now)

        def chosen() -> None:
            value = box.get()
            if value is None:
                session.clear()
                return
            if value in words:  # not a text of an earlier redraw, which Streamlit hands on as it is
                forget_marks(self.key)
                self.take(value)

        st.selectbox(
            label,
            list(words),
            index=None,
            format_func=lambda value: words.get(value, ""),
            key=box.key,
            placeholder=label,
            disabled=not words,
            width=width,
            on_change=chosen,
            label_visibility="collapsed",
        )


def forget_marks(key: str) -> None:
    """Take out of a chart what was marked in it by mouse, before something else is chosen."""
    chart = state.widget(key).get()
    if chart and any(chart["selection"].values()):
        session.clear_charts()


def filled(counts: Array) -> list[tuple[int, int, int]]:
    """Row, column and count of the cells (a, b) that are not empty, the fullest first."""
    flat = counts.ravel()
    order = np.argsort(-flat, kind="stable")[: min(int((flat > 0).sum()), MOST)]
    rows, columns = np.unravel_index(order, counts.shape)
    return list(zip(rows.tolist(), columns.tolist(), flat[order].tolist(), strict=True))


def cells(
    counts: Array,
    say: Callable[[int, int], str],
    *,
    noun: str,
    rows: Array | None = None,
    columns: Array | None = None,
) -> dict[tuple[int, int], str]:
    """What can be chosen of a table: each cell that is not empty in words, the fullest first.

    Rows and columns are known by their places, or by the numbers given for them.
    """
    rows = np.arange(counts.shape[0]) if rows is None else rows
    columns = np.arange(counts.shape[1]) if columns is None else columns
    words = {}
    for row, column, n in filled(counts):
        cell = int(rows[row]), int(columns[column])
        words[cell] = f"{say(*cell)}: {counted(n, noun)}"
    return words


def counted(n: int, noun: str) -> str:
    """So many images or items, in words."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


# -- areas -------------------------------------------------------------------------------------
Edges = tuple[float, float]


def area(
    name: str,
    places: Mapping[str, tuple[Array, Array]],
    square: tuple[float, float, float],
    choose: Callable[[str, Edges, Edges], None],
    *,
    label: Markdown = "Select by numbers",
) -> None:
    """Small panel, folded away, that selects the dots in a rectangle given in numbers.

    It is an expander that the style sheet lets float: a popover would stand behind the whole page
    in the order in which the tab key goes through it.

    Parameters
    ----------
    name : str
        Of the chart; the widgets are called after it.
    places : mapping of str to pairs of (n,) float
        Where the dots lie across and up, pane by pane.
    square : three float
        Middle across, middle up and half the side of the square that is shown.
    choose : callable
        Takes the pane, and the lower and upper end across and up, as from a brush.
    label : str
        On the button that opens it.
    """
    box = st.expander(
        label,
        icon=":material/keyboard:",
        key=f"area-{name}",
        on_change="rerun",
    )
    if not box.open:  # what nobody sees costs no time
        return
    with box:
        st.markdown("**Select a rectangle by numbers**", help=HELP)
        pane = next(iter(places))
        if len(places) > 1:
            pane = st.segmented_control(
                "In",
                list(places),
                format_func=plain,
                default=pane,
                required=True,
                key=f"{name}-pane",
            )
        across = st.slider("Left to right, in %", *WHOLE, WHOLE, key=f"{name}-across")
        up = st.slider("Bottom to top, in %", *WHOLE, WHOLE, key=f"{name}-up")
        edges = edge(across, square[0], square[2]), edge(up, square[1], square[2])
        x, y = places[pane]
        n = int((_within(x, edges[0]) & _within(y, edges[1])).sum())

        st.button(
            f"Select these {n:,}",
            icon=":material/select_all:",
            key=f"{name}-take",
            disabled=not n,
            on_click=choose,
            args=(str(pane), *edges),
        )


def edge(share: Sequence[float], middle: float, half: float) -> Edges:
    """Ends of a stretch in the values of the dots; at 0 and 100 percent they are open."""
    low, high = (middle + (each / 50 - 1) * half for each in share)
    return (
        -np.inf if share[0] <= WHOLE[0] else low,
        np.inf if share[1] >= WHOLE[1] else high,
    )


def _within(values: Array, ends: Edges) -> Array:
    return np.asarray((values >= ends[0]) & (values <= ends[1]))

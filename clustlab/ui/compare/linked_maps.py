"""Linked maps on the page Compare: the embedding of each run, or the plane of its items."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.analysis import matching
from clustlab.ui import session, state
from clustlab.ui.compare.compared_run import Side, chart_key, select
from clustlab.ui.look import decision_regions
from clustlab.ui.markdown import plain
from clustlab.ui.server.routes import item_url
from clustlab.ui.widgets import available_width, keyboard_choice, panels
from clustlab.views import panes, regions, theme

KINDS = {"plane": "Plane", "embedding": "Embedding"}


def linked_maps(sides: Sequence[Side]) -> None:
    """A pane for each run, in all of which a brush lights the same items."""
    with st.container(key="compare-panes"):
        in_plane, scored = _choices(sides)
        first, letters = sides[0].view, [side.letter for side in sides]
        table, key = _table(sides, in_plane), chart_key("panes")
        square = (0.0, 0.0, first.timeline.extent())
        drawing: tuple[Any, ...] = (panes.linked, table, letters)
        options: dict[str, Any] = {"extent": square[2]}
        if in_plane:
            key, square = f"{key}-plane", regions.square_of(sides[0].whole.dataset.items)
            spots = [
                matching.looked_up(decision_regions.clusters(s.whole, scored, square), s.ids)
                for s in sides
            ]
            drawing, options = (regions.linked, table, letters, spots, square), {}
        across = available_width.width("compare-room", panes.ENOUGH)
        keyboard_choice.area(
            "panes",
            {a: (table[f"x{a}"].to_numpy(), table[f"y{a}"].to_numpy()) for a in letters},
            square,
            lambda a, x, y: _brushed(table, {f"x{a}": x, f"y{a}": y}),
            key=key,
        )
        indices, _ = session.selection()
        panels.chart(
            *drawing,
            selected=indices,
            ids=np.unique(np.concatenate([side.ids for side in sides])),
            image_url=item_url(first.run.id) if first.dataset.images is not None else None,
            names=sides[0].whole.dataset.item_names,
            room=across,
            key=key,
            on_select=lambda: _chosen(table, key),
            select=["brush", "pick"],
            width="content",
            **options,
        )
        few = panes.kept(indices)
        if len(few) < len(indices):
            what = f"selected {first.dataset.noun}s"
            st.caption(plain(theme.shown(len(few), len(indices), what)) + ".")


def _choices(sides: Sequence[Side]) -> tuple[bool, bool]:
    """Whether the items are shown where they lie, and whether methods are asked for the ground."""
    if not decision_regions.has_plane(sides[0].view):
        return False, False
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = st.segmented_control(
            "Where the items are shown",
            list(KINDS),
            default="plane",
            required=True,
            format_func=KINDS.__getitem__,
            key="compare-map",
            bind="query-params",
            label_visibility="collapsed",
        )
        in_plane = kind == "plane"
        return in_plane, in_plane and decision_regions.by_scores([side.whole for side in sides])


def _table(sides: Sequence[Side], in_plane: bool) -> pd.DataFrame:
    """Where all items lie and what is known of them, run by run."""
    first = sides[0].view
    return panes.wide(
        [side.view.dataset.items if in_plane else side.points for side in sides],
        [side.clusters for side in sides],
        letters=[side.letter for side in sides],
        labels=first.labels,
        class_names=first.dataset.class_names,
        items=sides[0].items,
    )


def _brushed(table: pd.DataFrame, brush: Mapping[str, Sequence[float]]) -> None:
    letter = next(iter(brush))[1:]
    select("panes", panes.brushed(table, brush), f"Brushed in {letter}")


def _chosen(table: pd.DataFrame, key: str) -> None:
    """Take over what was brushed or clicked in one of the panes."""
    brush, pick = state.marked(key, "brush") or {}, state.marked(key, "pick")
    if len(brush) == 2:
        _brushed(table, brush)
    elif pick:
        session.pick(int(pick[0]["index"]))

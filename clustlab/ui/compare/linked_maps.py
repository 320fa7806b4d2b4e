"""Linked maps on the page Compare: the embedding of each run, or the plane of its items."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.analysis import matching
from clustlab.types import Array
from clustlab.ui import session
from clustlab.ui.compare.compared_run import Side, select
from clustlab.ui.look import decision_regions, embedding
from clustlab.ui.maps import point_map
from clustlab.ui.maps.point_map import PointMap
from clustlab.ui.server.routes import item_url
from clustlab.ui.widgets import keyboard_choice, panels
from clustlab.views import panes, regions, scatter
from clustlab.views import point_map as views
from clustlab.views.sheets import png

KINDS = {"plane": "Plane", "embedding": "Embedding"}
KEY = "panes"
HEIGHT = "clamp(220px, 82cqi, 100vh - 420px)"  # by the width of a pane


def linked_maps(sides: Sequence[Side]) -> None:
    """A pane for each run, in all of which a brush lights the same items."""
    with st.container(key="compare-panes"):
        in_plane, scored = _choices(sides)
        tables = {side.letter: _dots(side, in_plane) for side in sides}
        first = sides[0].whole
        square = (0.0, 0.0, first.timeline.extent())
        if in_plane:
            square = regions.square_of(first.dataset.items)
        spots = [_spots(side, scored, square) if in_plane else None for side in sides]
        keyboard_choice.area(
            KEY,
            {letter: (at["x"].to_numpy(), at["y"].to_numpy()) for letter, at in tables.items()},
            square,
            lambda letter, x, y: _selected(
                scatter.brushed(tables[letter], x, y), "Brushed", letter
            ),
        )
        told = _columns(tables)
        with st.container(horizontal=True, key="compare-maps", gap="small"):
            for side, ground in zip(sides, spots, strict=True):
                with st.container(key=f"pane-{side.letter}"):
                    _pane(side, sides[0], tables[side.letter], square, told, ground)
        _below(sides, tables, spots, square)


def _pane(
    side: Side,
    first: Side,
    table: pd.DataFrame,
    square: views.Square,
    told: Sequence[views.Column],
    spots: Array | None,
) -> None:
    """The map of one run."""
    has_images = first.view.dataset.images is not None
    point_map.point_map(
        PointMap(
            table=table,
            square=square,
            title=side.letter,
            label=f"{side.name}: {len(table):,} dots, coloured by cluster",
            step=side.view.step,
            selected=session.selection()[0],
            picked=session.picked(),
            ground=None if spots is None else png(regions.picture(spots)),
            image_url=item_url(first.view.run.id) if has_images else None,
            names=embedding.item_names(first.whole.run),
            with_legend=False,
            with_marks=table["cluster"].nunique() <= panes.MAX_RINGS,
            columns=told,
        ),
        key=f"{KEY}-{side.letter}",
        height=HEIGHT,
        place=f"{side.view.run.id} {'embedding' if spots is None else 'plane'} compared",
        on_select=lambda items, how: _selected(items, how, side.letter),
        group=KEY,
    )


def _below(
    sides: Sequence[Side],
    tables: Mapping[str, pd.DataFrame],
    spots: Sequence[Array | None],
    square: views.Square,
) -> None:
    """How to read the maps, and the menu to save them."""
    wide = panes.wide(
        [table[["x", "y"]].to_numpy() for table in tables.values()],
        [side.clusters for side in sides],
        letters=list(tables),
        items=sides[0].items,
    )
    drawing: tuple[Any, ...] = (panes.linked, wide, list(tables))
    options: dict[str, Any] = {"extent": square[2]}
    if grounds := [ground for ground in spots if ground is not None]:
        drawing, options = (regions.linked, wide, list(tables), grounds, square), {}
    panels.below_map(
        *drawing,
        selected=session.selection()[0],
        ids=np.unique(np.concatenate([side.ids for side in sides])),
        key=KEY,
        **options,
    )


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


def _spots(side: Side, scored: bool, square: views.Square) -> Array:
    """Common number of the cluster of each spot of the plane."""
    return matching.looked_up(decision_regions.clusters(side.whole, scored, square), side.ids)


def _dots(side: Side, in_plane: bool) -> pd.DataFrame:
    """Where the shared items lie in a run, under their numbers on the page."""
    table = scatter.dots(
        side.view.dataset.items if in_plane else side.points,
        side.clusters,
        labels=side.view.labels,
        class_names=side.view.dataset.class_names,
    )
    return table.assign(index=side.items)


def _columns(tables: Mapping[str, pd.DataFrame]) -> list[views.Column]:
    """What is said of an item: its cluster in each run, and its class."""
    told = {letter: views.columns(table) for letter, table in tables.items()}
    named = [
        views.Column(f"cluster in {letter}", own[0].numbers, own[0].words)
        for letter, own in told.items()
    ]
    return [*named, *next(iter(told.values()))[1:]]


def _selected(items: Array, how: str, letter: str) -> None:
    select("panes", items, f"{how} in {letter}")

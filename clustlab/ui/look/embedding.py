"""Body of the page Embedding: every step as a map; brush or lasso it for the images."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from clustlab.data.item_names import shortened
from clustlab.runs.store import Run
from clustlab.types import Array, ClassRule
from clustlab.ui import nav, session, state
from clustlab.ui.look import decision_regions, projections
from clustlab.ui.maps import point_map
from clustlab.ui.maps.point_map import PointMap
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View, view_of
from clustlab.ui.server import ahead
from clustlab.ui.server.routes import item_url
from clustlab.ui.widgets import keyboard_choice, panels
from clustlab.views import point_map as views
from clustlab.views import regions, scatter
from clustlab.views.sheets import png

KEY = "map"
HEIGHT = "clamp(420px, 100vh - 400px, 1000px)"  # what happened at the step begins in sight
COLOURED_BY = {name: title.lower() for name, title in scatter.COLOURINGS.items()}
KINDS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE", "plane": "Plane"}
FURTHER = 1.06  # times as far out as the dots that were looked at, so that others are in sight
NARROWEST = 0.2  # of the extent
TRAIL = 8  # steps back that the selection leaves a trail


def embedding_page(view: View) -> None:
    """Choices above, the map below."""
    kinds = [k for k in KINDS if k != "plane" or decision_regions.has_plane(view)]
    if state.PROJECTION.get() not in (None, *kinds):
        state.PROJECTION.forget()  # of a run on points, before one on images was opened
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    with controls:
        kind = st.segmented_control(
            "Projection",
            kinds,
            default="plane" if "plane" in kinds else "pca",
            required=True,
            format_func=KINDS.__getitem__,
            key=state.PROJECTION.key,
            bind="query-params",
            help=nav.with_terms(
                "How the embedding is drawn in two dimensions.",
                "Embedding",
                "Projection",
                "PCA",
                "UMAP",
            ),
        )
        table = _table(view.run, view.step, view.asked_class_rule)
        colour_by = st.selectbox(
            "Colour by",
            scatter.colourings(table),
            format_func=scatter.COLOURINGS.__getitem__,
            key="colour",
            bind="query-params",
            width=150,
        )
    extent: float | None = view.timeline.extent()
    if kind == "plane":
        table, extent = table_of(view, view.dataset.items), None
    elif kind != "pca":
        points = projections.projected_points(view, str(kind))
        if points is None:
            st.caption(f"Until there is a layout by {KINDS[str(kind)]}, this is the PCA.")
            kind = "pca"
        else:
            table, extent = table_of(view, points), projections.extent(view.run, str(kind))
    with controls:
        by_numbers(KEY, table, extent)
    _map(view, table, str(colour_by), extent, str(kind))
    close = "" if view.dataset.images is None else point_map.PICTURED
    if kind != "plane":  # it says itself how to read it
        st.caption(plain(f"{scatter.reading(str(kind), str(colour_by))} {close}".strip()))


def table_of(view: View, points: Array) -> Any:
    """All items with their place and what is known of them."""
    return scatter.dots(
        points,
        view.clusters,
        labels=view.labels,
        class_names=view.dataset.class_names,
        classes=view.class_of if view.labels is not None else None,
        confidence=view.timeline.confidence(view.step),
        changes=view.timeline.flips(view.step),
    )


@session.kept_per_run(maxsize=4, anew=session.n_followed)
def _table(run: Run, step: int, rule: ClassRule | None) -> Any:
    """Table of the PCA of a step; nobody may write to it."""
    view = view_of(run, step, rule)
    return table_of(view, view.timeline.points(step))


@session.kept_per_run(maxsize=4, anew=session.n_followed)
def _prepared(run: Run, step: int, rule: ClassRule | None, colour_by: str) -> views.Prepared:
    """What takes long of the map of the PCA of a step."""
    table, timeline = _table(run, step, rule), session.timeline(run)
    square = scatter.square_of(table, timeline.extent())
    return views.prepared(table, square, colour_by, _centers(run, step))


@session.kept_per_run(maxsize=16, anew=session.n_followed)
def _centers(run: Run, step: int) -> Array:
    """Where the centers of the clusters lie in the PCA of a step."""
    return session.timeline(run).centers(step)


def _title(view: View, kind: str) -> str:
    if kind == "plane":
        return "The items where they lie"
    width = view.snapshot.embedding.shape[1]
    return f"{KINDS[kind]} of the {width}-d embedding"  # without the step: see panels.chart


def _map(view: View, table: Any, colour_by: str, extent: float | None, kind: str) -> None:
    in_plane, indices = kind == "plane", session.selection()[0]
    trails = _trails(view, indices) if indices and not in_plane else None
    centers = _centers(view.run, view.step) if kind == "pca" else None
    spots = _spots(view) if in_plane else None
    title = _title(view, kind)
    shown = _shown(view, table, colour_by, extent, kind)
    if kind == "pca":
        of = view.run, view.step, view.asked_class_rule, colour_by
        what = f"{view.run.path} {of[1:]}"
        shown = replace(shown, ahead=ahead.address_of(what, lambda: _beside(*of)))
    point_map.point_map(
        replace(
            shown,
            selected=indices,
            picked=session.picked(),
            trails=trails,
            ground=None if spots is None else png(regions.picture(spots)),
        ),
        key=KEY,
        height=HEIGHT,
        place=f"{view.run.id} {kind}",
    )
    drawing: tuple[Any, ...] = (scatter.embedding, table)
    if spots is not None:
        drawing = (regions.plane, table, spots)
    panels.below_map(
        *drawing,
        colour_by=colour_by,
        selected=indices,
        trails=trails,
        title=title,
        extent=extent,
        centers=centers,
        key=KEY,
    )


def _shown(
    view: View, table: Any, colour_by: str, extent: float | None, kind: str
) -> point_map.PointMap:
    """The map of a step while nothing is selected."""
    is_pca = kind == "pca"
    of = view.run, view.step, view.asked_class_rule
    return PointMap(
        table=table,
        square=scatter.square_of(table, extent),
        label=f"{_title(view, kind)}: {len(table):,} dots, coloured by {COLOURED_BY[colour_by]}",
        step=view.step,
        colour_by=colour_by,
        frame=in_sight(view.run) if is_pca else None,
        image_url=item_url(view.run.id) if view.dataset.images is not None else None,
        names=item_names(view.run),
        prepared=_prepared(*of, colour_by) if is_pca else None,
    )


def _beside(run: Run, step: int, rule: ClassRule | None, colour_by: str) -> list[str]:
    """Put down the maps of the steps before and after one; returns their addresses."""
    timeline, found = session.timeline(run), []
    stops = timeline.stops()
    before, after = [i for i in stops if i < step], [i for i in stops if i > step]
    for other in (*before[-1:], *after[:1]):
        view, table = view_of(run, other, rule), _table(run, other, rule)
        data = _shown(view, table, colour_by, timeline.extent(), "pca").data()
        found += [data[name] for name in ("scene", "dots", "codes")]
    return found


@session.kept_per_run(maxsize=8, anew=session.n_followed)
def in_sight(run: Run) -> point_map.Rectangle:
    """Where nearly all points of each step lie, so that the map has no more room than they need."""
    timeline = session.timeline(run)
    extent = timeline.extent()
    low, high = timeline.box()
    x, y = ((low + high) / 2).tolist()
    half = np.clip(FURTHER * (high - low) / 2, NARROWEST * extent, extent)
    across, up = half.tolist()
    return x, y, across, up


def _spots(view: View) -> Array:
    """Cluster of each spot of the plane."""
    return decision_regions.clusters(view, decision_regions.by_scores([view]))


@session.kept_per_run(maxsize=4)
def item_names(run: Run) -> bytes | None:
    """Names of all items as JSON; None if they have none."""
    names = session.dataset(run).item_names
    return json.dumps(list(map(shortened, names))).encode() if len(names) else None


def _brush(table: Any, x: Sequence[float], y: Sequence[float]) -> None:
    session.select(scatter.brushed(table, x, y), "Brushed")


def by_numbers(name: str, table: Any, extent: float | None) -> None:
    """Panel to select a rectangle of dots without a mouse."""
    keyboard_choice.area(
        name,
        {"": (table["x"].to_numpy(), table["y"].to_numpy())},
        scatter.square_of(table, extent),
        lambda _, x, y: _brush(table, x, y),
    )


def _trails(view: View, indices: list[int]) -> Any:
    steps = list(range(max(0, view.step - TRAIL), view.step + 1))
    return scatter.trails(
        steps,
        [view.timeline.points(s) for s in steps],
        [view.timeline.stable(s) for s in steps],
        indices,
    )

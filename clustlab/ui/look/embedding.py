"""Body of the page Embedding: every step as a map; brush or lasso it for the images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from clustlab.types import Array
from clustlab.ui import nav, session, state
from clustlab.ui.look import decision_regions, projections
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View
from clustlab.ui.server.routes import item_url
from clustlab.ui.widgets import available_width, keyboard_choice, panels
from clustlab.views import lasso, regions, scatter

ENOUGH = 1060  # pixels across in which a map is as large as it gets
HEIGHTS = (440, 800)  # the least and the greatest of a map
UPRIGHT = 0.76  # height of a map by the width there is
KINDS = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE", "plane": "Plane"}
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
        table = table_of(view, view.timeline.points(view.step))
        colour_by = st.selectbox(
            "Colour by",
            scatter.colourings(table),
            format_func=scatter.COLOURINGS.__getitem__,
            key="colour",
            bind="query-params",
            width=150,
        )
        tool = st.segmented_control(
            "Select with",
            ["Rectangle", "Lasso"],
            default="Rectangle",
            required=True,
            key="tool",
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
        name = "lasso" if tool == "Lasso" else "scatter"
        by_numbers(name, table, extent, session.chart_key(name), label="Select by numbers")
    if kind != "plane" and (entries := scatter.tally(table, str(colour_by))):
        st.html(scatter.key(entries))
    draw = _lasso if tool == "Lasso" else _rectangle
    draw(view, table, str(colour_by), extent, str(kind), _size())
    if kind != "plane":  # it says itself how to read it
        st.caption(plain(scatter.reading(str(kind), str(colour_by))))


def _size() -> tuple[int, int]:
    """Width and height in pixels that a map has on this page."""
    across = available_width.width("map-room", ENOUGH)
    return across, int(min(max(UPRIGHT * across, HEIGHTS[0]), HEIGHTS[1]))


def table_of(view: View, points: Array) -> Any:
    """All items with their place and what is known of them."""
    return scatter.dots(
        points,
        view.clusters,
        labels=view.labels,
        class_names=view.dataset.class_names,
        classes=view.class_of if view.labels is not None else None,
        confidence=view.confidence,
        changes=view.timeline.flips(view.step),
    )


def _title(view: View, kind: str) -> str:
    if kind == "plane":
        return "The items where they lie"
    width = view.snapshot.embedding.shape[1]
    return f"{KINDS[kind]} of the {width}-d embedding"  # without the step: see panels.chart


def _rectangle(
    view: View,
    table: Any,
    colour_by: str,
    extent: float | None,
    kind: str,
    size: tuple[int, int],
) -> None:
    is_pca, title = kind == "pca", _title(view, kind)
    key = session.chart_key("scatter")
    indices, _ = session.selection()
    in_plane = kind == "plane"
    drawing: tuple[Any, ...] = (scatter.embedding, table)
    legend: dict[str, Any] = (
        {} if in_plane else {"with_legend": not scatter.tally(table, colour_by)}
    )
    if in_plane:
        drawing = (
            regions.plane,
            table,
            decision_regions.clusters(view, decision_regions.by_scores([view])),
        )
    panels.chart(
        *drawing,
        colour_by=colour_by,
        selected=indices,
        trails=_trails(view, indices) if indices and not in_plane else None,
        image_url=item_url(view.run.id) if view.dataset.images is not None else None,
        names=view.dataset.item_names,
        title=title,
        extent=extent,
        centers=view.timeline.centers(view.step) if is_pca else None,
        size=size,
        key=key,
        on_select=chooser(key, table),
        select=["brush", "pick"],
        height=size[1],
        **legend,
    )


def chooser(key: str, table: Any) -> Callable[[], None]:
    """Action that takes over what was brushed or clicked in a chart of dots."""

    def chosen() -> None:
        brush, pick = state.marked(key, "brush") or {}, state.marked(key, "pick")
        if brush.get("x") and brush.get("y"):
            _brush(table, brush["x"], brush["y"])
        elif pick:
            session.pick(int(pick[0]["index"]))

    return chosen


def _brush(table: Any, x: Sequence[float], y: Sequence[float]) -> None:
    session.select(scatter.brushed(table, x, y), "Brushed")


def by_numbers(name: str, table: Any, extent: float | None, key: str, **options: Any) -> None:
    """Panel to select a rectangle of dots without a mouse."""
    keyboard_choice.area(
        name,
        {"": (table["x"].to_numpy(), table["y"].to_numpy())},
        scatter.square_of(table, extent),
        lambda _, x, y: _brush(table, x, y),
        key=key,
        **options,
    )


def _trails(view: View, indices: list[int]) -> Any:
    steps = list(range(max(0, view.step - TRAIL), view.step + 1))
    return scatter.trails(
        steps,
        [view.timeline.points(s) for s in steps],
        [view.timeline.stable(s) for s in steps],
        indices,
    )


def _lasso(
    view: View,
    table: Any,
    colour_by: str,
    extent: float | None,
    kind: str,
    size: tuple[int, int],
) -> None:
    title = _title(view, kind)
    key = session.chart_key("lasso")
    indices, _ = session.selection()
    option, _ = lasso.option(
        table,
        colour_by=colour_by,
        selected=indices,
        names=view.dataset.item_names,
        title=title,
        extent=extent,
        side=size[1],
    )

    def chosen() -> None:
        areas = state.marked(key, "areas")
        lassoed = [
            lasso.lassoed(table, a["coord_range"]) for a in areas if a["brush_type"] == "polygon"
        ]
        if lassoed:
            session.select(np.unique(np.concatenate(lassoed)), "Lassoed")

    st.echarts_chart(option, key=key, height=size[1], on_select=chosen, alt=title)
    panels.guide(lasso.option)

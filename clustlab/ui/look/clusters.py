"""Body of the page Clusters: one row a cluster, its images from central to doubtful."""

import numpy as np
import streamlit as st

from clustlab.analysis.matching import sizes_of
from clustlab.analysis.shares import percent
from clustlab.types import NOISE, Array, cluster_words
from clustlab.ui import session
from clustlab.ui.markdown import plain
from clustlab.ui.run import feature_differences, item_sheet
from clustlab.ui.run.view import View
from clustlab.ui.widgets import panels
from clustlab.ui.widgets.clickable_sheet import ACROSS, sheet_menu
from clustlab.views import bars, sheets
from clustlab.views.pictures import Size
from clustlab.views.theme import reading

PER_PAGE = 10
IMAGES = 24  # of a cluster, where there is room
ABOUT_BARS = "The bar beside a number is the size of the cluster, full for the largest."
ABOUT_BARS_OF_CLASSES = f"{ABOUT_BARS} The thin one below it shows its true classes: hover over it."


def clusters_page(view: View) -> None:
    """Rows of clusters, ten a page."""
    order = st.segmented_control(
        f"{plain(view.dataset.noun).capitalize()}s shown",
        list(sheets.ORDERS),
        default="central",
        required=True,
        format_func=sheets.ORDERS.__getitem__,
        key="order",
        bind="query-params",
    )
    ids = rows_of(view)
    page = 1
    if len(ids) > PER_PAGE:
        page = st.pagination(-(-len(ids) // PER_PAGE), key="cluster-page") or 1
    full = int(np.unique(view.clusters, return_counts=True)[1].max(initial=0))
    with st.container(key="cluster-rows"):
        shown = ids[(page - 1) * PER_PAGE : page * PER_PAGE]
        for cluster in shown:
            _row(view, int(cluster), str(order), full)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        panels.guide(sheets.atlas, ABOUT_BARS_OF_CLASSES if view.labels is not None else ABOUT_BARS)
        _menu(view, shown, str(order))
    if not view.dataset.is_image:
        feature_differences.what_differs(view)


def _menu(view: View, shown: Array, order: str) -> None:
    """Menu that saves the images of all clusters in sight, a row each."""

    def pixels(size: Size) -> Array:
        rows = [_choose(view, np.flatnonzero(view.clusters == i), order, i) for i in shown]
        return sheets.cluster_rows(
            view.dataset.pictures, rows, clusters=shown, columns=ACROSS[size], wrong=view.wrong
        ).pixels

    title = f"{view.dataset.noun.capitalize()}s of each cluster, {sheets.ORDERS[order].lower()}"
    sheet_menu(pixels, key="cluster-rows", title=title, reading=reading(sheets.cluster_rows))


def rows_of(view: View) -> Array:
    """Clusters as they are `ordered`, and noise below them if there is any."""
    return ordered(view) if view.is_clustered.all() else np.append(ordered(view), NOISE)


def ordered(view: View) -> Array:
    """Clusters by their matched class, then the unmatched by size; empty ones last."""
    ids = view.ids
    sizes = sizes_of(view.clusters, int(ids.max(initial=-1)) + 1)
    classes = view.class_of
    keys = [(sizes[i] == 0, classes[i] < 0, classes[i], -sizes[i]) for i in ids]
    return ids[sorted(range(len(ids)), key=lambda j: keys[j])]


def _row(view: View, cluster: int, order: str, full: int) -> None:
    members = np.flatnonzero(view.clusters == cluster)
    facts, images, more = st.columns([5, 14, 2], vertical_alignment="center", gap="small")
    with facts:
        counts = class_counts(view, members)
        names = view.dataset.class_names
        words = describe(view, len(members), counts)
        st.html(bars.chip(cluster, len(members), full, counts, names, words))
    with more:
        st.button(
            "All",
            key=f"all-{cluster}",
            type="tertiary",
            help=f"Select all items of {plain(cluster_words(cluster))}",
            disabled=not len(members),
            on_click=session.select,
            args=(members, cluster_words(cluster).capitalize()),
        )
    with images:
        _images(view, cluster, members, order)


def _images(view: View, cluster: int, members: Array, order: str) -> None:
    if not len(members):
        st.caption("Empty: no item is in this cluster at this step.")
        return
    order = _order_of(cluster, order)
    chosen = _choose(view, members, order, cluster)
    if not len(chosen):
        st.caption(f"No item moved into {plain(cluster_words(cluster))} at this step.")
        return
    what = f"{view.dataset.noun.capitalize()}s of {cluster_words(cluster)}"
    alt = f"{what}, {sheets.ORDERS[order].lower()}"
    key = f"row-{cluster}"
    item_sheet.image_sheet(view, chosen, key=key, alt=alt, fit="crop", with_menu=False)


def _order_of(cluster: int, order: str) -> str:
    """Noise has no centre, and no confidence."""
    return "random" if cluster == NOISE and order in ("central", "doubtful") else order


def _choose(view: View, members: Array, order: str, cluster: int) -> Array:
    before = view.timeline.stable_before(view.step)
    return sheets.order(
        _order_of(cluster, order),
        members,
        view.snapshot,
        clusters=view.clusters,
        previous=before,
        limit=IMAGES,
    )


def class_counts(view: View, members: Array) -> Array:
    """Number of members of each true class; empty without labels."""
    if view.labels is None:
        return np.zeros(0, np.int64)
    known = view.labels[members]
    return np.bincount(known[known >= 0])


def describe(view: View, size: int, counts: Array) -> str:
    """Size, and which class most of the members have, in a line."""
    if not counts.sum():
        return f"{size:,} items"
    top = int(counts.argmax())
    return f"{size:,} · {percent(counts[top] / counts.sum())} are {view.class_name(top)}"

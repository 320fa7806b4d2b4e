"""The inspector: what is selected, images first, then numbers. The same on every page."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.types import Array
from clustlab.ui import session
from clustlab.ui.run import save_basket
from clustlab.ui.widgets.clickable_sheet import clickable
from clustlab.views import sheets

if TYPE_CHECKING:
    from clustlab.ui.run.frame import View

SHOWN = 96  # images of a selection in sight at once
COLUMNS = 12


def draw(view: "View") -> None:
    """Selected items, and the one that was clicked last."""
    index = session.picked()
    if index is not None and index < len(view.clusters):
        from clustlab.ui.run import biography  # which shows its items in sheets of this module

        biography.draw(view, index)
    _selection(view)


def describe(view: "View", index: int) -> str:
    """One item in a line: number, class, cluster."""
    words = [f"item {index}", f"cluster {view.clusters[index]}"]
    if view.labels is not None and view.labels[index] >= 0:
        words.insert(1, class_name(view, int(view.labels[index])))
    return " · ".join(words)


def class_name(view: "View", label: int) -> str:
    """Name of a true class."""
    names = view.dataset.class_names
    return names[label] if 0 <= label < len(names) else f"class {label}"


def image_sheet(
    view: "View", indices: Array, *, key: str, alt: str, tile: int = 32, columns: int = COLUMNS
) -> None:
    """Clickable sheet of items, each framed in the colour of its cluster."""
    sheet = sheets.atlas(
        view.dataset.items,
        indices,
        tile=tile,
        columns=columns,
        clusters=view.clusters[indices],
        wrong=view.wrong[indices],
    )
    show_sheet(view, sheet, key=key, alt=alt)


def show_sheet(view: "View", sheet: sheets.Sheet, *, key: str, alt: str) -> None:
    """Clickable sheet; a click opens the item here."""
    clickable(sheet, key=key, alt=alt, label=lambda i: describe(view, i), on_pick=session.pick)


# -- the selection -----------------------------------------------------------------------------
def _selection(view: "View") -> None:
    indices, title = session.selection()
    indices = [i for i in indices if i < len(view.clusters)]
    if not indices:
        if session.picked() is None:
            st.caption(
                ":material/touch_app: Brush over dots, or click a cell, a band or an image: "
                "what you choose is shown here."
            )
        return
    with st.container(border=True):
        head, clear = st.columns([4, 1], vertical_alignment="center")
        head.markdown(f"**{title}**: {len(indices):,} items")
        clear.button("Clear", type="tertiary", on_click=session.clear)
        rows = np.array(indices[:SHOWN])
        alt = f"{title}: {len(rows)} images"
        image_sheet(view, rows, key="selection", alt=alt)
        if len(indices) > SHOWN:
            st.caption(f"Showing {SHOWN} of {len(indices):,}; the table holds all.")
        save_basket.save(view, indices, title)
        with st.expander("Table"):
            st.dataframe(table(view, np.array(indices)), hide_index=True, height=260, alt=alt)


def table(view: "View", indices: Array) -> pd.DataFrame:
    """Facts about items, one row each."""
    frame = pd.DataFrame({"item": indices, "cluster": view.clusters[indices]})
    if view.labels is not None:
        frame["class"] = [class_name(view, int(c)) for c in view.labels[indices]]
    frame["confidence"] = view.confidence[indices].round(3)
    if view.dataset.original is not None:  # items were left out
        frame["row in the whole draw"] = view.dataset.original[indices]
    frame["label changes"] = view.timeline.flips(view.step)[indices]
    return frame

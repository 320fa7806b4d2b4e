"""The inspector: what is selected, images first, then numbers. The same on every page."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from clustlab.data.item_names import items_named
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run import biography, item_sheet, save_basket, story
from clustlab.ui.run.view import View

SHOWN = 96  # images of a selection in sight at once
MOST_FOUND = 1000  # items that are selected by a part of their names


def inspector_panel(view: View, unselected: Callable[[], None] | None = None) -> None:
    """Selected items, and the one that was clicked last.

    While there are none, `unselected` draws what the page has to show instead, by default the story
    of the step.
    """
    index = session.picked()
    if index is not None and index < len(view.clusters):
        biography.biography_card(view, index)
    elif not any(i < len(view.clusters) for i in session.selection()[0]):
        if unselected is None:
            story.story_of_step(view)
        else:
            unselected()
    _selection(view)
    if view.dataset.item_names:
        _find(view)


def is_anything_chosen(view: View) -> bool:
    """Whether an item is open, or any is selected."""
    chosen = [session.picked(), *session.selection()[0]]
    return any(item is not None and item < len(view.clusters) for item in chosen)


def _find(view: View) -> None:
    """A field that opens the item of a name, or selects those whose names are alike."""

    def find() -> None:
        text = state.ITEM_NAME.get()
        items = items_named(view.dataset.item_names, text, MOST_FOUND)
        if len(items) == 1:
            session.pick(items[0])
        elif items or text.strip():
            session.select(items, f"Named {text.strip()!r}" if items else "")
        state.NAME_NOT_FOUND.set("" if items else text.strip())

    st.text_input(
        "Find by name",
        key=state.ITEM_NAME.key,
        placeholder="name of an item, or a part of it",
        on_change=find,
    )
    if text := state.NAME_NOT_FOUND.get():
        st.caption(f"No name holds {plain(repr(text))}.")


# -- the selection -----------------------------------------------------------------------------
def _selection(view: View) -> None:
    indices, title = session.selection()
    indices = [i for i in indices if i < len(view.clusters)]
    if not indices:
        return
    with st.container(border=True):
        head, clear = st.columns([4, 1], vertical_alignment="center")
        head.markdown(f"**{plain(title)}**: {len(indices):,} item{'s' * (len(indices) != 1)}")
        clear.button("Clear", type="tertiary", on_click=session.clear)
        rows = np.array(indices[:SHOWN])
        alt = f"{title}: {len(rows)} {view.dataset.noun}s"
        item_sheet.image_sheet(view, rows, key="selection", alt=alt)
        if len(indices) > SHOWN:
            st.caption(f"Showing {SHOWN} of {len(indices):,}; the table holds all.")
        save_basket.save_basket_button(view, indices, title)
        with st.expander("Table"):
            table = item_sheet.item_table(view, np.array(indices))
            st.dataframe(table, hide_index=True, height=260, alt=alt)

"""Saving what is selected as a basket."""

from collections.abc import Sequence

import streamlit as st

from clustlab.errors import ClustlabError, storage_errors
from clustlab.runs.baskets import LONGEST, Baskets
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View


def baskets_of_items(view: View) -> Baskets:
    """Baskets of the items in view; all runs on them share these."""
    root, key = session.store().root, view.run.manifest["data_key"]
    return Baskets(root, key, len(view.clusters))


def save_basket_button(view: View, indices: Sequence[int], title: str) -> None:
    """Button that opens a small form: a name and a note, and Save.

    Without a name the basket is called what the selection is.
    """

    def keep() -> None:
        try:
            with storage_errors():
                name = state.BASKET_NAME.get().strip() or title[:LONGEST]
                made = baskets_of_items(view).save(name, indices, state.BASKET_NOTE.get())
        except ClustlabError as error:
            state.BASKET_PROBLEM.set(error)
            return
        state.BASKET_NAME.set("")
        state.BASKET_NOTE.set("")
        state.BASKET_SAVED.set(f"Saved {len(made):,} items as the basket {made.name!r}.")

    with st.popover("Save as basket", icon=":material/shopping_basket:", type="tertiary"):
        with st.form("save-basket", border=False):
            st.text_input(
                "Name of the basket",
                key=state.BASKET_NAME.key,
                max_chars=LONGEST,
                placeholder=title,
            )
            st.text_area("Note", key=state.BASKET_NOTE.key, height=80)
            st.form_submit_button("Save", type="primary", on_click=keep)
        if problem := state.BASKET_PROBLEM.take():
            session.show_error(problem)
        if words := state.BASKET_SAVED.take():
            st.success(f"{plain(words)} It is on the page Failures, under Baskets.")

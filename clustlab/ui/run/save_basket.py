"""Saving what is selected as a basket."""

from collections.abc import Sequence

import streamlit as st

from clustlab.errors import ClustlabError
from clustlab.runs.baskets import LONGEST, Baskets
from clustlab.ui import session
from clustlab.ui.run.view import View


def of(view: View) -> Baskets:
    """Baskets of the items in view; all runs on them share these."""
    root, key = session.store().root, view.run.manifest["data_key"]
    return Baskets(root, key, len(view.clusters))


def save(view: View, indices: Sequence[int], title: str) -> None:
    """Button that opens a small form: a name and a note, and Save.

    Without a name the basket is called what the selection is.
    """

    def keep() -> None:
        state = st.session_state
        try:
            name = state["basket-name"].strip() or title[:LONGEST]
            made = of(view).save(name, indices, state["basket-note"])
        except ClustlabError as error:
            state["basket-problem"] = error
            return
        state["basket-name"] = state["basket-note"] = ""
        state["basket-saved"] = f"Saved {len(made):,} items as the basket {made.name!r}."

    with st.popover("Save as basket", icon=":material/shopping_basket:", type="tertiary"):
        with st.form("save-basket", border=False):
            st.text_input(
                "Name of the basket", key="basket-name", max_chars=LONGEST, placeholder=title
            )
            st.text_area("Note", key="basket-note", height=80)
            st.form_submit_button("Save", type="primary", on_click=keep)
        if problem := st.session_state.pop("basket-problem", None):
            session.show_error(problem)
        if words := st.session_state.pop("basket-saved", None):
            st.success(f"{words} It is on the page Failures, under Baskets.")

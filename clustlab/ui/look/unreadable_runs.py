"""Runs that cannot be read: which, why, and a way to be rid of them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from clustlab.runs.store import UnreadableRun
from clustlab.ui import session, state

COLUMNS = {
    "folder": st.column_config.TextColumn("Folder", width="medium"),
    "reason": st.column_config.TextColumn("Why it cannot be read", width="large"),
}


def unreadable_runs(folders: Sequence[UnreadableRun]) -> None:
    """Table of them, and a button that deletes those chosen; nothing if there are none."""
    if not folders:
        return
    one = len(folders) == 1
    st.subheader("One run cannot be read" if one else f"{len(folders):,} runs cannot be read")
    event = st.dataframe(
        pd.DataFrame([{"folder": each.id, "reason": each.reason} for each in folders]),
        hide_index=True,
        column_config=COLUMNS,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"unreadable-{hash(tuple(folders))}",  # rows are chosen by position
        alt="Runs that cannot be read, with the reasons",
    )
    st.caption("Put back their files from a copy, or delete them. All other runs are as they were.")
    chosen = [folders[i].id for i in chosen_rows(event) if i < len(folders)]
    words = f"Delete {len(chosen)} of these" if len(chosen) > 1 else "Delete this run"
    if st.button(words, icon=":material/delete:", disabled=not chosen, key="delete-unreadable"):
        for run_id in chosen:
            session.store().delete(run_id)
        state.DELETED_RUNS.set(chosen)
        st.rerun()


def chosen_rows(event: Any) -> list[int]:
    """Rows that are chosen in the table."""
    return list(event.selection.rows)

"""What does not come in, and why."""

import pandas as pd
import streamlit as st

from clustlab.importing.plan import Refused, reasons
from clustlab.ui.markdown import plain


def refused_box(refused: tuple[Refused, ...], n: int, title: str) -> None:
    """What does not come in, folded away, the most frequent reason in sight."""
    told = reasons(refused)
    first = next(iter(told), "")
    words = f"{title}: {first}" if len(told) == 1 else f"{title}, for {len(told)} reasons"
    with st.expander(plain(words), icon=":material/block:"):
        if len(told) > 1:
            st.markdown("  \n".join(f"{count:,}: {plain(why)}" for why, count in told.items()))
        refused_table([(each.name, each.reason) for each in refused], title)
        if n > len(refused):
            st.caption(f"Showing {len(refused):,} of {n:,}.")


def refused_table(lines: list[tuple[str, str]], alt: str) -> None:
    """What does not come in, and why, a row each."""
    table = pd.DataFrame(lines, columns=["what", "why"])
    st.dataframe(table, hide_index=True, height=min(36 * (len(table) + 1) + 4, 320), alt=alt)

"""A choice of one name that always stands in the address, also where it is the default.

Streamlit leaves defaults out of the address, and spells what it puts there as the choice shows it.
"""

from collections.abc import Callable, Sequence

import streamlit as st

from clustlab.ui.markdown import Markdown
from clustlab.ui.state import QueryValue, SessionValue


def kept_name(
    value: SessionValue[str], address: QueryValue, names: Sequence[str], default: str
) -> str:
    """Name to show: that of the address, else of the session, else the default; kept in both."""
    known = (name for name in (address.get(), value.get(), default) if name in names)
    name = next(known, names[0])
    value.set(name)
    if address.get() != name:
        address.set(name)
    return name


def select_in_address(
    label: Markdown,
    value: SessionValue[str],
    address: QueryValue,
    names: Sequence[str],
    default: str = "",
    *,
    words: Callable[[str], str] = str,
) -> str:
    """Draw a list of names to choose one from; return it.

    Parameters
    ----------
    words : callable
        What a name is called in the list.
    """
    name = kept_name(value, address, names, default)
    st.selectbox(
        label,
        list(names),
        format_func=words,
        key=value.key,
        on_change=lambda: address.set(value.get()),
        persist_state="session",
    )
    return name

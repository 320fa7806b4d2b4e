"""A chart as a file: a small menu below each, from which it leaves for a paper or a slide."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

import clustlab
from clustlab.ui import state
from clustlab.ui.markdown import plain

KINDS = ("png", "svg", "pdf")
SIZES = {"column": "One column, 86 mm", "page": "A whole page, 178 mm"}


def picture_menu(spec: Mapping[str, Any], *, name: str, key: str, reading: str = "") -> None:
    """Menu that saves a chart as PNG, SVG or PDF.

    Nothing of it is made before it is opened, and no file before its button is pressed.

    Parameters
    ----------
    name : str
        What the chart shows, such as `confusion`: for its title and the name of its file.
    key : str
        Of the chart.
    reading : str
        How to read it: its caption.
    """
    menu = st.popover(
        "Save",
        icon=":material/image:",
        type="tertiary",
        key=f"save-{key}",
        on_change="rerun",
        help="As PNG, SVG or PDF",
    )
    if not menu.open:
        return
    with menu:
        size = st.radio("Width", list(SIZES), format_func=SIZES.__getitem__, key=f"save-size-{key}")
        with_caption = st.toggle("Title and caption", value=True, key=f"save-words-{key}")
        with st.container(horizontal=True):
            for kind in KINDS:
                _button(spec, kind, size, name, key, reading if with_caption else None)


def _button(
    spec: Mapping[str, Any], kind: Any, size: Any, name: str, key: str, reading: str | None
) -> None:
    """Button that makes one file; without a reading the chart stands alone."""
    from clustlab.views import pictures

    drawn = state.DRAWN.get()
    title = "" if reading is None else _title(spec, name)
    caption = "" if reading is None else _caption(reading)
    where = drawn.file if drawn else "clustlab"
    st.download_button(
        plain(kind.upper()),
        lambda: pictures.picture(spec, kind, size=size, title=title, caption=caption),
        file_name=f"{pictures.file_name(where, name)}.{kind}",
        mime=pictures.MIME[kind],
        key=f"save-{kind}-{key}",
        on_click="ignore",
    )


def _title(spec: Mapping[str, Any], name: str) -> str:
    """The title that a chart has, else what it shows; with the run and step in view."""
    from clustlab.views import pictures

    own = pictures.title_of(spec) or name.replace("-", " ").capitalize()
    drawn = state.DRAWN.get()
    return f"{own}. {drawn.title}" if drawn else own


def _caption(reading: str) -> str:
    from clustlab.views import pictures

    text = pictures.on_paper(reading)
    return f"{text[:1].upper()}{text[1:]} Made with clustlab {clustlab.__version__}.".strip()

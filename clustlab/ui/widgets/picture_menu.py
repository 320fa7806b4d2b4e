"""A chart or a sheet of images as a file: a small menu below each, for papers and slides."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

import clustlab
from clustlab.types import Array
from clustlab.ui import state
from clustlab.ui.markdown import plain

KINDS = ("png", "svg", "pdf")
SIZES = {"column": "One column, 86 mm", "page": "A whole page, 178 mm"}


Chart = Mapping[str, Any]
Drawn = Chart | Callable[[Any], Array | Chart]
"""Specification of a chart, or what makes one, or the pixels of a sheet, for a column or a page."""


def picture_menu(drawn: Drawn, *, name: str, key: str, reading: str = "", title: str = "") -> None:
    """Menu that saves a chart or a sheet as PNG, SVG or PDF.

    Nothing of it is made before it is opened, and no file before its button is pressed.

    Parameters
    ----------
    name : str
        What it shows, such as `confusion`: for the name of its file, and its title.
    key : str
        Of the chart.
    title : str
        Of what has none of its own, where its name says too little.
    reading : str
        How to read it: its caption.
    """
    menu = st.popover(
        "Save",
        icon=":material/image:",
        type="tertiary",
        key=f"save-{key}",
        on_change="rerun",
    )
    if not menu.open:
        return
    with menu:
        size = st.radio("Width", list(SIZES), format_func=SIZES.__getitem__, key=f"save-size-{key}")
        with_caption = st.toggle("Title and caption", value=True, key=f"save-words-{key}")
        with st.container(horizontal=True):
            for kind in KINDS:
                _button(drawn, kind, size, name, key, title, reading if with_caption else None)


def _button(
    drawn: Drawn, kind: Any, size: Any, name: str, key: str, title: str, reading: str | None
) -> None:
    """Button that makes one file; without a reading it has no words."""
    from clustlab.views import pictures

    seen = state.DRAWN.get()
    where, about = (seen.file, seen.title) if seen else ("clustlab", "")

    def made() -> bytes:
        shown = drawn(size) if callable(drawn) else drawn
        if reading is None:
            return pictures.picture(shown, kind, size=size, title="")
        own = _title(shown, name, title)
        words = {"title": f"{own}. {about}" if about else own, "caption": _caption(reading)}
        return pictures.picture(shown, kind, size=size, **words)

    st.download_button(
        plain(kind.upper()),
        made,
        file_name=f"{pictures.file_name(where, name)}.{kind}",
        mime=pictures.MIME[kind],
        key=f"save-{kind}-{key}",
        on_click="ignore",
    )


def _title(shown: Array | Chart, name: str, given: str) -> str:
    """The title that a chart has, else what it shows."""
    from clustlab.views import pictures

    own = given or (pictures.title_of(shown) if isinstance(shown, Mapping) else "")
    return own or name.replace("-", " ").capitalize()


def _caption(reading: str) -> str:
    from clustlab.views import pictures

    text = pictures.on_paper(reading)
    return f"{text[:1].upper()}{text[1:]} Made with clustlab {clustlab.__version__}.".strip()

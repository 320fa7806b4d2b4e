"""The page Methods: each from its own text and schema."""

from typing import Any

import pandas as pd
import streamlit as st

from clustlab import registry
from clustlab.course import catalogue
from clustlab.params import Param, schema
from clustlab.registry import Method
from clustlab.ui import method_text, nav, state
from clustlab.ui.markdown import authored, plain
from clustlab.ui.train import choices
from clustlab.ui.widgets import panels
from clustlab.ui.widgets.address_choice import select_in_address


def methods() -> None:
    """Page of one method, chosen in the URL."""
    known = registry.methods()
    _refusals()
    names = [method.name for members in choices.by_family().values() for method in members]
    name = select_in_address(
        "Method",
        state.ABOUT_METHOD,
        state.ABOUT_METHOD_IN_ADDRESS,
        names,
        words=lambda each: choices.method_words(known[each]),
    )
    method = known[name]
    text, facts = st.columns([3, 2], gap="large")
    with text:
        st.markdown(authored(method_text.text_of(method)))
    with facts:
        panels.loop_diagram(method)
        paper = method.paper
        st.caption(
            f"{plain(paper.authors)} ({paper.year}). {plain(paper.title)}. {plain(paper.venue)}."
        )
        lesson = catalogue.about_method(name)
        if lesson:
            nav.lesson_link(lesson, f"Lesson: {plain(catalogue.lesson(lesson[0]).title)}")
        if st.button(f"Train {plain(method.title)}", icon=":material/play_arrow:", type="primary"):
            state.IS_FORM_OPEN.set(True)
            nav.go("train", method=name)

    st.markdown("#### Settings")
    settings = _table(schema(method), method)
    # as a table, whose cells break lines: what a setting means is a sentence or two
    st.table(settings.map(plain), hide_index=True)

    with st.expander("What else each method offers", icon=":material/checklist:"):
        for capability in registry.CAPABILITIES:
            st.markdown(f"**{plain(capability.title)}**: {plain(capability.meaning)}")
        st.dataframe(
            pd.DataFrame(capability_rows()), hide_index=True, alt="Methods and what they offer"
        )


def capability_rows() -> list[dict[str, str]]:
    """Methods by title, and by the title of each capability whether it is offered."""
    return [
        {
            "method": method.title,
            **{c.title: "yes" if c.is_offered_by(method) else "" for c in registry.CAPABILITIES},
        }
        for method in registry.methods().values()
    ]


def _refusals() -> None:
    for refusal in registry.refusals():
        st.warning(plain(refusal), icon=":material/extension_off:")


def _table(params: tuple[Param, ...], method: type[Method]) -> pd.DataFrame:
    rows = []
    for p in params:
        row = {"setting": p.label}
        for preset, values in method.presets.items():
            value = values.get(p.name, p.default)
            row[preset] = value_words(p, value)
        rows.append({**row, "meaning": p.help})
    return pd.DataFrame(rows)


def value_words(p: Param, value: Any) -> str:
    """A value of a setting as the table shows it."""
    if value is None:
        return p.none_word
    if p.kind == "bool":
        return "on" if value else "off"
    return f"{value:,}" if p.kind == "int" else str(value)

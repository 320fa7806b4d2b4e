"""Forms made from the schema: one widget a hyperparameter, its value in the URL."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from clustlab.course import catalogue
from clustlab.errors import ParameterError
from clustlab.params import Param, check, in_words
from clustlab.ui import nav, state
from clustlab.ui.markdown import plain
from clustlab.ui.state import SessionValue

# Values live in the URL while the form is in sight, and in the session while another page is.
LASTING: dict[str, Any] = {"bind": "query-params", "persist_state": "session"}


def key_of(owner: str, name: str) -> str:
    """Name of a parameter in the URL, such as `dec.n_clusters`."""
    return f"{owner}.{name}"


def fields(
    owner: str, params: Sequence[Param], defaults: Mapping[str, Any], shown: int
) -> dict[str, Any]:
    """Draw a widget for each parameter; return the values that differ from the field's default.

    The first `shown` that are not advanced are in sight, the rest folded.
    """
    plain = [p for p in params if not p.advanced]
    folded = [*plain[shown:], *(p for p in params if p.advanced)]
    switches = [p for p in plain[:shown] if p.kind == "bool"]
    columns = st.columns(2) if shown > 1 else [st.container()]
    values = {}
    for i, p in enumerate(p for p in plain[:shown] if p not in switches):
        with columns[i % len(columns)]:
            values[p.name] = _field(owner, p, defaults)
    for p in switches:  # whose words stand beside them, and need the room
        values[p.name] = _field(owner, p, defaults)
    if folded:
        changed = sum(_is_changed(owner, p, defaults) for p in folded)
        title = f"More settings ({len(folded)})" + (f", {changed} changed" if changed else "")
        with st.expander(title):
            values |= {p.name: _field(owner, p, defaults) for p in folded}
    return {p.name: values[p.name] for p in params if values[p.name] != p.default}


def reset(owner: str, params: Sequence[Param], values: Mapping[str, Any]) -> None:
    """Set every widget of an owner to a preset; to be called before they are drawn."""
    for p in params:
        value = values.get(p.name, p.default)
        state.widget(key_of(owner, p.name)).set(_to_widget(p, value))


def _help(owner: str, p: Param) -> str:
    """What a parameter does, and the lesson that lets it be tried out."""
    lesson = catalogue.about_parameter(owner, p.name)
    if lesson is None:
        return p.help
    title = catalogue.lesson(lesson[0]).title
    return f"{p.help}\n\n[Try it out in the lesson {title}]({nav.lesson_url(*lesson)})"


def _is_changed(owner: str, p: Param, defaults: Mapping[str, Any]) -> bool:
    default = _to_widget(p, defaults.get(p.name, p.default))
    value = SessionValue(key_of(owner, p.name), default)
    return bool(value.get() != default)


def _to_widget(p: Param, value: Any) -> Any:
    """Value as its widget holds it: numbers that may be a word, or several, are text."""
    if p.none_word:
        return p.none_word if value is None else str(value)
    return in_words(value) if p.kind == "shares" else value


def _field(owner: str, p: Param, defaults: Mapping[str, Any]) -> Any:
    key = key_of(owner, p.name)
    default = _to_widget(p, check(p, defaults[p.name]) if p.name in defaults else p.default)
    common: dict[str, Any] = {"key": key, "help": _help(owner, p), **LASTING}
    if p.kind == "bool":
        return st.toggle(plain(p.label), default, **common)
    if p.kind == "choice":
        index = p.choices.index(default)
        return st.selectbox(plain(p.label), p.choices, index=index, **common)
    if p.none_word:
        return _text(p, default, f"a number, or {p.none_word}", common)
    if p.kind == "shares":
        return _text(p, default, "a number, or one for each class: 1, 0.5, 0.1", common)
    whole = p.kind == "int"
    number = int if whole else float
    return st.number_input(
        plain(p.label),
        min_value=None if p.low is None else number(p.low),
        max_value=None if p.high is None else number(p.high),
        value=number(default),
        step=1 if whole else _step(float(default), log=p.log),
        format=None if whole else "%g",
        **{**common, "bind": state.binding(key)},
    )


def _text(p: Param, default: str, example: str, common: Mapping[str, Any]) -> Any:
    """Value of what is a number or else, as somebody types it."""
    text = st.text_input(plain(p.label), default, placeholder=example, **common)
    try:
        return check(p, text)
    except ParameterError as error:
        st.error(plain(error.message), icon=":material/error:")
        return text  # kept, so that Start refuses it with the same message


def _step(value: float, *, log: bool) -> float:
    """Step of a number field: a tenth of the value's own size."""
    return max(abs(value) / 10, 1e-6) if log else max(abs(value) / 10, 0.01)

"""From the form of Train to a study: several seeds, and the values of one setting."""

from typing import Any

import streamlit as st

from clustlab import registry
from clustlab.errors import ClustlabError, ParameterError
from clustlab.params import Param, schema
from clustlab.runs.identity import preset_of
from clustlab.runs.spec import RunSpec
from clustlab.studies.description import DATA, SEED, Axis, Base, Study, axis_of
from clustlab.studies.estimate import estimate
from clustlab.studies.store import Studies
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.studies.studies import queue_all

MOST_SEEDS = 100
NOTHING = ""
UNNAMED = "without a name"  # of a study that is still being described


def make_study(spec: RunSpec) -> None:
    """Offer to repeat what the form says with several seeds, and to vary one of its settings."""
    with st.expander("Make a study of it", icon=":material/science:"):
        st.caption(
            "Trains these settings with several seeds, and, if you like, with several values of "
            "one setting. Runs that are there already are not trained again."
        )
        try:
            base = base_of_form(spec)
        except ClustlabError as error:
            session.show_error(error)
            return
        name = st.text_input(
            "Name", placeholder="such as: k of DEC", key=state.NEW_STUDY.key, max_chars=60
        )
        n_seeds = st.number_input("Seeds", 1, MOST_SEEDS, 3, key="new-study-seeds")
        declared = settings(base)
        setting = st.selectbox(
            "Vary",
            [NOTHING, *declared],
            format_func=lambda key: declared[key].label if key else "nothing but the seed",
            key="new-study-setting",
        )
        text = ""
        if setting != NOTHING:
            text = st.text_input(
                "Values", placeholder=example(declared[setting]), key="new-study-values"
            )
        if spec.excluded:
            st.caption("A study trains on all items, also those that the next run leaves out.")
        try:
            study = study_of(name.strip() or UNNAMED, base, int(n_seeds), setting, text)
        except ClustlabError as error:
            if setting == NOTHING or text:
                session.show_error(error)
            study = None
        _start(study)


def _start(study: Study | None) -> None:
    n_runs = len(study.cells) * len(study.seeds) if study else 0
    if study is not None:
        st.caption(plain(estimate(study, session.store()).words))
    is_asked = st.button(
        f"Start the study ({n_runs} runs)" if study else "Start the study",
        icon=":material/play_arrow:",
        disabled=study is None or study.name == UNNAMED,
        help="Give it a name first." if study and study.name == UNNAMED else None,
        key="start-study",
    )
    if study is None or not is_asked:
        return
    try:
        begin(study)
    except ClustlabError as error:
        session.show_error(error)
    else:
        nav.go("studies", study=study.name)


def begin(study: Study) -> None:
    """Keep a new study and queue its runs.

    Raises
    ------
    ParameterError
        If there is one of its name.
    """
    kept = Studies(session.store())
    if kept.is_there(study.name):
        raise ParameterError(
            f"There is a study {study.name!r} already.",
            "Choose another name, or add seeds to it on the page Studies.",
        )
    kept.keep(study)
    queue_all(study)


def base_of_form(spec: RunSpec) -> Base:
    """What all runs of a study share, from what the form says.

    Raises
    ------
    ClustlabError
        If a value is not valid.
    """
    method = registry.method(spec.method)
    preset = preset_of(spec)
    usual = method.presets[preset]
    values: dict[str, Any] = {
        p.name: spec.method_params.get(p.name, p.default) for p in schema(method)
    }
    changed = {
        p.name: values[p.name]
        for p in schema(method)
        if values[p.name] != usual.get(p.name, p.default)
    }
    data = dict(spec.dataset_params)
    return Base(spec.dataset, spec.method, preset, data, changed, spec.device)


def settings(base: Base) -> dict[str, Param]:
    """Settings that can be varied, by the name of their axis: those of the method come first."""
    mine = {p.name: p for p in schema(registry.method(base.method))}
    data = {DATA + p.name: p for p in schema(registry.dataset(base.dataset))}
    return {name: p for name, p in {**mine, **data}.items() if p.kind != "shares"}


def example(p: Param) -> str:
    """Values of a setting as they may be typed."""
    if p.kind == "choice":
        return ",".join(p.choices[:2])
    if p.kind == "bool":
        return "on,off"
    return "5..12, or 5,10,20" if p.kind == "int" else "0.1,0.01"


def study_of(name: str, base: Base, n_seeds: int, setting: str, text: str) -> Study:
    """The study that the fields describe; raises `ParameterError` if it is none."""
    axes = [axis_of(f"{setting}={text.replace(' ', '')}", base)] if setting != NOTHING else []
    return Study(name, base, (*axes, Axis(SEED, tuple(range(n_seeds)))))

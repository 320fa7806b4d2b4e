"""From the form of Train to a study: several seeds, and the values of one setting."""

import itertools
from typing import Any

import streamlit as st

from clustlab import registry
from clustlab.errors import ClustlabError, ParameterError
from clustlab.params import Param, schema
from clustlab.runs.identity import preset_of
from clustlab.runs.spec import RunSpec
from clustlab.studies.description import DATA, SEED, Axis, Base, Study, axis_of
from clustlab.studies.estimate import estimate
from clustlab.studies.proposals import proposed
from clustlab.studies.store import LONGEST, Studies
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.studies.studies import queue_all

MOST_SEEDS = 100
REPEATS = 5  # seeds that one button repeats with
SETTING, VALUES = state.SessionValue("new-study-setting", ""), state.widget("new-study-values")
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
        _repeat(base)
        name = st.text_input(
            "Name", placeholder="such as: k of DEC", key=state.NEW_STUDY.key, max_chars=60
        )
        n_seeds = st.number_input("Seeds", 1, MOST_SEEDS, 3, key="new-study-seeds")
        declared = settings(base)
        setting = st.selectbox(
            "Vary",
            [NOTHING, *declared],
            format_func=lambda key: declared[key].label if key else "nothing but the seed",
            key=SETTING.key,
            on_change=lambda: _propose(spec, base),
            help="Its values are filled in around the one in the form; change them as you like.",
        )
        text = ""
        if setting != NOTHING:
            text = st.text_input("Values", placeholder=example(declared[setting]), key=VALUES.key)
        if spec.excluded:
            st.caption("A study trains on all items, also those that the next run leaves out.")
        if spec.mixed_precision:
            st.caption("A study computes in full precision.")
        try:
            study = study_of(name.strip() or UNNAMED, base, int(n_seeds), setting, text)
        except ClustlabError as error:
            if setting == NOTHING or text:
                session.show_error(error)
            study = None
        _start(study)


def _propose(spec: RunSpec, base: Base) -> None:
    """Fill in values of the setting that was chosen, around the one that the form has."""
    name, declared = SETTING.get(), settings(base)
    if name not in declared:
        return
    given = spec.dataset_params if name.startswith(DATA) else spec.method_params
    p = declared[name]
    VALUES.set(proposed(p, given.get(p.name, p.default)))


def _repeat(base: Base) -> None:
    """Offer the most usual study of all by one button."""
    if not st.button(
        f"Repeat with {REPEATS} seeds",
        icon=":material/casino:",
        help="A study of these settings as they are, which shows how much is chance.",
        key="repeat-with-seeds",
    ):
        return
    try:
        study = repeated(base)
        queue_all(study)
    except ClustlabError as error:
        session.show_error(error)
    else:
        nav.go("studies", study=study.name)


def repeated(base: Base) -> Study:
    """The study of a base with a few seeds: the one that there is, or a new one of a free name."""
    kept, axes = Studies(session.store()), (Axis(SEED, tuple(range(REPEATS))),)
    for study in kept.all():
        if (study.base, study.axes) == (base, axes):
            return study
    method, dataset = registry.method(base.method), registry.dataset(base.dataset)
    words = f"{method.title} on {dataset.title}"[: LONGEST - 16]
    names = (f"{words}, {REPEATS} seeds{f' ({n})' * (n > 1)}" for n in itertools.count(1))
    return kept.keep(Study(next(n for n in names if not kept.is_there(n)), base, axes))


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
    axes = [axis_of(f"{setting}={text}", base)] if setting != NOTHING else []
    return Study(name, base, (*axes, Axis(SEED, tuple(range(n_seeds)))))

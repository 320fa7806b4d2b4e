"""Search and filters of the page Runs: in the open, and in the address."""

from collections.abc import Sequence

import streamlit as st

from clustlab.runs.labels import all_tags
from clustlab.runs.search import Wanted
from clustlab.runs.store import Run
from clustlab.ui import state
from clustlab.ui.markdown import Markdown


def wanted_runs(runs: Sequence[Run]) -> Wanted:
    """Draw the fields; return what they ask for."""
    datasets = {run.spec.dataset: run.manifest["dataset_title"] for run in runs}
    methods = {run.spec.method: run.manifest["method_title"] for run in runs}
    with st.container(horizontal=True, vertical_alignment="bottom", key="run-filters"):
        words = st.text_input(
            "Search",
            key=state.RUN_WORDS.key,
            bind="query-params",
            icon=":material/search:",
            placeholder="Name, tag, note, setting ...",
            width=240,
        )
        return Wanted(
            words,
            datasets=_several("Data set", state.RUN_DATASETS, datasets),
            methods=_several("Method", state.RUN_METHODS, methods),
            statuses=_several("Status", state.RUN_STATUSES, {r.status: r.status for r in runs}),
            tags=_several("Tags", state.RUN_TAGS, {tag: tag for tag in all_tags(runs)}),
            by_hand=st.toggle(
                "Changed by hand",
                key=state.RUN_BY_HAND.key,
                bind="query-params",
                help="Only runs that somebody changed while they trained.",
            ),
        )


def _several(
    label: Markdown, value: state.SessionValue[list[str]], names: dict[str, str]
) -> list[str]:
    """Field for some of the names; what was chosen and is gone stays, so that it can be let go."""
    gone = {name: name for name in value.get() if name not in names}
    options = {**names, **gone}
    return st.multiselect(
        label,
        list(options),
        format_func=options.__getitem__,
        key=value.key,
        bind="query-params",
        placeholder="All",
        width=170,
    )


def nothing_matches(n_runs: int) -> None:
    """Say that no run matches, and what to do."""
    st.info(
        f"None of the {n_runs:,} runs match. Use fewer search words, or remove a filter.",
        icon=":material/search_off:",
    )
    st.button("Show all runs", icon=":material/filter_alt_off:", on_click=_show_all)


def _show_all() -> None:
    state.RUN_WORDS.set("")
    state.RUN_BY_HAND.set(False)
    for filter_ in (state.RUN_DATASETS, state.RUN_METHODS, state.RUN_STATUSES, state.RUN_TAGS):
        filter_.set([])

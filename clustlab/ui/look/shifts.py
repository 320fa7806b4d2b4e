"""Body of the page Shifts: who moved between two steps."""

import numpy as np
import streamlit as st

from clustlab.analysis import matching, transitions
from clustlab.analysis.shares import percent
from clustlab.types import cluster_name, cluster_words
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View
from clustlab.ui.widgets import keyboard_choice, panels
from clustlab.views import curves, flow, matrices
from clustlab.views.theme import reading

CHURN = 180  # pixels


def shifts_page(view: View) -> None:
    """Flow and transition matrix from an earlier step to the one of the scrubber."""
    if len(view.timeline) < 2:
        st.info("Shifts compare two steps; the second one is on its way.")
        return
    label_shifts(view, key="churn", height=CHURN, with_guide=True)
    start = earlier_step(view)
    if start == view.step:
        st.info("Choose two different steps. The scrubber sets the later one.")
        return
    before, after = view.timeline.stable(start), view.clusters
    n_ids = view.timeline.n_ids()
    moved = np.flatnonzero(before != after)
    st.markdown(
        f"From step **{start}** to step **{view.step}**: **{len(moved):,}** of {len(after):,} "
        f"items changed cluster ({percent(len(moved) / max(len(after), 1))})."
    )
    note_read_anew(view, start)
    panels.tabs(
        {
            "Flow": lambda: _flow(view, start, before, n_ids),
            "Matrix": lambda: _matrix(view, start, before, n_ids),
        }
    )
    st.markdown(plain(transitions.events(before, after).sentence), help=transitions.RULE)


def label_shifts(view: View, *, key: str, height: int, with_guide: bool) -> None:
    """How many labels changed at each step, and how alike the clusters before and after are."""
    lines = ":blue[— share changed] :orange[┄ NMI with the step before]"  # a legend takes room
    tip = nav.with_terms(plain(reading(curves.metrics)), "NMI")
    st.markdown(f"**Label shifts** {lines}", help=tip)
    panels.chart(
        curves.metrics,
        view.timeline.metrics(),
        ["changed", "nmi_previous"],
        step=view.step,
        read_anew=view.timeline.read_anew(),
        key=key,
        with_legend=False,
        height=height,
        with_guide=with_guide,
    )


def note_read_anew(view: View, start: int) -> None:
    """Say which steps between an earlier step and the one in view read the clusters anew."""
    first, last = sorted((start, view.step))
    between = [str(step) for step in view.timeline.read_anew() if first < step <= last]
    if between:
        st.caption(
            f"At step {plain(', '.join(between))} the clusters are recomputed from what was "
            "trained. They "
            "do not continue the old ones, so an item that lands in a different cluster has not "
            "moved and does not count as changed on any page."
        )


def earlier_step(view: View) -> int:
    """Step to compare the one in view with, chosen by a slider."""
    last = len(view.timeline) - 1
    wanted = state.EARLIER_STEP.get()
    default = max(0, view.step - 1) if wanted is None else min(wanted, last)
    state.EARLIER_SLIDER.set(default)

    if wanted is not None:
        state.EARLIER_STEP_IN_ADDRESS.set(str(default))

    def moved() -> None:
        state.EARLIER_STEP.set(state.EARLIER_SLIDER.get())
        state.EARLIER_STEP_IN_ADDRESS.set(str(state.EARLIER_SLIDER.get()))

    return st.slider("Compare with step", 0, last, key=state.EARLIER_SLIDER.key, on_change=moved)


def _pick(view: View, start: int, source: int, target: int) -> None:
    before = view.timeline.stable(start)
    rows = np.flatnonzero((before == source) & (view.clusters == target))
    words = f"{cluster_words(source)} → {cluster_name(target)}".capitalize()
    session.select(rows, f"{words}, steps {start} to {view.step}")


def _flow(view: View, start: int, before: np.ndarray, n_ids: int) -> None:
    option, links = flow.sankey(
        before, view.clusters, n_ids, words=(f"at step {start}", f"at step {view.step}")
    )
    key = session.chart_key("flow")
    bands = keyboard_choice.Chooser("flow", key, lambda band: _pick(view, start, *band))

    def chosen() -> None:
        for group in state.marked(key, "selected"):
            for i in group["data_indices"] if group.get("data_type") == "edge" else ():
                if links[i] is not None:
                    bands.take(links[i])

    bands.box("Choose a band", _moves(view, start, before, n_ids, set(links)), width=250)
    st.echarts_chart(
        option,
        height=flow.height(option),
        key=key,
        on_select=chosen,
        renderer="svg",
        alt=f"Flow of items between clusters from step {start} to step {view.step}",
    )
    panels.guide(flow.sankey)


def _moves(
    view: View, start: int, before: np.ndarray, n_ids: int, shown: set[flow.Link] | None = None
) -> dict[tuple[int, int], str]:
    """Words for each group of items by where it was and is, the largest first."""
    ids = matching.with_noise_last(n_ids)
    moves = keyboard_choice.cells(
        transitions.table(before, view.clusters, n_ids),
        lambda a, b: (
            f"stayed in {cluster_words(a)}"
            if a == b
            else f"from {cluster_words(a)} to {cluster_name(b)}"
        ),
        rows=ids,
        columns=ids,
        noun=view.dataset.noun,
    )
    return {move: words for move, words in moves.items() if shown is None or move in shown}


def _matrix(view: View, start: int, before: np.ndarray, n_ids: int) -> None:
    key = session.chart_key("transition")
    cells = keyboard_choice.Chooser("transition", key, lambda cell: _pick(view, start, *cell))

    def chosen() -> None:
        clicked = state.marked(key, "cell")
        if clicked:
            cells.take((int(clicked[0]["from"]), int(clicked[0]["to"])))

    cells.box("Choose a cell", _moves(view, start, before, n_ids), width=250)
    panels.chart(
        matrices.transition,
        before,
        view.clusters,
        n_ids,
        key=key,
        select="cell",
        on_select=chosen,
    )

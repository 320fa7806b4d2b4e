"""What is at work and what waits for it, beside the form of the page Train."""

import streamlit as st

from clustlab.runs.store import Run
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run import run_bar, summaries
from clustlab.ui.widgets import live


def queue_of(run: Run | None) -> None:
    """Other runs that train or wait, each with a way to watch it, and what the newest waits for."""
    is_active = any(other.is_active for other in session.store().runs())
    view = live.part("queue", _queue, [live.QUEUE] if is_active else [], "progress")
    view(None if run is None else run.id)


def _queue(shown: str | None) -> None:
    active = [session.open_run(run.id) for run in session.active_runs()]
    _awaited(shown)
    _held_up(active)
    others = [run for run in active if run.id != shown]
    if others:
        st.markdown("**Also training or waiting**")
    for other in others:
        progress = other.progress
        words = [summaries.status_words(other), run_bar.whereabouts(other, progress)]
        st.button(
            plain(other.title),
            key=f"watch-{other.id}",
            type="tertiary",
            icon=":material/visibility:",
            on_click=session.choose,
            args=(other.id,),
        )
        st.caption(plain(" · ".join(filter(None, words))))


def _awaited(shown: str | None) -> None:
    """Say what the run that was started last waits for; go to watch it once it is its turn."""
    awaited = state.AWAITED.get()
    if awaited is None:
        return
    waiting_id, instead = awaited
    if shown != instead:  # the user looks at something else by now
        state.AWAITED.forget()
        return
    run = session.open_run(waiting_id)
    if run.status != "queued":
        state.AWAITED.forget()
        if run.status in ("running", "paused", "done"):
            session.choose(run.id)
            st.rerun()
        return
    with st.container(border=True, key="awaited"):
        st.markdown(f":material/hourglass_top: **{plain(run.title)}** is in the queue.")
        st.caption(
            f"It is {plain(run_bar.whereabouts(run, run.progress))}. It starts by itself; until "
            "then this page shows the run at work."
        )
        st.button(
            "Take it out of the queue",
            icon=":material/close:",
            type="tertiary",
            on_click=session.later(lambda: run.request("cancel")),
        )


def _held_up(active: list[Run]) -> None:
    """Say that a paused run keeps others waiting, with two ways on."""
    paused = next((run for run in active if run.status == "paused"), None)
    if paused is None or not any(run.status == "queued" for run in active):
        return
    st.warning(
        f"{plain(paused.title)} is paused, so the queue stands still. Resume it, or set it aside: "
        "then the next run starts, and this one keeps its place and can be resumed later.",
        icon=":material/pause_circle:",
    )
    with st.container(horizontal=True):
        st.button(
            "Resume",
            icon=":material/play_arrow:",
            key="queue-resume",
            on_click=session.later(lambda: paused.request("run")),
        )
        st.button(
            "Set aside",
            icon=":material/move_down:",
            key="queue-aside",
            on_click=session.later(lambda: paused.request("aside")),
        )

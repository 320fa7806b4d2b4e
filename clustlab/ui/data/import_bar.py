"""The import that is under way, as every tab sees it, and what came of it."""

import streamlit as st

from clustlab import registry
from clustlab.importing import job
from clustlab.importing.job import Job
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.widgets.refusals import refused_box

EVERY = 1.0  # seconds between looks at an import that is under way


def import_bar() -> None:
    """Progress with a way to stop, or the outcome; nothing if there was no import."""
    now = job.current()
    if now is None:
        return
    if now.status == "running":
        st.fragment(_progress, run_every=EVERY)()
        return
    with st.container(border=True):
        if now.status == "done":
            _outcome(now)
        elif now.status == "failed":
            session.show_error({"error": f"{now.title}: {now.error}", "hint": now.hint})
        else:
            st.markdown(f"**{plain(now.title)}**: {plain(now.message)}")
        if now.status != "done":
            _close()


def _progress() -> None:
    now = job.current()
    if now is None or now.status != "running":
        st.rerun()
    with st.container(border=True):
        words = f"Importing {now.title}: {now.message}"
        st.progress(now.fraction, plain(words))
        st.button("Stop", icon=":material/stop:", on_click=session.later(job.cancel))


def _outcome(done: Job) -> None:
    if done.is_new:
        st.markdown(f"**{done.n_items:,} items** came in as **{plain(done.title)}**.")
    else:
        added = ", ".join(done.added)
        st.markdown(
            f"The same {done.n_items:,} items are there already, as **{plain(done.name)}**; "
            + (f"it has got the classes {plain(added)}." if added else "nothing was added.")
        )
    if done.n_refused:
        refused_box(done.refused, done.n_refused, f"{done.n_refused:,} refused")
    with st.container(horizontal=True):
        if done.name in registry.datasets():
            if st.button("Train on it", icon=":material/play_arrow:", type="primary"):
                job.put_away()
                state.IS_FORM_OPEN.set(True)
                nav.go("train", dataset=done.name)
            st.button(
                "Look at it",
                icon=":material/visibility:",
                on_click=session.later(lambda: _look(done.name)),
            )
        _close()


def _look(name: str) -> None:
    job.put_away()
    state.ABOUT_DATASET.set(name)
    state.ABOUT_DATASET_IN_ADDRESS.set(name)
    state.BRING_IN_ADDRESS.drop()


def _close() -> None:
    st.button(
        "Close",
        icon=":material/close:",
        type="tertiary",
        key="close-import",
        on_click=session.later(job.put_away),
    )

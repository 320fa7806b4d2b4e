"""Body of the page Home.

It loads neither torch nor the lessons: it must be there in a moment.
"""

from collections.abc import Sequence

import streamlit as st

from clustlab.course.bookmark import FIRST_LESSON, bookmark
from clustlab.runs.store import Run
from clustlab.ui import nav, session
from clustlab.ui.home import cards, story
from clustlab.ui.markdown import plain

SHOWN = 6  # runs that have a card


def home_page() -> None:
    """One sentence, ways in, a run as a picture, quick starts, and the last runs."""
    st.title("Watch machines sort images without labels", anchor=False)
    st.markdown(
        "clustlab trains deep-clustering methods on this machine and shows every step: how groups "
        "form, which images they hold, and where they go wrong."
    )
    _ways_in()
    runs = [session.open_run(run.id) for run in session.store().runs()]
    begun = next((run for run in runs if len(run)), None)
    if begun is None or not story.story_of(begun):
        story.example()
    for column, start in zip(st.columns(3), cards.QUICK_STARTS, strict=True):
        with column:
            cards.quick_start(start)
    _last(runs)


def _ways_in() -> None:
    with st.container(horizontal=True, key="ways-in"):
        nav.link("learn", "New here? Start with lesson 1", "school", lesson=FIRST_LESSON, step="1")
        mark = bookmark(session.store().root)
        if mark is not None:
            words = f"Continue lesson {mark.number}, step {mark.step} of {mark.n_steps}"
            where = {"lesson": mark.lesson, "step": str(mark.step)}
            nav.link("learn", f"{words}: {plain(mark.title)}", "bookmark", **where)
        nav.link("train", "Choose a data set and a method yourself", "tune", form="next")


def _last(runs: Sequence[Run]) -> None:
    if runs:
        st.subheader("Latest runs", anchor=False)
        cards.last_runs(runs[:SHOWN])
        if len(runs) > SHOWN:
            nav.link("runs", f"All {len(runs):,} runs", "list")
        return
    st.caption(
        "Your runs will appear here, each with a small map of its embedding. Nothing leaves this "
        "machine, and nothing needs the internet."
    )

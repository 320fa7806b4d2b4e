"""The button "Repeat" of a finished run: once more exactly, and what came of earlier times."""

from datetime import datetime

import streamlit as st

from clustlab.analysis.repetition import Repetition, check_repeatable, repetition, sentences
from clustlab.errors import ClustlabError
from clustlab.runs.identity import comes_from
from clustlab.runs.store import Run
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain

SHOWN = 3  # repetitions that are told


def run_again(run: Run) -> None:
    """Popover that starts the same run once more, and tells how others like it came out."""
    with st.popover(
        "Repeat", icon=":material/replay:", key=f"again-{run.id}", on_change="rerun"
    ) as asked:
        if asked.open:  # what nobody sees costs no time
            session.guarded(_panel)(run)


def _panel(run: Run) -> None:
    try:
        check_repeatable(run)
    except ClustlabError as error:
        session.show_error(error)
    else:
        st.caption(
            "Trains once more with the same settings, items and seed, to see whether every step "
            "comes out the same to the bit. That is promised on the same kind of device with the "
            "same versions; what was changed by hand is not repeated."
        )
        st.button(
            "Run again exactly",
            type="primary",
            icon=":material/play_arrow:",
            key=f"go-again-{run.id}",
            on_click=session.later(lambda: _start(run)),
        )
    for other in repetitions_of(run)[:SHOWN]:
        _report(run, other)


def _start(run: Run) -> None:
    session.start(run.spec)
    nav.go_next("train")


def repetitions_of(run: Run) -> list[Run]:
    """Finished runs that were asked for the same, newest first."""
    return [
        other
        for other in session.store().runs()
        if other.id != run.id and other.status == "done" and comes_from(other, run.spec)
    ]


@session.kept_per_run(maxsize=32, anew=len)
def _repetition(run: Run, other_id: str, n_steps: int) -> Repetition:
    return repetition(run, session.open_run(other_id))


def _report(run: Run, other: Run) -> None:
    with st.spinner("Comparing all steps ..."):
        found = _repetition(run, other.id, len(other))
    made = datetime.fromtimestamp(other.manifest["created"])
    icon = ":material/check_circle:" if found.is_exact else ":material/difference:"
    when = f"{made:%d %B %Y, %H:%M}"
    st.markdown(f"{icon} **Against the run of {plain(when)}**")
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences(found)))
    nav.link("compare", "Compare the two", "compare_arrows", runs=f"{run.id},{other.id}")

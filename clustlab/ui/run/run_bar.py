"""The run bar: name, state and scores of a run, and the buttons that steer it."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from clustlab.runs.source import why_not_drawn
from clustlab.runs.store import RESUMABLE, Run
from clustlab.training import estimate
from clustlab.ui import session, state
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.run import alarms, run_again, summaries, train_longer
from clustlab.ui.widgets import live

SET_ASIDE = (
    "Finishes the step it is at, then makes way for the runs that wait. Resume takes it up again "
    "where it was."
)
LOST = "Their files or their lines in the log cannot be read. The other steps are as they were."
OUTSIDE = (
    "This clustering was made elsewhere, so it cannot be trained longer or run again. A method "
    "can be trained on the same items, and compared with it."
)
MENDED = "Resume computes what is missing again."
MEND = "Computes the steps that are missing again; the others stay as they are."


def run_bar(run: Run) -> None:
    """Name, state and scores of the run, and the buttons that steer it."""
    with st.container(key="run-bar"):
        text, buttons = st.columns([3, 2], vertical_alignment="center")
        with text:
            live.part("run-bar", _state, followed(run), "progress")(run.id)
        with buttons, st.container(horizontal=True, horizontal_alignment="right"):
            controls(run)


def followed(run: Run) -> list[str]:
    """What a page follows to tell where a run stands; nothing once it is over."""
    if not run.is_active:
        return []
    return [run.id, live.QUEUE] if run.status == "queued" else [run.id]


def _state(run_id: str) -> None:
    run = session.open_run(run_id)
    progress = run.progress
    status = progress["status"]
    where = whereabouts(run, progress)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(run.title)}**", width="content")
        st.badge(plain(summaries.status_words(run)), color=summaries.STATUS_COLORS[status])
        if where:
            st.caption(plain(where), width="content")
        if status == "done":
            alarms.alarms_of_outcome(run)
        missing = summaries.missing(run)
        if missing:
            st.markdown(
                f":orange[:material/broken_image: {plain(missing)}]",
                width="content",
                help=LOST if run.spec.is_outside else f"{LOST} {MENDED}",
            )
        if gone := why_not_drawn(run.spec, run.manifest):
            st.markdown(
                f":orange[:material/link_off: {plain(gone.message)}]",
                width="content",
                help=plain(gone.hint),
            )
        scores = summaries.scores(run)
        leading = summaries.leading_scores(scores)
        if leading:
            st.caption("last step:", width="content")
        for score, value in leading:
            st.markdown(f"{plain(score.short)} **{score.written(value)}**", width="content")
        for words in summaries.clustered(scores):
            st.markdown(plain(words), width="content", help=summaries.NOISE_HELP)
    seen = state.SEEN_STATUS.get()
    if seen != (run_id, status):
        state.SEEN_STATUS.set((run_id, status))
        if seen is not None and seen[0] == run_id:
            st.rerun()  # other buttons, and another pace


def whereabouts(run: Run, progress: dict[str, Any]) -> str:
    """Where an active run stands, in words."""
    status = progress["status"]
    if status == "queued":
        return _waits_for(session.runs_ahead(run))
    if status == "set aside":
        return "it made way for others; press Resume to go on where it was"
    if status == "lost":
        return "the process that trained it has ended; all finished steps are safe"
    if status not in ("running", "paused"):
        return ""
    words = f"{progress['notice']} " if progress.get("notice") else ""
    words += str(progress.get("phase") or "starting")
    if progress.get("total"):
        words += f" {min(progress['done'] + 1, progress['total'])}/{progress['total']}"
    if progress.get("eta") and status == "running":
        words += f" · {estimate.duration_in_words(progress['eta'])} left"
    return words


def _waits_for(ahead: Sequence[Run]) -> str:
    """What a queued run waits for, with the time that the run at work still takes."""
    if not ahead:
        return "starting"
    first, more = ahead[0], len(ahead) - 1
    progress = first.progress
    words = f"waiting for {first.title}"
    if progress["status"] == "paused":
        words += ", which is paused"
    elif progress.get("eta"):
        words += f" ({estimate.duration_in_words(progress['eta'])} left)"
    return words + (f" and {more} more run{'s' * (more > 1)}" if more else "")


def controls(run: Run) -> None:
    """Buttons that make sense in the run's state."""
    status = run.status
    if run.spec.is_outside:
        _button("Train on its items", "play_arrow", lambda: session.duplicate(run), help=OUTSIDE)
        return
    if status == "running" and run.intention == "pausing":
        _button("Keep going", "play_arrow", lambda: run.request("run"))
        _button("Stop", "stop", lambda: run.request("cancel"))
    elif status == "running":
        _button("Pause", "pause", lambda: run.request("pause"))
        _button("Stop", "stop", lambda: run.request("cancel"))
    elif status == "paused":
        _button("Resume", "play_arrow", lambda: run.request("run"))
        _button("One step", "skip_next", run.request_step)
        _button("Set aside", "move_down", lambda: run.request("aside"), help=SET_ASIDE)
        _button("Stop", "stop", lambda: run.request("cancel"))
    elif status == "queued":
        _button("Stop", "stop", lambda: run.request("cancel"))
    elif status in RESUMABLE:
        _button("Resume", "play_arrow", lambda: session.resume(run))
    elif status == "done" and run.missing_steps:
        _button("Resume", "play_arrow", lambda: session.resume(run), help=MEND)
    elif status == "done":
        train_longer.train_longer(run)
        run_again.run_again(run)
    if status not in ("running", "paused", "queued"):
        _button("Change and run again", "edit", lambda: session.duplicate(run))


def _button(
    label: Markdown, icon: str, action: Callable[[], None], help: Markdown | None = None
) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        on_click=session.later(action),
        key=f"control-{label}",
        help=help,
    )

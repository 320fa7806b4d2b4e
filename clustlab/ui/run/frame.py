"""Frame of every page that looks at a run: run bar, scrubber, main view, inspector.

The controls stand in the page's script, outside everything that ticks. Below them one fragment
holds the scrubber and the views; it reruns every other second while the run is active, and by
itself when the user moves the step, so that a step costs no rerun of the page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st

from clustlab.analysis import matching, metrics
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import Run
from clustlab.training import estimate
from clustlab.types import Array, Dataset, Snapshot
from clustlab.ui import nav, session
from clustlab.ui.run import inspector, scrubber, summaries

TICK = 1.0  # seconds between looks at the state of an active run
FIRST_TICK = 0.4  # seconds between looks for its first step
BODY_TICK = 2.0  # seconds between redraws of its views


@dataclass(frozen=True)
class View:
    """What a page needs to draw one step of one run."""

    run: Run
    step: int
    timeline: Timeline
    dataset: Dataset

    @cached_property
    def snapshot(self) -> Snapshot:
        """Snapshot of the step."""
        return self.run[self.step]

    @cached_property
    def clusters(self) -> Array:
        """Cluster of each item under its lasting number, (n,) int32."""
        return self.timeline.stable(self.step)

    @cached_property
    def class_of(self) -> Array:
        """Class of each cluster, by cluster number; -1 for none.

        By the 1-to-1 matching; with more clusters in use than classes, by the majority.
        """
        ids, classes = self.timeline.n_ids(), self.timeline.n_classes
        return matching.classes_of(self.labels, self.clusters, ids, classes)

    @cached_property
    def wrong(self) -> Array:
        """Whether an item's true class is not that of its cluster, (n,) bool."""
        if self.labels is None:
            return np.zeros(len(self.clusters), bool)
        return (self.labels >= 0) & (self.class_of[self.clusters] != self.labels)

    @cached_property
    def confidence(self) -> Array:
        """How sure the method is of each item's cluster, (n,) in [0, 1]."""
        return metrics.confidence(self.snapshot)

    @property
    def labels(self) -> Array | None:
        """True classes, or None."""
        return self.dataset.labels

    @property
    def is_live(self) -> bool:
        """Whether the newest step of an active run is shown."""
        return self.run.is_active and self.step == len(self.run) - 1


def show(body: Callable[[View], None], *, with_inspector: bool = True) -> None:
    """Draw the frame around a page's main view."""
    run = session.chosen_run()
    if run is None:
        nothing_yet()
        return
    run_bar(run)
    waits = not len(run)
    st.fragment(session.guarded(_ticking), run_every=_pace(run, waits))(
        run.id, body, with_inspector, waits
    )


def _pace(run: Run, waits: bool) -> float | None:
    """Seconds between two drawings of the views; None if nothing moves."""
    if st.session_state.get("playing", False):
        return scrubber.FRAME
    if not run.is_active:
        return None
    return FIRST_TICK if waits else BODY_TICK


def nothing_yet() -> None:
    """Say what will be here, and offer the way to it."""
    st.markdown("### No run yet")
    st.markdown(
        "This page looks inside a training run: pick a data set and a method, press Start, "
        "and come back while it learns or afterwards."
    )
    if st.button("Start a run", type="primary", icon=":material/play_arrow:"):
        nav.go("train")


# -- run bar -----------------------------------------------------------------------------------
def run_bar(run: Run) -> None:
    """Name, state and scores of the run, and the buttons that steer it."""
    with st.container(key="run-bar"):
        text, buttons = st.columns([3, 2], vertical_alignment="center")
        with text:
            st.fragment(session.guarded(_state), run_every=TICK if run.is_active else None)(run.id)
        with buttons, st.container(horizontal=True, horizontal_alignment="right"):
            controls(run)


def _state(run_id: str) -> None:
    run = session.open_run(run_id)
    progress = run.progress
    status = progress["status"]
    where = describe(run, progress)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{run.title}**", width="content")
        st.badge(status, color=summaries.STATUS_COLORS[status])
        if where:
            st.caption(where, width="content")
        found = summaries.scores(run)
        for name in ("acc", "nmi"):
            if found.get(name) is not None:
                st.markdown(f"{name.upper()} **{found[name]:.3f}**", width="content")
    if st.session_state.get("status-of") != (run_id, status):
        first = st.session_state.get("status-of", (None,))[0] != run_id
        st.session_state["status-of"] = (run_id, status)
        if not first:
            st.rerun()  # other buttons, and another pace


def describe(run: Run, progress: dict[str, Any]) -> str:
    """Where an active run stands, in words."""
    status = progress["status"]
    if status == "queued":
        ahead = session.queue_position(run)
        return f"waiting for {ahead} other run{'s' * (ahead > 1)}" if ahead else "starting"
    if status == "lost":
        return "the process that trained it is gone; what it committed is safe"
    if status not in ("running", "paused"):
        return ""
    words = str(progress.get("phase") or "starting")
    if progress.get("total"):
        words += f" {min(progress['done'] + 1, progress['total'])}/{progress['total']}"
    if progress.get("eta") and status == "running":
        words += f" · {estimate.words(progress['eta'])} left"
    return words


def controls(run: Run) -> None:
    """Buttons that make sense in the run's state."""
    status = run.status
    if status == "running":
        _button("Pause", "pause", lambda: run.request("pause"))
        _button("Stop", "stop", lambda: run.request("cancel"))
    elif status == "paused":
        _button("Resume", "play_arrow", lambda: run.request("run"))
        _button("One step", "skip_next", run.request_step)
        _button("Stop", "stop", lambda: run.request("cancel"))
    elif status == "queued":
        _button("Stop", "stop", lambda: run.request("cancel"))
    elif status in ("cancelled", "failed", "lost"):
        _button("Resume", "play_arrow", lambda: session.resume(run))
    elif status == "done":
        _button("Train longer", "fast_forward", lambda: session.train_longer(run))
    if status not in ("running", "paused", "queued"):
        _button("Change and run again", "edit", lambda: session.duplicate(run))


def _button(label: str, icon: str, action: Callable[[], None]) -> None:
    st.button(
        label, icon=f":material/{icon}:", on_click=session.later(action), key=f"control-{label}"
    )


# -- body --------------------------------------------------------------------------------------
def _ticking(run_id: str, body: Callable[[View], None], with_inspector: bool, waited: bool) -> None:
    run = session.open_run(run_id)
    if not len(run):
        waiting(run)
        return
    if waited:
        st.rerun()  # at the pace of a run that has something to show
    view = look(run)
    scrubber.draw(view.run, view.timeline, view.step)
    if not with_inspector:
        body(view)
        return
    main, side = st.columns([3, 2], gap="medium")
    with main:
        body(view)
    with side:
        inspector.draw(view)


def look(run: Run) -> View:
    """View of the chosen step, with everything derived up to the newest."""
    timeline = session.timeline(run)
    behind = len(run) - len(timeline)
    place = st.empty()  # always, or all below would move up and lose the focus of the keyboard
    if behind > 20:
        bar = place.progress(0.0, "Following the clusters through all steps")
        timeline.extend(report=lambda words, share: _tell(bar, words, share))
        bar.empty()
    else:
        timeline.extend()
    return View(run, session.step(len(timeline)), timeline, session.dataset(run))


def _tell(bar: Any, words: str, share: float) -> None:
    bar.progress(min(share, 1.0), words)


def waiting(run: Run) -> None:
    """Say why there is nothing to see yet."""
    progress = run.progress
    if progress["status"] in ("failed", "lost"):
        session.show_error(
            progress
            if progress["status"] == "failed"
            else {
                "error": "The run was lost before its first step.",
                "hint": "Press Resume to start it again.",
            }
        )
    elif progress["status"] == "cancelled":
        st.info("This run was stopped before its first step. Press Resume to go on with it.")
    else:
        st.progress(
            float(progress.get("fraction") or 0.0), f"{describe(run, progress)}: first picture soon"
        )

"""Frame of every page that looks at a run: run bar, scrubber, main view, inspector.

The controls stand in the page's script, outside everything that ticks. Below them one fragment
holds the scrubber and the views; it reruns when the run has another step, and by itself when the
user moves the step, so that a step costs no rerun of the page.
"""

from collections.abc import Callable
from typing import Literal

import streamlit as st

from clustlab.runs.store import Run, step_missing
from clustlab.types import ClassRule
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run import run_bar, scrubber
from clustlab.ui.run.inspector import inspector_panel, is_anything_chosen
from clustlab.ui.run.view import View, chosen_step
from clustlab.ui.widgets import live

Unselected = Callable[[], None]
"""Draws what a page shows in the inspector while nothing is selected."""
Body = Callable[[View], Unselected | None]
"""Draws the main view of a page; returns what to show beside it, None for the story of the step."""
Inspector = Literal["beside", "when chosen", "none"]
"""Where the inspector stands: with "when chosen", below the main view while nothing is chosen."""
BESIDE, ALONE = (3.0, 2.0), (1.0, 1e-6)  # widths of the main view and of what is beside it


def run_page(
    body: Body,
    *,
    inspector: Inspector = "beside",
    class_rule: ClassRule | None = None,
) -> None:
    """Draw the frame around a page's main view.

    `class_rule` says what a cluster stands for on this page unless the user has chosen.
    """
    run = session.chosen_run()
    if run is None:
        no_run_yet()
        return
    run_bar.run_bar(run)
    waits = not len(run)
    views = live.part(
        "views",
        _ticking,
        run_bar.followed(run),
        "progress" if waits else "steps",
        run_every=scrubber.FRAME if state.IS_PLAYING.get() else None,
    )
    views(run.id, body, inspector, waits, class_rule)


def no_run_yet() -> None:
    """Say what will be here, and offer the way to it."""
    st.markdown("### No run yet")
    st.markdown(
        "This page looks inside a training run: pick a data set and a method, press Start, "
        "and come back while it learns or afterwards."
    )
    if st.button("Start a run", type="primary", icon=":material/play_arrow:"):
        nav.go("train")


# -- body --------------------------------------------------------------------------------------
def _ticking(
    run_id: str,
    body: Body,
    inspector: Inspector,
    waited: bool,
    class_rule: ClassRule | None,
) -> None:
    run = session.open_run(run_id)
    if not len(run):
        why_nothing_yet(run)
        _meanwhile(run)
        return
    if waited:
        st.rerun()  # at the pace of a run that has something to show
    view = chosen_step(run, class_rule)
    scrubber.draw_scrubber(view.run, view.timeline, view.step)
    if view.timeline.is_missing(view.step):  # its clusters are those of the step before
        session.show_error(step_missing(run, view.step))
        return
    if inspector == "none":
        body(view)
        return
    is_alone = inspector == "when chosen" and not is_anything_chosen(view)
    # always two columns, or the main view would be put in its place anew and lose the focus
    main, side = st.columns(ALONE if is_alone else BESIDE, gap="medium")
    with main:
        unselected = body(view)
    with main if is_alone else side:
        inspector_panel(view, unselected)


def _meanwhile(run: Run) -> None:
    """Way to the run that a queued one waits for."""
    ahead = session.runs_ahead(run) if run.status == "queued" else []
    for other in ahead[:1]:
        st.button(
            f"Watch {plain(other.title)} meanwhile",
            icon=":material/visibility:",
            key="watch-meanwhile",
            on_click=session.wait_for,
            args=(run.id, other.id),
        )


def why_nothing_yet(run: Run) -> None:
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
    elif progress["status"] in ("cancelled", "set aside"):
        st.info("This run was stopped before its first step. Press Resume to go on with it.")
    elif progress["status"] == "queued" and session.runs_ahead(run):
        where = run_bar.whereabouts(run, progress)
        st.info(
            f"This run is {plain(where)}. It starts by itself.", icon=":material/hourglass_top:"
        )
    else:
        st.progress(
            float(progress.get("fraction") or 0.0),
            f"{plain(run_bar.whereabouts(run, progress))}: first picture soon",
        )

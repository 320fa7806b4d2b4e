"""What a page needs to draw one step of one run."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from clustlab.analysis.step_view import StepView
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import Run
from clustlab.types import ClassRule
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.widgets import live


@dataclass(frozen=True)
class View(StepView):
    """One step of a stored run, as a page draws it."""

    run: Run


def chosen_step(run: Run, class_rule: ClassRule | None = None) -> View:
    """View of the chosen step, with everything derived up to the newest.

    Clusters stand for classes as the user has chosen, else as `class_rule` says, else as usual.
    """
    timeline = session.timeline(run)
    behind = len(run) - len(timeline)
    shown = max(live.steps_shown(run), 1) if run.is_active else None
    place = st.empty()  # always, or all below would move up and lose the focus of the keyboard
    if behind > 20:
        bar = place.progress(0.0, "Following the clusters through all steps")
        timeline.extend(shown, lambda words, share: _tell(bar, words, share))
        bar.empty()
    else:
        timeline.extend(shown)
    step = nearest_stop(timeline, session.step(len(timeline)))
    state.DRAWN.set(state.Drawn.of((run.id, run.title, step)))
    return view_of(run, step, session.class_rule() or class_rule)


def nearest_stop(timeline: Timeline, step: int) -> int:
    """The step asked for; where that is thinned, the last one before it that is not."""
    return max((stop for stop in timeline.stops() if stop <= step), default=step)


@session.kept_per_run(maxsize=8, anew=session.n_followed)  # ids of clusters grow with the run
def view_of(run: Run, step: int, rule: ClassRule | None) -> View:
    """View of a step for all sessions: what follows from it is worked out once."""
    return View(run, step, session.timeline(run), session.dataset(run), asked_class_rule=rule)


def _tell(bar: Any, words: str, share: float) -> None:
    bar.progress(min(share, 1.0), plain(words))

"""The scrubber: where things happened, and which step is shown."""

import time
from bisect import bisect_right
from collections.abc import Callable

import streamlit as st

from clustlab.analysis.shares import percent
from clustlab.analysis.timeline import Timeline
from clustlab.runs.opened_steps import ordinal
from clustlab.runs.phases import place_in_run
from clustlab.runs.store import Run
from clustlab.ui import session, state
from clustlab.ui.markdown import Markdown, plain
from clustlab.ui.run import alarms, intervene
from clustlab.ui.widgets import panels
from clustlab.views import curves

FRAME = 0.6  # seconds a step is shown while replaying
LATE = 3  # frames that the browser may lie behind
UNDER_WAY = 1.0  # seconds in which a rerun may still carry the step that a button has left


def draw_scrubber(run: Run, timeline: Timeline, step: int) -> None:
    """Sparkline of the share of changed labels, and the step slider with its buttons."""
    steps = len(timeline)
    last = steps - 1
    stops = timeline.stops()
    place = max(bisect_right(stops, step) - 1, 0)  # the step may have gone just now
    before, after = stops[max(place - 1, 0)], stops[min(place + 1, len(stops) - 1)]
    with st.container(key="scrubber"):
        buttons, track, words = st.columns([3, 8, 4], vertical_alignment="center")
        with buttons, st.container(horizontal=True, wrap=False, gap="xsmall"):
            _button("First step", "first_page", lambda: _leave(step, 0, last), step > 0)
            _button("Previous step", "chevron_left", lambda: _leave(step, before, last), step > 0)
            playing = state.IS_PLAYING.get()
            if playing:
                _button("Pause replay", "pause", _hold, enabled=True)
            else:
                _button("Replay", "play_arrow", lambda: _play(step, last), steps > 1)
            _button("Next step", "chevron_right", lambda: _leave(step, after, last), step < last)
            _button("Newest step", "last_page", lambda: _leave(step, last, last), step < last)
        with track:
            if steps > 1:
                panels.chart(
                    curves.sparkline_at,
                    timeline.metrics()["changed"].to_numpy(),
                    step,
                    alarms=[alarm.step for alarm in alarms.alarms_so_far(run)],
                    interventions=intervene.changed_steps(run, steps),
                    read_anew=timeline.read_anew(),
                    height=34,
                    key="sparkline",
                    alt="Share of labels changed at each step, with marks at alarms, interventions "
                    "and recomputed clusters",
                    with_guide=False,
                    with_menu=False,
                )
                state.SCRUBBER.set(stops[place])
                _slider(stops, last)
        with words:
            where = f"Step {step} of {last} · {place_in_run(run.log[step])}"
            kept = _kept(run, stops, last)
            st.caption(plain(" · ".join(filter(None, (where, _change(timeline, step), kept)))))
        alarms.alarms_here(run, step)
        intervene.show_changes(run, timeline, step)
    _advance(step, after, last)


def _slider(stops: list[int], last: int) -> None:
    """Slider over the steps that can be looked at; its value is a step."""

    def moved() -> None:
        _slid(stops, last)

    if len(stops) == last + 1:
        st.slider(
            "Step", 0, last, key=state.SCRUBBER.key, label_visibility="collapsed", on_change=moved
        )
        return
    st.select_slider(
        "Step", stops, key=state.SCRUBBER.key, label_visibility="collapsed", on_change=moved
    )


def _kept(run: Run, stops: list[int], last: int) -> str:
    """Which steps of a run that was thinned can be looked at, in words."""
    return "" if len(stops) == last + 1 else f"every {ordinal(run.thinning.every)} step is kept"


def _change(timeline: Timeline, step: int) -> str:
    """What a step did to the clusters of the items, in words."""
    if step in timeline.read_anew():
        before, after = (len(timeline.mapping(i)) for i in (step - 1, step))
        return f"clusters recomputed: {after} instead of {before}"
    changed = timeline.row(step)["changed"]
    return "" if changed != changed else f"{percent(changed)} of labels changed"


def _button(label: Markdown, icon: str, action: Callable[[], None], enabled: bool = True) -> None:
    st.button(
        label,  # for screen readers; the style sheet shows the icon only
        icon=f":material/{icon}:",
        key=f"scrub-{label}",
        help=label,
        on_click=action,
        disabled=not enabled,
        type="tertiary",
    )


def _set(value: int, last: int) -> None:
    state.IS_PLAYING.set(False)
    session.set_step(None if value >= last else value)


def _leave(step: int, value: int, last: int) -> None:
    """Go from a step to another one by a button."""
    state.LEFT_BY_BUTTON.set((step, time.monotonic()))
    _set(value, last)


def _slid(stops: list[int], last: int) -> None:
    """Go where the slider was moved.

    A rerun that something else asked for may still carry the place of a frame that has just passed,
    or of the step that a button has just left; nobody moved the slider then.
    """
    value, now = state.SCRUBBER.get(), state.STEP.get()
    passed = stops[: stops.index(now) + 1][-1 - LATE :] if now in stops else []
    if state.IS_PLAYING.get() and value in passed:
        return
    left, since = state.LEFT_BY_BUTTON.get()
    if value == left and time.monotonic() - since < UNDER_WAY:
        return
    _set(value, last)


def _play(step: int, last: int) -> None:
    state.IS_PLAYING.set(True)
    session.set_step(0 if step >= last else step)


def _hold() -> None:
    state.IS_PLAYING.set(False)


def _advance(step: int, after: int, last: int) -> None:
    """Move on to the next step at each tick while replaying; adapt the page's pace to it."""
    playing = state.IS_PLAYING.get()
    if playing != state.WAS_PLAYING.get():
        state.WAS_PLAYING.set(playing)
        st.rerun()
    due = state.NEXT_FRAME.get()  # other reruns come in between
    if playing and time.monotonic() >= due:
        state.NEXT_FRAME.set(time.monotonic() + FRAME * 0.9)
        if step >= last:
            _hold()
            session.set_step(None)
        else:
            session.set_step(after)

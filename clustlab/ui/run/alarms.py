"""Alarms of a run as a line under the scrubber and as a list."""

from itertools import groupby

import streamlit as st

from clustlab.analysis import alarms
from clustlab.analysis.alarms import Alarm
from clustlab.analysis.timeline import Timeline
from clustlab.course import catalogue
from clustlab.runs.store import Run
from clustlab.ui import nav, session
from clustlab.ui.run.view import View

TABS = "look"  # name of the tabs of the page Follow in the URL
BUTTONS = 12  # steps of one kind of alarm that have a line each


@session.kept_per_run(maxsize=16, anew=lambda run: (session.n_followed(run), run.status))
def alarms_so_far(run: Run) -> tuple[Alarm, ...]:
    """Alarms of a run, kept until it grows or ends."""
    return tuple(alarms.of(run, session.timeline(run)))


def line(run: Run, timeline: Timeline, step: int) -> None:
    """One line for the alarms that hold at a step; nothing if there are none."""
    here = alarms.at(alarms_so_far(run), step)
    if not here:
        return
    words = f"**{here[0].title}** ({here[0].when}): {here[0].fact}"
    if len(here) > 1:
        words += f" Also: {', '.join(alarm.title.lower() for alarm in here[1:])}."
    with st.container(horizontal=True, vertical_alignment="center", key="alarm-line"):
        st.markdown(f":orange[:material/warning:] {words}", width="content")
        nav.link("follow", "What this means", "timeline", **{TABS: "Alarms"})


def listing(view: View) -> None:
    """Every alarm with its step to go to, what it means and what guards against it."""
    known = sorted(alarms_so_far(view.run), key=lambda alarm: (alarm.name, alarm.step))
    if not known:
        st.markdown(
            f":material/check: **No alarm** in {len(view.timeline)} steps. Watched for: collapse, "
            "empty clusters, uniform probabilities, no change at all, labels that do not settle, "
            "heads that disagree, a loss that diverges."
        )
        return
    groups = [list(group) for _, group in groupby(known, key=lambda alarm: alarm.name)]
    for group in sorted(groups, key=lambda group: group[0].step):
        _group(view, group)
    nav.link(
        "methods",
        f"Where {view.run.manifest['method_title']} fails, and why",
        "menu_book",
        about=view.run.spec.method,
    )


def _group(view: View, group: list[Alarm]) -> None:
    """Alarms of one kind: the explanation once, the steps to go to one below the other."""
    first = group[0]
    with st.container(border=True, key=f"alarm-{first.name}"):
        st.markdown(f":orange[:material/warning:] **{first.title}**")
        for alarm in group[:BUTTONS]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    f"Step {alarm.step}",
                    key=f"alarm-{alarm.name}-{alarm.step}",
                    type="primary" if alarm.step == view.step else "secondary",
                    on_click=session.set_step,
                    args=(alarm.step,),
                )
                st.markdown(alarm.fact)
        if len(group) > BUTTONS:
            st.caption(f"and {len(group) - BUTTONS} more, the last at step {group[-1].step}")
        st.markdown(first.meaning)
        st.caption(f":material/shield: What guards against it: {first.remedy}")
        lesson = catalogue.explained().get(first.name)
        if lesson:
            nav.lesson_link(lesson, f"Lesson: {catalogue.lesson(lesson[0]).title}")

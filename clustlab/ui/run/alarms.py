"""Alarms of a run as a line under the scrubber and as a list."""

import contextlib
from itertools import groupby

import streamlit as st

from clustlab import registry
from clustlab.analysis.alarm_catalogue import ENTRIES, AlarmText, alarm_text, facts
from clustlab.analysis.alarms import Alarm, alarms_at_step, alarms_of_run
from clustlab.analysis.matching import n_classes_present
from clustlab.course import catalogue
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain
from clustlab.ui.run.view import View

TABS = "look"  # name of the tabs of the page Follow in the URL
BUTTONS = 12  # steps of one kind of alarm that have a line each


@session.kept_per_run(maxsize=16, anew=lambda run: (session.n_followed(run), run.status))
def alarms_so_far(run: Run) -> tuple[Alarm, ...]:
    """Alarms of a run, kept until it grows or ends."""
    return tuple(alarms_of_run(run, session.timeline(run)))


def _text(run: Run, alarm: Alarm) -> AlarmText:
    """An alarm in the words of the run's method."""
    n_classes = 0
    with contextlib.suppress(ClustlabError):  # its items are gone
        n_classes = n_classes_present(session.dataset(run).labels)
    method = registry.methods().get(run.spec.method)
    return alarm_text(alarm, method, run.spec.method_params, n_classes)


def alarms_here(run: Run, step: int) -> None:
    """One line for the alarms that hold at a step; nothing if there are none."""
    here = alarms_at_step(alarms_so_far(run), step)
    if not here:
        return
    first = _text(run, here[0])
    words = f"**{plain(first.title)}** ({plain(here[0].when)}): {plain(first.fact)}"
    if len(here) > 1:
        titles = dict.fromkeys(ENTRIES[alarm.kind].title.lower() for alarm in here[1:])
        words += f" Also: {plain(', '.join(titles))}."
    with st.container(horizontal=True, vertical_alignment="center", key="alarm-line"):
        st.markdown(f":orange[:material/warning:] {words}", width="content")
        nav.link("follow", "What this means", "timeline", **{TABS: "Alarms"})


def titles_of_outcome(run: Run) -> list[str]:
    """Titles of the alarms that hold at the last step: a run that is done may still have failed."""
    try:
        n_steps = session.timeline(run).extend()  # alarms are those of the steps it has followed
        last = alarms_at_step(alarms_so_far(run), n_steps - 1)
    except ClustlabError:  # its items are gone, or no step can be read
        return []
    return list(dict.fromkeys(_text(run, alarm).title for alarm in last))


def alarms_of_outcome(run: Run) -> None:
    """These titles in a line; nothing if there are none."""
    titles = titles_of_outcome(run)
    if titles:
        st.markdown(
            f":orange[:material/warning: {plain(', '.join(titles))}]",
            width="content",
            help="These alarms hold at the last step. The tab Alarms of the page Follow explains "
            "them.",
        )


def alarms_in_short(run: Run, step: int) -> None:
    """Titles of the alarms that hold at a step, each a link to what it means."""
    for alarm in alarms_at_step(alarms_so_far(run), step):
        words = f"{plain(_text(run, alarm).title)} ({plain(alarm.when)})"
        nav.link("follow", words, "warning", **{TABS: "Alarms"})


def alarm_list(view: View) -> None:
    """Every alarm with its step to go to, what it means and what guards against it."""
    known = sorted(alarms_so_far(view.run), key=lambda alarm: (alarm.kind, alarm.step))
    if not known:
        watched = ", ".join(plain(entry.watched) for entry in ENTRIES.values())
        st.markdown(
            f":material/check: **No alarm** in {len(view.timeline)} steps. Watched for: {watched}."
        )
        return
    groups = [list(group) for _, group in groupby(known, key=lambda alarm: alarm.kind)]
    for group in sorted(groups, key=lambda group: group[0].step):
        _group(view, group)
    if view.run.spec.is_outside:
        return
    nav.link(
        "methods",
        f"Where {plain(view.run.manifest['method_title'])} fails, and why",
        "menu_book",
        about=view.run.spec.method,
    )


def _group(view: View, group: list[Alarm]) -> None:
    """Alarms of one kind: the explanation once, the steps to go to one below the other."""
    kind, text = group[0].kind, _text(view.run, group[0])
    with st.container(border=True, key=f"alarm-{kind}"):
        st.markdown(f":orange[:material/warning:] **{plain(text.title)}**")
        for alarm in group[:BUTTONS]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.button(
                    f"Step {alarm.step}",
                    key=f"alarm-{kind}-{alarm.step}",
                    type="primary" if alarm.step == view.step else "secondary",
                    on_click=session.set_step,
                    args=(alarm.step,),
                )
                st.markdown(plain(facts(alarm)))
        if len(group) > BUTTONS:
            st.caption(f"and {len(group) - BUTTONS} more, the last at step {group[-1].step}")
        st.markdown(plain(text.meaning))
        if text.remedy:
            st.caption(f":material/shield: What guards against it: {plain(text.remedy)}")
        lesson = catalogue.about_alarm(kind, view.run.spec.method)
        nav.lesson_link(lesson, f"Lesson: {plain(catalogue.lesson(lesson[0]).title)}")

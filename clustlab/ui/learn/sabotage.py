"""Body of the page Sabotage: broken runs beside guarded ones, and whether the signature shows."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from clustlab.analysis.score_catalogue import SCORES
from clustlab.course import catalogue
from clustlab.errors import ClustlabError, ParameterError
from clustlab.params import label_of_setting
from clustlab.runs.store import RESUMABLE, Run, RunSpec
from clustlab.sabotage import entries
from clustlab.sabotage.entry import Entry, Finding
from clustlab.training import estimate
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import Markdown, authored, plain
from clustlab.ui.run import run_bar, summaries
from clustlab.ui.state import SessionValue
from clustlab.ui.widgets import live, panels
from clustlab.views import curves

SIDES = ("broken", "guarded")
HEIGHT = 220  # with all that is said of the two runs on one screen
TITLES = {  # of the methods, which a page need not import
    "dec": "DEC",
    "deepcluster": "DeepCluster",
    "iic": "IIC",
    "imsat": "IMSAT",
    "kmeans": "k-means",
}

Pair = dict[str, Run | None]


def sabotage_page() -> None:
    """List of broken runs on the left, the chosen one beside its guarded twin on the right."""
    st.title("Sabotage", anchor=False)
    left, right = st.columns([3, 8], gap="large")
    with left:
        st.markdown(
            "Every guard in a method is there because something goes wrong without it. Break one, "
            "and learn the signature, before you meet it in a run of your own."
        )
        entry = _chosen()
    with right:
        _about(entry)
        pair = _pair(entry).values()
        active = [run.id for run in pair if run is not None and run.is_active]
        live.part("pair", _ticking, active, "progress")(entry.name)


def _chosen() -> Entry:
    """Entry of the list, which stands in the address under its name and not its title."""
    shown = state.SABOTAGE_SHOWN.get() or entries.NAMES[0]
    wanted = state.SABOTAGE_IN_ADDRESS.get() or shown
    if wanted not in entries.NAMES:
        try:
            entries.entry_named(wanted)
        except ParameterError as error:
            session.show_error(error)
    elif wanted != shown or not state.SABOTAGE.is_set():
        state.SABOTAGE.set(wanted)  # by a link, or back from another page
    name = st.radio(
        "What to break",
        entries.NAMES,
        format_func=lambda name: plain(entries.entry_named(name).title),
        key=state.SABOTAGE.key,
    )
    state.SABOTAGE_SHOWN.set(str(name))
    state.SABOTAGE_IN_ADDRESS.set(str(name))
    return entries.entry_named(str(name))


def _lesson(entry: Entry) -> None:
    """Way to the lesson on the setting that is broken."""
    setting = next(iter(entry.changes), "")
    lesson = catalogue.about_parameter(entry.broken.method, setting)
    if lesson:
        nav.lesson_link(lesson, f"Lesson: {plain(catalogue.lesson(lesson[0]).title)}")


def _about(entry: Entry) -> None:
    """What is broken, what guards against it, and what to look for."""
    st.subheader(authored(entry.title), anchor=False)
    st.markdown(f"**Broken.** {authored(entry.broken_by)}")
    st.markdown(f"**Guard.** {authored(entry.guard)}")
    st.markdown(f"**Look for.** {authored(entry.signature.look_for)}")
    if entry.caveat:
        st.caption(f":material/info: {authored(entry.caveat)}")
    words = ", ".join(
        f"**{plain(label_of_setting(name))}** is {plain(broken)} instead of {plain(guarded)}"
        for name, (broken, guarded) in entry.changes.items()
    )
    st.caption(
        f"{TITLES[entry.broken.method]} on {authored(entry.items)}, seed {entry.broken.seed}. The "
        f"two runs differ in one setting: {words}."
    )


# -- the two runs --------------------------------------------------------------------------------
def _pair(entry: Entry) -> Pair:
    """Newest run of each side, if there is any; one that was stopped counts only if no other."""
    pair: Pair = {}
    for side, spec in entry.specs.items():
        mine = session.runs_of(spec)
        whole = [run for run in mine if run.status not in RESUMABLE]
        pair[side] = next(iter(whole or mine), None)
    return pair


def _start(*specs: RunSpec) -> None:
    for spec in specs:
        session.queue(spec)


def _ticking(name: str) -> None:
    entry = entries.entry_named(name)
    pair = _pair(entry)
    active = any(run is not None and run.is_active for run in pair.values())
    was_active = SessionValue(f"sabotage-active-{name}", active)
    changed = was_active.get() != active
    was_active.set(active)
    if changed:
        st.rerun()  # at another pace
    missing = [spec for side, spec in entry.specs.items() if pair[side] is None]
    if missing:
        st.button(
            "Start both runs" if len(missing) == len(SIDES) else "Start the other run too",
            type="primary",
            icon=":material/play_arrow:",
            key="start-missing",
            help=_time_of_the_other(pair),
            on_click=session.later(partial(_start, *missing)),
        )
    for column, side in zip(st.columns(len(SIDES), gap="medium"), SIDES, strict=True):
        with column, st.container(border=True, key=f"side-{side}"):
            _side(entry, side, pair[side])
    _curve_of_both(entry, pair)
    with st.container(horizontal=True, key="ways-both"):
        if all(run is not None and len(run) for run in pair.values()):
            ids = ",".join(run.id for run in pair.values() if run is not None)
            nav.link("compare", "Compare the two, image by image", "compare_arrows", runs=ids)
        _lesson(entry)


def _time_of_the_other(pair: Pair) -> Markdown | None:
    """How long the run that is there took; None if there is none to tell by."""
    taken = [run.progress.get("seconds") for run in pair.values() if run and run.status == "done"]
    known = max(filter(None, taken), default=None)
    return f"The other run took {estimate.duration_in_words(known)}." if known else None


def _side(entry: Entry, side: str, run: Run | None) -> None:
    """State of one of the two runs, and what it shows of the signature once it is done."""
    status = "not started" if run is None else plain(run.status)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{plain(side.capitalize())}**", width="content")
        st.badge(status, color="gray" if run is None else summaries.STATUS_COLORS[run.status])
    if run is None:
        st.caption(
            "Its scores will appear here, and whether the signature shows."
            if side == "broken"
            else "The same run with its guard, for comparison."
        )
        _button(
            f"Start the {plain(side)} run", "play_arrow", side, partial(_start, entry.specs[side])
        )
        return
    progress = run.progress
    if run.is_active:
        st.progress(
            float(progress.get("fraction") or 0.0), plain(run_bar.whereabouts(run, progress))
        )
    elif progress["status"] == "failed":
        session.show_error(progress)
    elif progress["status"] in RESUMABLE:
        st.caption("It ended before it could show anything.")
        _button("Resume", "play_arrow", side, partial(session.resume, run))
    else:
        _verdict(_finding(run, entry.name), expected=side == "broken")
        st.caption(plain(summaries.status_and_scores(run)))
    with st.container(horizontal=True, key=f"ways-{side}"):
        nav.link("train", "Watch" if run.is_active else "Train", "play_circle", run=run.id)
        if len(run):
            nav.link("embedding", "Embedding", "scatter_plot", run=run.id)


def _button(label: Markdown, icon: str, side: str, action: Any) -> None:
    st.button(
        label, icon=f":material/{icon}:", key=f"{label}-{side}", on_click=session.later(action)
    )


def _verdict(finding: Finding, *, expected: bool) -> None:
    """Whether the signature shows, with the figure behind it."""
    if finding.is_present:
        word, icon = "The signature is there.", "troubleshoot"
    else:
        word, icon = "No trace of the signature.", "check"
    colour = "orange" if finding.is_present else "blue"
    st.markdown(f":{colour}[:material/{icon}:] **{word}**")
    st.caption(authored(finding.sentence))
    if finding.is_present != expected:
        st.caption("That is not what was expected here: look at the run itself.")


@session.kept_per_run(maxsize=64, anew=len)
def _finding(run: Run, name: str) -> Finding:
    timeline = session.timeline(run)
    timeline.extend()
    return entries.entry_named(name).signature.read(run, timeline)


# -- both together -------------------------------------------------------------------------------
def _curve_of_both(entry: Entry, pair: Pair) -> None:
    """The telling figure of both runs over their steps."""
    runs = {side: run for side, run in pair.items() if run is not None and len(run)}
    if not runs:
        return
    try:
        table = _curves(runs, entry.curve)
    except ClustlabError:  # deleted meanwhile, or its items are gone
        return
    if len(table) > 1:
        st.markdown(f"**{plain(SCORES[entry.curve].title)}** over the steps")
        panels.chart(
            curves.metrics,
            table,
            list(runs),
            read_anew=sorted({step for run in runs.values() for step in _read_anew(run)}),
            key="sabotage-curves",
            height=HEIGHT,
            with_guide=False,
            alt=f"{SCORES[entry.curve].title} of both runs at each step",
        )


def _read_anew(run: Run) -> tuple[int, ...]:
    return session.timeline(run).read_anew()


def _curves(runs: dict[str, Run], name: str) -> pd.DataFrame:
    """Figure of the timeline of each run by step, nan where a run is over."""
    columns = {}
    for side, run in runs.items():
        timeline = session.timeline(run)
        timeline.extend()
        columns[side] = timeline.metrics()[name].to_numpy(dtype=np.float64)
    longest = max(len(values) for values in columns.values())
    table = pd.DataFrame({"step": np.arange(longest)})
    for side, values in columns.items():
        table[side] = np.concatenate([values, np.full(longest - len(values), np.nan)])
    return table

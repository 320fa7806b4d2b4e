"""Runs that a lesson needs: real ones, trained here once and found again later."""

from collections.abc import Callable, Sequence

import streamlit as st

from clustlab.course.lesson import Material
from clustlab.runs import titles
from clustlab.runs.store import Run, RunSpec
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain
from clustlab.ui.widgets import live

Draw = Callable[[Sequence[Material]], None]


def newest_run_of(spec: RunSpec) -> Run | None:
    """Newest run of these settings that has come to its end or is on its way there."""
    whole = (run for run in session.runs_of(spec) if run.status == "done" or run.is_active)
    return next(whole, None)


def materials_of(specs: Sequence[RunSpec]) -> list[Material] | None:
    """What the runs of these settings have learned; None unless all are done."""
    runs = [newest_run_of(spec) for spec in specs]
    if not all(run is not None and run.status == "done" for run in runs):
        return None
    return [_material(run) for run in runs if run is not None]


def _material(run: Run) -> Material:
    timeline = session.timeline(run)
    timeline.extend()
    return Material(run, session.dataset(run), timeline)


def figure_of_runs(figure: Draw, specs: Sequence[RunSpec], *, key: str) -> None:
    """Draw a figure once each of its runs has a step.

    Until then there is a button to start them, then their progress, while the figure grows.
    """
    if not specs:
        figure(())
        return
    runs = [newest_run_of(spec) for spec in specs]
    missing = [spec for spec, run in zip(specs, runs, strict=True) if run is None]
    if missing:
        _offer(missing, key)
        return
    active = [run.id for run in runs if run is not None and run.is_active]
    view = live.part(f"figure-{key}", _growing, active, "progress")
    view(figure, specs, key, bool(active))


def _growing(figure: Draw, specs: Sequence[RunSpec], key: str, expected: bool) -> None:
    """Progress and figure of runs; `expected`: one was active when the page was drawn."""
    runs = [run for run in map(newest_run_of, specs) if run is not None]
    active = [run for run in runs if run.is_active]
    names = dict(zip([run.id for run in runs], titles.titles(runs), strict=True))
    for run in active:
        progress = run.progress
        words = (
            f"{plain(names[run.id])}: {plain(progress.get('phase')) or plain(progress['status'])}"
        )
        st.progress(float(progress.get("fraction") or 0.0), words)
    if len(runs) == len(specs) and all(len(run) for run in runs):
        figure([_material(run) for run in runs])
        with st.container(horizontal=True):
            for run in runs:
                nav.link(
                    "embedding", f"Look inside: {plain(names[run.id])}", "open_in_new", run=run.id
                )
    if expected and not active:
        st.rerun()  # the prediction can be judged now, or a run that failed be offered again


def _offer(missing: Sequence[RunSpec], key: str) -> None:
    many = f"{len(missing)} short runs" if len(missing) > 1 else "a short run"
    st.info(f"This figure is drawn from {many} on this machine, kept on the page Runs.")
    failed = [run for run in map(_failed, missing) if run is not None]
    if failed:
        session.show_error(failed[0].progress)

    def begin() -> None:
        for spec in missing:
            session.queue(spec)

    st.button(
        "Train it here",
        type="primary",
        icon=":material/play_arrow:",
        key=f"{key}-go",
        on_click=session.later(begin),  # a callback: another click cannot cut it short
    )


def _failed(spec: RunSpec) -> Run | None:
    """Newest run of these settings, if it came to a bad end."""
    newest = next(iter(session.runs_of(spec)), None)
    return newest if newest is not None and newest.status == "failed" else None

"""Body of the page Compare: which runs, whether they can be compared, and one control for all."""

import math
from collections.abc import Sequence

import streamlit as st

from clustlab.analysis import comparison, progress_axis, shared_items
from clustlab.errors import ClustlabError, ParameterError, RunNotFound
from clustlab.runs import titles
from clustlab.runs.store import Run
from clustlab.ui import session, state
from clustlab.ui.compare import side_by_side
from clustlab.ui.compare.compared_run import shared_by, sides
from clustlab.ui.markdown import plain
from clustlab.ui.run import frame
from clustlab.ui.run.view import nearest_stop
from clustlab.ui.train import start_comparison
from clustlab.ui.widgets import live
from clustlab.views.panes import LETTERS

BY: dict[progress_axis.By, str] = {
    "share": "Share of progress",
    "step": "Step",
    "seconds": "Seconds",
}


def compare_page() -> None:
    """Choose runs, then see them side by side, or why that is not possible."""
    runs, problems = _chosen()
    _picker(runs)
    for problem in problems:
        session.show_error(problem)
    if len(runs) < comparison.FEWEST:
        _nothing_yet(runs)
        return
    odd = shared_items.strangers(session.store(), runs)
    if odd:
        start_comparison.explain(runs, odd, replace)
        return
    _speak_of_the_first(runs)
    at = state.COMPARED_AT.get()
    if at is not None:  # links from other pages do not carry it
        state.COMPARED_AT_IN_ADDRESS.set(f"{at:g}")
    active = [run.id for run in runs if run.is_active]
    live.part("compared", _ticking, active)([run.id for run in runs])


def _speak_of_the_first(runs: Sequence[Run]) -> None:
    """Let the chosen run be a compared one that has the numbers of the page for the items.

    These are those of the first run that has begun. What is selected goes along.
    """
    first = next((run for run in runs if len(run)), runs[0])
    chosen = next((run for run in runs if run.id == state.RUN.get()), None)
    if chosen is not None and chosen.spec.excluded == first.spec.excluded:
        return
    items, title = session.selection()
    index = session.picked()
    session.choose(first.id)  # so that every page speaks of the same images
    state.RUN_IN_ADDRESS.drop()
    if chosen is None or not len(first):
        return
    shared, places = shared_by(runs), (runs.index(chosen), runs.index(first))
    if items:
        session.select(shared.translated(items, *places), title)
    for item in shared.translated([] if index is None else [index], *places):
        session.pick(int(item))


def _over_which(shared: shared_items.SharedItems) -> None:
    """Say over how many items runs are compared, where some are missing in one."""
    if len(shared) < shared.n_draw:
        st.caption(
            f":material/filter_alt: Compared on **{plain(shared.in_words)}**, those that all of "
            "these "
            "runs have. All figures on this page refer to them, and items are numbered as in the "
            "first run."
        )


# -- which runs --------------------------------------------------------------------------------
def _chosen() -> tuple[list[Run], list[ClustlabError]]:
    """Runs named in the address, else those compared last; and what is wrong with the rest."""
    named = dict.fromkeys(filter(None, state.COMPARED_IN_ADDRESS.get().split(",")))
    ids = list(named) if state.COMPARED_IN_ADDRESS.is_set() else state.COMPARED.get()
    runs, problems = [], []
    for run_id in ids[: comparison.MOST]:
        try:
            runs.append(session.open_run(run_id))
        except RunNotFound as error:
            problems.append(error)
    left_out: list[ClustlabError] = list(problems)
    if len(ids) > comparison.MOST:
        left_out.append(
            ParameterError(
                f"A comparison takes up to {comparison.MOST} runs, the address names {len(ids)}.",
                f"Shown are the first {comparison.MOST}.",
            )
        )
    _remember([run.id for run in runs])
    return runs, left_out


def _remember(ids: Sequence[str]) -> None:
    if list(ids) != state.COMPARED.get():
        state.COMPARED.set(list(ids))
        state.COMPARED_AT.forget()
        session.clear_charts()
    if ids:
        state.COMPARED_IN_ADDRESS.set(",".join(ids))
    else:
        state.COMPARED_IN_ADDRESS.drop()


def replace(old: str, new: str | None) -> None:
    """Put another run in the place of one, or leave it out."""
    ids = [new if run == old else run for run in state.COMPARED.get()]
    _remember([run for run in ids if run is not None])


def _picker(runs: Sequence[Run]) -> None:
    every = {run.id: run for run in session.store().runs()}
    every |= {run.id: run for run in runs}
    called = dict(zip(every, titles.titles(list(every.values())), strict=True))
    state.COMPARED_PICK.set([run.id for run in runs])
    pick, more = st.columns([7, 3], vertical_alignment="bottom")
    with pick:
        st.multiselect(
            "Runs to compare",
            list(every),
            format_func=lambda run_id: _name(every[run_id], called[run_id]),
            key=state.COMPARED_PICK.key,
            max_selections=comparison.MOST,
            placeholder="Choose 2 to 4 runs on the same items",
            select_all=False,
            on_change=lambda: _remember(state.COMPARED_PICK.get()),
        )
    if len(runs) >= comparison.FEWEST:
        with more:
            box = st.popover(
                "Three methods, one click",
                icon=":material/rocket_launch:",
                key=f"three-{','.join(run.id for run in runs)}",  # closed when others are shown
                on_change="rerun",
            )
            if box.open:
                with box:
                    start_comparison.three(runs[0], _remember)


def _name(run: Run, title: str) -> str:
    return f"{title} ({run.id[-4:]})"


def _nothing_yet(runs: Sequence[Run]) -> None:
    """Say what will be here, and offer ways to it."""
    st.markdown("### Put runs side by side")
    st.markdown(
        "What does one method see that another misses? Choose two to four runs on the same items "
        "above: their clusters are matched, one control steps through all of them, and every image "
        "can be followed from run to run."
    )
    start = runs[0] if runs else None
    pair = start_comparison.pair(start)
    if pair and st.button(
        "Compare the newest two" if start is None else "Compare with the newest on the same items",
        icon=":material/compare_arrows:",
        help=plain(" and ".join(map(_name, pair, titles.titles(pair)))),
    ):
        _remember([run.id for run in pair])
        st.rerun()
    learn, points = st.columns(2)
    with points, st.container(border=True, height="stretch"):
        start_comparison.moons(_remember)
    with learn, st.container(border=True, height="stretch"):
        start_comparison.three(start, _remember)


# -- the body ----------------------------------------------------------------------------------
def _ticking(ids: Sequence[str]) -> None:
    runs = [session.open_run(run_id) for run_id in ids]
    statuses = [(run.status, len(run) > 0) for run in runs]
    seen = state.COMPARED_STATUSES.get()
    if statuses != seen:
        state.COMPARED_STATUSES.set(statuses)
        if seen is not None:
            st.rerun()  # another pace, or items take their numbers from a run that has begun
    begun = [run for run in runs if len(run)]
    if not begun:
        for letter, run in zip(LETTERS, runs, strict=False):
            st.markdown(f"**{letter}** {plain(run.title)}")
            frame.why_nothing_yet(run)
        return
    _follow(begun)
    clocks = [progress_axis.clock(run) for run in begun]
    steps = {
        run.id: nearest_stop(session.timeline(run), step)
        for run, step in zip(begun, _control(clocks), strict=True)
    }
    _over_which(shared_by(runs))
    waiting = [run for run in runs if run.id not in steps]
    in_sight = [
        (run.id, f"{LETTERS[i]}: {run.title}", steps[run.id])
        for i, run in enumerate(runs)
        if run.id in steps
    ]
    state.DRAWN.set(state.Drawn.of(*in_sight))
    side_by_side.runs_side_by_side(sides(runs, steps, LETTERS), waiting)


def _follow(runs: Sequence[Run]) -> None:
    """Bring what is derived from the steps of all runs up to date, with a bar if it takes long."""
    timelines = [session.timeline(run) for run in runs]
    behind = sum(len(run) - len(t) for run, t in zip(runs, timelines, strict=True))
    place = st.empty()  # always, or all below would move up and lose the focus of the keyboard
    bar = place.progress(0.0, "Following the clusters through all steps") if behind > 20 else None
    for i, timeline in enumerate(timelines):

        def tell(words: str, share: float, done: int = i) -> None:
            if bar is not None:
                bar.progress(min((done + share) / len(timelines), 1.0), plain(words))

        timeline.extend(report=tell)
    if bar is not None:
        bar.empty()


# -- one control for all -----------------------------------------------------------------------
def _control(clocks: Sequence[progress_axis.Clock]) -> list[int]:
    """Slider over all runs; the step of each that belongs to its place."""
    kinds = [k for k in BY if k != "seconds" or all(c.seconds is not None for c in clocks)]
    with st.container(key="compare-control"):
        choice, track = st.columns([4, 7], vertical_alignment="bottom")
        with choice:
            by = st.segmented_control(
                "Align runs by",
                kinds,
                default="share",
                required=True,
                format_func=BY.__getitem__,
                key="by",
                bind="query-params",
                on_change=lambda: _move(None),
            )
        with track:
            at = _slider(by, clocks)
    return [progress_axis.step_at(clock, by, at) for clock in clocks]


def _slider(by: progress_axis.By, clocks: Sequence[progress_axis.Clock]) -> float:
    """Place of the common control: a share, a step or seconds, the end unless one was chosen."""
    last = _end(by, clocks)
    wanted = _wanted()
    at = last if wanted is None else min(max(wanted, 0.0), last)
    if not last:
        st.caption("Every run has one step so far.")
        return 0.0
    step: float = {"share": 1, "step": 1, "seconds": max(round(last / 100, 2), 0.01)}[by]
    kind = float if by == "seconds" else int
    slider = state.widget(f"compare-slider-{by}")
    slider.set(kind(at))
    st.slider(
        BY[by],
        kind(0),
        kind(last),
        step=kind(step),
        format={"share": "%d %%", "step": "%d", "seconds": "%.1f s"}[by],
        key=slider.key,
        label_visibility="collapsed",
        on_change=lambda: _moved(float(slider.get()), last),
    )
    return at / 100 if by == "share" else at


def _end(by: progress_axis.By, clocks: Sequence[progress_axis.Clock]) -> float:
    if by == "share":
        return 100.0 if max(clock.n_steps for clock in clocks) > 1 else 0.0
    if by == "step":
        return float(max(clock.n_steps for clock in clocks) - 1)
    ends = [float(clock.seconds[-1]) for clock in clocks if clock.seconds is not None]
    return math.ceil(max(ends) * 100) / 100


def _wanted() -> float | None:
    """Place asked for: by the slider, else by the address; None for the end."""
    if not state.COMPARED_AT.is_set():
        try:
            at = float(state.COMPARED_AT_IN_ADDRESS.get())
        except ValueError:
            at = math.nan
        state.COMPARED_AT.set(at if math.isfinite(at) else None)
    return state.COMPARED_AT.get()


def _moved(value: float, last: float) -> None:
    _move(None if value >= last else value)


def _move(value: float | None) -> None:
    if state.HAS_MARKS.get():  # a frame or a cell of another step would mislead
        session.clear_charts()
    state.COMPARED_AT.set(value)
    if value is None:
        state.COMPARED_AT_IN_ADDRESS.drop()
    else:
        state.COMPARED_AT_IN_ADDRESS.set(f"{value:g}")

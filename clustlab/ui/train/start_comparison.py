"""Ways to runs that can be compared: a partner, the same items again, three methods at once."""

from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from clustlab.analysis import comparison, shared_items
from clustlab.errors import ClustlabError
from clustlab.runs.store import Run, RunSpec
from clustlab.ui import session
from clustlab.ui.markdown import plain
from clustlab.ui.train import setup

PRESETS = ("quick", "standard", "paper")
NAMES = {"dec": "DEC", "iic": "IIC", "deepcluster": "DeepCluster"}


def partner(run: Run) -> Run | None:
    """Another run over items of the same draw that has begun: of another method if there is one."""
    store = session.store()
    same = [
        other
        for other in store.runs()
        if other.id != run.id
        and other.spec.dataset == run.spec.dataset
        and (other.path / "log.jsonl").is_file()
        and shared_items.same_draw(store, run, other)
    ]
    return min(same, key=lambda other: other.spec.method == run.spec.method, default=None)


def pair(start: Run | None) -> list[Run]:
    """A run that has begun (the newest unless one is given) and its partner; empty if none."""
    runs = [start] if start else session.store().runs()
    for run in runs:
        if len(session.open_run(run.id)):
            other = partner(run)
            if other is not None:
                return [run, other]
    return []


# -- runs over other items ---------------------------------------------------------------------
def explain(
    runs: Sequence[Run], odd: Sequence[Run], replace: Callable[[str, str | None], None]
) -> None:
    """Say which runs look at other items, and offer to train them on those of the first."""
    first = runs[0]
    st.markdown("### These runs look at different items")
    st.markdown(
        "Runs are compared image by image, so all of them must be trained on the same draw of "
        f"items; some items may be left out. The first run, **{plain(first.title)}**, sets it: "
        f"{plain(_protocol(first))}"
    )
    for run in odd:
        with st.container(border=True):
            st.markdown(
                f"**{plain(run.title)}** was trained on other items: {plain(_protocol(run))}"
            )
            with st.container(horizontal=True):
                if run.spec.is_outside:
                    st.caption("It was made elsewhere, so it cannot be run on these items.")
                else:
                    _rerun_button(run, first, replace)
                st.button(
                    "Leave it out",
                    key=f"leave-{run.id}",
                    icon=":material/remove:",
                    on_click=replace,
                    args=(run.id, None),
                )


def _rerun_button(run: Run, first: Run, replace: Callable[[str, str | None], None]) -> None:
    st.button(
        "Re-run on the same items and seed",
        key=f"rerun-{run.id}",
        type="primary",
        icon=":material/replay:",
        help=f"Train {plain(run.manifest['method_title'])} with its settings on the "
        f"items of {plain(first.title)}",
        on_click=session.later(partial(_rerun, run, first, replace)),
    )


def _rerun(run: Run, first: Run, replace: Callable[[str, str | None], None]) -> None:
    replace(run.id, session.queue(comparison.rerun_spec(run, first)).id)


def _protocol(run: Run) -> str:
    try:
        words = session.dataset(run).protocol
    except ClustlabError:
        words = "not loaded yet"
    seed = "" if "seed" in words else f", seed {run.spec.seed}"
    return f"{run.manifest['dataset_title']}, {words}{seed}."


# -- three methods -----------------------------------------------------------------------------
def three(like: Run | None, watch: Callable[[Sequence[str]], None]) -> None:
    """Start DEC, IIC and DeepCluster with the same data, seed and preset, and follow them."""
    base = like.spec if like else RunSpec("digits", "dec")
    title = plain(like.manifest["dataset_title"]) if like else "Digits 8 x 8"
    st.markdown("**Three methods, one click**")
    st.markdown(
        f"Trains DEC, IIC and DeepCluster one after the other on the same items of **{title}**, "
        f"with seed {base.seed}; you can watch them from here."
    )
    preset = st.segmented_control(
        "Preset", PRESETS, default="quick", required=True, key="three-preset"
    )
    with st.spinner("Estimating the time on this machine ..."):
        times = _times(base, preset)
    if times:
        st.caption(f"On this machine: {plain(times)}.")
    if st.button("Start all three", type="primary", icon=":material/play_arrow:", key="three"):
        _start(lambda: comparison.three_methods(base, preset), watch)


def moons(watch: Callable[[Sequence[str]], None]) -> None:
    """Start k-means and spectral clustering on two half moons, and follow them."""
    st.markdown("**What k-means cannot see**")
    st.markdown(
        "Two interlocking half moons of points: k-means separates them with a straight line, "
        "while spectral clustering follows their shape. See the regions of both within seconds."
    )
    if st.button("Start both on two moons", icon=":material/play_arrow:", key="moons"):
        _start(comparison.two_moons, watch)


def _start(specs: Callable[[], list[RunSpec]], watch: Callable[[Sequence[str]], None]) -> None:
    try:
        with st.spinner("Loading the training library (first start only) ..."):
            runs = [session.queue(spec) for spec in specs()]
    except ClustlabError as error:
        session.show_error(error)
        return
    watch([run.id for run in runs])
    st.rerun()


def _times(base: RunSpec, preset: str) -> str:
    """Estimated times of the three; empty if the items are not on this machine."""
    from clustlab import registry

    try:
        dataset = registry.dataset(base.dataset)
        data = setup.loaded(dataset, base.dataset_params, base.seed)
        specs = comparison.three_methods(base, preset)
        words = [setup.time_words(registry.method(s.method), s.method_params, data) for s in specs]
    except ClustlabError:
        return ""
    named = zip(specs, words, strict=True)
    return ", ".join(f"{NAMES[s.method]} {w}" for s, w in named) if all(words) else ""

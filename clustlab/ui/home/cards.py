"""Cards on the home page: quick starts and the latest runs."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from clustlab.errors import ClustlabError
from clustlab.runs.store import Run, RunSpec
from clustlab.training.estimate import duration_in_words
from clustlab.ui import nav, session, state
from clustlab.ui.markdown import plain
from clustlab.ui.run import summaries


@dataclass(frozen=True)
class QuickStart:
    """A run that is worth watching and short."""

    method: str
    title: str
    idea: str


QUICK_STARTS = (
    QuickStart(
        "dec",
        "Watch DEC learn digits",
        "Learns a code for each image, then pulls the codes towards cluster centres.",
    ),
    QuickStart(
        "iic",
        "Watch IIC learn digits",
        "Looks at two versions of each image and learns to put both into the same cluster.",
    ),
    QuickStart(
        "deepcluster",
        "Watch DeepCluster learn digits",
        "Clusters the images, learns to recognise the clusters as classes, and repeats.",
    ),
)

IN_A_ROW = 3  # cards of runs


def quick_start(start: QuickStart) -> None:
    """Button that starts a short run on the digits and goes to watch it."""
    with st.container(border=True, height="stretch"):
        clicked = st.button(
            plain(start.title),
            type="primary",
            icon=":material/play_arrow:",
            width="stretch",
            key=f"start-{start.method}",
        )
        st.caption(f"{plain(start.idea)} {plain(time_taken(start.method))}")
    if clicked:
        with st.spinner("Loading PyTorch (first start only) ..."):
            from clustlab import registry

            params = dict(registry.method(start.method).presets["quick"])
        spec = RunSpec("digits", start.method, method_params=params, preset="quick")
        state.PREFILL.set(session.start(spec).id)
        nav.go("train")


def time_taken(method: str) -> str:
    """How long a short run on the digits took on this machine, in a sentence; empty if none did."""
    same = (
        run.progress
        for run in session.store().runs()
        if (run.spec.dataset, run.spec.method, run.spec.preset) == ("digits", method, "quick")
        and not run.spec.dataset_params
        and run.manifest.get("changed") == {}
    )
    done = next((p for p in same if p["status"] == "done" and p.get("seconds")), None)
    return f"Took {duration_in_words(done['seconds'])} on this machine." if done else ""


def last_runs(runs: Sequence[Run]) -> None:
    """Cards of runs with a thumbnail of their embedding."""
    for first in range(0, len(runs), IN_A_ROW):
        columns = st.columns(IN_A_ROW)
        for column, run in zip(columns, runs[first : first + IN_A_ROW], strict=False):
            with column, st.container(border=True, height="stretch"):
                _card(run)


def _card(run: Run) -> None:
    picture, text = st.columns([2, 3], vertical_alignment="center")
    with picture:
        try:
            png = summaries.thumbnail(run)
        except ClustlabError:
            png = None
        if png:
            st.image(png, width="stretch", alt=f"Map of the embedding of {run.title}")
        else:
            st.caption("No picture yet")
    with text:
        st.markdown(f"**{plain(run.title)}**")
        st.caption(plain(summaries.status_and_scores(run)))
        if st.button("Open", key=f"open-{run.id}", icon=":material/open_in_new:"):
            session.choose(run.id)
            nav.go("train" if run.is_active else "embedding")

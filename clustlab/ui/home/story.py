"""The picture on the home page: how the embedding of a run came about, in a few of its steps."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import streamlit as st

from clustlab.analysis.lasting_clusters import followed_clusters
from clustlab.errors import ClustlabError, RunNotFound
from clustlab.runs.phases import place_in_run
from clustlab.runs.store import Run
from clustlab.ui import nav, session
from clustlab.ui.markdown import plain
from clustlab.ui.run import summaries
from clustlab.views import thumbnail

FRAMES = 5
EXAMPLE = Path(__file__).parent / "example"
EXAMPLE_STEPS = (
    ("step-00.png", "Step 0: untrained network"),
    ("step-04.png", "Step 4: pre-training"),
    ("step-12.png", "Step 12: pre-training ends"),
    ("step-15.png", "Step 15: clusters tighten"),
    ("step-32.png", "Step 32: the last step"),
)
"""Steps of a real run: DEC with its quick settings on all digits, seed 0, drawn as `frames` are."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One step as a picture."""

    png: bytes
    words: str


@session.kept_per_run(maxsize=8, anew=len)
def frames(run: Run) -> list[Frame]:
    """A few steps from the first to the newest, each turned onto the one before."""
    kept = set(run.kept_steps)
    followed = islice(followed_clusters(run), len(run))
    known = [each for each in followed if not each.is_missing and each.step in kept]
    if not known:
        raise RunNotFound(f"No step of {run.id!r} can be read.", "Resume it.")
    chosen = sorted({round(place) for place in np.linspace(0, len(known) - 1, FRAMES)})
    clusters = {known[place].step: known[place].lasting for place in chosen}
    steps = list(clusters)
    pictures = thumbnail.story([run[i].embedding for i in steps], [clusters[i] for i in steps])
    return [Frame(png, _words(run, i)) for png, i in zip(pictures, steps, strict=True)]


def _words(run: Run, step: int) -> str:
    return f"Step {step}: {place_in_run(run.log[step])}"


def story_of(run: Run) -> bool:
    """Draw the picture of a run, if its steps can be read; return whether they could."""
    try:
        shown = frames(run)
    except ClustlabError:
        return False
    with st.container(border=True, key="story"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**Your latest run: {plain(run.title)}**", width="stretch")
            if st.button("Open it", icon=":material/open_in_new:", key="open-story"):
                session.choose(run.id)
                nav.go("train" if run.is_active else "embedding")
        st.caption(
            f"{plain(summaries.status_and_scores(run))}. Each dot is an item, coloured by its "
            "cluster; from left to right, training goes on."
        )
        _row(shown)
    return True


def example() -> None:
    """Draw the picture of a run that was made beforehand."""
    with st.container(border=True, key="story"):
        st.markdown("**This is what a run looks like: DEC learns 1,797 images of digits**")
        st.caption(
            "Each dot is an image, coloured by the cluster it is in. No label was used; yet in the "
            "end most clusters hold one digit."
        )
        shown = [Frame((EXAMPLE / name).read_bytes(), words) for name, words in EXAMPLE_STEPS]
        _row(shown)


def _row(shown: list[Frame]) -> None:
    for column, frame in zip(st.columns(FRAMES), shown, strict=False):
        with column:
            st.image(frame.png, width="stretch", alt=f"Map of the embedding. {frame.words}")
            st.caption(plain(frame.words))

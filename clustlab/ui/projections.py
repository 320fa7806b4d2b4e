"""UMAP and t-SNE of a step, made when asked for and kept beside the run.

Each starts from the nearest step that has one (or from the principal components), so points keep
their place from step to step.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import streamlit as st

from clustlab.analysis import projection
from clustlab.store import Run
from clustlab.types import Array
from clustlab.ui import session
from clustlab.ui.frame import View

TITLES = {"umap": "UMAP", "tsne": "t-SNE"}


def at(view: View, kind: str) -> Array | None:
    """Points (n, 2) of a step; draws the button that makes them and returns None if missing."""
    file = _file(view.run, kind, view.step)
    if file.is_file():
        return _load(file)
    name = TITLES[kind]
    st.caption(
        f"{name} is computed for one step at a time. Sizes of groups and gaps between them mean "
        "nothing in it; only who is near whom does."
    )
    if not st.button(
        f"Compute {name} of step {view.step}",
        type="primary",
        key="compute",
        on_click=session.set_step,  # stay there although a run goes on
        args=(view.step,),
    ):
        return None
    bar = st.progress(0.0, f"Preparing {name}")
    start = _nearest(view.run, kind, view.step)

    def report(words: str, share: float) -> None:
        bar.progress(min(share, 1.0), words)

    make = projection.umap_2d if kind == "umap" else projection.tsne_2d
    points = make(
        view.snapshot.embedding,
        init=view.timeline.points(view.step) if start is None else start,
        report=report,
    )
    if start is not None:
        points = projection.procrustes(points, start)
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        np.save(stream, points.astype(np.float32))
    temporary.replace(file)
    st.rerun(scope="fragment")
    return None


def extent(run: Run, kind: str) -> float:
    """Half the side of a square that holds the points of every step made so far."""
    widest = [float(np.abs(_load(f)).max()) for f in _made(run, kind)]
    return max(widest, default=1.0) * 1.05


def _nearest(run: Run, kind: str, step: int) -> Array | None:
    files = _made(run, kind)
    if not files:
        return None
    return _load(min(files, key=lambda f: abs(int(f.stem.rsplit("-", 1)[1]) - step)))


def _made(run: Run, kind: str) -> list[Path]:
    return sorted((run.path / "projections").glob(f"{kind}-*.npy"))


def _file(run: Run, kind: str, step: int) -> Path:
    return run.path / "projections" / f"{kind}-{step:05d}.npy"


@lru_cache(maxsize=32)
def _load(file: Path) -> Array:
    return np.load(file, allow_pickle=False)

"""UMAP and t-SNE of a step, made when asked for and kept beside the run.

Each starts from the nearest step that has one (or from the principal components), so points keep
their place from step to step.
"""

import logging
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
import streamlit as st

from clustlab.analysis import projection
from clustlab.data.atomic import replacing
from clustlab.errors import Cancelled
from clustlab.runs.store import Run
from clustlab.types import Array
from clustlab.ui import session
from clustlab.ui.run.view import View

log = logging.getLogger(__name__)

TITLES = {"umap": "UMAP", "tsne": "t-SNE"}
MAKE = {"umap": projection.umap_2d, "tsne": projection.tsne_2d}
TICK = 0.5  # seconds between looks at a layout that is being made
_jobs: dict[Path, "_Job"] = {}  # by the file to be made; the same for all tabs


class _Job:
    """A layout that is being made in the background, because a script cannot be stopped."""

    def __init__(
        self, file: Path, kind: str, embedding: Array, start: Array, nearest: bool
    ) -> None:
        self.words, self.share = f"Preparing {TITLES[kind]}", 0.0
        self.problem = ""
        self.stop = threading.Event()
        self._work = file, kind, embedding, start, nearest

    def begin(self) -> None:
        """Start, known to all pages."""
        _jobs[self._work[0]] = self
        threading.Thread(target=self._run, name="clustlab-layout", daemon=True).start()

    def end(self) -> None:
        """Stop at the next word; pages know nothing of it any more."""
        self.stop.set()
        if _jobs.get(self._work[0]) is self:
            del _jobs[self._work[0]]

    def _run(self) -> None:
        file, kind, embedding, start, nearest = self._work
        try:
            points = MAKE[kind](embedding, init=start, report=self._report)
            _save(file, projection.procrustes(points, start) if nearest else points)
        except Cancelled:
            pass
        except Exception as error:  # such as a full disk: the page must hear of it
            log.exception("a layout failed")
            self.problem = f"{type(error).__name__}: {error}"
        if not self.problem:
            self.end()

    def _report(self, words: str, share: float) -> None:
        if self.stop.is_set():
            raise Cancelled
        self.words, self.share = words, share


def projected_points(view: View, kind: str) -> Array | None:
    """Points (n, 2) of a step; draws what leads to them and returns None while there are none."""
    file = _file(view.run, kind, view.step)
    if file.is_file():
        return _load(file)
    name = TITLES[kind]
    st.caption(
        f"{name} is computed one step at a time. It shows which items are close to each other; the "
        "sizes of groups and the gaps between them mean nothing."
    )
    job = _jobs.get(file)
    if job is not None and not job.problem:
        st.fragment(_watch, run_every=TICK)(file)
        return None
    if job is not None:
        st.error(f"{name} could not be computed. {job.problem}", icon=":material/error:")
    st.button(
        f"Compute {name} of step {view.step}",
        type="primary",
        key="compute",
        on_click=_begin,
        args=(view, kind),
    )
    return None


def _begin(view: View, kind: str) -> None:
    session.set_step(view.step)  # stay there although a run goes on
    start = _nearest(view.run, kind, view.step)
    first = view.timeline.points(view.step) if start is None else start
    file = _file(view.run, kind, view.step)
    _Job(file, kind, view.snapshot.embedding, first, start is not None).begin()


def _watch(file: Path) -> None:
    """Progress of a layout, with a way to stop it."""
    job = _jobs.get(file)
    if job is None or job.problem:
        st.rerun()
    st.progress(min(job.share, 1.0), job.words)
    st.button("Stop", icon=":material/stop:", key="stop-layout", on_click=job.end)


def _save(file: Path, points: Array) -> None:
    file.parent.mkdir(exist_ok=True)
    with replacing(file) as temporary, temporary.open("wb") as stream:
        np.save(stream, points.astype(np.float32))


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

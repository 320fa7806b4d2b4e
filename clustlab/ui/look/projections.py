"""UMAP and t-SNE of a step, made when asked for and kept beside the run.

Each starts from the nearest step that has one (or from the principal components), so points keep
their place from step to step. While the steps are replayed, those without one are made ahead, and
the nearest one stays in sight.
"""

import io
import logging
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import streamlit as st

from clustlab.analysis import projection
from clustlab.data.atomic import replacing
from clustlab.data.checked_arrays import Declared, mapped
from clustlab.data.checked_json import Unreadable
from clustlab.errors import Cancelled, ClustlabError, StepThinned, storage_error
from clustlab.runs.store import Run
from clustlab.types import Array
from clustlab.ui import session, state
from clustlab.ui.markdown import plain
from clustlab.ui.places import without_places
from clustlab.ui.run.view import View

log = logging.getLogger(__name__)

TITLES = {"umap": "UMAP", "tsne": "t-SNE"}
MAKE = {"umap": projection.umap_2d, "tsne": projection.tsne_2d}
NAME = re.compile(r"[a-z]+-\d{5,9}\.npy")  # of a file of points
TICK = 0.5  # seconds between looks at a layout that is being made
_jobs: dict[tuple[Path, str], "Job"] = {}  # by run and kind; the same for all tabs


class Job:
    """Layouts that are being made in the background, because a script cannot be stopped."""

    def __init__(self, run: Run, kind: str, steps: Sequence[int]) -> None:
        self.words, self.share = f"Preparing {TITLES[kind]}", 0.0
        self.problem = ""
        self.stop = threading.Event()
        self._run, self._kind, self._steps = run, kind, list(steps)
        self._timeline = session.timeline(run)
        self._done = 0

    @property
    def _key(self) -> tuple[Path, str]:
        return self._run.path, self._kind

    def begin(self) -> None:
        """Start, known to all pages."""
        _jobs[self._key] = self
        threading.Thread(target=self.work, name="clustlab-layout", daemon=True).start()

    def end(self) -> None:
        """Stop at the next word; pages know nothing of it any more."""
        self.stop.set()
        if _jobs.get(self._key) is self:
            del _jobs[self._key]

    def work(self) -> None:
        """Make the layouts, in the thread of who calls; what goes wrong is the `problem`."""
        try:
            for done, step in enumerate(self._steps):
                self._done = done
                self._lay_out(step)
        except Cancelled:
            pass
        except Exception as error:  # such as a full disk: the page must hear of it
            log.info("a layout failed", exc_info=True)  # the page tells
            self.problem = _in_words(error)
        if not self.problem:
            self.end()

    def _lay_out(self, step: int) -> None:
        file = _file(self._run, self._kind, step)
        if file.is_file():
            return
        near = nearest_made(self._run, self._kind, step)
        start = self._timeline.points(step) if near is None else _load(self._run, near[1])
        try:
            embedding = self._run[step].embedding
        except StepThinned:  # it went meanwhile
            return
        points = MAKE[self._kind](embedding, init=start, report=self._report)
        _save(file, points if near is None else projection.procrustes(points, start))

    def _report(self, words: str, share: float) -> None:
        if self.stop.is_set():
            raise Cancelled
        n = len(self._steps)
        where = f"{TITLES[self._kind]} of step {self._steps[self._done]}, {self._done + 1} of {n}: "
        self.words = words if n == 1 else where + words[:1].lower() + words[1:]
        self.share = (self._done + min(share, 1.0)) / n


def _in_words(error: Exception) -> str:
    """What went wrong, and what to do about it."""
    if isinstance(error, OSError):
        error = storage_error(error, "compute it again")
    if isinstance(error, ClustlabError):
        return " ".join(filter(None, (error.message, error.hint)))
    return f"{type(error).__name__}: {error}"


def projected_points(view: View, kind: str) -> Array | None:
    """Points (n, 2) of a step, or of the nearest step that has some until its own are there.

    Draws what leads to them; None while no step has any. While the steps are replayed, all of them
    are made, in order from the one in view.
    """
    job = _jobs.get((view.run.path, kind))
    at_work = job is not None and not job.problem
    if state.IS_PLAYING.get() and job is None and _to_make(view, kind):
        _begin(view, kind, all_steps=True)
        at_work = True
    file = _file(view.run, kind, view.step)
    near = nearest_made(view.run, kind, view.step)
    name = TITLES[kind]
    if at_work:
        st.fragment(_watch, run_every=TICK)(view.run.path, kind, view.step, file.is_file())
    if file.is_file():
        return _load(view.run, file)
    if not at_work:
        _offer(view, kind, "" if job is None else job.problem)
    if near is None:
        return None
    st.caption(
        f":material/history: The dots are where {name} put them at step {plain(near[0])}; their "
        f"colours are those of step {view.step}, which has no layout yet."
    )
    return _load(view.run, near[1])


def _offer(view: View, kind: str, problem: str) -> None:
    """Say what a layout is, and offer to compute it for this step or for all."""
    name = TITLES[kind]
    st.caption(
        f"{name} is computed one step at a time. It shows which items are close to each other; the "
        "sizes of groups and the gaps between them mean nothing."
    )
    if problem:
        st.error(
            f"{name} could not be computed. {plain(without_places(problem))}",
            icon=":material/error:",
        )
    with st.container(horizontal=True):
        st.button(
            f"Compute {name} of step {view.step}",
            type="primary",
            key="compute",
            on_click=_begin,
            args=(view, kind),
        )
        missing = len(_to_make(view, kind))
        if missing > 1:
            st.button(
                f"Compute all {missing} missing steps",
                key="compute-all",
                on_click=_begin,
                args=(view, kind),
                kwargs={"all_steps": True},
            )


def _begin(view: View, kind: str, *, all_steps: bool = False) -> None:
    if not all_steps:
        session.set_step(view.step)  # stay there although a run goes on
    steps = _to_make(view, kind) if all_steps else [view.step]
    Job(view.run, kind, steps).begin()


def _to_make(view: View, kind: str) -> list[int]:
    """Steps that can be looked at and have no layout, from the one in view on."""
    stops = [step for step in view.timeline.stops() if not _file(view.run, kind, step).is_file()]
    return sorted(stops, key=lambda step: (step < view.step, step))


def _watch(folder: Path, kind: str, step: int, is_made: bool) -> None:
    """Progress of layouts, with a way to stop it; the page follows when its step has one."""
    job = _jobs.get((folder, kind))
    now_made = (folder / "projections" / f"{kind}-{step:05d}.npy").is_file()
    if job is None or job.problem or now_made != is_made:
        st.rerun()
    st.progress(min(job.share, 1.0), plain(job.words))
    st.button("Stop", icon=":material/stop:", key="stop-layout", on_click=_stop, args=(job,))


def _stop(job: Job) -> None:
    """Make no more layouts; a replay, which would ask for them again, holds."""
    state.IS_PLAYING.set(False)
    job.end()


def _save(file: Path, points: Array) -> None:
    file.parent.mkdir(exist_ok=True)
    saved = io.BytesIO()  # numpy itself does not say why it cannot write
    np.save(saved, points.astype(np.float32))
    with replacing(file) as temporary:
        temporary.write_bytes(saved.getbuffer())


def extent(run: Run, kind: str) -> float:
    """Half the side of a square that holds the points of every step made so far."""
    widest = [float(np.abs(_load(run, f)).max()) for f in _made(run, kind)]
    return max(widest, default=1.0) * 1.05


def nearest_made(run: Run, kind: str, step: int) -> tuple[int, Path] | None:
    """The step nearest to one that has a layout, and its file; None if no step has any."""
    made = {int(file.stem.rsplit("-", 1)[1]): file for file in _made(run, kind)}
    if not made:
        return None
    near = min(made, key=lambda other: (abs(other - step), other))
    return near, made[near]


def _made(run: Run, kind: str) -> list[Path]:
    files = (run.path / "projections").glob(f"{kind}-*.npy")
    return sorted(file for file in files if NAME.fullmatch(file.name))


def _file(run: Run, kind: str, step: int) -> Path:
    return run.path / "projections" / f"{kind}-{step:05d}.npy"


def _load(run: Run, file: Path) -> Array:
    """Points (n, 2) in a file; one that is damaged is dropped, since it can be made again."""
    try:
        return _points(file, run.n_items)
    except (OSError, Unreadable) as error:
        file.unlink(missing_ok=True)
        raise ClustlabError(
            f"The layout in {file.name} cannot be read and was dropped: {error}.", "Make it again."
        ) from error


@lru_cache(maxsize=32)
def _points(file: Path, n_items: int | None) -> Array:
    def check(name: str, about: Declared) -> None:
        wanted = (about.shape[:1] if n_items is None else (n_items,)) + (2,)
        if about.shape != wanted or about.dtype != np.float32:
            raise Unreadable(f"it has the shape {about.shape} of {about.dtype}")

    points = np.array(mapped(file.parents[1], f"{file.parent.name}/{file.name}", check))
    if not np.isfinite(points).all():
        raise Unreadable("it holds a value that is not finite")
    return points

"""What pages know: the chosen run and step, the selection, and what is loaded for them.

Everything lasting lives in the run folders. The session holds ids and small tuples only; the URL
carries the run and the step, so a reload or a second tab comes back to the same view.
"""

import contextlib
import functools
import gc
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import streamlit as st

from clustlab.data import library
from clustlab.errors import ClustlabError, ParameterError, RunNotFound, storage_errors
from clustlab.runs.identity import comes_from
from clustlab.runs.store import Run, RunSpec, RunStore
from clustlab.types import CLASS_RULES, Array, ClassRule, Dataset
from clustlab.ui import nav, state
from clustlab.ui.markdown import plain
from clustlab.ui.places import without_places
from clustlab.ui.shared import Shared
from clustlab.ui.state import QueryValue, SessionValue

if TYPE_CHECKING:
    from clustlab.analysis.timeline import Timeline
    from clustlab.training.longer import Longer
    from clustlab.training.runner import Runner

P = ParamSpec("P")
T = TypeVar("T")


def store() -> RunStore:
    """Folder of runs, as the environment says."""
    return RunStore()


_making = threading.Lock()


def _runner(root: Path) -> "Runner":
    """Runner of a folder; one only, although pages and the warm-up may ask at once."""
    with _making:
        return _make_runner(root)


@cache
def _make_runner(root: Path) -> "Runner":
    from clustlab import registry
    from clustlab.training.runner import make_runner

    runner = make_runner(root)  # first: its process imports torch while we do
    registry.methods()
    spare_imports()
    return runner


def spare_imports() -> None:
    """Keep what is imported by now out of garbage collection.

    Collecting stops all threads for a tenth of a second. Imports live as long as the process, so
    they need not be looked at.
    """
    gc.collect()
    gc.freeze()


a_page_is_drawn = threading.Event()
"""Set once anybody saw a page of this process."""


_drawn: set[str] = set()
"""Pages that were drawn in this process."""


@contextlib.contextmanager
def first_look(name: str) -> Iterator[None]:
    """Draw a page; the first time in this process its imports take long, and it says so.

    Afterwards they are spared (see `spare_imports`).
    """
    if name in _drawn:
        yield
        return
    with st.spinner("Loading what this page needs (only the first time) ..."):
        yield
    _drawn.add(name)
    spare_imports()
    a_page_is_drawn.set()


def prepare_runner() -> None:
    """Import what training needs, so that the first start is quick."""
    _runner(store().root)


# -- loading -----------------------------------------------------------------------------------
def kept_per_run(
    maxsize: int, *, anew: Callable[[Run], Hashable] | None = None
) -> Callable[[Callable[Concatenate[Run, P], T]], Callable[Concatenate[Run, P], T]]:
    """Keep what a function says of a run and its other arguments, for all sessions.

    If several ask at once, one works it out and the others wait for it.

    Parameters
    ----------
    maxsize : int
        Answers that are kept, those used last.
    anew : callable, optional
        State of the run that an answer holds for, such as its number of steps; without it an
        answer holds for good.
    """

    def decorate(function: Callable[Concatenate[Run, P], T]) -> Callable[Concatenate[Run, P], T]:
        answers: Shared[T] = Shared(maxsize)

        @functools.wraps(function)
        def inner(run: Run, /, *args: P.args, **options: P.kwargs) -> T:
            stamp = run.n_repaired, _labelled_at(run), None if anew is None else anew(run)
            key = run.path, stamp, args, tuple(sorted(options.items()))
            return answers.get(key, lambda: function(run, *args, **options))

        return inner

    return decorate


def _labelled_at(run: Run) -> int:
    """When the labels of the items of a run were written, in nanoseconds; 0 if there are none."""
    folder = library.folder_of(run.path.parent, run.manifest["data_key"])
    try:
        return (folder / library.ABOUT).stat().st_mtime_ns
    except OSError:
        return 0


def n_followed(run: Run) -> int:
    """Number of steps that the timeline of a run has followed, for `kept_per_run`."""
    return len(timeline(run))


@lru_cache(maxsize=64)
def _run(root: Path, run_id: str) -> Run:
    return RunStore(root).run(run_id)


def open_run(run_id: str) -> Run:
    """Run of this id, kept between reruns so that its log is read only once.

    Raises
    ------
    RunNotFound
        If it is gone.
    """
    run = _run(store().root, run_id)
    if not run.path.is_dir():
        _run.cache_clear()
        raise RunNotFound(f"The run {run_id!r} was deleted.", "Choose another on the page Runs.")
    return run


def runs_of(spec: RunSpec) -> list[Run]:
    """Runs of these settings that nobody has changed by hand, newest first."""
    return [open_run(run.id) for run in store().runs() if comes_from(run, spec)]


@kept_per_run(maxsize=8)
def dataset(run: Run) -> Dataset:
    """Items and labels of a run; the arrays are mapped from disk."""
    return RunStore(run.path.parent).dataset(run)


def items(run: Run) -> Array:
    """Items of a run."""
    return dataset(run).items


@kept_per_run(maxsize=6)
def timeline(run: Run) -> "Timeline":
    """Everything derived from a run's steps, kept and extended as the run grows."""
    from clustlab.analysis.timeline import Timeline  # with pandas, which Home does without

    data = dataset(run)
    return Timeline(run, data.labels, n_classes=len(data.class_names))


# -- the chosen run ----------------------------------------------------------------------------
def chosen_run() -> Run | None:
    """Run to look at: from the URL, else the one looked at last, else the newest.

    Raises
    ------
    RunNotFound
        If the URL names one that is not there.
    """
    wanted = state.RUN_IN_ADDRESS.get() or state.RUN.get()
    if wanted is None:
        newest = store().runs()
        if not newest:
            return None
        wanted = newest[0].id
    try:
        run = open_run(wanted)
    except RunNotFound:
        forget()
        raise
    if state.RUN.get() != run.id:
        wanted_step, item = _number(state.STEP_IN_ADDRESS), _number(state.ITEM_IN_ADDRESS)
        since = _number(state.EARLIER_STEP_IN_ADDRESS)
        form_open = state.IS_FORM_OPEN.get() or state.FORM_IN_ADDRESS.is_set()
        choose(run.id, wanted_step)
        state.IS_FORM_OPEN.set(form_open)
        state.EARLIER_STEP.set(since)
        with contextlib.suppress(ClustlabError):  # it has no items yet, or not any more
            if item is not None and item < len(items(run)):
                pick(item)
    state.RUN_IN_ADDRESS.set(run.id)
    if state.STEP.get() is not None:  # links carry only the run
        state.STEP_IN_ADDRESS.set(str(state.STEP.get()))
    if state.PICKED.get() is not None:
        state.ITEM_IN_ADDRESS.set(str(state.PICKED.get()))
    return run


def _number(parameter: QueryValue) -> int | None:
    """Whole number from 0 up that the address holds; None for anything else."""
    return number_in(parameter.get())


def number_in(text: str) -> int | None:
    """Whole number from 0 up, of at most eight plain digits; None for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None


def follow_form_in_address() -> None:
    """Open the form of the page Train if the address says so, and let the address say so."""
    if state.FORM_IN_ADDRESS.is_set():
        state.IS_FORM_OPEN.set(True)
    elif state.IS_FORM_OPEN.get():
        state.FORM_IN_ADDRESS.set("next")


def close_form() -> None:
    """Look at the run again, not at what the form is about to start."""
    state.IS_FORM_OPEN.set(False)
    state.FORM_IN_ADDRESS.drop()


def choose(run_id: str, step: int | None = None) -> None:
    """Look at another run from now on; None follows its newest step."""
    state.RUN.set(run_id)
    for value in state.OF_ONE_RUN:
        value.forget()
    clear_charts()
    for parameter in state.OF_ONE_RUN_IN_ADDRESS:
        parameter.drop()
    state.RUN_IN_ADDRESS.set(run_id)
    if step is not None:
        set_step(step)


def forget() -> None:
    """Let go of the chosen run."""
    state.RUN.forget()
    state.STEP.forget()
    for parameter in (state.RUN_IN_ADDRESS, state.STEP_IN_ADDRESS, state.ITEM_IN_ADDRESS):
        parameter.drop()


# -- the chosen step ---------------------------------------------------------------------------
def step(n_steps: int) -> int:
    """Step to look at, in [0, n_steps); the newest unless one was chosen."""
    wanted = state.STEP.get()
    return n_steps - 1 if wanted is None else max(0, min(wanted, n_steps - 1))


def set_step(value: int | None) -> None:
    """Stay at a step; None follows the newest."""
    if state.HAS_MARKS.get():  # a frame or a cell of another step would mislead
        clear_charts()
    state.STEP.set(value)
    if value is None:
        state.STEP_IN_ADDRESS.drop()
    else:
        state.STEP_IN_ADDRESS.set(str(value))


def class_rule() -> ClassRule | None:
    """What a cluster stands for, if the user or the address says so."""
    wanted = state.CLASS_RULE_IN_ADDRESS.get() or state.CLASS_RULE.get()
    return next((name for name in CLASS_RULES if name == wanted), None)


# -- the selection -----------------------------------------------------------------------------
def selection() -> tuple[list[int], str]:
    """Selected items and what they are, in words."""
    indices, title = state.SELECTED.get()
    return list(indices), title


def select(indices: Sequence[int] | Array, title: str) -> None:
    """Show these items in the inspector, on every page, until others are selected."""
    state.SELECTED.set(([int(i) for i in indices], title))
    state.PICKED.set(None)  # the newest choice is on top
    state.ITEM_IN_ADDRESS.drop()
    state.HAS_MARKS.set(True)


def pick(index: int | None) -> None:
    """Open one item in the inspector."""
    state.PICKED.set(index)
    if index is None:
        state.ITEM_IN_ADDRESS.drop()
    else:
        state.ITEM_IN_ADDRESS.set(str(index))
    state.HAS_MARKS.set(index is not None)


def picked() -> int | None:
    """Item that is open in the inspector."""
    return state.PICKED.get()


def clear() -> None:
    """Select nothing, and close what is open."""
    select([], "")
    close()


def close() -> None:
    """Close the item that is open."""
    pick(None)
    clear_charts()


def clear_charts() -> None:
    """Let charts forget what is marked in them, so that it can be chosen again: see `chart_key`."""
    state.TIMES_CLEARED.set(state.TIMES_CLEARED.get() + 1)
    state.HAS_MARKS.set(False)


def chart_key(name: str) -> str:
    """Key of a chart to select in; a new one, and so a new chart, when marks are to be gone."""
    return f"{name}-{state.TIMES_CLEARED.get()}"


# -- starting ----------------------------------------------------------------------------------
@storage_errors()
def queue(spec: RunSpec) -> Run:
    """Queue a new run.

    Raises
    ------
    ClustlabError
        If the spec is not valid, or nothing can be written.
    """
    from clustlab.training.worker import new_run

    runner = _runner(store().root)  # first: without one no run must be left waiting
    run = new_run(store(), spec)
    runner.submit(run.id)
    return run


def start(spec: RunSpec) -> Run:
    """Queue a new run and look at it, or at what it has to wait for; raises like `queue`."""
    before = active_runs()
    run = queue(spec)
    _watch(run, before)
    return run


def _watch(run: Run, before: Sequence[Run]) -> None:
    """Look at a run that was queued behind others, or at the first of these."""
    if before:
        wait_for(run.id, before[0].id)
    else:
        choose(run.id)


def wait_for(run_id: str, instead: str) -> None:
    """Look at another run until it is the turn of a queued one."""
    choose(instead)
    state.AWAITED.set((run_id, instead))


@storage_errors()
def resume(run: Run) -> None:
    """Queue a stopped run again; if another page was faster, there is nothing to do."""
    from clustlab.training.worker import requeue

    runner = _runner(store().root)
    with contextlib.suppress(ParameterError):
        requeue(run)
        runner.submit(run.id)


def active_runs() -> list[Run]:
    """Runs that train or wait: those at work first, then the others in the order of the queue."""
    active = [(run, run.progress) for run in store().runs() if run.is_active]
    active.sort(key=lambda each: (each[1]["status"] == "queued", each[1].get("queued", 0.0)))
    return [run for run, _ in active]


def runs_ahead(run: Run) -> list[Run]:
    """Active runs that come before a queued one, the one at work first."""
    active = active_runs()
    return active[: next((i for i, other in enumerate(active) if other.id == run.id), 0)]


def guarded(view: Callable[..., None]) -> Callable[..., None]:
    """Show the message and remedy of an error in place: fragments do not pass errors on."""

    @functools.wraps(view)
    def inner(*args: Any, **options: Any) -> None:
        try:
            with storage_errors():
                view(*args, **options)
        except ClustlabError as error:
            show_error(error)

    return inner


def later(
    action: Callable[[], object],
    problem: SessionValue[ClustlabError | None] = state.CALLBACK_ERROR,
) -> Callable[[], None]:
    """Callback that keeps its error, by default for the next drawing of the page."""

    def inner() -> None:
        try:
            with storage_errors():
                action()
        except ClustlabError as error:
            problem.set(error)

    return inner


def show_error(error: ClustlabError | dict[str, Any]) -> None:
    """Show what is wrong and what to do about it."""
    if isinstance(error, ClustlabError):
        message, hint, details = error.message, error.hint, None
    else:
        message, hint = error.get("error") or "Unknown error.", error.get("hint") or ""
        details = error.get("traceback")
    parts = (plain(without_places(part)) for part in (message, hint) if part)
    st.error("\n\n".join(parts), icon=":material/error:")
    if details:
        with st.expander("Details for a bug report"):
            st.code(without_places(details), language=None)


@storage_errors()
def train_longer(run: Run, longer: "Longer", more: int, *, beyond: bool = False) -> None:
    """Start a run that goes on from a finished one, and look at it or at what it waits for.

    Raises
    ------
    ClustlabError
        If it cannot go on.
    """
    from clustlab.training.worker import lengthen

    runner = _runner(store().root)
    before = active_runs()
    made = lengthen(store(), run, longer, more, beyond=beyond)
    runner.submit(made.id)
    _watch(made, before)


def duplicate(run: Run, excluded: Sequence[int] | None = None) -> None:
    """Fill the form with the settings of a run, to change some and start again.

    `excluded` are the rows of its data set to leave out, by default those it left out.
    """
    state.PREFILL.set(run.id)
    state.IS_FORM_OPEN.set(True)
    state.PREFILL_EXCLUDED.set(run.spec.excluded if excluded is None else excluded)
    nav.go_next("train")


@storage_errors()
def download(name: str) -> None:
    """Fetch a data set in the background."""
    from clustlab.data import background_download

    background_download.start(store().root, name)

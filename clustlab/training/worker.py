"""From a spec to a queued run, and from a queued run to its end."""

import contextlib
import logging
import shutil
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clustlab import registry
from clustlab.data import library, some_rows
from clustlab.device import choose_device
from clustlab.errors import (
    OURS,
    Cancelled,
    ClustlabError,
    ParameterError,
    SetAside,
    known_cause,
    storage_error,
)
from clustlab.params import UNBALANCE, build
from clustlab.runs.identity import changed_from_preset
from clustlab.runs.liveness import claim
from clustlab.runs.source import why_not_drawn
from clustlab.runs.store import (
    READY,
    Run,
    RunSpec,
    RunStore,
    Status,
    queued_status,
    write_status,
)
from clustlab.training.longer import Longer, checkpoint_to_go_on, longer_spec
from clustlab.training.train import train
from clustlab.training.writer import RunWriter, load_checkpoint, overwrite_status, save_checkpoint
from clustlab.types import REMEDY

DEVICE_FAILED = ("cuda error", "cudnn", "cublas", "cusolver", "nvml")  # what torch says of a GPU
SINGULAR = (np.linalg.LinAlgError, torch.linalg.LinAlgError)  # type: ignore[attr-defined]
SEEDS = 2**32
log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()  # torch's generator belongs to the process


def new_run(store: RunStore, spec: RunSpec) -> Run:
    """Lay down a queued run, after checking all that can be checked before it starts.

    Raises
    ------
    ClustlabError
        If a name or a value of the spec is not valid, or its device is absent.
    """
    spec = _checked(store, spec)
    state = _state_to_continue(store, spec) if spec.continues else None
    run = _laid_down(store, spec)
    with _whole_or_nothing(run):
        if state:
            shutil.copyfile(state, run.path / "warm.pt")
    return run


def lengthen(store: RunStore, run: Run, longer: Longer, more: int, *, beyond: bool = False) -> Run:
    """Lay down a queued run that goes on from a finished one; see `clustlab.training.longer`.

    Raises
    ------
    ClustlabError
        If it cannot go on, or what it has kept cannot be read.
    """
    if missing := why_not_drawn(run.spec, run.manifest):
        raise missing
    spec = _checked(store, longer_spec(run, longer, more, beyond=beyond))
    final = load_checkpoint(run.path / "checkpoint.pt")
    if run.status != "done" or not final:
        raise ParameterError(f"{run.id!r} is not done, or has kept no state.", "Resume it first.")
    if run.damaged_steps():
        raise ParameterError(f"Steps of {run.id!r} are missing.", "Resume it first.")
    state = checkpoint_to_go_on(final, longer, beyond=beyond)
    made = _laid_down(store, spec, begins_with=run)
    with _whole_or_nothing(made):
        save_checkpoint(made.path / "checkpoint.pt", state)
    return made


@contextlib.contextmanager
def _whole_or_nothing(run: Run) -> Iterator[None]:
    """Remove a run that lacks what it needs to start."""
    try:
        yield
    except BaseException:
        shutil.rmtree(run.path, ignore_errors=True)
        raise


def _laid_down(store: RunStore, spec: RunSpec, begins_with: Run | None = None) -> Run:
    return store.create(
        spec,
        method_title=registry.method(spec.method).title,
        dataset_title=registry.dataset(spec.dataset).title,
        data_key=library.key(spec.dataset, spec.dataset_params, spec.seed, spec.excluded),
        changed=changed_from_preset(spec),
        begins_with=begins_with,
    )


def _checked(store: RunStore, spec: RunSpec) -> RunSpec:
    """The spec with values of the right types; raises like `new_run`."""
    method, dataset = registry.method(spec.method), registry.dataset(spec.dataset)
    built = build(method, spec.method_params), build(dataset, spec.dataset_params)
    registry.check_kind(method, dataset)
    seed: Any = spec.seed  # from a URL or a file it may be anything
    if type(seed) is not int or seed not in range(SEEDS):
        raise ParameterError(
            f"The seed must be a whole number in [0, {SEEDS - 1}], got {seed!r}.",
            "Choose another seed.",
        )
    choose_device(spec.device)
    if isinstance(getattr(built[1], UNBALANCE, None), tuple) and built[1].is_ready():
        # which says whether there is a share for each class: nobody else knows how many there are
        library.load(store.root, spec.dataset, spec.dataset_params, spec.seed)
    excluded = _excluded(store, spec, getattr(built[0], "n_clusters", 2))
    return replace(  # a number that came as text is a number from here on
        spec,
        method_params={name: getattr(built[0], name) for name in spec.method_params},
        dataset_params={name: getattr(built[1], name) for name in spec.dataset_params},
        excluded=excluded,
    )


def _excluded(store: RunStore, spec: RunSpec, n_clusters: int) -> list[int]:
    """Rows to be left out; checked against the items if these are loaded, else when they are."""
    rows = some_rows.plain_rows(spec.excluded)
    source = (store.root, spec.dataset, spec.dataset_params, spec.seed)
    if rows and library.is_loaded(*source):
        left = len(some_rows.rows_left(len(library.load(*source).items), rows))
        if left < n_clusters:
            raise ParameterError(
                f"Without the excluded {len(rows)} there are only {left} items left "
                f"for {n_clusters} clusters.",
                "Leave out fewer items, or ask for fewer clusters.",
            )
    return rows


def _state_to_continue(store: RunStore, spec: RunSpec) -> Path:
    """Checkpoint of the run to continue; the new run keeps a copy, so the old one may go."""
    parent = store.run(str(spec.continues))
    state = parent.path / "checkpoint.pt"
    if parent.spec.method != spec.method or not state.is_file():
        raise ParameterError(
            f"{parent.id!r} cannot be continued with {spec.method}.",
            "Continue a run of the same method that has trained at least one step.",
        )
    return state


def requeue(run: Run) -> None:
    """Make a stopped or damaged run ready to be submitted again; it goes on from its checkpoint.

    Raises
    ------
    ParameterError
        If it is done and whole, still at work, or a clustering made elsewhere.
    """
    if run.spec.is_outside:
        registry.method(run.spec.method)  # says why not
    if run.status == "done" and not run.damaged_steps():
        raise ParameterError(
            f"The run {run.id!r} is done.",
            "To train it longer, use the button on its page or the command longer.",
        )
    if run.is_active:
        raise ParameterError(f"The run {run.id!r} is {run.status} already.", "Cancel it first.")
    kept = {k: v for k, v in run.progress.items() if k in ("step", "seconds", "fraction")}
    run.request("run")
    write_status(run.path, {**kept, **queued_status()})


def execute(root: Path, run_id: str) -> None:
    """Carry out a queued run to its end; the outcome, also a failure, belongs in the run.

    Nothing happens if the run is over, or if another worker has it.

    Raises
    ------
    RunNotFound
        If there is no such run.
    ClustlabError
        If it cannot be carried out, and nothing can be written to say so.
    """
    store = RunStore(root)
    run = store.run(run_id)
    with _one_at_a_time, contextlib.suppress(FileNotFoundError):  # of a run that is deleted
        try:
            _carry_out(store, run)
        except FileNotFoundError:
            raise
        except OSError as error:  # not even its beginning or its last word could be written
            told = storage_error(error, "resume this run")
            state = {"status": "failed", "error": told.message, "hint": told.hint}
            try:
                overwrite_status(run.path, {**run.progress, **state})
            except OSError:
                raise told from error


def _carry_out(store: RunStore, run: Run) -> None:
    with claim(run.path) as mine:
        run = store.run(run.id)
        if not mine or run.progress["status"] not in READY:
            log.info("run %s is %s", run.id, "over" if mine else "in other hands")
            return
        with RunWriter(run) as writer:
            status, details = _outcome(store, run, writer)
            writer.finish(status, **details)


def _outcome(store: RunStore, run: Run, writer: RunWriter) -> tuple[Status, dict[str, str]]:
    try:
        _train(store, run, writer)
    except Cancelled:
        return "cancelled", {}
    except SetAside:
        return "set aside", {}
    except ClustlabError as error:
        kind = type(error).__name__
        return "failed", {"error": error.message, "hint": error.hint, "error_type": kind}
    except Exception as error:
        log.info("run %s failed", run.id, exc_info=True)  # its status tells all
        return "failed", _explain(error, run.spec)
    return "done", {}


def _train(store: RunStore, run: Run, writer: RunWriter) -> None:
    """Train; a file that is gone tells that the run, or part of it, was deleted meanwhile."""
    try:
        train(store, run, writer)
    except FileNotFoundError:
        if writer.is_cancelled:
            raise Cancelled from None
        writer.check_that_all_is_there()
        raise


def _explain(error: Exception, spec: RunSpec) -> dict[str, str]:
    """What is wrong, what to do, and the details; a bug is what none of the rest explains."""
    text, hint = f"{type(error).__name__}: {error}", _bug(spec)
    words = str(error).lower()
    known = known_cause(
        MemoryError() if isinstance(error, torch.OutOfMemoryError) else error,
        "resume this run",
        "Choose a smaller batch size or fewer samples.",
    )
    if known is not None:
        text, hint = known.message, known.hint
    elif isinstance(error, SINGULAR):
        text, hint = f"The numbers of this run cannot be solved for ({error}).", REMEDY
    elif any(w in words for w in DEVICE_FAILED):
        text = f"The device failed: {str(error).splitlines()[0]}"
        hint = "Resume this run; if that fails as well, choose the device cpu."
    details = {"error": text, "hint": hint, "error_type": type(error).__name__}
    return {**details, "traceback": traceback.format_exc()}


def _bug(spec: RunSpec) -> str:
    """What is said of a bug: it may be that of a package which the method or the data are from."""
    parts = (registry.method(spec.method), registry.dataset(spec.dataset))
    packages = {part.__module__.split(".")[0] for part in parts} - {OURS}
    if not packages:
        return "This is a bug; the details are below."
    return f"This is a bug, of {OURS} or of {' or '.join(packages)}; the details are below."

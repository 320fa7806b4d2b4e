"""From a queued run to a finished one, in a thread, a process or a cluster.

A runner has one verb, `submit(run_id)`. Everything else (pause, cancel, progress) goes through
the run's folder, so runners are interchangeable.
"""

import contextlib
import json
import logging
import os
import platform
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import torch

from clustlab import library, registry
from clustlab.context import Context
from clustlab.device import choose_device
from clustlab.errors import Cancelled, ClustlabError, ParameterError
from clustlab.estimate import Machine
from clustlab.params import build
from clustlab.store import Run, RunSpec, RunStore, worker_identity, write_atomically, write_status
from clustlab.types import PlannedPhase, Snapshot
from clustlab.writer import RunWriter, load_checkpoint

NICE = 10  # scheduling priority of training: below the server
log = logging.getLogger(__name__)


class Runner(Protocol):
    """Carries out queued runs, one after the other, in the order of submission."""

    def submit(self, run_id: str) -> None: ...  # noqa: D102


def new_run(store: RunStore, spec: RunSpec) -> Run:
    """Lay down a queued run, after checking all that can be checked before it starts.

    Raises
    ------
    ClustlabError
        If a name or a value of the spec is not valid, or its device is absent.
    """
    method, dataset = registry.method(spec.method), registry.dataset(spec.dataset)
    build(method, spec.method_params)
    data_key = library.key(spec.dataset, spec.dataset_params, spec.seed)
    if dataset.kind not in method.accepts:
        raise ParameterError(
            f"{method.title} works on {' and '.join(method.accepts)}, "
            f"but {dataset.title} holds {dataset.kind}.",
            "Choose another data set or method.",
        )
    choose_device(spec.device)
    if spec.continues:
        parent = store.run(spec.continues)
        if parent.spec.method != spec.method or not (parent.path / "checkpoint.pt").is_file():
            raise ParameterError(
                f"{spec.continues!r} cannot be continued with {method.title}.",
                "Continue a run of the same method that has trained at least one step.",
            )
    return store.create(
        spec, method_title=method.title, dataset_title=dataset.title, data_key=data_key
    )


def requeue(run: Run) -> None:
    """Make a stopped run ready to be submitted again; it goes on from its checkpoint."""
    run.request("run")
    write_status(run.path, {**run.progress, **worker_identity(), "status": "queued", "error": None})


def execute(root: Path, run_id: str) -> None:
    """Carry out one run to its end; never raises, since the outcome belongs in the run."""
    store = RunStore(root)
    run = store.run(run_id)
    with RunWriter(run) as writer, contextlib.suppress(FileNotFoundError):  # a deleted folder
        try:
            _train(store, run, writer)
            writer.finish("done")
        except Cancelled:
            writer.finish("cancelled")
        except ClustlabError as error:
            writer.finish("failed", error=error.message, hint=error.hint)
        except Exception as error:
            log.exception("run %s failed", run_id)
            writer.finish("failed", **_explain(error))


def _explain(error: Exception) -> dict[str, str]:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        text, hint = (
            "The device ran out of memory.",
            "Choose a smaller batch size or fewer samples.",
        )
    elif isinstance(error, OSError) and error.errno == 28:
        text, hint = "The disk is full.", "Delete runs on the page Runs, then resume this one."
    else:
        text, hint = f"{type(error).__name__}: {error}", "This is a bug; the details are below."
    return {"error": text, "hint": hint, "traceback": traceback.format_exc()}


def _train(store: RunStore, run: Run, writer: RunWriter) -> None:
    spec = run.spec
    writer.poll()
    device, reason = choose_device(spec.device)
    writer.report(force=True, device=str(device), device_reason=reason, phase="load data", eta=None)

    def report(message: str, share: float) -> None:
        writer.poll()
        writer.report(phase=message, fraction=share)

    dataset = library.load(store.root, spec.dataset, spec.dataset_params, spec.seed, report)
    method = build(registry.method(spec.method), spec.method_params)
    wanted = getattr(method, "n_clusters", 2)
    if len(dataset.items) < wanted:
        raise ParameterError(
            f"n_clusters is {wanted}, but there are only {len(dataset.items)} items.",
            "Ask for fewer clusters or more samples.",
        )
    _record_environment(run, store, device)
    checkpoint = load_checkpoint(run.path, device)
    parent = store.run(spec.continues) if spec.continues else None
    machine = Machine(store.root, device.type)
    machine.measure()
    shape = dataset.items.shape[1:]
    phases = method.plan(len(dataset.items), shape)
    clock = _Clock(machine, spec.method, phases, writer, checkpoint)

    def poll() -> None:
        writer.poll()
        clock.tick(ctx)

    ctx = Context(
        spec.seed,
        device,
        poll=poll,
        checkpoint=checkpoint,
        warm=load_checkpoint(parent.path, device) if parent else None,
    )
    step = int(checkpoint["step"]) if checkpoint else 0
    for snapshot in _with_precision(method.iterate(dataset.items, ctx), device, spec):
        record = {"phase": ctx.phase_name, "done": ctx.done + 1, "total": ctx.total}
        writer.append(step, snapshot, {**record, "seconds": round(clock.seconds, 4)})
        step += 1
        writer.report(force=True, step=step)
        if writer.checkpoint_due():
            writer.save_checkpoint({**ctx.checkpoint(), "step": step, "seconds": clock.seconds})
        writer.poll()
    writer.save_checkpoint({**ctx.checkpoint(), "step": step, "seconds": clock.seconds})
    writer.report(seconds=round(clock.seconds, 3), fraction=1.0)
    if not checkpoint and not parent:
        machine.learn(spec.method, _carried_out(run, phases), clock.seconds)


def _carried_out(run: Run, phases: Sequence[PlannedPhase]) -> list[PlannedPhase]:
    """Return the plan with the number of iterations that really took place."""
    done = {record["phase"]: record["done"] for record in run.log}
    return [PlannedPhase(p.name, done.get(p.name, 0), p.cost) for p in phases]


def _with_precision(
    snapshots: Iterator[Snapshot], device: torch.device, spec: RunSpec
) -> Iterator[Snapshot]:
    """Advance a method under mixed precision where it is asked for and helps.

    The body of a generator runs in the context of the `next` that drives it, so methods need not
    know. bfloat16 keeps the range of float32: no loss scaling, and so no state to checkpoint.
    """
    use = spec.mixed_precision and device.type == "cuda"
    while True:
        with torch.autocast(device.type, torch.bfloat16, enabled=use):
            snapshot = next(snapshots, None)
        if snapshot is None:
            return
        yield snapshot


class _Clock:
    """Measures training time and turns the plan into the time that is left."""

    def __init__(
        self,
        machine: Machine,
        method: str,
        phases: Sequence[PlannedPhase],
        writer: RunWriter,
        checkpoint: dict[str, Any] | None,
    ) -> None:
        self._machine, self._method, self._phases, self._writer = machine, method, phases, writer
        self._before = float(checkpoint["seconds"]) if checkpoint else 0.0
        self._start = time.monotonic()
        self._phase, self._phase_start, self._phase_first = "", 0.0, 0

    @property
    def seconds(self) -> float:
        """Training time so far, without pauses, including the time before a resume."""
        return self._before + time.monotonic() - self._start - self._writer.paused_seconds

    def tick(self, ctx: Context) -> None:
        """Report where the method is; cheap enough for every batch."""
        if ctx.phase_name != self._phase:
            self._phase, self._phase_start = ctx.phase_name, self.seconds
            self._phase_first = ctx.done
        share = ctx.batch / ctx.n_batches if ctx.n_batches else 0.0
        left, whole = self._left(ctx, share)
        self._writer.report(
            phase=ctx.phase_name,
            done=ctx.done,
            total=ctx.total,
            active=ctx.active,
            seconds=round(self.seconds, 2),
            eta=round(left, 1),
            fraction=round(min(1.0, 1 - left / whole), 4) if whole > 0 else 0.0,
        )

    def _left(self, ctx: Context, share: float) -> tuple[float, float]:
        """Seconds left and in all, from the pace of the current phase and the plan for the rest."""
        names = [p.name for p in self._phases]
        position = names.index(ctx.phase_name) if ctx.phase_name in names else -1
        worked = ctx.done - self._phase_first + share
        if position < 0:
            return 0.0, 0.0
        planned = self._machine.phase_seconds(self._method, self._phases[position])
        pace = (self.seconds - self._phase_start) / worked if worked >= 1 else planned
        left = pace * max(0.0, ctx.total - ctx.done - share)
        drift = min(5.0, max(0.2, pace / planned)) if planned > 0 else 1.0
        for phase in self._phases[position + 1 :]:
            left += drift * self._machine.phase_seconds(self._method, phase) * phase.iterations
        return left, left + self.seconds


def _record_environment(run: Run, store: RunStore, device: torch.device) -> None:
    """Write down what the result may depend on besides the spec."""
    about = {
        "threads": torch.get_num_threads(),
        "device": str(device),
        "python": platform.python_version(),
        "packages": {p: metadata.version(p) for p in ("torch", "numpy", "scikit-learn")},
        "fingerprint": library.fingerprint(
            store.root, run.spec.dataset, run.spec.dataset_params, run.spec.seed
        ),
    }
    write_atomically(run.path / "environment.json", json.dumps(about, indent=1))


# -- runners -----------------------------------------------------------------------------------
class ThreadRunner:
    """One daemon thread with a queue.

    One, because torch's generator, thread pool and device memory belong to the process. Daemon,
    because Ctrl-C must end the server at once; what is committed is safe.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="clustlab-training", daemon=True)
        self._thread.start()

    def submit(self, run_id: str) -> None:
        """Queue a run."""
        self._queue.put(run_id)

    def _work(self) -> None:
        yield_to_server()
        while True:
            run_id = self._queue.get()
            try:
                execute(self._root, run_id)
            except ClustlabError as error:  # the folder is gone or broken
                log.warning("run %s was not started: %s", run_id, error)


def yield_to_server() -> None:
    """Lower the scheduling priority of the calling thread and those it starts (Linux only).

    Elsewhere priority belongs to the process, which the server shares, so nothing is done.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class ProcessRunner:
    """One child process a run, one after the other: the server keeps its interpreter to itself."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="clustlab-processes", daemon=True)
        self._thread.start()

    def submit(self, run_id: str) -> None:
        """Queue a run."""
        self._queue.put(run_id)

    def _work(self) -> None:
        while True:
            run_id = self._queue.get()
            command = [sys.executable, "-m", "clustlab", "work", run_id, "--runs", str(self._root)]
            subprocess.run(command, check=False, stdin=subprocess.DEVNULL)


def make_runner(root: Path, kind: str | None = None) -> Runner:
    """Runner named by `CLUSTLAB_RUNNER`: thread (default), process or ray.

    Raises
    ------
    ParameterError
        For another name.
    """
    kind = kind or os.environ.get("CLUSTLAB_RUNNER") or "thread"
    if kind == "thread":
        return ThreadRunner(root)
    if kind == "process":
        return ProcessRunner(root)
    if kind == "ray":
        from clustlab.ray_runner import RayRunner

        return RayRunner(root)
    raise ParameterError(
        f"CLUSTLAB_RUNNER is {kind!r}.", "Set it to thread, process or ray, or unset it."
    )

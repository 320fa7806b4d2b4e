"""The training of one run: data in, snapshots out, checkpoints and time left on the way."""

import contextlib
import dataclasses
import json
import platform
import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial
from importlib import metadata
from typing import Any, cast

import torch

from clustlab import registry
from clustlab.analysis.lasting_clusters import lasting_numbers
from clustlab.context import Context
from clustlab.data import library
from clustlab.data.atomic import write_atomically
from clustlab.device import choose_device, recorder_for
from clustlab.errors import ClustlabError, ParameterError, SetAside
from clustlab.params import build
from clustlab.registry import Method
from clustlab.runs.interventions import InterventionQueue
from clustlab.runs.source import why_not_drawn
from clustlab.runs.store import Run, RunStore
from clustlab.training.estimate import Machine
from clustlab.training.writer import RunWriter, load_checkpoint
from clustlab.types import Dataset, Intervention, PlannedPhase, Report, Snapshot

FEWEST = 2  # items for methods that find the number of clusters themselves
LEAST_SHARE = 0.1  # of its steps that a worker must have done, so that its start weighs little
BFLOAT16 = ("cuda",)  # kinds of device on which half precision pays off


def train(store: RunStore, run: Run, writer: RunWriter) -> None:
    """Carry a run from where it stands to its last snapshot.

    Raises
    ------
    ClustlabError
        If it cannot be done.
    Cancelled
        If it was asked to stop.
    SetAside
        If it was asked to make way; what it has done is kept.
    """
    spec = run.spec
    writer.poll()
    device, reason = choose_device(spec.device)
    writer.report(force=True, device=str(device), device_reason=reason, phase="load data", eta=None)
    damaged = run.damaged_steps()
    writer.missing.update(damaged)
    checkpoint, notice = _starting_point(run, damaged)
    writer.report(notice=notice)
    dataset, method = _prepared(store, run, writer)
    if checkpoint and not checkpoint["phase"]:  # killed between its last snapshot and last word
        writer.report(step=len(run), seconds=round(checkpoint["seconds"], 3), fraction=1.0)
        return
    _record_environment(run, store, device, reason)
    machine = Machine(store.root, device.type)
    machine.measure()
    phases = method.plan(len(dataset.items), dataset.items.shape[1:])
    planned = {phase.name: phase for phase in phases}
    clock = _Clock(machine, spec.method, phases, writer, checkpoint)

    def poll() -> None:
        clock.tick(ctx)  # first, so that a run that is held here says where it is
        writer.boxes = ctx.boxes
        writer.poll()

    warm = _state_continued(run)
    step = int(checkpoint["step"]) if checkpoint else 0
    worked = _Worked(checkpoint)
    offered = registry.interventions(registry.method(spec.method))
    queue = InterventionQueue(run, offered, partial(lasting_numbers, run))

    def interventions() -> list[Intervention]:
        return queue.take(step, ctx.phase_name, is_new=step >= writer.committed)

    ctx = Context(
        spec.seed,
        device,
        poll=poll,
        interventions=interventions,
        checkpoint=checkpoint,
        warm=warm,
        mixed_precision=spec.mixed_precision and device.type in BFLOAT16,
        recorder=recorder_for(device),
    )
    snapshots = cast("Generator[Snapshot]", method.iterate(dataset.items, ctx))
    with contextlib.closing(snapshots):
        for snapshot in snapshots:
            if not ctx.in_phase:  # it would come twice after a resume
                raise ValueError("a snapshot was yielded outside the body of a phase")
            if ctx.phase_name not in planned:
                raise ValueError(f"the phase {ctx.phase_name!r} is not in the plan")
            phase = planned[ctx.phase_name]
            record = {"phase": phase.name, "role": phase.role, "samples": phase.samples}
            record |= {"done": ctx.done + 1, "total": ctx.total, **queue.record(step)}
            worked.until(phase.name, ctx.done + 1)
            writer.append(step, snapshot, {**record, "seconds": round(clock.seconds, 4)})
            step += 1
            writer.report(force=True, step=step, done=ctx.done + 1)
            if in_vain := {each.reason for each in ctx.steps if each.reason}:
                why = "; ".join(sorted(in_vain))
                writer.report(device_reason=f"{reason}; steps are not replayed: {why}")
            makes_way = writer.is_to_make_way
            if makes_way or writer.checkpoint_due():
                writer.save_checkpoint({**ctx.checkpoint(), "step": step, "seconds": clock.seconds})
            if makes_way:
                raise SetAside
            writer.poll()
    writer.save_checkpoint({**ctx.final_checkpoint(), "step": step, "seconds": clock.seconds})
    writer.report(seconds=round(clock.seconds, 3), fraction=1.0)
    # A warm run may have left out whole phases, though not what it takes to prepare for them.
    if not warm and worked.n_iterations >= LEAST_SHARE * step:
        machine.learn(spec.method, worked.as_worked(phases), clock.worked_seconds)


def _starting_point(run: Run, damaged: Sequence[int]) -> tuple[dict[str, Any] | None, str]:
    """Checkpoint to go on from, or None to begin anew, and what a user should know of it.

    It must not be ahead of the steps that log and files agree on. To begin anew costs time and
    nothing else: what is committed is repeated, and what is missing is committed again.

    Raises
    ------
    ParameterError
        If that is needed, and the first steps are those of another run.
    """
    n_agreed = min((*damaged, len(run)))
    problem = ""
    try:
        checkpoint = load_checkpoint(run.path / "checkpoint.pt")
    except ClustlabError as error:
        checkpoint, problem = None, error.message
    if checkpoint and int(checkpoint["step"]) > n_agreed:
        checkpoint, problem = None, f"Step {n_agreed} of this run is missing."
    if checkpoint is None and run.steps_before:
        raise ParameterError(
            f"{problem or 'The saved state of this run is gone.'} Its first {run.steps_before} "
            "steps come from another run, so it cannot compute them again.",
            "Train that run longer once more.",
        )
    if problem:
        return None, f"{problem} All steps are computed again; those that can be read are kept."
    return checkpoint, ""


def _prepared(store: RunStore, run: Run, writer: RunWriter) -> tuple[Dataset, Method]:
    """Load the items, which may take a download, and build the method."""
    spec = run.spec

    def report(message: str, share: float) -> None:
        writer.poll()
        writer.report(phase=message, fraction=share)

    dataset = _items(store, run, report)
    writer.data = store.data_folder(run)
    writer.poll()
    method = build(registry.method(spec.method), spec.method_params)
    n, wanted = len(dataset.items), getattr(method, "n_clusters", None)
    if wanted is None and n < FEWEST:
        raise ParameterError(
            f"{n} items cannot be divided: there must be at least {FEWEST}.",
            "Draw more items, or leave out fewer.",
        )
    if wanted is not None and n < wanted:
        raise ParameterError(
            f"n_clusters is {wanted}, but there are only {n} items.",
            "Ask for fewer clusters or more samples.",
        )
    return dataset, method


def _items(store: RunStore, run: Run, report: Report) -> Dataset:
    """Items of a run, from the draw that it was given if its data set is gone or another by now."""
    spec = run.spec
    missing = why_not_drawn(spec, run.manifest)
    if missing is None:
        source = (store.root, spec.dataset, spec.dataset_params, spec.seed)
        return library.load(*source, report, spec.excluded)
    if library.is_whole(store.data_folder(run)):
        return store.dataset(run)
    raise missing


def _state_continued(run: Run) -> dict[str, Any] | None:
    """Return the state of the run that this one continues; None if it continues none."""
    if run.steps_before:  # it goes on from a checkpoint of its own
        return None
    state = load_checkpoint(run.path / "warm.pt")
    if run.spec.continues and not state:
        raise ParameterError(
            f"The trained parts of {run.spec.continues!r} were not copied to this run.",
            "Continue that run once more.",
        )
    return state


class _Worked:
    """Iterations that this worker has done, without those before a resume or of a shorter run."""

    def __init__(self, checkpoint: Mapping[str, Any] | None) -> None:
        self._first = {checkpoint["phase"]: int(checkpoint["done"])} if checkpoint else {}
        self._done: dict[str, int] = {}

    def until(self, phase: str, done: int) -> None:
        """Take note that a phase has come to its iteration `done`, counted from its beginning."""
        self._done[phase] = done - self._first.get(phase, 0)

    @property
    def n_iterations(self) -> int:
        """Their number, over all phases."""
        return sum(self._done.values())

    def as_worked(self, phases: Sequence[PlannedPhase]) -> list[PlannedPhase]:
        """The plan with these numbers of iterations."""
        return [dataclasses.replace(p, iterations=self._done.get(p.name, 0)) for p in phases]


class _Clock:
    """Measures training time and turns the plan into the time that is left."""

    def __init__(
        self,
        machine: Machine,
        method: str,
        phases: Sequence[PlannedPhase],
        writer: RunWriter,
        checkpoint: Mapping[str, Any] | None,
    ) -> None:
        self._machine, self._method, self._phases, self._writer = machine, method, phases, writer
        self._is_in_loop = {phase.name: phase.is_in_loop for phase in phases}
        self._before = float(checkpoint["seconds"]) if checkpoint else 0.0
        self._start = time.monotonic() - writer.paused_seconds  # paused while loading
        self._phase, self._phase_start, self._phase_first = "", 0.0, 0

    @property
    def seconds(self) -> float:
        """Training time so far, without pauses, including the time before a resume."""
        return self._before + self.worked_seconds

    @property
    def worked_seconds(self) -> float:
        """Training time of this worker, without pauses and without the time before a resume."""
        return time.monotonic() - self._start - self._writer.paused_seconds

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
            active=ctx.active if self._is_in_loop.get(ctx.phase_name, True) else "",
            boxes=ctx.boxes,
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
        iteration_seconds = (self.seconds - self._phase_start) / worked if worked >= 1 else planned
        left = iteration_seconds * max(0.0, ctx.total - ctx.done - share)
        drift = min(5.0, max(0.2, iteration_seconds / planned)) if planned > 0 else 1.0
        for phase in self._phases[position + 1 :]:
            left += drift * self._machine.phase_seconds(self._method, phase) * phase.iterations
        return left, left + self.seconds


def _processor(device: torch.device) -> str:
    """What computes: the name of the GPU, or the kind of the processor."""
    is_gpu = device.type == "cuda"
    return torch.cuda.get_device_name(device) if is_gpu else platform.machine()


def _record_environment(run: Run, store: RunStore, device: torch.device, reason: str) -> None:
    """Write down what the result may depend on besides the spec."""
    about = {
        "system": platform.system(),
        "processor": _processor(device),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "device_reason": reason,
        "python": platform.python_version(),
        "packages": {p: metadata.version(p) for p in ("torch", "numpy", "scikit-learn")},
        "fingerprint": library.fingerprint_in(store.data_folder(run)),
    }
    write_atomically(run.path / "environment.json", json.dumps(about, indent=1), is_lasting=True)

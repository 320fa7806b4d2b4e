"""How well a GPU is used: python -m tests.bench.gpu, any CUDA machine, under five minutes.

Every method that learns in batches trains for a few seconds on as many images of digits' size as
MNIST has, twice: with its steps computed one by one, and recorded and replayed (CUDA graphs). Told
are, for each phase in which it learns, seconds an epoch and milliseconds a batch, how often a step
was recorded or why it was not, for the method the share of the time in which the GPU was at work
(by `nvidia-smi`), and how much shorter a batch is with bfloat16 where matrices are large.
`--agree` asks instead whether both ways lead to the same losses, on a few thousand items. With
`--data-root`, a folder with MNIST in it, IIC also trains on all 70,000 images until its accuracy
reaches 0.97. Another device, which replays nothing, may be named to try the bench itself.
"""

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from clustlab import registry
from clustlab.analysis.metrics import clustering_accuracy
from clustlab.context import Context
from clustlab.errors import Cancelled
from clustlab.params import build, schema
from clustlab.training_step import CudaGraphs
from tests.bench.harness import report

SIZE = 28
PATIENCE = 4  # times the seconds of a phase that a method may take in all
FEW = {"epochs": 2, "updates": 2}  # rounds of each phase, by the end of the name of the setting
WARM_UP = 12  # batches of a phase that are not counted: libraries choose how to compute in them
LARGE = (  # networks whose matrices are large enough for bfloat16 to pay
    ("deepcluster", {"network": "VGG-like"}),
    ("iic", {"network": "ResNet-18"}),
)
GOAL = 0.97
AGREE = 4000  # items on which both ways are compared
SAME = 0.02  # by which losses may differ in all, since kernels may round in another order


class Timed(Context):
    """Times the batches of each phase: some seconds of them, the others are left out.

    All ends when it has taken `PATIENCE` times as long, since much is computed between phases.
    """

    def __init__(self, device: str, seconds: float, **how: Any) -> None:
        super().__init__(0, device, poll=self._stop_in_time, **how)
        self.seconds, self.started = seconds, time.perf_counter()
        self.batches_of: dict[str, list[tuple[float, int]]] = {}

    def _stop_in_time(self) -> None:
        if time.perf_counter() - self.started > PATIENCE * self.seconds:
            raise Cancelled

    def slices(self, order: Any, size: int) -> Iterator[torch.Tensor]:
        return self._timed(super().slices(order, size))

    def draws(self, n: int, size: int) -> Iterator[torch.Tensor]:
        return self._timed(super().draws(n, size))

    def _timed(self, batches: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        if self.phase_name in self.batches_of or not torch.is_grad_enabled():
            yield from itertools.islice(batches, 1)  # known by now, but a mean wants a batch
            return
        times = self.batches_of[self.phase_name] = []
        for batch in batches:
            times.append((time.perf_counter(), len(batch)))
            if times[-1][0] - times[0][0] > self.seconds:
                break
            yield batch
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # what was handed over is done, too
        times.append((time.perf_counter(), 0))

    def rows(self, n: int) -> list[dict[str, Any]]:
        """Figures of each phase that learned, over an epoch of n items."""
        ended = {phase: times for phase, times in self.batches_of.items() if times[-1][1] == 0}
        return [{"phase": phase, **_figures(times, n)} for phase, times in ended.items()]


def _figures(times: list[tuple[float, int]], n: int) -> dict[str, float]:
    counted = times[WARM_UP:] if len(times) > 2 * WARM_UP else times
    seconds = counted[-1][0] - counted[0][0]
    items = sum(size for _, size in counted[:-1])
    return {
        "ms a batch": round(1000 * seconds / (len(counted) - 1), 3),
        "batch": counted[0][1],
        "seconds an epoch": round(seconds * n / items, 3),
    }


class Utilisation:
    """Share of the time in which a GPU was at work, looked at five times a second."""

    def __init__(self, device: str) -> None:
        self.seen: list[float] = []
        self._over = threading.Event()
        self._device = device

    def __enter__(self) -> "Utilisation":
        if self._device.startswith("cuda"):
            threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _look(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not self._over.wait(0.2):
            with contextlib.suppress(OSError, ValueError, subprocess.CalledProcessError):
                said = subprocess.check_output(command, text=True)
                self.seen.append(float(said.splitlines()[0]) / 100)

    @property
    def share(self) -> float | None:
        return round(statistics.mean(self.seen[2:]), 2) if len(self.seen) > 3 else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--items", type=int, default=70_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each method")
    parser.add_argument("--methods", nargs="+", default=[], help="all if not given")
    parser.add_argument("--agree", action="store_true", help="compare losses, not times")
    parser.add_argument("--data-root", help="a folder with MNIST in it, to train IIC to 0.97")
    args = parser.parse_args()
    start = time.perf_counter()
    items = np.random.default_rng(0).integers(0, 256, (args.items, SIZE, SIZE, 1), dtype=np.uint8)
    rows = []
    names = args.methods or learning_methods()
    if args.agree:
        return agreement(names, items[:AGREE], args)
    for name in names:
        rows += compared(name, items, args)
    for name, settings in LARGE:
        if not args.methods or name in args.methods:
            rows.append(in_half(name, settings, items, args))
    about: dict[str, Any] = {"items": args.items}
    if args.device.startswith("cuda"):
        about["gpu"] = torch.cuda.get_device_name(args.device)
    if args.data_root:
        about |= seconds_to_goal(args)
    report("GPU", rows, **about, seconds=round(time.perf_counter() - start, 1))
    return 0


def recorder(args: argparse.Namespace) -> CudaGraphs | None:
    """What records steps on the device that is measured, if that is possible there."""
    device = torch.device(args.device)
    return CudaGraphs(device) if device.type == "cuda" else None


def compared(name: str, items: np.ndarray, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Figures of a method with its steps computed, and beside them with its steps replayed."""
    computed = measured(name, {}, items, args)
    replayed = {
        row["phase"]: row for row in measured(name, {}, items, args, recorder=recorder(args))
    }
    rows = []
    for row in computed:
        rows.append({"method": name, "steps": "computed", **row})
        if other := replayed.get(row["phase"]):
            gain = round(row["ms a batch"] / other["ms a batch"], 2)
            rows.append({"method": name, "steps": "replayed", **other, "times as fast": gain})
    return rows


def agreement(names: list[str], items: np.ndarray, args: argparse.Namespace) -> int:
    """Largest difference of the losses of each method between both ways; 1 if one is large."""
    device, rows = torch.device(args.device), []
    for name in names:
        told = []
        for records in (None, recorder(args)):
            ctx = Context(0, device, recorder=records)
            method = build(registry.method(name), few_rounds(name))
            told.append([snapshot.scalars for snapshot in method.iterate(items, ctx)])
        differences = [
            abs(one[key] - other[key]) / max(1.0, abs(one[key]))
            for one, other in zip(*told, strict=True)
            for key in one
            if "loss" in key
        ]
        reasons = [step.reason for step in ctx.steps if step.reason]
        rows.append(
            {
                "method": name,
                "largest difference": max(differences, default=0.0),
                "recordings": sum(step.n_recorded for step in ctx.steps),
                "not replayed": "; ".join(reasons),
            }
        )
    report("GPU, computed and replayed", rows, items=len(items))
    return int(any(row["largest difference"] > SAME for row in rows))


def learning_methods() -> list[str]:
    """Methods of images that take a size of batches."""
    return [
        name
        for name, method in registry.methods().items()
        if "images" in method.accepts and "batch_size" in {p.name for p in schema(method)}
    ]


def measured(
    name: str, settings: dict[str, Any], items: np.ndarray, args: argparse.Namespace, **how: Any
) -> list[dict[str, Any]]:
    """Figures of the phases in which a method learns."""
    method = build(registry.method(name), {**few_rounds(name), **settings})
    ctx = Timed(args.device, args.seconds, **how)
    with Utilisation(args.device) as use, contextlib.suppress(Cancelled):
        for _ in method.iterate(items, ctx):
            pass
    about: dict[str, Any] = {"gpu at work": use.share}
    if "recorder" in how:
        about["recordings"] = sum(step.n_recorded for step in ctx.steps)
        about["not replayed"] = "; ".join(step.reason for step in ctx.steps if step.reason)
    return [{**row, **about} for row in ctx.rows(len(items))]


def few_rounds(name: str) -> dict[str, int]:
    """Settings of a method that let it learn for few epochs or updates."""
    return {
        p.name: n
        for p in schema(registry.method(name))
        for ending, n in FEW.items()
        if p.name.endswith(ending)
    }


def in_half(
    name: str, settings: dict[str, Any], items: np.ndarray, args: argparse.Namespace
) -> dict[str, Any]:
    """A batch in bfloat16 beside one in full precision."""
    row = {"method": f"{name}, {', '.join(map(str, settings.values()))}, bfloat16"}
    whole = measured(name, settings, items, args)
    half = measured(name, settings, items, args, mixed_precision=True)
    if not (whole and half):
        return {**row, "phase": "took too long"}
    gain = whole[0]["ms a batch"] / half[0]["ms a batch"]
    return {**row, **half[0], "times as fast": round(gain, 2)}


def seconds_to_goal(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of training, and of all, until IIC has an accuracy of 0.97 on all of MNIST."""
    os.environ["CLUSTLAB_DATA"] = args.data_root
    dataset = registry.dataset("mnist")(n_samples=None).load(0, lambda *_: None)
    start = time.perf_counter()
    reached = None
    for snapshot in build(registry.method("iic"), {}).iterate(
        dataset.items, Context(0, args.device, recorder=recorder(args))
    ):
        accuracy = clustering_accuracy(dataset.labels, snapshot.assignments)
        if accuracy >= GOAL:
            reached = round(time.perf_counter() - start, 1)
            break
    return {f"iic to {GOAL}, seconds": reached, "accuracy": round(accuracy, 4)}


if __name__ == "__main__":
    raise SystemExit(main())

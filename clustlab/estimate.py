"""How long a run will take on this machine: before it starts, and better while it runs."""

import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clustlab.store import write_atomically
from clustlab.types import Cost, PlannedPhase

KEPT_RATIOS = 7  # measured runs per method that correct the estimate


class Machine:
    """Speed of this machine, measured once and corrected by every finished run.

    Kept in `_machine.json` beside the runs, per device and number of threads.
    """

    def __init__(self, root: Path, device: str = "cpu") -> None:
        self._file = root / "_machine.json"
        self._key = f"{device}-{os.cpu_count()}"
        self._all: dict[str, Any] = self._read()
        self._mine: dict[str, Any] = self._all.setdefault(self._key, {"rates": None, "ratios": {}})

    def _read(self) -> dict[str, Any]:
        try:
            known: dict[str, Any] = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known

    @property
    def is_measured(self) -> bool:
        """Whether the speed of this machine is known already."""
        return self._mine["rates"] is not None

    def measure(self) -> None:
        """Time a small network of each kind, once; takes about a second."""
        if not self.is_measured:
            device = self._key.rsplit("-", 1)[0]
            self._mine["rates"] = {"linear": _linear_rate(device), "conv": _conv_rate(device)}
            self._write()

    def seconds(self, method: str, phases: Sequence[PlannedPhase]) -> float:
        """Estimated training time of a plan, in seconds."""
        return sum(self.phase_seconds(method, p) * p.iterations for p in phases)

    def phase_seconds(self, method: str, phase: PlannedPhase) -> float:
        """Estimated time of one iteration of a phase, in seconds."""
        return self._model(phase.cost) * self._correction(method)

    def learn(self, method: str, phases: Sequence[PlannedPhase], seconds: float) -> None:
        """Correct later estimates by a finished run."""
        modelled = sum(self._model(p.cost) * p.iterations for p in phases)
        if modelled > 0 and seconds > 0:
            ratios = self._mine["ratios"].setdefault(method, [])
            ratios.append(seconds / modelled)
            del ratios[:-KEPT_RATIOS]
            self._write()

    def _model(self, cost: Cost) -> float:
        rates = self._mine["rates"] or {"linear": 2e10, "conv": 1e10}
        return cost.linear / rates["linear"] + cost.conv / rates["conv"]

    def _correction(self, method: str) -> float:
        ratios = self._mine["ratios"].get(method)
        return statistics.median(ratios) if ratios else 1.0

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._all = {**self._read(), self._key: self._mine}
        write_atomically(self._file, json.dumps(self._all))


def words(seconds: float) -> str:
    """Duration in words, rounded as an estimate should be: 'about 20 s', 'about 3 min'."""
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            value = seconds / size
            rounded = max(1, round(value / 5) * 5 if value > 20 else round(value))
            return f"about {rounded} {unit}"
    return f"about {round(seconds / 86400)} days"


def _rate(step: Any, macs: float, repeats: int = 5) -> float:
    """Multiply-accumulates a second of a training step, by the median of a few."""
    step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return macs / max(statistics.median(times), 1e-9)


def _linear_rate(device: str) -> float:
    import torch

    net = torch.nn.Sequential(torch.nn.Linear(784, 500), torch.nn.ReLU(), torch.nn.Linear(500, 500))
    return _train_rate(net.to(device), torch.ones(256, 784, device=device), 784 * 500 + 500 * 500)


def _conv_rate(device: str) -> float:
    import torch

    net = torch.nn.Sequential(torch.nn.Conv2d(8, 24, 5, padding=2), torch.nn.ReLU())
    net.to(device).to(memory_format=torch.channels_last)
    return _train_rate(net, torch.ones(64, 8, 14, 14, device=device), 14 * 14 * 25 * 8 * 24)


def _train_rate(net: Any, x: Any, macs_of_one: float) -> float:
    def step() -> None:
        net.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        loss.item()  # waits for the device

    return _rate(step, 3 * macs_of_one * len(x))

"""How long a run will take on this machine: before it starts, and better while it runs."""

import json
import math
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from msgspec import Meta

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Unreadable, parsed
from clustlab.types import Cost, PlannedPhase

KEPT_RATIOS = 7  # measured runs per method that correct the estimate


Positive = Annotated[float, Meta(gt=0, lt=1e30)]


class Rates(TypedDict):
    """Multiply-accumulates a second, by kind of layer."""

    linear: Positive
    conv: Positive


class Speed(TypedDict):
    """What is known of the speed of a machine."""

    rates: Rates | None
    ratios: dict[str, list[Positive]]


class Machine:
    """Speed of this machine, measured once and corrected by every finished run.

    Kept in `_machine.json` beside the runs, per device and number of threads.
    """

    def __init__(self, root: Path, device: str = "cpu") -> None:
        self._file = root / "_machine.json"
        self._device = device
        self._key = f"{device}-{os.cpu_count()}"
        self._mine: dict[str, Any] = self._read().get(self._key, {"rates": None, "ratios": {}})

    def _read(self) -> dict[str, Any]:
        try:
            text = plain_files.content(self._file.parent, self._file.name)
            return dict(parsed(text, dict[str, Speed]))
        except (OSError, Unreadable):
            return {}

    @property
    def is_measured(self) -> bool:
        """Whether the speed of this machine is known already."""
        return self._mine["rates"] is not None

    def measure(self) -> None:
        """Time a small network of each kind, once; takes about a second."""
        if not self.is_measured:
            rates = {"linear": _linear_rate(self._device), "conv": _conv_rate(self._device)}
            self._mine["rates"] = rates
            self._write()

    def seconds(self, method: str, phases: Sequence[PlannedPhase]) -> float:
        """Estimated training time of a plan, in seconds."""
        return sum(self.phase_seconds(method, p) * p.iterations for p in phases)

    def phase_seconds(self, method: str, phase: PlannedPhase) -> float:
        """Estimated time of one iteration of a phase, in seconds."""
        return self._model(phase.cost) * self._correction(method)

    def n_measured(self, method: str) -> int:
        """Number of finished runs of a method that estimates for it rest on."""
        return len(self._mine["ratios"].get(method, ()))

    def learn(self, method: str, phases: Sequence[PlannedPhase], seconds: float) -> None:
        """Correct later estimates by a finished run."""
        modelled = sum(self._model(p.cost) * p.iterations for p in phases)
        if modelled > 0 and seconds > 0:
            self._mine = self._read().get(self._key, self._mine)  # others have learned meanwhile
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
        write_atomically(self._file, json.dumps({**self._read(), self._key: self._mine}))


def duration_in_words(seconds: float) -> str:
    """Duration in words, rounded as an estimate should be: 'about 20 s', 'about 3 min'."""
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            value = seconds / size
            rounded = max(1, round(value / 5) * 5 if value > 20 else round(value))
            return f"about {rounded} {unit}"
    return f"about {round(seconds / 86400)} days"


def size_in_words(nbytes: float) -> str:
    """Bytes as people read them, such as `12 MB`."""
    power = min(int(math.log10(max(nbytes, 1)) / 3), 3)
    value, unit = nbytes / 1000**power, ("bytes", "kB", "MB", "GB")[power]
    return f"{value:,.1f} {unit}" if power and value < 10 else f"{value:,.0f} {unit}"


def _rate(step: Any, macs: float, repeats: int = 10) -> float:
    """Multiply-accumulates a second of a training step, by the best of a few.

    The best, because whatever else the machine does can only make a step slower.
    """
    step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return macs / max(min(times), 1e-9)


def _linear_rate(device: str) -> float:
    from torch import nn

    net = nn.Sequential(_blank(nn.Linear, 784, 500), nn.ReLU(), _blank(nn.Linear, 500, 500))
    return _train_rate(net, device, (256, 784), 784 * 500 + 500 * 500)


def _conv_rate(device: str) -> float:
    import torch
    from torch import nn

    net = nn.Sequential(_blank(nn.Conv2d, 8, 24, 5, padding=2), nn.ReLU())
    net.to(memory_format=torch.channels_last)
    return _train_rate(net, device, (64, 8, 14, 14), 14 * 14 * 25 * 8 * 24)


def _blank(layer: Any, *args: int, **kwargs: int) -> Any:
    """Layer with constant weights: a draw would disturb a run in another thread."""
    import torch

    built = torch.nn.utils.skip_init(layer, *args, **kwargs)  # type: ignore[no-untyped-call]
    for weights in built.parameters():
        torch.nn.init.constant_(weights, 0.01)
    return built


def _train_rate(net: Any, device: str, shape: tuple[int, ...], macs_of_one: float) -> float:
    import torch

    net, x = net.to(device), torch.ones(*shape, device=device)

    def step() -> None:
        net.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        loss.item()  # waits for the device

    return _rate(step, 3 * macs_of_one * len(x))

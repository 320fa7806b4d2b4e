"""Measuring side by side: the same work several ways, in turn, with medians and ratios.

Ways take turns within each round, so that what else the machine does touches all of them, and a
ratio is the median over the rounds of ratios within a round.
"""

import contextlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any


def rounds(
    ways: Mapping[str, Callable[[], Any]], repeats: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds of each way in each round; a first round is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(repeats + warm_up):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken = time.perf_counter() - start
            if i or not warm_up:
                seconds[name].append(taken)
    return seconds


def ratio(seconds: Mapping[str, list[float]], name: str, base: str) -> float:
    """Median over the rounds of one way's time as a multiple of another's."""
    pairs = zip(seconds[name], seconds[base], strict=True)
    return statistics.median(a / b for a, b in pairs)


def milliseconds(action: Callable[[int], Any], repeats: int) -> dict[str, float]:
    """Median and 95th percentile of single calls, in milliseconds."""
    times = []
    for i in range(repeats):
        start = time.perf_counter()
        action(i)
        times.append(1000 * (time.perf_counter() - start))
    times.sort()
    return {
        "median_ms": round(statistics.median(times), 2),
        "p95_ms": round(times[min(len(times) - 1, round(0.95 * len(times)))], 2),
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was with other things."""
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def report(title: str, rows: list[dict[str, Any]], **about: Any) -> None:
    """Print a table for people and, as the last line, JSON for programs."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print(f"## {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(_cell(row.get(name)) for name in columns) + " |")
    on = machine()
    print("\n" + ", ".join(f"{name} {value}" for name, value in {**about, **on}.items()) + "\n")
    print(json.dumps({"bench": title, "rows": rows, **about, "machine": on}))


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)

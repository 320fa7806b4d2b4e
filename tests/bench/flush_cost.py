"""What flushing to the disk takes of a run's time: python -m tests.bench.flush_cost.

Each run is timed whole, and within it every call that waits for the disk; the share is one by the
other. It should stay below 3 %.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import clustlab.data.atomic
import clustlab.data.library
import clustlab.runs.interventions
import clustlab.runs.store
import clustlab.training.writer
from clustlab import registry
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from tests.bench.harness import report

WHERE = (
    clustlab.data.library,
    clustlab.runs.interventions,
    clustlab.runs.store,
    clustlab.training.writer,
)
"""Modules that flush."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=["kmeans", "dec", "iic", "deepcluster"])
    parser.add_argument("--dataset", default="mnist-5k")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--runs", help="folder on the disk in question (default: temporary)")
    args = parser.parse_args()
    report("Flushing", [measured(name, args) for name in args.methods], **vars(args))
    return 0


def measured(method: str, args: argparse.Namespace) -> dict[str, Any]:
    spent: list[float] = []
    flush = clustlab.data.atomic.flush

    def timed(*paths: Path) -> None:
        start = time.perf_counter()
        flush(*paths)
        spent.append(time.perf_counter() - start)

    for module in WHERE:
        module.flush = timed  # type: ignore[attr-defined]
    settings = dict(registry.method(method).presets[args.preset])
    with tempfile.TemporaryDirectory(dir=args.runs) as folder:
        store = RunStore(folder)
        start = time.perf_counter()
        run = new_run(store, RunSpec(args.dataset, method, {}, settings))
        execute(store.root, run.id)
        seconds = time.perf_counter() - start
        assert run.status == "done", run.progress
        return {
            "method": method,
            "steps": len(run),
            "seconds": round(seconds, 2),
            "calls": len(spent),
            "waited": round(sum(spent), 3),
            "share %": round(100 * sum(spent) / seconds, 2),
            "longest": round(max(spent), 3),
        }


if __name__ == "__main__":
    raise SystemExit(main())

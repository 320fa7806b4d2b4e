"""What pages read of a long run when they are opened: python -m tests.bench.page_reads.

A run of many steps over many items is written through the store, nothing is trained. Then each
page is opened twice in a process of its own; told are bytes read and seconds of each time, and the
most memory that the process held. `--keep` leaves the run in a folder for the next time.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from clustlab.runs.store import Run, RunStore
from clustlab.training.writer import RunWriter
from clustlab.types import Snapshot
from tests.bench.harness import report
from tests.support import made_runs

PAGES = ("embedding", "clusters", "evaluate", "shifts", "inside", "follow", "failures", "train")
WIDTH, K = 32, 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--items", type=int, default=70_000)
    parser.add_argument("--pages", nargs="+", default=list(PAGES))
    parser.add_argument("--keep", type=Path, help="folder of the run, made if it is not there")
    parser.add_argument("--one", nargs=2, help="what a child opens; for this bench alone")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(opened(*args.one)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        store = RunStore(args.keep or place)
        run = next(iter(store.runs()), None) or written(store, args.steps, args.items)
        rows = [in_child(store, run, page) for page in args.pages]
    about = {"steps": args.steps, "items": args.items, "run MB": round(run.size / 1e6)}
    report("What pages read", rows, **about)
    return 0


def written(store: RunStore, n_steps: int, n: int) -> Run:
    """A run as IIC leaves it: clusters settle, and so does the embedding."""
    labels = np.random.default_rng(0).integers(0, K, n)
    names = tuple(map(str, range(K)))
    key = made_runs.data(store, n=n, labels=labels, names=names)
    run = made_runs.run(store, [], key, method="iic")
    with RunWriter(run) as writer:
        for step in range(n_steps):
            about = {"phase": "train", "role": "train", "samples": n, "seconds": 10.0 * step}
            about |= {"done": step + 1, "total": n_steps}
            writer.append(step, snapshot(step, n_steps, labels), about)
        writer.finish("done", seconds=10.0 * n_steps)
    return Run(run.path)


def snapshot(step: int, n_steps: int, labels: np.ndarray) -> Snapshot:
    rng = np.random.default_rng(step)
    noise = rng.normal(size=(len(labels), WIDTH)).astype(np.float32)
    places = 4 * np.random.default_rng(1).normal(size=(K, WIDTH)).astype(np.float32)
    wrong = rng.random(len(labels)) < 0.5 * (1 - step / n_steps)
    clusters = np.where(wrong, rng.integers(0, K, len(labels)), labels)
    p = rng.dirichlet(np.full(K, 0.1), len(labels)).astype(np.float32)
    rows = np.arange(len(labels))
    first = p.argmax(1)
    p[rows, first], p[rows, clusters] = p[rows, clusters].copy(), p[rows, first].copy()
    return Snapshot(noise + places[clusters], clusters, {"loss": 1 / (1 + step)}, p)


# -- one page, in a process of its own -------------------------------------------------------------
def in_child(store: RunStore, run: Run, page: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.page_reads", "--one", page, run.id]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "CLUSTLAB_RUNS": str(store.root)},
        check=False,
    )
    if done.returncode:
        return {"page": page, "said": done.stderr.splitlines()[-1][:80]}
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def opened(page: str, run: str) -> dict[str, Any]:
    """What it takes to open a page on a run, the first time and the second."""
    from streamlit.testing.v1 import AppTest

    from clustlab.ui import shell

    app = AppTest.from_file(shell.__file__, default_timeout=3000)
    app.run()  # Home, so that modules are loaded
    app.switch_page(f"../../pages/{page}.py")
    app.query_params["run"] = run
    row: dict[str, Any] = {"page": page}
    for time_ in ("first", "again"):
        before, start = bytes_read(), time.perf_counter()
        app.run()
        row[f"{time_} s"] = round(time.perf_counter() - start, 2)
        row[f"{time_} MB read"] = round((bytes_read() - before) / 1e6, 1)
    row["errors"] = len(app.exception) + len(app.error)
    row["peak MB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
    return row


def bytes_read() -> int:
    """Bytes that this process has read so far, from the disk or its cache."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


if __name__ == "__main__":
    raise SystemExit(main())

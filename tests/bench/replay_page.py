"""Size, time and memory of a replay page: python -m tests.bench.replay_page.

The run is made up: images of noise, which no picture makes smaller, and dots that jump about. A
page of a real run is smaller.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from clustlab.data import library
from clustlab.replay.page import Limits, Page, page
from clustlab.runs.store import Run, RunSpec, RunStore
from clustlab.training.writer import RunWriter
from clustlab.types import Dataset, Snapshot
from tests.bench.harness import report
from tests.support.browser import browser, until

SIDE, K, WIDTH = 28, 10, 10


def made_up(store: RunStore, n: int, steps: int) -> Run:
    """A run over images of noise whose embedding is drawn anew at each step."""
    rng = np.random.default_rng(0)
    items = rng.integers(256, size=(n, SIDE, SIDE, 1), dtype=np.uint8)
    labels = np.arange(n, dtype=np.int32) % K
    names = tuple(map(str, range(K)))
    library._save(store.root / "_data" / "noise", Dataset("noise", items, labels, names))
    spec = RunSpec("digits", "dec", preset="quick")
    run = store.create(spec, method_title="DEC", dataset_title="Noise", data_key="noise")
    with RunWriter(run) as writer:
        for step in range(steps):
            q = rng.dirichlet(np.full(K, 0.3), size=n).astype(np.float32)
            embedding = rng.normal(size=(n, WIDTH)).astype(np.float32)
            record = {"phase": "train", "done": step + 1, "total": steps}
            writer.append(step, Snapshot(embedding, q.argmax(1), {"loss": 1.0}, q), record)
        writer.finish("done", seconds=1.0)
    return run


def first_frame(file: Path, repeats: int) -> float:
    """Median time in ms until the first frame of a page from the disk is drawn."""
    marks = "performance.getEntriesByName('first frame').map(mark => mark.startTime)"
    taken = []
    with browser() as chromium:
        for _ in range(repeats):
            context = chromium.new_context(offline=True)
            window = context.new_page()
            window.goto(file.as_uri())
            taken.append(until(window, lambda at=window: (at.evaluate(marks) or [0])[0]))
            context.close()
    return float(np.median(taken))


def measured(store: RunStore, run: Run, limits: Limits, repeats: int) -> dict[str, float]:
    start = time.perf_counter()
    made: Page = page(store, [run.id], limits)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.html"
        file.write_bytes(made.html)
        frame = first_frame(file, repeats)
    return {
        "steps shown": made.n_steps,
        "items shown": made.n_items,
        "MB": round(len(made.html) / 1e6, 2),
        "seconds": round(seconds, 1),
        "peak MB": round(peak / 1e3),
        "first frame ms": round(frame),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", help="a run to measure in place of one that is made up")
    parser.add_argument("--runs", help="the folder that it is in")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(args.runs if args.run else folder)
        run = store.run(args.run) if args.run else made_up(store, args.items, args.steps)
        row = measured(store, run, Limits(), args.repeats)
    report("A replay page", [row], **vars(args))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

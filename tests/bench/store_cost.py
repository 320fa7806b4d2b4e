"""Time and size of a snapshot on disk: python -m tests.bench.store_cost."""

import argparse
import tempfile

import numpy as np

from clustlab.runs.store import Run, RunSpec, RunStore, each_assignment, snapshot_path
from clustlab.training.writer import RunWriter
from clustlab.types import Artefact, Snapshot
from tests.bench.harness import milliseconds, report

KINDS = (  # name, width of the embedding, clusters, columns of an array per item
    ("k-means on images, like", 50, 10, 0),
    ("DEC, like", 10, 10, 10),
    ("IIC, like", 64, 10, 0),
    ("DeepCluster with k = 100, like", 256, 100, 0),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    rows = []
    for name, width, k, columns in KINDS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append({"snapshot": name, **measured(RunStore(folder), args, width, k, columns)})
    report("A snapshot on disk", rows, **vars(args))
    return 0


def measured(
    store: RunStore, args: argparse.Namespace, width: int, k: int, columns: int
) -> dict[str, float]:
    run = store.create(RunSpec("toy", "dec"), method_title="", dataset_title="", data_key="x")
    made = snapshot(args.items, width, k, columns)
    with RunWriter(run) as writer:
        record = {"phase": "train", "done": 1, "total": 1}
        append = milliseconds(lambda i: writer.append(i, made, record), args.steps)
    reader = Run(run.path)
    load = milliseconds(lambda i: reader[i], args.steps)
    again = milliseconds(lambda i: reader[args.steps - 1], args.steps)
    stack = milliseconds(lambda i: list(each_assignment(reader)), 3)
    size = snapshot_path(run.path, 0).stat().st_size
    line = (run.path / "log.jsonl").stat().st_size / args.steps
    return {
        "append ms": append["median_ms"],
        "append p95": append["p95_ms"],
        "load ms": load["median_ms"],
        "load p95": load["p95_ms"],
        "kept ms": again["median_ms"],
        f"assignments of {args.steps} steps ms": stack["median_ms"],
        "bytes an item": round(size / args.items, 1),
        "MB a step": round((size + line) / 1e6, 3),
    }


def snapshot(n: int, width: int, k: int, columns: int) -> Snapshot:
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(k), n)
    per_item = Artefact("per_item", rng.random((n, columns)), "Rows", cluster_axes=(1,))
    return Snapshot(
        embedding=rng.normal(size=(n, width)),
        assignments=q.argmax(1),
        scalars={"loss": 0.1, "share_changed": 0.01},
        probabilities=q,
        centers=rng.normal(size=(k, width)),
        artefacts={"target": per_item} if columns else {},
    )


if __name__ == "__main__":
    raise SystemExit(main())

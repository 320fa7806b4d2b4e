"""Accuracy of every method on MNIST: python -m tests.bench.accuracy (resumable).

Needs full MNIST in CLUSTLAB_DATA. One row a method and seed is appended to accuracy.csv as it
comes; rows that are there already are not measured again. Methods never see labels, settings are
the preset `standard` for every seed, and nothing is chosen by a score.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from clustlab import results
from clustlab.analysis import neighbours
from clustlab.store import Run, RunStore
from clustlab.types import Dataset

FILE = Path(__file__).with_name("accuracy.csv")
FIELDS = (
    "method",
    "n_samples",
    "preset",
    "seed",
    "acc",
    "nmi",
    "ari",
    "start_acc",
    "over_purity",
    "knn_probe",
    "seconds",
    "protocol",
)
PLAN = (
    ("iic", "10000"),
    ("kmeans", "all"),
    ("dec", "all"),
    ("deepcluster", "10000"),
    ("ae-kmeans", "all"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    known = {(r["method"], r["n_samples"], int(r["seed"])) for r in read()}
    for method, n in PLAN:
        for seed in args.seeds:
            wanted = not args.methods or method in args.methods
            if wanted and (method, n, seed) not in known:
                add(measure(method, n, seed))
    print(markdown())
    return 0


def read() -> list[dict[str, str]]:
    """Rows measured so far."""
    if not FILE.exists():
        return []
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add(row: dict[str, object]) -> None:
    """Append a row, so that nothing is lost when the next one is interrupted."""
    fresh = not FILE.exists()
    with FILE.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


def measure(method: str, n: str, seed: int) -> dict[str, object]:
    """Train once in a process of its own, and score what it left."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "clustlab", "train", "--dataset", "mnist"]
        command += ["--data", f"n_samples={n}", "--method", method, "--seed", str(seed)]
        command += ["--preset", "standard", "--runs", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        store = RunStore(folder)
        run = store.run(found["run"])
        data = store.dataset(run)
        return {
            "method": method,
            "n_samples": n,
            "preset": "standard",
            "seed": seed,
            **{k: found[k] for k in ("acc", "nmi", "ari", "seconds")},
            **_of_its_own(run, data),
            "knn_probe": _probe(run, data),
            "protocol": data.protocol,
        }


def _of_its_own(run: Run, data: Dataset) -> dict[str, object]:
    """DEC: its own start (autoencoder + k-means). DeepCluster: purity of its many clusters."""
    phases = [record["phase"] for record in run.log]
    row: dict[str, object] = {"start_acc": "", "over_purity": ""}
    if run.spec.method == "dec":
        step = phases.index("initialise clusters")
        row["start_acc"] = results.scores(run[step].assignments, data.labels).acc
    if run.spec.method == "deepcluster":
        step = len(phases) - 1 - phases[::-1].index("train")
        row["over_purity"] = results.scores(run[step].assignments, data.labels).purity
    return row


def _probe(run: Run, data: Dataset) -> object:
    """KNN probe of the last embedding, for methods that learn one."""
    if run.spec.method == "kmeans" or data.labels is None:
        return ""
    return round(neighbours.knn_probe(run[-1].embedding, data.labels), 4)


def markdown() -> str:
    """Means over seeds as a table."""
    rows = read()
    lines = [
        "| Method | Images | Seeds | ACC mean (min to max) | NMI | ARI | kNN probe | Time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for method, n in PLAN:
        mine = [r for r in rows if (r["method"], r["n_samples"]) == (method, n)]
        if not mine:
            continue
        acc = [float(r["acc"]) for r in mine]
        cells = [
            method,
            n,
            str(len(mine)),
            f"{np.mean(acc):.3f} ({min(acc):.3f} to {max(acc):.3f})",
        ]
        cells += [f"{np.mean([float(r[f]) for r in mine]):.3f}" for f in ("nmi", "ari")]
        probes = [float(r["knn_probe"]) for r in mine if r["knn_probe"]]
        cells.append(f"{np.mean(probes):.3f}" if probes else "")
        cells.append(f"{np.mean([float(r['seconds']) for r in mine]) / 60:.1f} min")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

"""Time, disk and memory as the number of items grows: python -m tests.bench.growth --to growth.csv.

Each method is trained for two rounds of each phase, in a process of its own, on as many MNIST
images as it is asked for, or on random vectors; a row for each goes to a CSV file as it comes, and
those that are there are not measured again. Told are seconds, also of the longest step, bytes
on disk per item and step, and the most memory that the process held.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.params import schema
from clustlab.runs.store import RunSpec, RunStore, each_assignment
from clustlab.training.worker import execute, new_run
from tests.bench.harness import report

FEW = ("epochs", "updates", "iter", "rounds")  # ends of the names of settings that are set to 2
COLUMNS = (
    *("method", "kind", "items", "status", "seconds", "steps", "longest_step", "peak_mb"),
    *("run_mb", "bytes_per_item_step", "checkpoint_mb", "said"),
)
VECTORS = 128  # columns


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("growth.csv"))
    parser.add_argument(
        "--methods", nargs="+", default=["kmeans", "dec", "iic", "deepcluster"], help="or all"
    )
    parser.add_argument("--items", nargs="+", type=int, default=[1000, 10_000, 70_000])
    parser.add_argument("--kind", choices=("images", "vectors"), default="images")
    parser.add_argument("--clusters", type=int, default=10)
    parser.add_argument("--timeout", type=float, default=3600.0, help="seconds of one run")
    parser.add_argument("--plot", type=Path, help="SVG of the rows that are there, and no more")
    parser.add_argument("--one", help="what a child measures; for this bench alone")
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measured(args.one, args.kind, args.items[0], args.clusters)))
        return 0
    if args.plot:
        plotted(rows_of(args.to)).save(args.plot)
        return 0
    methods = list(registry.methods()) if args.methods == ["all"] else args.methods
    for n in sorted(args.items):
        for method in methods:
            if not is_done(args.to, method, args.kind, n):
                append(args.to, in_child(method, n, args))
    report("Growth", rows_of(args.to))
    return 0


# -- one run, in a process of its own ----------------------------------------------------------
def measured(method: str, kind: str, n: int, clusters: int) -> dict[str, Any]:
    """Figures of one run."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("CLUSTLAB_BENCH")) as place:
        folder = Path(place)
        store = RunStore(folder / "runs")
        dataset, data = (
            ("mnist", {"n_samples": n}) if kind == "images" else (vectors(folder, n), {})
        )
        base = peak_mb()
        settings = few(method, clusters)
        spec = RunSpec(dataset, method, data, settings, "quick", 0, "cpu")
        start = time.perf_counter()
        run = new_run(store, spec)
        execute(store.root, run.id)
        seconds = time.perf_counter() - start
        progress, log = run.progress, run.log
        times = [0.0, *(record["seconds"] for record in log)]
        files = sum(f.stat().st_size for f in run.path.glob("snapshots/*.npz"))
        known = next((each for each in each_assignment(run) if each is not None), None)
        items = 0 if known is None else len(known[0])
        checkpoints = sum(f.stat().st_size for f in run.path.glob("checkpoint.pt"))
        return {
            "method": method,
            "kind": kind,
            "items": items or n,
            "status": progress["status"],
            "seconds": round(seconds, 1),
            "steps": len(log),
            "longest_step": round(float(np.diff(times).max(initial=0.0)), 2),
            "peak_mb": round(peak_mb()),
            "before_mb": round(base),
            "run_mb": round(run.size / 1e6, 1),
            "bytes_per_item_step": round(files / max(items * len(log), 1), 1),
            "checkpoint_mb": round(checkpoints / 1e6, 1),
            "said": str(progress.get("error", "")),
        }


def peak_mb() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def few(method: str, clusters: int) -> dict[str, Any]:
    """Settings of a short run: two rounds of whatever is repeated."""
    settings: dict[str, Any] = {}
    for p in schema(registry.method(method)):
        if p.name == "n_clusters":
            settings[p.name] = clusters
        elif p.name.split("_")[-1] in FEW and isinstance(p.default, int):
            settings[p.name] = max(2, int(p.low or 0))
    return {**registry.method(method).presets["quick"], **settings}


def vectors(folder: Path, n: int) -> str:
    """Name of a set of random vectors around ten centres, imported."""
    rng = np.random.default_rng(0)
    os.environ["CLUSTLAB_DATA"] = str(folder / "data")
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (n, VECTORS))
    centres = rng.normal(0, 1, (10, VECTORS)).astype(np.float32)
    for at in range(0, n, 50_000):
        some = slice(at, min(at + 50_000, n))
        count = some.stop - some.start
        x[some] = rng.standard_normal((count, VECTORS), np.float32)
        x[some] += centres[rng.integers(0, 10, count)]
    x.flush()
    command = [sys.executable, "-m", "clustlab", "import", str(folder / "x.npy"), "--name", "grown"]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "x.npy").unlink()
    return "grown"


# -- rows --------------------------------------------------------------------------------------
def in_child(method: str, n: int, args: argparse.Namespace) -> dict[str, Any]:
    """Row of one run, whatever becomes of it."""
    words = ["--one", method, "--items", str(n), "--kind", args.kind]
    command = [sys.executable, "-m", "tests.bench.growth", *words, "--clusters", str(args.clusters)]
    row: dict[str, Any] = {"method": method, "kind": args.kind, "items": n}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout)
    except subprocess.TimeoutExpired:
        return row | {"status": "too long", "seconds": args.timeout}
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        return row | {"status": f"ended with {done.returncode}", "said": done.stderr[-200:]}
    return row | json.loads(lines[-1]) | {"items": n}


def rows_of(file: Path) -> list[dict[str, Any]]:
    """Rows that are there."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return [dict(row) for row in csv.DictReader(lines)]


def is_done(file: Path, method: str, kind: str, n: int) -> bool:
    """Whether there is a row of a run."""
    wanted = (method, kind, str(n))
    return any((row["method"], row["kind"], row["items"]) == wanted for row in rows_of(file))


def append(file: Path, row: Mapping[str, Any]) -> None:
    """Add a row."""
    is_new = not file.exists()
    with file.open("a", newline="") as lines:
        writer = csv.DictWriter(lines, COLUMNS, extrasaction="ignore", restval="")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def plotted(rows: list[dict[str, Any]]) -> Any:
    """Longest step and peak memory by number of items, of runs that are done."""
    import altair as alt

    figures = {"longest_step": "Seconds of the longest step", "peak_mb": "Peak memory in MB"}
    drawn = [
        {
            "items": int(row["items"]),
            "method": f"{registry.method(row['method']).title}, {row['kind']}",
            **{name: max(float(row[name]), 0.01) for name in figures},
        }
        for row in rows
        if row["status"] == "done" and sum(r["method"] == row["method"] for r in rows) > 2
    ]
    items = alt.X("items:Q", title="Items", scale=alt.Scale(type="log"))
    base = alt.Chart(alt.Data(values=drawn), width=300, height=220).mark_line(point=True)
    return alt.hconcat(
        *(
            base.encode(
                items,
                alt.Y(f"{name}:Q", title=title, scale=alt.Scale(type="log")),
                alt.Color("method:N", title="Method"),
                alt.StrokeDash("method:N", title="Method"),
            )
            for name, title in figures.items()
        )
    )


if __name__ == "__main__":
    raise SystemExit(main())

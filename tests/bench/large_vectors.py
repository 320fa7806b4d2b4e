"""A million vectors, imported, clustered and looked at: python -m tests.bench.large_vectors.

Vectors around random centres are written to a file, imported, and clustered by k-means and DEC,
each by a command in a process of its own. Then each page is opened on both runs, twice, in one more
process. Told are seconds and the most memory that each process held at a time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from tests.bench.harness import report

PAGES = (
    *("train", "embedding", "clusters", "evaluate", "shifts", "inside", "follow", "failures"),
    *("compare", "runs", "data"),
)
OPENED = """
import json, sys, time
from streamlit.testing.v1 import AppTest
from clustlab.ui import shell
runs, pages = sys.argv[1].split(","), sys.argv[2].split(",")
for page in pages:
    for run in runs[:1] if page in ("runs", "data", "compare") else runs:
        app = AppTest.from_file(shell.__file__, default_timeout=900)
        app.run()
        app.switch_page(f"../../pages/{page}.py")
        app.query_params["run"] = run
        if page == "compare":
            app.query_params["runs"] = ",".join(runs)
        times = []
        for _ in range(2):
            start = time.perf_counter()
            app.run()
            times.append(round(time.perf_counter() - start, 2))
        errors = [str(each.message)[:200] for each in app.exception]
        what = page + ", " + run.split("-")[2]
        seen = sum(1 for each in app if each.type not in ("vertical", "horizontal"))
        row = {"what": what, "seen": seen, "first_s": times[0], "again_s": times[1]}
        print(json.dumps(row | {"errors": errors}), flush=True)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--clusters", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2, help="of DEC's pre-training")
    parser.add_argument("--pages", nargs="+", default=list(PAGES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ.update(CLUSTLAB_DATA=str(folder / "data"), CLUSTLAB_RUNS=str(folder / "runs"))
        write(folder / "vectors.npz", args)
        rows = [measured("import", ["import", str(folder / "vectors.npz"), "--name", "million"])]
        train = ["train", "--dataset", "million", "--preset", "quick", "--set"]
        k = f"n_clusters={args.clusters}"
        rows.append(measured("k-means", [*train, k, "--method", "kmeans"]))
        settings = [k, f"epochs={args.epochs}", "max_updates=3", "batch_size=1024", "n_init=1"]
        rows.append(measured("DEC", [*train, *settings, "--method", "dec"]))
        runs = ",".join(row.pop("run") for row in rows[1:])
        rows += opened(runs, args.pages)
    report("Large vectors", rows, **vars(args))
    return 0


def write(path: Path, args: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, args.clusters, args.items)
    centres = rng.normal(0, 1, (args.clusters, args.width)).astype(np.float32)
    x = rng.standard_normal((args.items, args.width), np.float32)
    x += centres[labels]
    np.savez(path, x=x, y=labels)


def measured(what: str, words: list[str]) -> dict[str, object]:
    """Seconds and most memory of a command, and what it answered."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "clustlab", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    most = watched(process)
    out, err = process.communicate()
    seconds = time.perf_counter() - start
    assert process.returncode == 0, err[-2000:]
    answer = json.loads(out.splitlines()[-1])
    row: dict[str, object] = {"what": what, "first_s": round(seconds, 1), "gib": round(most, 2)}
    return row | {name: answer[name] for name in ("run", "acc", "steps") if name in answer}


def watched(process: "subprocess.Popen[str]") -> float:
    """Most memory in GiB that a process and its children held, until it ends."""
    most, about = 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            every = [about, *about.children(recursive=True)]
            most = max(most, sum(each.memory_info().rss for each in every))
        except psutil.NoSuchProcess:
            break
        time.sleep(0.1)
    return most / 2**30


def opened(runs: str, pages: list[str]) -> list[dict[str, object]]:
    """Seconds that pages take in one process, at first and again, and its most memory."""
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", OPENED, runs, ",".join(pages)],
            stdout=out,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        most = watched(process)
        assert process.returncode == 0
        out.seek(0)
        rows = [json.loads(line) for line in out.read().splitlines()]
    return [*rows, {"what": "all pages", "gib": round(most, 2)}]


if __name__ == "__main__":
    sys.exit(main())

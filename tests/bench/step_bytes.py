"""Bytes per item and step of stored runs, by array: python -m tests.bench.step_bytes RUN...

What is counted is what lies on disk, with the heads of the archives. `once` is what a step takes
whatever its number of items, such as images and centers. With `--against`, a folder in which an
earlier version has stored the same runs, also how far points and neighbours are from those.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from clustlab.analysis import metrics
from clustlab.analysis.nearest_neighbours import k_nearest
from clustlab.analysis.projection import pca_2d, procrustes
from clustlab.runs.encodings import array_name
from clustlab.runs.store import Run, RunStore
from tests.bench.harness import report

PER_ITEM = ("embedding", "assignments", "probabilities")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="*", help="folders of runs by name; all, by default")
    parser.add_argument("--runs", help="folder of runs")
    parser.add_argument("--against", help="folder of the same runs, stored whole")
    args = parser.parse_args()
    store = RunStore(args.runs)
    runs = [run for run in [store.run(name) for name in args.run] or store.runs() if len(run)]
    rows = [measured(run) for run in runs]
    if args.against:
        whole = {run.title: run for run in RunStore(args.against).runs()}
        rows = [row | off(whole[run.title], run) for row, run in zip(rows, runs, strict=True)]
    report("Bytes per item and step", sorted(rows, key=lambda row: -row["all"]))
    return 0


def measured(run: Run) -> dict[str, Any]:
    """Bytes per item and step of a run."""
    n = len(run[len(run) - 1].assignments)
    files = sorted(run.path.glob("snapshots/*.npz"))
    found: Counter[str] = Counter()
    for file in files:
        found += of_file(file, artefacts_per_item(run))
    each = n * len(files)
    row: dict[str, Any] = {"run": run.title, "items": n, "steps": len(files)}
    row |= {"all": round(sum(found.values()) / each, 1)}
    row |= {name: round(found[name] / each, 2) for name in (*PER_ITEM, "artefacts", "once")}
    newest = files[-1].stat().st_size
    return row | {"newest step": round(newest / n, 1)}


def artefacts_per_item(run: Run) -> set[str]:
    """Names of the artefacts that have a row for each item."""
    return {
        f"artefact:{name}"
        for record in run.log
        for name, about in record["artefacts"].items()
        if about["kind"] == "per_item"
    }


def of_file(file: Path, per_item: set[str]) -> Counter[str]:
    """Bytes in the file of a step by what they are for."""
    found: Counter[str] = Counter()
    with ZipFile(file) as archive:
        for info in archive.infolist():
            name = array_name(info.filename.removesuffix(".npy"))
            kind = "artefacts" if name in per_item else name if name in PER_ITEM else "once"
            found[kind] += info.file_size
    found["once"] += file.stat().st_size - sum(found.values())
    return found


def off(whole: Run, run: Run) -> dict[str, Any]:
    """How far two records of the same steps are from each other: one in the middle, and the last.

    The largest and the median shift of a point in the plane of the principal components, in
    percent of its extent; the share of ten nearest neighbours that stay; differences of scores.
    """
    found: dict[str, Any] = {}
    for name, step in (("mid", len(run) // 2 - 1), ("last", len(run) - 1)):
        before, after = whole[step], run[step]
        same = (before.assignments == after.assignments).all()
        if not same:
            return {"mid shift %": "another run"}
        points = pca_2d(before.embedding)
        shifts = procrustes(pca_2d(after.embedding), points, scale=False) - points
        shifts = np.linalg.norm(shifts, axis=1) / np.ptp(points, axis=0).max()
        near, now = (k_nearest(s.embedding, 10).indices for s in (before, after))
        stay = [len(set(a) & set(b)) for a, b in zip(near.tolist(), now.tolist(), strict=True)]
        wide = [metrics.silhouette(s.embedding, s.assignments) for s in (before, after)]
        sure = [metrics.confidence(s) for s in (before, after)]
        found |= {
            f"{name} shift %": round(100 * float(shifts.max()), 2),
            f"{name} median shift %": round(100 * float(np.median(shifts)), 2),
            f"{name} neighbours": round(float(np.mean(stay)) / 10, 3),
            f"{name} silhouette": round(abs(wide[1] - wide[0]), 5),
            f"{name} confidence": round(abs(float(sure[1].mean() - sure[0].mean())), 5),
            f"{name} one confidence": round(float(np.abs(sure[1] - sure[0]).max()), 4),
        }
    return found


if __name__ == "__main__":
    raise SystemExit(main())

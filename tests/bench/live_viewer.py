"""What watching costs the training: python -m tests.bench.live_viewer.

The same run four ways, in turn: the method alone without a store; headless in a thread, with every
snapshot on disk; the same while a viewer in the same process does every other second what the
page Train does (status, log, newest snapshot, projection, figures, charts, images); and in a child
process with that viewer. The time is that of training itself, from the run's own log.
"""

import argparse
import statistics
import tempfile
import threading
import time

import numpy as np

from clustlab import registry
from clustlab.analysis.timeline import Timeline
from clustlab.context import Context
from clustlab.params import build
from clustlab.runs.store import Run, RunSpec, RunStore
from clustlab.training.runner import ProcessRunner, Runner, ThreadRunner
from clustlab.training.worker import new_run
from clustlab.views import curves, matrices, scatter, sheets, specification
from tests.bench.harness import ratio, report

EVERY = 2.0  # seconds
ENDED = ("done", "failed", "cancelled", "lost")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="mnist-5k")
    parser.add_argument("--method", default="dec")
    parser.add_argument("--data", nargs="*", default=[])
    parser.add_argument("--set", nargs="*", default=["epochs=15", "max_updates=10"])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    data, params = (dict(word.split("=") for word in words) for words in (args.data, args.set))
    spec = RunSpec(args.dataset, args.method, data, params, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        measure(args, spec, RunStore(folder))
    return 0


def measure(args: argparse.Namespace, spec: RunSpec, store: RunStore) -> None:
    thread, process = ThreadRunner(store.root), ProcessRunner(store.root)
    first = trained(store, spec, thread)  # loads the items and warms up
    spec = first.spec
    items = np.asarray(store.dataset(first).items)

    def alone() -> float:
        method = build(registry.method(spec.method), spec.method_params)
        start = time.perf_counter()
        for _ in method.iterate(items, Context(spec.seed)):
            pass
        return time.perf_counter() - start

    def headless() -> float:
        return training_time(trained(store, spec, thread))

    def watched() -> float:
        return training_time(trained(store, spec, thread, watch=True))

    def apart() -> float:
        return training_time(trained(store, spec, process, watch=True))

    ways = {
        "method alone": alone,
        "headless, snapshots on disk": headless,
        "with a live viewer": watched,
        "in a child process, with a live viewer": apart,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.repeats):
        for name, way in ways.items():
            seconds[name].append(way())
    rows = [
        {
            "what": name,
            "training seconds (median)": round(statistics.median(seconds[name]), 3),
            "times headless": round(ratio(seconds, name, "headless, snapshots on disk"), 3),
        }
        for name in ways
    ]
    report("Training with a live viewer", rows, **vars(args), steps=len(first))


def training_time(run: Run) -> float:
    return float(run.progress["seconds"])


def trained(store: RunStore, spec: RunSpec, runner: Runner, *, watch: bool = False) -> Run:
    """Finished run, watched if wanted."""
    run = new_run(store, spec)
    viewer = threading.Thread(target=view, args=(store, run), daemon=True)
    runner.submit(run.id)
    if watch:
        viewer.start()
    while run.status not in ENDED:
        time.sleep(0.05)
    if run.status != "done":
        raise SystemExit(f"{run.status}: {run.progress.get('error')}")
    if watch:
        viewer.join()
    return run


def view(store: RunStore, run: Run) -> None:
    """Draw every other second what the page Train shows, as long as the run goes on."""
    reader = store.run(run.id)
    while len(reader) == 0 and reader.status not in ENDED:
        time.sleep(0.05)
    dataset = store.dataset(reader)
    timeline = Timeline(reader, dataset.labels, n_classes=len(dataset.class_names))
    while reader.status not in ENDED:
        start = time.monotonic()
        timeline.extend()
        step = len(timeline) - 1
        clusters = timeline.stable(step)
        table = scatter.dots(timeline.points(step), clusters)
        specification.vega_lite_spec(scatter.embedding(table, extent=timeline.extent()))
        specification.vega_lite_spec(
            curves.metrics(timeline.metrics(), ["changed", "nmi_previous"], step=step)
        )
        if dataset.labels is not None:
            specification.vega_lite_spec(
                matrices.confusion(dataset.labels, clusters, dataset.class_names)
            )
        ids = np.unique(clusters)[:10]
        groups = [np.flatnonzero(clusters == i) for i in ids]
        rows = [sheets.order("central", group, reader[step], limit=14) for group in groups]
        sheets.cluster_rows(dataset.items, rows, clusters=ids, tile=24, columns=14)
        time.sleep(max(0.0, EVERY - (time.monotonic() - start)))


if __name__ == "__main__":
    raise SystemExit(main())

"""Our DEC against ClustPy's: python -m tests.bench.dec_vs_clustpy (needs bench/requirements.txt).

Same images, network (784-500-500-2000-10, ReLU), batch size, learning rates, epochs of
pre-training, optimiser steps of clustering and one start of k-means; both on all cores of one
process, in turn. "Whole run" is what a user waits for: with a snapshot on disk after every epoch
and update. ClustPy keeps none.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import warnings

import numpy as np
import torch

from clustlab.analysis.metrics import clustering_accuracy
from clustlab.context import Context
from clustlab.methods.dec import DEC
from clustlab.parts.inputs.network_input import features
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from tests.bench.harness import ratio, report, rounds

BATCH = 256


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=5, help="of pre-training")
    parser.add_argument("--passes", type=int, default=5, help="over the items while clustering")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(args, RunStore(folder))
    return 0


def measure(args: argparse.Namespace, store: RunStore) -> None:
    settings = {
        "epochs": args.epochs,
        "update_interval": -(-args.items // BATCH),
        "max_updates": args.passes,
        "tolerance": 0.0,
        "batch_size": BATCH,
        "n_init": 1,
    }
    data = {"n_samples": args.items}
    spec = RunSpec("mnist-5k", "dec", data, settings, device="cpu")
    execute(store.root, new_run(store, spec).id)  # loads the items and warms up
    dataset = store.dataset(store.runs()[0])
    items, labels = np.asarray(dataset.items), np.asarray(dataset.labels)
    found: dict[str, list[float]] = {
        "ClustPy": [],
        "clustlab, method": [],
        "clustlab, whole run": [],
    }

    def keep(name: str, assignments: np.ndarray) -> None:
        found[name].append(clustering_accuracy(labels, assignments))

    def ours() -> None:
        *_, last = DEC(**settings).iterate(items, Context(0))
        keep("clustlab, method", last.assignments)

    def whole() -> None:
        run = new_run(store, spec)
        execute(store.root, run.id)
        keep("clustlab, whole run", run[-1].assignments)

    def theirs() -> None:
        keep("ClustPy", clustpy_labels(features(items), args))

    ways = {"ClustPy": theirs, "clustlab, method": ours, "clustlab, whole run": whole}
    seconds = rounds(ways, args.repeats)
    rows = [
        {
            "what": name,
            "seconds (median)": round(statistics.median(seconds[name]), 3),
            "times ClustPy": round(ratio(seconds, name, "ClustPy"), 3),
            "accuracy (one seed)": round(found[name][-1], 3),
        }
        for name in ways
    ]
    report("DEC against ClustPy", rows, **vars(args), batch=BATCH)


def clustpy_labels(x: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """Assignments by ClustPy's DEC, before its final k-means."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        from clustpy.deep import DEC as Theirs
        from clustpy.deep.neural_networks import FeedforwardAutoencoder

        torch.manual_seed(0)  # noqa: TID251 - ClustPy's own draws
        network = FeedforwardAutoencoder(
            [x.shape[1], 500, 500, 2000, 10], activation_fn=torch.nn.ReLU
        )
        dec = Theirs(
            n_clusters=10,
            batch_size=BATCH,
            pretrain_epochs=args.epochs,
            clustering_epochs=args.passes,
            neural_network=network,
            device="cpu",
            random_state=0,
        )
        with contextlib.redirect_stdout(io.StringIO()):
            dec.fit(x)
    return dec.dec_labels_


if __name__ == "__main__":
    raise SystemExit(main())

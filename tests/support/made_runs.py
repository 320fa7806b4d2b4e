"""Runs written by hand: what each step found is given, nothing is trained."""

import numpy as np

from clustlab import registry
from clustlab.data import library
from clustlab.runs.store import RunSpec
from clustlab.training.writer import RunWriter
from clustlab.types import Dataset, Snapshot


def data(store, key="made", n=12, labels=None, names=("zero", "one", "two"), seed=0):
    """Lay down a data set of n small images under a key."""
    folder = store.root / "_data" / key
    if not folder.is_dir():
        items = np.random.default_rng(seed).integers(256, size=(n, 8, 8, 1), dtype=np.uint8)
        labels = None if labels is None else np.asarray(labels, np.int32)
        library._save(folder, Dataset(key, items, labels, tuple(names), "made by hand"))
    return key


def run(store, steps, key="made", *, method="kmeans", k=3, phases=None, paces=None, **spec):
    """Finished run with these assignments (steps, n), a second for each step."""
    made = store.create(
        RunSpec("digits", method, **{"preset": "quick", **spec}),
        method_title=registry.method(method).title,
        dataset_title="Made",
        data_key=key,
    )
    rng = np.random.default_rng(1)
    with RunWriter(made) as writer:
        for i, assignments in enumerate(steps):
            assignments = np.asarray(assignments)
            places = np.stack([np.cos(assignments * 2.0), np.sin(assignments * 2.0)], axis=1)
            embedding = places + rng.normal(scale=0.1, size=places.shape)
            q = np.full((len(assignments), k), 0.1 / (k - 1))
            q[np.arange(len(assignments)), assignments] = 0.9
            record = {"phase": phases[i] if phases else "train", "done": i + 1, "total": len(steps)}
            record["seconds"] = float(paces[i]) if paces else float(i + 1)
            writer.append(i, Snapshot(embedding, assignments, {"loss": 1.0}, q), record)
        writer.finish("done", seconds=float(len(steps)))
    return made

"""Runs written by hand, step by step, for tests that must know what is in them."""

import numpy as np

from clustlab.data import library
from clustlab.runs.store import RunSpec
from clustlab.training.worker import new_run
from clustlab.training.writer import RunWriter
from clustlab.types import Dataset, Snapshot


def dataset(n, labels=None, names=(), side=8):
    """Images of noise."""
    rng = np.random.default_rng(0)
    items = rng.integers(256, size=(n, side, side, 1), dtype=np.uint8)
    labels = None if labels is None else np.asarray(labels, dtype=np.int32)
    return Dataset("digits", items, labels, tuple(names), "made up for a test")


def write(store, snapshots, data, *, method="kmeans", phases=None, roles=None):
    """A finished run of these snapshots; `phases` names the phase of each, `roles` its role."""
    spec = RunSpec("digits", method, preset="quick")
    library._save(store.root / "_data" / library.key(spec.dataset, {}, 0), data)
    run = new_run(store, spec)
    phases = phases or ["train"] * len(snapshots)
    with RunWriter(run) as writer:
        for step, snapshot in enumerate(snapshots):
            record = {"phase": phases[step], "done": phases[: step + 1].count(phases[step])}
            record |= {"role": roles[step], "samples": 0} if roles else {}
            writer.append(step, snapshot, {**record, "total": phases.count(phases[step])})
        writer.finish("done", seconds=1.0)
    return run


def hard(assignments, k, **scalars):
    """A snapshot of a method without probabilities, each cluster around a corner."""
    assignments = np.asarray(assignments)
    centers = np.eye(k, dtype=np.float32) * 10
    rng = np.random.default_rng(0)
    embedding = centers[assignments] + rng.normal(scale=0.1, size=(len(assignments), k))
    return Snapshot(embedding, assignments, scalars, centers=centers)


def soft(probabilities, **scalars):
    """A snapshot that is as sure as it is told; its embedding is what it believes."""
    p = np.asarray(probabilities, dtype=np.float32)
    return Snapshot(p, p.argmax(1), scalars, p)

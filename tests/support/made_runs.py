"""Runs written by hand: what each step found is given, nothing is trained."""

import zlib

import numpy as np

from clustlab import registry
from clustlab.data import library
from clustlab.runs.store import RunSpec
from clustlab.training.writer import RunWriter
from clustlab.types import Dataset, Snapshot


# -- items -------------------------------------------------------------------------------------
def dataset(n, labels=None, names=(), side=8, *, name="digits", seed=0):
    """Images of noise."""
    items = np.random.default_rng(seed).integers(256, size=(n, side, side, 1), dtype=np.uint8)
    labels = None if labels is None else np.asarray(labels, dtype=np.int32)
    return Dataset(name, items, labels, tuple(names), "made by hand")


def data(store, key="made", n=12, labels=None, names=("zero", "one", "two"), seed=0):
    """Lay down a data set of n small images under a key."""
    folder = store.root / "_data" / key
    if not folder.is_dir():
        library._save(folder, dataset(n, labels, names, name=key, seed=seed))
    return key


# -- steps -------------------------------------------------------------------------------------
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


def sure(assignments, k, rng):
    """A snapshot that is 0.9 sure of all its clusters, which lie on a circle."""
    assignments = np.asarray(assignments)
    places = np.stack([np.cos(assignments * 2.0), np.sin(assignments * 2.0)], axis=1)
    q = np.full((len(assignments), k), 0.1 / (k - 1))
    q[np.arange(len(assignments)), assignments] = 0.9
    embedding = places + rng.normal(scale=0.1, size=places.shape)
    return Snapshot(embedding, assignments, {"loss": 1.0}, q)


# -- runs --------------------------------------------------------------------------------------
def run(store, steps, key="made", *, method="kmeans", k=3, phases=None, paces=None, **spec):
    """Finished run with these assignments (steps, n), a second for each step."""
    made = store.create(
        RunSpec("digits", method, **{"preset": "quick", **spec}),
        method_title=registry.method(method).title,
        dataset_title="Made",
        data_key=key,
    )
    rng = np.random.default_rng(1)
    records = [
        {
            "phase": phases[i] if phases else "train",
            "done": i + 1,
            "total": len(steps),
            "seconds": float(paces[i]) if paces else float(i + 1),
        }
        for i in range(len(steps))
    ]
    return _committed(made, [sure(found, k, rng) for found in steps], records, len(steps))


def write(store, snapshots, data, *, method="kmeans", phases=None, roles=None):
    """A finished run of these snapshots; `phases` names the phase of each, `roles` its role."""
    made = store.create(
        RunSpec("digits", method, preset="quick"),
        method_title=registry.method(method).title,
        dataset_title=registry.dataset("digits").title,
        data_key=_key_of(data),
    )
    library._save(store.root / "_data" / made.manifest["data_key"], data)
    phases = phases or ["train"] * len(snapshots)
    records = [
        {
            "phase": phase,
            "done": phases[: i + 1].count(phase),
            "total": phases.count(phase),
            **(_said_of(roles[i], len(data.items)) if roles else {}),
        }
        for i, phase in enumerate(phases)
    ]
    return _committed(made, snapshots, records, 1.0)


def _key_of(data):
    """A key for what is in a data set, so that the digits of another test are not taken for it."""
    labels = b"" if data.labels is None else data.labels.tobytes()
    return f"made-{zlib.crc32(data.items.tobytes() + labels):08x}"


def _said_of(role, n):
    """What a log says of a step with this role; training draws each of n items once."""
    return {"role": role, "samples": n if role in ("pretrain", "train") else 0}


def _committed(run, snapshots, records, seconds):
    with RunWriter(run) as writer:
        for step, (snapshot, record) in enumerate(zip(snapshots, records, strict=True)):
            writer.append(step, snapshot, record)
        writer.finish("done", seconds=float(seconds))
    return run

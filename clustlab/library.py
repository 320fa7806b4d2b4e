"""Loaded data sets on disk, shared by runs and pages.

A data set is drawn once per spec and seed and kept beside the runs as plain arrays. Workers and
pages map these files, so that a page shows items without importing torchvision, and a run can
still be looked at when the original files are gone.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.params import build, schema
from clustlab.types import Dataset, Labelling, Report


def silent(message: str, share: float) -> None:
    """Report nothing."""


def key(name: str, params: Mapping[str, Any], seed: int) -> str:
    """Name of the folder for a data set drawn with these parameters and seed.

    Raises
    ------
    ParameterError
        If the name or a parameter is not valid.
    """
    spec = build(registry.dataset(name), params)
    full = {p.name: getattr(spec, p.name) for p in schema(type(spec))}
    text = json.dumps([name, full, seed], sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def is_loaded(root: Path, name: str, params: Mapping[str, Any], seed: int) -> bool:
    """Whether opening this data set needs neither a download nor a conversion."""
    return (_folder(root, name, params, seed) / "about.json").is_file()


def load(
    root: Path, name: str, params: Mapping[str, Any], seed: int, report: Report = silent
) -> Dataset:
    """Data set drawn with this seed, from the shared folder or made now.

    Raises
    ------
    DatasetUnavailable
        If files are missing and cannot be fetched.
    """
    folder = _folder(root, name, params, seed)
    if not (folder / "about.json").is_file():
        dataset = build(registry.dataset(name), params).load(seed, report)
        _save(folder, dataset)
    return open_folder(folder)


def fingerprint(root: Path, name: str, params: Mapping[str, Any], seed: int) -> str:
    """Digest of items and labels of a loaded data set: equal means the same images."""
    about = json.loads((_folder(root, name, params, seed) / "about.json").read_text("utf-8"))
    return str(about["fingerprint"])


def open_folder(folder: Path) -> Dataset:
    """Data set from a folder that `load` made; arrays are mapped, not read."""
    about = json.loads((folder / "about.json").read_text("utf-8"))

    def array(file: str) -> Any:
        return np.load(folder / file, mmap_mode="r", allow_pickle=False)

    return Dataset(
        name=about["name"],
        items=array("items.npy"),
        labels=array("labels.npy") if about["has_labels"] else None,
        class_names=tuple(about["class_names"]),
        protocol=about["protocol"],
        other_labels={
            title: Labelling(array(f"labels-{i}.npy"), tuple(names))
            for i, (title, names) in enumerate(about["other_labels"].items())
        },
    )


def _folder(root: Path, name: str, params: Mapping[str, Any], seed: int) -> Path:
    return root / "_data" / key(name, params, seed)


def _save(folder: Path, dataset: Dataset) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    temporary.mkdir()
    np.save(temporary / "items.npy", dataset.items)
    digest = hashlib.sha256(np.ascontiguousarray(dataset.items).tobytes())
    if dataset.labels is not None:
        np.save(temporary / "labels.npy", dataset.labels)
        digest.update(np.ascontiguousarray(dataset.labels).tobytes())
    for i, other in enumerate(dataset.other_labels.values()):
        np.save(temporary / f"labels-{i}.npy", other.labels)
    about = {
        "name": dataset.name,
        "has_labels": dataset.labels is not None,
        "class_names": dataset.class_names,
        "protocol": dataset.protocol,
        "other_labels": {k: v.class_names for k, v in dataset.other_labels.items()},
        "fingerprint": digest.hexdigest(),
    }
    (temporary / "about.json").write_text(json.dumps(about), encoding="utf-8")
    try:
        temporary.rename(folder)
    except OSError:  # another worker was faster with the same data
        for file in temporary.iterdir():
            file.unlink()
        temporary.rmdir()

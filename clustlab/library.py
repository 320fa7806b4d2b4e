"""Loaded data sets on disk, shared by runs and pages.

A data set is drawn once per spec and seed and kept beside the runs as plain arrays. Workers and
pages map these files, so that a page shows items without importing torchvision, and a run can
still be looked at when the original files are gone.
"""

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Collection, Mapping
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
    os.utime(folder)  # in use, see `remove_unused`
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


def remove_unused(root: Path, needed: Collection[str], older_than: float) -> None:
    """Remove loaded data sets that are not needed and have not been loaded for so many seconds.

    What a killed worker left half written goes too. Original files are elsewhere and stay.
    """
    for folder in (root / "_data").iterdir() if (root / "_data").is_dir() else ():
        if folder.name not in needed and time.time() - folder.stat().st_mtime >= older_than:
            shutil.rmtree(folder, ignore_errors=True)


def _save(folder: Path, dataset: Dataset) -> None:
    """Write a data set beside its place, then move it there whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        _write(temporary, dataset)
        if folder.is_dir() and not (folder / "about.json").is_file():
            shutil.rmtree(folder)  # damaged by hand
        temporary.rename(folder)
    except OSError:
        if not (folder / "about.json").is_file():  # else another worker was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(folder: Path, dataset: Dataset) -> None:
    np.save(folder / "items.npy", dataset.items)
    digest = hashlib.sha256(np.ascontiguousarray(dataset.items).data)
    if dataset.labels is not None:
        np.save(folder / "labels.npy", dataset.labels)
        digest.update(np.ascontiguousarray(dataset.labels).data)
    for i, other in enumerate(dataset.other_labels.values()):
        np.save(folder / f"labels-{i}.npy", other.labels)
    about = {
        "name": dataset.name,
        "has_labels": dataset.labels is not None,
        "class_names": dataset.class_names,
        "protocol": dataset.protocol,
        "other_labels": {k: v.class_names for k, v in dataset.other_labels.items()},
        "fingerprint": digest.hexdigest(),
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")

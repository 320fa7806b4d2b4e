"""Loaded data sets on disk, shared by runs and pages.

A data set is drawn once per spec and seed and kept beside the runs as plain arrays. Workers and
pages map these files, so that a page shows items without importing torchvision, and a run can
still be looked at when the original files are gone.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NotRequired, TypedDict

import numpy as np

from clustlab import registry
from clustlab.data import checked_arrays, plain_files
from clustlab.data.atomic import flush
from clustlab.data.checked_arrays import Check, Declared
from clustlab.data.checked_json import Name, Text, Unreadable, parsed
from clustlab.data.feature_scales import as_wanted, check_finite
from clustlab.data.item_names import ItemNames
from clustlab.data.some_rows import unbalanced, without
from clustlab.errors import DataError
from clustlab.params import ADDED_LATER, UNBALANCE, build, schema
from clustlab.types import Array, Dataset, Labelling, Report

ABOUT, ITEMS, LABELS, IMAGES = "about.json", "items.npy", "labels.npy", "images-shown.npy"
MOST_CLASSES = 30_000  # that nobody has named
TOGETHER = 1_000  # items that are compared at once


class About(TypedDict):
    """`about.json` beside the arrays."""

    name: Name
    has_labels: bool
    class_names: list[Name]
    protocol: Text
    other_labels: dict[str, list[Name]]
    fingerprint: Text
    has_item_names: NotRequired[bool]
    columns: NotRequired[list[Text]]
    has_images_shown: NotRequired[bool]
    whole: NotRequired[Text]  # fingerprint of the draw that items were left out of


def silent(message: str, share: float) -> None:
    """Report nothing."""


def key(name: str, params: Mapping[str, Any], seed: int, excluded: Sequence[int] = ()) -> str:
    """Name of the folder for a data set drawn with these parameters and seed, without some rows.

    Raises
    ------
    ParameterError
        If the name or a parameter is not valid.
    """
    spec = build(registry.dataset(name), params)
    full = {
        p.name: value
        for p in schema(type(spec))
        # so that what is drawn as it was before they could be chosen keeps its name
        if (value := getattr(spec, p.name)) != p.default or p.name not in ADDED_LATER
    }
    if of_content := getattr(spec, "fingerprint", ""):
        full["fingerprint"] = of_content  # another content may have had the same name before
    left_out = [sorted(set(excluded))] if excluded else []
    text = json.dumps([name, full, seed, *left_out], sort_keys=True)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def is_loaded(
    root: Path, name: str, params: Mapping[str, Any], seed: int, excluded: Sequence[int] = ()
) -> bool:
    """Whether opening this data set needs neither a download nor a conversion."""
    return (_folder(root, name, params, seed, excluded) / "about.json").is_file()


def load(
    root: Path,
    name: str,
    params: Mapping[str, Any],
    seed: int,
    report: Report = silent,
    excluded: Sequence[int] = (),
) -> Dataset:
    """Data set drawn with this seed, from the shared folder or made now, without some rows.

    Raises
    ------
    DataError
        If a feature is not finite, a label is below -1, or there are fewer names than classes.
    DatasetUnavailable
        If files are missing and cannot be fetched.
    ParameterError
        If a row to be left out is not there, or none would be left.
    """
    folder = _folder(root, name, params, seed, excluded)
    if not is_whole(folder):
        if excluded:
            dataset = without(load(root, name, params, seed, report), excluded)
            _save(folder, dataset, whole=fingerprint(root, name, params, seed))
        else:
            _save(folder, as_drawn(name, params, seed, report))
    os.utime(folder)  # in use, see `remove_unused`
    return open_folder(folder)


def label_anew(
    root: Path, name: str, params: Mapping[str, Any], seed: int, excluded: Sequence[int] = ()
) -> None:
    """Give a data set that was drawn before the labels that it has by now; its items stay.

    Nothing happens if it was not drawn yet. Raises like `load`.
    """
    folder = _folder(root, name, params, seed, excluded)
    if not is_whole(folder):
        return
    before = _about(folder)
    dataset = as_drawn(name, params, seed)
    if excluded:
        dataset = without(dataset, excluded)
    if not _are_equal(dataset.items, _items(folder)):  # its labels said which were drawn
        raise DataError(
            f"With these labels, {name!r} would be drawn with other items.",
            "Choose other settings of the data set, and run again.",
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
        _write(Path(temporary), dataset, before.get("whole", ""))
        for file in sorted(Path(temporary).glob("labels*.npy")):
            file.replace(folder / file.name)
        (Path(temporary) / ABOUT).replace(folder / ABOUT)  # last, since it tells of the others


def _are_equal(items: Array, others: Array) -> bool:
    """Whether items are the same, compared piece by piece: the others are on the disk."""
    return items.shape == others.shape and all(
        np.array_equal(items[start : start + TOGETHER], others[start : start + TOGETHER])
        for start in range(0, len(items), TOGETHER)
    )


def forget_draws(root: Path, name: str, keep: Collection[str]) -> None:
    """Remove what was drawn of a data set for pages, except under some keys: it is drawn anew."""
    own = re.compile(rf"{re.escape(name)}-[0-9a-f]{{12}}")
    for folder in (root / "_data").iterdir() if (root / "_data").is_dir() else ():
        if own.fullmatch(folder.name) and folder.name not in keep:
            remove_folder(folder)


def is_whole(folder: Path) -> bool:
    """Whether a data set is in its folder and can be read."""
    try:
        open_folder(folder)
    except (FileNotFoundError, Unreadable):
        return False
    return True


def as_drawn(name: str, params: Mapping[str, Any], seed: int, report: Report = silent) -> Dataset:
    """Data set as its author draws it, checked, and changed as its settings ask; not kept.

    Raises like `load`.
    """
    spec = build(registry.dataset(name), params)
    return as_wanted(before_changes(spec, seed, report), spec)


def before_changes(spec: Any, seed: int, report: Report = silent) -> Dataset:
    """Data set of a spec, drawn and checked, before its columns are changed."""
    dataset = spec.load(seed, report)
    check_finite(dataset.items)
    check_names(dataset)
    return unbalanced(dataset, getattr(spec, UNBALANCE, 1.0))


def check_names(dataset: Dataset) -> None:
    """Refuse a data set that names some of its classes and not the others.

    Checked when it is drawn: what was drawn before opens as it is.

    Raises
    ------
    DataError
        With the number of names and of classes.
    """
    labellings = {"class_names": (dataset.labels, dataset.class_names)}
    for title, other in dataset.other_labels.items():
        labellings[f"class_names of {title!r}"] = (other.labels, other.class_names)
    for field, (labels, names) in labellings.items():
        n_classes = 0 if labels is None else int(labels.max(initial=-1)) + 1
        if 0 < len(names) < n_classes:
            raise DataError(
                f"{field} has {len(names)} names, but the labels go up to {n_classes - 1}, which "
                f"makes {n_classes} classes.",
                "Name every class, in the order of its number, or none.",
            )


def fingerprint(
    root: Path, name: str, params: Mapping[str, Any], seed: int, excluded: Sequence[int] = ()
) -> str:
    """Digest of items and labels of a loaded data set: equal means the same images."""
    return fingerprint_in(_folder(root, name, params, seed, excluded))


def fingerprint_in(folder: Path) -> str:
    """The same of the data set in a folder."""
    return _about(folder)["fingerprint"]


def folder_of(root: Path, data_key: str) -> Path:
    """Folder of the data set of a key."""
    return root / "_data" / data_key


def n_items(root: Path, data_key: str) -> int | None:
    """Number of items of the data set of a key; None if it is not there, or damaged."""
    try:
        return len(_items(folder_of(root, data_key)))
    except (OSError, Unreadable):
        return None


def open_folder(folder: Path) -> Dataset:
    """Data set from a folder that `load` made; arrays are mapped, not read.

    Raises
    ------
    FileNotFoundError
        If a part of it is not there.
    Unreadable
        If a part is not what it should be.
    """
    about = _about(folder)
    items = _items(folder)
    if items.dtype.kind == "f" and not np.isfinite(items).all():
        raise Unreadable(f"{ITEMS} holds a value that is not finite")
    n = len(items)
    try:
        return Dataset(
            name=about["name"],
            items=items,
            labels=_labels(folder, LABELS, n, about["class_names"])
            if about["has_labels"]
            else None,
            class_names=tuple(about["class_names"]),
            protocol=about["protocol"],
            other_labels={
                title: Labelling(_labels(folder, f"labels-{i}.npy", n, names), tuple(names))
                for i, (title, names) in enumerate(about["other_labels"].items())
            },
            original=_rows(folder, "original.npy", n)
            if (folder / "original.npy").exists()
            else None,
            item_names=ItemNames.from_folder(folder, n) if about.get("has_item_names") else (),
            columns=_columns(about, items),
            images_shown=_images(folder, IMAGES, n) if about.get("has_images_shown") else None,
        )
    except DataError as error:
        raise Unreadable(error.message.rstrip(".")) from error


def _about(folder: Path) -> About:
    return parsed(plain_files.content(folder.parent, f"{folder.name}/{ABOUT}"), About)


def _mapped(folder: Path, file: str, check: Check) -> Array:
    return checked_arrays.mapped(folder.parent, f"{folder.name}/{file}", check)


def _items(folder: Path) -> Array:
    def check(name: str, about: Declared) -> None:
        images = len(about.shape) == 4 and about.dtype == np.uint8
        points = len(about.shape) == 2 and about.dtype == np.float32
        if not (images or points) or 0 in about.shape:
            raise Unreadable(f"{ITEMS} has the shape {about.shape} of {about.dtype}")

    return _mapped(folder, ITEMS, check)


def _columns(about: About, items: Array) -> tuple[str, ...]:
    columns = tuple(about.get("columns", ()))
    if columns and items.shape[1:] != (len(columns),):
        raise Unreadable(f"{len(columns)} columns are named of items of shape {items.shape}")
    return columns


def _images(folder: Path, file: str, n: int) -> Array:
    """Images in a file, one for each item."""

    def check(name: str, about: Declared) -> None:
        if len(about.shape) != 4 or about.shape[0] != n or about.dtype != np.uint8:
            raise Unreadable(f"{file} has the shape {about.shape} of {about.dtype} for {n:,} items")

    return _mapped(folder, file, check)


def _rows(folder: Path, file: str, n: int) -> Array:
    """Whole numbers in a file, one for each item."""

    def check(name: str, about: Declared) -> None:
        if about.shape != (n,) or about.dtype.kind not in "iu":
            raise Unreadable(f"{file} has the shape {about.shape} of {about.dtype} for {n:,} items")

    return _mapped(folder, file, check)


def _labels(folder: Path, file: str, n: int, names: Sequence[str]) -> Array:
    labels = _rows(folder, file, n)
    most = max(len(names), MOST_CLASSES)
    if labels.max(initial=0) >= most:
        raise Unreadable(f"{file} names class {labels.max()}, of at most {most:,}")
    return labels


def _folder(
    root: Path, name: str, params: Mapping[str, Any], seed: int, excluded: Sequence[int] = ()
) -> Path:
    return folder_of(root, key(name, params, seed, excluded))


def remove_unused(root: Path, needed: Collection[str], older_than: float) -> None:
    """Remove loaded data sets that are not needed and have not been loaded for so many seconds.

    What a killed worker left half written goes too. Original files are elsewhere and stay.
    """
    for folder in (root / "_data").iterdir() if (root / "_data").is_dir() else ():
        if folder.name not in needed and time.time() - folder.lstat().st_mtime >= older_than:
            remove_folder(folder)


def _save(folder: Path, dataset: Dataset, whole: str = "") -> None:
    """Write a data set beside its place, then move it there; `whole` tells what it is a part of."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    temporary.mkdir()
    try:
        _write(temporary, dataset, whole)
        flush(*temporary.iterdir(), temporary)
        if not is_whole(folder):
            remove_folder(folder)  # damaged, or a link to somewhere else
        temporary.rename(folder)
        flush(folder.parent)
    except OSError:
        if not is_whole(folder):  # else another worker was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder as far as that is possible; of a link only the link."""
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, dataset: Dataset, whole: str) -> None:
    _save_array(folder / "items.npy", dataset.items)
    # vectors of images are the same items as these, so that runs on either can be compared
    told = dataset.items if dataset.images_shown is None else dataset.images_shown
    digest = hashlib.sha256(np.ascontiguousarray(told).data)
    if dataset.labels is not None:
        _save_array(folder / "labels.npy", dataset.labels)
        digest.update(np.ascontiguousarray(dataset.labels).data)
    for i, other in enumerate(dataset.other_labels.values()):
        _save_array(folder / f"labels-{i}.npy", other.labels)
    if dataset.original is not None:
        _save_array(folder / "original.npy", dataset.original)
    if dataset.item_names:
        ItemNames.made_of(dataset.item_names).save(folder)
    if dataset.images_shown is not None:
        _save_array(folder / IMAGES, dataset.images_shown)
    about: dict[str, Any] = {
        "name": dataset.name,
        "has_labels": dataset.labels is not None,
        "class_names": dataset.class_names,
        "protocol": dataset.protocol,
        "other_labels": {k: v.class_names for k, v in dataset.other_labels.items()},
        "fingerprint": digest.hexdigest(),
    }
    if dataset.item_names:
        about["has_item_names"] = True
    if dataset.columns:
        about["columns"] = dataset.columns
    if dataset.images_shown is not None:
        about["has_images_shown"] = True
    if whole:
        about["whole"] = whole  # fingerprint of the draw that items were left out of
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


class _Sink:
    """A file as numpy must see it to tell why it cannot be written, such as for a full disk."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def _save_array(path: Path, array: Array) -> None:
    with path.open("wb") as file:
        np.save(_Sink(file), array)

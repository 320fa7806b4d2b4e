"""Data sets that were imported: one folder each below the data folder, written piece by piece.

<data folder>/imported/<name>/
    about.json                   what it is
    items.npy                    (n, h, w, c) uint8 or (n, d) float32
    labels-<...>.npy             (n,) int32, one file for each set of classes
    names.npy, name-ends.npy     names of items
    images.npy                   (n, h, w, c) uint8, what vectors are the features of
    refused.json                 what was refused, with the reasons
"""

import contextlib
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from clustlab import registry
from clustlab.data import checked_arrays, locks, plain_files
from clustlab.data.atomic import flush, write_atomically
from clustlab.data.checked_arrays import Declared
from clustlab.data.checked_json import Unreadable, parsed, parsed_with_all
from clustlab.data.files import data_root
from clustlab.data.growing_array import GrowingArray
from clustlab.data.item_names import GrowingNames, ItemNames
from clustlab.data.own_about import (
    LONGEST_TITLE,
    SCHEMA,
    About,
    Kind,
    RefusedAbout,
    Treatment,
    about_labelling,
    as_text,
    clean,
    distinct,
    file_of,
    refusals_as_text,
    treatment_in,
)
from clustlab.data.own_about import name_from as name_from
from clustlab.errors import ParameterError
from clustlab.types import Array, Labelling

FOLDER, ABOUT, ITEMS, IMAGES = "imported", "about.json", "items.npy", "images.npy"
REFUSED, LOCK = "refused.json", ".labels-lock"
HALF_WRITTEN = ".half-"  # begins the name of a folder that is being written
REMOVED = ".removed-"  # begins the name of a folder that was put aside
IN_USE = ".in-use"  # is locked in such a folder as long as somebody needs it, see `scratch`
HALF_AGE = 3600.0  # seconds after which nobody is still writing one, nor wants one back
PATIENCE = 30.0  # seconds that a change waits for another


@dataclass(frozen=True, slots=True)
class OwnSet:
    """An imported data set, as its folder describes it."""

    folder: Path
    name: str  # lower case, for addresses and commands
    title: str  # as its owner calls it
    kind: Kind
    shape: tuple[int, ...]  # of all items: (n, h, w, c) or (n, d)
    fingerprint: str  # equal means the same items with the same names and first classes
    origin: str  # what it was made from, such as the name of an archive
    conversion: str  # how items were changed, as a sentence; empty if they were not
    created: float  # seconds since 1970
    labellings: tuple[tuple[str, tuple[str, ...]], ...]  # title and class names of each
    columns: tuple[str, ...]  # names of features
    has_names: bool
    image_shape: tuple[int, ...] | None  # of the images that are shown beside vectors
    parent: str = ""  # name of the set whose features these are
    features: str = ""  # what they are, such as "resnet18, penultimate layer"
    n_refused: int = 0
    made_by: str = ""  # digest of what features were computed from, and how
    label_files: tuple[str, ...] = ()  # of each set of classes
    treatment: Treatment | None = None  # of images; None if it was not noted yet

    def __len__(self) -> int:
        return self.shape[0]

    # -- arrays, mapped and not read; each raises FileNotFoundError or Unreadable -----------------
    def items(self) -> Array:
        """(n, h, w, c) uint8 or (n, d) float32."""
        return self._mapped(ITEMS, self.shape, np.uint8 if self.kind == "images" else np.float32)

    def images(self) -> Array | None:
        """(n, h, w, c) uint8 beside vectors; None if there are none."""
        return self.image_shape and self._mapped(IMAGES, self.image_shape, np.uint8)  # type: ignore[return-value]  # never an empty tuple

    def item_names(self) -> Sequence[str]:
        """Name of each item; none at all if they have none."""
        return ItemNames.from_folder(self.folder, len(self)) if self.has_names else ()

    def labelling(self, title: str) -> Labelling:
        """Classes by the title of their set; raises `KeyError` if there is none."""
        titles = [each for each, _ in self.labellings]
        if title not in titles:
            raise KeyError(title)
        place = titles.index(title)
        labels = self._mapped(self.label_files[place], (len(self),), np.int32)
        return Labelling(labels, self.labellings[place][1])

    def refused(self) -> list[RefusedAbout]:
        """What did not come in, as far as it was noted."""
        try:
            text = plain_files.content(self.folder.parent, f"{self.folder.name}/{REFUSED}")
        except FileNotFoundError:
            return []
        return parsed(text, list[RefusedAbout])

    def _mapped(self, file: str, shape: tuple[int, ...], dtype: Any) -> Array:
        def check(name: str, about: Declared) -> None:
            if about.shape != shape or about.dtype != dtype:
                raise Unreadable(f"{file} has the shape {about.shape} of {about.dtype}")

        return checked_arrays.mapped(self.folder.parent, f"{self.folder.name}/{file}", check)

    @property
    def nbytes(self) -> int:
        """Bytes of its files."""
        return sum(file.stat().st_size for file in self.folder.iterdir() if file.is_file())


# -- what there is -------------------------------------------------------------------------------
def folder_of_all() -> Path:
    """Folder of all imported sets."""
    return data_root() / FOLDER


def own_sets() -> Mapping[str, OwnSet]:
    """Imported sets by name, those that can be read, in alphabetical order."""
    return {each.name: each for each in _every() if isinstance(each, OwnSet)}


def unreadable() -> Mapping[str, str]:
    """Folders of imported sets that cannot be read, and why."""
    return dict(each for each in _every() if isinstance(each, tuple))


def _every() -> list[OwnSet | tuple[str, str]]:
    place = folder_of_all()
    try:
        entries = sorted(place.iterdir())
    except OSError:  # nothing was imported yet
        return []
    found: list[OwnSet | tuple[str, str]] = []
    for folder in entries:
        if folder.name.startswith("."):
            continue
        try:
            changed = (folder / ABOUT).lstat().st_mtime_ns
            found.append(opened_set(folder, changed))
        except FileNotFoundError:
            found.append((folder.name, f"{ABOUT} is missing"))
        except (OSError, Unreadable) as error:
            found.append((folder.name, str(error)))
    return found


@lru_cache(maxsize=256)
def opened_set(folder: Path, changed: int) -> OwnSet:
    """Set in a folder whose `about.json` was changed at some time; raises `Unreadable`."""
    about = parsed(plain_files.content(folder.parent, f"{folder.name}/{ABOUT}"), About)
    if about["schema"] > SCHEMA:
        raise Unreadable("it was written by a newer version")
    shape, image_shape = tuple(about["shape"]), about["image_shape"]
    if len(shape) != {"images": 4, "vectors": 2}[about["kind"]] or 0 in shape:
        raise Unreadable(f"{about['kind']} have the shape {shape}")
    if about["name"] != folder.name:
        raise Unreadable(f"its folder is called {folder.name}, but its name is {about['name']}")
    return OwnSet(
        folder,
        about["name"],
        about["title"],
        about["kind"],
        shape,
        about["fingerprint"],
        about["origin"],
        about["conversion"],
        about["created"],
        tuple((each["title"], tuple(each["class_names"])) for each in about["labellings"]),
        tuple(about["columns"]),
        about["has_names"],
        tuple(image_shape) if image_shape else None,
        about.get("parent", ""),
        about.get("features", ""),
        about.get("n_refused", 0),
        about.get("made_by", ""),
        tuple(file_of(each, place) for place, each in enumerate(about["labellings"])),
        treatment_in(about),
    )


def own_set(name: str) -> OwnSet:
    """Imported set of a name; raises `ParameterError` if there is none."""
    known = own_sets()
    if name not in known:
        hint = f"Choose one of: {', '.join(known)}." if known else "Import it first."
        raise ParameterError(f"There is no imported data set {name!r}.", hint)
    return known[name]


# -- what is new ---------------------------------------------------------------------------------
class SetWriter:
    """Writes a set piece by piece, into a folder that takes its name only when it is whole.

    Used as a context: whatever ends it before `finish` leaves nothing behind.

    Parameters
    ----------
    kind : Kind
        What its items are.
    shape : tuple of int
        Of one item: (h, w, c) or (d,).
    image_shape : tuple of int, optional
        Of the images (h, w, c) that are shown beside vectors.
    """

    def __init__(
        self, kind: Kind, shape: tuple[int, ...], image_shape: tuple[int, ...] | None = None
    ) -> None:
        self.kind, self.shape = kind, shape
        self.n_items = 0
        clear_left_overs()
        self._folder = folder_of_all() / f"{HALF_WRITTEN}{secrets.token_hex(6)}"
        self._folder.mkdir(parents=True)
        self._digest = hashlib.sha256(f"{kind} {shape}".encode())
        dtype = np.uint8 if kind == "images" else np.float32
        self._names = GrowingNames()
        self._images: GrowingArray | None = None
        self.added: tuple[str, ...] = ()
        """Sets of classes that `finish` has added to a set which was there already."""
        with contextlib.ExitStack() as undo:
            undo.callback(shutil.rmtree, self._folder, ignore_errors=True)
            self._items = GrowingArray(self._folder / ITEMS, shape, dtype)
            undo.callback(self._items.give_up)
            if image_shape:
                self._images = GrowingArray(self._folder / IMAGES, image_shape, np.uint8)
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for each in (self._items, self._images):
            if each:
                each.give_up()
        shutil.rmtree(self._folder, ignore_errors=True)

    def append(self, items: Array, names: Sequence[str] = (), images: Array | None = None) -> None:
        """Add items (m, ...), with a name each or none at all, and the images to show for them."""
        self._items.append(items)
        self._digest.update(np.ascontiguousarray(items).data)
        if self._images:
            assert images is not None, "a set with images has one for each item"
            self._images.append(images)
            self._digest.update(np.ascontiguousarray(images).data)
        self._names.extend(names)
        self.n_items += len(items)

    def finish(
        self,
        title: str,
        *,
        origin: str,
        conversion: str = "",
        labellings: Mapping[str, Labelling] | None = None,
        columns: Sequence[str] = (),
        parent: str = "",
        features: str = "",
        made_by: str = "",
        refused: Sequence[Mapping[str, str]] = (),
        n_refused: int | None = None,
        treatment: Treatment | None = None,
    ) -> tuple[OwnSet, bool]:
        """The set under its name, and whether it is new: the same content may be there already.

        Sets of classes that the one which is there has not are added to it, see `added`.

        Parameters
        ----------
        labellings : mapping
            Sets of classes by title, the one to score against first.
        refused : sequence
            `name` and `reason` of what did not come in, or of the first of it.
        n_refused : int, optional
            How many there are in all.
        treatment : Treatment, optional
            How its images came in.

        Raises
        ------
        DataError
            If titles and names are more than can be stored.
        ParameterError
            If nothing came in, or another set has this name.
        """
        if not self.n_items:
            raise ParameterError("There is nothing to import.", "Choose files that hold items.")
        labellings = labellings or {}
        for labelling in list(labellings.values())[:1]:
            self._digest.update(np.ascontiguousarray(labelling.labels, np.int32).data)
            self._digest.update("\0".join(labelling.class_names).encode("utf-8", "replace"))
        for letters in self._names.joined():
            self._digest.update(letters)
        fingerprint = self._digest.hexdigest()[:32]
        for known in own_sets().values():
            if known.fingerprint == fingerprint:
                more = lacking(known, labellings)
                self.added = tuple(more)
                return (add_labellings(known.name, more) if more else known), False
        name = check_new_name(title)
        self._items.close()
        about = {
            "schema": SCHEMA,
            "name": name,
            "title": clean(title, LONGEST_TITLE),
            "kind": self.kind,
            "shape": [self.n_items, *self.shape],
            "fingerprint": fingerprint,
            "origin": clean(origin),
            "conversion": clean(conversion),
            "created": time.time(),
            "labellings": [
                about_labelling(each, one)
                for each, one in zip(distinct(labellings), labellings.values(), strict=True)
            ],
            "columns": distinct(columns),
            "has_names": bool(self._names),
            "image_shape": None,
            "parent": parent,
            "features": clean(features),
            "made_by": made_by,
            "n_refused": len(refused) if n_refused is None else n_refused,
        }
        if treatment:
            about["treatment"] = asdict(treatment)
        if self._images:
            self._images.close()
            about["image_shape"] = [self.n_items, *self._images.shape]
        if self._names:
            ItemNames(*self._names.arrays()).save(self._folder)
        for place, one in enumerate(labellings.values()):
            np.save(self._folder / f"labels-{place}.npy", np.asarray(one.labels, np.int32))
        if refused:
            (self._folder / REFUSED).write_text(refusals_as_text(refused), encoding="utf-8")
        (self._folder / ABOUT).write_text(as_text(about), encoding="utf-8")
        flush(*self._folder.iterdir(), self._folder)
        place_of_all = folder_of_all()
        try:
            self._folder.rename(place_of_all / name)
        except OSError:
            check_new_name(title)  # another import may have been faster
            raise
        flush(place_of_all)
        return own_set(name), True


def check_new_name(title: str) -> str:
    """Name for a new set of a title; raises `ParameterError` if it is taken or cannot be one."""
    name = name_from(title)
    if name in registry.datasets() or (folder_of_all() / name).exists():
        raise ParameterError(
            f"There is a data set {name!r} already, with other items.",
            "Choose another name, or remove that one first.",
        )
    return name


def lacking(known: OwnSet, labellings: Mapping[str, Labelling]) -> dict[str, Labelling]:
    """Those of some sets of classes that a set has under no title, by titles that are free."""
    new = {}
    for title, one in labellings.items():
        names = tuple(distinct(one.class_names))
        titles = [each for each, its_names in known.labellings if its_names == names]
        with contextlib.suppress(FileNotFoundError, Unreadable):  # it is damaged, and stays so
            if all((known.labelling(each).labels != one.labels).any() for each in titles):
                new[title] = one
    free = distinct(new, [title for title, _ in known.labellings])
    return dict(zip(free, new.values(), strict=True))


def add_labelling(name: str, title: str, labelling: Labelling) -> OwnSet:
    """Give a set one more set of classes; see `add_labellings`."""
    return add_labellings(name, {title: labelling})


def add_labellings(name: str, labellings: Mapping[str, Labelling]) -> OwnSet:
    """Give a set more sets of classes, all or none; those of the same title are replaced.

    Labels are in files of their own until `about.json` names them: whatever stops it in between
    leaves the set as it was.

    Raises
    ------
    DataError
        If titles and names are more than can be stored.
    ParameterError
        If there is no such set, the number of labels is not that of its items, or another change
        is under way.
    """
    known = own_set(name)
    for labelling in labellings.values():
        if len(labelling.labels) != len(known):
            raise ParameterError(
                f"There are {len(labelling.labels):,} labels for {len(known):,} items.",
                "Give one label for each item, in the order of the items or by their names.",
            )
    with locks.held(folder_of_all() / LOCK, PATIENCE) as is_ours:
        if not is_ours:
            raise ParameterError(
                "Classes of an imported set are being changed.", "Try again in a minute."
            )
        text = plain_files.content(known.folder.parent, f"{name}/{ABOUT}")
        about = parsed_with_all(text, About)
        written = []
        try:
            for title, labelling in labellings.items():
                new = about_labelling(title, labelling)
                new["file"] = f"labels-{secrets.token_hex(6)}.npy"
                written.append(known.folder / new["file"])
                np.save(written[-1], np.asarray(labelling.labels, np.int32))
                titles = [each["title"] for each in about["labellings"]]
                place = titles.index(new["title"]) if new["title"] in titles else len(titles)
                for i, each in enumerate(about["labellings"]):
                    each["file"] = file_of(each, i)
                for each in about["labellings"][place : place + 1]:
                    with contextlib.suppress(OSError):
                        os.utime(known.folder / each["file"])  # when it was replaced
                about["labellings"][place : place + 1] = [new]
            flush(*written)
            write_atomically(known.folder / ABOUT, as_text(about))
        except BaseException:
            for file in written:
                file.unlink(missing_ok=True)
            raise
        _clear_labels(known.folder, [each["file"] for each in about["labellings"]])
    return own_set(name)


def _clear_labels(folder: Path, needed: Collection[str]) -> None:
    """Remove labels that were replaced long enough ago, so that nobody is still reading them."""
    for file in folder.glob("labels-*.npy"):
        with contextlib.suppress(OSError):
            if file.name not in needed and time.time() - file.stat().st_mtime > HALF_AGE:
                file.unlink()


def remove(name: str) -> None:
    """Remove a set, also one that cannot be read; runs keep the items that they were given.

    Raises
    ------
    ParameterError
        If there is none.
    """
    aside = folder_of_all() / f"{HALF_WRITTEN}{secrets.token_hex(6)}"
    folder_to_remove(name).rename(aside)  # at once, whatever its size
    shutil.rmtree(aside, ignore_errors=True)


def folder_to_remove(name: str) -> Path:
    """Folder of a set, readable or not; raises like `remove`."""
    folder = folder_of_all() / name
    if Path(name).name != name or name.startswith(".") or not folder.is_dir():
        own_set(name)  # says what there is
    return folder


def clear_left_overs() -> None:
    """Remove what imports that were killed have left behind, and what nobody wants back."""
    for start in (HALF_WRITTEN, REMOVED):
        for folder in folder_of_all().glob(f"{start}*"):
            with contextlib.suppress(OSError):
                newest = max(each.lstat().st_mtime for each in (folder, *folder.iterdir()))
                if time.time() - newest > HALF_AGE and not locks.is_held(folder / IN_USE):
                    shutil.rmtree(folder, ignore_errors=True)

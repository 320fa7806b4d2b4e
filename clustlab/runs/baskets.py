"""Named selections of items that outlive a session, one small file each beside the runs.

    <runs>/_baskets/<data key>/<slug>.json
                               _deleted/<slug>.json   until another of that name is deleted

A basket belongs to a data set as it was drawn, so all runs on the same items share it.
"""

import hashlib
import json
import re
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Count, Moment, Name, Text, Unreadable, parsed
from clustlab.errors import ParameterError
from clustlab.types import Array

OPERATIONS: dict[str, Callable[[set[int], set[int]], set[int]]] = {
    "union": set.union,
    "intersection": set.intersection,
    "difference": set.difference,
}
FOLDER = "_baskets"  # beside the runs
LONGEST = 60  # letters in a name
LONGEST_NOTE = 2000
LONGEST_SLUG = 40
RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$")  # not allowed as file names on Windows
GONE = "It may have been deleted or renamed meanwhile."


class BasketRecord(TypedDict):
    """The file of a basket."""

    name: Name
    indices: list[Count]
    note: Text
    created: Moment


@dataclass(frozen=True, slots=True)
class Basket:
    """A named set of items."""

    name: str
    slug: str  # name of its file
    indices: tuple[int, ...]  # rising
    note: str
    created: float  # seconds since 1970

    def __len__(self) -> int:
        """Number of items."""
        return len(self.indices)


def slug_of(name: str) -> str:
    """File name for a basket: small letters, digits and dashes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-")
    if not slug or RESERVED.match(slug) or _loses_letters(name):
        slug = f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".strip("-")
    return slug


def _loses_letters(name: str) -> bool:
    """Whether a file name cannot hold all letters: there are too many, or of another script."""
    letters = [c for c in unicodedata.normalize("NFKD", name) if c.isalnum()]
    return any(not c.isascii() for c in letters) or len(name) > LONGEST_SLUG


def checked_name(name: str) -> str:
    """Name without spaces around it.

    Raises
    ------
    ParameterError
        If it is empty, too long, has no letter or digit, or holds unprintable characters.
    """
    name = name.strip()
    if not name:
        raise ParameterError("A basket needs a name.", "Write one, such as 'odd fours'.")
    if len(name) > LONGEST:
        raise ParameterError(
            f"The name {name[:20]!r}... has {len(name)} letters.", f"Use at most {LONGEST}."
        )
    if not name.isprintable():
        raise ParameterError(
            f"The name {name!r} holds characters that cannot be shown.", "Write it anew."
        )
    if not any(c.isalnum() for c in name):
        raise ParameterError(f"The name {name!r} has no letter and no digit.", "Add one.")
    return name


class Baskets:
    """The baskets of one data set.

    Parameters
    ----------
    root : Path
        The folder of runs.
    data_key : str
        Key of the data set, as in the manifest of a run.
    n_items : int
        How many items there are.
    """

    def __init__(self, root: Path, data_key: str, n_items: int) -> None:
        if not data_key or Path(data_key).name != data_key or data_key.startswith((".", "_")):
            raise ParameterError(f"{data_key!r} is not the key of a data set.", "Open a run first.")
        self._root = root
        self.folder = root / FOLDER / data_key
        self._bin = self.folder / "_deleted"
        self._n_items = n_items

    def all(self) -> list[Basket]:
        """All baskets, oldest first; files that cannot be read are left aside."""
        files = sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []
        baskets = [basket for file in files if (basket := self._read(file)) is not None]
        return sorted(baskets, key=lambda basket: (basket.created, basket.slug))

    def get(self, slug: str) -> Basket:
        """Basket of this slug; raises `ParameterError` if there is none."""
        basket = self._read(self._path(slug))
        if basket is None:
            raise ParameterError(f"There is no basket {slug!r}.", GONE)
        return basket

    def save(self, name: str, indices: Sequence[int] | Array, note: str = "") -> Basket:
        """Make a basket.

        Raises
        ------
        ParameterError
            If the name is not fit or taken, or the items are none or not in the data set.
        """
        basket = self._new(name, indices, note)
        self._write(basket)
        return basket

    def combine(self, name: str, how: str, first: str, second: str) -> Basket:
        """Make a basket from two others, by their slugs: union, intersection or difference.

        Raises
        ------
        ParameterError
            Like `save`, and if there is no such operation or basket, or nothing results.
        """
        if how not in OPERATIONS:
            raise ParameterError(
                f"There is no set operation {how!r}.", f"Choose one of: {', '.join(OPERATIONS)}."
            )
        one, two = self.get(first), self.get(second)
        indices = OPERATIONS[how](set(one.indices), set(two.indices))
        if not indices:
            raise ParameterError(
                f"The {how} of {one.name!r} and {two.name!r} is empty.", "Choose two others."
            )
        return self.save(name, sorted(indices), f"{how} of {one.name} and {two.name}")

    def rename(self, slug: str, name: str) -> Basket:
        """Give a basket another name; raises like `save`."""
        old, name = self.get(slug), checked_name(name)
        fresh = slug_of(name)
        if fresh != slug:
            self._check_free(name)
        renamed = replace(old, name=name, slug=fresh)
        self._write(renamed)
        if fresh != slug:
            self._path(slug).unlink(missing_ok=True)
        return renamed

    def annotate(self, slug: str, note: str) -> Basket:
        """Replace the note of a basket; raises `ParameterError` if it is too long."""
        noted = replace(self.get(slug), note=_checked_note(note))
        self._write(noted)
        return noted

    def delete(self, slug: str) -> Basket:
        """Put a basket aside; `restore` brings it back."""
        basket = self.get(slug)
        self._bin.mkdir(parents=True, exist_ok=True)
        self._path(slug).replace(self._bin / f"{slug}.json")
        return basket

    def restore(self, slug: str) -> Basket:
        """Bring back a deleted basket.

        Raises
        ------
        ParameterError
            If it is not among the deleted, or its name was taken meanwhile.
        """
        file = self._bin / self._path(slug).name
        basket = self._read(file)
        if basket is None:
            raise ParameterError(f"{slug!r} is not among the deleted baskets.", "It is gone.")
        self._check_free(basket.name)
        file.replace(self._path(slug))
        return basket

    # -- inside --------------------------------------------------------------------------------
    def _path(self, slug: str) -> Path:
        if not re.fullmatch(r"[a-z0-9-]+", slug):
            raise ParameterError(f"There is no basket {slug!r}.", GONE)
        return self.folder / f"{slug}.json"

    def _new(self, name: str, indices: Sequence[int] | Array, note: str) -> Basket:
        name = checked_name(name)
        self._check_free(name)
        rows = tuple(sorted({int(i) for i in indices}))
        if not rows:
            raise ParameterError("A basket needs at least one item.", "Select some first.")
        if rows[0] < 0 or rows[-1] >= self._n_items:
            wrong = rows[0] if rows[0] < 0 else rows[-1]
            raise ParameterError(
                f"There is no item {wrong} among {self._n_items:,}.",
                "Select some of this data set.",
            )
        return Basket(name, slug_of(name), rows, _checked_note(note), time.time())

    def _check_free(self, name: str) -> None:
        taken = self._read(self._path(slug_of(name)))
        if taken is not None:
            raise ParameterError(
                f"There is a basket {taken.name!r} already.", "Choose another name, or rename it."
            )

    def _read(self, file: Path) -> Basket | None:
        """Basket from its file; None if there is none that can be read."""
        try:
            place = file.relative_to(self._root)
            said = parsed(plain_files.content(self._root, str(place)), BasketRecord)
        except (OSError, Unreadable):
            return None
        indices = tuple(sorted(set(said["indices"])))
        if not indices or indices[-1] >= self._n_items:
            return None
        return Basket(said["name"], file.stem, indices, said["note"], said["created"])

    def _write(self, basket: Basket) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        plain: dict[str, Any] = {**asdict(basket), "indices": list(basket.indices)}
        del plain["slug"]
        write_atomically(self._path(basket.slug), json.dumps(plain), is_lasting=True)


def _checked_note(note: str) -> str:
    note = note.strip()
    if len(note) > LONGEST_NOTE:
        raise ParameterError(
            f"The note has {len(note):,} letters.", f"Use at most {LONGEST_NOTE:,}."
        )
    return note

"""Data sets that somebody has imported: one class each, made from what lies in the data folder."""

from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np

from clustlab import params
from clustlab.data import own_sets
from clustlab.data.checked_json import Unreadable
from clustlab.data.item_names import names_at
from clustlab.data.own_sets import OwnSet
from clustlab.errors import DatasetUnavailable
from clustlab.parts.inputs.sampling import drawn_rows, protocol
from clustlab.registry import DatasetSpec
from clustlab.types import Array, Dataset, DatasetKind, Labelling, Report


@dataclass(frozen=True)
class Imported:
    """What all imported sets share; each is a class of its own with its own settings."""

    kind: ClassVar[DatasetKind]
    licence: ClassVar[str] = "that of its owner"
    source: ClassVar[str]
    offline: ClassVar[bool] = True
    own: ClassVar[OwnSet]
    fingerprint: ClassVar[str]  # part of what a draw is called, see `library.key`

    n_samples: int | None = params.n_samples(None)

    def is_ready(self) -> bool:
        """Whether its folder is there."""
        return self.own.folder.is_dir()

    def load(self, seed: int, report: Report) -> Dataset:
        """Items drawn with this seed, with their names, classes and images.

        Raises
        ------
        DatasetUnavailable
            If files are missing or damaged.
        """
        own = self.own
        report(f"Reading {own.title}", 0.0)
        rows = drawn_rows(len(own), self.n_samples, seed)
        try:
            labellings = {title: self._labels(title, rows) for title, _ in own.labellings}
            chosen = getattr(self, params.LABELLING, next(iter(labellings), ""))
            images, names = own.images(), own.item_names()
            data = Dataset(
                own.name,
                taken(own.items(), rows),
                labellings[chosen].labels if chosen else None,
                labellings[chosen].class_names if chosen else (),
                protocol(len(own), self.n_samples, seed),
                {title: each for title, each in labellings.items() if title != chosen},
                item_names=names_at(names, rows) if names else (),
                columns=own.columns,
                images_shown=None if images is None else taken(images, rows),
            )
        except (FileNotFoundError, Unreadable) as error:
            raise DatasetUnavailable(
                f"The data set {own.title!r} cannot be read: {error}.",
                "Remove it and import it again.",
            ) from error
        report(f"Reading {own.title}", 1.0)
        return data

    def _labels(self, title: str, rows: Array) -> Labelling:
        one = self.own.labelling(title)
        return Labelling(np.asarray(one.labels[rows]), one.class_names)


def taken(array: Array, rows: Array) -> Array:
    """Rows of an array on the disk, read in the order in which they lie there."""
    order = np.argsort(rows, kind="stable")
    out = np.empty((len(rows), *array.shape[1:]), array.dtype)
    out[order] = array[rows[order]]
    return out


def imported_sets() -> Mapping[str, type[DatasetSpec]]:
    """Classes of the imported sets by name, those that can be read."""
    return {own.name: _class_of(own) for own in own_sets.own_sets().values()}


@lru_cache(maxsize=256)
def _class_of(own: OwnSet) -> Any:
    settings: list[tuple[str, Any, Any]] = []
    if own.kind == "vectors":
        settings += [
            (params.STANDARDISE, bool, params.standardise()),
            (params.WHITEN, bool, params.whiten_columns()),
            (params.UNIT_LENGTH, bool, params.unit_length()),
        ]
    titles = tuple(title for title, _ in own.labellings)
    if titles:
        settings.append((params.UNBALANCE, params.Shares, params.unbalance()))
    if len(titles) > 1:
        labelling = params.param(
            titles[0],
            help="Which set of classes scores are computed against. The method sees none.",
        )
        settings.append((params.LABELLING, Literal[titles], labelling))
    about = {
        "__module__": __name__,
        "__doc__": description(own),
        "name": own.name,
        "title": own.title,
        "kind": own.kind,
        "source": own.origin,
        "own": own,
        "fingerprint": own.fingerprint,
    }
    return make_dataclass("ImportedSet", settings, bases=(Imported,), namespace=about, frozen=True)


def description(own: OwnSet) -> str:
    """What a set holds, in a few sentences of Markdown for its page; names in it are as given."""
    what = "images" if own.kind == "images" else "vectors"
    size = " x ".join(map(str, own.shape[1:3] if own.kind == "images" else own.shape[1:]))
    size = size if own.kind == "images" else f"{size} features"
    parts = [f"{len(own):,} {what}, {size}, imported."]
    if own.features:
        parts.append(f"They are features of the images of another set, by {own.features}.")
    return " ".join([*parts, own.conversion]).strip()

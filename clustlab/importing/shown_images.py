"""Vectors that somebody has of the images of an imported set: methods see them, pages the images.

They are joined by the names of the images, or come in their order, and are stored in that order, so
that runs on the vectors and on the images have the same item in the same row.
"""

import math
from collections.abc import Container, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from clustlab.data import own_sets
from clustlab.data.own_sets import OwnSet, SetWriter
from clustlab.data.scratch import scratch
from clustlab.errors import DataError, ParameterError
from clustlab.importing import arrays, intake, sources, tables
from clustlab.importing.entries import names_that_fit
from clustlab.importing.intake import Piece, Understood
from clustlab.importing.name_index import NameIndex
from clustlab.importing.plan import (
    REFUSED_SHOWN,
    SHOWN,
    Choices,
    Outcome,
    Preview,
    Refusals,
    Refused,
    Watch,
    check_whole,
    class_counts,
)
from clustlab.importing.table_columns import head_of
from clustlab.types import Array

TOGETHER = 8 * 2**20  # bytes of vectors and images that are written at once
READING = 0.5  # share of the work until all vectors are read


def bring_in(path: Path, images: str, title: str, choices: Choices, watch: Watch) -> Outcome:
    """Make a data set of the vectors in a file, shown as the images that they are of.

    It has the names and classes of the images. Images without a vector, and vectors of no image,
    do not come in.

    Parameters
    ----------
    images : str
        Name of an imported set of images.

    Raises
    ------
    ClustlabError
        If there is no such set, the file cannot be read, or it does not fit.
    Cancelled
        If `watch` raises it; nothing is left then.
    """
    own, names = _images(images)
    found = _understood(path, choices, NameIndex(names))
    twice = 2 * 4 * math.prod(found.shape)  # as they come in, and in the order of the images
    intake.check_room(len(own) * (twice + math.prod(own.shape[1:])))
    with _room_for(len(own), found.shape[0]) as vectors:
        refused, rows, _ = _matched(found, own, names, vectors, watch)
        check_whole(refused, choices)
        return _written(found, own, vectors, rows, names, refused, title, watch)


def preview(path: Path, images: str, choices: Choices) -> Preview:
    """What would come in; all vectors are read, since each may be of any image.

    Raises like `bring_in`.
    """
    own, names = _images(images)
    found = _understood(path, choices, NameIndex(names))
    refused, rows, sample = _matched(found, own, names, None, lambda words, share: None)
    shown = [row for row in sample if row in set(rows.tolist())]
    counts: dict[str, int] = {}
    if own.labellings:
        one = own.labelling(own.labellings[0][0])
        counts = class_counts(np.asarray(one.labels[rows]), one.class_names)
    return replace(
        intake.preview(found),
        n_items=len(rows),
        refused=tuple(refused.first[:REFUSED_SHOWN]),
        n_refused=refused.n,
        class_counts=counts,
        sample=np.stack([sample[row] for row in shown]),
        sample_names=tuple(names[row] for row in shown) if names else (),
        sample_images=np.asarray(own.items()[shown]),
        nbytes=len(rows) * (4 * math.prod(found.shape) + math.prod(own.shape[1:])),
        memory=found.held
        + intake.memory_for(
            len(own), len(own.labellings), sum(map(len, names)) / len(names) if names else None
        ),
    )


def _images(name: str) -> tuple[OwnSet, list[str]]:
    """Imported images by the name of their set, and their own names."""
    own = own_sets.own_set(name)
    if own.kind != "images":
        raise ParameterError(f"{own.title!r} holds vectors.", "Choose a set of images.")
    return own, list(own.item_names())


def _matched(
    found: Understood, own: OwnSet, names: list[str], vectors: Array | None, watch: Watch
) -> tuple[Refusals, Array, dict[int, Array]]:
    """What has no partner, the rows (m,) of the images that have a vector, and some vectors."""
    refused, has_vector, sample = _placed(found, own, vectors, watch)
    for row in np.flatnonzero(~has_vector).tolist():
        called = names[row] if names else f"image {row}"
        refused.add(Refused(called, f"has no vector in {found.origin}"))
    if not has_vector.any():
        raise DataError(
            f"No vector in {found.origin} is of an image of {own.title!r}.",
            "Give the names of the images in a column, or one vector for each in their order.",
        )
    return refused, np.flatnonzero(has_vector), sample


def _understood(path: Path, choices: Choices, names: NameIndex) -> Understood:
    """What the file holds; its own classes and images are not asked for."""
    choices = replace(choices, image="", labels="", others=())
    is_table = sources.reader_of(path) == "tables"
    if is_table and choices.names is None:
        choices = replace(choices, names=_column_of_names(path, names))
    found = (tables if is_table else arrays).understood(path, choices)
    if found.kind != "vectors":
        raise DataError(f"{path.name} holds images.", "Choose a file of vectors.")
    return found


def _column_of_names(path: Path, names: NameIndex) -> str | None:
    """The column whose first rows hold most names of images; None if none holds any."""
    head = head_of(tables.opened(path))
    fits = names_that_fit(head, names) if head else {}
    best = max(fits, key=lambda name: fits[name], default=None)
    return best if best and fits[best] else None


@contextmanager
def _room_for(n: int, width: int) -> Iterator[Array]:
    """Room on the disk for vectors (n, width) float32 that come in any order."""
    with scratch() as folder:
        yield np.memmap(folder / "vectors", np.float32, "w+", shape=(n, width))


def _placed(
    found: Understood, own: OwnSet, vectors: Array | None, watch: Watch
) -> tuple[Refusals, Array, dict[int, Array]]:
    """Put each vector in the row of its image; what was refused, and which rows have one (n,).

    They are only counted where there is no room for them. The first of them are returned, by the
    row of their image.
    """
    row_of = {name: row for row, name in enumerate(own.item_names())}
    index = NameIndex(list(row_of))
    has_vector = np.zeros(len(own), bool)
    meant = _Meant(row_of)
    refused, sample = Refusals(), dict[int, Array]()
    n, is_named = 0, False
    for piece in found.pieces():
        n += len(piece.items)
        is_named = bool(len(piece.names) and row_of)
        rows, reasons = _rows_of(piece, found, own, row_of, index)
        reasons = {**reasons, **piece.refused}
        place_of: dict[int, int] = {}  # in the piece, by the row of the image
        for place, row in enumerate(rows):
            if place in reasons:
                refused.add(Refused(piece.place(place), reasons[place]))
                continue
            text = piece.names[place] if is_named else None
            refused.add(*meant.taken(row, text, piece.place(place)))
            has_vector[row] = meant.has(row)
            if meant.is_of(row, piece.place(place)):
                place_of[row] = place
                if row in sample or len(sample) < SHOWN:
                    sample[row] = np.array(piece.items[place], np.float32)
        if vectors is not None:
            vectors[list(place_of)] = piece.items[list(place_of.values())]
        done = (piece.first + len(rows)) / max(1, found.n_rows or len(own))
        watch("Reading vectors", READING * min(1.0, done))
    if n < len(own) and not is_named:
        raise _other_number(found, own, f"{n:,}")
    return refused, has_vector, sample


class _Meant:
    """Which vector each image has, while they come in.

    A shortened path may be that of several images. Where two vectors reach one image by different
    paths, nobody knows which is meant, and neither is taken, unless one has its very name.
    """

    def __init__(self, names: Container[str]) -> None:
        self._names = names
        self._exact: dict[int, str] = {}  # what the vector of a row is called, by its very name ...
        self._near: dict[int, tuple[str, str]] = {}  # ... or by this path
        self._unclear: set[int] = set()

    def taken(self, row: int, text: str | None, called: str) -> list[Refused]:
        """Take in a vector for a row by some text, or by its order; what is refused now."""
        is_exact = text is None or text in self._names
        if row in self._exact:
            return [Refused(called, "is the second vector of its image")]
        earlier = self._near.get(row)
        if is_exact:
            self._exact[row] = called
            self._near.pop(row, None)
            return [_unclear(*earlier)] if earlier else []
        assert text is not None, "it would be exact"
        if earlier and earlier[1] == text:
            return [Refused(called, "is the second vector of its image")]
        if earlier:
            self._unclear.add(row)
            del self._near[row]
            return [_unclear(*earlier), _unclear(called, text)]
        if row in self._unclear:
            return [_unclear(called, text)]
        self._near[row] = called, text
        return []

    def has(self, row: int) -> bool:
        """Whether a row has a vector so far."""
        return row in self._exact or row in self._near

    def is_of(self, row: int, called: str) -> bool:
        """Whether the vector of a row is this one."""
        return self._exact.get(row) == called or self._near.get(row, ("",))[0] == called


def _unclear(called: str, text: str) -> Refused:
    return Refused(called, f"is of {text!r}, and another vector may be of the same image")


def _rows_of(
    piece: Piece,
    found: Understood,
    own: OwnSet,
    row_of: dict[str, int],
    index: NameIndex,
) -> tuple[list[int], dict[int, str]]:
    """Row of the image of each vector, and which are of no image, with the reason."""
    if len(piece.names) and row_of:
        meant = [index.found(name) for name in piece.names]
        unknown = {
            place: f"is of {piece.names[place]!r}, which is no image of {own.title!r}"
            for place, name in enumerate(meant)
            if name is None
        }
        return [0 if name is None else row_of[name] for name in meant], unknown
    if piece.first + len(piece.items) > len(own):
        raise _other_number(found, own, f"more than {len(own):,}")
    return list(range(piece.first, piece.first + len(piece.items))), {}


def _other_number(found: Understood, own: OwnSet, many: str) -> DataError:
    return DataError(
        f"{found.origin} holds {many} vectors for the {len(own):,} images of {own.title!r}, and "
        "names none of them.",
        "Give one for each image in their order, or the names of the images.",
    )


def _written(
    found: Understood,
    own: OwnSet,
    vectors: Array,
    rows: Array,
    names: list[str],
    refused: Refusals,
    title: str,
    watch: Watch,
) -> Outcome:
    pictures = own.items()
    at_once = max(1, TOGETHER // (4 * vectors.shape[1] + math.prod(own.shape[1:])))
    with SetWriter("vectors", found.shape, own.shape[1:]) as writer:
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            called = [names[row] for row in some.tolist()] if names else ()
            writer.append(np.asarray(vectors[some]), called, np.asarray(pictures[some]))
            watch("Writing vectors", READING + (1 - READING) * (start + len(some)) / len(rows))
        labellings = {each: own.labelling(each) for each, _ in own.labellings}
        is_whole = len(rows) == len(own)  # else its rows are not those of the images
        kept, is_new = writer.finish(
            title,
            origin=found.origin,
            conversion=found.conversion,
            labellings={
                each: replace(one, labels=np.asarray(one.labels[rows]))
                for each, one in labellings.items()
            },
            columns=found.features,
            parent=own.name if is_whole else "",
            features=f"vectors in {found.origin}" if is_whole else "",
            refused=refused.as_stored(),
            n_refused=refused.n,
        )
    return Outcome(kept, is_new, tuple(refused.first), refused.n, writer.added)

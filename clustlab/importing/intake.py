"""What comes in piece by piece: looked at for a preview, or written into a new data set.

A reader of a kind of file says once what it has understood (`Understood`); the rest is the same
for all of them, so that a preview shows what an import does.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from clustlab.data import feature_scales, own_sets
from clustlab.data.own_about import Kind, Range, Treatment
from clustlab.data.own_sets import SetWriter
from clustlab.errors import DataError
from clustlab.importing.cells import told
from clustlab.importing.classes import Classes
from clustlab.importing.plan import (
    REFUSED_SHOWN,
    SHOWN,
    Choices,
    Column,
    Outcome,
    Preview,
    Refusals,
    Refused,
    Watch,
    check_whole,
    class_counts,
)
from clustlab.importing.source_entries import megabytes
from clustlab.types import Array, Labelling

LOOKED_AT = 128 * 2**20  # bytes of items that a preview looks at ...
PATIENCE = 8.0  # ... in at most so many seconds: text and encoded images take longer
REMARKED_ON = 32 * 2**20  # bytes of vectors whose columns are compared
NAMED = 5  # columns named in a sentence
DECODED = 5  # bytes of memory for a pixel of an image, as it is in its file and as it is read
SPARE = 100 * 2**20  # bytes that an import leaves on the disk
WORKING = 100 * 2**20  # bytes of memory for what is read and changed together, whatever its size
PER_CLASS, PER_NAME = 16, 150  # more for the class of an item, and for its name beside its letters


@dataclass(frozen=True, slots=True)
class Piece:
    """Some consecutive items, those that do not come in among them."""

    first: int  # row of the first, counted from 0
    items: Array  # (m, ...) as they are stored
    refused: Mapping[int, str]  # what does not come in: place in the piece, and reason
    names: Sequence[str] = ()  # (m,) or none
    classes: Mapping[str, Any] = field(default_factory=dict)  # (m,) of each set of classes
    images: Array | None = None  # (m, h, w, c) uint8, shown beside vectors
    lines: Sequence[int] = ()  # (m,) of a file of text, counted from 1

    def place(self, item: int) -> str:
        """How an item is called in messages, such as `row 5 (line 7)`."""
        return f"row {self.first + item}" + (f" (line {self.lines[item]})" if self.lines else "")


@dataclass(frozen=True, slots=True)
class Understood:
    """What a file was taken for."""

    kind: Kind
    n_rows: int | None  # also those that do not come in; None if nobody knows before the end
    shape: tuple[int, ...]  # of one item
    pieces: Callable[[], Iterator[Piece]]
    origin: str  # such as the name of the file
    facts: tuple[str, ...]
    chosen: Choices
    columns: tuple[Column, ...] = ()
    features: tuple[str, ...] = ()  # (d,) names of the features of vectors, or none
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Sets of classes, the one to score against first, with names of classes if they are given."""
    image_shape: tuple[int, ...] | None = None  # of images beside vectors
    conversion: str = ""  # how items are changed, a sentence
    warnings: tuple[str, ...] = ()
    held: int = 0  # bytes of memory for what is read as a whole
    ranges: tuple[Range, ...] = ()  # what becomes black and white in images

    @property
    def item_bytes(self) -> int:
        """Bytes of one item on the disk, with its image."""
        own = math.prod(self.shape) * (1 if self.kind == "images" else 4)
        return own + (math.prod(self.image_shape) if self.image_shape else 0)


class _Collected:
    """Classes and refusals of what has come in so far."""

    def __init__(self, understood: Understood) -> None:
        self.classes = {t: Classes(t, names) for t, names in understood.classes.items()}
        self.refused = Refusals()
        self.n_items = self.n_rows = 0

    def taken(self, piece: Piece) -> Piece:
        """A piece without what does not come in, which is noted with its reason."""
        self.n_rows += len(piece.items)
        for place, reason in sorted(piece.refused.items()):
            self.refused.add(Refused(piece.place(place), reason))
        kept = piece
        if piece.refused:
            left = np.setdiff1d(np.arange(len(piece.items)), list(piece.refused))
            kept = replace(
                piece,
                items=piece.items[left],
                refused={},
                names=[piece.names[i] for i in left] if len(piece.names) else (),
                classes={t: np.asarray(values)[left] for t, values in piece.classes.items()},
                images=None if piece.images is None else piece.images[left],
            )
        for title, classes in self.classes.items():
            classes.add(kept.classes[title])
        self.n_items += len(kept.items)
        return kept

    @property
    def labellings(self) -> dict[str, Labelling]:
        """All sets of classes."""
        return {title: classes.labelling() for title, classes in self.classes.items()}


def preview(understood: Understood) -> Preview:
    """What would come in; of what is large, only the beginning is looked at, which is said.

    Raises
    ------
    DataError
        If nothing would come in, or the file is damaged.
    """
    begun = time.monotonic()
    _check_size(understood, understood.n_rows or 0)
    collected = _Collected(understood)
    shown: list[Piece] = []
    compared: list[Array] = []
    n_shown = looked = n_compared = 0
    names_seen: set[str] = set()
    n_named = letters = 0
    is_whole = True
    for piece in understood.pieces():
        kept = collected.taken(piece)
        if n_shown < SHOWN:
            shown.append(_part(kept, SHOWN - n_shown))
            n_shown += len(shown[-1].items)
        if understood.kind == "vectors" and n_compared < REMARKED_ON:
            compared.append(kept.items)
            n_compared += kept.items.nbytes
        names_seen.update(kept.names)
        n_named += len(kept.names)
        letters += sum(map(len, kept.names))
        looked += len(piece.items) * understood.item_bytes
        is_enough = looked >= LOOKED_AT or time.monotonic() - begun > PATIENCE
        if is_enough and collected.n_rows != understood.n_rows:
            is_whole = False
            break
    check_any(understood, collected.n_items, collected.refused.first)
    facts, warnings = list(understood.facts), list(understood.warnings)
    n_items = collected.n_items
    seconds = time.monotonic() - begun
    if not is_whole:
        facts.append(
            f"Only the first {collected.n_rows:,} rows were looked at; the rest is checked while "
            "it comes in."
        )
        if understood.n_rows is not None:
            n_items = understood.n_rows - collected.refused.n
            seconds *= understood.n_rows / max(1, collected.n_rows)
    labellings = collected.labellings
    for classes in collected.classes.values():
        warnings += classes.remarks()
    if n_named > len(names_seen):
        warnings.append(
            f"{n_named - len(names_seen):,} names are those of items before: a clustering made "
            "elsewhere cannot be joined by them."
        )
    if compared:
        warnings += _remarks_on_columns(np.concatenate(compared), understood.features)
    nbytes = n_items * understood.item_bytes
    warnings += remarks_on_room(nbytes)
    first = next(iter(labellings.values()), None)
    return Preview(
        understood.kind,
        n_items,
        understood.shape,
        tuple(facts),
        tuple(warnings),
        tuple(collected.refused.first[:REFUSED_SHOWN]),
        collected.refused.n,
        {} if first is None else class_counts(first.labels, first.class_names),
        np.concatenate([piece.items for piece in shown]),
        tuple(name for piece in shown for name in piece.names),
        np.concatenate([p.images for p in shown if p.images is not None])
        if understood.image_shape
        else None,
        understood.columns,
        understood.chosen,
        nbytes,
        understood.held
        + memory_for(n_items, len(labellings), letters / n_named if n_named else None),
        round(seconds, 1),
    )


def memory_for(
    n_items: int, n_labellings: int, letters: float | None = None, largest: int = 0
) -> int:
    """Bytes of memory that an import needs at most, about.

    Parameters
    ----------
    letters : float, optional
        Of the name of an item; None where they have none.
    largest : int
        Pixels of the largest image that is decoded.
    """
    each = PER_CLASS * n_labellings + (0 if letters is None else PER_NAME + 2 * letters)
    return WORKING + int(n_items * each) + DECODED * largest


def _part(piece: Piece, n: int) -> Piece:
    return replace(
        piece,
        items=np.array(piece.items[:n]),
        names=piece.names[:n],
        classes={},
        images=None if piece.images is None else np.array(piece.images[:n]),
    )


def check_any(understood: Understood, n_items: int, refused: Sequence[Refused]) -> None:
    """Refuse a file of which nothing comes in, with the reason of the first item."""
    if not n_items:
        why = f": {refused[0].name} {refused[0].reason}" if refused else ""
        raise DataError(
            f"Nothing of {understood.origin} can come in{why}.", "Choose a file that holds items."
        )


def _remarks_on_columns(items: Array, names: Sequence[str]) -> list[str]:
    remarks = feature_scales.remarks(items)
    flat = np.flatnonzero((items == items[:1]).all(0))
    if len(items) > 1 and 0 < len(flat) < items.shape[1]:
        called = [told(names[i]) if names else str(i) for i in flat[:NAMED]]
        more = f" and {len(flat) - NAMED:,} more" if len(flat) > NAMED else ""
        one = len(flat) == 1
        remarks.append(
            f"Column{'s' * (not one)} {', '.join(called)}{more} hold{'s' * one} one value only, "
            "and tell" + "s" * one + " nothing apart."
        )
    return remarks


def bring_in(understood: Understood, title: str, watch: Watch) -> Outcome:
    """Write what comes in into a new data set; what stops it leaves nothing behind.

    Raises
    ------
    DataError
        If nothing comes in, the file is damaged, or the disk has not enough room.
    ParameterError
        If there is a data set of this name with other items.
    """
    if understood.n_rows is not None:
        _check_size(understood, understood.n_rows)
        check_room(understood.n_rows * understood.item_bytes)
    collected = _Collected(understood)
    limit = understood.chosen.limits.items
    with SetWriter(understood.kind, understood.shape, understood.image_shape) as writer:
        for piece in understood.pieces():
            kept = collected.taken(piece)
            if collected.n_items > limit:
                raise DataError(
                    f"{understood.origin} holds more than the limit of {limit:,} items.",
                    "Raise the limit, or bring in a part of it.",
                )
            _check_size(understood, collected.n_items)
            writer.append(kept.items, kept.names, kept.images)
            if understood.n_rows is None:
                check_room(0)
            share = collected.n_rows / understood.n_rows if understood.n_rows else 0.0
            watch(f"{collected.n_items:,} items", min(1.0, share))
        check_any(understood, writer.n_items, collected.refused.first)
        refused = collected.refused
        check_whole(refused, understood.chosen)
        own, is_new = writer.finish(
            title,
            origin=understood.origin,
            conversion=understood.conversion,
            labellings=collected.labellings,
            columns=understood.features,
            refused=refused.as_stored(),
            n_refused=refused.n,
            treatment=_treatment(understood),
        )
    return Outcome(own, is_new, tuple(refused.first), refused.n, writer.added)


def _treatment(understood: Understood) -> Treatment | None:
    chosen = understood.chosen
    is_of_images = understood.kind == "images"
    return Treatment(chosen.fit, chosen.ground, understood.ranges) if is_of_images else None


def _check_size(understood: Understood, n_items: int) -> None:
    """Nothing, if so many items do not take more than all may; else `DataError`."""
    size, most = n_items * understood.item_bytes, understood.chosen.limits.bytes_in_all
    if size > most:
        raise DataError(
            f"What comes in of {understood.origin} takes {megabytes(size)}, more than the limit "
            f"of {megabytes(most)} for all.",
            "Raise the limit, or bring in a part of it.",
        )


def check_room(nbytes: int) -> None:
    """Nothing, if so many bytes have room on the disk; else `DataError`."""
    for remark in remarks_on_room(nbytes):
        raise DataError(remark, "Make room, or set CLUSTLAB_DATA to a folder on another disk.")


def remarks_on_room(nbytes: int) -> list[str]:
    """What is odd about so many bytes on the disk: nothing, or that there is no room for them."""
    free = _free()
    if nbytes + SPARE <= free:
        return []
    return [f"It takes {nbytes / 1e9:,.1f} GB on the disk, which has {free / 1e9:,.1f} GB left."]


def _free() -> int:
    place = own_sets.folder_of_all()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def not_finite(values: Array, column: Callable[[int], str]) -> dict[int, str]:
    """Rows of vectors (m, d) that hold a value which is not finite, with the reason.

    Parameters
    ----------
    column : callable
        What a column is called, such as `column 3`.
    """
    wrong = ~np.isfinite(values)
    refused = {}
    for row in np.flatnonzero(wrong.any(1)).tolist():
        places = np.flatnonzero(wrong[row])
        more = f", and in {len(places) - 1:,} more" if len(places) > 1 else ""
        refused[row] = f"holds {values[row, places[0]]} in {column(int(places[0]))}{more}"
    return refused

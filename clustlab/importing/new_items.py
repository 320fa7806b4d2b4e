"""Items that are read to be looked at once, a few at a time, and are not kept as a data set."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clustlab.data.own_about import Kind
from clustlab.errors import ParameterError
from clustlab.importing import sources
from clustlab.importing.cells import told_some
from clustlab.importing.intake import Understood
from clustlab.importing.plan import Choices, Refusals, Refused, Source, Watch
from clustlab.types import Array

if TYPE_CHECKING:
    from clustlab.importing.images import Read


@dataclass(frozen=True, slots=True)
class Batch:
    """Some items as a data set would store them."""

    rows: Array  # (m,) int64, their numbers among all that were read, also what was refused
    names: Sequence[str]  # (m,) or none
    items: Array  # (m, ...)


@dataclass(frozen=True, slots=True)
class Reading:
    """A file, a folder or uploads on the way in."""

    kind: Kind
    shape: tuple[int, ...]  # of one item
    origin: str  # such as the name of the file
    facts: tuple[str, ...]  # what was understood, a sentence each
    batches: Iterator[Batch]  # to be gone through once
    refusals: Refusals  # grows on the way


@contextmanager
def opened(
    source: Source, choices: Choices, columns: Sequence[str], watch: Watch
) -> Iterator[Reading]:
    """Items that are read while the context lasts.

    Parameters
    ----------
    columns : sequence of str
        Names of the features that vectors should have; a table with these is read by them.

    Raises
    ------
    ClustlabError
        If it cannot be read, a choice names what is not there, or columns are missing.
    """
    with sources.as_one(source) as one:
        kind = sources.reader_of(one)
        if kind == "images" or not isinstance(one, Path):
            from clustlab.importing import images
            from clustlab.importing.image_sources import opened as opened_images

            with opened_images(one, choices.limits) as files:
                refusals = Refusals()
                read = images.read(files, choices, refusals, watch)
                with closing(_of_images(read)) as batches:
                    yield Reading("images", read.shape, read.origin, read.facts, batches, refusals)
            return
        found = _understood(one, kind, choices, columns)
        refusals = Refusals()
        with closing(_of_pieces(found, refusals, watch)) as batches:
            yield Reading(found.kind, found.shape, found.origin, found.facts, batches, refusals)


def _understood(
    path: Path, kind: sources.Reader, choices: Choices, columns: Sequence[str]
) -> Understood:
    if kind == "arrays":
        from clustlab.importing import arrays

        return arrays.understood(path, choices)
    from clustlab.importing import tables

    if columns and not choices.features:
        table = tables.opened(path)
        missing = [name for name in columns if name not in table.names]
        if len(missing) < len(columns):
            if missing:
                raise ParameterError(
                    f"{path.name} has not the column{'s' * (len(missing) > 1)} "
                    f"{told_some(missing)}.",
                    f"The run was trained on: {told_some(columns)}.",
                )
            choices = replace(choices, features=tuple(columns))
    return tables.understood(path, choices, is_preview=False)


def _of_pieces(found: Understood, refusals: Refusals, watch: Watch) -> Generator[Batch]:
    for piece in found.pieces():
        n = len(piece.items)
        for place, why in sorted(piece.refused.items()):
            refusals.add(Refused(piece.place(place), why))
        left = np.setdiff1d(np.arange(n), list(piece.refused)).astype(np.int64)
        names = [piece.names[i] for i in left] if len(piece.names) else ()
        items = piece.items[left] if piece.refused else piece.items
        if len(left):
            yield Batch(piece.first + left, names, items)
        share = (piece.first + n) / found.n_rows if found.n_rows else 0.0
        watch(f"{piece.first + n:,} items", min(1.0, share))


def _of_images(read: "Read") -> Generator[Batch]:
    first = 0
    with closing(read.batches) as batches:
        for pixels, names in batches:
            yield Batch(np.arange(first, first + len(pixels)), names, pixels)
            first += len(pixels)

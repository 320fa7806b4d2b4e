"""Tables as data sets: columns of numbers or one of vectors, images, classes and names of items.

CSV, TSV, Parquet and Feather. Which column is what is guessed from the first rows, from what
columns are called and what they hold, and `Choices` says otherwise where that is wrong.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clustlab.errors import DataError, ParameterError
from clustlab.importing import encoded_images, intake
from clustlab.importing.arrays import CLASSES, NAMES, is_called
from clustlab.importing.arrow_tables import ArrowTable, Kind
from clustlab.importing.cells import TableChunk, Wrong, joined, told, told_near, told_some
from clustlab.importing.decoders import FEW, PROCESSES
from clustlab.importing.encoded_images import Common
from clustlab.importing.image_files import ranges_of
from clustlab.importing.intake import Piece, Understood, not_finite
from clustlab.importing.number_files import check_plain
from clustlab.importing.plan import Choices, Column, Outcome, Preview, Watch
from clustlab.importing.table_columns import Seen, Table, head_of
from clustlab.importing.text_tables import TextTable
from clustlab.types import Array

KINDS: Mapping[Kind, tuple[bytes, tuple[str, ...]]] = {
    "parquet": (b"PAR1", (".parquet", ".pq")),
    "feather": (b"ARROW1", (".feather", ".arrow")),
}
"""How tables of each kind begin, and how their names end."""
IMAGES_SEEN = 200  # of them, whose sizes are looked at
IMAGES_TOGETHER = 8 * 2**20  # bytes of images as they are stored, of rows that are read together
CLASS_WORDS = (*CLASSES, "kind", "species", "category", "group", "type", "cluster", "diagnosis")
TOLD = 6  # features named in a sentence


def preview(path: Path, choices: Choices) -> Preview:
    """What would come in of a table.

    Raises
    ------
    ClustlabError
        If the file cannot be read, or a choice names what it does not hold.
    """
    return intake.preview(understood(path, choices))


def bring_in(path: Path, title: str, choices: Choices, watch: Watch) -> Outcome:
    """Write the items of a table into a new data set; raises as `preview`, and on its name."""
    found = understood(path, choices, is_preview=False, tick=lambda said: watch(said, 0.0))
    return intake.bring_in(found, title, watch)


def opened(path: Path) -> Table:
    """A table in a file; raises `DataError` if it is none."""
    check_plain(path)
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"FEA1"):
        raise DataError(
            f"{path.name} is a Feather file of version 1.", "Save it anew as version 2 or Parquet."
        )
    for kind, (mark, endings) in KINDS.items():
        if head.startswith(mark) or path.suffix.lower() in endings:
            return ArrowTable(path, kind)
    return TextTable(path)


# -- which is what ---------------------------------------------------------------------------------
def _chosen(path: Path, columns: Mapping[str, Seen], choices: Choices) -> Choices:
    """Choices with guesses filled in: `features`, or else `image`, hold the items."""
    named = (choices.labels, choices.names, choices.image, *choices.others)
    for name in (*named, *(choices.features or ())):
        if name and name not in columns:
            raise ParameterError(
                f"There is no column {told(name)} in {path.name}.",
                f"Choose one of: {told_near(name, columns)}.",
            )
    for name in (choices.labels, *choices.others):
        if name and "labels" not in columns[name].roles:
            raise ParameterError(
                f"The column {told(name)} holds {columns[name].about}, which cannot be classes.",
                "Choose a column of text or of whole numbers.",
            )
    taken = {name for name in (*named, *(choices.features or ())) if name}
    free = {name: each for name, each in columns.items() if name not in taken}
    labels, others = choices.labels, choices.others
    if labels is None:
        guessed = _guessed_classes(free)
        labels = guessed[0] if guessed else ""
        others = others or tuple(
            name for name in guessed[1:] if free[name].is_said or is_called(name, CLASSES)
        )
    free = {name: each for name, each in free.items() if name not in (labels, *others)}
    names = choices.names
    if names is None:
        names = _guessed_names(free)
    free = {name: each for name, each in free.items() if name != names}
    vectors = [name for name, each in free.items() if each.holds == "vectors" and each.width]
    images = [name for name, each in free.items() if each.holds == "image"]
    image = choices.image
    if image is None:
        image = images[0] if images else ""
    features = choices.features
    if features is None and vectors:
        features = (vectors[0],)
    elif features is None and not image:
        features = tuple(name for name, each in free.items() if each.is_feature)
    return replace(
        choices, labels=labels, names=names, image=image, features=features or None, others=others
    )


def _guessed_classes(columns: Mapping[str, Seen]) -> list[str]:
    """Columns that are called classes and may be; else the first of text with few values."""
    possible = [name for name, each in columns.items() if each.may_be_classes]
    said = [name for name in possible if columns[name].is_said]
    called = said + [name for name in possible if is_called(name, CLASS_WORDS) and name not in said]
    return called or [name for name in possible if columns[name].holds == "text"][:1]


def _guessed_names(columns: Mapping[str, Seen]) -> str:
    possible = [name for name, each in columns.items() if each.may_be_names]
    called = [name for name in possible if is_called(name, NAMES)]
    text = [name for name in possible if columns[name].holds == "text"]
    return next(iter((*called, *text)), "")


# -- items -----------------------------------------------------------------------------------------
def understood(
    path: Path,
    choices: Choices,
    *,
    is_preview: bool = True,
    tick: Callable[[str], None] = lambda said: None,
) -> Understood:
    """What a table is taken for; raises as `preview`.

    Parameters
    ----------
    is_preview : bool
        Look at some of the images only, and start no processes that decode.
    tick : callable
        Called with what is done while images are gone through; may raise to stop.
    """
    table = opened(path)
    head = head_of(table)
    if head is None:
        raise DataError(f"{path.name} holds no row.", "Choose a table that holds some.")
    columns: Mapping[str, Seen] = head.columns
    chosen = _chosen(path, columns, choices)
    shown = _images(table, chosen, is_preview, tick) if chosen.image else None
    while chosen.image and shown is None:
        if choices.image:
            raise DataError(
                f"The column {told(choices.image)} of {path.name} holds no image that can be read.",
                "Choose another column for the images, or none.",
            )
        none = replace(columns[chosen.image], holds="other", about="no image that can be read")
        columns = {**columns, chosen.image: none}
        chosen = _chosen(path, columns, choices)
        shown = _images(table, chosen, is_preview, tick) if chosen.image else None
    if chosen.features is None and not chosen.image:
        columns_told = told_some((f"{c.name}: {c.about}" for c in columns.values()), between="; ")
        raise DataError(
            f"{path.name} holds no column of numbers, vectors or images ({columns_told}).",
            "Choose a table that holds what is to be clustered.",
        )
    facts = (*table.facts, *(shown.common.facts if shown else ()))
    paths = head.cells(chosen.image).paths() if chosen.image else []
    has_paths = choices.names is None and not chosen.names and all(paths)
    has_paths = has_paths and len(set(paths)) == head.n_rows
    if chosen.features is None and shown is not None:
        return _of_images(table, chosen, columns, shown, has_paths, facts)
    return _of_vectors(table, chosen, columns, shown, has_paths, facts)


@dataclass(frozen=True, slots=True)
class _Images:
    """A column of images."""

    common: Common
    n_processes: int  # that decode them

    def beside(self, table: Table, chosen: Choices) -> Generator[tuple[TableChunk, Array, Wrong]]:
        """Chunks of a table, with their images and why some of these cannot be read."""
        chunks: deque[TableChunk] = deque()

        def files() -> Iterator[list[bytes | None]]:
            for chunk in table.chunks(max(1, IMAGES_TOGETHER // math.prod(self.common.shape))):
                chunks.append(chunk)
                yield chunk.cells(str(chosen.image)).encoded()

        found = encoded_images.decoded(files(), self.common, chosen, self.n_processes)
        with closing(found):
            for images, wrong in found:
                yield chunks.popleft(), images, wrong


def _images(
    table: Table, chosen: Choices, is_preview: bool, tick: Callable[[str], None]
) -> _Images | None:
    n_read = 0

    def every() -> Iterator[bytes | None]:
        nonlocal n_read
        for chunk in table.chunks(IMAGES_SEEN):
            yield from chunk.cells(str(chosen.image)).encoded()
            n_read += chunk.n_rows

    def measuring() -> None:
        tick(f"Measuring the range of values: {n_read:,} of {table.n_rows:,} images")

    first = itertools.islice(_first(table, str(chosen.image)), IMAGES_SEEN)
    n_processes = 0 if is_preview or table.n_rows <= FEW else PROCESSES
    common = encoded_images.common(
        first, chosen, None if is_preview else every, measuring, n_processes
    )
    return _Images(common, n_processes) if common else None


def _first(table: Table, name: str) -> Iterator[bytes | None]:
    """Files of images, a few at a time."""
    for chunk in table.chunks(IMAGES_SEEN):
        yield from chunk.cells(name).encoded()


def _common(
    table: Table, chosen: Choices, columns: Mapping[str, Seen], facts: Sequence[str]
) -> dict[str, Any]:
    """What vectors and images have in common."""
    classes = [each for each in (chosen.labels, *chosen.others) if each]
    given = table.class_names if isinstance(table, ArrowTable) else {}
    used = {*classes, chosen.names, chosen.image, *(chosen.features or ())}
    unused = [name for name in columns if name not in used]
    said = [f"Not used: {told_some(unused)}."] if unused else []
    return {
        "n_rows": table.n_rows,
        "origin": table.path.name,
        "facts": (*facts, *said),
        "chosen": chosen,
        "columns": tuple(Column(c.name, c.about, c.roles) for c in columns.values()),
        "classes": {name: given.get(name, ()) for name in classes},
    }


def _beside(chunk: TableChunk, chosen: Choices, has_paths: bool) -> dict[str, Any]:
    """Names and classes of the items of some rows; names may be the paths of their images."""
    classes = [each for each in (chosen.labels, *chosen.others) if each]
    names: Sequence[str] = ()
    if chosen.names:
        names = chunk.cells(chosen.names).text()
    elif has_paths:
        names = chunk.cells(str(chosen.image)).paths()
    return {
        "first": chunk.first,
        "names": names,
        "classes": {name: chunk.cells(name).classes() for name in classes},
        "lines": chunk.lines,
    }


def _of_images(
    table: Table,
    chosen: Choices,
    columns: Mapping[str, Seen],
    shown: _Images,
    has_paths: bool,
    facts: Sequence[str],
) -> Understood:
    def pieces() -> Iterator[Piece]:
        with closing(shown.beside(table, chosen)) as chunks:
            for chunk, images, wrong in chunks:
                yield Piece(items=images, refused=wrong, **_beside(chunk, chosen, has_paths))

    said = f"{table.n_rows:,} images in the column {told(str(chosen.image))}."
    return Understood(
        "images",
        shape=shown.common.shape,
        pieces=pieces,
        conversion=" ".join(shown.common.facts),
        ranges=ranges_of(shown.common.extents),
        **_common(table, chosen, columns, (said, *facts)),
    )


def _of_vectors(
    table: Table,
    chosen: Choices,
    columns: Mapping[str, Seen],
    shown: _Images | None,
    has_paths: bool,
    facts: Sequence[str],
) -> Understood:
    features = chosen.features or ()
    is_list = columns[features[0]].holds == "vectors"
    if (is_list and len(features) > 1) or any(
        columns[name].holds not in ("numbers", "vectors") for name in features
    ):
        held = told_some((f"{name}: {columns[name].about}" for name in features), between="; ")
        raise ParameterError(
            f"The features must be columns of numbers, or one column of vectors, got {held}.",
            "Choose other columns.",
        )
    width = columns[features[0]].width if is_list else len(features)

    def chunks() -> Generator[tuple[TableChunk, Array | None, Wrong]]:
        if shown is not None:
            yield from shown.beside(table, chosen)
            return
        for chunk in table.chunks():
            yield chunk, None, {}

    def pieces() -> Iterator[Piece]:
        with closing(chunks()) as found:
            for chunk, images, wrong_images in found:
                items, wrong = (
                    _list_column(chunk, features[0], width) if is_list else _matrix(chunk, features)
                )
                wrong = {**wrong_images, **wrong}
                yield Piece(
                    items=items, refused=wrong, images=images, **_beside(chunk, chosen, has_paths)
                )

    said = f"{table.n_rows:,} rows with {_features_in_words(features, width, is_list)}"
    said += f", shown as the images in {told(str(chosen.image))}." if shown else "."
    dropped = [
        f"{told(each.name)} is no feature, since {each.n_odd:,} of its first {each.n:,} values are "
        f"no numbers and {each.n_missing:,} are missing."
        for each in columns.values()
        if each.holds == "numbers"
        and not each.is_feature
        and not each.is_counter
        and each.name not in (*features, chosen.labels, chosen.names, *chosen.others)
        and not is_list
    ]
    if len(dropped) > TOLD:
        dropped[TOLD:] = [
            f"{len(dropped) - TOLD:,} more columns are no features, for such reasons."
        ]
    return Understood(
        "vectors",
        shape=(width,),
        pieces=pieces,
        features=() if is_list else features,
        image_shape=shown.common.shape if shown else None,
        conversion=" ".join(shown.common.facts) if shown else "",
        **_common(table, chosen, columns, (said, *facts, *dropped)),
    )


def _features_in_words(features: Sequence[str], width: int, is_list: bool) -> str:
    many = f"{width:,} feature{'s' * (width != 1)}"
    if is_list:
        return f"{many}: the lists in {told(features[0])}"
    return f"{many}: {told_some(features, TOLD)}"


def _list_column(chunk: TableChunk, name: str, width: int) -> tuple[Array, Wrong]:
    items, wrong = chunk.cells(name).vectors(width)
    called = f"column {told(name)}"
    bad = not_finite(items, lambda place: f"{called} at place {place}")
    return items, {**bad, **joined({name: wrong})}


def _matrix(chunk: TableChunk, features: Sequence[str]) -> tuple[Array, Wrong]:
    values = np.empty((chunk.n_rows, len(features)), np.float32)
    wrongs = {}
    for place, name in enumerate(features):
        with np.errstate(over="ignore"):
            column, wrongs[name] = chunk.cells(name).numbers()
            values[:, place] = column
    bad = not_finite(values, lambda place: f"column {told(features[place])}")
    return values, {**bad, **joined(wrongs)}

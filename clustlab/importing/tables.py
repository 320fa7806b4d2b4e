"""Tables as data sets: columns of numbers or one of vectors, images, classes and names of items.

CSV, TSV, Parquet and Feather. Which column is what is guessed from the first rows, from what
columns are called and what they hold, and `Choices` says otherwise where that is wrong.
"""

import itertools
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clustlab.errors import DataError, ParameterError
from clustlab.importing import encoded_images, intake
from clustlab.importing.arrays import CLASSES, NAMES, Role, is_called
from clustlab.importing.arrow_tables import ArrowTable, Kind
from clustlab.importing.cells import Cells, Holds, TableChunk, Wrong, joined, told
from clustlab.importing.decoders import FEW, PROCESSES
from clustlab.importing.encoded_images import Common
from clustlab.importing.intake import Piece, Understood, not_finite
from clustlab.importing.number_files import check_plain
from clustlab.importing.plan import Choices, Column, Outcome, Preview, Watch
from clustlab.importing.text_tables import TextTable
from clustlab.types import Array

KINDS: Mapping[Kind, tuple[bytes, tuple[str, ...]]] = {
    "parquet": (b"PAR1", (".parquet", ".pq")),
    "feather": (b"ARROW1", (".feather", ".arrow")),
}
"""How tables of each kind begin, and how their names end."""
HEAD = 2_000  # rows by which columns are known
IMAGES_SEEN = 200  # of them, whose sizes are looked at
ODD = 0.1  # share of values that may be no numbers in a column of features
CLASS_WORDS = (*CLASSES, "kind", "species", "category", "group", "type", "cluster", "diagnosis")
MOST_CLASSES = 1_000  # that a column may have to be guessed as classes
LONGEST_NAME = 300
TOLD = 6  # features named in a sentence
COUNTERS = ("", "index", "row", "unnamed", "column")  # columns that only count rows

Table = TextTable | ArrowTable


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
    return intake.bring_in(understood(path, choices, is_preview=False), title, watch)


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


# -- what columns hold -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Seen:
    """What a column holds in the first rows."""

    name: str
    holds: Holds
    n: int
    n_missing: int
    n_odd: int  # values that are no numbers, in a column of numbers
    distinct: int
    is_whole: bool  # whether its numbers are whole
    is_counter: bool  # whether it only counts rows
    width: int  # of vectors
    about: str

    @property
    def is_feature(self) -> bool:
        """Whether it is taken for a feature unless somebody says otherwise."""
        known = self.n - self.n_missing
        return (
            self.holds == "numbers"
            and not self.is_counter
            and self.n_missing <= ODD * self.n
            and self.n_odd <= ODD * known
        )

    @property
    def may_be_classes(self) -> bool:
        """Whether its values are few enough for classes."""
        few = self.distinct <= min(MOST_CLASSES, max(2, self.n // 2))
        return few and self.distinct > 0 and (self.holds == "text" or self.is_whole)

    @property
    def may_be_names(self) -> bool:
        """Whether it tells every item from all others."""
        return (
            (self.holds == "text" or self.is_whole)
            and self.n_missing == 0
            and self.distinct == self.n
        )

    @property
    def roles(self) -> tuple[Role, ...]:
        """What it may be chosen for."""
        if self.holds in ("vectors", "image"):
            return ("vectors",) if self.holds == "vectors" else ("image",)
        if self.holds == "numbers":
            return ("feature", "labels", "names") if self.is_whole else ("feature",)
        return ("labels", "names") if self.holds == "text" else ()


def seen(table: Table, chunk: TableChunk) -> dict[str, Seen]:
    """Columns of a table by their names."""
    return {name: _seen(table, name, chunk.cells(name)) for name in table.names}


def _seen(table: Table, name: str, cells: Cells) -> Seen:
    n = len(cells)
    holds: Any = table.held_by(name) if isinstance(table, ArrowTable) else "text"
    if holds == "text":
        holds = _held_by_text(cells, holds)
    if holds == "vectors":
        lengths = cells.lengths()
        known = lengths[lengths >= 0]
        width = int(np.bincount(known).argmax()) if len(known) else 0
        about = f"lists of {width:,} numbers"
        return Seen(name, holds, n, int((lengths < 0).sum()), 0, 0, False, False, width, about)
    if holds in ("image", "other"):
        about = "images as files" if holds == "image" else "not read"
        return Seen(name, holds, n, 0, 0, 0, False, False, 0, about)
    if holds == "numbers":
        values, wrong = cells.numbers()
        known = values[np.isfinite(values)]
        missing = sum(reason == "has no value" for reason in wrong.values())
        is_whole = bool(len(known)) and bool((known == np.round(known)).all())
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        about = f"{'whole ' * is_whole}numbers, {low:g} to {high:g}"
        counts = is_whole and len(known) == n > 1 and bool((np.diff(known) == 1).all())
        is_counter = counts and (known[0] in (0, 1)) and _only_counts(name)
        distinct = len(np.unique(known))
        odd = len(wrong) - missing
        return Seen(name, holds, n, missing, odd, distinct, is_whole, is_counter, 0, about)
    text = cells.text()
    missing = sum(not each for each in text)
    distinct = len({each for each in text if each})
    longest = max(map(len, text), default=0)
    about = f"text, {distinct:,} different"
    if longest > LONGEST_NAME:
        distinct = n + 1  # neither classes nor names
    return Seen(name, "text", n, missing, 0, distinct, False, False, 0, about)


def _held_by_text(cells: Cells, otherwise: Holds) -> Holds:
    """Whether a column of text holds numbers, or lists of them, in most rows that hold anything."""
    values, wrong = cells.numbers()
    missing = sum(reason == "has no value" for reason in wrong.values())
    known = len(values) - missing
    if known and len(wrong) - missing <= known / 2:
        return "numbers"
    if known and (cells.lengths() > 1).sum() > known / 2:
        return "vectors"
    return otherwise


def _only_counts(name: str) -> bool:
    return is_called(name, COUNTERS) or name.startswith("__index")


# -- which is what ---------------------------------------------------------------------------------
def _chosen(path: Path, columns: Mapping[str, Seen], choices: Choices) -> Choices:
    """Choices with guesses filled in: `features`, or else `image`, hold the items."""
    named = (choices.labels, choices.names, choices.image, *choices.others)
    for name in (*named, *(choices.features or ())):
        if name and name not in columns:
            raise ParameterError(
                f"There is no column {name!r} in {path.name}.",
                f"Choose one of: {', '.join(columns)}.",
            )
    for name in (choices.labels, *choices.others):
        if name and "labels" not in columns[name].roles:
            raise ParameterError(
                f"The column {name!r} holds {columns[name].about}, which cannot be classes.",
                "Choose a column of text or of whole numbers.",
            )
    taken = {name for name in (*named, *(choices.features or ())) if name}
    free = {name: each for name, each in columns.items() if name not in taken}
    labels, others = choices.labels, choices.others
    if labels is None:
        guessed = _guessed_classes(free)
        labels = guessed[0] if guessed else ""
        others = others or tuple(name for name in guessed[1:] if is_called(name, CLASSES))
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
    called = [name for name in possible if is_called(name, CLASS_WORDS)]
    return called or [name for name in possible if columns[name].holds == "text"][:1]


def _guessed_names(columns: Mapping[str, Seen]) -> str:
    possible = [name for name, each in columns.items() if each.may_be_names]
    called = [name for name in possible if is_called(name, NAMES)]
    text = [name for name in possible if columns[name].holds == "text"]
    return next(iter((*called, *text)), "")


# -- items -----------------------------------------------------------------------------------------
def understood(path: Path, choices: Choices, *, is_preview: bool = True) -> Understood:
    """What a table is taken for; raises as `preview`.

    Parameters
    ----------
    is_preview : bool
        Look at some of the images only, and start no processes that decode.
    """
    table = opened(path)
    head = next(table.chunks(HEAD), None)
    if head is None:
        raise DataError(f"{path.name} holds no row.", "Choose a table that holds some.")
    columns = seen(table, head)
    chosen = _chosen(path, columns, choices)
    if chosen.features is None and not chosen.image:
        told_columns = "; ".join(f"{each.name}: {each.about}" for each in columns.values())
        raise DataError(
            f"{path.name} holds no column of numbers, vectors or images ({told_columns}).",
            "Choose a table that holds what is to be clustered.",
        )
    shown = _images(table, chosen, is_preview) if chosen.image else None
    if chosen.image and shown is None:
        raise DataError(
            f"The column {chosen.image!r} of {path.name} holds no image that can be read.",
            "Choose another column for the images, or none.",
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
            for chunk in table.chunks():
                chunks.append(chunk)
                yield chunk.cells(str(chosen.image)).encoded()

        found = encoded_images.decoded(files(), self.common, chosen, self.n_processes)
        with closing(found):
            for images, wrong in found:
                yield chunks.popleft(), images, wrong


def _images(table: Table, chosen: Choices, is_preview: bool) -> _Images | None:
    def every() -> Iterator[bytes | None]:
        for chunk in table.chunks():
            yield from chunk.cells(str(chosen.image)).encoded()

    first = itertools.islice(_first(table, str(chosen.image)), IMAGES_SEEN)
    common = encoded_images.common(first, chosen, None if is_preview else every)
    few = is_preview or table.n_rows <= FEW
    return _Images(common, 0 if few else PROCESSES) if common else None


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
    said = [f"Not used: {', '.join(unused)}."] if unused else []
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

    said = f"{table.n_rows:,} images in the column {chosen.image!r}."
    return Understood(
        "images",
        shape=shown.common.shape,
        pieces=pieces,
        conversion=" ".join(shown.common.facts),
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
        held = "; ".join(f"{name}: {columns[name].about}" for name in features)
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
    said += f", shown as the images in {chosen.image!r}." if shown else "."
    dropped = [
        f"{each.name!r} is no feature, since {each.n_odd:,} of its first {each.n:,} values are no "
        f"numbers and {each.n_missing:,} are missing."
        for each in columns.values()
        if each.holds == "numbers"
        and not each.is_feature
        and not each.is_counter
        and each.name not in (*features, chosen.labels, chosen.names, *chosen.others)
        and not is_list
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
        return f"{many}: the lists in {features[0]!r}"
    more = f" and {width - TOLD:,} more" if width > TOLD else ""
    return f"{many}: {', '.join(features[:TOLD])}{more}"


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

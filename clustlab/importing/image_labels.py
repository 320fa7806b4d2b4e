"""Classes of images: from the folders that they lie in, and from a table beside them."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from clustlab.data.checked_json import Unreadable
from clustlab.errors import ParameterError
from clustlab.importing.cells import told, told_some
from clustlab.importing.plan import Choices, Column

FOLDER = "folder"  # title of the classes that are made of folders
SPLITS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation"))
LABEL_NAMES = ("label", "labels", "class", "classes", "category", "target", "kind", "type")
TABLE_ENDINGS = (".csv", ".tsv")
TABLE_BYTES = 2**26
LONGEST_CELL = 2**17
LONGEST_LINE = 2**20  # letters
MOST_COLUMNS = 1_000
MOST_CELLS = 10_000_000

ClassOf = Callable[[str], str]
"""Class of an image by its name; empty if it has none."""


def common_folder(names: Sequence[str]) -> str:
    """Folder that all names lie in, such as `cells/`; empty if there is none."""
    if not names:
        return ""
    first, last = min(names), max(names)  # what these share, all between them share
    parts = zip(first.split("/")[:-1], last.split("/")[:-1], strict=False)
    shared = []
    for one, other in parts:
        if one != other:
            break
        shared.append(f"{one}/")
    return "".join(shared)


def folder_classes(names: Sequence[str]) -> ClassOf | None:
    """Class of an image by the folders in its name, or None if they say nothing.

    The topmost folder counts, unless all of these are parts of an experiment such as `train` and
    `test`. Folders say nothing if there is only one, or a folder for nearly each image.
    """
    depth = 0
    tops = {name.split("/")[0].lower() for name in names if "/" in name}
    if tops and tops <= SPLITS:
        depth = 1

    def class_of(name: str) -> str:
        folders = name.split("/")[:-1]
        return folders[depth] if len(folders) > depth else ""

    classes = {class_of(name) for name in names} - {""}
    return class_of if 2 <= len(classes) <= len(names) / 2 else None


# -- a table beside the images -------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SideTable:
    """A table that says more of images."""

    file: str
    columns: tuple[str, ...]  # without the one that names images
    rows: Mapping[str, tuple[str, ...]]  # by the name of the image
    n_strange: int  # rows of no image
    strange: str  # the first of them
    n_several: int = 0  # images with several rows that are not the same; the first one counts
    several: str = ""  # the first of them

    def column(self, name: str) -> ClassOf:
        """Cell of an image in a column; empty if it has none."""
        place = self.columns.index(name)
        return lambda image: self.rows[image][place] if image in self.rows else ""

    def values(self, name: str) -> list[str]:
        """Cells of a column that are not empty, one for each image."""
        place = self.columns.index(name)
        return [row[place] for row in self.rows.values() if row[place]]


def side_table(file: str, content: bytes, images: Sequence[str], folder: str) -> SideTable | None:
    """Table from the content of a file, or None if none of its columns names the images.

    Parameters
    ----------
    images : sequence of str
        Their names below `folder`; a cell may say one with or without it, without folders or
        without an ending.

    Raises
    ------
    Unreadable
        If it is no table of text.
    """
    lines = _lines(content)
    called = _ways_to_call(images, folder)
    cells: list[set[str]] = [set() for _ in range(max(map(len, lines), default=0))]
    for line in lines:
        for column, cell in zip(cells, line, strict=False):
            column.add(cell.strip())
    width, key = len(cells), _key(cells, called)
    if key is None:
        return None
    has_head = len(lines[0]) <= key or lines[0][key].strip() not in called
    head = lines[0] if has_head else []
    names = [(head[i].strip() if i < len(head) else "") or f"column {i + 1}" for i in range(width)]
    for i, name in enumerate(names):
        if name in (*names[:i], FOLDER):
            names[i] = f"{name} (column {i + 1})"
    others = [i for i in range(width) if i != key]
    rows: dict[str, tuple[str, ...]] = {}
    several: dict[str, None] = {}
    n_strange, strange = 0, ""
    for line in lines[has_head:]:
        cell = line[key].strip() if len(line) > key else ""
        if cell in called:
            row = tuple(line[i].strip() if i < len(line) else "" for i in others)
            if rows.setdefault(called[cell].image, row) != row:
                several[called[cell].image] = None
        elif any(line):
            n_strange, strange = n_strange + 1, strange or cell
    return SideTable(
        file,
        tuple(names[i] for i in others),
        rows,
        n_strange,
        strange,
        len(several),
        next(iter(several), ""),
    )


def _key(cells: Sequence[set[str]], called: Mapping[str, "_Called"]) -> int | None:
    """Column that names images; None if there is none.

    One that says whole names goes before one of numbers that are parts of names, if it names at
    least half as many images: rows may be counted while images are called by numbers as well.
    """
    found = [[called[cell] for cell in each if cell in called] for each in cells]
    hits = [len({each.image for each in column}) for column in found]
    if not any(hits):
        return None

    def order(column: int) -> tuple[float, int]:
        return sum(each.rank for each in found[column]) / len(found[column]), -hits[column]

    return min((i for i, n in enumerate(hits) if 2 * n >= max(hits)), key=order)


def _lines(content: bytes) -> list[list[str]]:
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeError:
        text = content.decode("cp1252", "replace")
    first = text.partition("\n")[0]
    separator = max(",;\t|", key=first.count)
    lines, n_cells = [], 0
    try:
        for line in csv.reader(_short(io.StringIO(text, "")), delimiter=separator):
            n_cells += len(line)
            if len(line) > MOST_COLUMNS or n_cells > MOST_CELLS:
                raise Unreadable(
                    f"is a table of more than {MOST_COLUMNS:,} columns, or {MOST_CELLS:,} cells; "
                    "leave some out"
                )
            if any(len(cell) > LONGEST_CELL for cell in line):
                raise Unreadable("is no table of text")
            if line:
                lines.append(line)
    except csv.Error as error:
        raise Unreadable("is no table of text") from error
    return lines


def _short(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if len(line) > LONGEST_LINE:
            raise Unreadable(f"has a line of more than {LONGEST_LINE:,} letters")
        yield line


@dataclass(frozen=True, slots=True)
class _Called:
    """The image that is called so."""

    image: str
    rank: int  # 0 by its whole name; the greater, the less of it


def _ways_to_call(images: Sequence[str], folder: str) -> dict[str, _Called]:
    """Image by each way to call it that means no other; longer ways come first."""
    called: dict[str, _Called] = {}
    ways: tuple[tuple[int, Callable[[str], str]], ...] = (
        (0, lambda name: name),
        (0, lambda name: folder + name),
        (1, lambda name: name.rpartition("/")[2]),
        (2, lambda name: name.rpartition(".")[0]),
        (3, lambda name: name.rpartition("/")[2].rpartition(".")[0]),
    )
    for rank, way in ways:
        these: dict[str, str] = {}
        twice = set()
        for name in images:
            short = way(name)
            if these.setdefault(short, name) != name:
                twice.add(short)
        for short, name in these.items():
            if short and short not in twice:
                called.setdefault(short, _Called(name, rank))
    return called


# -- what is chosen ------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Known:
    """What is known of images beside their pixels, and what of it is taken."""

    columns: tuple[Column, ...]  # what there is to choose from
    labels: str  # the title of the classes that count first; empty for none
    classes: Mapping[str, ClassOf]  # by title, those that are taken, the first one first
    name_of: Callable[[str], str]  # name of an item by that of its file
    names: str  # the column that it is taken from; empty for the file


def known(
    folders: ClassOf | None, names: Sequence[str], table: SideTable | None, choices: Choices
) -> Known:
    """What is known of images, with guesses where nothing is chosen.

    Raises
    ------
    ParameterError
        If a column is chosen that is not there.
    """
    ways: dict[str, ClassOf] = {}
    columns: list[Column] = []
    for name in table.columns if table else ():
        assert table is not None
        ways[name] = table.column(name)
        columns.append(_column(name, table.values(name)))
    if folders is not None:
        ways[FOLDER] = folders
        columns.append(_column(FOLDER, [each for each in map(folders, names) if each]))
    for name in filter(None, (choices.labels, choices.names, *choices.others)):
        if name not in ways:
            there = f"There are: {told_some(ways)}." if ways else "There are none at all."
            raise ParameterError(
                f"There is no column {told(name)} that says more of images.", there
            )
    labels = choices.labels
    if labels is None:
        labels = _likely_labels(columns)
    chosen = dict.fromkeys(name for name in (labels, *choices.others) if name)
    own_names = choices.names or ""

    def name_of(file: str) -> str:
        return ways[own_names](file) or file if own_names else file

    return Known(tuple(columns), labels, {name: ways[name] for name in chosen}, name_of, own_names)


def _column(name: str, values: Sequence[str]) -> Column:
    different = len(set(values))
    roles: list[str] = []
    if different >= 2 and different <= len(values) / 2:
        roles.append("labels")
    if name != FOLDER and different == len(values):
        roles.append("names")
    about = f"text, {different:,} different" if different != 1 else "always the same"
    return Column(name, about, tuple(roles))  # type: ignore[arg-type]  # literals


def _likely_labels(columns: Sequence[Column]) -> str:
    """Column whose name says that it holds classes, else folders, else the first that may."""
    may = [each.name for each in columns if "labels" in each.roles]
    told = [name for name in may if name.lower() in LABEL_NAMES]
    return next(iter([*told, *(name for name in may if name == FOLDER), *may]), "")

"""Tables in files of text: separator, encoding and decimal comma are found out and said."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from clustlab.errors import DataError
from clustlab.importing.cells import MISSING, THOUSANDS, Commas, TableChunk, TextCells

COMMAS_IN_WORDS = {"decimal": "with decimal commas", "thousands": "with commas between thousands"}
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
HEAD = 2**20  # bytes by which a file is known
COUNTED = 16 * 2**20  # bytes of a file up to which its rows are counted one by one
PROVED = 64 * 2**20  # bytes whose encoding is checked beforehand
LONGEST_LINE = 16 * 2**20  # letters
LONGEST_FIELD = 2**20  # letters, such as those of a list of 50,000 numbers ...
LONGEST_TEXT = 2**17  # ... and of a field of several lines, which a quote that is open makes
CHUNK = 4 * 2**20  # letters of rows that are read together
FIELD = 8  # letters as many as which a field counts beside its own, since it has a place
MOST_COLUMNS = 100_000
RAGGED_TOLD = 10  # lines of another length that are named
csv.field_size_limit(LONGEST_FIELD)  # of this process; readers with less to expect look themselves
DECIMAL_COMMA = re.compile(r"^[-+]?\d*,\d+([eE][-+]?\d+)?$")
DECIMAL_POINT = re.compile(r"^[-+]?\d*\.\d+([eE][-+]?\d+)?$")
NUMBER = re.compile(r"^[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?$")
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a file of text is a table."""

    encoding: str
    separator: str
    commas: Commas
    has_header: bool
    names: tuple[str, ...]  # of the columns
    facts: tuple[str, ...]  # what was found out, a sentence each


class TextTable:
    """A table in a file of text, read a few rows at a time.

    Raises
    ------
    DataError
        If it is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.format = text_format(path)
        self.names = self.format.names
        self.facts = self.format.facts
        self.n_rows = self._count()

    def _count(self) -> int:
        """Number of rows: exact of a small file, else that of its lines, some may be of one row."""
        if self.path.stat().st_size <= COUNTED:
            return sum(1 for _ in self._rows())
        return _count_lines(self.path) - self.format.has_header

    def chunks(self, rows: int | None = None) -> Iterator[TableChunk]:
        """Consecutive rows; so many together if that is said.

        Raises
        ------
        DataError
            If lines have another number of fields than the first: all of them, or the first few,
            are named.
        """
        width = len(self.names)
        ragged: list[str] = []
        waiting: list[list[str]] = []
        lines: list[int] = []
        first = letters = 0
        for line, fields in self._rows():
            if len(fields) != width:
                ragged.append(f"line {line} has {len(fields)}")
                if len(ragged) > RAGGED_TOLD:
                    break
            if ragged:
                continue
            waiting.append(fields)
            lines.append(line)
            letters += sum(map(len, fields)) + FIELD * len(fields)
            if letters >= CHUNK or len(waiting) == rows:
                yield self._chunk(first, waiting, lines)
                first += len(waiting)
                waiting, lines, letters = [], [], 0
        if ragged:
            more = " and more" if len(ragged) > RAGGED_TOLD else ""
            raise DataError(
                f"Lines of {self.path.name} have another number of fields than the first, which "
                f"has {width}: {', '.join(ragged[:RAGGED_TOLD])}{more}.",
                "Mend these lines, or put fields that hold separators in quotes.",
            )
        if waiting:
            yield self._chunk(first, waiting, lines)

    def _chunk(self, first: int, rows: list[list[str]], lines: list[int]) -> TableChunk:
        places = {name: place for place, name in enumerate(self.names)}
        commas = self.format.commas

        def cells(name: str) -> TextCells:
            place = places[name]
            return TextCells([fields[place] for fields in rows], commas)

        return TableChunk(first, len(rows), cells, lines)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line, counted from 1, and fields of each row below the header; empty lines are none."""
        said = self.format
        with self.path.open(encoding=said.encoding, newline="", errors=_errors(said)) as file:
            reader = csv.reader(_lines(file, self.path), delimiter=said.separator)
            is_header = said.has_header
            try:
                for fields in reader:
                    if not fields:
                        continue
                    if is_header:
                        is_header = False
                        continue
                    if any(len(each) > LONGEST_TEXT and "\n" in each for each in fields):
                        raise csv.Error("a field goes on over very many lines")
                    yield reader.line_num, fields
            except csv.Error as error:
                raise DataError(
                    f"{self.path.name} cannot be read at line {reader.line_num}: {error}.",
                    "Look for a quote that is not closed.",
                ) from error
            except UnicodeError as error:
                raise DataError(
                    f"{self.path.name} is not in {said.encoding} from line {reader.line_num + 1} "
                    "on.",
                    "Save it as UTF-8.",
                ) from error


def _errors(said: TextFormat) -> str:
    return "replace" if said.encoding == "cp1252" else "strict"


def _lines(file: TextIO, path: Path) -> Iterator[str]:
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
            raise DataError(
                f"{path.name} has a line of more than {LONGEST_LINE:,} letters.",
                "Choose a table with one item a line.",
            )
        yield line


def _count_lines(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while part := file.read(HEAD):
            count += part.count(b"\n") or part.count(b"\r")
            last = part[-1:]
    return count + (last not in (b"\n", b"\r", b"\0"))


# -- finding out -----------------------------------------------------------------------------------
def text_format(path: Path) -> TextFormat:
    """How a file of text is a table; raises `DataError` if it is none."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    encoding = _encoding(path, head)
    text = head.decode(encoding, "replace")
    if "\0" in text:
        raise DataError(f"{path.name} is no file of text.", "Save the table as CSV in UTF-8.")
    lines = list(io.StringIO(text, newline=""))
    if len(head) == HEAD:
        lines = lines[:-1]  # it may be cut
    lines = [line for line in lines[:500] if line.strip()]
    if not lines:
        raise DataError(f"{path.name} holds no row.", "Choose a table that holds some.")
    separator = _separator(lines)
    rows = _parsed(lines, separator)
    commas = _commas([field.strip() for row in rows[1:] or rows for field in row], separator)
    has_header = _has_header(rows)
    if len(rows[0]) > MOST_COLUMNS:
        raise DataError(
            f"{path.name} has {len(rows[0]):,} columns, more than {MOST_COLUMNS:,}.",
            "Save it as vectors in a .npy file.",
        )
    names = _names(rows[0] if has_header else [""] * len(rows[0]))
    said = [f"Separated by {SEPARATORS[separator]}"] if len(names) > 1 else ["One column"]
    said += [COMMAS_IN_WORDS[commas]] if commas != "none" else []
    said.append(
        {
            "utf-8-sig": "in UTF-8 with a byte order mark",
            "utf-8": "in UTF-8",
            "utf-16": "in UTF-16",
            "cp1252": "not in UTF-8 and so read as Windows-1252",
        }[encoding]
    )
    facts = [", ".join(said) + "."]
    if not has_header:
        facts.append("The first line is no header: columns are numbered from 0.")
    elif any(map(NUMBER.match, names)):
        facts.append("The first line is the header, although some names of columns are numbers.")
    return TextFormat(encoding, separator, commas, has_header, names, tuple(facts))


def _encoding(path: Path, head: bytes) -> str:
    for bom, encoding in BOMS.items():
        if head.startswith(bom):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    proved = 0
    try:
        with path.open("rb") as file:
            while proved < PROVED and (part := file.read(HEAD)):
                decoder.decode(part)
                proved += len(part)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _parsed(lines: Sequence[str], separator: str) -> list[list[str]]:
    try:
        return [fields for fields in csv.reader(lines, delimiter=separator) if fields]
    except csv.Error:
        return [line.rstrip("\r\n").split(separator) for line in lines]


def _separator(lines: Sequence[str]) -> str:
    """The separator by which most lines have as many fields as the first, and more than one."""
    best, best_score = ",", (0.0, 0)
    for separator in SEPARATORS:
        counts = [len(fields) for fields in _parsed(lines, separator)]
        if counts and counts[0] > 1:
            score = (counts.count(counts[0]) / len(counts), counts[0])
            if score > best_score:
                best, best_score = separator, score
    return best


def _commas(fields: Sequence[str], separator: str) -> Commas:
    """What commas within numbers mean.

    Between other fields that are set apart by commas, `1,101` is a thousand and more: programs
    that write decimal commas separate by semicolons. So it is where there are decimal points.
    """
    numbers = [each for each in fields if DECIMAL_COMMA.match(each) or THOUSANDS.match(each)]
    numbers = [each for each in numbers if "," in each]
    has_points = any(map(DECIMAL_POINT.match, fields))
    if not numbers:
        return "none"
    is_clear = separator == "," or has_points or any(each.count(",") > 1 for each in numbers)
    if is_clear and all(map(THOUSANDS.match, numbers)):
        return "thousands"
    return "none" if has_points else "decimal"


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line names columns.

    It does if it holds no number, or counts from 0 up; and if not all of it are numbers, if text
    stands above a column of numbers, or its numbers count from 0 up. So pandas writes arrays to
    which a column was added.
    """
    first = [field.strip() for field in rows[0]]
    numbers = [field for field in first if NUMBER.match(field)]
    if not numbers:
        return True
    counts = len(numbers) > 1 and numbers == [str(place) for place in range(len(numbers))]
    below = [{row[i].strip() for row in rows[1:] if len(row) > i} for i in range(len(first))]
    text = [i for i, each in enumerate(first) if each and not NUMBER.match(each)]
    if not text:
        counter = [row[0].strip() for row in rows[1:]] if not first[0] else []
        counted = [str(place) for place in range(len(counter))]
        return counts or bool(counter and counter == counted)
    if counts and not any(first[i] in below[i] for i in text):
        return True
    known = [below[i] - {""} for i in text if first[i].lower() not in MISSING]
    return any(each and all(map(NUMBER.match, each)) for each in known)


def _names(header: Sequence[str]) -> tuple[str, ...]:
    """Names of columns, all of them different and none empty."""
    names: dict[str, None] = {}
    for place, field in enumerate(header):
        name = wanted = " ".join(field.split())[:200] or f"column {place}"
        number = 2
        while name in names:
            name, number = f"{wanted} ({number})", number + 1
        names[name] = None
    return tuple(names)

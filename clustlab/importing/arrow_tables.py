"""Tables in Parquet and Feather, read a few rows at a time."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypedDict

from clustlab.data.checked_json import Unreadable, parsed
from clustlab.errors import DataError
from clustlab.importing.cells import ArrowCells, TableChunk, held_by, is_text

CHUNK = 4 * 2**20  # bytes of rows that are read together, as far as that is known beforehand
BUFFER = 2**20  # bytes of a column that are read together; else it would be all of them
MOST_ROWS = 20_000  # read together
ROWS_OF_A_READER = 65_536  # of Parquet, at least: see `_groups_together`
FEWEST_ROWS = 16
MOST_COLUMNS = 20_000


Kind = Literal["parquet", "feather"]


class _HubInfo(TypedDict):
    features: dict[str, Any]


class _Hub(TypedDict):
    """What the Hugging Face hub writes into the head of a Parquet file."""

    info: _HubInfo


class ArrowTable:
    """A table in a Parquet or Feather file.

    Raises
    ------
    DataError
        If it is none, or is damaged.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self.facts: tuple[str, ...] = ()
        self._is_parquet = kind == "parquet"
        self._coded: list[str] = []  # columns of text, whose equal values are read once
        with self._opened() as file:
            schema = file.schema_arrow if self._is_parquet else file.schema
            self.names = tuple(schema.names)
            self.n_rows, nbytes = self._extent(file)
            self._types = {name: schema.field(place).type for place, name in enumerate(self.names)}
            if len(set(self.names)) < len(self.names) or len(self.names) > MOST_COLUMNS:
                raise DataError(
                    f"{path.name} has {len(self.names):,} columns, or several of one name.",
                    f"Save it with at most {MOST_COLUMNS:,} columns, each with a name of its own.",
                )
            self._coded = [name for name in self.names if is_text(self._types[name])]
            self.class_names = _class_names(schema.metadata or {})
        row_bytes = nbytes // max(1, self.n_rows)
        self._rows = min(MOST_ROWS, max(FEWEST_ROWS, CHUNK // max(1, row_bytes)))

    def held_by(self, name: str) -> str:
        """What a column holds, see `cells.held_by`."""
        return held_by(self._types[name])

    def chunks(self, rows: int | None = None) -> Iterator[TableChunk]:
        """Consecutive rows; at most so many together if that is said."""
        at_once = min(self._rows, rows or self._rows)
        first = 0
        with self._opened() as file:
            for batch in self._batches(file, at_once):
                yield TableChunk(first, len(batch), _cells(batch))
                first += len(batch)

    def beginning(self, rows: int) -> TableChunk | None:
        """The first rows of the columns of numbers and text, as many as are read together.

        They may be far more than `chunks` hands out of a table of images or of long vectors.
        None if there are no such columns, or no rows.
        """
        names = [name for name in self.names if self.held_by(name) in ("numbers", "text")]
        if not names:
            return None
        with self._opened() as file:
            at_once = max(1, min(rows, CHUNK // max(1, self._row_bytes_of(file, names))))
            batch = next(self._batches(file, at_once, names), None)
            return None if batch is None else TableChunk(0, len(batch), _cells(batch))

    def _row_bytes_of(self, file: Any, names: list[str]) -> int:
        """Bytes of one row in some columns, as far as the file says; else of the first batch."""
        if not self._is_parquet:
            batch = file.get_batch(0) if file.num_record_batches else None
            return batch.select(names).nbytes // max(1, len(batch)) if batch is not None else 0
        about, wanted = file.metadata, set(names)
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        columns = [group.column(i) for group in groups for i in range(group.num_columns)]
        of_these = [c for c in columns if c.path_in_schema in wanted]
        return sum(c.total_uncompressed_size for c in of_these) // max(1, about.num_rows)

    def _batches(self, file: Any, rows: int, names: list[str] | None = None) -> Iterator[Any]:
        if self._is_parquet:
            for groups in _groups_together(file.metadata):
                for batch in file.iter_batches(
                    batch_size=rows, row_groups=groups, columns=names, use_threads=False
                ):
                    batch.validate(full=True)  # a damaged one may point outside its own memory
                    yield batch
            return
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            batch = batch.select(names) if names else batch
            batch.validate(full=True)
            for start in range(0, len(batch), rows):
                yield batch.slice(start, rows)

    def _extent(self, file: Any) -> tuple[int, int]:
        """Number of rows, and the bytes of their values, as the file says beforehand."""
        import pyarrow.dataset as ds

        if not self._is_parquet:
            rows = ds.dataset(self.path, format="feather").count_rows()
            return rows, self.path.stat().st_size
        about = file.metadata
        nbytes = sum(about.row_group(i).total_byte_size for i in range(about.num_row_groups))
        return about.num_rows, nbytes

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self._is_parquet:
                with pq.ParquetFile(
                    self.path,
                    buffer_size=BUFFER,
                    pre_buffer=False,
                    read_dictionary=self._coded,
                ) as file:
                    yield file
            else:
                with pa.memory_map(str(self.path)) as mapped, pa.ipc.open_file(mapped) as file:
                    yield file
        except (pa.ArrowException, OSError, ValueError, KeyError, MemoryError) as error:
            raise _damaged(self.path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{path.name} is cut off, damaged, or no table of this kind ({type(error).__name__}).",
        "Save or download it again.",
    )


def _cells(batch: Any) -> Any:
    def cells(name: str) -> ArrowCells:
        return ArrowCells(name, batch.column(batch.schema.get_field_index(name)))

    return cells


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Names of the classes of each column, from what the Hugging Face hub wrote; else none."""
    try:
        said = parsed(metadata.get(b"huggingface", b""), _Hub)["info"]["features"]
    except Unreadable:
        return {}
    found = {}
    for column, about in said.items():
        names = about.get("names") if isinstance(about, dict) else None
        if isinstance(names, list) and all(isinstance(each, str) for each in names):
            found[column] = tuple(names)
    return found


def _groups_together(about: Any) -> Iterator[list[int]]:
    """Row groups of a Parquet file that are read in one go, by their numbers.

    Different texts of a column are remembered while one reader goes on, with each batch: over all
    of a file of millions of names that would take a gigabyte and most of the time.
    """
    together: list[int] = []
    n_rows = 0
    for number in range(about.num_row_groups):
        together.append(number)
        n_rows += about.row_group(number).num_rows
        if n_rows >= ROWS_OF_A_READER:
            yield together
            together, n_rows = [], 0
    if together:
        yield together

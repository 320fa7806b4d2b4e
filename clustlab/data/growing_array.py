"""A `.npy` file to which rows are added, as long as nobody knows how many there will be."""

import contextlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from clustlab.types import Array


class GrowingArray:
    """A `.npy` file to which rows are added; its head is corrected at the end."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self._dtype = shape, np.dtype(dtype)
        self._n = 0
        self._file: BinaryIO = path.open("wb")
        try:
            self._write_head()
        except OSError:
            self.give_up()
            raise

    def _write_head(self) -> None:
        """Numpy leaves room in a head for the first axis to grow, so it keeps its length."""
        self._file.seek(0)
        head = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": (self._n, *self.shape),
        }
        np.lib.format.write_array_header_1_0(self._file, head)

    def append(self, rows: Array) -> None:
        """Add rows (m, ...) of the shape and kind of the others."""
        if rows.shape[1:] != self.shape or rows.dtype != self._dtype:
            raise ValueError(f"{rows.shape} {rows.dtype} does not fit {self.shape} {self._dtype}")
        self._file.write(np.ascontiguousarray(rows).data)
        self._n += len(rows)

    def close(self) -> None:
        """Finish the file; raises `OSError` if it cannot be written."""
        if not self._file.closed:
            self._write_head()
            self._file.close()

    def give_up(self) -> None:
        """Let go of the file, whatever state it is in."""
        with contextlib.suppress(OSError):  # what a full disk did not take is tried again
            self._file.close()

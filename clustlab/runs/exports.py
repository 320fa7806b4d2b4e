"""Selected items as files for other programs: a table, or a ZIP of pictures with the table."""

import io
import zipfile
from typing import Any

import numpy as np
import pandas as pd

from clustlab.errors import ParameterError
from clustlab.types import Array, Dataset

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet takes text for one


def csv(table: pd.DataFrame) -> bytes:
    """Table as CSV in UTF-8, see `safe_cells`."""
    return bytes(safe_cells(table).to_csv(index=False).encode("utf-8"))


def safe_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Table in which no text is a formula to a spreadsheet: an apostrophe stands before such.

    Names of items and classes are those of files, which anybody may have made. Numbers stay.
    """
    texts = table.select_dtypes(["object", "string", "category"]).columns
    return table.assign(**{name: table[name].map(_safe) for name in texts})


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def parquet(table: pd.DataFrame) -> bytes:
    """Table as Parquet, which keeps the type of each column."""
    file = io.BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()


def file_of(item: int) -> str:
    """Name of the picture of an item in the ZIP."""
    return f"{item:06d}.png"


def images(dataset: Dataset, table: pd.DataFrame) -> bytes:
    """ZIP of one PNG an item, with the pixels as they are kept, and the table as `items.csv`.

    Parameters
    ----------
    table : DataFrame
        With the column `item`.

    Raises
    ------
    ParameterError
        If there are no images of the items.
    """
    pictures = dataset.images
    if pictures is None:
        raise ParameterError(
            f"There are no images of the items of {dataset.name}.", "Export a table instead."
        )
    rows = table["item"].to_numpy()
    files = [file_of(int(i)) for i in rows]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as pack:  # PNG is compressed already
        for name, row in zip(files, rows, strict=True):
            pack.writestr(name, png(pictures[row]))
        pack.writestr("items.csv", csv(table.assign(file=files)))
    return buffer.getvalue()


def png(item: Array) -> bytes:
    """Image (h, w, c) uint8 as PNG, with its pixels as they are."""
    from PIL import Image

    pixels = np.ascontiguousarray(item[..., 0] if item.shape[-1] == 1 else item[..., :3])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()

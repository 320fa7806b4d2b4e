"""Selected items as files for other programs: a table, or a ZIP of pictures with the table."""

import io
import zipfile

import numpy as np
import pandas as pd

from clustlab.errors import ParameterError
from clustlab.types import Array, Dataset


def csv(table: pd.DataFrame) -> bytes:
    """Table as CSV in UTF-8."""
    return bytes(table.to_csv(index=False).encode("utf-8"))


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
            pack.writestr(name, _png(pictures[row]))
        pack.writestr("items.csv", csv(table.assign(file=files)))
    return buffer.getvalue()


def _png(item: Array) -> bytes:
    from PIL import Image

    pixels = np.ascontiguousarray(item[..., 0] if item.shape[-1] == 1 else item[..., :3])
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()

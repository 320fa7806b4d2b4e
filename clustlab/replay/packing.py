"""Arrays as few bytes, for a page that has no server to ask.

An array of two or more dimensions has a row for each step, and rows that follow each other are much
alike, so differences from row to row are kept. Numbers of several bytes are kept byte by byte: all
low bytes, then all high ones. `data.js` does the reverse.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clustlab.types import Array

TYPES = {"uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32}
NOTHING = 65535  # in place of a number of 16 bits where there is none


def packed(arrays: Mapping[str, Array]) -> tuple[bytes, list[dict[str, Any]]]:
    """Arrays as one deflated text of bytes, and their names, types and shapes in order.

    Raises
    ------
    ValueError
        If an array is of another type than whole numbers of 8, 16 or 32 bits without a sign.
    """
    deflate = zlib.compressobj(9)
    parts, contents = [], []
    for name, array in arrays.items():
        if array.dtype.name not in TYPES:
            raise ValueError(f"{name} is of type {array.dtype}")
        contents.append({"name": name, "type": array.dtype.name, "shape": list(array.shape)})
        parts.append(deflate.compress(_bytes(array)))
    return b"".join([*parts, deflate.flush()]), contents


def unpacked(pack: bytes, contents: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """The arrays in a pack, by name."""
    data, start, arrays = zlib.decompress(pack), 0, {}
    for each in contents:
        kind = np.dtype(TYPES[each["type"]])
        size = int(np.prod(each["shape"], dtype=np.int64))
        end = start + size * kind.itemsize
        planes = np.frombuffer(data[start:end], np.uint8).reshape(kind.itemsize, size)
        values = np.ascontiguousarray(planes.T).view(kind.newbyteorder("<")).astype(kind)
        values = values.reshape(each["shape"])
        if values.ndim > 1:
            values = np.cumsum(values, axis=0, dtype=kind)  # wraps around, as differences did
        arrays[each["name"]], start = values, end
    return arrays


def _bytes(array: Array) -> bytes:
    if array.ndim > 1:
        array = np.concatenate([array[:1], np.diff(array, axis=0)])  # wraps around
    kind = array.dtype.newbyteorder("<")
    flat = np.ascontiguousarray(array.astype(kind)).reshape(-1)
    return flat.view(np.uint8).reshape(-1, kind.itemsize).T.tobytes()


def sparse(tables: Sequence[Array], name: str) -> dict[str, Array]:
    """Tables (rows, columns) of counts, one a step, as the cells that are not 0.

    Cells of step s are those from `name.start[s]` to `name.start[s + 1]`: `name.cell` is row times
    the number of columns plus column, `name.count` what is in it.
    """
    cells = [np.flatnonzero(table) for table in tables]
    counts = [table.ravel()[where] for table, where in zip(tables, cells, strict=True)]
    none = [np.zeros(0, np.int64)]
    return {
        f"{name}.start": np.cumsum([0, *map(len, cells)]).astype(np.uint32),
        f"{name}.cell": np.concatenate(none + cells).astype(np.uint32),
        f"{name}.count": np.concatenate(none + counts).astype(np.uint32),
    }


def numbers(values: Array) -> Array:
    """Numbers from 0 up as 16 bits, with `NOTHING` for those below."""
    return np.where(values < 0, NOTHING, values).astype(np.uint16)

"""Readers of the file formats that image sets are published in."""

import bz2
import gzip
import io
import math
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from clustlab.data.files import broken
from clustlab.types import Array

IDX_UBYTE = 0x08  # third byte of an idx file: its values are unsigned bytes


def idx(path: Path) -> Array:
    """Unsigned bytes of an idx file, plain or gzipped, in the shape that its header states.

    Raises
    ------
    DatasetUnavailable
        If the file is cut short or is no idx file of bytes.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise broken(path, f"cannot be decompressed ({error})") from error
    start = 4 + 4 * content[3] if len(content) > 3 else 4  # the fourth byte counts the axes
    if content[:3] != bytes((0, 0, IDX_UBYTE)) or len(content) < start:
        raise broken(path, "is not an idx file of bytes")
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    expected = start + math.prod(shape)
    if len(content) != expected:
        raise broken(path, f"holds {len(content):,} bytes where {expected:,} belong")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def usps(path: Path) -> tuple[Array, Array]:
    """Images (n, 16, 16, 1) uint8 and digits (n,) from libsvm text, packed by bzip2.

    Values in [-1, 1] become bytes the way torchvision does it, rounding down; classes 1 to 10
    are the digits 0 to 9.
    """
    text = bz2.decompress(path.read_bytes()).replace(b":", b" ")
    table = np.loadtxt(io.BytesIO(text), dtype=np.float32, ndmin=2)  # class, then place and value
    pixels = ((table[:, 2::2] + 1) / 2 * 255).astype(np.uint8)
    return pixels.reshape(-1, 16, 16, 1), table[:, 0].astype(np.int32) - 1


def svhn(path: Path) -> tuple[Array, Array]:
    """Images (n, 32, 32, 3) uint8 and digits (n,) from a Matlab file, where 0 is written 10."""
    from scipy.io import loadmat

    content = loadmat(str(path), variable_names=("X", "y"))
    return content["X"].transpose(3, 0, 1, 2), content["y"].ravel().astype(np.int32) % 10


def cifar(path: Path) -> dict[str, Any]:
    """Content of a pickled CIFAR batch; only for a file whose checksum has been compared."""
    with path.open("rb") as file:
        return pickle.load(file, encoding="latin1")  # noqa: S301


def cifar_images(batch: dict[str, Any]) -> Array:
    """Images (n, 32, 32, 3) uint8 of a batch that stores one colour plane after the other."""
    return batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def stl10_images(path: Path) -> Array:
    """Images (n, 96, 96, 3) uint8 as a view of the file, read only where indexed.

    The file holds one colour plane after the other, each column by column.
    """
    planes = np.memmap(path, np.uint8, mode="r").reshape(-1, 3, 96, 96)
    return planes.transpose(0, 3, 2, 1)


def array_in_archive(path: Path, name: str) -> Array:
    """Array in an archive of numpy, packed or not; only for a file whose checksum was compared."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            array: Array = np.lib.format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise broken(path, f"holds no array {name!r}") from error
    return array

"""All items of a page in one picture of small tiles."""

import io
from dataclasses import dataclass
from math import isqrt

import numpy as np

from clustlab.types import Array
from clustlab.views import tiles

MOST_BYTES = 3_000_000  # of the picture
MOST_PIXELS = 4096 * 4096  # more than this a browser may refuse to draw from
LARGEST, DRAWN = 96, 32  # side of a tile of a photograph, and of an item that has no image
LEAST = 16  # side below which nobody recognises a photograph
QUALITIES = (85, 65, 45)  # tried in turn where a picture is too large without loss
AT_ONCE = 500  # items read together


@dataclass(frozen=True, slots=True)
class Atlas:
    """The picture, as a file."""

    webp: bytes
    side: int  # of a tile in pixels
    columns: int  # tiles in a row

    @property
    def facts(self) -> dict[str, int]:
        """What a page has to know to find a tile."""
        return {"side": self.side, "columns": self.columns}


def atlas(pictures: Array, rows: Array) -> Atlas:
    """Tiles of some items (m,) in one picture, row by row.

    Without loss if that is small enough, else as good, and at last as large, as it may be.

    Parameters
    ----------
    pictures : (n, h, w, c) uint8 or (n, d) float32
        What is drawn for all items; points are drawn as `tiles` draws them.
    rows : (m,) int
        Which of them.
    """
    side = min(_own_side(pictures), max(isqrt(MOST_PIXELS // max(len(rows), 1)), 1))
    pixels = _tiled(pictures, rows, side)
    file = _webp(pixels, lossless=True)
    while len(file) > MOST_BYTES:
        for quality in QUALITIES:
            file = _webp(pixels, quality=quality)
            if len(file) <= MOST_BYTES:
                break
        else:
            if side <= LEAST:
                break
            side = max(side * 2 // 3, LEAST)
            pixels = _tiled(pictures, rows, side)
    return Atlas(file, side, pixels.shape[1] // side)


def _own_side(pictures: Array) -> int:
    return min(max(pictures.shape[1:3]), LARGEST) if pictures.ndim == 4 else DRAWN


def _tiled(pictures: Array, rows: Array, side: int) -> Array:
    """Picture (h, w, 3) uint8 of square tiles, about as wide as it is high."""
    columns = max(isqrt(max(len(rows) - 1, 0)) + 1, 1)
    high = -(-len(rows) // columns) or 1
    pixels = np.zeros((high * columns, side, side, 3), dtype=np.uint8)
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        pixels[start : start + len(some)] = tiles.pictures_of_items(pictures, some, side)
    grid = pixels.reshape(high, columns, side, side, 3).swapaxes(1, 2)
    return grid.reshape(high * side, columns * side, 3)


def _webp(pixels: Array, *, lossless: bool = False, quality: int = 80) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    image = Image.fromarray(pixels)
    image.save(file, "WEBP", lossless=lossless, quality=60 if lossless else quality, method=2)
    return file.getvalue()

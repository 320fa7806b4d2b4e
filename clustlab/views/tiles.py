"""Single items as small square pictures: images without smoothing, points as places."""

import numpy as np

from clustlab.types import Array
from clustlab.views import theme

RANGE_SAMPLE = 10_000  # points that the range of each coordinate is taken from


def pictures_of_items(items: Array, indices: Array, side: int) -> Array:
    """Items as square RGB images (m, side, side, 3) uint8 without smoothing."""
    if items.ndim == 2:
        return (
            _cloud_tiles(items, indices, side)
            if items.shape[1] == 2
            else _bars(items, indices, side)
        )
    images = items[indices]
    h, w = images.shape[1:3]
    factor = max(h, w) // side
    if factor >= 2:  # leaving out pixels of a photograph would make it unrecognisable
        h, w = h // factor * factor, w // factor * factor
        parts = images[:, :h, :w].reshape(len(images), h // factor, factor, w // factor, factor, -1)
        images = parts.mean((2, 4)).astype(np.uint8)
        h, w = images.shape[1:3]
    high, wide = (max(round(side * part / max(h, w)), 1) for part in (h, w))
    scaled = images[:, np.arange(high) * h // high][:, :, np.arange(wide) * w // wide]
    out = np.full((len(images), side, side, 3), theme.GROUND, dtype=np.uint8)
    top, left = (side - high) // 2, (side - wide) // 2
    out[:, top : top + high, left : left + wide] = scaled[..., :3]
    return out


def _cloud_tiles(items: Array, indices: Array, side: int) -> Array:
    """The cloud in pale dots with one point of it marked, for items that are 2-D points."""
    low = items.min(0)
    span = float(np.ptp(items, axis=0).max()) or 1.0
    inner = side - 5
    offset = (inner - np.ptp(items, axis=0) / span * inner) / 2 + 2
    places = ((items - low) / span * inner + offset).round().astype(np.int64)
    x, y = places[:, 0], side - 1 - places[:, 1]
    ground = np.full((side, side, 3), 236, dtype=np.uint8)
    ground[y, x] = 176
    out = np.repeat(ground[None], len(indices), axis=0)
    down, right = np.mgrid[:side, :side]
    near = (down - y[indices][:, None, None]) ** 2 + (right - x[indices][:, None, None]) ** 2
    out[near <= max(side / 14, 2) ** 2] = theme.rgb([theme.ACCENT])[0]
    return out


def _bars(items: Array, indices: Array, side: int) -> Array:
    """One upright bar per coordinate, for points of more (or fewer) than two dimensions.

    With more coordinates than pixels, a bar is the mean of those that share its place.
    """
    sample = items[:: -(-len(items) // RANGE_SAMPLE) or 1]  # reading a million takes seconds
    low, high = sample.min(0), sample.max(0)
    share = np.clip((items[indices] - low) / np.where(high > low, high - low, 1), 0, 1)
    d = items.shape[1]
    if d > side:
        starts = np.arange(side) * d // side
        levels = np.add.reduceat(share, starts, 1) / np.diff(starts, append=d)
    else:
        levels = share[:, np.arange(side) * d // side]  # (m, side)
    filled = np.arange(side, 0, -1)[None, :, None] <= np.ceil(levels * side)[:, None, :]
    shades = np.where(filled, 96, 236).astype(np.uint8)
    return np.repeat(shades[..., None], 3, axis=3)

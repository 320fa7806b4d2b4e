"""Named figures of items that a person can check by eye, for rules about clusters."""

from typing import Any

import numpy as np

from clustlab.types import Array, Report

CHUNK = 500  # images looked at together
GRID = 4  # regions along each side
INK = 0.5  # share of an image's own range from which on a pixel counts as ink
UPPER_LEFT = ("upper left", "upper right", "lower left", "lower right")
COLOURS = ("red", "green", "blue")


def named(
    items: Array, rows: Array, report: Report | None = None, columns: tuple[str, ...] = ()
) -> tuple[Array, tuple[str, ...]]:
    """Figures (m, f) float32 of some items, and the name of each column.

    Of a point its coordinates. Of an image how much ink it has, in all, in each quarter and in
    each field of a 4x4 grid, where its centre of mass is, how far it reaches, how alike its
    halves are, how many holes it has, and the mean of each colour. Ink is brightness in [0, 1];
    places and extents are shares of the side.

    Parameters
    ----------
    items : (n, h, w, c) uint8 or (n, d) float32
        All items of the data set.
    rows : (m,) int
        Which of them to look at.
    report : callable, optional
        Told how far it is.
    columns : (d,) str
        Names of the coordinates of points, if they have any.
    """
    if items.ndim == 2:
        return np.asarray(items[rows], np.float32), columns or coordinates(items.shape[1])
    parts = []
    for start in range(0, len(rows), CHUNK):
        if report:
            report("Measuring images", start / len(rows))
        parts.append(_of_images(items[rows[start : start + CHUNK]]))
    figures = tuple(parts[0]) if parts else ()
    return np.concatenate([np.stack(list(p.values()), 1) for p in parts]), figures


def coordinates(d: int) -> tuple[str, ...]:
    """Names of the coordinates of points."""
    return ("x", "y", "z")[:d] if d <= 3 else tuple(f"coordinate {i + 1}" for i in range(d))


def _of_images(images: Array) -> dict[str, Array]:
    """Figures (m,) float32 by name of a few images (m, h, w, c) uint8."""
    pixels = images.astype(np.float32) / 255
    grey = pixels.mean(3)
    figures = {"ink": grey.mean((1, 2))}
    halves = [np.array_split(part, 2, axis=2) for part in np.array_split(grey, 2, axis=1)]
    for name, part in zip(UPPER_LEFT, (*halves[0], *halves[1]), strict=True):
        figures[f"ink {name}"] = _mean(part)
    for i, band in enumerate(np.array_split(grey, GRID, axis=1)):
        for j, field in enumerate(np.array_split(band, GRID, axis=2)):
            figures[f"ink in row {i + 1}, column {j + 1}"] = _mean(field)
    figures |= _places(grey)
    across, down = grey[:, :, ::-1], grey[:, ::-1]
    ink = np.maximum(2 * grey.sum((1, 2)), 1e-6)
    figures["left-right symmetry"] = 1 - np.abs(grey - across).sum((1, 2)) / ink
    figures["top-bottom symmetry"] = 1 - np.abs(grey - down).sum((1, 2)) / ink
    figures["holes"] = holes(_inked(grey)).astype(np.float32)
    if pixels.shape[3] == 3:
        figures |= {f"mean {name}": pixels[..., i].mean((1, 2)) for i, name in enumerate(COLOURS)}
    return figures


def _mean(part: Array) -> Array:
    """Mean (m,) of each image; 0 for parts without a pixel, of images smaller than the grid."""
    return part.mean((1, 2)) if part.size else np.zeros(len(part), np.float32)


def _inked(grey: Array) -> Array:
    """Which pixels (m, h, w) are ink: in the brighter half of the range of their own image."""
    low, high = (f(grey, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    inked: Array = (grey > low + INK * (high - low)) & (high > low)
    return inked


def _places(grey: Array) -> dict[str, Array]:
    """Centre of mass and extent of the ink, as shares of the sides."""
    figures: dict[str, Array] = {}
    inked: Any = _inked(grey)
    total = np.maximum(grey.sum((1, 2)), 1e-6)
    for axis, place, extent in ((2, "centre across", "width"), (1, "centre down", "height")):
        side = grey.shape[axis]
        profile = grey.sum(3 - axis)  # (m, side)
        middle = (np.arange(side, dtype=np.float32) + 0.5) / side
        # an empty image has its centre in the middle
        figures[place] = np.where(profile.any(1), profile @ middle / total, 0.5).astype(np.float32)
        there = inked.any(3 - axis)
        last = side - there[:, ::-1].argmax(1)
        figures[extent] = (
            np.where(there.any(1), last - there.argmax(1), 0).astype(np.float32) / side
        )
    return figures


def holes(inked: Array) -> Array:
    """How many separate areas without ink are enclosed by ink, (m,) int64, in images (m, h, w).

    Ink connects across corners too, what is around it along edges only.
    """
    from scipy import ndimage

    # one label for all of an image's surroundings; no label reaches into the next image
    ground = ~np.pad(inked, ((0, 0), (1, 1), (1, 1)))
    along_edges = ndimage.generate_binary_structure(3, 1)
    along_edges[[0, 2]] = False
    areas, count = ndimage.label(ground, along_edges)
    flat = areas.reshape(len(areas), -1)
    owner = np.zeros(count + 1, dtype=np.int64)
    owner[flat] = np.arange(len(flat))[:, None]
    number: Array = np.bincount(owner[1:], minlength=len(flat)) - 1
    return number

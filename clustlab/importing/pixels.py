"""Arrays of images of any numeric type, brought to (n, h, w, c) uint8 with the range said."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustlab.errors import DataError
from clustlab.importing.plan import Choices
from clustlab.types import Array

CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, colour, colour and alpha
BRIGHT = 127  # a greatest value above this is taken for one of pixels from 0 to 255
CONVENTIONS = ((0.0, 1.0), (0.0, 255.0), (-1.0, 1.0))  # ranges that say what they are
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # weights of red, green and blue (ITU-R BT.601)


@dataclass(frozen=True, slots=True)
class Range:
    """Values that become black and white."""

    low: float
    high: float
    words: str  # what was understood, a sentence

    @property
    def is_plain(self) -> bool:
        """Whether values are pixels as they are."""
        return (self.low, self.high) == (0.0, 255.0)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the axes of an array of images lie."""

    height: int
    width: int
    channels: int  # in the file
    is_flat: bool  # without an axis of channels
    is_first: bool  # channels before height and width

    @property
    def words(self) -> str:
        """What was understood, a sentence; empty if it is as usual."""
        if self.is_first:
            return f"The {self.channels} channels come before height and width, and are moved."
        return ""


def layout(name: str, shape: tuple[int, ...]) -> Layout:
    """How the images of an array lie; raises `DataError` if it holds none."""
    if len(shape) == 3:
        return Layout(shape[1], shape[2], 1, True, False)
    if len(shape) == 4:
        is_first = shape[1] in (1, 3, 4) and shape[3] not in CHANNELS
        h, w, c = (shape[2], shape[3], shape[1]) if is_first else shape[1:]
        if c in CHANNELS:
            return Layout(h, w, c, False, is_first)
    told = " x ".join(map(str, shape))
    raise DataError(
        f"{name} has the shape {told}, which no array of images has.",
        "Images are items x height x width, with 1 to 4 channels at the end or after the items.",
    )


def value_range(dtype: np.dtype[Any], pieces: Iterator[Array]) -> Range:
    """Range of the values of images, from what they are stored as and from what occurs."""
    low, high = np.inf, -np.inf
    for piece in pieces:
        finite = piece[np.isfinite(piece)] if dtype.kind == "f" else piece
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if low > high:  # nothing is finite: every image is refused
        return Range(0.0, 1.0, "")
    if dtype.kind == "b":
        return Range(0.0, 1.0, "Pixels are true or false: shown as white and black.")
    said = f"Values from {low:g} to {high:g}"
    whole = dtype.kind in "iu"
    if low >= 0 and high <= 1 and not (dtype == np.uint8 and high == 0):
        return Range(0.0, 1.0, f"{said} are taken for the range [0, 1] and scaled to 0 to 255.")
    if dtype == np.uint8 or (low >= 0 and BRIGHT < high <= 255):
        words = "" if dtype == np.uint8 else f"{said} are taken for pixels from 0 to 255."
        return Range(0.0, 255.0, words)
    if -1 <= low < 0 and high <= 1 and not whole:
        return Range(-1.0, 1.0, f"{said} are taken for the range [-1, 1] and scaled to 0 to 255.")
    deep = f" ({8 * dtype.itemsize} bit)" if whole and dtype.itemsize > 1 else ""
    if low == high:
        low = min(0.0, low)
        high = max(high, low + 1)
    return Range(low, high, f"{said}{deep} are scaled by their own range to 0 to 255.")


def as_before(found: Range, dtype: np.dtype[Any], choices: Choices) -> Range:
    """Range of new values, given that of earlier ones, if `choices` has any.

    Pixels from 0 to 255 and shares of 1 say by themselves what is black and white; what has a
    range of its own has that of the earlier ones.
    """
    known = next(((low, high) for of, low, high in choices.ranges if of == "array"), None)
    if known is None or known == (found.low, found.high):
        return found
    if dtype == np.uint8:
        return Range(0.0, 255.0, "") if known == (0.0, 255.0) else found
    if known in CONVENTIONS and (found.low, found.high) in CONVENTIONS:
        return found
    said = f"{known[0]:g} becomes black and {known[1]:g} white, as in the images before."
    return Range(*known, said)


def as_images(
    values: Array, lay: Layout, scale: Range, choices: Choices
) -> tuple[Array, dict[int, str]]:
    """Images (m, h, w, 1 or 3) uint8 of values (m, ...), and which are refused, with the reason."""
    refused: dict[int, str] = {}
    if values.dtype.kind == "f":
        wrong = ~np.isfinite(values).reshape(len(values), -1).all(1)
        for place in np.flatnonzero(wrong).tolist():
            where = np.argwhere(~np.isfinite(values[place]))[0].tolist()
            value = values[place][tuple(where)]
            refused[place] = f"holds {value} at {', '.join(map(str, where))}"
    if lay.is_flat:
        values = values[..., None]
    elif lay.is_first:
        values = np.moveaxis(values, 1, -1)
    if not (scale.is_plain and values.dtype == np.uint8):
        share = (values.astype(np.float64) - scale.low) / (scale.high - scale.low)
        values = np.rint(255 * np.nan_to_num(np.clip(share, 0, 1))).astype(np.uint8)
    values = coloured(over_ground(values, choices), choices)
    if choices.size is not None and choices.size != values.shape[1:3]:
        values = np.stack([resized(image, choices.size, choices) for image in values])
    return np.ascontiguousarray(values), refused


def n_channels(lay: Layout, choices: Choices) -> int:
    """Channels of the images that come of it, 1 or 3."""
    if choices.colour == "as they are":
        return 1 if lay.channels < 3 else 3
    return 1 if choices.colour == "grey" else 3


def over_ground(images: Array, choices: Choices) -> Array:
    """Images (m, h, w, c) uint8 with 2 or 4 channels laid over black or white; others as they are.

    The last channel says how much is seen of the image.
    """
    if images.shape[-1] not in (2, 4):
        return images
    alpha = images[..., -1:].astype(np.float32) / 255
    ground = 255.0 if choices.ground == "white" else 0.0
    over: Array = np.rint(images[..., :-1] * alpha + ground * (1 - alpha)).astype(np.uint8)
    return over


def coloured(images: Array, choices: Choices) -> Array:
    """Images (m, h, w, c) uint8 in grey or colour, as chosen."""
    is_grey = images.shape[-1] == 1
    if choices.colour == "grey" and not is_grey:
        return grey(images)
    if choices.colour == "colour" and is_grey:
        return images.repeat(3, -1)
    return images


def grey(images: Array) -> Array:
    """Brightness (m, h, w, 1) uint8 of images (m, h, w, 3) uint8."""
    brightness: Array = np.rint(images @ GREY)[..., None].astype(np.uint8)
    return brightness


def resized(image: Array, size: tuple[int, int], choices: Choices) -> Array:
    """One image (h, w, 1 or 3) uint8 at another height and width."""
    from PIL import Image, ImageOps

    ground = 255 if choices.ground == "white" else 0
    flat = image[..., 0] if image.shape[-1] == 1 else image
    picture = Image.fromarray(np.ascontiguousarray(flat))
    wanted = size[1], size[0]
    if choices.fit == "crop":
        picture = ImageOps.fit(picture, wanted, Image.Resampling.BILINEAR)
    elif choices.fit == "pad":
        colour = ground if picture.mode == "L" else (ground,) * 3
        picture = ImageOps.pad(picture, wanted, Image.Resampling.BILINEAR, color=colour)
    else:
        picture = picture.resize(wanted, Image.Resampling.BILINEAR)
    out: Array = np.asarray(picture)
    return out[..., None] if out.ndim == 2 else out

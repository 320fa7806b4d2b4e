"""One image at a time: from bytes that anybody may have written to pixels of a given size.

What a file declares is checked before it is decoded, and what is decoded is brought to its size in
bands, so that memory is that of the decoded image and little more.
"""

import enum
import io
import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np

from clustlab.data.checked_json import Unreadable
from clustlab.data.own_about import Range, RangeOf
from clustlab.importing.plan import Choices, Fit, Ground
from clustlab.types import Array

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
"""What is opened. Pillow knows more, some of which start other programs or have no mark."""
ENDINGS = frozenset(
    [
        *("png", "jpg", "jpeg", "jpe", "jfif", "mpo", "gif", "bmp", "tif", "tiff", "webp"),
        *("ppm", "pgm", "pbm", "pnm", "pfm", "jp2", "j2k", "avif"),
    ]
)
MARKS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0"),
    *(b"MM\0+", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf", b"PF", b"Py"),
    *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)
ARCHIVE_MARKS = (
    *(b"PK\3\4", b"PK\5\6", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!"),
    b"\x28\xb5\x2f\xfd",
)
HEAD = 1024  # bytes by which a file is known
TAR_MARK = slice(257, 262)  # where a tar archive says that it is one
BAND = 2**21  # pixels that are converted at a time
BLOCK = 2**26  # bytes in which Pillow asks for memory: a system takes so many back at once
LARGE = 2**24  # pixels of an image that is not decoded beside others
REDUCED = 3  # an image is averaged to this multiple of its size before it is filtered
EQUAL = 2  # levels by which channels may differ in an image that is grey: lossy files are inexact
KEPT_SIZE = 256  # pixels a side up to which images of one size keep it
USUAL_SIZE, LEAST_SIZE = 64, 8  # pixels a side that others get
ORIENTATION = 0x0112  # the EXIF tag

Channels = Literal["grey", "colour"]
Extent = tuple[float, float]


class Trait(enum.Flag):
    """What is special about an image; most of it is told when it is converted."""

    COLOUR = enum.auto()  # channels differ
    TRANSPARENT = enum.auto()
    TURNED = enum.auto()  # as its EXIF orientation says
    SEVERAL = enum.auto()  # frames or pages, of which the first is taken
    INK = enum.auto()  # CMYK
    CUT_COLOUR = enum.auto()  # more than 8 bits a channel, of which the upper 8 are read
    BITS_16 = enum.auto()
    BITS_32 = enum.auto()
    DECIMAL = enum.auto()


DEEP = (Trait.BITS_16, Trait.BITS_32, Trait.DECIMAL)
"""Grey images of more than 8 bits, whose pixels stay as they are until their range is known."""
DEEP_KINDS: Mapping[RangeOf, Trait] = {
    "16 bits": Trait.BITS_16,
    "32 bits": Trait.BITS_32,
    "decimals": Trait.DECIMAL,
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What becomes of every image.

    Parameters
    ----------
    size : tuple of int
        Height and width in pixels.
    pixels_of_one : int
        How many pixels an image may have.
    """

    size: tuple[int, int]
    fit: Fit
    channels: Channels
    ground: Ground
    pixels_of_one: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image: (h, w, c)."""
        return (*self.size, 3 if self.channels == "colour" else 1)


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself."""

    size: tuple[int, int]  # height and width as it is shown, upright
    traits: Trait
    may_be_colour: bool  # has several channels, which may be equal


@dataclass(frozen=True, slots=True)
class Picture:
    """An image brought to its size.

    Parameters
    ----------
    pixels : array
        (h, w, c) uint8; of a deep image (h, w, 1) float32 in its own units, not a number where it
        is padded, see `as_stored`.
    size : tuple of int
        Height and width before, upright.
    """

    pixels: Array
    size: tuple[int, int]
    traits: Trait


class Large(Exception):
    """An image has so many pixels that it should be decoded alone."""


def is_image(head: bytes) -> bool:
    """Whether a file begins like an image of a kind that is opened."""
    boxed = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    boxed = boxed or (head[4:8] == b"ftyp" and b"avi" in head[8:64])
    return boxed or head.startswith(MARKS)


def is_archive(head: bytes) -> bool:
    """Whether a file begins like an archive or a compressed file of any kind."""
    return head.startswith(ARCHIVE_MARKS) or head[TAR_MARK] == b"ustar"


def check_kind(head: bytes) -> None:
    """Nothing, if a file begins like an image; else `Unreadable` with the reason."""
    if not head:
        raise Unreadable("is empty")
    if is_archive(head):
        raise Unreadable("is an archive within what was given; import it on its own")
    if not is_image(head):
        raise Unreadable("is not an image that can be read")


def header(data: bytes, pixels_of_one: int) -> Header:
    """What an image says of itself; its pixels are not decoded.

    Raises
    ------
    Unreadable
        If it is none, or too large; the reason is the end of a sentence.
    """
    check_kind(data[:HEAD])
    try:
        with _opened(data, pixels_of_one) as image:
            return _header(image)
    except Unreadable:
        raise
    except Exception as error:  # Pillow raises many things over a damaged file
        raise Unreadable(_reason(error)) from error


def decoded(data: bytes, recipe: Recipe, *, beside_others: bool = False) -> Picture:
    """Image from the bytes of a file.

    Parameters
    ----------
    beside_others : bool
        Raise `Large` for an image that needs much memory, before it is decoded.

    Raises
    ------
    Unreadable
        If it is none, is damaged or too large; the reason is the end of a sentence.
    """
    check_kind(data[:HEAD])
    try:
        with _opened(data, recipe.pixels_of_one) as image:
            return _decoded(image, recipe, beside_others)
    except (Unreadable, Large):
        raise
    except Exception as error:  # Pillow raises many things over a damaged file
        raise Unreadable(_reason(error)) from error


def as_stored(picture: Picture, recipe: Recipe, extents: Mapping[Trait, Extent]) -> Array:
    """Pixels (h, w, c) uint8 of a picture that was decoded by this recipe, or by one in colour.

    Parameters
    ----------
    extents : mapping
        For each kind of deep images, the values that become black and white.
    """
    pixels = picture.pixels
    for kind in DEEP:
        if kind in picture.traits:
            pixels = _scaled(pixels, extents[kind], recipe.ground)
    if pixels.shape[2] == recipe.shape[2]:
        return pixels
    if recipe.channels == "colour":
        return np.repeat(pixels, 3, axis=2)
    return np.asarray(_pillow().fromarray(pixels).convert("L"))[..., None]


def _scaled(pixels: Array, extent: Extent, ground: Ground) -> Array:
    low, high = extent
    grey = (pixels.astype(np.float64) - low) * (255 / (high - low) if high > low else 0.0)
    grey = np.nan_to_num(grey, nan=255.0 if ground == "white" else 0.0)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def extents_with(picture: Picture, extents: Mapping[Trait, Extent]) -> Mapping[Trait, Extent]:
    """Extents for a picture: its own if its kind was not met before."""
    own = extent_of(picture)
    return extents if own is None else {**dict.fromkeys(DEEP, own), **extents}


def extents_chosen(choices: Choices) -> dict[Trait, Extent]:
    """Extents that are wanted for deep images, such as those of earlier ones."""
    return {DEEP_KINDS[of]: (low, high) for of, low, high in choices.ranges if of in DEEP_KINDS}


def ranges_of(extents: Mapping[Trait, Extent]) -> tuple[Range, ...]:
    """Extents as they are kept with a set."""
    return tuple((of, *extents[kind]) for of, kind in DEEP_KINDS.items() if kind in extents)


def extent_of(picture: Picture) -> Extent | None:
    """Least and greatest value of a deep image; None if it is not deep."""
    if not any(kind in picture.traits for kind in DEEP):
        return None
    return float(np.nanmin(picture.pixels)), float(np.nanmax(picture.pixels))


def usual_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Size of all if it is the same and not large, else a power of two near their short sides."""
    if not sizes:
        return USUAL_SIZE, USUAL_SIZE
    if len(set(sizes)) == 1 and max(sizes[0]) <= KEPT_SIZE:
        return sizes[0]
    short = statistics.median(min(size) for size in sizes)
    side = min(max(2 ** round(math.log2(short)), LEAST_SIZE), USUAL_SIZE)
    return side, side


# -- how -----------------------------------------------------------------------------------------
@cache
def _pillow() -> ModuleType:
    from PIL import Image

    Image.init()
    # Its own guard knows one limit for all and warns in the log: `_check_size` has that of each
    # import, and nothing else here opens images that others have made.
    Image.MAX_IMAGE_PIXELS = None
    Image.core.set_block_size(BLOCK)  # type: ignore[attr-defined]  # documented, but not typed
    return Image


def quiet() -> None:
    """Keep what Pillow remarks on odd files out of the log: it is refused or it is read."""
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL|clustlab\.importing")


def _opened(data: bytes, pixels_of_one: int) -> "Image":
    library = _pillow()
    formats = [name for name in FORMATS if name in library.OPEN]  # some builds lack a few
    image = library.open(io.BytesIO(data), formats=formats)
    _check_size(image, pixels_of_one)
    return image


def _check_size(image: "Image", pixels_of_one: int) -> None:
    width, height = image.size
    if width * height > pixels_of_one:
        most = f"{pixels_of_one / 1e6:,g} megapixels"
        raise Unreadable(f"has {width:,} x {height:,} pixels, more than {most}")


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "needs more memory than there is"
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return "is cut off"
    return "is damaged"


def _header(image: "Image") -> Header:
    turn = _turn(image)
    traits = Trait.TURNED if turn else Trait(0)
    if getattr(image, "is_animated", False):
        traits |= Trait.SEVERAL
    if image.mode == "CMYK":
        traits |= Trait.INK
    if image.mode.startswith("I;16"):
        traits |= Trait.BITS_16
    elif image.mode in ("I", "F"):
        traits |= Trait.BITS_32 if image.mode == "I" else Trait.DECIMAL
    elif any(";16" in _raw_mode(tile.args) for tile in getattr(image, "tile", ())):
        traits |= Trait.CUT_COLOUR
    width, height = image.size
    lies = turn >= _ON_ITS_SIDE and not _turns_itself(image)
    size = (width, height) if lies else (height, width)
    is_grey = image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")
    return Header(size, traits, not is_grey)


def _raw_mode(args: object) -> str:
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


_ON_ITS_SIDE = 5  # the orientations from here on exchange height and width


def _turn(image: "Image") -> int:
    """EXIF orientation from 2 to 8, or 0 if an image is upright, or what it says makes no sense.

    That of Pillow's class for PNG would decode all pixels to find what stands after them.
    """
    try:
        turn = _pillow().Image.getexif(image).get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a damaged remark of a camera does not spoil the image
        return 0
    return turn if isinstance(turn, int) and 2 <= turn <= 8 else 0


def _turns_itself(image: "Image") -> bool:
    """Whether Pillow turns an image of this kind when it decodes it, and tells its upright size."""
    return image.format == "TIFF"


def _decoded(image: "Image", recipe: Recipe, beside_others: bool) -> Picture:
    head, turn = _header(image), 0 if _turns_itself(image) else _turn(image)
    height, width = recipe.size if turn < _ON_ITS_SIDE else recipe.size[::-1]
    if image.format in ("JPEG", "MPO"):  # decodes to a half, quarter or eighth at once
        spare = min(image.width / width, image.height / height) / REDUCED
        image.draft(None, (math.ceil(image.width / spare), math.ceil(image.height / spare)))
    if beside_others and image.width * image.height > LARGE:
        raise Large
    image.load()
    _check_size(image, recipe.pixels_of_one)
    small, traits = _brought_to(image, (width, height), recipe)
    if turn:
        small = small.transpose(_transposition(turn))
    traits |= head.traits
    if small.mode == "F":
        pixels = np.asarray(small)
        if not np.isfinite(pixels).all():
            raise Unreadable("holds values that are not finite numbers")
    else:
        if small.mode == "RGB" and _is_colour(np.asarray(small)):
            traits |= Trait.COLOUR
        pixels = np.asarray(small.convert("RGB" if recipe.channels == "colour" else "L"))
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return Picture(_on_ground(pixels, recipe), head.size, traits)


def _is_colour(pixels: Array) -> bool:
    red, green, blue = (pixels[..., i] for i in range(3))
    apart = (np.maximum(each, green) - np.minimum(each, green) for each in (red, blue))
    return any(bool((each > EQUAL).any()) for each in apart)


def _transposition(turn: int) -> "Transpose":
    ways = _pillow().Transpose
    return {
        2: ways.FLIP_LEFT_RIGHT,
        3: ways.ROTATE_180,
        4: ways.FLIP_TOP_BOTTOM,
        5: ways.TRANSPOSE,
        6: ways.ROTATE_270,
        7: ways.TRANSVERSE,
        8: ways.ROTATE_90,
    }[turn]


def _brought_to(image: "Image", wanted: tuple[int, int], recipe: Recipe) -> tuple["Image", Trait]:
    """Image in grey, colour or decimals at its new width and height; smaller if it is padded."""
    (width, height), (w, h) = image.size, wanted
    box, size = (0.0, 0.0, float(width), float(height)), wanted
    if recipe.fit == "crop":
        scale = min(width / w, height / h)
        left, top = (width - w * scale) / 2, (height - h * scale) / 2
        box = (max(left, 0.0), max(top, 0.0), width - max(left, 0.0), height - max(top, 0.0))
    elif recipe.fit == "pad":
        scale = max(width / w, height / h)
        size = (max(1, round(width / scale)), max(1, round(height / scale)))
    region, box, traits = _averaged(image, box, size, recipe.ground)
    if region.size == size and box == (0.0, 0.0, *size):
        return region, traits
    ways = _pillow().Resampling
    shrinks = box[2] - box[0] >= size[0] and box[3] - box[1] >= size[1]
    small = region.resize(size, ways.LANCZOS if shrinks else ways.BICUBIC, box)
    if small.mode == "F":  # what else a filter adds at sharp edges
        low, high = region.getextrema()
        small = _pillow().fromarray(np.clip(np.asarray(small), low, high))
    return small, traits


def _averaged(
    image: "Image",
    box: tuple[float, float, float, float],
    size: tuple[int, int],
    ground: Ground,
) -> tuple["Image", tuple[float, float, float, float], Trait]:
    """Part of an image, converted, averaged to a few times its size; and the box within it."""
    left, top = math.floor(box[0]), math.floor(box[1])
    right, bottom = math.ceil(box[2]), math.ceil(box[3])
    across = max(1, int((box[2] - box[0]) / size[0] / REDUCED))
    down = max(1, int((box[3] - box[1]) / size[1] / REDUCED))
    by = (across, down)
    rows = max(1, BAND // ((right - left) * down)) * down
    bands, traits = [], Trait(0)
    for start in range(top, bottom, rows):
        end = min(start + rows, bottom)
        whole = (left, start, right, end) == (0, 0, *image.size)
        band, found = _plain(image if whole else image.crop((left, start, right, end)), ground)
        bands.append(band if by == (1, 1) else band.reduce(by))
        traits |= found
    region = bands[0]
    if len(bands) > 1:
        height = sum(band.height for band in bands)
        region = _pillow().new(bands[0].mode, (bands[0].width, height))
        done = 0
        for band in bands:
            region.paste(band, (0, done))
            done += band.height
    inner = (
        (box[0] - left) / across,
        (box[1] - top) / down,
        min((box[2] - left) / across, float(region.width)),
        min((box[3] - top) / down, float(region.height)),
    )
    return region, inner, traits


def _plain(image: "Image", ground: Ground) -> tuple["Image", Trait]:
    """Image as grey (L), colour (RGB) or decimals (F), and whether anything shone through."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return image.convert("F"), Trait(0)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema()[0] == 255:
            return layer.convert("RGB"), Trait(0)
        under = _pillow().new("RGBA", layer.size, ground)
        return _pillow().alpha_composite(under, layer).convert("RGB"), Trait.TRANSPARENT
    return image.convert("L" if image.mode in ("1", "L") else "RGB"), Trait(0)


def _on_ground(pixels: Array, recipe: Recipe) -> Array:
    """Pixels in the middle of an image of the size that is wanted."""
    (height, width), (h, w, c) = recipe.size, pixels.shape
    if (h, w) == (height, width):
        return np.ascontiguousarray(pixels)
    nothing = np.nan if pixels.dtype == np.float32 else 255 * (recipe.ground == "white")
    out = np.full((height, width, c), nothing, pixels.dtype)
    top, left = (height - h) // 2, (width - w) // 2
    out[top : top + h, left : left + w] = pixels
    return out

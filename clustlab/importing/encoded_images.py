"""Images as files within a table: their size, and their pixels at a common size."""

import io
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from clustlab.importing import pixels
from clustlab.importing.plan import Choices
from clustlab.types import Array


@dataclass(frozen=True, slots=True)
class Common:
    """What images have in common after they came in."""

    size: tuple[int, int]  # height and width
    channels: int  # 1 or 3
    facts: tuple[str, ...]  # sizes that were found, and how images are changed

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return (*self.size, self.channels)


def common(files: Iterable[bytes | None], choices: Choices) -> Common | None:
    """Size and colours for images of which some are looked at; None if none can be read."""
    sizes: Counter[tuple[int, int]] = Counter()
    modes: Counter[str] = Counter()
    for each in files:
        about = _about(each)
        if about is not None:
            sizes[about[0]] += 1
            modes[about[1]] += 1
    if not sizes:
        return None
    size = choices.size or sizes.most_common(1)[0][0]
    is_grey = all(mode in ("1", "L", "LA", "I", "I;16", "F") for mode in modes)
    channels = {"grey": 1, "colour": 3}.get(choices.colour, 1 if is_grey else 3)
    facts = []
    if set(sizes) != {size}:
        shown = ", ".join(f"{h} x {w}" for (h, w), _ in sizes.most_common(3))
        more = f" and {len(sizes) - 3} other sizes" if len(sizes) > 3 else ""
        facts.append(f"Images of {shown}{more} are brought to {size[0]} x {size[1]}.")
    return Common(size, channels, tuple(facts))


def _about(data: bytes | None) -> tuple[tuple[int, int], str] | None:
    """Height, width and mode of an image, without decoding it; None if it is none."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data or b"")) as image:
                return (image.height, image.width), image.mode
    except Exception:  # noqa: BLE001 - Pillow raises many things over a damaged file
        return None


def decoded(data: bytes | None, wanted: Common, choices: Choices) -> Array | str:
    """Image (h, w, c) uint8 of the common size, or why it does not come in."""
    from PIL import Image, ImageOps

    if not data:
        return "has no image"
    if len(data) > choices.limits.bytes_of_one:
        return f"holds an image of {len(data):,} bytes, more than the limit"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                if image.width * image.height > choices.limits.pixels_of_one:
                    return f"holds an image of {image.width:,} x {image.height:,} pixels"
                upright = ImageOps.exif_transpose(image)
                upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
                values = pixels.over_ground(np.asarray(upright)[None], choices)
    except Exception:  # noqa: BLE001 - likewise
        return "holds an image that is cut off, or none"
    colour = "grey" if wanted.channels == 1 else "colour"
    values = values if colour == "colour" else pixels.grey(values)
    return pixels.resized(values[0], wanted.size, choices)

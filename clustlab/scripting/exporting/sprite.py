"""All images of a run in one grid, as the projector of TensorBoard cuts them out."""

import io
import math
from dataclasses import dataclass

import numpy as np

from clustlab.types import Array

SIDE = 8192  # pixels; TensorBoard shows no larger one
SMALLEST = 4  # pixels of an image, below which nothing can be told


@dataclass(frozen=True, slots=True)
class Sprite:
    """Images row by row in a square grid."""

    content: bytes  # PNG
    width: int  # of each image, in pixels
    height: int


def sprite_of(images: Array, side: int = SIDE) -> Sprite | None:
    """Grid of images (n, h, w, c) uint8, made smaller where they would not fit into `side` pixels.

    None if nothing could be told of them then.
    """
    from PIL import Image

    columns = math.ceil(math.sqrt(len(images)))
    height, width = images.shape[1:3]
    share = min(1.0, side / (columns * max(height, width)))
    height, width = max(1, int(height * share)), max(1, int(width * share))
    if max(height, width) < SMALLEST:
        return None
    grid = Image.new("RGB", (columns * width, math.ceil(len(images) / columns) * height))
    for place, image in enumerate(images):
        pixels = np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image[..., :3])
        tile = Image.fromarray(pixels).convert("RGB").resize((width, height))
        grid.paste(tile, (place % columns * width, place // columns * height))
    file = io.BytesIO()
    grid.save(file, "PNG")
    return Sprite(file.getvalue(), width, height)

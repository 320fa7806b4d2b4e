"""Maps over an image: what a score depends on, and what had to change."""

from collections.abc import Sequence

import numpy as np

from clustlab.types import Array
from clustlab.views import theme, tiles

TILE = 92  # side of an image in pixels
LETTER = 12
WHITE = 244  # where a map is zero
CLIP = 99.5  # percentile of the sizes of a map that has the full colour
HEAD = 34  # pixels above the first row
MARGIN = 8  # right of the last column, whose name may be wider


def heat(values: Array, signed: bool) -> Array:
    """A map (h, w) in colours, (h, w, 3) uint8, on its own scale.

    Signed maps are blue where they are positive and orange where negative; others go from white
    to dark blue.
    """
    sizes = np.abs(values)
    scale = float(np.percentile(sizes, CLIP)) or float(sizes.max(initial=0.0)) or 1.0
    share = np.clip(values / scale, -1, 1)[..., None]
    zero = np.full(3, WHITE, dtype=np.float64)
    if signed:
        plus, minus = theme.rgb([theme.RIGHT, theme.WRONG]).astype(np.float64)
        end = np.where(share >= 0, plus, minus)
        return (zero + np.abs(share) * (end - zero)).round().astype(np.uint8)
    stops = np.stack([zero, *theme.rgb(theme.RAMP).astype(np.float64)])
    place = np.abs(share[..., 0]) * (len(stops) - 1)
    channels = [np.interp(place, np.arange(len(stops)), stops[:, c]) for c in range(3)]
    return np.stack(channels, -1).round().astype(np.uint8)


def saliency(
    image: Array, columns: Sequence[tuple[str, Array, Array, bool]], *, tile: int = TILE
) -> Array:
    """An image and its maps, from the trained network above those from random weights.

    Reading: strong colours mark the pixels on which the score of the cluster depends; blue raises
    it, orange lowers it. Trust a map only if the one below it, from random weights, looks
    different.

    Parameters
    ----------
    image : (h, w, c) uint8
    columns : sequence of (title, map, map of random weights, signed)
        Maps are (h, w).
    """
    upper = [image, *(heat(trained, signed) for _, trained, _, signed in columns)]
    lower = [None, *(heat(random, signed) for *_, random, signed in columns)]
    titles = ["image", *(title for title, *_ in columns)]
    return grid([upper, lower], titles, ("trained", "random weights"), tile)


def change(before: Array, after: Array, *, tile: int = TILE) -> Array:
    """An image, the same after the smallest change, and the change, (h, w, 3) uint8.

    Reading: blue pixels had to become brighter and orange ones darker to change the cluster. A
    change that is hard to see means that the boundary of the cluster is close.

    Parameters
    ----------
    before, after : (h, w, c) float
        In [0, 1].
    """
    pictures = [(np.clip(x, 0, 1) * 255).round().astype(np.uint8) for x in (before, after)]
    moved = heat((after - before).mean(2), signed=True)
    row = [pictures[0], pictures[1], moved]
    return grid([row], ("before", "after", "change"), ("",), tile)


def grid(
    rows: Sequence[Sequence[Array | None]],
    columns: Sequence[str],
    names: Sequence[str],
    tile: int,
) -> Array:
    """Pictures in rows as one, (h, w, 3) uint8, with the names of columns above and rows beside.

    Words of a name stand below each other; None leaves a gap.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=LETTER)
    words = [word for name in names for word in name.split()]
    left = max((int(font.getlength(word)) for word in words), default=0)
    left += 12 if left else 1
    pitch = tile + 2
    shape = (HEAD + len(rows) * pitch, left + len(columns) * pitch + MARGIN, 3)
    picture = np.full(shape, theme.GROUND, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            if cell is not None:
                top, start = HEAD + i * pitch, left + j * pitch
                drawn = tiles.pictures_of_items(cell[None], np.array([0]), tile)[0]
                picture[top : top + tile, start : start + tile] = drawn
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    for j, name in enumerate(columns):
        middle = (left + j * pitch + tile / 2, HEAD / 2)
        pen.multiline_text(
            middle, "\n".join(name.split()), "white", font, anchor="mm", align="center", spacing=1
        )
    for i, name in enumerate(names):
        middle = (left / 2, HEAD + i * pitch + tile / 2)
        pen.multiline_text(
            middle, "\n".join(name.split()), "white", font, anchor="mm", align="center", spacing=2
        )
    return np.asarray(canvas)

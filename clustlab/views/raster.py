"""All items over all steps in one picture: a row an item, a column a step, a colour a cluster."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import transitions
from clustlab.types import NOISE, Array, cluster_name
from clustlab.views import theme
from clustlab.views.sheets import Sheet

ROWS = 400  # items drawn at most, a line of pixels each
CHOSEN = 40  # selected items that are drawn in any case
WIDTH = 640  # pixels of the steps, about
BAND = 20  # pixels that a click takes together
LEFT, RIGHT_EDGE, TOP, BOTTOM = 46, 10, 6, 34  # margins for the scales
FONT = 11
ORDERS = {
    "stable": "When it settled",
    "flips": "Number of changes",
    "cluster": "Cluster at the end",
    "class": "True class",
}


@dataclass(frozen=True, slots=True)
class Raster:
    """The picture, and which items lie behind each band of it."""

    sheet: Sheet  # its ids are numbers of bands
    spans: Array  # (bands, 2) int64, first place and end of each band in the order of all items
    drawn: int  # rows in the picture


def order(
    assignments: Array, by: str, labels: Array | None = None, *, read_anew: Sequence[int] = ()
) -> Array:
    """All items (n,) int64 sorted for the raster; equal ones by cluster, then by settling.

    Parameters
    ----------
    assignments : (steps, n) int
        Stable clusters over all steps.
    by : str
        A key of `ORDERS`. `stable` has the items that settled first on top, `flips` those that
        changed least; `cluster` and `class` keep a group together, noise below all clusters.
    labels : (n,) int, optional
        True classes, for `class`.
    read_anew : sequence of int
        Steps at which no item counts as changed, since clusters are read anew.

    Raises
    ------
    ValueError
        If the order is unknown, or needs labels that are not there.
    """
    settled = transitions.first_stable_step(assignments, read_anew)
    end = np.where(assignments[-1] < 0, assignments[-1].max(initial=0) + 1, assignments[-1])
    keys = {
        "stable": settled,
        "flips": transitions.flips(assignments, read_anew),
        "cluster": end,
        "class": labels,
    }
    if keys.get(by) is None:
        raise ValueError(f"{by!r} is no order for these items")
    return np.lexsort((settled, end, keys[by]))


def raster(
    assignments: Array,
    ranking: Array,
    *,
    step: int | None = None,
    selected: Array | None = None,
    missing: Sequence[int] = (),
) -> Raster:
    """Every item as a line over the steps, in the colour of its cluster; long runs are thinned.

    Reading: a line of one colour is an item that never moved. A vertical edge where many lines
    change colour is an event that concerns a whole cluster; speckles are items that keep switching.
    The red line is the step in view, marks on the left are selected items. A gap is a step that
    cannot be read.

    Parameters
    ----------
    assignments : (steps, n) int
        Stable clusters over all steps.
    ranking : (n,) int
        Items from top to bottom, as from `order`. At most 400 are drawn, by a fixed draw, up to
        40 selected ones among them in any case.
    step : int, optional
        The step in view.
    selected : (m,) int, optional
        Items to mark; all of them are.
    missing : sequence of int
        Steps at which nobody knows the clusters.
    """
    n = len(ranking)
    place = np.empty(n, dtype=np.int64)
    place[ranking] = np.arange(n)
    chosen = place[np.asarray([] if selected is None else selected, dtype=np.int64)]
    few = np.sort(chosen)[:: max(len(chosen) // CHOSEN, 1)]  # more would stretch their part
    places = theme.thin(n, few, ROWS)
    columns = _thinned(len(assignments))
    height, width = _cell(len(places), len(columns))
    body = _colours(assignments[np.ix_(columns, ranking[places])].T)
    body = body.repeat(height, 0).repeat(width, 1)
    pixels = np.zeros((TOP + len(body) + BOTTOM, LEFT + body.shape[1] + RIGHT_EDGE, 4), np.uint8)
    pixels[TOP : TOP + len(body), LEFT : LEFT + body.shape[1], :3] = body
    known = np.where(np.isin(columns, missing), 0, 255).astype(np.uint8).repeat(width)
    pixels[TOP : TOP + len(body), LEFT : LEFT + body.shape[1], 3] = known
    _mark_rows(pixels, np.minimum(np.searchsorted(places, chosen), len(places) - 1), height)
    if step is not None:
        _mark_step(pixels, int(np.searchsorted(columns, step)), width)
    pixels = _scales(pixels, places, n, height, width, columns)
    spans, boxes = _bands(places, n, height, body.shape[1])
    return Raster(Sheet(pixels, np.arange(len(boxes)), boxes, 1), spans, len(places))


def _thinned(steps: int) -> Array:
    """Steps that are drawn: all of them, or as many as there are pixels."""
    return np.unique(np.linspace(0, steps - 1, min(steps, WIDTH)).round().astype(np.int64))


def _cell(rows: int, steps: int) -> tuple[int, int]:
    """Height and width of one item at one step in pixels; few items are drawn as thick lines."""
    return max(1, min(ROWS // max(rows, 1), 12)), max(1, WIDTH // max(steps, 1))


def _colours(clusters: Array) -> Array:
    """Colour (rows, steps, 3) uint8 of each cluster number, grey of noise."""
    ids = [*range(int(clusters.max(initial=-1)) + 1), NOISE]  # the last one is found by -1
    return np.asarray(theme.rgb([theme.colour(i) for i in ids])[clusters])


def legend(ids: Sequence[int] | Array) -> str:
    """HTML of the colours of some clusters with their numbers, noise last, on one or two lines."""
    pieces = []
    for cluster in sorted(np.asarray(ids).tolist(), key=lambda i: i < 0):
        colour = theme.colour(cluster)
        pieces.append(
            f'<span style="background:{colour};color:{theme.ink(colour)};border-radius:3px;'
            f'padding:0 6px;font-size:12px;line-height:18px">{cluster_name(cluster)}</span>'
        )
    return (
        f'<div style="display:flex;flex-wrap:wrap;gap:3px;max-width:330px">{"".join(pieces)}</div>'
    )


def _mark_rows(pixels: Array, rows: Array, height: int) -> None:
    """Short lines in the left margin beside some rows, thick enough to be seen."""
    colour = [*theme.rgb([theme.ACCENT])[0], 255]
    for row in rows.tolist():
        middle = TOP + row * height + height // 2
        pixels[max(middle - 1, 0) : middle + 1, LEFT - 9 : LEFT - 2] = colour


def _mark_step(pixels: Array, column: int, width: int) -> None:
    """An upright line through the middle of a step, with a light rim for contrast."""
    x = LEFT + column * width + width // 2
    end = len(pixels) - BOTTOM + 4
    for half, colour in ((2, "#ffffff"), (1, theme.ACCENT)):
        left, right = max(x - half, LEFT), x + half
        pixels[TOP - 4 : end, left:right] = [*theme.rgb([colour])[0], 255]


def _scales(pixels: Array, places: Array, n: int, height: int, width: int, columns: Array) -> Array:
    """The picture with steps under it and places beside it."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(pixels)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=FONT)
    grey = (*theme.rgb([theme.GREY])[0].tolist(), 255)
    floor = len(pixels) - BOTTOM
    for step in _ticks(int(columns[-1]) + 1 if len(columns) else 0):
        x = LEFT + (int(np.searchsorted(columns, step)) + 0.5) * width
        pen.line((x, floor, x, floor + 4), fill=grey)
        pen.text((x, floor + 6), str(step), grey, font, anchor="mt")
    pen.text((LEFT + len(columns) * width / 2, len(pixels) - 1), "step", grey, font, anchor="mb")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = TOP + int(np.searchsorted(places, share * (n - 1))) * height if n else TOP
        y = min(y, floor - 1)
        anchor = "rt" if share == 0 else "rb" if share == 1 else "rm"
        pen.text((LEFT - 11, y), f"{round(share * max(n - 1, 0)):,}", grey, font, anchor=anchor)
    return np.asarray(picture)


def _ticks(steps: int) -> list[int]:
    """About eight round steps, from 0 on."""
    interval = next(p for p in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if steps / p <= 10)
    return list(range(0, steps, interval))


def _bands(places: Array, n: int, height: int, width: int) -> tuple[Array, Array]:
    """Spans in the order of all items, and boxes in the picture, of bands of equal height."""
    rows = max(BAND // height, 1)
    starts = np.arange(0, len(places), rows)
    first = places[starts] if len(starts) else np.zeros(0, dtype=np.int64)
    first[:1] = 0
    spans = np.stack([first, np.append(first[1:], n)[: len(first)]], axis=1)
    high = np.minimum(starts + rows, len(places)) - starts
    boxes = np.stack(
        [
            np.full(len(starts), LEFT),
            TOP + starts * height,
            np.full(len(starts), width),
            high * height,
        ],
        axis=1,
    )
    return spans, boxes.astype(np.int64)

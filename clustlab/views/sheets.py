"""Sheets of many items in one picture: a browser shows 1,000 tiles in the time of one image."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import metrics
from clustlab.types import Array, Snapshot, cluster_name
from clustlab.views import theme, tiles

GAP = 1
BORDER = 2
MAX_SIDE = 2048  # pixels; browsers decode larger pictures slowly or not at all
ORDERS = {
    "central": "Most central",
    "doubtful": "Least sure",
    "random": "Random",
    "changed": "Just arrived",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A picture of tiles in rows, and which item each tile shows."""

    pixels: Array  # (height, width, 3) uint8
    ids: Array  # (m,) int64, items in the order of their tiles
    boxes: Array  # (m, 4) int64, left, top, width and height of each tile in pixels
    columns: int  # tiles in a full row


def png(pixels: Array) -> bytes:
    """A picture (h, w, 3) or (h, w, 4) uint8 as PNG, which keeps every pixel as it is."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def atlas(
    items: Array,
    indices: Sequence[int] | Array,
    *,
    tile: int = 40,
    columns: int = 24,
    clusters: Array | None = None,
    wrong: Array | None = None,
) -> Sheet:
    """Items side by side, row by row in the order given, as many as fit into 2,048 pixels.

    Reading: each frame has the colour of the item's cluster; an orange corner marks an item whose
    true class differs from the one its cluster stands for.

    Parameters
    ----------
    items : (n, h, w, c) uint8 or (n, d) float32
        All items of the data set; a point is drawn as a place in its cloud.
    indices : (m,) int
        Which of them to show, in which order.
    tile : int
        Side of a tile in pixels, without its border.
    columns : int
        Tiles in a row; fewer if there are fewer items.
    clusters : (m,) int, optional
        Stable clusters of the items shown, for the borders.
    wrong : (m,) bool, optional
        Which of the items shown get a mark.
    """
    shown = np.asarray(indices, dtype=np.int64)
    columns = max(min(columns, len(shown)), 1)
    order = np.arange(len(shown))
    places = np.stack([order // columns, order % columns], axis=1)
    return _assemble(
        items, shown, places, (-(-len(shown) // columns), columns), tile, clusters, wrong
    )


def cluster_rows(
    items: Array,
    rows: Sequence[Sequence[int] | Array],
    *,
    clusters: Sequence[int] | Array,
    tile: int = 32,
    columns: int = 24,
    wrong: Array | None = None,
) -> Sheet:
    """One row of items for each cluster, led by its number; an empty cluster is an empty row.

    Reading: each row is a cluster; a grey row is noise. A row of one kind is a pure cluster; odd
    ones out show what the method confuses. Orange corners mark items whose class differs from
    their cluster's.

    Parameters
    ----------
    rows : sequence of int arrays
        Items of each cluster, the first `columns` of which are shown.
    clusters : (rows,) int
        Stable id of each row, -1 for noise.
    wrong : (n,) bool, optional
        Of all items of the data set, which get a mark.
    """
    cut = [np.asarray(row, dtype=np.int64)[:columns] for row in rows]
    shown = np.concatenate([np.zeros(0, dtype=np.int64), *cut])
    places = [(i, j) for i, row in enumerate(cut) for j in range(1, len(row) + 1)]
    own = np.repeat(np.asarray(clusters, dtype=np.int64), [len(row) for row in cut])
    marks = None if wrong is None else np.asarray(wrong)[shown]
    width = max((len(row) for row in cut), default=0) + 1
    grid = (len(cut), width)
    spots = np.array(places, dtype=np.int64).reshape(-1, 2)
    sheet = _assemble(items, shown, spots, grid, tile, own, marks)
    _number_rows(sheet.pixels, clusters, tile)
    return Sheet(sheet.pixels, sheet.ids, sheet.boxes, columns=width - 1)


def pairs(
    items: Array,
    twos: Array,
    *,
    tile: int = 40,
    columns: int = 4,
    clusters: Array | None = None,
    wrong: Array | None = None,
) -> Sheet:
    """Pairs of items, each two side by side, row by row, with room between the pairs.

    Reading: two items that touch are a pair; frames in two colours mean that they are in different
    clusters.

    Parameters
    ----------
    twos : (m, 2) int
        Items of each pair.
    columns : int
        Pairs in a row.
    clusters : (n,) int, optional
        Stable clusters of all items of the data set, for the borders.
    wrong : (n,) bool, optional
        Of all items of the data set, which get a mark.
    """
    shown = np.asarray(twos, dtype=np.int64).reshape(-1, 2)
    columns = max(min(columns, len(shown)), 1)
    order = np.arange(len(shown))
    left = order % columns * 3
    places = np.stack([np.repeat(order // columns, 2), np.stack([left, left + 1], 1).ravel()], 1)
    flat = shown.ravel()
    own = None if clusters is None else np.asarray(clusters)[flat]
    marks = None if wrong is None else np.asarray(wrong)[flat]
    grid = (-(-len(shown) // columns), 3 * columns - 1)
    return _assemble(items, flat, places, grid, tile, own, marks)


def wrapped(sheet: Sheet, columns: int, group: int = 1) -> Array:
    """Tiles of a sheet in rows of so many, as pixels (h, w, 3) uint8 on a white ground.

    Groups of tiles stay together, with room for one tile between them.
    """
    if not len(sheet.boxes):
        return sheet.pixels
    side, gap = int(sheet.boxes[0, 2]), int(group > 1)
    pitch, unit = side + GAP, group + gap
    n_groups = -(-len(sheet.boxes) // group)
    across = max(1, min((columns + gap) // unit, n_groups))
    grid = (-(-n_groups // across), across * unit - gap)
    pixels = np.full((grid[0] * pitch + GAP, grid[1] * pitch + GAP, 3), 255, np.uint8)
    for i, (left, top) in enumerate(sheet.boxes[:, :2].tolist()):
        n, place = divmod(i, group)
        y = n // across * pitch + GAP
        x = (n % across * unit + place) * pitch + GAP
        pixels[y : y + side, x : x + side] = sheet.pixels[top : top + side, left : left + side]
    return pixels


def strip(items: Array, n: int = 12, tile: int = 40) -> Array:
    """One row (h, w, 3) uint8 of `n` items drawn by a fixed seed."""
    return random_sheet(items, n, tile=tile, columns=n).pixels


def random_sheet(items: Array, n: int, *, tile: int = 40, columns: int = 12) -> Sheet:
    """Sheet of `n` items drawn by a fixed seed.

    Reading: items as the method receives them, in no particular order.
    """
    return atlas(items, theme.thin(len(items), limit=n), tile=tile, columns=columns)


def tile(items: Array, index: int, size: int = 224) -> Array:
    """One item, large, as (size, size, 3) uint8."""
    return np.asarray(tiles.pictures_of_items(items, np.array([index]), size)[0])


def column(items: Array, indices: Sequence[int], size: int) -> Array:
    """Items one below the other, without a gap, as (m * size, size, 3) uint8."""
    shown = tiles.pictures_of_items(items, np.asarray(indices, dtype=np.int64), size)
    return np.asarray(shown.reshape(-1, size, 3))


def order(
    kind: str,
    members: Array,
    snapshot: Snapshot,
    *,
    clusters: Array | None = None,
    previous: Array | None = None,
    limit: int | None = None,
) -> Array:
    """Items of `members` in the order asked for, at most `limit`; equal ones by number.

    Parameters
    ----------
    kind : str
        `central` sorts by distance to the center of the own cluster (noise, which has none, comes
        last), `doubtful` by rising confidence, `random` shuffles by a fixed seed, `changed` keeps
        the items whose cluster differs from the step before, least confident first.
    members : (m,) int
        Items to sort, such as those of one cluster.
    snapshot : Snapshot
        The step they are shown at.
    clusters, previous : (n,) int, optional
        Stable clusters of all items at this step and the one before, for `changed`; without the
        one before nothing has changed.
    """
    members = np.sort(np.asarray(members, dtype=np.int64))
    if kind == "random":
        return np.random.default_rng(0).permutation(members)[:limit]
    if kind == "central":
        return _rising(members, _central_distance(members, snapshot))[:limit]
    if kind == "changed":
        if clusters is None or previous is None:
            return members[:0]
        members = members[previous[members] != clusters[members]]
    elif kind != "doubtful":
        raise ValueError(f"{kind!r} is not an order; it is one of {', '.join(ORDERS)}")
    return _rising(members, metrics.confidence(snapshot)[members])[:limit]


def _rising(members: Array, value: Array) -> Array:
    return members[np.argsort(value, kind="stable")]


def _central_distance(members: Array, snapshot: Snapshot) -> Array:
    """Distance (m,) of some items to the centers of their clusters, or to the clusters' means.

    That of noise is infinite.
    """
    own = snapshot.assignments[members]
    if (own < 0).any():
        distances = np.full(len(members), np.inf)
        distances[own >= 0] = _central_distance(members[own >= 0], snapshot)
        return distances
    if snapshot.centers is not None and snapshot.centers.shape[1] == snapshot.embedding.shape[1]:
        centers = snapshot.centers[own]
    else:
        ids, inverse = np.unique(own, return_inverse=True)
        means = [snapshot.embedding[snapshot.assignments == i].mean(0) for i in ids]
        centers = np.array(means).reshape(len(ids), snapshot.embedding.shape[1])[inverse]
    gap = snapshot.embedding[members] - centers
    return np.asarray(np.sqrt((gap * gap).sum(1)))


# -- putting tiles together ----------------------------------------------------------------------
def _assemble(
    items: Array,
    shown: Array,
    places: Array,
    grid: tuple[int, int],
    tile: int,
    clusters: Array | None,
    wrong: Array | None,
) -> Sheet:
    """Sheet with each item at its (row, column); what lies beyond `MAX_SIDE` is left out."""
    edge = BORDER if clusters is not None else 0
    side = tile + 2 * edge
    pitch = side + GAP
    rows, columns = (min(count, max(MAX_SIDE // pitch, 1)) for count in grid)
    fits = (places[:, 0] < rows) & (places[:, 1] < columns)
    shown, places = shown[fits], places[fits]
    blocks = np.empty((len(shown), side, side, 3), dtype=np.uint8)
    if clusters is not None:
        blocks[:] = _borders(np.asarray(clusters)[fits])[:, None, None, :]
    blocks[:, edge : edge + tile, edge : edge + tile] = tiles.pictures_of_items(items, shown, tile)
    if wrong is not None:
        _mark(blocks, np.flatnonzero(np.asarray(wrong)[fits]))
    cells = np.full((max(rows, 1), columns, pitch, pitch, 3), theme.GROUND, dtype=np.uint8)
    cells[places[:, 0], places[:, 1], :side, :side] = blocks
    pixels = np.full(
        (max(rows, 1) * pitch + GAP, columns * pitch + GAP, 3), theme.GROUND, dtype=np.uint8
    )
    pixels[GAP:, GAP:] = cells.swapaxes(1, 2).reshape(pixels[GAP:, GAP:].shape)
    corners = places[:, ::-1] * pitch + GAP
    boxes = np.concatenate([corners, np.full_like(corners, side)], axis=1)
    return Sheet(pixels, shown, boxes, columns)


def _borders(clusters: Array) -> Array:
    ids, inverse = np.unique(clusters, return_inverse=True)
    return np.asarray(theme.rgb([theme.colour(int(i)) for i in ids])[inverse])


def _mark(blocks: Array, marked: Array) -> None:
    """Paint the top right corners orange, with a light rim for contrast."""
    side = blocks.shape[1]
    size = max(side // 4, 4)
    down, right = np.mgrid[:side, :side]
    depth = (side - 1 - right) + down
    for limit, colour in ((size + 1, "#ffffff"), (size, theme.WRONG)):
        y, x = np.nonzero(depth < limit)
        blocks[marked[:, None], y, x] = theme.rgb([colour])[0]


def _number_rows(pixels: Array, clusters: Sequence[int] | Array, tile: int) -> None:
    """Write the number of each cluster, or `noise`, on a patch of its colour, as first column."""
    from PIL import Image, ImageDraw, ImageFont

    side = tile + 2 * BORDER
    font = ImageFont.load_default(size=max(tile // 2, 9))
    small = ImageFont.load_default(size=max(tile // 3, 7))  # for a word
    for row, cluster in enumerate(np.asarray(clusters).tolist()):
        top = GAP + row * (side + GAP)
        if top + side > len(pixels):
            return
        colour = theme.colour(cluster)
        patch = Image.new("RGB", (side, side), colour)
        ink = "white" if theme.is_dark(colour) else "black"
        name, size = cluster_name(cluster), font if cluster >= 0 else small
        ImageDraw.Draw(patch).text((side / 2, side / 2), name, ink, size, anchor="mm")
        pixels[top : top + side, GAP : GAP + side] = np.asarray(patch)

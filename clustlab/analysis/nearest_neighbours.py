"""Nearest neighbours of many items at once, and pairs of items that look nearly alike.

By matrix products in numpy. `tests/bench/layouts.py` on 70,000 images of MNIST in 32 principal
components, seconds of the processor on two cores: 16, with torch 26, with scikit-learn 28, all
exact; with pynndescent 53 at first and 4 later, 99.8 % of the neighbours the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clustlab.parts.inputs.near_one import exponent_of, over_power
from clustlab.types import Array

EXAMINED = 10_000  # items whose neighbours are sought; all items may be neighbours
AT_LEAST = 2000  # of them, however wide the rows are
WORK = 2e10  # multiplications that may be spent, about a second on one core
CHUNK = 64  # queries compared with all items at a time; their distances stay in the cache
BLOCK = 32  # distances of which first only the least is looked at
SIDE = 16  # pixels to which images are shrunk before look-alikes are sought
COMPONENTS = 32  # principal components in which they are sought
FITTED = 5000  # items from which the components are computed
READ = 2000  # items read at a time
FEW = 4  # queries for which nothing is prepared
READ_ROWS = 65_536  # rows compared with one of them at a time
CANDIDATES = 5  # look-alikes checked per item
ALIKE = 10.0  # percentile of the distances to the nearest item, below which two count as alike
FAR = 0.5  # of the distance of two arbitrary items, beyond which nothing counts as alike

Share = Callable[[float], None]
"""Told the share in [0, 1] that is done."""


def _quiet(share: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest items of each item examined."""

    queries: Array  # (m,) int64, rising
    indices: Array  # (m, k) int32, nearest first, never the item itself
    distances: Array  # (m, k) float32


def examined(n: int, width: int = 1) -> Array:
    """Items (m,) int64 to examine, by rising number: all, or a fixed draw if that took too long.

    At most 10,000, and fewer, but at least 2,000, if rows are wide, such as raw pixels.
    """
    limit = min(EXAMINED, max(AT_LEAST, int(WORK / max(n * width, 1))))
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).permutation(n)[:limit])


def k_nearest(
    rows: Array, k: int, queries: Array | None = None, tell: Share = _quiet
) -> Neighbours:
    """Exact Euclidean neighbours of some rows among all rows, without the row itself.

    Distances are products of matrices, a few queries at a time. Of each block of distances only
    the least is compared at first: the k nearest lie in the k blocks with the least minima.
    Rows of any finite size have the neighbours that they have near one.

    Parameters
    ----------
    rows : (n, d) float
        Such as an embedding.
    k : int
        Neighbours per item; at most n - 1 are found.
    queries : (m,) int, optional
        Rows whose neighbours are sought, by default all.
    """
    n = len(rows)
    queries = np.arange(n) if queries is None else np.asarray(queries, dtype=np.int64)
    k = min(k, n - 1)
    if k <= 0 or not len(queries):
        shape = (len(queries), max(k, 0))
        return Neighbours(queries, np.zeros(shape, np.int32), np.zeros(shape, np.float32))
    rows = np.asarray(rows, dtype=np.float32)
    if len(queries) <= FEW:
        return _of_few(rows, k, queries, tell)
    exponent = exponent_of(rows)
    rows = over_power(rows, exponent)  # else squares may overflow, or vanish
    rows = rows - rows.mean(0)  # distances stay, and squares lose less to rounding
    columns, squares = _padded(rows)
    indices = np.empty((len(queries), k), dtype=np.int32)
    distances = np.empty((len(queries), k), dtype=np.float32)
    room = np.empty((CHUNK, len(squares)), dtype=np.float32)
    for start in range(0, len(queries), CHUNK):
        part = queries[start : start + CHUNK]
        table = room[: len(part)]
        np.matmul(-2 * rows[part], columns, out=table)
        table += squares
        table[np.arange(len(part)), part] = np.inf
        near = _least(table, k)
        gap = rows[part][:, None] - rows[near]
        exact = np.sqrt((gap * gap).sum(2))
        order = np.argsort(exact, axis=1, kind="stable")
        indices[start : start + CHUNK] = np.take_along_axis(near, order, axis=1)
        nearest = np.take_along_axis(exact, order, axis=1)
        distances[start : start + CHUNK] = np.ldexp(nearest, exponent)
        tell((start + len(part)) / len(queries))
    return Neighbours(queries, indices, distances)


def _of_few(rows: Array, k: int, queries: Array, tell: Share) -> Neighbours:
    """Neighbours of a few items, one after the other: nothing is prepared for all rows."""
    indices = np.empty((len(queries), k), dtype=np.int32)
    distances = np.empty((len(queries), k), dtype=np.float32)
    squares = np.empty(len(rows), dtype=np.float32)
    exponent = exponent_of(rows)
    for place, query in enumerate(queries):
        own = over_power(rows[query], exponent)
        for start in range(0, len(rows), READ_ROWS):
            gap = over_power(rows[start : start + READ_ROWS], exponent) - own
            squares[start : start + READ_ROWS] = np.einsum("nd,nd->n", gap, gap)
        squares[query] = np.inf
        near = np.sort(np.argpartition(squares, k - 1)[:k])
        order = np.argsort(squares[near], kind="stable")
        indices[place] = near[order]
        distances[place] = np.ldexp(np.sqrt(squares[near[order]]), exponent)
        tell((place + 1) / len(queries))
    return Neighbours(queries, indices, distances)


def _padded(rows: Array) -> tuple[Array, Array]:
    """Rows as columns (d, m), filled up to whole blocks, and their squares, infinite where filled.

    So padding is nobody's neighbour.
    """
    n = len(rows)
    columns = np.zeros((rows.shape[1], -(-n // BLOCK) * BLOCK), dtype=np.float32)
    columns[:, :n] = rows.T
    squares = (columns * columns).sum(0)
    squares[n:] = np.inf
    return columns, squares


def _least(table: Array, k: int) -> Array:
    """Columns (m, k) of the k least values of each row, by rising column."""
    blocks = table.shape[1] // BLOCK
    least = np.minimum.reduce(table.reshape(len(table), BLOCK, blocks), axis=1)
    few = min(k, blocks)
    chosen = np.argpartition(least, few - 1, axis=1)[:, :few]
    columns = (chosen[:, :, None] + np.arange(BLOCK) * blocks).reshape(len(table), -1)
    values = np.take_along_axis(table, columns, axis=1)
    best = np.argpartition(values, k - 1, axis=1)[:, :k]
    return np.sort(np.take_along_axis(columns, best, axis=1), axis=1)


# -- look-alikes -------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Twins:
    """Pairs of items that are nearly the same, closest first."""

    pairs: Array  # (m, 2) int64, the smaller number first
    distances: Array  # (m,) float64, root mean square difference of their values
    examined: int  # items whose look-alikes were sought


def twins(items: Array, tell: Share = _quiet) -> Twins:
    """Pairs of items whose pixels (or coordinates) hardly differ.

    Sought among the nearest in a few principal components of the shrunk images, then compared in
    full. Two are alike if they differ no more than the closest tenth of items from their nearest,
    and at most half as much as two arbitrary items.
    """
    n = len(items)
    if n < 2:
        return Twins(np.zeros((0, 2), np.int64), np.zeros(0), n)
    queries, exponent = examined(n), exponent_of(items)
    near = k_nearest(_features(items, exponent), CANDIDATES, queries, tell)
    k = near.indices.shape[1]
    left, right = np.repeat(near.queries, k), near.indices.ravel().astype(np.int64)
    gaps = _differences(items, left, right, exponent)
    nearest = gaps.reshape(-1, k).min(1)
    order = np.random.default_rng(0).permutation(n)[:FITTED]
    usual = float(np.median(_differences(items, order, np.roll(order, 1), exponent)))
    alike = gaps <= min(float(np.percentile(nearest, ALIKE)), FAR * usual)
    pairs = np.sort(np.stack([left[alike], right[alike]], axis=1), axis=1)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    gaps = gaps[alike][first]
    rank = np.argsort(gaps, kind="stable")
    return Twins(pairs[rank], np.ldexp(gaps[rank], exponent), len(queries))


def _features(items: Array, exponent: int) -> Array:
    """Few numbers (n, <= 32) float32 per item, close for items that look alike, all near one."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(items))[:FITTED])
    sample = _shrunk(items[chosen], exponent)
    mean = sample.mean(0)
    if sample.shape[1] <= COMPONENTS:
        return np.concatenate([_shrunk(part, exponent) - mean for part in _parts(items)])
    centred = sample - mean
    _, axes = np.linalg.eigh(centred.T @ centred)  # by rising variance
    axes = axes[:, -COMPONENTS:]
    return np.concatenate([(_shrunk(part, exponent) - mean) @ axes for part in _parts(items)])


def _parts(items: Array) -> list[Array]:
    return [items[start : start + READ] for start in range(0, len(items), READ)]


def _shrunk(items: Array, exponent: int) -> Array:
    """Items as rows (n, d) float32, images averaged down to at most 16 pixels a side or so.

    Over two to the power of the exponent, as are the values that `_differences` compares.
    """
    if items.ndim == 4:
        n, h, w, channels = items.shape
        factor = max(-(-max(h, w) // SIDE), 1)
        h, w = max(h // factor, 1) * factor, max(w // factor, 1) * factor
        if factor > 1 and h <= items.shape[1] and w <= items.shape[2]:
            cut = items[:, :h, :w].astype(np.float32)
            items = cut.reshape(n, h // factor, factor, w // factor, factor, channels).mean((2, 4))
    rows = np.asarray(items, dtype=np.float32).reshape(len(items), -1)
    return over_power(rows, exponent)


def _differences(items: Array, left: Array, right: Array, exponent: int) -> Array:
    """Root mean square difference (m,) float64 of the values of pairs of items."""
    differences = [np.zeros(0)]
    for start in range(0, len(left), READ):
        chosen = slice(start, start + READ)
        values = (items[side[chosen]].astype(np.float32) for side in (left, right))
        a, b = (over_power(each, exponent).reshape(len(each), -1) for each in values)
        differences.append(np.sqrt(np.square(a - b).mean(1, dtype=np.float64)))
    return np.concatenate(differences)

"""What a map of all items is to the browser: whole numbers, colours and words, no chart.

The map itself is drawn by `clustlab/replay/assets/map.js`, on the pages and on replay pages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from clustlab.types import Array, cluster_name
from clustlab.views import scatter, theme
from clustlab.views.quantised import FULL, levels, shares

BEYOND = 2.0  # sides of the square in sight that places are told of: more is in sight of wide maps
LEVELS = 32  # of a ramp of colours

Square = tuple[float, float, float]  # middle (x, y) and half the side


def places(points: Array, square: Square) -> Array:
    """Points (n, 2) as whole numbers (2, n) uint16, off by at most 1/65535 of the square's side.

    They are told of a square around the same middle, twice as wide.
    """
    x, y, half = square
    reach = half * BEYOND
    points = np.asarray(points)
    return np.stack(
        [levels(points[:, 0], x - reach, x + reach), levels(points[:, 1], y - reach, y + reach)]
    )


# -- colours -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Colours:
    """The colour of each dot as a place in a palette, and what the colours mean."""

    codes: Array  # (n,) uint8, or uint16 for palettes of more than 256 colours
    palette: tuple[str, ...]
    names: tuple[str, ...] = ()  # of the colours; none where they stand for numbers
    counts: tuple[int, ...] = ()  # dots of each
    highest: float = 0.0  # what the last colour stands for, where the first stands for 0


def colours(table: pd.DataFrame, by: str) -> Colours:
    """How dots are coloured by a column; noise and unknown come last.

    Parameters
    ----------
    table : DataFrame
        From `scatter.dots`.
    by : str
        One of `scatter.colourings(table)`.
    """
    if by == "cluster":
        ids, codes = _numbered(table["cluster"].to_numpy())
        palette, names = [theme.colour(i) for i in ids], [cluster_name(i) for i in ids]
    elif by == "class":
        ids, codes = _numbered(table["class_id"].to_numpy())
        palette = [theme.class_colour(i) for i in ids]
        first = np.zeros(len(ids), np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]  # where each occurs first
        names = table["class"].to_numpy()[first].tolist()
    elif by == "correct":
        words = scatter.correctness(table)
        palette, names = list(words.values()), list(words)
        codes = pd.Categorical(table["correct"], categories=names).codes
    else:
        return _ramp(table[by].to_numpy(), 1.0 if by == "confidence" else None)
    counts = np.bincount(codes, minlength=len(palette)).tolist()
    return Colours(_small(codes, len(palette)), tuple(palette), tuple(names), tuple(counts))


def _numbered(values: Array) -> tuple[list[int], Array]:
    """Numbers that occur, negative ones last, and the place of each value among them."""
    if not len(values):
        return [], np.zeros(0, np.int64)
    lowest = int(values.min())
    shifted = values - lowest
    there = np.flatnonzero(np.bincount(shifted)) + lowest
    order = np.concatenate([there[there >= 0], there[there < 0]])
    place = np.zeros(int(there[-1]) - lowest + 1, np.int64)
    place[order - lowest] = np.arange(len(order))
    return order.tolist(), place[shifted]


def _ramp(values: Array, highest: float | None) -> Colours:
    top = float(max(values.max(initial=0), 1)) if highest is None else highest
    share = np.clip(values.astype(np.float32) / top, 0, 1)
    codes = np.round(share * (LEVELS - 1)).astype(np.uint8)
    stops = theme.rgb(theme.RAMP).astype(np.float64)
    at = np.linspace(0, len(stops) - 1, LEVELS)
    mixed = [np.interp(at, np.arange(len(stops)), stops[:, c]).round() for c in range(3)]
    palette = [f"#{int(r):02x}{int(g):02x}{int(b):02x}" for r, g, b in zip(*mixed, strict=True)]
    return Colours(codes, tuple(palette), highest=top)


def _small(codes: Array, n_colours: int) -> Array:
    return codes.astype(np.uint8 if n_colours <= 256 else np.uint16)


# -- what stands at a dot, and over the dots -----------------------------------------------------
@dataclass(frozen=True)
class Column:
    """What is said of each dot under the pointer: words by number, a share, or a count."""

    title: str
    numbers: Array  # (n,) uint16; shares are 0 to 65535
    words: tuple[str, ...] | None = None  # for each number
    is_share: bool = False


def columns(table: pd.DataFrame) -> list[Column]:
    """All that is known of the dots of a table from `scatter.dots`."""
    told = [_words("cluster", colours(table, "cluster"))]
    if "class" in table:
        told.append(_words("true class", colours(table, "class")))
    if "confidence" in table:
        told.append(Column("confidence", shares(table["confidence"].to_numpy()), is_share=True))
    if "changes" in table:
        changes = np.minimum(table["changes"].to_numpy(), FULL)
        told.append(Column("label changes", changes.astype(np.uint16)))
    return told


def _words(title: str, meant: Colours) -> Column:
    return Column(title, meant.codes.astype(np.uint16), meant.names)


def marks(
    table: pd.DataFrame, by: str, centers: Array | None, square: Square
) -> list[dict[str, Any]]:
    """Texts over the dots, each with its `x`, `y` and, but for names of classes, a `colour`."""
    middles = scatter.middles(table, by, centers)
    at, told = places(middles[["x", "y"]].to_numpy(), square), []
    for (x, y), text in zip(at.T, middles["text"], strict=True):
        ring = {} if by == "class" else {"colour": theme.colour(int(text))}
        told.append({"x": int(x), "y": int(y), "text": text, **ring})
    return told


def wakes(trails: pd.DataFrame | None, square: Square) -> list[list[dict[str, int]]]:
    """Lines from `scatter.trails`, one an item, each as places in the order of the steps."""
    if trails is None or not len(trails):
        return []
    ordered = trails.sort_values(["index", "step"], kind="stable")
    told = places(ordered[["x", "y"]].to_numpy(), square)
    starts = np.flatnonzero(np.diff(ordered["index"].to_numpy(), prepend=-1))
    return [
        [{"x": int(x), "y": int(y)} for x, y in line.T]
        for line in np.split(told, starts[1:], axis=1)
    ]


# -- all of it -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Prepared:
    """What of a map stays the same whoever looks at it and whatever is selected."""

    dots: bytes  # from `places`
    codes: bytes
    colours: Colours
    marks: list[dict[str, Any]]
    columns: tuple[tuple[Column, bytes], ...]  # and their numbers as bytes


def prepared(
    table: pd.DataFrame,
    square: Square,
    by: str,
    centers: Array | None = None,
    *,
    with_marks: bool = True,
    told: Sequence[Column] | None = None,
) -> Prepared:
    """All that takes long of a map of a table from `scatter.dots`, coloured by a column.

    `told` is what is said of each dot, by default all that the table knows.
    """
    meant = colours(table, by)
    return Prepared(
        places(table[["x", "y"]].to_numpy(), square).tobytes(),
        meant.codes.tobytes(),
        meant,
        marks(table, by, centers, square) if with_marks else [],
        tuple((column, column.numbers.tobytes()) for column in told or columns(table)),
    )


# -- what was chosen -----------------------------------------------------------------------------
def within(told: Array, area: Mapping[str, Any]) -> Array:
    """Dots (m,) int64 that lie in an area as map.js tells it.

    Parameters
    ----------
    told : (2, n) uint16
        From `places`.
    area : mapping
        `corners` of the area, (x, y) each; `rim`, two opposite corners of what the map shows:
        dots beyond it are drawn at it.
    """
    least, most = np.asarray(area["rim"], dtype=np.float64).reshape(2, 2)
    x, y = np.clip(told.astype(np.float64), least[:, None], most[:, None])
    corners = np.asarray(area["corners"], dtype=np.float64).reshape(-1, 2)
    return np.flatnonzero(inside(x, y, corners))


def inside(x: Array, y: Array, corners: Array) -> Array:
    """Whether dots (n,) lie inside a polygon of corners (m, 2), by the even-odd rule; (n,) bool."""
    is_in = np.zeros(len(x), dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay == by:
            continue
        crosses = (y < ay) != (y < by)
        is_in ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return is_in

"""Colours and words shared by every chart and sheet, so that cluster 3 looks the same everywhere.

Without the chart library, which a page without charts need not import. Colours stand out
on white and on near-black, because the theme of the page is not known where a chart is made.
"""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from clustlab.types import Array

MAX_POINTS = 2000  # marks in one chart; more cost seconds in the browser

# Ten colours found by a search for the greatest least difference (OKLab), as seen normally and
# with protanopia, deuteranopia and tritanopia, among those that stand out on white and on #0e1117.
TEN = (
    "#0196f4",
    "#be8322",
    "#1f8077",
    "#bd1806",
    "#901fa4",
    "#4fd1fe",
    "#fe8ca1",
    "#c0cc1e",
    "#650cfe",
    "#ed3dba",
)
# The same ten, dark ones lightened and light ones darkened.
NEXT_TEN = (
    "#01578e",
    "#6e4c14",
    "#8bbdb8",
    "#dd877e",
    "#c58bd0",
    "#2e7993",
    "#93515d",
    "#6f7611",
    "#af81fe",
    "#89236c",
)
# For true classes, so that nobody takes a class for the cluster of the same number.
CLASSES = (
    "#8c6d5a",
    "#5f8fb0",
    "#c9a227",
    "#6b8e4e",
    "#b0627d",
    "#7a74b8",
    "#d08a5b",
    "#4a9d94",
    "#9aa34a",
    "#a58bb5",
)

RIGHT, WRONG, UNKNOWN = "#2f81d6", "#ee7f1b", "#767d8a"
GREY = "#767d8a"  # lines and text: contrast above 4 on white and on near-black
FAINT = "#767d8a55"
ACCENT = "#e0245e"  # the present step, the active box
RAMP = ("#c3d7f2", "#8fb6e6", "#5b93d6", "#3572bd", "#1f549b")  # one hue, few to many
GROUND = 128  # mid-grey behind images, on every theme


@cache
def _glasbey() -> tuple[str, ...]:
    from colorcet import b_glasbey_bw_minc_20_minl_30

    return tuple(b_glasbey_bw_minc_20_minl_30)


def colour(cluster: int) -> str:
    """Hex colour of a stable cluster id; grey for noise (-1)."""
    if cluster < 0:
        return GREY
    if cluster < 10:
        return TEN[cluster]
    if cluster < 20:
        return NEXT_TEN[cluster - 10]
    many = _glasbey()
    return many[(cluster - 20) % len(many)]


def class_colour(number: int) -> str:
    """Hex colour of a true class, from another set than those of the clusters."""
    if number < 0:
        return GREY
    many = CLASSES if number < len(CLASSES) else _glasbey()
    return many[number % len(many)]


def rgb(colours: Sequence[str]) -> Array:
    """Colours (m, 3) uint8 from hex strings."""
    rows = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours]
    return np.array(rows, dtype=np.uint8).reshape(-1, 3)


def is_dark(colour: str) -> bool:
    """Whether white letters are easier to read on a colour than black ones."""
    r, g, b = (int(c) for c in rgb([colour])[0])
    return 0.299 * r + 0.587 * g + 0.114 * b < 140


def ink(colour: str) -> str:
    """Black or white, whichever stands out more on a colour: always by 4.5 to 1 or more."""
    parts = rgb([colour])[0] / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])  # as WCAG 2 defines it
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def thin(n: int, keep: Sequence[int] | Array = (), limit: int | None = None) -> Array:
    """Sorted item numbers (<= limit) out of 0..n-1, drawn by a fixed seed, with `keep` among them.

    By default at most `MAX_POINTS`. The draw depends on n alone, so the same items are shown at
    every step. If more than `limit` items must be kept, the first of them are.
    """
    limit = MAX_POINTS if limit is None else limit
    if n <= limit:
        return np.arange(n)
    kept = np.unique(np.asarray(keep, dtype=np.int64))[:limit]
    draw = np.random.default_rng(0).permutation(n)
    rest = draw[~np.isin(draw, kept)][: limit - len(kept)]
    return np.sort(np.concatenate([kept, rest]))


def shown(drawn: int, total: int, what: str = "") -> str:
    """Words for a thinned chart, such as `5,000 of 10,000 shown`; empty if nothing is left out."""
    return "" if drawn >= total else f"{drawn:,} of {total:,} {what} shown".replace("  ", " ")


def names(count: int, class_names: Sequence[str] = ()) -> list[str]:
    """Name of each class: the given ones, then their numbers."""
    return [class_names[i] if i < len(class_names) else str(i) for i in range(count)]


def reading(view: Callable[..., Any]) -> str:
    """How to read a chart: the paragraph of the view's docstring that starts with `Reading:`."""
    for paragraph in inspect.cleandoc(view.__doc__ or "").split("\n\n"):
        if paragraph.startswith("Reading:"):
            return " ".join(paragraph.removeprefix("Reading:").split())
    return ""

"""Parts of a lesson's figure, which the page Learn draws."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from clustlab.types import Array


@dataclass(frozen=True, slots=True)
class Chart:
    """An Altair chart, and what it shows in words for those who cannot see it."""

    chart: Any
    alt: str
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """A table of numbers. A click on one shows how it came about."""

    table: pd.DataFrame
    arithmetic: Callable[[int, str], str]  # row, column -> Markdown, formulas between $
    label: str
    digits: int = 3
    start: tuple[int, str] | None = None  # number explained before any click


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels (h, w, 3) uint8 and what they show in words."""

    pixels: Array
    alt: str
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A line from a point of a plane to a place, the broader the greater the share; words there."""

    point: int  # number of the point
    x: float
    y: float
    colour: str
    share: float  # in [0, 1]
    words: str


@dataclass(frozen=True, slots=True)
class Plane:
    """Points of a `Places` control to be dragged, over marks that follow from them."""

    control: str
    colours: tuple[str, ...]  # one a point
    alt: str
    crosses: tuple[tuple[float, float, str], ...] = ()  # x, y, colour: centers
    extent: tuple[float, float, float, float] = (-4.0, 4.0, -3.0, 3.0)  # x low, high, y low, high
    ground: Array | None = None  # (h, w, 3 or 4) uint8 picture behind, its top row at the top
    links: tuple[Link, ...] = ()
    numbered: bool = False  # whether each point shows its number, from 1


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence computed from the figure, in Markdown."""

    text: str


Element = Chart | Numbers | Picture | Plane | Words

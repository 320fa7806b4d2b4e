"""Points in the plane with a known shape, drawn anew for every seed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from clustlab.params import param, standardise, unbalance
from clustlab.types import Array, Dataset, Report

Groups = list[Array]  # one (m, 2) float64 array per true group, about one unit wide

TRIANGLE = np.array([(-0.9, -0.5), (0.9, -0.5), (0.0, 1.0)])
CLOSE = 0.7 * TRIANGLE  # so near that k-means cuts into the widest or largest of unequal groups
SHEAR = np.array([[0.6, -0.6], [-0.4, 0.8]])  # turns discs into parallel ellipses, about 6 : 1


@dataclass(frozen=True)
class Toy:
    """Points in the plane, in a shape whose groups you can see at a glance.

    Nothing is hidden by a projection here: what a method does is what you see. Blobs suit every
    method. Moons, circles and spirals have groups that no centre can stand for. The unequal shapes
    test the habit of many methods of making groups of similar size, and uniform noise has no groups
    at all: whatever a method reports there, it made up.
    """

    name: ClassVar[str] = "toy"
    title: ClassVar[str] = "Toy points"
    kind: ClassVar[str] = "points"
    licence: ClassVar[str] = "none needed, drawn on the spot"
    source: ClassVar[str] = "drawn by clustlab from the seed"
    offline: ClassVar[bool] = True

    shape: Literal[
        "blobs",
        "moons",
        "circles",
        "anisotropic",
        "unequal-variance",
        "unequal-sizes",
        "uniform-noise",
        "spirals",
    ] = param("blobs", help="How the points lie. Each shape is hard in its own way.")
    n: int = param(1_000, low=10, high=200_000, log=True, help="How many points to draw.")
    noise: float = param(
        0.1,
        low=0.0,
        high=1.0,
        help="How far points stray from the ideal shape: 0.1 keeps groups apart, 0.3 lets most "
        "of them touch. Uniform noise ignores it.",
    )
    standardise: bool = standardise()
    unbalance: float | tuple[float, ...] = unbalance()

    def is_ready(self) -> bool:
        """True: the points are drawn on the spot."""
        return True

    def load(self, seed: int, report: Report) -> Dataset:
        """Points (n, 2) float32 and their groups, in mixed order; noise has no groups."""
        report("Drawing points", 0.0)
        rng = np.random.default_rng(seed)
        groups, names = SHAPES[self.shape](self.n, self.noise, rng)
        points = np.concatenate(groups).astype(np.float32)
        labels = np.repeat(np.arange(len(groups), dtype=np.int32), [len(g) for g in groups])
        order = rng.permutation(self.n)
        report("Drawing points", 1.0)
        return Dataset(
            self.name,
            points[order],
            labels[order] if names else None,
            names,
            f"{self.shape}, {self.n:,} points, noise {self.noise:g}, drawn with seed {seed}",
        )


def blobs(n: int, noise: float, rng: np.random.Generator) -> tuple[Groups, tuple[str, ...]]:
    """Five round groups of equal size at the corners of a pentagon."""
    turns = np.linspace(0, math.tau, 5, endpoint=False)
    centers = np.stack([np.sin(turns), np.cos(turns)], 1)
    return _clouds(centers, [noise] * 5, even_sizes(n, 5), rng), _numbered("blob", 5)


def moons(n: int, noise: float, rng: np.random.Generator) -> tuple[Groups, tuple[str, ...]]:
    """Two half circles that reach into each other; no straight line parts them."""
    upper, lower = (rng.uniform(0, math.pi, m) for m in even_sizes(n, 2))
    arcs = [
        np.stack([np.cos(upper), np.sin(upper)], 1),
        np.stack([1 - np.cos(lower), 0.5 - np.sin(lower)], 1),
    ]
    return _blurred(arcs, noise, rng), ("upper moon", "lower moon")


def circles(n: int, noise: float, rng: np.random.Generator) -> tuple[Groups, tuple[str, ...]]:
    """A ring inside a ring, with one common centre."""
    rings = []
    for radius, m in zip((1.0, 0.4), even_sizes(n, 2), strict=True):
        turns = rng.uniform(0, math.tau, m)
        rings.append(radius * np.stack([np.cos(turns), np.sin(turns)], 1))
    return _blurred(rings, noise, rng), ("outer ring", "inner ring")


def anisotropic(n: int, noise: float, rng: np.random.Generator) -> tuple[Groups, tuple[str, ...]]:
    """Three long, slanted, parallel groups: round discs after a shear."""
    groups = _clouds(TRIANGLE, [2 * noise] * 3, even_sizes(n, 3), rng)
    return [group @ SHEAR for group in groups], _numbered("ellipse", 3)


def unequal_variance(
    n: int, noise: float, rng: np.random.Generator
) -> tuple[Groups, tuple[str, ...]]:
    """Three round groups of equal size, one tight, one medium, one eight times as wide."""
    groups = _clouds(CLOSE, [noise / 2, noise, 4 * noise], even_sizes(n, 3), rng)
    return groups, ("tight", "medium", "wide")


def unequal_sizes(n: int, noise: float, rng: np.random.Generator) -> tuple[Groups, tuple[str, ...]]:
    """Three round groups of equal width that hold about 90, 7 and 3 percent of the points."""
    small, medium = max(1, round(0.03 * n)), max(1, round(0.07 * n))
    sizes = [n - medium - small, medium, small]
    return _clouds(CLOSE, [2.5 * noise] * 3, sizes, rng), ("large", "medium", "small")


def uniform_noise(n: int, noise: float, rng: np.random.Generator) -> tuple[Groups, tuple[str, ...]]:
    """Points spread evenly over a square, without groups and therefore without names."""
    return [rng.uniform(-1, 1, (n, 2))], ()


def spirals(n: int, noise: float, rng: np.random.Generator) -> tuple[Groups, tuple[str, ...]]:
    """Two arms that wind around each other one and a quarter times."""
    arms = []
    for start, m in zip((0.0, math.pi), even_sizes(n, 2), strict=True):
        along = np.sqrt(rng.uniform(0.02, 1, m))  # the root keeps the density even outwards
        turns = start + 1.25 * math.tau * along
        arms.append(along[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1))
    return _blurred(arms, 0.4 * noise, rng), _numbered("arm", 2)


SHAPES: dict[str, Callable[[int, float, np.random.Generator], tuple[Groups, tuple[str, ...]]]] = {
    "blobs": blobs,
    "moons": moons,
    "circles": circles,
    "anisotropic": anisotropic,
    "unequal-variance": unequal_variance,
    "unequal-sizes": unequal_sizes,
    "uniform-noise": uniform_noise,
    "spirals": spirals,
}


def even_sizes(n: int, groups: int) -> list[int]:
    """Sizes that sum to n and differ by one at most, larger ones first."""
    return [n // groups + (i < n % groups) for i in range(groups)]


def _clouds(
    centers: Array,
    widths: Sequence[float],
    sizes: Sequence[int],
    rng: np.random.Generator,
) -> Groups:
    return [
        center + rng.normal(0, width, (size, 2))
        for center, width, size in zip(centers, widths, sizes, strict=True)
    ]


def _blurred(groups: Groups, width: float, rng: np.random.Generator) -> Groups:
    return [group + rng.normal(0, width, group.shape) for group in groups]


def _numbered(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word} {i + 1}" for i in range(count))

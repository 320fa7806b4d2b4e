"""Two round groups of points; say here what your items are."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clustlab.params import param, standardise
from clustlab.types import Dataset, Report

CENTERS = np.array([(-1.0, 0.0), (1.0, 0.0)])


@dataclass(frozen=True)
class SkeletonClass:
    """Two round groups of points in the plane, drawn anew for every seed.

    This text stands on the page Data sets. Say what the items are, how many there are, who made
    them, and what makes them easy or hard to divide.
    """

    name: ClassVar[str] = "skeleton-name"
    title: ClassVar[str] = "Skeleton title"
    kind: ClassVar[str] = "points"  # or "images", then items are (n, h, w, c) uint8
    licence: ClassVar[str] = "none needed, drawn on the spot"
    source: ClassVar[str] = "drawn by clustlab from the seed"
    offline: ClassVar[bool] = True  # False if it has to be downloaded first

    n_samples: int = param(1_000, low=10, high=200_000, log=True, help="How many points to draw.")
    standardise: bool = standardise()  # done by clustlab; every data set of points has it

    def is_ready(self) -> bool:
        """True: the points are drawn on the spot. Else whether its files are on this machine."""
        return True

    def load(self, seed: int, report: Report) -> Dataset:
        """Points (n, 2) float32 and their groups (n,) int32; the same seed gives the same bytes."""
        report("Drawing points", 0.0)  # words and a share in [0, 1]; raises if it was stopped
        rng = np.random.default_rng(seed)
        groups = np.arange(self.n_samples) % len(CENTERS)
        points = CENTERS[groups] + rng.normal(0, 0.3, (self.n_samples, 2))
        report("Drawing points", 1.0)
        return Dataset(
            self.name,
            points.astype(np.float32),
            groups.astype(np.int32),  # for readers only: methods never see them
            ("left", "right"),
            f"{self.n_samples:,} points, seed {seed}",  # what was drawn of what
        )

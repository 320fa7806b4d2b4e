"""Two parallel lines of points."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clustlab.params import param, standardise
from clustlab.types import Dataset


@dataclass(frozen=True)
class TwoLines:
    """Points on two parallel lines, drawn anew for every seed.

    The lines are longer than they are far apart, so means lie badly on them.
    """

    name: ClassVar[str] = "two-lines"
    title: ClassVar[str] = "Two lines"
    kind: ClassVar[str] = "points"
    licence: ClassVar[str] = "none needed"
    source: ClassVar[str] = "drawn from the seed"
    offline: ClassVar[bool] = True

    n_samples: int = param(200, low=10, high=10_000, help="How many points are drawn.")
    standardise: bool = standardise()

    def is_ready(self):
        return True

    def load(self, seed, report):
        report("Drawing lines", 0.0)
        side = np.arange(self.n_samples) % 2
        along = np.random.default_rng(seed).uniform(-2, 2, self.n_samples)
        items = np.stack([along, side], 1).astype(np.float32)
        protocol = f"{self.n_samples:,} points, seed {seed}"
        return Dataset(self.name, items, side.astype(np.int32), ("below", "above"), protocol)

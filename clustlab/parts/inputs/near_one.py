"""Numbers of any size brought near one, so that their squares neither overflow nor vanish.

They are divided by a power of two, which rounds nothing.
"""

import math

import numpy as np

from clustlab.types import Array


def exponent_of(numbers: Array) -> int:
    """Exponent of the least power of two above all of some finite numbers; 0 of whole numbers."""
    if numbers.dtype.kind != "f":
        return 0
    largest = max(float(numbers.max(initial=0)), -float(numbers.min(initial=0)))  # makes no copy
    return math.frexp(largest)[1]


def over_power(numbers: Array, exponent: int) -> Array:
    """Numbers over two to the power of an exponent; themselves if that is 1."""
    return np.ldexp(numbers, -exponent) if exponent else numbers


def brought_near_one(numbers: Array) -> tuple[Array, int]:
    """Numbers over a power of two, so that the largest is near 1; and the exponent of that."""
    exponent = exponent_of(numbers)
    return over_power(numbers, exponent), exponent

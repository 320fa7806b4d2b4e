"""Shares and scores as text. What is not all is never written as all, nor a little as nothing."""

import math

import numpy as np

from clustlab.types import Array

EXACT = 1e-9  # closer than this to nothing or all is that, but for errors of rounding


def percent(share: float, decimals: int = 1) -> str:
    """A share in [0, 1] in percent, such as "80%" or "12.5%"; a dash for nan.

    With one decimal, 0.9999 is ">99.9%" and 0.0001 is "<0.1%".
    """
    if math.isnan(share):
        return "–"
    unit, written = 10**-decimals, f"{100 * share:.{decimals}f}"
    if share > EXACT and float(written) == 0:
        return f"<{unit:.{decimals}f}%"
    if share < 1 - EXACT and float(written) == 100:
        return f">{100 - unit:.{decimals}f}%"
    return f"{written.rstrip('0').rstrip('.') if decimals else written}%"


def figure(value: float, decimals: int = 3, high: float = 1.0) -> str:
    """A number of at most `high`, such as a share or a score, as "0.812"; a dash for nan.

    With three decimals, 0.9999 is ">0.999", 0.0001 is "<0.001", and nothing is "-0.000".
    """
    if math.isnan(value):
        return "–"
    unit, written = 10**-decimals, f"{value if abs(value) > EXACT else 0.0:.{decimals}f}"
    if value < high - EXACT and float(written) == high:
        return f">{high - unit:.{decimals}f}"
    if abs(value) > EXACT and float(written) == 0:
        return f"<{unit:.{decimals}f}" if value > 0 else f">-{unit:.{decimals}f}"
    return written


def signed(value: float) -> str:
    """A difference of two shares or scores with its sign, such as "+0.012"; nothing is "0.000"."""
    text = figure(value)
    return f"+{text}" if text[0].isdigit() and text.strip("0.") else text


def rounded(values: Array, decimals: int = 3) -> Array:
    """Shares (n,) rounded for a table; what lies between 0 and 1 is never rounded to either."""
    unit = 10**-decimals
    inside = (values > EXACT) & (values < 1 - EXACT)
    near = np.round(np.asarray(values, dtype=np.float64), decimals)
    return np.where(inside, np.clip(near, unit, 1 - unit), near)


def in_table(value: float | None) -> float | None:
    """A share for a column of three decimals, rounded like `rounded`; None where there is none."""
    return None if value is None else float(rounded(np.array(value, dtype=np.float64)))

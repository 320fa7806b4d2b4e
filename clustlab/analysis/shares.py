"""Shares in words. What is not all is never written as all, and what is not nothing as nothing."""

import math

EXACT = 1e-9  # closer than this to nothing or all is that, but for errors of rounding


def percent(share: float, decimals: int = 1) -> str:
    """A share in [0, 1] in percent, such as "80%" or "12.5%"; a dash for nan.

    With one decimal, 0.9999 is ">99.9%" and 0.0001 is "<0.1%".
    """
    if math.isnan(share):
        return "–"
    unit = 10**-decimals
    if EXACT < share < 0.005 * unit:
        return f"<{unit:.{decimals}f}%"
    if 1 - 0.005 * unit <= share < 1 - EXACT:
        return f">{100 - unit:.{decimals}f}%"
    written = f"{100 * share:.{decimals}f}"
    return f"{written.rstrip('0').rstrip('.') if decimals else written}%"

"""Values that a setting may sensibly be varied over, around the one that it has."""

import math
from collections.abc import Iterable
from typing import Any

from clustlab.params import Param

TIMES = {"int": (0.25, 0.5, 2.0, 4.0), "float": (0.1, 0.3, 3.0, 10.0)}
"""Multiples of a number whose range spans orders of magnitude."""
STEPS = (-2, -1, 1, 2)  # of a fifth of a whole number, of a half of any other
PARTS = (0.0, 0.25, 0.5, 1.0)  # of the range of a number that is nothing


def proposed(p: Param, current: Any) -> str:
    """Values around the current one, as they may be typed; it is among them."""
    if p.kind == "bool":
        return "off,on"
    if p.kind == "choice":
        return ",".join(p.choices)
    if current is None:
        middle = math.sqrt(max(p.low or 1, 1e-9) * (p.high or 100))
        near = _numbers(p, (_rounded(middle * times) for times in (0.25, 1.0, 4.0)))
        return ",".join([p.none_word, *near])
    return ",".join(_numbers(p, _around(p, current), current))


def _around(p: Param, current: float) -> Iterable[float]:
    if p.log and current > 0:
        multiples = [current * times for times in TIMES[p.kind]]
        return multiples if p.kind == "int" else map(_rounded, multiples)
    if p.kind == "int":
        step = max(1, round(abs(current) / 5))
        return [current + step * n for n in STEPS]
    if current == 0 and p.high is not None:
        return [p.high * part for part in PARTS]
    return [current + abs(current) / 2 * n for n in STEPS]


def _rounded(value: float) -> float:
    """Two significant digits, which nobody needs more of."""
    return float(f"{value:.2g}")


def _numbers(p: Param, values: Iterable[float], current: float | None = None) -> list[str]:
    """Those within the bounds of a setting, rising and each once, as they may be typed."""
    low = -math.inf if p.low is None else p.low
    high = math.inf if p.high is None else p.high
    known = {} if current is None else {current: str(current)}
    whole = p.kind == "int"
    for value in values:
        number = round(value) if whole else float(f"{value:.6g}")
        if low <= number <= high:
            known.setdefault(number, str(number))
    return [known[number] for number in sorted(known)]

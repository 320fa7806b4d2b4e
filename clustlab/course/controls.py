"""Controls of a lesson: what their values are, and how these stand in the URL."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clustlab.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Slider:
    """A number in a range."""

    name: str
    label: str
    low: float
    high: float
    value: float
    step: float = 1.0

    def read(self, text: str) -> float:
        """Value from the URL; raises ParameterError if it is none."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not self.low <= value <= self.high or (self.is_whole and not value.is_integer()):
            kind = "whole number" if self.is_whole else "number"
            raise _refusal(self, text, f"a {kind} from {self.low:g} to {self.high:g}")
        return value

    @property
    def is_whole(self) -> bool:
        """Whether it takes whole numbers only."""
        return all(float(x).is_integer() for x in (self.low, self.high, self.step))

    def write(self, value: float) -> str:
        """Value as it stands in the URL."""
        return f"{value:g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    name: str
    label: str
    options: tuple[str, ...]
    value: str

    def read(self, text: str) -> str:
        """Value from the URL; raises ParameterError if it is none."""
        if text not in self.options:
            raise _refusal(self, text, f"one of: {', '.join(self.options)}")
        return text

    def write(self, value: str) -> str:
        """Value as it stands in the URL."""
        return value


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    name: str
    label: str
    value: bool

    def read(self, text: str) -> bool:
        """Value from the URL; raises ParameterError if it is none."""
        if text not in ("on", "off"):
            raise _refusal(self, text, "on or off")
        return text == "on"

    def write(self, value: bool) -> str:
        """Value as it stands in the URL."""
        return "on" if value else "off"


@dataclass(frozen=True, slots=True)
class Places:
    """Points in the plane that can be dragged, as ((x, y), ...)."""

    name: str
    label: str
    value: tuple[tuple[float, float], ...]

    def read(self, text: str) -> tuple[tuple[float, float], ...]:
        """Value from the URL; raises ParameterError if it is none."""
        try:
            pairs = [tuple(map(float, pair.split(","))) for pair in text.split(";")]
        except ValueError:
            pairs = []
        if [len(pair) for pair in pairs] != [2] * len(self.value) or not _are_finite(pairs):
            raise _refusal(self, text, f"{len(self.value)} pairs such as 0.5,1;2,3")
        return tuple((x, y) for x, y in pairs)

    def write(self, value: Sequence[Sequence[float]]) -> str:
        """Value as it stands in the URL."""
        return ";".join(f"{x:.3g},{y:.3g}" for x, y in value)


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table of numbers that can be edited."""

    name: str
    label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    value: tuple[tuple[float, ...], ...]

    def read(self, text: str) -> tuple[tuple[float, ...], ...]:
        """Value from the URL; raises ParameterError if it is none."""
        try:
            rows = tuple(tuple(map(float, row.split(","))) for row in text.split(";"))
        except ValueError:
            rows = ()
        shape = (len(self.rows), len(self.columns))
        if [len(row) for row in rows] != [shape[1]] * shape[0] or not _are_finite(rows):
            raise _refusal(self, text, f"{shape[0]} rows of {shape[1]} numbers such as 1,0;0,1")
        return rows

    def write(self, value: Sequence[Sequence[float]]) -> str:
        """Value as it stands in the URL."""
        return ";".join(",".join(f"{x:g}" for x in row) for row in value)


Control = Slider | Choice | Switch | Places | Grid
Values = Mapping[str, Any]


def _are_finite(rows: Iterable[Iterable[float]]) -> bool:
    return all(math.isfinite(number) for row in rows for number in row)


def _refusal(control: Control, text: str, wanted: str) -> ParameterError:
    return ParameterError(f"{control.name} is {text!r} in the address.", f"Use {wanted}.")

"""What a lesson is made of: text, formula, controls, a figure computed live, and a prediction.

A lesson is one file in `clustlab/lessons/` with a `LESSON`. It knows nothing of Streamlit: it says
which controls it has and computes a figure from their values, and the page Learn draws both.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

import pandas as pd

from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.runs.store import Run, RunSpec
from clustlab.types import Array, Dataset


# -- controls ------------------------------------------------------------------------------------
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
            raise _bad(self, text, f"a {kind} from {self.low:g} to {self.high:g}")
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
            raise _bad(self, text, f"one of: {', '.join(self.options)}")
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
            raise _bad(self, text, "on or off")
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
        if len(pairs) != len(self.value) or any(len(pair) != 2 for pair in pairs):
            raise _bad(self, text, f"{len(self.value)} pairs such as 0.5,1;2,3")
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
            found = tuple(tuple(map(float, row.split(","))) for row in text.split(";"))
        except ValueError:
            found = ()
        shape = (len(self.rows), len(self.columns))
        if len(found) != shape[0] or any(len(row) != shape[1] for row in found):
            raise _bad(self, text, f"{shape[0]} rows of {shape[1]} numbers such as 1,0;0,1")
        return found

    def write(self, value: Sequence[Sequence[float]]) -> str:
        """Value as it stands in the URL."""
        return ";".join(",".join(f"{x:g}" for x in row) for row in value)


Control = Slider | Choice | Switch | Places | Grid
Values = Mapping[str, Any]


def _bad(control: Control, text: str, wanted: str) -> ParameterError:
    return ParameterError(f"{control.name} is {text!r} in the address.", f"Use {wanted}.")


# -- parts of a figure -----------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Chart:
    """An Altair chart, and what it shows in words for those who cannot see it."""

    chart: Any
    alt: str
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """A table of numbers. A click on one shows how it came about."""

    table: pd.DataFrame
    arithmetic: Callable[[int, str], str]  # row, column -> Markdown, formulas between $
    label: str
    digits: int = 3
    start: tuple[int, str] | None = None  # number explained before any click


@dataclass(frozen=True, slots=True)
class Picture:
    """Pixels (h, w, 3) uint8 and what they show in words."""

    pixels: Array
    alt: str
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Plane:
    """Points of a `Places` control to be dragged, over marks that follow from them."""

    control: str
    colours: tuple[str, ...]  # one a point
    alt: str
    crosses: tuple[tuple[float, float, str], ...] = ()  # x, y, colour: centers
    extent: tuple[float, float, float, float] = (-4.0, 4.0, -3.0, 3.0)  # x low, high, y low, high
    ground: Array | None = None  # (h, w, 3 or 4) uint8 picture behind, its top row at the top


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence computed from the figure, in Markdown."""

    text: str


Element = Chart | Numbers | Picture | Plane | Words


# -- lessons -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Material:
    """A run of this machine that a figure draws on."""

    run: Run
    dataset: Dataset
    timeline: Timeline


Figure = Callable[[Values, Sequence[Material]], Sequence[Element]]


@dataclass(frozen=True, slots=True)
class Try:
    """Something to try, with a prediction before it happens."""

    text: str  # what will be done, and the question
    options: tuple[str, ...]
    sets: Values  # controls that are set once the prediction is made
    outcome: Callable[[Values, Sequence[Material]], tuple[int, str]]
    """From the values that were set: number of the option that came true, computed, and why."""


@dataclass(frozen=True, slots=True)
class LessonStep:
    """One screen of a lesson."""

    title: str
    text: str  # two or three sentences
    formula: str  # KaTeX
    symbols: Mapping[str, str]  # KaTeX -> meaning
    figure: Figure
    try_it: Try
    controls: tuple[Control, ...] = ()
    needs: Callable[[Values], Sequence[RunSpec]] | None = None  # runs that the figure draws on
    explains: tuple[str, ...] = ()  # parameters, such as `dec.alpha`
    alarms: tuple[str, ...] = ()  # names of alarms that it is about


@dataclass(frozen=True, slots=True)
class Lesson:
    """A short course on one idea."""

    number: int
    name: str  # in the URL
    title: str
    idea: str  # one sentence
    steps: tuple[LessonStep, ...]
    methods: tuple[str, ...] = ()  # that it is about, the main one first
    terms: Mapping[str, str] = field(default_factory=dict)  # glossary: term -> definition


@cache
def lessons() -> Mapping[str, Lesson]:
    """Every lesson by name, in the order of their numbers."""
    package = importlib.import_module("clustlab.lessons")
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    modules = [importlib.import_module(f"clustlab.lessons.{name}") for name in names]
    found = [module.LESSON for module in modules if hasattr(module, "LESSON")]
    return MappingProxyType({x.name: x for x in sorted(found, key=lambda x: x.number)})


def lesson(name: str) -> Lesson:
    """Lesson of this name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those there are.
    """
    known = lessons()
    if name not in known:
        raise ParameterError(
            f"There is no lesson {name!r}.", f"Choose one of: {', '.join(known) or 'none yet'}."
        )
    return known[name]


@cache
def explained() -> Mapping[str, tuple[str, int]]:
    """Lesson and step (from 1) that explain a parameter (`dec.alpha`) or an alarm (`collapse`)."""
    return MappingProxyType(
        {
            topic: (found.name, number)
            for found in reversed(list(lessons().values()))  # the first lesson has the last word
            for number, step in reversed(list(enumerate(found.steps, 1)))
            for topic in (*step.explains, *step.alarms)
        }
    )


def about_method(name: str) -> tuple[str, int] | None:
    """Lesson and step at which a method begins to be explained; None if there is none."""
    main = [x for x in lessons().values() if x.methods[:1] == (name,)]
    found = main or [x for x in lessons().values() if name in x.methods]
    return (found[0].name, 1) if found else None


def about_parameter(method: str, parameter: str) -> tuple[str, int] | None:
    """Lesson and step that explain a parameter, else those that explain its method."""
    return explained().get(f"{method}.{parameter}") or about_method(method)


@cache
def glossary() -> Mapping[str, tuple[str, str]]:
    """Definition of each term and the lesson it comes from, in alphabetical order."""
    found = {
        term: (meaning, one.name)
        for one in reversed(list(lessons().values()))
        for term, meaning in one.terms.items()
    }
    return MappingProxyType(dict(sorted(found.items(), key=lambda pair: pair[0].lower())))

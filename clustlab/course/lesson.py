"""What a lesson is made of: text, formula, controls, a figure computed live, and a prediction.

A lesson is one file in `clustlab/lessons/` with a `LESSON`. It knows nothing of Streamlit: it says
which controls it has and computes a figure from their values, and the page Learn draws both.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from clustlab.analysis.alarms import AlarmKind
from clustlab.analysis.timeline import Timeline
from clustlab.course.controls import Control, Values
from clustlab.course.figure import Element
from clustlab.runs.store import Run, RunSpec
from clustlab.types import Dataset


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
    alarms: tuple[AlarmKind, ...] = ()  # that it is about


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

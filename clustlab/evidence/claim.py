"""What a claim is made of: its text and source, the figures claimed, the runs, and the rule.

A claim is one file in `clustlab/claims/` with a `CLAIM`. Nothing in it is run when it is imported,
and no verdict stands in it: that is what the rule makes of the figures that were measured.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from clustlab.evidence.rules import Rule
from clustlab.runs.spec import RunSpec
from clustlab.runs.store import Run, RunStore
from clustlab.studies.description import Base, Cell, Study
from clustlab.types import Dataset

Scale = Literal["small", "full"]
SCALES: tuple[Scale, ...] = ("small", "full")
SEEDS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a claim was read, and what it says it of."""

    document: str  # where it was read, such as "a student report on DEC and IIC"
    paper: str  # authors, year and title of what it is about


@dataclass(frozen=True, slots=True)
class Series:
    """A figure that is measured once with each seed."""

    key: str
    title: str  # on the axis of a chart
    claimed: float | None = None  # the figure that the source prints, if it prints one


@dataclass(frozen=True, slots=True)
class Arm:
    """Runs of one kind, one for each seed."""

    key: str
    base: Base
    after: str = ""  # key of the arm whose run of the same seed it goes on from

    def spec(self, seed: int, continues: str | None = None) -> RunSpec:
        """The run with a seed.

        Raises
        ------
        ParameterError
            If a name or value is not known.
        """
        spec = Study("claim", self.base, ()).spec(Cell(()), seed)
        return replace(spec, continues=continues)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a claim is tried at one scale."""

    arms: tuple[Arm, ...]  # one that goes on from another comes after it
    differs: str  # in what it differs from the source, in whole sentences
    seeds: tuple[int, ...] = SEEDS

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets that it needs."""
        return tuple(dict.fromkeys(arm.base.dataset for arm in self.arms))


@dataclass(frozen=True, slots=True)
class Done:
    """A run that is done, and the folder of runs that it lies in."""

    store: RunStore
    run: Run

    @property
    def dataset(self) -> Dataset:
        """Its items and labels."""
        return self.store.dataset(self.run)


Measure = Callable[[Mapping[str, Done]], Mapping[str, float]]
"""From the runs of one seed, by arm, to a figure for each series."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something that is asked of the same runs besides, with its own rule."""

    text: str
    rule: Rule


# -- how figures are drawn -----------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Dots:
    """Series side by side, a dot for each seed."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Dots, and a line for each seed through some series in their order."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table as it was printed, and ours beside it, once for each seed."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    printed: tuple[tuple[float, ...], ...]
    row_title: str = ""

    def key(self, row: int, column: int) -> str:
        """Key of the series of a cell."""
        return f"{self.rows[row]} / {self.columns[column]}"


Drawing = Dots | Paths | Grid


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that a source says, and how it can be tried here."""

    number: int
    name: str  # on the command line and in the address
    title: str  # the claim as a sentence
    text: str  # what it means and how it is tried
    source: Source
    claimed: str  # the figures claimed, in words
    figure: str  # what is measured, on the axis of the chart
    series: tuple[Series, ...]
    protocols: Mapping[Scale, Protocol]
    measure: Measure
    rule: Rule
    also: tuple[Question, ...] = ()
    drawing: Drawing = Dots()
    lessons: tuple[tuple[str, int], ...] = ()  # lesson and step that it touches

    def series_title(self, key: str) -> str:
        """What a series is called; the key of one that is not known."""
        return next((each.title for each in self.series if each.key == key), key)

    def in_words(self, rule: Rule) -> str:
        """What a rule asks for, with what the series are called; begins with a small letter."""
        return rule.words(lambda key: f"'{self.series_title(key)}'")

    def rule_in_words(self, rule: Rule | None = None) -> str:
        """When the claim, or something asked besides, counts as seen."""
        words = self.in_words(rule or self.rule)
        return f"Seen if {words}; undecided in between, and with fewer than 3 seeds."

    def print_of(self, scale: Scale) -> str:
        """Fingerprint of what is run and measured at a scale: figures of another one are stale."""
        protocol = self.protocols[scale]
        text = repr((protocol.arms, [each.key for each in self.series]))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

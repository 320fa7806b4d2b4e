"""What a broken run is: its specs, the signature to look for, and whether a run shows it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import Run, RunSpec

Measure = Callable[[Run, Timeline], float]
"""Figure of a finished run, from its log, its snapshots and its timeline; nothing is drawn."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run shows of a signature."""

    value: float  # nan if the run has no step that could show it
    is_present: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Signature:
    """Something to look for in a run, as a figure beyond a limit."""

    look_for: str  # what a reader sees, and on which page
    figure: str  # what is measured
    measure: Measure
    limit: float
    above: bool  # whether the signature lies above the limit or below it
    digits: int = 2

    def read(self, run: Run, timeline: Timeline) -> Finding:
        """What a run shows, from a timeline that knows all its steps."""
        value = self.measure(run, timeline)
        is_present = value > self.limit if self.above else value < self.limit
        side = "above" if self.above else "below"
        sentence = f"{self.figure}: **{self._formatted(value)}**. The signature is a value {side} "
        return Finding(value, is_present, f"{sentence}{self._formatted(self.limit)}.")

    def _formatted(self, value: float) -> str:
        return "unknown" if value != value else f"{value:.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A run that is broken in one respect, and the same run with the guard."""

    name: str  # in the URL
    title: str
    broken_by: str  # what is broken, in one sentence
    guard: str  # what prevents it
    broken: RunSpec
    guarded: RunSpec
    signature: Signature
    curve: str  # figure of the timeline that shows it best over the steps
    usual: Any  # value of the changed setting that guards, where that is the default
    seconds: int  # that the longer of the two takes about, on two cores
    caveat: str = ""  # what these items do not show
    items: str = "800 digits"  # what both are trained on, in words
    left_out: Callable[[], list[int]] | None = None  # rows that neither sees, found when needed

    @property
    def specs(self) -> dict[str, RunSpec]:
        """Both runs by side, without the rows that are left out."""
        rows = self.left_out() if self.left_out else []
        sides = {"broken": self.broken, "guarded": self.guarded}
        return {side: replace(spec, excluded=rows) for side, spec in sides.items()}

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Settings that differ: name to its broken and its guarded value."""
        broken, guarded = self.broken.method_params, self.guarded.method_params
        names = [n for n in {**broken, **guarded} if broken.get(n) != guarded.get(n)]
        return {name: (broken.get(name), guarded.get(name, self.usual)) for name in names}

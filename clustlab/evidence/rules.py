"""Rules that say, before anything is run, when a claim counts as seen and when as not seen.

A rule knows figures only: by series and seed. It is written down with the claim, and no outcome can
change it.
"""

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Verdict = Literal["seen", "not seen", "undecided"]
Measured = Mapping[str, Mapping[int, float]]
"""Figures by series and seed."""
Naming = Callable[[str], str]
"""What a series is called, by its key."""

FEWEST_SEEDS = 3  # fewer say nothing about the spread


class Rule(Protocol):
    """When a claim counts as seen."""

    @property
    def series(self) -> tuple[str, ...]:
        """Keys of the series that it looks at."""
        ...

    def words(self, name: Naming) -> str:
        """The rule in words, as the end of the sentence "Seen if ..."."""
        ...

    def judge(self, measured: Measured) -> Verdict:
        """The verdict on some figures; a series that is missing decides nothing."""
        ...


def seeds_of(measured: Measured, series: Sequence[str]) -> list[int]:
    """Seeds with which every one of some series has been measured, in order."""
    each = [set(measured.get(key, {})) for key in series]
    return sorted(set.intersection(*each)) if each else []


def differences(measured: Measured, one: str, other: str) -> list[float]:
    """Figures of one series minus those of another, with each seed that both have."""
    return [
        measured[one][seed] - measured[other][seed] for seed in seeds_of(measured, (one, other))
    ]


class _WithEachSeed:
    """Seen if something holds with every seed, not seen if with none."""

    series: tuple[str, ...]

    def holds(self, at: Mapping[str, float]) -> bool:
        """Whether it holds for the figures of one seed, by series."""
        raise NotImplementedError

    def judge(self, measured: Measured) -> Verdict:
        """The verdict on some figures."""
        seeds = seeds_of(measured, self.series)
        if len(seeds) < FEWEST_SEEDS:
            return "undecided"
        held = [self.holds({key: measured[key][seed] for key in self.series}) for seed in seeds]
        return "seen" if all(held) else "undecided" if any(held) else "not seen"


@dataclass(frozen=True)
class Near(_WithEachSeed):
    """A figure lies near the one that is claimed."""

    key: str
    claimed: float
    within: float

    @property
    def series(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one that it looks at."""
        return (self.key,)

    def holds(self, at: Mapping[str, float]) -> bool:
        """Whether it is near enough."""
        return abs(at[self.key] - self.claimed) <= self.within

    def words(self, name: Naming) -> str:
        """The rule in words."""
        return (
            f"{name(self.key)} lies within {self.within:g} of {self.claimed:g} with every seed "
            f"(not seen: with none)"
        )


@dataclass(frozen=True)
class Beyond(_WithEachSeed):
    """A figure lies above a limit, or below it."""

    key: str
    side: Literal["above", "below"]
    limit: float

    @property
    def series(self) -> tuple[str, ...]:  # type: ignore[override]
        """The one that it looks at."""
        return (self.key,)

    def holds(self, at: Mapping[str, float]) -> bool:
        """Whether it lies on that side."""
        return at[self.key] > self.limit if self.side == "above" else at[self.key] < self.limit

    def words(self, name: Naming) -> str:
        """The rule in words."""
        return (
            f"{name(self.key)} is {self.side} {self.limit:g} with every seed (not seen: with none)"
        )


@dataclass(frozen=True)
class NoWorse(_WithEachSeed):
    """One figure is at most a little lower than another."""

    one: str
    other: str
    by: float

    @property
    def series(self) -> tuple[str, ...]:  # type: ignore[override]
        """The two that are compared."""
        return (self.one, self.other)

    def holds(self, at: Mapping[str, float]) -> bool:
        """Whether it is hardly lower."""
        return at[self.one] >= at[self.other] - self.by

    def words(self, name: Naming) -> str:
        """The rule in words."""
        return (
            f"{name(self.one)} is at most {self.by:g} lower than {name(self.other)} with every "
            "seed (not seen: with none)"
        )


@dataclass(frozen=True)
class Rises(_WithEachSeed):
    """Figures rise from each to the next."""

    keys: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those that follow each other."""
        return self.keys

    def holds(self, at: Mapping[str, float]) -> bool:
        """Whether each is higher than the one before."""
        figures = [at[key] for key in self.keys]
        return all(a < b for a, b in itertools.pairwise(figures))

    def words(self, name: Naming) -> str:
        """The rule in words."""
        return (
            f"figures rise at every step from {name(self.keys[0])} to {name(self.keys[-1])} with "
            "every seed (not seen: with none)"
        )


@dataclass(frozen=True)
class Exceeds:
    """One figure is higher than another by a margin, seed by seed."""

    one: str
    other: str
    margin: float

    @property
    def series(self) -> tuple[str, ...]:
        """The two that are compared."""
        return (self.one, self.other)

    def judge(self, measured: Measured) -> Verdict:
        """The verdict on some figures."""
        found = differences(measured, self.one, self.other)
        if len(found) < FEWEST_SEEDS:
            return "undecided"
        if all(value > 0 for value in found) and statistics.median(found) > self.margin:
            return "seen"
        return "undecided" if any(value > 0 for value in found) else "not seen"

    def words(self, name: Naming) -> str:
        """The rule in words."""
        by = f", in the median by more than {self.margin:g}" if self.margin else ""
        what = f"{name(self.one)} is higher than {name(self.other)} with every seed{by}"
        return f"{what} (not seen: with no seed)"


@dataclass(frozen=True)
class BeyondSpread:
    """One figure is higher than another by more than the other differs between seeds."""

    one: str
    other: str

    @property
    def series(self) -> tuple[str, ...]:
        """The two that are compared."""
        return (self.one, self.other)

    def judge(self, measured: Measured) -> Verdict:
        """The verdict on some figures."""
        seeds = seeds_of(measured, self.series)
        if len(seeds) < FEWEST_SEEDS:
            return "undecided"
        before = [measured[self.other][seed] for seed in seeds]
        gains = differences(measured, self.one, self.other)
        spread = max(before) - min(before)
        if min(gains) > spread:
            return "seen"
        return "undecided" if max(gains) > spread else "not seen"

    def words(self, name: Naming) -> str:
        """The rule in words."""
        return (
            f"{name(self.one)} is higher than {name(self.other)} by more than {name(self.other)} "
            "differs between seeds, with every seed (not seen: with no seed)"
        )


@dataclass(frozen=True)
class Every:
    """Several rules at once."""

    rules: tuple[Rule, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """All that they look at."""
        return _together(self.rules)

    def judge(self, measured: Measured) -> Verdict:
        """Seen if all are, not seen if one is not seen."""
        verdicts = [rule.judge(measured) for rule in self.rules]
        if "not seen" in verdicts:
            return "not seen"
        return "undecided" if "undecided" in verdicts else "seen"

    def words(self, name: Naming) -> str:
        """The rules in words."""
        return "; and ".join(rule.words(name) for rule in self.rules)


@dataclass(frozen=True)
class AtLeast:
    """Some of several rules."""

    number: int
    rules: tuple[Rule, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """All that they look at."""
        return _together(self.rules)

    def judge(self, measured: Measured) -> Verdict:
        """Seen if enough are, not seen if too few can be."""
        verdicts = [rule.judge(measured) for rule in self.rules]
        if verdicts.count("seen") >= self.number:
            return "seen"
        possible = len(verdicts) - verdicts.count("not seen")
        return "undecided" if possible >= self.number else "not seen"

    def words(self, name: Naming) -> str:
        """The rules in words."""
        each = "; or ".join(rule.words(name) for rule in self.rules)
        return f"at least {self.number} of {len(self.rules)} hold: {each}"


def parts(rule: Rule) -> tuple[Rule, ...]:
    """The rules that a rule is made of, or it alone."""
    return rule.rules if isinstance(rule, Every | AtLeast) else (rule,)


def of_parts(rule: Rule) -> str:
    """How many of its parts must hold, as the end of "Seen if ..."; empty if it has none."""
    if isinstance(rule, AtLeast):
        return f"at least {rule.number} of these {len(rule.rules)} hold"
    return "all of these hold, not seen if one is not" if isinstance(rule, Every) else ""


def _together(rules: Sequence[Rule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for rule in rules for key in rule.series))

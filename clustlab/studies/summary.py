"""What a study says: each cell over its seeds, two cells seed by seed, and how steady clusters are.

No p-values: of three seeds, the seeds themselves are shown.
"""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import pandas as pd

from clustlab.analysis import metrics, seed_table
from clustlab.analysis.run_scores import Scores
from clustlab.analysis.score_catalogue import LABELLED, SCORES
from clustlab.analysis.shared_items import same_draw, shared_items
from clustlab.errors import ClustlabError, RunNotFound
from clustlab.runs.store import Run, RunStore
from clustlab.studies.description import Cell, Study, Value, in_words
from clustlab.studies.state import Place, scores_of

SILHOUETTE = "silhouette"
ABOUT_SILHOUETTE = (
    "How much nearer items are to their own cluster than to the next, in the space of each run. "
    "Runs can be compared by it only where they share one space."
)
ABOUT_STABILITY = (
    "Mean adjusted Rand index between the clusters of all pairs of seeds over the same items: near "
    "1, every seed finds the same clusters."
)
SPREAD = "spread"
ABOUT_SPREAD = (
    "Mean squared distance of items to the mean of their cluster, in the space that runs share. "
    "More clusters make it smaller in any case: what counts is where it stops falling fast."
)
DIGITS = 5  # of figures for files and JSON


def _median(by_seed: Mapping[int, float]) -> float | None:
    return round(statistics.median(by_seed.values()), DIGITS) if by_seed else None


@dataclass(frozen=True, slots=True)
class CellSummary:
    """One figure of a cell over its seeds."""

    cell: Cell
    by_seed: Mapping[int, float]  # of runs that are done and have the figure

    @property
    def median(self) -> float | None:
        """Median over the seeds; None without one."""
        return _median(self.by_seed)

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest."""
        return (min(self.by_seed.values()), max(self.by_seed.values())) if self.by_seed else None


@dataclass(frozen=True, slots=True)
class Paired:
    """Two cells compared over the seeds that both have."""

    differences: Mapping[int, float]  # by seed, the one minus the other

    @property
    def in_favour(self) -> int:
        """Seeds with which the one has more."""
        return sum(value > 0 for value in self.differences.values())

    @property
    def median(self) -> float | None:
        """Median of the differences; None without one."""
        return _median(self.differences)

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest difference."""
        found = self.differences.values()
        return (min(found), max(found)) if found else None


@dataclass(frozen=True, slots=True)
class Results:
    """Figures of all runs of a study that are done."""

    study: Study
    scores: Mapping[Cell, Mapping[int, Scores]]  # by cell and seed
    silhouettes: Mapping[Cell, Mapping[int, float]]  # by cell and seed, where they are defined
    stability: Mapping[Cell, float]  # of cells with two seeds over the same items
    is_one_space: bool  # whether runs of one seed have the same embedding, whatever their cell
    spreads: Mapping[Cell, Mapping[int, float]] = field(default_factory=dict)
    """By cell and seed, of runs without noise; they can be compared in one space only."""

    def of(self, figure: str) -> list[CellSummary]:
        """A score, the silhouette or the spread of every cell, in the order of the cells."""
        if figure in (SILHOUETTE, SPREAD):
            known = self.silhouettes if figure == SILHOUETTE else self.spreads
            return [CellSummary(cell, known.get(cell, {})) for cell in self.study.cells]
        return [
            CellSummary(
                cell,
                {
                    seed: float(value)
                    for seed, scores in self.scores.get(cell, {}).items()
                    if (value := scores.get(figure)) is not None
                },
            )
            for cell in self.study.cells
        ]

    def figures(self) -> list[str]:
        """Figures that a cell has: scores with labels, the silhouette, and the others."""
        known = [*LABELLED, SILHOUETTE, *(key for key in SCORES if key not in LABELLED)]
        return [figure for figure in known if any(each.by_seed for each in self.of(figure))]

    def choices_without_labels(self) -> dict[str, Cell]:
        """The cell that each criterion would choose which needs no label, by its title.

        Silhouettes say nothing of which is better where each run has a space of its own.
        """
        found: dict[str, Cell] = {}
        widest = best(self.of(SILHOUETTE)) if self.is_one_space else None
        if widest is not None:
            found["silhouette"] = widest.cell
        steadiest = _leading(self.stability) if len(self.stability) > 1 else None
        if steadiest is not None:
            found["stability"] = steadiest
        return found


def results(store: RunStore, study: Study, every: Sequence[Place]) -> Results:
    """Figures of the runs that are done, computed from their folders."""
    scores: dict[Cell, dict[int, Scores]] = {}
    silhouettes: dict[Cell, dict[int, float]] = {}
    spreads: dict[Cell, dict[int, float]] = {}
    runs: dict[Cell, list[Run]] = {}
    spaces: dict[int, set[bytes]] = {}
    for place in every:
        found = scores_of(store, place)
        if place.run is None or not found:
            continue
        scores.setdefault(place.cell, {})[place.seed] = found
        runs.setdefault(place.cell, []).append(place.run)
        last = place.run[-1]
        spaces.setdefault(place.seed, set()).add(sha256(last.embedding.tobytes()).digest())
        for kept, measure in ((silhouettes, metrics.silhouette), (spreads, metrics.spread)):
            measured = measure(last.embedding, last.assignments)
            if np.isfinite(measured):
                kept.setdefault(place.cell, {})[place.seed] = round(measured, DIGITS)
    steady = {
        cell: value for cell, each in runs.items() if (value := stability(store, each)) is not None
    }
    is_one_space = all(len(different) == 1 for different in spaces.values())
    return Results(study, scores, silhouettes, steady, is_one_space, spreads)


def stability(store: RunStore, runs: Sequence[Run]) -> float | None:
    """Mean ARI between the last clusters of all pairs of runs over one draw; None without a pair.

    Items that are noise in one of the two do not count.
    """
    found = []
    for a, b in itertools.combinations(runs, 2):
        try:
            if not same_draw(store, a, b):
                continue
            shared = shared_items(store, (a, b))
            one, other = (
                run[-1].assignments[rows] for run, rows in zip((a, b), shared.rows, strict=True)
            )
        except (ClustlabError, RunNotFound):
            continue
        both = (one >= 0) & (other >= 0)
        if both.any():
            found.append(metrics.ari(one[both], other[both]))
    return round(statistics.fmean(found), DIGITS) if found else None


def paired(one: CellSummary, other: CellSummary) -> Paired:
    """The one minus the other, seed by seed."""
    seeds = [seed for seed in one.by_seed if seed in other.by_seed]
    differences = {seed: one.by_seed[seed] - other.by_seed[seed] for seed in seeds}
    return Paired({seed: round(value, DIGITS) for seed, value in differences.items()})


def best(summaries: Sequence[CellSummary], better: str = "higher") -> CellSummary | None:
    """The cell with the best median; None if no cell has one, or if several share it."""
    medians = {each.cell: each.median for each in summaries if each.median is not None}
    leading = _leading(medians, better)
    return next((each for each in summaries if each.cell == leading), None)


def _leading(figures: Mapping[Cell, float], better: str = "higher") -> Cell | None:
    """The cell with the best figure, if it is the only one."""
    if not figures:
        return None
    top = min(figures.values()) if better == "lower" else max(figures.values())
    leading = [cell for cell, figure in figures.items() if figure == top]
    return leading[0] if len(leading) == 1 else None


# -- as tables -----------------------------------------------------------------------------------
def frame(results: Results) -> pd.DataFrame:
    """A row for each run that is done: its cell, its seed and its figures."""
    rows: list[dict[str, Value]] = []
    for cell in results.study.cells:
        for seed, scores in results.scores.get(cell, {}).items():
            width = results.silhouettes.get(cell, {}).get(seed)
            rows.append({**dict(cell.chosen), "seed": seed, **scores, SILHOUETTE: width})
    return pd.DataFrame(rows)


def lines(results: Results) -> list[seed_table.Line]:
    """A line for each cell that has a run, for CSV and LaTeX."""
    return [
        seed_table.Line(
            {name: in_words(value) for name, value in cell.chosen},
            tuple(scores),
            {
                SCORES[key].short: [
                    float(value) for s in scores.values() if (value := s.get(key)) is not None
                ]
                for key in SCORES
            },
        )
        for cell in results.study.cells
        if (scores := results.scores.get(cell))
    ]

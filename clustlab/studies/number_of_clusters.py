"""Which number of clusters to take: what each criterion says, with labels and without."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clustlab.analysis.score_catalogue import LABELLED
from clustlab.studies.description import Cell
from clustlab.studies.summary import SILHOUETTE, SPREAD, CellSummary, Results, best

K = "n_clusters"
STABILITY = "stability"
FEWEST = 3  # numbers of clusters that make a choice
LEAST_BEND = 0.1  # of the whole fall, below which a curve is as good as straight


@dataclass(frozen=True, slots=True)
class Curve:
    """A criterion over the number of clusters, all other settings being the same."""

    criterion: str  # SPREAD, SILHOUETTE, STABILITY or a score with labels
    group: Cell  # the other settings; empty without any
    points: Mapping[int, CellSummary]  # by number of clusters, rising; at least one

    @property
    def needs_labels(self) -> bool:
        """Whether it has seen the classes."""
        return self.criterion in LABELLED

    @property
    def choice(self) -> int | None:
        """The number that it speaks for; None if it speaks for none."""
        if self.criterion == SPREAD:
            return bend({k: p.median for k, p in self.points.items() if p.median is not None})
        if len(self.points) < 2:
            return None
        leading = best(list(self.points.values()))
        return next((k for k, point in self.points.items() if point is leading), None)


def is_varied(results: Results) -> bool:
    """Whether a study is one of the number of clusters."""
    return any(axis.name == K and len(axis.values) >= FEWEST for axis in results.study.varied)


def curves(results: Results, score: str = "acc") -> list[Curve]:
    """What there is to choose by: first what needs no label, and last one score that does.

    The spread and the silhouette are left out where each run has a space of its own: they would
    say which space is wide, not which number is right.
    """
    by_criterion: dict[str, Sequence[CellSummary]] = {}
    if results.is_one_space:
        by_criterion = {name: results.of(name) for name in (SPREAD, SILHOUETTE)}
    steady = results.stability
    by_criterion[STABILITY] = [CellSummary(cell, {0: steady[cell]}) for cell in steady]
    by_criterion[score] = results.of(score)
    found: dict[tuple[str, Cell], dict[int, CellSummary]] = {}
    for criterion, summaries in by_criterion.items():
        for each in summaries:
            others = dict(each.cell.chosen)
            k = others.pop(K, None)
            if each.by_seed and isinstance(k, int):
                group = Cell(tuple(others.items()))
                found.setdefault((criterion, group), {})[k] = each
    return [
        Curve(criterion, group, dict(sorted(points.items())))
        for (criterion, group), points in found.items()
    ]


def bend(values: Mapping[int, float]) -> int | None:
    """Where a falling curve bends most: its point farthest below the line between its ends.

    None for fewer than four points, for a curve that does not fall, and for one that is straight.
    """
    ks = sorted(values)
    if len(ks) < FEWEST + 1 or values[ks[0]] <= values[ks[-1]]:
        return None
    width, fall = ks[-1] - ks[0], values[ks[0]] - values[ks[-1]]
    below = {k: 1 - (k - ks[0]) / width - (values[k] - values[ks[-1]]) / fall for k in ks[1:-1]}
    farthest = max(below, key=lambda k: below[k])
    return farthest if below[farthest] >= LEAST_BEND else None

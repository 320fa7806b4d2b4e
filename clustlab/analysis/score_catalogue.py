"""Every score of a division of the items, declared once.

Timelines, learning curves, the command line, tables and pages read from here which scores there
are, what they are called and how they are computed; a new one is one more entry.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from clustlab.analysis import metrics
from clustlab.analysis.matching import contingency
from clustlab.analysis.shares import figure
from clustlab.types import Array, Better

Reads = Literal["classes", "merged clusters", "clusters", "sizes", "step before", "certainty"]
"""What a score needs: the true classes; the same and where the clusters lie, by which they are
merged; the clusters of the items alone; how large all clusters are, empty ones too; the clusters
one step before; or how sure the method is of each item."""

Unit = Literal["", "share of items", "clusters"]


@dataclass(frozen=True, slots=True)
class Division:
    """What the scores of one division of n items are computed from; None where there is nothing."""

    sizes: Array  # (k,) int64, items in each cluster, occupied or not
    clusters: Array  # (n,) int, by the numbers that `before` uses; -1 for noise
    before: Array | None = None  # (n,) int, clusters one step before, unless they are read anew
    counts: Array | None = None  # (classes, clusters) int64 of items with a class and a cluster
    certainty: Array | None = None  # (n,) float32 in [0, 1], how sure the method is of each item
    merged: Array | None = None  # (classes, groups) int64, see `merged_clusters.merged_counts`


@dataclass(frozen=True, slots=True)
class Score:
    """A score: its name for programs, its words for people, and how to compute it."""

    key: str
    title: str  # on axes and in lists, such as "Accuracy"
    short: str  # on tiles and above columns, such as "ACC"
    meaning: str  # one sentence or two
    reads: Reads
    compute: Callable[[Division], float]  # nan where it is not defined
    better: Better = "higher"
    low: float = 0.0  # the least and the greatest value possible
    high: float = 1.0
    unit: Unit = ""
    lesson: tuple[str, int] | None = None  # lesson and step (from 1) that explain it
    terms: tuple[str, ...] = ()  # of the glossary, to look up

    @property
    def needs_labels(self) -> bool:
        """Whether it is defined for labelled items only."""
        return self.reads in ("classes", "merged clusters")

    @property
    def needs_snapshot(self) -> bool:
        """Whether it takes more of a step than the assignments."""
        return self.reads in ("merged clusters", "certainty")

    @property
    def is_count(self) -> bool:
        """Whether its values are whole numbers."""
        return self.unit == "clusters"

    def written(self, value: float) -> str:
        """A value for people, such as "0.812" or "10"; a dash where it is not defined.

        What is less than the greatest value is not written as that, but as ">0.999", and what is
        not 0 not as 0.
        """
        return f"{value:.0f}" if self.is_count and not math.isnan(value) else figure(value)

    def stored(self, value: float) -> float | int | None:
        """A value for files and JSON: five decimals, or a whole number; None for nan."""
        if math.isnan(value):
            return None
        return int(value) if self.is_count else round(value, 5)


def _by_classes(compute: Callable[[Array], float]) -> Callable[[Division], float]:
    def score(division: Division) -> float:
        return math.nan if division.counts is None else compute(division.counts)

    return score


def _by_change(compute: Callable[[Array, Array], float]) -> Callable[[Division], float]:
    def score(division: Division) -> float:
        return math.nan if division.before is None else compute(division.before, division.clusters)

    return score


def _merged_accuracy(division: Division) -> float:
    return math.nan if division.merged is None else metrics.accuracy_of(division.merged)


def _mean_certainty(division: Division) -> float:
    if division.certainty is None:
        return math.nan
    sure = division.certainty[division.clusters >= 0]
    return float(sure.mean()) if len(sure) else math.nan


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        score.key: score
        for score in (
            Score(
                "acc",
                "Accuracy",
                "ACC",
                "Share of items in the cluster that is matched to their class, one cluster for "
                "each class (Hungarian method).",
                "classes",
                _by_classes(metrics.accuracy_of),
                unit="share of items",
                lesson=("honest-pictures", 5),
                terms=("ACC", "Hungarian matching"),
            ),
            Score(
                "nmi",
                "NMI",
                "NMI",
                "Normalised mutual information: how much the clusters tell you about the classes "
                "and vice versa, divided by the mean of both entropies. Grows with the number of "
                "clusters.",
                "classes",
                _by_classes(metrics.nmi_of),
                terms=("NMI",),
            ),
            Score(
                "ari",
                "ARI",
                "ARI",
                "Share of pairs on which clusters and classes agree, adjusted for chance: random "
                "clusters score 0.",
                "classes",
                _by_classes(metrics.ari_of),
                low=-0.5,
                terms=("ARI",),
            ),
            Score(
                "purity",
                "Purity",
                "Purity",
                "Share of items that belong to the most frequent class of their cluster. Grows "
                "with the number of clusters.",
                "classes",
                _by_classes(metrics.purity_of),
                unit="share of items",
                terms=("Purity",),
            ),
            Score(
                "ami",
                "AMI",
                "AMI",
                "NMI adjusted for chance: random clusters score 0, however many there are.",
                "classes",
                _by_classes(metrics.ami_of),
                low=-math.inf,
                terms=("NMI",),
            ),
            Score(
                "homogeneity",
                "Homogeneity",
                "Homogeneity",
                "Whether each cluster holds a single class: how much the cluster tells you about "
                "the class, divided by the entropy of the classes.",
                "classes",
                _by_classes(metrics.homogeneity_of),
            ),
            Score(
                "completeness",
                "Completeness",
                "Completeness",
                "Whether each class is in a single cluster: how much the class tells you about the "
                "cluster, divided by the entropy of the clusters.",
                "classes",
                _by_classes(metrics.completeness_of),
            ),
            Score(
                "v_measure",
                "V-measure",
                "V-measure",
                "Harmonic mean of homogeneity and completeness. With equal weights, as here, it is "
                "the same number as NMI.",
                "classes",
                _by_classes(metrics.v_measure_of),
                terms=("NMI",),
            ),
            Score(
                "acc_merged",
                "Accuracy after merging",
                "ACC merged",
                "Accuracy after merging clusters that lie close together, by k-means on their "
                "centres, to as many as there are classes; other starts of k-means may give "
                "several hundredths more or less. Where there are no more clusters than classes it "
                "is ACC.",
                "merged clusters",
                _merged_accuracy,
                unit="share of items",
            ),
            Score(
                "n_occupied",
                "Clusters in use",
                "Clusters",
                "Clusters that hold at least one item.",
                "clusters",
                lambda division: float((division.sizes > 0).sum()),
                better="neither",
                high=math.inf,
                unit="clusters",
            ),
            Score(
                "share_clustered",
                "Share clustered",
                "Clustered",
                "Share of items that belong to a cluster rather than to noise. Other scores leave "
                "noise out.",
                "clusters",
                lambda division: metrics.share_clustered(division.clusters),
                unit="share of items",
            ),
            Score(
                "changed",
                "Share of labels changed",
                "Changed",
                "Share of items in a different cluster than one step before. Undefined where the "
                "clusters are recomputed.",
                "step before",
                _by_change(metrics.share_changed),
                better="lower",
                unit="share of items",
                lesson=("dec", 7),
            ),
            Score(
                "nmi_previous",
                "NMI with the step before",
                "NMI before",
                "NMI between the clusters and those one step before.",
                "step before",
                _by_change(lambda before, now: metrics.nmi_of(contingency(before, now))),
                terms=("NMI",),
            ),
            Score(
                "confidence",
                "Mean confidence",
                "Confidence",
                "Mean of the greatest probability of each item, noise left out; without "
                "probabilities, how much closer an item is to its own centre than to the next.",
                "certainty",
                _mean_certainty,
            ),
            Score(
                "evenness",
                "Evenness of sizes",
                "Evenness",
                "Entropy of the cluster sizes divided by its maximum: 1 if all clusters are "
                "equally large, 0 if one holds everything.",
                "sizes",
                lambda division: metrics.marginal_entropy(division.sizes),
                better="neither",
            ),
        )
    }
)
LABELLED = tuple(
    key for key, score in SCORES.items() if score.reads == "classes"
)  # leading ones first
MERGED = tuple(key for key, score in SCORES.items() if score.reads == "merged clusters")
OVER_CLUSTERED = (
    *MERGED,
    "purity",
    *(key for key in LABELLED if key not in ("purity", "acc")),
    "acc",
)  # those that need labels where there are more clusters than classes, leading ones first
UNLABELLED = tuple(key for key, score in SCORES.items() if not score.needs_labels)
FROM_ASSIGNMENTS = tuple(key for key, score in SCORES.items() if not score.needs_snapshot)
OF_ONE_STEP = tuple(
    key for key, score in SCORES.items() if score.reads in ("classes", "clusters")
)  # what is known from the clusters of the items alone


def labelled_scores(*, is_over_clustered: bool) -> tuple[str, ...]:
    """Scores that need labels and mean something, leading ones first.

    Accuracy matches one cluster to each class, so it does not lead where a run has more clusters
    than there are classes.
    """
    return OVER_CLUSTERED if is_over_clustered else LABELLED


def values(division: Division, keys: Iterable[str] = SCORES) -> dict[str, float]:
    """Scores of a division by key, in the order of `keys`; nan where one is not defined."""
    return {key: SCORES[key].compute(division) for key in keys}

"""The ready questions by name, in the order in which they are offered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from clustlab.analysis.failures import queries
from clustlab.analysis.failures.queries import QueriedStep, QueryResult
from clustlab.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Query:
    """A ready question to one step of a run."""

    name: str
    title: str
    phrase: str  # what the number counted is followed by, as in "12 items: sure and wrong"
    meaning: str
    score: str  # what the score of an item or a group is
    find: Callable[[QueriedStep], QueryResult]
    unit: Literal["item", "cluster", "class", "pair"] = "item"
    needs_labels: bool = False
    needs: Literal["", "neighbours", "twins"] = ""  # what takes long to compute

    def number(self, result: QueryResult) -> int:
        """How many of its unit were found."""
        return len(result.items) if self.unit == "item" else len(result.groups)

    def units(self, count: int, item: str = "item") -> str:
        """The unit in words, for that many."""
        word = item if self.unit == "item" else self.unit
        plural = {"class": "classes"}.get(word, f"{word}s")
        return word if count == 1 else plural


QUERIES = (
    Query(
        "confidently-wrong",
        "Sure and wrong",
        "sure and wrong",
        "Their true class is not the one their cluster stands for, yet the method is at least as "
        "sure of them as of half of all clustered items.",
        "confidence",
        queries.confidently_wrong,
        needs_labels=True,
    ),
    Query(
        "undecided",
        "Undecided",
        "undecided",
        "Their first choice leads the second by less than 0.1: they lie where two clusters meet.",
        "lead of the first choice over the second",
        queries.undecided,
    ),
    Query(
        "flip-floppers",
        "Flip-floppers",
        "changed often",
        "They changed cluster three times or more up to this step, or within the steps you chose: "
        "the method cannot settle on a cluster for them.",
        "changes of cluster",
        queries.flip_floppers,
    ),
    Query(
        "impostors",
        "Impostors",
        "alone in their cluster",
        "Fewer than half of their ten nearest neighbours in the embedding share their cluster.",
        "share of the ten nearest neighbours in the same cluster",
        queries.impostors,
        needs="neighbours",
    ),
    Query(
        "outliers",
        "Outliers",
        "far from all others",
        "Their tenth-nearest neighbour in the embedding is unusually far away: beyond the whiskers "
        "of a box plot.",
        "distance to the tenth neighbour",
        queries.outliers,
        needs="neighbours",
    ),
    Query(
        "near-duplicates-apart",
        "Near-duplicates apart",
        "alike, yet apart",
        "Their pixels are nearly the same, but their clusters are not: a boundary runs between "
        "look-alikes.",
        "root mean square difference of their values",
        queries.near_duplicates_apart,
        unit="pair",
        needs="twins",
    ),
    Query(
        "split-classes",
        "Split classes",
        "split over clusters",
        "A fifth of the class or more lies outside the cluster that holds most of it: the method "
        "sees two kinds where the labels name one.",
        "share of the class outside its largest cluster",
        queries.split_classes,
        unit="class",
        needs_labels=True,
    ),
    Query(
        "merged-classes",
        "Merged classes",
        "two classes, one cluster",
        "Two classes share a cluster, each with a fifth of its items or more. Side by side they "
        "show what the method confuses.",
        "share of the smaller class in the cluster",
        queries.merged_classes,
        unit="pair",
        needs_labels=True,
    ),
    Query(
        "dead-clusters",
        "Dead clusters",
        "empty",
        "They hold no items at this step. Shown are the items that were in them last.",
        "items that were in it last",
        queries.dead_clusters,
        unit="cluster",
    ),
    Query(
        "giant-clusters",
        "Giant clusters",
        "twice their fair share",
        "They hold at least twice as many items as they would if all clusters were equally large, "
        "and may have swallowed others. The least sure items come first.",
        "size in even shares",
        queries.giant_clusters,
        unit="cluster",
    ),
)


def names() -> list[str]:
    """Names of all queries."""
    return [q.name for q in QUERIES]


def query(name: str) -> Query:
    """Query of this name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    for q in QUERIES:
        if q.name == name:
            return q
    raise ParameterError(f"There is no query {name!r}.", f"Choose one of: {', '.join(names())}.")

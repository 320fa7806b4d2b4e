"""What a clustering found, as a sentence.

Each clause is said only where its terms mean something: classes are found one by one only if there
are clusters enough, purity counts only for clusters of several items and more than one class, and
scores over clustered items say how many those are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import metrics
from clustlab.analysis.matching import contingency, hungarian, n_classes_present, sizes_of
from clustlab.analysis.merged_clusters import merged_counts
from clustlab.analysis.score_catalogue import SCORES
from clustlab.analysis.shares import percent
from clustlab.types import Array, ClassRule, Snapshot

HOME = 0.5  # a class is at home in a cluster that holds more than this share of it
PART = 0.25  # a class is split over clusters that each hold at least this share of it
MAX_CLAUSES = 3
FEW = 5  # items a cluster on average; with fewer, clusters are nearly pure by chance


@dataclass(frozen=True, slots=True)
class Noise:
    """How much of the items is clustered, in words that are empty if everything is."""

    share_clustered: float

    @property
    def is_some(self) -> bool:
        """Whether any item is noise."""
        return self.share_clustered < 1

    @property
    def alone(self) -> str:
        """As a clause of its own."""
        share = percent(self.share_clustered)
        return f"{share} of the items are clustered, the rest is noise" if self.is_some else ""

    def behind(self, score: str) -> str:
        """A score with the items that it is taken over."""
        if not self.is_some or not score:
            return score
        return f"{score} over the {percent(self.share_clustered)} that are clustered"

    @property
    def after_a_score(self) -> str:
        """As a clause where another has said what the share is."""
        return "the rest is noise" if self.is_some else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A result in words, and the classes it speaks of, by number."""

    sentence: str  # begins with a verb in the past tense: "found 9 of 10 digits; ..."
    recovered: tuple[int, ...] = ()  # classes with a cluster of their own
    merged: tuple[tuple[int, ...], ...] = ()  # classes at home in the same cluster
    split: tuple[int, ...] = ()  # classes that fill two clusters or more
    scattered: tuple[int, ...] = ()  # classes without a home and not split in large parts
    noise: tuple[int, ...] = ()  # classes of which most items belong to no cluster


def verdict_on(
    snapshot: Snapshot,
    labels: Array | None = None,
    class_names: Sequence[str] = (),
    *,
    mapping: Array | None = None,
    changed: float | None = None,
    class_rule: ClassRule = "match",
) -> Verdict:
    """Verdict on a snapshot, with true classes if they are known.

    Parameters
    ----------
    labels : (n,) int, optional
        True classes, -1 where unknown.
    class_names : sequence of str
        Their names.
    mapping : (k,) int, optional
        Stable id of each cluster, for clusters that are named.
    changed : float, optional
        Share of items that changed their cluster in the last step.
    class_rule : ClassRule
        What a cluster stands for, and so whether accuracy or purity is told.
    """
    k, assignments = snapshot.n_clusters, snapshot.assignments
    sizes = sizes_of(assignments, k)
    n_occupied = int((sizes > 0).sum())
    if not len(assignments):
        return Verdict("found nothing: there are no items.")
    if not n_occupied:
        return Verdict("found no cluster: every item is noise.")
    noise = Noise(metrics.share_clustered(assignments))
    if n_occupied == 1:
        every = "put every item into one cluster: it collapsed."
        is_collapse = k > 1 and not noise.is_some
        return Verdict(every if is_collapse else _joined(["found a single cluster", noise.alone]))
    if labels is None or n_classes_present(labels) < 2:  # nothing to tell apart
        return Verdict(_unlabelled(assignments, sizes, mapping, changed, noise.alone))
    n_classes = max(len(class_names), int(np.max(labels)) + 1)
    counts = contingency(labels, assignments, n_classes, k)
    in_all = sizes_of(labels, n_classes)  # with those that are noise
    names = [class_names[i] if i < len(class_names) else str(i) for i in range(n_classes)]
    n_present = int((in_all > 0).sum())
    if n_occupied > n_present:
        merged = metrics.accuracy_of(merged_counts(snapshot, labels))
        return _over_clustered(counts, in_all, n_occupied, names, noise, merged)
    if k < n_present:
        return _too_few(counts, in_all, names, noise)
    return _one_to_one(counts, in_all, names, noise, class_rule)


def noun(class_names: Sequence[str], count: int = 2) -> str:
    """What the classes are called: digits if they are named 0 to 9, else classes."""
    digits = tuple(class_names) == tuple("0123456789")
    many = "digits" if digits else "classes"
    return many if count != 1 else {"digits": "digit", "classes": "class"}[many]


def _unlabelled(
    assignments: Array, sizes: Array, mapping: Array | None, changed: float | None, part: str
) -> str:
    shares = sizes[sizes > 0] / len(assignments)
    largest = int(sizes.argmax())
    name = largest if mapping is None else int(mapping[largest])
    most, least = percent(shares.max()), percent(shares.min())
    in_use = "all" if len(shares) == len(sizes) else len(shares)
    parts = [
        f"made {len(sizes)} clusters, {in_use} in use",
        f"the largest, cluster {name}, holds {most} of the items, the smallest {least}",
    ]
    if changed is not None and changed == changed:
        parts.append(f"{percent(changed)} of the items changed cluster in the last step")
    return _joined([*parts, part])


def _joined(parts: Sequence[str]) -> str:
    return "; ".join(filter(None, parts)) + "."


def _over_clustered(
    counts: Array,
    in_all: Array,
    n_occupied: int,
    names: list[str],
    noise: Noise,
    merged: float,
) -> Verdict:
    """More clusters than classes; `merged` is the accuracy after merging to as many."""
    majority = counts.argmax(0)[counts.sum(0) > 0]
    present = np.flatnonzero(in_all > 0).tolist()
    owning = tuple(sorted(set(majority.tolist())))
    missing = [i for i in present if i not in owning]
    parts = [f"made {n_occupied} clusters for {len(present)} {noun(names, len(present))}"]
    if missing:
        parts.append(f"no cluster belongs to {_and([names[i] for i in missing])}")
    else:
        parts.append(f"every {noun(names, 1)} has at least one")
    told = []
    if counts.sum() >= FEW * n_occupied:
        told.append(f"{percent(metrics.purity_of(counts))} pure")
    if counts.any():
        score = SCORES["acc"]
        accuracy = f"{score.title.lower()} {score.written(merged)}"
        told.append(f"merged to {len(present)}, {accuracy}")
    scores = noise.behind("; ".join(told))
    sentence = _joined([*parts, scores, noise.after_a_score if scores else noise.alone])
    return Verdict(sentence, recovered=owning, scattered=tuple(missing))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the classes are: for each of them, and for each cluster."""

    present: list[int]
    matched: Array  # (classes,) cluster of each class, 1-to-1, -1 for none
    shares: Array  # (classes, clusters) share of the class that is in the cluster
    residents: list[list[int]]  # classes at home in each cluster
    split: tuple[int, ...]
    scattered: tuple[int, ...]
    noise: tuple[int, ...]

    def clauses(self, names: list[str]) -> list[str]:
        """What became of the classes that have no home."""
        fates = ((self.split, "split"), (self.scattered, "scattered"), (self.noise, "mostly noise"))
        return [
            f"{_and([names[i] for i in classes])} {_is(classes)} {fate}"
            for classes, fate in fates
            if classes
        ]


def _places(counts: Array, in_all: Array) -> _Places:
    present = np.flatnonzero(in_all > 0).tolist()
    shares = counts / np.maximum(in_all, 1)[:, None]
    noise = tuple(y for y in present if 1 - shares[y].sum() > HOME)
    majority = counts.argmax(0)
    residents = [np.flatnonzero(column > HOME).tolist() for column in shares.T]
    parts_of = {y: int(((shares[y] >= PART) & (majority == y)).sum()) for y in present}
    split = tuple(y for y in present if parts_of[y] > 1)
    lost = tuple(y for y in present if shares[y].max() <= HOME and y not in (*split, *noise))
    return _Places(present, hungarian(counts), shares, residents, split, lost, noise)


def _too_few(counts: Array, in_all: Array, names: list[str], noise: Noise) -> Verdict:
    """Fewer clusters than classes: which lie together, and nothing about finding each of them."""
    places = _places(counts, in_all)
    total = len(places.present)
    groups = sorted((group for group in places.residents if group), key=lambda group: -len(group))
    together = [f"{_and([names[i] for i in group])} in one" for group in groups]
    clauses = _few([*together, *places.clauses(names)])
    head = f"put {total} {noun(names, total)} into {int((counts.sum(0) > 0).sum())} clusters"
    return Verdict(
        _joined([f"{head}: {clauses[0]}" if clauses else head, *clauses[1:], noise.alone]),
        merged=tuple(tuple(group) for group in groups if len(group) > 1),
        split=places.split,
        scattered=places.scattered,
        noise=places.noise,
    )


def _one_to_one(
    counts: Array, in_all: Array, names: list[str], noise: Noise, class_rule: ClassRule
) -> Verdict:
    places = _places(counts, in_all)
    majority, matched = counts.argmax(0), places.matched
    recovered = tuple(
        y
        for y in places.present
        if matched[y] >= 0 and places.shares[y, matched[y]] > HOME and majority[matched[y]] == y
    )
    merged = tuple(tuple(group) for group in places.residents if len(group) > 1)
    count, total = len(recovered), len(places.present)
    found = f"{count} of {total}"
    if count == total:
        found = "both" if total == 2 else f"all {total}"
    shared = [f"{_and([names[i] for i in group])} share a cluster" for group in merged]
    clauses = _few([*shared, *places.clauses(names)])
    score = SCORES["acc" if class_rule == "match" else "purity"]
    value = metrics.accuracy_of(counts) if class_rule == "match" else metrics.purity_of(counts)
    scores = noise.behind(f"{score.title.lower()} {score.written(value)}" if counts.any() else "")
    end = noise.after_a_score if scores else noise.alone
    return Verdict(
        _joined([f"found {found} {noun(names, total)}", *clauses, scores, end]),
        recovered,
        merged,
        places.split,
        places.scattered,
        places.noise,
    )


def _few(clauses: list[str]) -> list[str]:
    """The first of some clauses, and how many more there are."""
    more = len(clauses) - MAX_CLAUSES
    return clauses[:MAX_CLAUSES] + ([f"and {more} more such cases"] if more > 0 else [])


def _is(classes: Sequence[int]) -> str:
    return "is" if len(classes) == 1 else "are"


def _and(words: Sequence[str]) -> str:
    if len(words) > 5:
        words = [*words[:4], f"{len(words) - 4} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

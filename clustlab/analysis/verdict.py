"""What a clustering found, as a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import metrics
from clustlab.analysis.matching import contingency, hungarian
from clustlab.types import Array, Snapshot

HOME = 0.5  # a class is at home in a cluster that holds more than this share of it
PART = 0.25  # a class is split over clusters that each hold at least this share of it
MAX_CLAUSES = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """A result in words, and the classes it speaks of, by number."""

    sentence: str  # begins with a verb in the past tense: "found 9 of 10 digits; ..."
    found: tuple[int, ...] = ()  # classes with a cluster of their own
    merged: tuple[tuple[int, ...], ...] = ()  # classes at home in the same cluster
    split: tuple[int, ...] = ()  # classes that fill two clusters or more
    scattered: tuple[int, ...] = ()  # classes without a home and not split in large parts


def verdict_on(
    snapshot: Snapshot,
    labels: Array | None = None,
    class_names: Sequence[str] = (),
    *,
    mapping: Array | None = None,
    changed: float | None = None,
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
    """
    k = snapshot.n_clusters
    sizes = np.bincount(snapshot.assignments, minlength=k)
    n_occupied = int((sizes > 0).sum())
    if not n_occupied:
        return Verdict("found nothing: there are no items.")
    if n_occupied == 1:
        return Verdict("put every item into one cluster: it collapsed.")
    if labels is None or not (np.asarray(labels) >= 0).any():
        return Verdict(_unlabelled(sizes, n_occupied, mapping, changed))
    n_classes = max(len(class_names), int(np.max(labels)) + 1)
    counts = contingency(labels, snapshot.assignments, n_classes, k)
    present = int((counts.sum(1) > 0).sum())
    names = [class_names[i] if i < len(class_names) else str(i) for i in range(n_classes)]
    if n_occupied > present:
        return _over_clustered(counts, n_occupied, names)
    return _one_to_one(counts, names)


def noun(class_names: Sequence[str], count: int = 2) -> str:
    """What the classes are called: digits if they are named 0 to 9, else classes."""
    digits = tuple(class_names) == tuple("0123456789")
    many = "digits" if digits else "classes"
    return many if count != 1 else {"digits": "digit", "classes": "class"}[many]


def _unlabelled(sizes: Array, n_occupied: int, mapping: Array | None, changed: float | None) -> str:
    shares = sizes[sizes > 0] / sizes.sum()
    largest = int(sizes.argmax())
    name = largest if mapping is None else int(mapping[largest])
    most, least = f"{shares.max():.0%}", f"{shares.min():.1%}"
    parts = [
        f"made {len(sizes)} clusters, {n_occupied} in use",
        f"the largest, cluster {name}, holds {most} of the items, the smallest {least}",
    ]
    if changed is not None and changed == changed:
        parts.append(f"{changed:.1%} of the items changed their cluster in the last step")
    return "; ".join(parts) + "."


def _over_clustered(counts: Array, n_occupied: int, names: list[str]) -> Verdict:
    majority = counts.argmax(0)[counts.sum(0) > 0]
    present = np.flatnonzero(counts.sum(1) > 0).tolist()
    owning = tuple(sorted(set(majority.tolist())))
    missing = [i for i in present if i not in owning]
    kinds = f"{len(present)} {noun(names, len(present))}"
    parts = [f"made {n_occupied} clusters for {kinds}, {metrics.purity_of(counts):.0%} pure"]
    if missing:
        parts.append(f"no cluster belongs to {_and([names[i] for i in missing])}")
    else:
        parts.append(f"every {noun(names, 1)} has at least one")
    return Verdict("; ".join(parts) + ".", found=owning, scattered=tuple(missing))


def _one_to_one(counts: Array, names: list[str]) -> Verdict:
    sizes = counts.sum(1)
    present = np.flatnonzero(sizes > 0).tolist()
    shares = counts / np.maximum(sizes, 1)[:, None]
    matched = hungarian(counts)
    majority = counts.argmax(0)
    found = tuple(
        y
        for y in present
        if matched[y] >= 0 and shares[y, matched[y]] > HOME and majority[matched[y]] == y
    )
    residents = [np.flatnonzero(column > HOME).tolist() for column in shares.T]
    merged = tuple(tuple(group) for group in residents if len(group) > 1)
    parts_of = {y: int(((shares[y] >= PART) & (majority == y)).sum()) for y in present}
    split = tuple(y for y in present if parts_of[y] > 1)
    lost = [y for y in present if shares[y].max() <= HOME and y not in split]
    count, total = len(found), len(present)
    all_of_them = f"all {total}" if count == total else f"{count} of {total}"
    clauses = [f"{_and([names[i] for i in group])} share a cluster" for group in merged]
    if split:
        clauses.append(f"{_and([names[i] for i in split])} {_is(split)} split")
    if lost:
        clauses.append(f"{_and([names[i] for i in lost])} {_is(lost)} scattered")
    more = len(clauses) - MAX_CLAUSES
    clauses = clauses[:MAX_CLAUSES] + ([f"and {more} more such cases"] if more > 0 else [])
    clauses.append(f"accuracy {metrics.accuracy_of(counts):.3f}")
    head = f"found {all_of_them} {noun(names, total)}"
    return Verdict("; ".join([head, *clauses]) + ".", found, merged, split, tuple(lost))


def _is(classes: Sequence[int]) -> str:
    return "is" if len(classes) == 1 else "are"


def _and(words: Sequence[str]) -> str:
    if len(words) > 5:
        words = [*words[:4], f"{len(words) - 4} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

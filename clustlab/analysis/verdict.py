"""What a clustering found, as a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import metrics, run_scores
from clustlab.analysis.matching import contingency, hungarian, sizes_of
from clustlab.types import Array, Snapshot

HOME = 0.5  # a class is at home in a cluster that holds more than this share of it
PART = 0.25  # a class is split over clusters that each hold at least this share of it
MAX_CLAUSES = 3


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
    k, assignments = snapshot.n_clusters, snapshot.assignments
    sizes = sizes_of(assignments, k)
    n_occupied = int((sizes > 0).sum())
    if not len(assignments):
        return Verdict("found nothing: there are no items.")
    share = metrics.share_clustered(assignments)
    part = f"{run_scores.clustered_words(share)}, the rest is noise" if share < 1 else ""
    if not n_occupied:
        return Verdict("found no cluster: every item is noise.")
    if n_occupied == 1:
        every = "put every item into one cluster: it collapsed."
        return Verdict(f"found a single cluster; {part}." if part else every)
    if labels is None or not (np.asarray(labels) >= 0).any():
        return Verdict(_unlabelled(assignments, sizes, mapping, changed, part))
    n_classes = max(len(class_names), int(np.max(labels)) + 1)
    counts = contingency(labels, assignments, n_classes, k)
    in_all = sizes_of(labels, n_classes)  # with those that are noise
    names = [class_names[i] if i < len(class_names) else str(i) for i in range(n_classes)]
    if n_occupied > (in_all > 0).sum():
        return _over_clustered(counts, in_all, n_occupied, names, part)
    return _one_to_one(counts, in_all, names, part)


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
    most, least = f"{shares.max():.0%}", f"{shares.min():.1%}"
    parts = [
        f"made {len(sizes)} clusters, {len(shares)} in use",
        f"the largest, cluster {name}, holds {most} of the items, the smallest {least}",
    ]
    if changed is not None and changed == changed:
        parts.append(f"{changed:.1%} of the items changed their cluster in the last step")
    return _joined([*parts, part])


def _joined(parts: Sequence[str]) -> str:
    return "; ".join(filter(None, parts)) + "."


def _over_clustered(
    counts: Array, in_all: Array, n_occupied: int, names: list[str], part: str
) -> Verdict:
    majority = counts.argmax(0)[counts.sum(0) > 0]
    present = np.flatnonzero(in_all > 0).tolist()
    owning = tuple(sorted(set(majority.tolist())))
    missing = [i for i in present if i not in owning]
    kinds = f"{len(present)} {noun(names, len(present))}"
    parts = [f"made {n_occupied} clusters for {kinds}, {metrics.purity_of(counts):.0%} pure"]
    if missing:
        parts.append(f"no cluster belongs to {_and([names[i] for i in missing])}")
    else:
        parts.append(f"every {noun(names, 1)} has at least one")
    return Verdict(_joined([*parts, part]), recovered=owning, scattered=tuple(missing))


def _one_to_one(counts: Array, in_all: Array, names: list[str], part: str) -> Verdict:
    present = np.flatnonzero(in_all > 0).tolist()
    shares = counts / np.maximum(in_all, 1)[:, None]
    noise = tuple(y for y in present if 1 - shares[y].sum() > HOME)
    matched = hungarian(counts)
    majority = counts.argmax(0)
    recovered = tuple(
        y
        for y in present
        if matched[y] >= 0 and shares[y, matched[y]] > HOME and majority[matched[y]] == y
    )
    residents = [np.flatnonzero(column > HOME).tolist() for column in shares.T]
    merged = tuple(tuple(group) for group in residents if len(group) > 1)
    parts_of = {y: int(((shares[y] >= PART) & (majority == y)).sum()) for y in present}
    split = tuple(y for y in present if parts_of[y] > 1)
    lost = [y for y in present if shares[y].max() <= HOME and y not in (*split, *noise)]
    count, total = len(recovered), len(present)
    all_of_them = f"all {total}" if count == total else f"{count} of {total}"
    clauses = [f"{_and([names[i] for i in group])} share a cluster" for group in merged]
    if split:
        clauses.append(f"{_and([names[i] for i in split])} {_is(split)} split")
    if lost:
        clauses.append(f"{_and([names[i] for i in lost])} {_is(lost)} scattered")
    if noise:
        clauses.append(f"{_and([names[i] for i in noise])} {_is(noise)} mostly noise")
    more = len(clauses) - MAX_CLAUSES
    clauses = clauses[:MAX_CLAUSES] + ([f"and {more} more such cases"] if more > 0 else [])
    clauses.append(f"accuracy {metrics.accuracy_of(counts):.3f}" if counts.any() else "")
    head = f"found {all_of_them} {noun(names, total)}"
    return Verdict(_joined([head, *clauses, part]), recovered, merged, split, tuple(lost), noise)


def _is(classes: Sequence[int]) -> str:
    return "is" if len(classes) == 1 else "are"


def _and(words: Sequence[str]) -> str:
    if len(words) > 5:
        words = [*words[:4], f"{len(words) - 4} others"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"

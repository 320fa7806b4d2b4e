"""How far two runs on a page agree, at each step that it goes through."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.analysis import agreement, matching
from clustlab.replay.packing import sparse
from clustlab.replay.recording import Source
from clustlab.types import Array

VERDICTS = ("both", "only_a", "only_b", "neither", "noise")


@dataclass(frozen=True)
class Pairing:
    """Tables by step, and ARI and NMI of the two clusterings; None where they are not defined."""

    arrays: dict[str, Array]
    agreement: list[list[float | None]]


def place_of(step: int, steps: Sequence[int]) -> int:
    """Place of the last of some steps that is not after another one; the first if none is."""
    return max(bisect_right(steps, step) - 1, 0)


def pairing(
    sources: Sequence[Source], steps: Sequence[Sequence[int]], frames: Sequence[int]
) -> Pairing:
    """Agreement of two runs at each frame; one that has ended before stays at its end.

    Arrays: `verdict` (frames, 5) uint32 counts the labelled items that both get right, one, the
    other, neither, and those that either calls noise; `common` are the clusters of one by those of
    the other, as `sparse`, with noise last.
    """
    verdicts, tables, scores = [], [], []
    n_ids = max(source.timeline.n_ids() for source in sources)
    for frame in frames:
        at = [own[place_of(frame, own)] for own in steps]
        a, b = (s.timeline.stable(step)[s.rows] for s, step in zip(sources, at, strict=True))
        tables.append(matching.with_noise(a, b, n_ids, n_ids))
        ari, nmi = (table[0, 1] for table in agreement.scores([a, b]))
        scores.append([None if v != v else round(float(v), 5) for v in (ari, nmi)])
        verdicts.append(_verdicts(sources, (a, b), n_ids))
    arrays = {"verdict": np.array(verdicts, np.uint32), **sparse(tables, "common")}
    return Pairing(arrays, scores)


def _verdicts(sources: Sequence[Source], clusterings: tuple[Array, Array], n_ids: int) -> list[int]:
    first = sources[0]
    if first.labels is None:
        return [0] * len(VERDICTS)
    labels, classes = np.asarray(first.labels)[first.rows], first.timeline.n_classes
    a, b = clusterings
    rights = [agreement.right(labels, each, n_ids, classes) for each in clusterings]
    found = agreement.who_is_right(labels, rights[0], rights[1], (a < 0) | (b < 0))
    return [len(items) for items in (getattr(found, name) for name in VERDICTS)]

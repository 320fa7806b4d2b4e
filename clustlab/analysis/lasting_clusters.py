"""Clusters of a run under numbers that last from step to step."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from clustlab.analysis import matching
from clustlab.runs.phases import steps_read_anew
from clustlab.runs.store import Run, each_assignment
from clustlab.types import Array


class Followed(NamedTuple):
    """The clusters of one step."""

    raw: Array  # (n,) int32, as the method numbers them
    lasting: Array  # (n,) int32
    mapping: Array  # (k,) int32, raw -> lasting
    n_ids: int  # lasting numbers handed out so far
    is_read_anew: bool  # rather than carried on from the step before


def followed_clusters(run: Run) -> Iterator[Followed]:
    """Clusters of each step of a run, in order; nothing but the assignments is read."""
    lasting, mapping, n_ids = None, None, 0
    read_anew = set(steps_read_anew(run))
    for step, (raw, k) in enumerate(each_assignment(run)):
        lasting, mapping = matching.follow(raw, k, lasting, mapping)
        n_ids = max(n_ids, int(mapping.max(initial=-1)) + 1)
        yield Followed(raw, lasting, mapping, n_ids, step in read_anew)


def lasting_numbers(run: Run, step: int) -> Array:
    """Lasting number (k,) int32 of each raw cluster of a committed step, as pages show them."""
    *_, last = islice(followed_clusters(run), step + 1)
    return last.mapping


def last_clusters(run: Run) -> Followed | None:
    """Clusters of the last step of a run; None before its first."""
    last = deque(followed_clusters(run), maxlen=1)
    return last[0] if last else None

"""Clusters of a run under numbers that last from step to step."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from clustlab.analysis import matching
from clustlab.runs.phases import steps_read_anew
from clustlab.runs.store import Run, each_assignment, step_missing
from clustlab.types import Array


class Followed(NamedTuple):
    """The clusters of one step."""

    raw: Array  # (n,) int32, as the method numbers them
    lasting: Array  # (n,) int32
    mapping: Array  # (k,) int32, raw -> lasting
    n_ids: int  # lasting numbers handed out so far
    step: int
    is_read_anew: bool  # rather than carried on from the step before, which may be missing
    is_missing: bool = False  # then the clusters are those of the last step that can be read


def followed_clusters(run: Run) -> Iterator[Followed]:
    """Clusters of each step of a run, in order; nothing but the assignments is read.

    Numbers last across steps that are missing. Those before the first that can be read are left
    out, and so is a run without any.
    """
    last: Followed | None = None
    read_anew = set(steps_read_anew(run))
    for step, known in enumerate(each_assignment(run)):
        if known is None:
            if last is not None:
                last = last._replace(step=step, is_missing=True)
                yield last
            continue
        raw, k = known
        lasting, mapping = matching.follow(raw, k, *(last[1:3] if last else ()))
        n_ids = max(0 if last is None else last.n_ids, int(mapping.max(initial=-1)) + 1)
        is_read_anew = step in read_anew or (last is not None and last.is_missing)
        last = Followed(raw, lasting, mapping, n_ids, step, is_read_anew)
        yield last


def lasting_numbers(run: Run, step: int) -> Array:
    """Lasting number (k,) int32 of each raw cluster of a committed step, as pages show them.

    Raises
    ------
    RunNotFound
        If neither it nor a step before it can be read.
    """
    for last in followed_clusters(run):
        if last.step == step:
            return last.mapping
    raise step_missing(run, step)


def last_clusters(run: Run) -> Followed | None:
    """Clusters of the last step of a run that can be read; None if there is none."""
    last = deque((each for each in followed_clusters(run) if not each.is_missing), maxlen=1)
    return last[0] if last else None

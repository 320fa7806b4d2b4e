"""Which steps of a long run keep all their arrays, so that the run stays below a size.

Of the others the clusters of all items stay, and so do figures and scalars: curves, histories of
items and what changes from step to step know every step. While a run grows, it keeps every step,
then every second, every fourth, and so on: each time that its steps take more than they may, every
second of those goes that nothing speaks for.
"""

import contextlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustlab.data import plain_files
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Unreadable
from clustlab.errors import ParameterError
from clustlab.runs.reading import thinning

FILE = "thinning.json"  # in the folder of a run, once it has been thinned
VARIABLE = "CLUSTLAB_STEPS_GB"
LIMIT = 1.8e9  # bytes that the steps of a run may take
ALL = "all"  # value of the variable with which every step is kept
NEWEST = 8  # steps that are always kept: what happened there may still turn out to matter
FEWEST = 16  # steps at equal distances below which none go, however large they are


@dataclass(frozen=True, slots=True)
class Thinning:
    """What is kept of the steps of a run."""

    every: int = 1  # a power of 2: steps whose number it divides are kept
    marked: frozenset[int] = frozenset()  # steps kept besides, since an alarm begins or ends there

    def doubled(self) -> "Thinning":
        """The same with every second of the steps at equal distances."""
        return Thinning(2 * self.every, self.marked)

    def keeps(self, step: int, n_steps: int, special: Collection[int]) -> bool:
        """Whether a step of a run with `n_steps` keeps its arrays."""
        return (
            step % self.every == 0
            or step >= n_steps - NEWEST
            or step in self.marked
            or step in special
        )

    def kept(self, n_steps: int, special: Collection[int]) -> list[int]:
        """Steps that keep their arrays, rising; `special` are those of `special_steps`."""
        if self.every == 1:
            return list(range(n_steps))
        return [step for step in range(n_steps) if self.keeps(step, n_steps, special)]


WHOLE = Thinning()  # every step is kept


def special_steps(log: Sequence[Mapping[str, Any]]) -> set[int]:
    """Steps that are kept whatever their number, by the lines of the log.

    The first one, the first and the last of each phase, those at which somebody has changed the
    run, and those whose embedding others borrow.
    """
    special = {0} if log else set()
    for step, record in enumerate(log):
        if step and record.get("phase") != log[step - 1].get("phase"):
            special |= {step - 1, step}
        if record.get("interventions"):
            special.add(step)
        if "embedding_of" in record:
            special.add(int(record["embedding_of"]))
    return special


def size_limit() -> float:
    """Bytes that the steps of a run may take, from `CLUSTLAB_STEPS_GB`; infinite for `all`.

    Raises
    ------
    ParameterError
        If the variable holds something else than a number above 0, or `all`.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return LIMIT
    if text.lower() == ALL:
        return float("inf")
    with contextlib.suppress(ValueError):
        if 0 < (wanted := float(text)) < float("inf"):
            return wanted * 1e9
    raise ParameterError(
        f"{VARIABLE} is {text!r}.",
        f"Set it to the number of GB that the steps of a run may take, such as 1.8, or to {ALL!r}.",
    )


def read(run: Path) -> Thinning:
    """How a run has been thinned; not at all if nothing readable says so."""
    try:
        said = thinning(plain_files.content(run, FILE))
    except (OSError, Unreadable):
        return WHOLE
    return Thinning(said["every"], frozenset(said["marked"]))


def written(run: Path) -> int:
    """When it was last written how a run is thinned, in ns; 0 if it is not thinned."""
    try:
        return (run / FILE).stat().st_mtime_ns
    except OSError:
        return 0


def write(run: Path, kept: Thinning) -> None:
    """Note how a run is thinned, before its steps are."""
    text = json.dumps({"every": kept.every, "marked": sorted(kept.marked)})
    write_atomically(run / FILE, text, is_lasting=True)

"""Which items several runs have in common, and which row of each run they are."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clustlab.data import library, plain_files, some_rows
from clustlab.data.checked_json import Unreadable
from clustlab.errors import ParameterError, RunNotFound
from clustlab.runs import reading
from clustlab.runs.store import Run, RunStore
from clustlab.types import Array


@dataclass(frozen=True, eq=False)
class SharedItems:
    """Items that each of several runs has: shared item s is row `rows[r][s]` of run r."""

    rows: tuple[Array, ...]  # for each run (m,) int64, rising
    sizes: tuple[int, ...]  # items of each run
    original: Array  # (m,) int64, rows in the whole draw
    n_draw: int  # items of the whole draw

    def __len__(self) -> int:
        """Number of shared items."""
        return len(self.original)

    def has_all(self, run: int) -> bool:
        """Whether a run has no item but the shared ones."""
        return self.sizes[run] == len(self)

    @property
    def in_words(self) -> str:
        """How many items are compared, such as '4,959 of 5,000 items'."""
        if len(self) == self.n_draw:
            return f"{self.n_draw:,} items"
        return f"{len(self):,} of {self.n_draw:,} items"

    def positions(self, items: Sequence[int] | Array, run: int = 0) -> Array:
        """Shared items (k,) int64 that rows of a run are; those that are not shared are dropped."""
        wanted = np.asarray(items, dtype=np.int64).ravel()
        places = np.searchsorted(self.rows[run], wanted)
        known = places < len(self)
        known[known] = self.rows[run][places[known]] == wanted[known]
        return places[known]

    def translated(self, items: Sequence[int] | Array, run: int, other: int) -> Array:
        """Rows (k,) int64 of another run that hold the same items; those not shared are dropped."""
        return self.rows[other][self.positions(items, run)]


def shared_rows(n_draw: int, excluded: Sequence[Sequence[int]]) -> SharedItems:
    """Shared items of runs over one draw, from the rows of it that each run leaves out.

    Raises
    ------
    ParameterError
        If the runs have no item in common, or one leaves out a row that is not there.
    """
    kept = [some_rows.rows_left(n_draw, rows) for rows in excluded]
    original = kept[0]
    for rows in kept[1:]:
        original = np.intersect1d(original, rows, assume_unique=True)
    if not len(original):
        raise ParameterError(
            "These runs have no item in common: each leaves out what the others have.",
            "Choose runs that share some items.",
        )
    return SharedItems(
        rows=tuple(np.searchsorted(rows, original) for rows in kept),
        sizes=tuple(map(len, kept)),
        original=original,
        n_draw=n_draw,
    )


def shared_items(store: RunStore, runs: Sequence[Run]) -> SharedItems:
    """Items that all runs have; they must be over one draw, see `strangers`.

    Raises
    ------
    RunNotFound
        If no run has its items loaded.
    ParameterError
        If the runs have no item in common.
    """
    missing: RunNotFound | None = None
    for run in runs:
        try:
            n_draw = len(store.dataset(run).items) + len(set(run.spec.excluded))
        except RunNotFound as error:
            missing = error
        else:
            return shared_rows(n_draw, [run.spec.excluded for run in runs])
    raise missing or ParameterError("There is no run to compare.", "Choose two.")


# -- the same draw -----------------------------------------------------------------------------
def draw_key(run: Run) -> str:
    """Key of the data set that a run was drawn from, before items were left out."""
    if run.spec.excluded:
        try:
            return library.key(run.spec.dataset, run.spec.dataset_params, run.spec.seed)
        except ParameterError:  # of a data set that is not here any more
            pass
    return str(run.manifest["data_key"])


def fingerprint(store: RunStore, run: Run) -> str | None:
    """Digest of items and labels of the whole draw of a run; None while they are not known."""
    name = "whole" if run.spec.excluded else "fingerprint"
    for folder, file, entry in (
        (store.root / "_data", f"{draw_key(run)}/about.json", "fingerprint"),
        (store.root / "_data", f"{run.manifest['data_key']}/about.json", name),
        (run.path, "environment.json", name),
    ):
        with contextlib.suppress(OSError, Unreadable):
            digest = reading.environment(plain_files.content(folder, file)).get(entry)
            if digest:
                return str(digest)
    return None


def same_draw(store: RunStore, a: Run, b: Run) -> bool:
    """Whether two runs look at items of the same draw, each perhaps without some."""
    if draw_key(a) == draw_key(b):
        return True
    digest = fingerprint(store, a)
    return digest is not None and digest == fingerprint(store, b)


def strangers(store: RunStore, runs: Sequence[Run]) -> list[Run]:
    """Runs over another draw than the first one."""
    return [run for run in runs[1:] if not same_draw(store, runs[0], run)]

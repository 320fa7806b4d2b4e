"""The arrays of a step as the readers of a run get them, wherever and however they are stored."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.errors import Diverged, RunNotFound, StepMissing, StepThinned
from clustlab.runs import thinning
from clustlab.runs.migration import MigratedArrays, number_of_noise
from clustlab.runs.spec import RunSpec
from clustlab.runs.step_arrays import MEAN_CONFIDENCE, PLANE, StepArrays
from clustlab.runs.step_log import is_missing
from clustlab.types import Array


class StoredRun(Protocol):
    """What of a run says where its steps lie."""

    id: str
    path: Path
    spec: RunSpec
    unreadable: set[int]  # steps whose file could not be read when last tried

    @property
    def log(self) -> list[dict[str, Any]]:
        """One record a committed snapshot."""
        ...

    @property
    def n_items(self) -> int | None:
        """Number of items; None while they are not there."""
        ...


@contextlib.contextmanager
def opened_step(run: StoredRun, step: int) -> Iterator[Mapping[str, Array]]:
    """Arrays of a committed step; raises `StepMissing` if they are gone, and the run is not."""
    with step_arrays(run, step) as arrays:
        record = run.log[step]
        if "embedding_of" in record:
            yield _BorrowedEmbedding(run, arrays, record)
            return
        noise = number_of_noise(run.spec.method, record)
        yield arrays if noise is None else MigratedArrays(arrays, record, noise)


@contextlib.contextmanager
def step_arrays(run: StoredRun, step: int) -> Iterator[StepArrays]:
    """Arrays in the file of a committed step and no other; raises like `step_file`."""
    record = run.log[step]
    if is_missing(record):
        raise step_missing(run, step)
    with step_file(run, step) as file:
        yield StepArrays(file, record, run.n_items)


def place_of_embedding(run: StoredRun, record: Mapping[str, Any]) -> int:
    """Step in whose file the embedding of a step lies, by its line in the log.

    Raises
    ------
    StepMissing
        If the line names a step that cannot hold it.
    """
    step, lender = int(record["step"]), int(record.get("embedding_of", record["step"]))
    if lender > step or (lender < step and "embedding_of" in run.log[lender]):
        raise step_missing(run, step, f"its embedding cannot be that of step {lender}")
    return lender


class _BorrowedEmbedding(Mapping[str, Array]):
    """Arrays of a step whose embedding is that of a step before it."""

    def __init__(self, run: StoredRun, arrays: StepArrays, record: Mapping[str, Any]) -> None:
        self._run, self._arrays, self._record = run, arrays, record

    def __getitem__(self, name: str) -> Array:
        if name != "embedding":
            return self._arrays[name]
        with step_arrays(self._run, place_of_embedding(self._run, self._record)) as arrays:
            return arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(["embedding", *self._arrays])

    def __len__(self) -> int:
        return 1 + len(self._arrays)


@contextlib.contextmanager
def step_file(run: StoredRun, step: int) -> Iterator[BinaryIO]:
    """File of the arrays of a step, to read; raises `RunNotFound` if that goes wrong."""
    try:
        with plain_files.opened(run.path, f"snapshots/{step:05d}.npz") as file:
            yield file
    except (OSError, ValueError, KeyError, Diverged) as error:
        raise step_missing(
            run, step, str(error) if isinstance(error, Unreadable) else ""
        ) from error
    run.unreadable.discard(step)


def step_missing(run: StoredRun, step: int, why: str = "") -> RunNotFound:
    """What to raise if a step cannot be read; it counts among the missing ones from now on."""
    if not run.path.is_dir():
        return RunNotFound(
            f"The run {run.id!r} was deleted.", "Open the page Runs for those there are."
        )
    run.unreadable.add(step)
    why = f" ({why})" if why else ""
    return StepMissing(
        f"Step {step} of this run is missing: its line in the log or its file cannot be read{why}.",
        "Look at another step, or resume the run, which computes missing steps again.",
    )


class Glance(NamedTuple):
    """What can be known of a step without its large arrays."""

    assignments: Array  # (n,) int32
    n_clusters: int
    centers: Array | None  # (k, d) float32
    is_soft: bool  # whether the method gave probabilities; unknown, and False, if it is thinned
    is_thinned: bool  # whether the large arrays were taken out
    mean_confidence: float | None  # nan where it is not defined; None if nobody has noted it


def glance(run: StoredRun, step: int) -> Glance:
    """What can be known of a step without its large arrays.

    Raises
    ------
    RunNotFound
        If the step is missing, or the run was deleted.
    """
    record = run.log[step]
    with opened_step(run, step) as arrays:
        is_thinned = MEAN_CONFIDENCE in arrays
        sure = arrays[MEAN_CONFIDENCE][0] if is_thinned else record.get("mean_confidence")
        return Glance(
            arrays["assignments"],
            n_clusters_of(run, record),
            arrays.get("centers"),
            "probabilities" in arrays,
            is_thinned,
            None if sure is None else float(sure),
        )


def n_clusters_of(run: StoredRun, record: Mapping[str, Any]) -> int:
    """Number of clusters of a step without noise, by its line in the log."""
    return int(record["n_clusters"]) - (number_of_noise(run.spec.method, record) is not None)


def map_of(run: StoredRun, step: int) -> tuple[Array, Array] | None:
    """Embedding (n, d) and plane of a step; None if it has no plane.

    Raises
    ------
    RunNotFound
        If the step is missing or thinned, or the run was deleted.
    """
    with opened_step(run, step) as arrays:
        check_whole(run, step, arrays)
        if PLANE not in arrays:
            return None
        embedding, plane = arrays["embedding"], arrays[PLANE]
    return (embedding, plane) if len(plane) == embedding.shape[1] + 3 else None


def plane_at(run: StoredRun, step: int) -> Array | None:
    """Plane of a step; None if it has none. Raises like `glance`."""
    with opened_step(run, step) as arrays:
        return arrays.get(PLANE)


def check_whole(run: StoredRun, step: int, arrays: Mapping[str, Array]) -> None:
    """Nothing, if a step has all its arrays; raises `StepThinned` if most were taken out."""
    if MEAN_CONFIDENCE in arrays:
        every = thinning.read(run.path).every
        raise StepThinned(
            f"Step {step} is not kept: of this run, every {ordinal(every)} step is. Of the others "
            "there are clusters and figures alone.",
            f"Look at step {step - step % every}, or set {thinning.VARIABLE} to "
            f"{thinning.ALL!r} before you start a run of which every step is to be kept.",
        )


def ordinal(number: int) -> str:
    """A whole number from 1 up as an ordinal number, such as `2nd`; empty for 1."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return "" if number == 1 else f"{number:,}{'th' if number % 100 in (11, 12, 13) else ending}"


def assignments_at(run: StoredRun, step: int) -> tuple[Array, int]:
    """Assignments (n,) int32 and number of clusters of a step, as in a `Snapshot`.

    Raises
    ------
    RunNotFound
        If the step is missing, or the run was deleted.
    """
    with opened_step(run, step) as arrays:
        return arrays["assignments"], n_clusters_of(run, run.log[step])


def each_assignment(run: StoredRun) -> Iterator[tuple[Array, int] | None]:
    """Assignments (n,) int32 and number of clusters of every committed step, and nothing else.

    As in a `Snapshot`, -1 is noise, which counts as no cluster. None for a step that is missing.
    Steps that were thinned have theirs.

    Raises
    ------
    RunNotFound
        If the run was deleted.
    """
    for step in range(len(run.log)):
        try:
            yield assignments_at(run, step)
        except StepMissing:
            yield None


def probabilities_at(run: StoredRun, step: int) -> Array | None:
    """Probabilities (n, k) float32 of a step and nothing else.

    Raises
    ------
    RunNotFound
        If the step is missing or thinned, or the run was deleted.
    """
    with opened_step(run, step) as arrays:
        check_whole(run, step, arrays)
        return arrays.get("probabilities")

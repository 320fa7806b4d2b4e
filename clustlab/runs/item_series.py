"""One item's row of an array in every snapshot, read without the rest of the array."""

from clustlab.errors import StepMissing
from clustlab.runs.opened_steps import place_of_embedding, step_arrays
from clustlab.runs.step_log import is_missing
from clustlab.runs.store import Run
from clustlab.types import Array


def of_item(run: Run, name: str, item: int) -> list[Array | None]:
    """Row (m,) of one item in an array of each committed step; None where there is none.

    A snapshot is not compressed, so a row stands at a known place: 50 steps of 10,000 items take
    4 ms, instead of 40 ms for the whole arrays.

    Parameters
    ----------
    name : str
        `embedding`, `probabilities`, or `artefact:` and the name of one with a row for each item.

    Raises
    ------
    RunNotFound
        If the run was deleted.
    IndexError
        If there is no such item.
    """
    return [of_item_at(run, record["step"], name, item) for record in list(run.log)]


def of_item_at(run: Run, step: int, name: str, item: int) -> Array | None:
    """Row (m,) of one item in an array of one step; as `of_item`."""
    record = run.log[step]
    if is_missing(record):
        return None
    if name == "embedding" and "embedding_of" in record:
        return of_item_at(run, place_of_embedding(run, record), name, item)
    try:
        with step_arrays(run, step) as arrays:
            return arrays.row(name, item) if name in arrays else None
    except StepMissing:
        return None

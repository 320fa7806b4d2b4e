"""Files that hold a clustering: its steps, and embeddings and probabilities if there are any."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clustlab.errors import DataError, ParameterError
from clustlab.importing import number_files
from clustlab.importing.arrays import is_called
from clustlab.importing.cells import told_near, told_some
from clustlab.importing.classes import Classes, Value, in_order
from clustlab.importing.entries import (
    Entries,
    Guess,
    entries_of_table,
    guess_of_arrays,
    is_table,
    key_of_arrays,
    left_out,
)
from clustlab.importing.joining import Items, Joined, join
from clustlab.importing.number_files import Numbers
from clustlab.importing.plan import Choices
from clustlab.types import NOISE, Array

FOUND = (
    *("clusters", "cluster", "assignments", "assignment", "clustering", "clusterings"),
    *("pred", "prediction", "predictions"),
)
ASSIGNMENTS = (*FOUND, "labels", "label", "y")
STEPS = (FOUND, ASSIGNMENTS)  # columns that are called so are preferred
EMBEDDINGS = ("embedding", "embeddings", "features", "codes", "z")
PROBABILITIES = ("probabilities", "probability", "probs", "proba", "p", "q", "softmax", "soft")
MOST_CLUSTERS = 30_000
MOST_STEPS = 5_000
MOST_BYTES = 2 * 2**30  # of an embedding or probabilities at all steps
NOT_SURE = 1e-3  # that probabilities may differ from a sum of 1


@dataclass(frozen=True, slots=True)
class Clustering:
    """Clusters of all items of a draw, in their order."""

    assignments: Array  # (steps, n) int32, -1 for noise
    names: tuple[str, ...]  # of clusters, by their number
    step_names: tuple[str, ...]  # of the steps, or none
    embeddings: Callable[[int], Array] | None  # (n, d) float32 of a step
    probabilities: Callable[[int], Array] | None  # (n, k) float32 of a step
    facts: tuple[str, ...]  # how it was joined and numbered, a sentence each
    content: str  # digest of what the file says of these items


def read(
    path: Path, items: Items, names: str | None = None, steps: Sequence[str] = ()
) -> Clustering:
    """Clusters in a file, joined to the items that they are of.

    Parameters
    ----------
    names : str, optional
        Column or array by which entries are joined; an empty string for their order.
    steps : sequence of str
        Columns or the array of clusters; all that may be clusters unless they are given.

    Raises
    ------
    ClustlabError
        If the file cannot be read, or it does not fit the items.
    """
    if is_table(path):
        return _of_table(path, items, names, steps)
    return _of_arrays(path, items, names, steps)


def _of_table(path: Path, items: Items, names: str | None, steps: Sequence[str]) -> Clustering:
    choices = Choices(names=names)
    entries = entries_of_table(path, choices, steps, items.known, STEPS)
    joined = join(entries, items, must_be_all=True)
    numbered = _numbered(path, {c.title: c for c in entries.columns.values()})
    assignments = np.stack([codes[joined.entry] for codes in numbered.codes])
    _check_given(path, assignments, list(entries.columns), entries, joined)
    taken = told_some(map(repr, entries.columns))
    facts = [
        joined.words,
        f"{'Steps' if len(entries.columns) > 1 else 'Clusters'} were taken from {taken}.",
        *left_out(entries),
        *_elsewhere(joined),
        *numbered.facts,
    ]
    if entries.unused:
        facts.append(f"Not used: {told_some(entries.unused)}.")
    content = _digest(assignments)
    called = tuple(entries.columns) if len(entries.columns) > 1 else ()
    return Clustering(assignments, numbered.names, called, None, None, tuple(facts), content)


def _elsewhere(joined: Joined) -> list[str]:
    if not joined.n_elsewhere:
        return []
    return [f"{joined.n_elsewhere:,} entries are about items outside of this draw and are left."]


def _check_given(
    path: Path, assignments: Array, columns: Sequence[str], entries: Entries, joined: Joined
) -> None:
    """Refuse items without a cluster: nobody said that they are noise."""
    for step, name in enumerate(columns):
        missing = np.flatnonzero(assignments[step] == _NOWHERE)
        if len(missing):
            first = int(joined.entry[missing[0]])
            called = f"row {first}" if entries.kind == "order" else repr(entries.keys[first])
            raise DataError(
                f"{len(missing):,} items have no cluster in {name!r} of {path.name}, the first is "
                f"{called}.",
                f"Give each item a cluster, or {NOISE} if it is noise.",
            )


_NOWHERE = -2  # in place of a cluster: the file says nothing


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Clusters of several steps under common numbers."""

    codes: list[Array]  # of each step (m,) int32, -1 for noise, -2 where nothing is said
    names: tuple[str, ...]
    facts: tuple[str, ...]


def _numbered(path: Path, steps: Mapping[str, Classes]) -> _Numbered:
    """Numbers from 0 up for the clusters of all steps, in the order of their own numbers."""
    if len(steps) > MOST_STEPS:
        raise DataError(
            f"{path.name} holds {len(steps):,} steps, more than {MOST_STEPS:,}.",
            "Bring in some of them.",
        )
    keys: set[Value] = set().union(*(each.keys for each in steps.values()))
    below = [key for key in keys if isinstance(key, int) and key < NOISE]
    if below:
        raise DataError(
            f"{path.name} holds the cluster {min(below)}.",
            f"Number clusters from 0 up, and write {NOISE} for noise.",
        )
    broken = [key for key in keys if isinstance(key, float)]
    if broken:
        name = next(title for title, each in steps.items() if broken[0] in each.keys)
        raise DataError(
            f"{name!r} in {path.name} holds {broken[0]:g}, which is no cluster.",
            "Clusters are whole numbers or text; name the columns that hold them.",
        )
    noise = {key for key in keys if key == NOISE or str(key).lower() == "noise"}
    names = in_order(keys - noise)
    if len(names) > MOST_CLUSTERS:
        raise DataError(
            f"{path.name} holds {len(names):,} clusters, more than {MOST_CLUSTERS:,}.",
            "Name the column that holds the clusters.",
        )
    number = {key: place for place, key in enumerate(names)} | dict.fromkeys(noise, NOISE)
    codes = [
        np.array([*(number[key] for key in each.keys), _NOWHERE], np.int32)[each.codes]
        for each in steps.values()
    ]
    facts = []
    if names != list(range(len(names))):
        shown = ", ".join(f"{key} is {place}" for place, key in enumerate(names[:5]))
        facts.append(f"Clusters are numbered from 0: {shown}{', ...' * (len(names) > 5)}.")
    if noise:
        facts.append("Some items are noise.")
    return _Numbered(codes, tuple(map(str, names)), tuple(facts))


def _of_arrays(path: Path, items: Items, keys_in: str | None, chosen: Sequence[str]) -> Clustering:
    arrays = dict(number_files.arrays_in(path, Choices().limits))
    for name in chosen:
        if name not in arrays:
            raise ParameterError(
                f"There is no array {name!r} in {path.name}.",
                f"Choose one of: {told_near(name, arrays)}.",
            )
    main = chosen[0] if chosen else _array_called(arrays, ASSIGNMENTS, (1, 2))
    soft = _array_called(arrays, PROBABILITIES, (2, 3))
    if main is None and len(arrays) == 1 and len(next(iter(arrays.values())).shape) < 3:
        main = next(iter(arrays))
    if main is None and soft is None:
        shapes = (f"{k}: {' x '.join(map(str, v.shape))}" for k, v in arrays.items())
        raise DataError(
            f"{path.name} holds no array of clusters ({told_some(shapes, between='; ')}).",
            "Call it 'clusters': one for each item, or steps x items.",
        )
    if main and len(arrays[main].shape) == 2 and _is_turned(arrays[main].shape, items.n_rows):
        raise DataError(
            f"{main!r} in {path.name} holds items x steps.", "The axis of steps comes first."
        )
    placed = _of_clusters(path, arrays, chosen or [main]) if main else None
    soft_steps = _expanded(path, str(soft), arrays[soft], 2) if soft else None
    some = placed or soft_steps
    assert some is not None
    n_steps, n = some.n_steps, some.n
    kind, key, keys = key_of_arrays(path, arrays, Choices(names=keys_in), n)
    entries = Entries(path.name, n, kind, key, keys)
    joined = join(entries, items, must_be_all=True)
    deep = _array_called(arrays, EMBEDDINGS, (2, 3))
    deep_steps = _expanded(path, str(deep), arrays[deep], 2) if deep else None
    for each in (soft_steps, deep_steps):
        if each is not None and (each.n != n or each.n_steps not in (1, n_steps)):
            raise DataError(
                f"{each.name!r} in {path.name} is of {each.n:,} items at {each.n_steps:,} steps, "
                f"but the clusters are of {n:,} at {n_steps:,}.",
                "Give one for each item, or steps x items x values.",
            )
    facts = [joined.words, *_elsewhere(joined)]
    probabilities = _probabilities(path, soft_steps, joined) if soft_steps else None
    if placed is None:
        assert probabilities is not None
        likeliest = [probabilities(step).argmax(1) for step in range(n_steps)]
        assignments = np.stack(likeliest).astype(np.int32)
        names = tuple(map(str, range(soft_steps.width if soft_steps else 0)))
        facts.append("Each item is in its likeliest cluster.")
    elif soft_steps is not None:
        assignments = np.stack([placed.at(s)[joined.entry] for s in range(n_steps)])
        _check_columns(path, assignments, soft_steps.width)
        assignments = assignments.astype(np.int32)
        names = tuple(map(str, range(soft_steps.width)))
    else:
        steps = {str(step): Classes(str(step)) for step in range(n_steps)}
        for step, classes in enumerate(steps.values()):
            classes.add(placed.at(step))
        numbered = _numbered(path, steps)
        assignments = np.stack([codes[joined.entry] for codes in numbered.codes])
        _check_given(path, assignments, [str(main)] * n_steps, entries, joined)
        names = numbered.names
        facts += numbered.facts
    used = {main, *chosen, soft, deep, key}
    if unused := [name for name in arrays if name not in used]:
        facts.append(f"Not used: {told_some(unused)}.")
    content = _digest(assignments, *(each.values for each in (soft_steps, deep_steps) if each))
    embeddings = _embeddings(path, deep_steps, joined) if deep_steps else None
    called = tuple(chosen) if len(chosen) > 1 else ()
    return Clustering(assignments, names, called, embeddings, probabilities, tuple(facts), content)


def guess(path: Path) -> Guess | None:
    """Which arrays of a file are taken for clusters; None if there is nothing to choose."""
    arrays = dict(number_files.arrays_in(path, Choices().limits))
    main = _array_called(arrays, ASSIGNMENTS, (1, 2))
    possible = [
        name
        for name, each in arrays.items()
        if len(each.shape) == 1 or (len(each.shape) == 2 and each.dtype.kind != "f") or name == main
    ]
    return guess_of_arrays(path, arrays, possible, [main] if main else [])


def _of_clusters(path: Path, arrays: Mapping[str, Numbers], names: Sequence[str]) -> "_Steps":
    """One array of clusters at all steps, or arrays of one step each."""
    shapes = [arrays[name].shape for name in names]
    if len(shapes[0]) > 2 or (len(names) > 1 and (len(set(shapes)) > 1 or len(shapes[0]) > 1)):
        told = (f"{name}: {' x '.join(map(str, arrays[name].shape))}" for name in names)
        raise DataError(
            f"The clusters in {path.name} cannot be taken from {told_some(told, between='; ')}.",
            "Choose one array of steps x items, or one for each step, with a cluster for each "
            "item.",
        )
    steps = [_expanded(path, name, arrays[name], 1).values for name in names]
    return _Steps(names[0], np.concatenate(steps))


def _is_turned(shape: tuple[int, ...], n: int) -> bool:
    return shape[0] == n and shape[1] not in (1, n)


def _array_called(
    arrays: Mapping[str, Numbers], words: Sequence[str], n_axes: Sequence[int]
) -> str | None:
    fit = [name for name, each in arrays.items() if len(each.shape) in n_axes]
    return next((name for name in fit if name in words or is_called(name, words)), None)


@dataclass(frozen=True, slots=True)
class _Steps:
    """An array of all steps."""

    name: str
    values: Array  # (steps, n) or (steps, n, width)

    @property
    def n_steps(self) -> int:
        return len(self.values)

    @property
    def n(self) -> int:
        return self.values.shape[1]

    @property
    def width(self) -> int:
        return self.values.shape[2]

    def at(self, step: int) -> Array:
        """Values of a step; those of the only one if there is one for all."""
        values: Array = self.values[step if len(self.values) > 1 else 0]
        return values


def _expanded(path: Path, name: str, numbers: Numbers, n_axes: int) -> _Steps:
    """Array with an axis of steps before those of one step."""
    nbytes = len(numbers) * numbers.row_bytes
    if nbytes > MOST_BYTES:
        raise DataError(
            f"{name!r} in {path.name} has {nbytes / 1e9:,.1f} GB, more than "
            f"{MOST_BYTES / 1e9:,.1f} GB.",
            "Give fewer steps, or 16 bit numbers.",
        )
    values = numbers.all()
    if values.ndim == n_axes:
        values = values[None]
    elif n_axes == 1 and values.shape[1] == 1:
        values = values.T
    if len(values) > MOST_STEPS or not len(values):
        raise DataError(
            f"{name!r} in {path.name} holds {len(values):,} steps.",
            f"Give 1 to {MOST_STEPS:,}: the axis of steps comes first.",
        )
    return _Steps(name, values)


def _probabilities(path: Path, steps: _Steps, joined: Joined) -> Callable[[int], Array]:
    if steps.values.dtype.kind != "f":
        raise DataError(
            f"{steps.name!r} in {path.name} holds {steps.values.dtype}, no probabilities.",
            "Probabilities are decimals in [0, 1].",
        )
    for step in range(steps.n_steps):
        _check_probabilities(path, steps.name, steps.at(step))

    def at(step: int) -> Array:
        values = steps.at(step)[joined.entry].astype(np.float64)
        out: Array = (values / values.sum(1, keepdims=True)).astype(np.float32)
        return out

    return at


def _check_probabilities(path: Path, name: str, values: Array) -> None:
    sums = values.astype(np.float64).sum(1)
    wrong = ~np.isfinite(values).all(1) | (values < 0).any(1) | (np.abs(sums - 1) > NOT_SURE)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{int(wrong.sum()):,} rows of {name!r} in {path.name} are no probabilities: row {row} "
            f"sums to {sums[row]:g}.",
            "They are at least 0 and sum to 1, a column for each cluster.",
        )


def _check_columns(path: Path, assignments: Array, width: int) -> None:
    whole = assignments.dtype.kind in "iu"
    if not whole or assignments.min() < 0 or assignments.max() >= width:
        told = f" from {assignments.min()} to {assignments.max()}" if whole else ""
        raise DataError(
            f"The clusters in {path.name} are {assignments.dtype}{told}, but there are "
            f"{width:,} columns of probabilities.",
            "With probabilities, clusters are numbered from 0 as their columns are.",
        )


def _embeddings(path: Path, steps: _Steps, joined: Joined) -> Callable[[int], Array]:
    if steps.values.dtype.kind not in "fiu" or not steps.width:
        raise DataError(f"{steps.name!r} in {path.name} holds no numbers.", "Leave it out.")
    for step in range(steps.n_steps):
        with np.errstate(over="ignore"):
            finite = np.isfinite(steps.at(step).astype(np.float32)).all(1)
        if not finite.all():
            row = int(np.flatnonzero(~finite)[0])
            raise DataError(
                f"{int((~finite).sum()):,} rows of {steps.name!r} in {path.name} are not finite, "
                f"the first is {row}.",
                "Leave the embedding out, or mend it.",
            )

    def at(step: int) -> Array:
        values: Array = steps.at(step)[joined.entry].astype(np.float32)
        return values

    return at


def _digest(*arrays: Array) -> str:
    digest = hashlib.sha256()
    for each in arrays:
        digest.update(f"{each.shape} {each.dtype}".encode())
        digest.update(np.ascontiguousarray(each).data)
    return digest.hexdigest()[:16]

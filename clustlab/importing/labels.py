"""Further sets of classes for a data set that is there, from a table or from arrays.

A set that was imported gets them itself. One that came with clustlab or a package keeps the labels
of its authors: a copy of its items becomes a set of one's own, and gets them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clustlab import registry
from clustlab.data import library, own_sets, some_rows
from clustlab.data.free_titles import free_title
from clustlab.data.own_about import Kind
from clustlab.data.own_sets import OwnSet, SetWriter
from clustlab.errors import DataError, ParameterError
from clustlab.importing import clusterings, number_files
from clustlab.importing.arrays import NAMES, is_called
from clustlab.importing.cells import told_near, told_some
from clustlab.importing.classes import Classes
from clustlab.importing.entries import (
    ITEMS,
    ROWS,
    Entries,
    Guess,
    entries_of_table,
    guess_of_arrays,
    is_table,
    key_of_arrays,
    left_out,
)
from clustlab.importing.joining import Items, join
from clustlab.importing.name_index import NameIndex
from clustlab.importing.number_files import Numbers
from clustlab.importing.plan import Choices
from clustlab.params import LABELLING, UNBALANCE, Shares, build
from clustlab.parts.inputs.sampling import drawn_rows
from clustlab.runs.store import RunSpec, RunStore
from clustlab.types import UNLABELLED, Dataset, Labelling

AUTHORS = "class"  # title of the labels that a set came with
TOGETHER = 10_000  # items that are copied together


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """Sets of classes that a file holds for the items of a data set."""

    titles: tuple[str, ...]  # of the sets of classes that are there before
    labellings: Mapping[str, Labelling]  # by title; (n,) in the order of the items
    facts: tuple[str, ...]  # how they were found and what is missing, a sentence each
    own: OwnSet | None = None  # that gets them
    drawn: Dataset | None = None  # else the items, of which a copy gets them


def preview(
    path: Path,
    dataset: str,
    choices: Choices,
    runs: RunStore,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> FoundLabels:
    """Sets of classes in a file, brought to the items of a data set.

    Of `choices`, `labels` and `others` name the columns or arrays of classes (all that may be
    classes unless they are given), and `names` that of the names of items.

    Parameters
    ----------
    params, seed
        Which draw of its items they are for. All items of an imported set get them: there, the
        draw only says which numbers its items have in pages and exports.

    Raises
    ------
    ClustlabError
        If the data set is not there, the file cannot be read, or it does not fit.
    """
    if registry.is_imported(registry.dataset(dataset)):
        own = own_sets.own_set(dataset)
        items = _all_items(own, params or {}, seed)
        titles = tuple(title for title, _ in own.labellings)
        return _found(path, items, choices, titles, own=own)
    drawn = library.load(runs.root, dataset, params or {}, seed)
    items = clusterings.items_of(runs, drawn, dataset, params or {}, seed)
    has_labels = drawn.labels is not None
    titles = (*([AUTHORS] if has_labels else []), *drawn.other_labels)
    return _found(path, items, choices, titles, drawn=drawn)


def _all_items(own: OwnSet, params: Mapping[str, Any], seed: int) -> Items:
    """All items of an imported set in the order in which they came in."""
    spec: Any = build(registry.dataset(own.name), params)
    is_even = getattr(spec, UNBALANCE, 1.0) == 1
    return Items(
        own.title,
        len(own),
        names := list(own.item_names()),
        NameIndex(names),
        rows=np.arange(len(own)),
        n_rows=len(own),
        numbered=drawn_rows(len(own), spec.n_samples, seed) if is_even else None,
        n_refused=own.n_refused,
    )


def _found(
    path: Path, items: Items, choices: Choices, titles: tuple[str, ...], **target: Any
) -> FoundLabels:
    wanted = [each for each in (choices.labels, *choices.others) if each]
    if is_table(path):
        entries = entries_of_table(path, choices, wanted, items.known)
    else:
        entries = _entries_of_arrays(path, choices, wanted, items.n)
    joined = join(entries, items, must_be_all=False)
    facts = [joined.words]
    if joined.n_elsewhere:
        facts.append(f"{joined.n_elsewhere:,} entries are about no item of the set and are left.")
    facts += left_out(entries)
    if entries.unused:
        facts.append(f"Not used: {told_some(entries.unused)}.")
    labellings = {}
    for title, classes in entries.columns.items():
        found = classes.labelling()
        padded = np.append(found.labels, np.int32(UNLABELLED))  # for items without an entry
        labels = padded[joined.entry]
        labellings[title] = Labelling(labels, found.class_names)
        n_missing = int((labels < 0).sum())
        missing = f", {n_missing:,} items without" if n_missing else ""
        facts.append(f"{title!r}: {len(found.class_names):,} classes{missing}.")
        facts += [*classes.remarks()]
    return FoundLabels(titles, labellings, tuple(facts), **target)


def bring_in(found: FoundLabels, runs: RunStore) -> OwnSet:
    """Add sets of classes to a data set, also where runs have drawn its items already.

    One of the same title is replaced. Of a set that was not imported a copy gets them, which is
    made unless it is there; it is returned.

    Raises
    ------
    DataError
        If runs were made on items which were drawn by classes that would be replaced. Nothing is
        changed then.
    """
    own = found.own or _copied(found)
    drawn = {
        run.manifest["data_key"]: run.spec for run in runs.runs() if run.spec.dataset == own.name
    }
    for spec in drawn.values():
        _check_same_items(own, spec, found.labellings)
    own = own_sets.add_labellings(own.name, found.labellings)
    for spec in drawn.values():
        library.label_anew(runs.root, spec.dataset, spec.dataset_params, spec.seed, spec.excluded)
    library.forget_draws(runs.root, own.name, keep=drawn)
    return own


def _check_same_items(own: OwnSet, spec: RunSpec, new: Mapping[str, Labelling]) -> None:
    """Refuse new classes by which the items of a run would be others than it was given."""
    built: Any = build(registry.dataset(own.name), spec.dataset_params)
    shares: Shares = getattr(built, UNBALANCE, 1.0)
    title = getattr(built, LABELLING, "") or next((title for title, _ in own.labellings), "")
    if shares == 1 or title not in new:
        return
    rows = drawn_rows(len(own), built.n_samples, spec.seed)
    labellings = [own.labelling(title), new[title]]
    is_same = len({len(one.class_names) for one in labellings}) == 1
    if is_same or not isinstance(shares, tuple):
        before, after = (
            some_rows.rows_unbalanced(np.asarray(one.labels[rows]), shares) for one in labellings
        )
        is_same = np.array_equal(before, after)
    if not is_same:
        raise DataError(
            f"Runs were made on {own.title!r} with classes made rarer, by those called {title!r}: "
            "with others, they would be of other items.",
            "Add the new classes under another title, or delete these runs first.",
        )


def _copied(found: FoundLabels) -> OwnSet:
    """The items of a draw as a set of one's own, with the labels that they had."""
    data = found.drawn
    assert data is not None, "classes are for a set or for a draw"
    labellings = dict(data.other_labels)
    if data.labels is not None:
        labellings = {AUTHORS: Labelling(data.labels, data.class_names), **labellings}
    shown = data.images_shown
    title = registry.dataset(data.name).title
    kind: Kind = "images" if data.is_image else "vectors"
    with SetWriter(
        kind, data.items.shape[1:], None if shown is None else shown.shape[1:]
    ) as writer:
        for start in range(0, len(data.items), TOGETHER):
            rows = slice(start, start + TOGETHER)
            writer.append(
                data.items[rows],
                list(data.item_names[rows]) if data.item_names else (),
                None if shown is None else shown[rows],
            )
        return writer.finish(
            free_title(f"{title} with {next(iter(found.labellings))}"),
            origin=f"{title}, {data.protocol}" if data.protocol else title,
            labellings=labellings,
            columns=data.columns,
        )[0]


def guess(path: Path) -> Guess | None:
    """Which arrays of a file are taken for classes; None if there is nothing to choose."""
    arrays = number_files.arrays_in(path, Choices().limits)
    of_one = _of_one(arrays)
    return guess_of_arrays(path, arrays, of_one, _not_keys(of_one))


def _of_one(arrays: Mapping[str, Numbers]) -> list[str]:
    """Arrays with one value for each item."""
    return [name for name, each in arrays.items() if each.shape in ((len(each),), (len(each), 1))]


def _not_keys(names: Sequence[str]) -> list[str]:
    return [name for name in names if not is_called(name, (*NAMES, *ROWS, *ITEMS))]


def _entries_of_arrays(path: Path, choices: Choices, wanted: Sequence[str], n: int) -> Entries:
    arrays = number_files.arrays_in(path, choices.limits)
    for name in wanted:
        if name not in arrays:
            raise ParameterError(
                f"There is no array {name!r} in {path.name}.",
                f"Choose one of: {told_near(name, arrays)}.",
            )
    of_one = _of_one(arrays)
    names = list(wanted) or [name for name in _not_keys(of_one) if name != choices.names]
    if not names or set(names) - set(of_one):
        shapes = (f"{k}: {' x '.join(map(str, v.shape))}" for k, v in arrays.items())
        held = told_some(shapes, between="; ")
        raise DataError(
            f"{path.name} holds no array of labels ({held}).", "Labels are one for each item."
        )
    lengths = {len(arrays[name]) for name in names}
    if len(lengths) > 1:
        raise DataError(
            f"The labels in {path.name} have different lengths: {sorted(lengths)}.",
            "Give one for each item, or name one array.",
        )
    kind, key, keys = key_of_arrays(path, arrays, choices, lengths.pop())
    columns = {}
    for name in names:
        title = path.stem if name == "x" and len(arrays) == 1 else name
        columns[title] = Classes(title)
        columns[title].add(arrays[name].all().ravel())
    used = {*names, key}
    unused = tuple(name for name in arrays if name not in used)
    return Entries(path.name, len(arrays[names[0]]), kind, key, keys, columns, unused)

"""Further sets of classes for a data set that was imported, from a table or from arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clustlab import registry
from clustlab.data import library, own_sets
from clustlab.data.own_sets import OwnSet
from clustlab.errors import DataError, ParameterError
from clustlab.importing import number_files
from clustlab.importing.arrays import NAMES, is_called
from clustlab.importing.classes import Classes
from clustlab.importing.joining import (
    ITEMS,
    ROWS,
    Entries,
    Items,
    NameIndex,
    entries_of_table,
    is_table,
    join,
    key_of_arrays,
)
from clustlab.importing.plan import Choices
from clustlab.runs.store import RunStore
from clustlab.types import UNLABELLED, Labelling


@dataclass(frozen=True, slots=True)
class FoundLabels:
    """Sets of classes that a file holds for the items of a data set."""

    own: OwnSet
    labellings: Mapping[str, Labelling]  # by title; (n,) in the order of the set
    facts: tuple[str, ...]  # how they were found and what is missing, a sentence each


def preview(path: Path, dataset: str, choices: Choices) -> FoundLabels:
    """Sets of classes in a file, brought to the items of an imported data set.

    Of `choices`, `labels` and `others` name the columns or arrays of classes (all that may be
    classes unless they are given), and `names` that of the names of items.

    Raises
    ------
    ClustlabError
        If the data set was not imported, the file cannot be read, or it does not fit.
    """
    own = _imported(dataset)
    names = list(own.item_names())
    known = NameIndex(names)
    wanted = [each for each in (choices.labels, *choices.others) if each]
    if is_table(path):
        entries = entries_of_table(path, choices, wanted, known)
    else:
        entries = _entries_of_arrays(path, choices, wanted, len(own))
    items = Items(own.title, len(own), names, known, np.arange(len(own)), len(own))
    joined = join(entries, items, must_be_all=False)
    facts = [joined.words]
    if joined.n_elsewhere:
        facts.append(f"{joined.n_elsewhere:,} entries are about no item of the set and are left.")
    if entries.unused:
        facts.append(f"Not used: {', '.join(entries.unused)}.")
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
    return FoundLabels(own, labellings, tuple(facts))


def bring_in(found: FoundLabels, runs: RunStore) -> OwnSet:
    """Add sets of classes to a data set, also where runs have drawn its items already.

    One of the same title is replaced.
    """
    own = found.own
    for title, labelling in found.labellings.items():
        own = own_sets.add_labelling(own.name, title, labelling)
    drawn = {
        run.manifest["data_key"]: run.spec for run in runs.runs() if run.spec.dataset == own.name
    }
    for spec in drawn.values():
        library.label_anew(runs.root, spec.dataset, spec.dataset_params, spec.seed, spec.excluded)
    library.forget_draws(runs.root, own.name, keep=drawn)
    return own


def _imported(dataset: str) -> OwnSet:
    if registry.is_imported(registry.dataset(dataset)):
        return own_sets.own_set(dataset)
    raise ParameterError(
        f"Labels can be added to imported data sets only, and {dataset!r} came with clustlab or "
        "another package, with the labels of its authors.",
        "Import its items as a set of your own, and add the labels to that.",
    )


def _entries_of_arrays(path: Path, choices: Choices, wanted: Sequence[str], n: int) -> Entries:
    arrays = number_files.arrays_in(path, choices.limits)
    for name in wanted:
        if name not in arrays:
            raise ParameterError(
                f"There is no array {name!r} in {path.name}.",
                f"Choose one of: {', '.join(arrays)}.",
            )
    of_one = [name for name, each in arrays.items() if each.shape in ((len(each),), (len(each), 1))]
    keyed = (*NAMES, *ROWS, *ITEMS)
    names = list(wanted) or [
        name for name in of_one if not is_called(name, keyed) and name != choices.names
    ]
    if not names or set(names) - set(of_one):
        held = "; ".join(f"{k}: {' x '.join(map(str, v.shape))}" for k, v in arrays.items())
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

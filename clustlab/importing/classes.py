"""Classes of items as they are met: numbers or text become numbers from 0 up, with their names."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from clustlab.errors import DataError
from clustlab.importing.cells import told
from clustlab.types import UNLABELLED, Array, Labelling

MOST = 30_000
LONGEST = 120  # letters of the name of a class
NAMES_IN_ALL = 1_000_000  # letters of the names of all classes

Value = int | float | str
_WHOLE = re.compile(r"^(-?[1-9]\d{0,14}|0)(\.0)?$")


class TooManyClasses(DataError):
    """A column holds more different values than classes can be."""


class Classes:
    """A set of classes that grows as items come in.

    Whole numbers are classes, and their names are these numbers; -1 is none. Where there are
    numbers below -1, the numbers evidently mean something else, and every one of them is a class.

    Parameters
    ----------
    title : str
        What the column is called.
    names : sequence of str
        Names of the classes 0, 1, ..., if somebody has given them.
    """

    def __init__(self, title: str, names: Sequence[str] = ()) -> None:
        self.title = title
        self._given = tuple(names)
        self._codes: dict[Value, int] = {}
        self._parts: list[Array] = []

    def add(self, values: Any) -> None:
        """Take in the classes of some items (m,): numbers, text, or None where nobody knows."""
        import pandas as pd

        values = np.asarray(values)
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        places, found = pd.factorize(values)
        keys = [_plain(each) for each in found]
        codes = np.empty(len(keys) + 1, np.int32)
        codes[-1] = UNLABELLED  # of what is missing
        for place, key in enumerate(keys):
            codes[place] = (
                UNLABELLED if key is None else self._codes.setdefault(key, len(self._codes))
            )
        if len(self._codes) > MOST:
            raise TooManyClasses(
                f"{told(self.title)} holds more than {MOST:,} different classes.",
                "Choose a column that says what items have in common, or none.",
            )
        self._parts.append(codes[places])

    @property
    def keys(self) -> tuple[Value, ...]:
        """Different classes in the order in which they were met, -1 among them."""
        return tuple(self._codes)

    @property
    def codes(self) -> Array:
        """Place (n,) int32 of each item's class among `keys`; -1 where nobody knows."""
        return np.concatenate(self._parts) if self._parts else np.empty(0, np.int32)

    @property
    def has_odd_numbers(self) -> bool:
        """Whether there are numbers below -1, so that -1 is a class as well."""
        return any(isinstance(key, int) and key < UNLABELLED for key in self._codes)

    def labelling(self) -> Labelling:
        """All that was taken in, in its order."""
        keys = in_order(self._codes)
        if not self.has_odd_numbers:
            keys = [key for key in keys if key != UNLABELLED]
        place = {key: number for number, key in enumerate(keys)}
        if self._given and set(keys) <= set(range(len(self._given))):
            place = {key: int(key) for key in keys}
            names = tuple(each[:LONGEST] for each in self._given)
        else:
            names = tuple(_distinct([str(key)[:LONGEST] for key in keys]))
        if sum(map(len, names)) > NAMES_IN_ALL:
            raise DataError(
                f"The names of the classes in {told(self.title)} are too long.",
                "Choose another column for the classes, or none.",
            )
        codes = np.array([place.get(key, UNLABELLED) for key in self._codes] + [UNLABELLED])
        return Labelling(codes[self.codes].astype(np.int32), names)

    def remarks(self) -> list[str]:
        """What is odd about the classes, a sentence each."""
        labels, title = self.labelling().labels, told(self.title)
        remarks = []
        known = int((labels >= 0).sum())
        n_classes = len(np.unique(labels[labels >= 0]))
        if n_classes == 1 and known > 1:
            remarks.append(f"All items are of one class in {title}: nothing can be scored.")
        if known > 2 and n_classes == known:
            remarks.append(
                f"Every item is of a class of its own in {title}. If they are names, choose "
                "it for the names."
            )
        if self.has_odd_numbers:
            remarks.append(
                f"{title} has classes below -1: every number is taken for a class, also -1, "
                "which else stands for none."
            )
        return remarks


def _plain(value: Any) -> Value | None:
    """A class as it is told from others; None if it is none."""
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool):
        return None if value is None else str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    if isinstance(value, int):
        return value
    text = str(value).strip()
    whole = _WHOLE.match(text)
    return int(whole[1]) if whole else text or None


def in_order(keys: Iterable[Value]) -> list[Value]:
    """Classes as people list them: numbers by their size, then text by the alphabet."""
    return sorted(keys, key=_order)


def _order(key: Value) -> tuple[bool, float, str]:
    return (True, 0.0, key) if isinstance(key, str) else (False, float(key), "")


def _distinct(names: Sequence[str]) -> list[str]:
    """The same names, with a number where two are equal after they were cut."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct

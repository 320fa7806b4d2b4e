"""What every import shares: what may be chosen, what is seen beforehand, what comes of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from clustlab.data.item_names import shortened
from clustlab.data.own_about import REFUSALS_KEPT, Kind, Range
from clustlab.data.own_about import Fit as Fit
from clustlab.data.own_about import Ground as Ground
from clustlab.data.own_sets import OwnSet
from clustlab.errors import DataError
from clustlab.types import Array

Colour = Literal["as they are", "grey", "colour"]

Upload = tuple[str, BinaryIO]
"""Name of a file, with the folders that it lay in, and its content."""
Source = Path | Sequence[Upload]

SHOWN = 24  # items of a preview
LONGEST_TOLD = 200  # letters of a name that a message shows
REFUSED_SHOWN = 200  # refusals of a preview that are named


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused because it is too large; shown beforehand, and settings of every import."""

    items: int = 2_000_000
    bytes_in_all: int = 50 * 2**30  # after decompression
    bytes_of_one: int = 256 * 2**20
    pixels_of_one: int = 100_000_000  # as declared, and as found


@dataclass(frozen=True, slots=True)
class Choices:
    """What the owner of the data has chosen; what is empty or None is guessed from the data.

    Parameters
    ----------
    size : tuple of int, optional
        Height and width in pixels of all images.
    labels, names, image : str, optional
        Column of a table, or array of an archive, that holds classes, names of items or images;
        an empty string for none. Of images, `labels` of None takes the folders that they lie in.
    features : tuple of str, optional
        Columns that are features, or the one column or array of vectors; empty for none, which
        leaves the images.
    others : tuple of str
        Further columns that hold classes.
    ranges : tuple
        Values that become black and white, of images that are no plain pixels; those that occur
        if there is none for their kind.
    strict : bool
        Nothing comes in if anything is refused: `SomeRefused` is raised.
    """

    size: tuple[int, int] | None = None
    fit: Fit = "crop"
    colour: Colour = "as they are"
    ground: Ground = "black"
    labels: str | None = None
    names: str | None = None
    image: str | None = None
    features: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()
    strict: bool = False
    limits: Limits = field(default_factory=Limits)


def settled(choices: Choices, guessed: Choices) -> Choices:
    """Choices with the guesses of their preview, so that an import does what was shown.

    Where nothing was found, it is left to be guessed once more: an empty string would be a wish.
    """
    names = ("size", "labels", "names", "image", "features")
    found = {name: getattr(guessed, name) for name in names if getattr(guessed, name)}
    kept = {name: found[name] for name in found if getattr(choices, name) is None}
    return replace(choices, **kept, colour=guessed.colour, others=guessed.others)


def told_name(name: str) -> str:
    """Name of a file or an entry as messages show it: its beginning and end, if it is long."""
    return name if len(name) <= LONGEST_TOLD else shortened(name, LONGEST_TOLD)


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that does not come in."""

    name: str  # as it is called in what was given, such as `cats/3.png` or `row 7`; cut if long
    reason: str  # as the end of a sentence, such as "is cut off"

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", told_name(self.name))


@dataclass(slots=True)
class Refusals:
    """What has been refused so far: the first of it, and how many there are."""

    first: list[Refused] = field(default_factory=list)
    n: int = 0

    def add(self, *refused: Refused) -> None:
        """Take in some more."""
        self.n += len(refused)
        self.first += refused[: max(0, REFUSALS_KEPT - len(self.first))]

    def as_stored(self) -> list[dict[str, str]]:
        """The first of it, as a data set notes it."""
        return [{"name": each.name, "reason": each.reason} for each in self.first]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, or an array of an archive, and what it may be taken for."""

    name: str
    about: str  # such as "numbers, 0.1 to 7.9", "text, 3 different", "lists of 17 numbers"
    roles: tuple[Literal["feature", "labels", "names", "image", "vectors"], ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What would come in, before anything is written."""

    kind: Kind
    n_items: int  # that would come in
    shape: tuple[int, ...]  # of one item: (h, w, c) or (d,)
    facts: tuple[str, ...]  # what was understood, and what will be converted, a sentence each
    warnings: tuple[str, ...]  # what is odd about it, with a remedy, a sentence each
    refused: tuple[Refused, ...]  # the first of them
    n_refused: int
    class_counts: Mapping[str, int]  # items by the name of their class; empty without classes
    sample: Array  # a few items as they would be stored
    sample_names: tuple[str, ...]
    sample_images: Array | None = None  # what is shown for a sample of vectors
    columns: tuple[Column, ...] = ()  # of a table or an archive of arrays
    chosen: Choices = field(default_factory=Choices)  # with guesses filled in
    nbytes: int = 0  # on the disk afterwards
    memory: int = 0  # bytes that it needs on the way, at most about so many
    seconds: float | None = None  # that it may take; None if nobody knows


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came in."""

    own: OwnSet
    is_new: bool  # else the same content was there already
    refused: tuple[Refused, ...]
    n_refused: int
    added: tuple[str, ...] = ()  # sets of classes that the one which was there has got


class SomeRefused(DataError):
    """Nothing comes in, since something would not and all was to."""

    def __init__(self, refused: Sequence[Refused], n_refused: int) -> None:
        first = refused[0]
        n = "1 of them does" if n_refused == 1 else f"{n_refused:,} of them do"
        super().__init__(
            f"Nothing was imported, since {n} not come in: {first.name} {first.reason}.",
            "Mend what is refused, or import without being strict.",
        )
        self.refused, self.n_refused = tuple(refused), n_refused


def check_whole(refused: Refusals, choices: Choices) -> None:
    """Nothing, unless something was refused and all is to come in: then `SomeRefused`."""
    if choices.strict and refused.n:
        raise SomeRefused(refused.first, refused.n)


def reasons(refused: Sequence[Refused]) -> dict[str, int]:
    """How often each reason was given, most frequent first."""
    counts: dict[str, int] = {}
    for each in refused:
        counts[each.reason] = counts.get(each.reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda pair: -pair[1]))


def class_counts(labels: Array, names: Sequence[str]) -> dict[str, int]:
    """Items of each class by its name, from classes (n,) of which -1 is none."""
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    return {name: int(n) for name, n in zip(names, counts, strict=True)}


Watch = Callable[[str, float], None]
"""Progress: what is done now, and the share in [0, 1]. Raises `Cancelled` to stop."""

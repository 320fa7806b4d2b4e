"""What of what was given may be an image, and a first look at some of it."""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from clustlab.data.checked_json import Unreadable
from clustlab.errors import DataError
from clustlab.importing.image_files import ENDINGS, Header, check_kind, header
from clustlab.importing.image_labels import (
    TABLE_BYTES,
    TABLE_ENDINGS,
    ClassOf,
    SideTable,
    side_table,
)
from clustlab.importing.plan import SHOWN, Limits, Refused
from clustlab.importing.source_entries import Entry, Opened, megabytes, nothing, too_large

TOLD_EVERY = 0.1  # seconds between two messages of progress
LOOKED_AT = 400  # images that tell of the size and colour of all ...
OTHERS_LOOKED_AT = 100  # ... and files that are called like something else
KEPT_BYTES = 2**27  # of files that are looked at; the one that exceeds them is the last
KEPT_PIXELS = 4 * 10**8  # of these, which are decoded; some are, whatever their size
FEWEST = 4  # files that are looked at, unless each is larger than all are to be
TABLES, TABLE_DEPTH = 8, 3  # tables that are read, and how many folders deep they may lie
SPREAD = (5**0.5 - 1) / 2  # multiples of it lie evenly in [0, 1), however many there are


@dataclass(slots=True)
class Listing:
    """Names of what was given."""

    origin: str
    images: list[str] = field(default_factory=list)  # files called like images
    others: list[str] = field(default_factory=list)
    tables: dict[str, bytes] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    nbytes: int = 0
    share: float = 1.0  # of what was given; the rest is not known

    @property
    def names(self) -> list[str]:
        """Of what is most likely an image."""
        return self.images or self.others

    def __len__(self) -> int:
        return len(self.images) + len(self.others)


def listed(
    source: Opened,
    limits: Limits,
    progress: Callable[[float], None],
    seconds: float = float("inf"),
) -> Listing:
    """Names of all entries, or of those that are found within some seconds.

    Raises
    ------
    DataError
        If there are more of them, or more bytes, than the limits allow.
    """
    listing = Listing(source.origin)
    until = time.monotonic() + seconds
    told = float("-inf")

    def tick() -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > TOLD_EVERY:
            told = now
            progress(source.progress)
        if now > until:
            raise _Enough

    source.tick = tick
    try:
        for n, entry in enumerate(source.entries()):
            tick()
            _list(entry, listing, limits)
            if n >= limits.items:
                raise _too_much(listing.origin, f"{limits.items:,} files")
            if listing.nbytes > limits.bytes_in_all:
                raise _too_much(listing.origin, megabytes(limits.bytes_in_all))
    except _Enough:
        listing.share = max(source.progress, 1e-6)
    finally:
        source.tick = nothing
    return listing


class _Enough(Exception):
    """So many names were found as there was time for."""


def _list(entry: Entry | Refused, listing: Listing, limits: Limits) -> None:
    if isinstance(entry, Refused):
        listing.refused.append(entry)
    elif entry.size > limits.bytes_of_one:
        listing.refused.append(Refused(entry.name, too_large(entry.size, limits.bytes_of_one)))
    elif not _is_kept_table(entry, listing):
        is_called_image = entry.name.rpartition(".")[2].lower() in ENDINGS
        (listing.images if is_called_image else listing.others).append(entry.name)
        listing.nbytes += entry.size


def _is_kept_table(entry: Entry, listing: Listing) -> bool:
    """Whether an entry is a table that may say more of images; it is read at once."""
    if (
        not entry.name.lower().endswith(TABLE_ENDINGS)
        or entry.name.count("/") > TABLE_DEPTH
        or len(listing.tables) == TABLES
    ):
        return False
    room = TABLE_BYTES - sum(map(len, listing.tables.values()))
    try:
        listing.tables[entry.name] = entry.read(room)
    except Unreadable as error:
        listing.refused.append(Refused(entry.name, str(error)))
    return True


def _too_much(origin: str, most: str) -> DataError:
    hint = "Import it in parts, or raise the limit."
    return DataError(f"{origin} holds more than {most}.", hint)


def table_beside(listing: Listing, folder: str) -> tuple[SideTable | None, list[Refused]]:
    """Table that says more of the images, and why others do not.

    Parameters
    ----------
    folder : str
        The folder that all images lie in; the table lies there, or above it.
    """
    names = [name.removeprefix(folder) for name in listing.names]
    best, refused = None, []
    for file, content in listing.tables.items():
        try:
            inside = file[: file.rfind("/") + 1]
            found = side_table(file, content, names, folder) if folder.startswith(inside) else None
        except Unreadable as error:
            refused.append(Refused(file, str(error)))
            continue
        if found is None or (best is not None and len(best.rows) >= len(found.rows)):
            refused.append(Refused(file, "is a table that says no more of the images"))
            continue
        if best is not None:
            refused.append(Refused(best.file, "is a table that says no more of the images"))
        best = found
    return best, refused


# -- a first look --------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Seen:
    """An image that was looked at."""

    name: str  # of its file
    data: bytes
    header: Header


@dataclass(frozen=True, slots=True)
class Looked:
    """What a first look has shown."""

    seen: tuple[Seen, ...]  # classes in turn
    refused: tuple[Refused, ...]
    n_likely_refused: int  # of files that are called like images, or of all if none is
    n_others: int  # images among files that are not called so
    n_others_left: int  # such files that were not looked at


def looked_at(
    source: Opened,
    listing: Listing,
    class_of: ClassOf,
    limits: Limits,
    tick: Callable[[], None],
) -> Looked:
    """A first look at some files of each class, spread evenly, and at some of those of other names.

    Parameters
    ----------
    class_of : callable
        Class of a file by its whole name.
    tick : callable
        Called before each file is read; may raise to stop.
    """
    order = in_turn(listing.names, class_of, LOOKED_AT)
    mean = max(1, listing.nbytes // max(1, len(listing)))
    n_first = max(FEWEST, min(SHOWN, KEPT_BYTES // mean))
    found = _read(source, order[:n_first], limits, tick)
    seen = [each for each in found.values() if isinstance(each, Seen)]
    each_bytes = max((len(each.data) for each in seen), default=1)
    each_pixels = max((each.header.size[0] * each.header.size[1] for each in seen), default=1)
    most = min(KEPT_BYTES // max(each_bytes, 1), KEPT_PIXELS // each_pixels)
    found |= _read(source, order[n_first:most], limits, tick)
    n_likely_refused = sum(isinstance(each, Refused) for each in found.values())
    others = in_turn(listing.others if listing.images else [], lambda name: "", OTHERS_LOOKED_AT)
    found_others = _read(source, others, limits, tick)
    in_order = [found[name] for name in order if name in found]
    in_order += [found_others[name] for name in others if name in found_others]
    return Looked(
        tuple(each for each in in_order if isinstance(each, Seen)),
        tuple(each for each in in_order if isinstance(each, Refused)),
        n_likely_refused,
        sum(isinstance(each, Seen) for each in found_others.values()),
        len(listing.others) - len(others) if listing.images else 0,
    )


def _read(
    source: Opened, names: Sequence[str], limits: Limits, tick: Callable[[], None]
) -> dict[str, Seen | Refused]:
    """Files by name, in the order in which they lie there."""
    wanted = set(names)
    found: dict[str, Seen | Refused] = {}
    size = 0
    source.tick = tick
    for entry in source.entries() if wanted else ():
        if isinstance(entry, Refused) or entry.name not in wanted:
            continue
        tick()
        try:
            data = entry.read(limits.bytes_of_one, check_kind)
            found[entry.name] = Seen(entry.name, data, header(data, limits.pixels_of_one))
        except Unreadable as error:
            found[entry.name] = Refused(entry.name, str(error))
        size += entry.size
        if len(found) == len(wanted) or size > KEPT_BYTES:
            break
    return found


def in_turn(names: Sequence[str], class_of: ClassOf, most: int) -> list[str]:
    """Some names, one of each class in turn, those of a class from all over it."""
    of_class: dict[str, list[str]] = {}
    for name in names:
        of_class.setdefault(class_of(name), []).append(name)
    spread = (_spread(each, most) for each in of_class.values())
    rows = itertools.zip_longest(*spread)
    return list(itertools.islice((name for row in rows for name in row if name is not None), most))


def _spread(names: Sequence[str], most: int) -> Iterator[str]:
    order = np.argsort(np.arange(len(names)) * SPREAD % 1, kind="stable")
    step = max(1, len(names) // most)
    return (names[i] for i in order[::step].tolist())

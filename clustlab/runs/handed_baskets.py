"""Baskets that come along with runs: checked, and put beside those that are there."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

from clustlab.data import library, plain_files
from clustlab.data.checked_json import Unreadable, parsed
from clustlab.errors import ParameterError
from clustlab.runs.baskets import LONGEST, Basket, BasketRecord, Baskets, checked_name, slug_of

ANY = 2**53  # items, where nobody knows how many there are


def baskets_of(root: Path, data_key: str) -> Baskets:
    """Baskets of the items of a key in a folder of runs."""
    n_items = library.n_items(root, data_key)
    return Baskets(root, data_key, ANY if n_items is None else n_items)


def check(root: Path, data_key: str) -> None:
    """Nothing, if all files are baskets of these items; else `Unreadable`."""
    baskets = baskets_of(root, data_key)
    for file in sorted(baskets.folder.iterdir()):
        place = file.relative_to(root).as_posix()
        said = parsed(plain_files.content(root, place), BasketRecord)
        try:
            is_called = slug_of(checked_name(said["name"])) == file.stem and file.suffix == ".json"
        except ParameterError:
            is_called = False
        if not is_called or file.stem not in {basket.slug for basket in baskets.all()}:
            raise Unreadable(f"{place!r} in it is no basket of these items")


def bring_in(
    packed: Path, root: Path, data_key: str, move: Callable[[Path, Path], None]
) -> tuple[list[str], list[str]]:
    """Give each basket of a pack its place; names of the new ones, and what is to be said.

    Those that are there stay as they are. One with other items gets a number behind its name.
    """
    theirs, ours = baskets_of(packed, data_key), baskets_of(root, data_key)
    new, remarks = [], []
    for basket in theirs.all():
        taken = ours.folder / f"{basket.slug}.json"
        if taken.exists():
            if any(_are_the_same(each, basket) for each in ours.all()):
                continue
            name = _free_name(basket.name, ours.folder, theirs.folder)
            remarks.append(
                f"There is another basket {basket.name!r}: the one from the pack is called "
                f"{name!r}."
            )
            basket = theirs.rename(basket.slug, name)
        move(theirs.folder / f"{basket.slug}.json", ours.folder / f"{basket.slug}.json")
        new.append(basket.name)
    return new, remarks


def _are_the_same(one: Basket, other: Basket) -> bool:
    """Whether a basket is another, also if it was given a number before."""
    return one.indices == other.indices and (one.name == other.name or one.created == other.created)


def _free_name(name: str, *folders: Path) -> str:
    for n in count(2):
        other = f"{name[: LONGEST - 1 - len(str(n))]} {n}"
        if not any((folder / f"{slug_of(other)}.json").exists() for folder in folders):
            return other
    raise AssertionError("there is always one more number")

"""Imported sets that come from another machine: checked whole, and compared with what is here."""

from pathlib import Path

from clustlab import registry
from clustlab.data import own_sets
from clustlab.data.checked_json import Unreadable
from clustlab.data.own_sets import ABOUT, OwnSet


def checked(folder: Path) -> OwnSet:
    """Set in a folder, all of whose arrays are there and of the right shape.

    Raises
    ------
    Unreadable
        If a part of it is missing, or not what it should be.
    """
    try:
        own = own_sets.opened_set(folder, (folder / ABOUT).lstat().st_mtime_ns)
        own.items(), own.images(), own.item_names(), own.refused()
        for title, _ in own.labellings:
            own.labelling(title)
    except FileNotFoundError as error:
        raise Unreadable(f"a file of the data set {folder.name!r} is missing") from error
    except Unreadable as error:
        raise Unreadable(f"its data set {folder.name!r} cannot be read: {error}") from error
    return own


def why_not_taken(folder: Path) -> str:
    """Why a set cannot take its place among those here; empty if it can, or is there already."""
    own = checked(folder)
    if own.name in own_sets.own_sets():
        if own_sets.own_set(own.name).fingerprint == own.fingerprint:
            return ""
    elif own.name not in registry.datasets() and not (own_sets.folder_of_all() / own.name).exists():
        return ""
    return (
        f"There is another data set {own.name!r} here, so the one in the pack was left out. Its "
        "runs have their items, but cannot be trained longer."
    )

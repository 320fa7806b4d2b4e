"""Removing an imported set so that it can be brought back for a while."""

import os
import shutil
from pathlib import Path

from clustlab.data import own_sets
from clustlab.errors import ParameterError


def put_aside(name: str) -> None:
    """Take a set away, so that `bring_back` can undo it within an hour.

    Raises
    ------
    ParameterError
        If there is none.
    """
    folder, aside = own_sets.folder_to_remove(name), _aside(name)
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    os.utime(aside)  # the hour begins
    own_sets.clear_left_overs()


def bring_back(name: str) -> None:
    """Undo `put_aside`.

    Raises
    ------
    ParameterError
        If too much time has passed, or another set has the name by now.
    """
    aside, folder = _aside(name), own_sets.folder_of_all() / name
    if not aside.is_dir():
        raise ParameterError(
            f"The data set {name!r} is not kept any more.", "Import it again from its files."
        )
    if folder.exists():
        raise ParameterError(
            f"There is another data set {name!r} by now.", "Remove that one first, then undo."
        )
    aside.rename(folder)


def _aside(name: str) -> Path:
    return own_sets.folder_of_all() / f"{own_sets.REMOVED}{name}"

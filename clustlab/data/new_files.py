"""Files and folders that a user asks for by name: whole or not at all, and over no others."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from clustlab.data.atomic import flush, replacing
from clustlab.errors import ParameterError, storage_errors

TELLS = "clustlab-export.json"  # in each folder that was exported: what it is


@contextlib.contextmanager
def new_file(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a file to write, which takes its name if all goes well, and is gone otherwise.

    Parameters
    ----------
    force : bool
        Whether it may replace a file of this name.

    Raises
    ------
    ParameterError
        If there is one already, or no folder for it.
    StorageError
        If the machine does not let it be written.
    """
    if path.is_dir():
        raise ParameterError(f"{path} is a folder.", "Name a file.")
    if os.path.lexists(path) and not force:
        raise ParameterError(
            f"There is a file {path} already.", "Choose another name, or replace it with --force."
        )
    _check_parent(path)
    with storage_errors():
        with replacing(path) as temporary:
            yield temporary
            flush(temporary)
        flush(path.parent)


@contextlib.contextmanager
def new_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield a folder to fill, which takes its name if all goes well, and is gone otherwise.

    It is to get a file `TELLS`: no folder without one is replaced, so that `force` cannot remove
    what was not made here. Raises like `new_file`.
    """
    if os.path.lexists(path):
        if not force:
            raise ParameterError(
                f"There is a folder {path} already.",
                "Choose another name, or replace it with --force.",
            )
        if path.is_symlink() or not (path / TELLS).is_file():
            raise ParameterError(
                f"{path} was not made by an export, so it is not replaced.",
                "Choose another name, or remove it yourself.",
            )
    _check_parent(path)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    with storage_errors():
        temporary.mkdir()
        try:
            yield temporary
            _put(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _put(folder: Path, path: Path) -> None:
    """Move a folder to its place, and what was there out of the way."""
    before = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    had_one = path.is_dir()
    if had_one:
        path.rename(before)
    folder.rename(path)
    flush(path.parent)
    if had_one:
        shutil.rmtree(before, ignore_errors=True)


def _check_parent(path: Path) -> None:
    if not path.parent.is_dir():
        raise ParameterError(
            f"There is no folder {path.parent}.", "Make it first, or choose another place."
        )

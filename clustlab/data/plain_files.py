"""Files that anybody may have laid down, opened only if they are plain ones in their own folder.

A link may lead to what is none of our business, a pipe or a device may never end, and a file of
holes may claim any size. None of them is opened.
"""

import os
import stat
from pathlib import Path, PurePath
from typing import BinaryIO

from clustlab.data.checked_json import LONGEST, Unreadable

HOLLOW = 64 * 2**20  # bytes from which a file must be filled ...
FILLED = 1 / 50  # ... to this share at least; a file system that compresses stays far above it


def opened(folder: Path, name: str) -> BinaryIO:
    """A plain file in a folder, or in a plain folder of it, to read.

    Parameters
    ----------
    name : str
        Its place, such as `snapshots/00000.npz`.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    Unreadable
        If it, or a folder on the way, is a link or anything else that is not plain, or the file
        consists of holes.
    """
    place = folder
    for part in PurePath(name).parent.parts:
        place /= part
        if not stat.S_ISDIR(place.lstat().st_mode):
            raise Unreadable(f"{part} is a link, or no folder")
    path = folder / name
    if not stat.S_ISREG(path.lstat().st_mode):  # before: to open some things alone does harm
        raise Unreadable(f"{path.name} is a link, or no plain file")
    flags = ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY")  # of which each system has some
    file = os.open(path, os.O_RDONLY | sum(getattr(os, flag, 0) for flag in flags))
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode) or _is_hollow(about):
        os.close(file)
        raise Unreadable(f"{path.name} is no plain file, or is full of holes")
    return os.fdopen(file, "rb")


def content(folder: Path, name: str, longest: int = LONGEST) -> bytes:
    """All of a small file; raises like `opened`, and `Unreadable` if it is longer."""
    with opened(folder, name) as file:
        size = os.fstat(file.fileno()).st_size
        text = file.read(min(size, longest) + 1)  # to ask for more would make room for it
    if len(text) > longest:
        raise Unreadable(f"{PurePath(name).name} has more than {longest:,} bytes")
    return text[:size]  # what was added meanwhile is for the next time


def check_plain(folder: Path) -> None:
    """Nothing, if a folder is plain and all that it holds; else `Unreadable`, with the name."""
    if folder.is_symlink():
        raise Unreadable("it is a link")
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
                raise Unreadable(f"{entry.name} is a link, or no plain file or folder")


def _is_hollow(about: os.stat_result) -> bool:
    """Whether hardly anything of a large file is on the disk."""
    held = 512 * getattr(about, "st_blocks", about.st_size)  # Windows does not say
    return about.st_size > HOLLOW and held < FILLED * about.st_size

"""What processes that were killed have left half written, and nobody will ever read."""

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from clustlab.data.own_sets import HALF_AGE, HALF_WRITTEN

FILE_AGE = 60.0  # seconds after which nobody is still writing a small file
FOLDER_AGE = 600.0  # seconds after which nobody is still laying down a run or a data set
TEMPORARY = re.compile(r"\.[0-9a-f]{8}\.tmp$")  # as `clustlab.data.atomic` calls its files
RUN = re.compile(r"\d{8}-\d{6}-.+-[0-9a-f]{4}$")  # as the store calls its folders
OF_WORKERS = ("lock", "environment.json")  # where there is one, steps may be worth keeping
PLACES = ("", "*/", "*/snapshots/", "*/wishes/", "_baskets/*/")


def clear_left_overs(root: Path) -> None:
    """Remove half files, half runs and half data sets from a folder of runs."""
    with contextlib.suppress(OSError):  # it is tried again at the next start
        for path in _half_files(root):
            path.unlink(missing_ok=True)
        for path in _half_folders(root):
            shutil.rmtree(path, ignore_errors=True)


def _half_files(root: Path) -> Iterator[Path]:
    for place in PLACES:
        for path in root.glob(f"{place}*.tmp"):
            if TEMPORARY.search(path.name) and _age(path) > FILE_AGE:
                yield path


def _half_folders(root: Path) -> Iterator[Path]:
    for path in root.glob("*"):
        is_known = any((path / name).exists() for name in ("manifest.json", *OF_WORKERS))
        if RUN.match(path.name) and not is_known and _age(path) > FOLDER_AGE:
            yield path
    for path in root.glob(f"{HALF_WRITTEN}*"):  # a pack that was being opened
        if _age(path) > HALF_AGE:
            yield path
    for path in (root / "_data").glob(".*"):
        if _age(path) > FOLDER_AGE:
            yield path


def _age(path: Path) -> float:
    """Seconds since a file, or anything in a folder, was written last."""
    files = [path, *path.iterdir()] if path.is_dir() else [path]
    return time.time() - max(file.lstat().st_mtime for file in files)

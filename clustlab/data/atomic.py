"""Files that are replaced in one step, so that nobody reads half of one, and stay after that."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, text: str, *, is_lasting: bool = False) -> None:
    """Replace a small file in one step, so that no reader sees half of it.

    What nothing could write again is to be lasting: without that, a loss of power soon after may
    leave an empty file. It takes a few milliseconds, so what is replaced often is not.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
        if is_lasting:
            flush(temporary)
    if is_lasting:
        flush(path.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file to write, which takes the place of another if all goes well."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # on a full disk half a file is in the way


def flush(*paths: Path) -> None:
    """Have files and folders written to the disk, so that they outlast a loss of power.

    A new or replaced file needs its folder flushed after it. What is gone meanwhile is left out, as
    are folders where a system cannot flush them.
    """
    for path in paths:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

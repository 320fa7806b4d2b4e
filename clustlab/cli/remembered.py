"""Answers that stay the same as long as the code does, kept from one call to the next.

To list the methods is to import each, and torch with them: seconds, for what changes with the code
alone. The file lies in the user's cache folder; without it, all is found out again.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

import clustlab
from clustlab.data.atomic import write_atomically
from clustlab.data.checked_json import Unreadable, parsed

Rows = list[dict[str, Any]]


def remembered(name: str, find_out: Callable[[], Rows]) -> Rows:
    """Rows that were found out before by the same code, or are found out now and kept."""
    file = user_cache_path("clustlab") / f"{name}-{_code()}.json"
    try:
        return parsed(file.read_bytes(), Rows)
    except (OSError, Unreadable):
        pass
    rows = find_out()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for older in file.parent.glob(f"{name}-*.json"):
            older.unlink(missing_ok=True)
        write_atomically(file, json.dumps(rows))
    except OSError:  # such as a home that cannot be written to: it takes longer the next time
        pass
    return rows


def _code() -> str:
    """A short name for the code of this package as it is: another one if any file is changed."""
    files = sorted(Path(clustlab.__file__).parent.rglob("*.py"))
    stamps = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr((sys.version, stamps)).encode()).hexdigest()[:16]

"""The log of a run as it lies on disk: one line for each committed step, whatever became of it.

A line says which step it tells of; its place in the file means nothing. So a log that was cut,
copied in parts or damaged shows where steps are missing, and a step that is computed again adds a
line of its own at the end.
"""

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clustlab.data import plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.runs.reading import log_record

FILE = "log.jsonl"  # in the folder of the run
MOST_MISSING = 1000  # steps that may lack between two lines; a longer way is damage, too
MISSING = "missing"  # key of a record that stands in for a step without a line


class StepLog:
    """Records of a growing log by step; safe to share between threads.

    A step without a readable line has a record that takes its phase from the next one, without
    figures; see `is_missing`.
    """

    def __init__(self, run: Path) -> None:
        self.n_repaired = 0  # how often steps that were read before have changed
        self._run = run
        self._records: list[dict[str, Any]] = []
        self._offset = 0
        self._reading = threading.Lock()

    def read(self) -> list[dict[str, Any]]:
        """All records so far, the same growing list at each call: its place is the step."""
        with self._reading, contextlib.suppress(FileNotFoundError, Unreadable):
            with plain_files.opened(self._run, FILE) as file:  # unless there is no step yet
                if file.seek(0, os.SEEK_END) < self._offset:  # it was cut off meanwhile
                    self._records.clear()
                    self._offset = 0
                    self.n_repaired += 1
                file.seek(self._offset)
                fresh = file.read()
            end = fresh.rfind(b"\n") + 1  # a half-written last line is not there yet
            for line in fresh[:end].splitlines():
                self._take(line)
            self._offset += end
        return self._records

    def _take(self, line: bytes) -> None:
        try:
            record: dict[str, Any] = {**log_record(line)}
        except Unreadable:
            return  # its step is missing
        step, n = record["step"], len(self._records)
        if step > n + MOST_MISSING:
            return
        if step < n:
            self._records[step] = record
            self.n_repaired += 1
            return
        self._records += [_stand_in(place, record) for place in range(n, step)]
        self._records.append(record)


def is_missing(record: Mapping[str, Any]) -> bool:
    """Whether a record stands in for a step that has no readable line."""
    return bool(record.get(MISSING))


def _stand_in(step: int, after: Mapping[str, Any]) -> dict[str, Any]:
    """Record of a step without a line, in the phase of the one that follows."""
    known = {key: value for key, value in after.items() if key in ("phase", "role", "samples")}
    known |= {key: after[key] for key in ("done", "total", "seconds", "time") if key in after}
    return {**known, "step": step, "n_clusters": 0, "scalars": {}, "artefacts": {}, MISSING: True}

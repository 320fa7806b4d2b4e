"""The log of a run as it lies on disk: one line for each committed step, whatever became of it.

A line says which step it tells of; its place in the file means nothing. So a log that was cut,
copied in parts or damaged shows where steps are missing, and a step that is computed again adds a
line of its own at the end.
"""

import contextlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from clustlab.data import plain_files
from clustlab.data.checked_json import LONGEST, Unreadable
from clustlab.errors import RunUnreadable
from clustlab.runs.reading import log_record

FILE = "log.jsonl"  # in the folder of the run
MOST_MISSING = 1000  # steps in all that may lack between lines; a longer way is damage, too
LONGEST_LOG = 512 * 2**20  # bytes; 100,000 steps of a usual method take 150 MB
MOST_HELD = 700 * 10**6  # bytes of memory, by estimate; 100,000 steps take 450 MB
OF_ONE_VALUE = 64  # bytes of memory that a value in a line takes, beside its text
MISSING = "missing"  # key of a record that stands in for a step without a line


class StepLog:
    """Records of a growing log by step; safe to share between threads.

    A step without a readable line has a record that takes its phase from the next one, without
    figures; see `is_missing`. What would take more memory than any run needs is not read.

    Raises
    ------
    RunUnreadable
        If the log is longer than 512 MiB, and so that of no real run.
    """

    def __init__(self, run: Path) -> None:
        _check_size(run)
        self.n_repaired = 0  # how often steps that were read before have changed
        self._run, self._path = run, os.fspath(run / FILE)
        self._records: list[dict[str, Any]] = []
        self._offset = 0
        self._n_missing = 0  # stand-ins among the records
        self._held = 0  # bytes of memory that the lines so far take, by estimate
        self._reading = threading.Lock()

    def read(self) -> list[dict[str, Any]]:
        """All records so far, the same growing list at each call: its place is the step."""
        # nothing is suppressed but that there is no step yet
        with self._reading, contextlib.suppress(FileNotFoundError, Unreadable):
            if not self._is_all_read():
                self._read_on()
        return self._records

    def _is_all_read(self) -> bool:
        """Whether nothing was written since; pages ask so often that opening it would take long."""
        about = os.lstat(self._path)
        return about.st_size == self._offset and stat.S_ISREG(about.st_mode)

    def _read_on(self) -> None:
        with plain_files.opened(self._run, FILE) as file:
            if file.seek(0, os.SEEK_END) < self._offset:  # it was cut off meanwhile
                self._forget()
            file.seek(self._offset)
            for line in _whole_lines(file):
                held = self._held + _memory_of(line)
                if held > MOST_HELD:
                    break
                self._take(line)
                self._held = held
                self._offset += len(line)

    def _forget(self) -> None:
        self._records.clear()
        self._offset = self._n_missing = self._held = 0
        self.n_repaired += 1

    def _take(self, line: bytes) -> None:
        try:
            record: dict[str, Any] = {**log_record(line)}
        except Unreadable:
            return  # its step is missing
        step, n = record["step"], len(self._records)
        if step < n:
            self._n_missing -= is_missing(self._records[step])
            self._records[step] = record
            self.n_repaired += 1
            return
        if self._n_missing + step - n > MOST_MISSING:
            return
        self._n_missing += step - n
        self._records += [_stand_in(place, record) for place in range(n, step)]
        self._records.append(record)


def _check_size(run: Path) -> None:
    with contextlib.suppress(OSError):  # there is no step yet
        size = (run / FILE).lstat().st_size
        if size > LONGEST_LOG:
            raise RunUnreadable(
                run.name, f"{FILE} has {size:,} bytes, and at most {LONGEST_LOG:,} are read"
            )


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines that are there to their end; one that is too long in pieces, as damaged as it is."""
    while line := file.readline(LONGEST + 1):
        if len(line) <= LONGEST and not line.endswith(b"\n"):
            return  # half written: it is not there yet
        yield line


def _memory_of(line: bytes) -> int:
    """Bytes that a line takes once it is parsed, rather too many than too few."""
    return len(line) + OF_ONE_VALUE * sum(line.count(mark) for mark in (b",", b"[", b"{"))


def is_missing(record: Mapping[str, Any]) -> bool:
    """Whether a record stands in for a step that has no readable line."""
    return bool(record.get(MISSING))


def _stand_in(step: int, after: Mapping[str, Any]) -> dict[str, Any]:
    """Record of a step without a line, in the phase of the one that follows."""
    known = {key: value for key, value in after.items() if key in ("phase", "role", "samples")}
    known |= {key: after[key] for key in ("done", "total", "seconds", "time") if key in after}
    return {**known, "step": step, "n_clusters": 0, "scalars": {}, "artefacts": {}, MISSING: True}

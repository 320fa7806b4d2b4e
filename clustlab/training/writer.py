"""The one writer of a run: commits snapshots, reports progress, obeys requests."""

import contextlib
import io
import json
import math
import threading
import time
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from clustlab.analysis.aligned_points import Chain, plane_of, points_on
from clustlab.data.atomic import flush, replacing, write_atomically
from clustlab.data.checked_json import Unreadable
from clustlab.errors import Cancelled, ClustlabError, RunNotFound, StepMissing
from clustlab.runs.encodings import COARSE, FINE, ROW_BYTES, SMALL, encoded
from clustlab.runs.liveness import BEAT_EVERY, beat, worker_identity
from clustlab.runs.migration import SCHEMA
from clustlab.runs.opened_steps import map_of, plane_at, step_arrays
from clustlab.runs.status import requested
from clustlab.runs.step_arrays import PLANE
from clustlab.runs.step_files import append_line, arrays_of, log_line, snapshot_path, write_arrays
from clustlab.runs.store import Run, Status, write_status
from clustlab.training.checkpoint_file import state_in
from clustlab.training.thinner import Thinner, mean_confidence
from clustlab.types import Array, Snapshot

OVER: tuple[Status, ...] = ("done", "cancelled", "set aside", "failed")
BY_READERS = ("request.", "about.")  # files that pages write
POLL_EVERY = 0.1  # seconds between looks at the request file
HOLD_FOR = 0.05  # seconds between looks at it while paused
REPORT_EVERY = 0.25  # seconds between writes of the status
CHECKPOINT_SHARE = 0.05  # share of the training time that checkpoints may take
CHECKPOINT_AFTER = 1.0  # seconds before which one is not worth its time
CHECKPOINT_EVERY = 30.0  # seconds after which one is due in any case


class RunWriter:
    """Context manager around the training of one run.

    The status file is touched by a small thread, so that a long uninterruptible step (an import,
    a first compilation) does not make the run look lost.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.path
        self.committed = len(run)
        self.missing: set[int] = set()  # steps before that to commit again
        self.data: Path | None = None  # folder of the items, once they are loaded
        self._unflushed: list[Path] = []
        self._lender: tuple[bytes, int] = b"", 0  # digest of an embedding, and the step that has it
        self._lenders = {int(r["embedding_of"]) for r in run.log if "embedding_of" in r}
        self.state: dict[str, Any] = {**worker_identity(), "status": "running"}
        self.paused_seconds = 0.0
        self._thinner: Thinner | None = None  # once there is a step
        self.boxes = 0  # of the method's loop that have begun, as the context counts them
        self._last_box = math.inf
        self._looked = self._reported = 0.0
        self._saved = time.monotonic()
        self._save_cost = 0.0
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        for left_over in (*self.path.glob("snapshots/*.tmp"), *self.path.glob("*.tmp")):
            if not left_over.name.startswith(BY_READERS):  # else of a worker that was killed
                left_over.unlink(missing_ok=True)
        self._raise_schema()
        self.report(force=True)
        threading.Thread(target=self._beat, name="clustlab-heartbeat", daemon=True).start()
        return self

    def _raise_schema(self) -> None:
        """Keep versions that cannot read the steps to come from opening a run of theirs."""
        if self.run.manifest["schema"] < SCHEMA:
            manifest = {**self.run.manifest, "schema": SCHEMA}
            text = json.dumps(manifest, indent=1)
            write_atomically(self.path / "manifest.json", text, is_lasting=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._closed.set()

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_EVERY):
            beat(self.path)

    # -- status --------------------------------------------------------------------------------
    def report(self, *, force: bool = False, **changes: Any) -> None:
        """Update the status; written at most four times a second unless forced."""
        self.state.update(changes)
        now = time.monotonic()
        if force or now - self._reported >= REPORT_EVERY:
            if self._reported and changes.get("status") not in OVER:
                self.check_that_all_is_there()  # else a new status would hide that it was deleted
            self._reported = now
            write_status(self.path, self.state)

    def finish(self, status: Status, **changes: Any) -> None:
        """Write the last status, also where no new file can be made, such as on a full disk."""
        try:
            self.report(force=True, status=status, finished=time.time(), eta=None, **changes)
            self._flush()
        except FileNotFoundError:  # deleted meanwhile
            raise
        except OSError:
            overwrite_status(self.path, self.state)

    # -- requests ------------------------------------------------------------------------------
    def poll(self) -> None:
        """Hold while asked to pause; raise `Cancelled` when asked to stop.

        A deleted folder counts as a request to stop.
        """
        now = time.monotonic()
        if now - self._looked < POLL_EVERY and self.boxes < self._last_box:
            return
        self._looked = now
        self.check_that_all_is_there()
        if self._should_hold():
            self.report(force=True, status="paused")
            while self._should_hold():
                time.sleep(HOLD_FOR)
            self.paused_seconds += time.monotonic() - now
            self.report(force=True, status="running")

    def check_that_all_is_there(self) -> None:
        """Stop when what was written is taken away: the rest would be a run with a hole.

        A checkpoint is not missed, since the next one takes its place.
        """
        written = ["manifest.json", "status.json", "snapshots"]
        places = [self.path / name for name in (*written, *["log.jsonl"] * bool(self.committed))]
        places += [self.data] if self.data else []
        gone = [place.name for place in places if not place.exists()]
        if gone and self.path.is_dir():
            if self._requested() == "cancel":  # it was put aside whole, and is back by now
                raise Cancelled
            what = "its items" if self.data and gone == [self.data.name] else ", ".join(gone)
            raise RunNotFound(
                f"Part of this run was deleted while it trained: {what}.",
                "Resume it: what is missing is loaded or computed again.",
            )

    def _should_hold(self) -> bool:
        word = self._requested()
        self._last_box = math.inf
        if word == "cancel":
            raise Cancelled
        if word.startswith("box "):
            self._last_box = int(word.removeprefix("box "))
            return self.boxes >= self._last_box
        if word.startswith("until "):
            return self.committed >= int(word.removeprefix("until "))
        return word == "pause"

    def _requested(self) -> str:
        return requested(self.path) if self.path.is_dir() else "cancel"

    @property
    def is_to_make_way(self) -> bool:
        """Whether the run was asked to leave the worker to others, and go on later."""
        return self._requested() == "aside"

    @property
    def is_cancelled(self) -> bool:
        """Whether the run was asked to stop or deleted."""
        return self._requested() == "cancel"

    # -- snapshots -----------------------------------------------------------------------------
    def append(self, step: int, snapshot: Snapshot, record: Mapping[str, Any]) -> None:
        """Commit a snapshot. One that is committed already, before a resume, is left as it is."""
        if step < self.committed and step not in self.missing:
            return
        self.check_that_all_is_there()
        is_newest = step >= self.committed
        record = {**record, **self._borrowed(step, snapshot, is_newest=is_newest)}
        if math.isfinite(sure := mean_confidence(snapshot)):
            record["mean_confidence"] = sure
        arrays = arrays_of(snapshot)
        plane = self._plane(step, snapshot.embedding, record)
        if plane is not None:
            arrays[PLANE] = plane
        if "embedding_of" in record:
            del arrays["embedding"]
        kinds = {name: artefact.kind for name, artefact in snapshot.artefacts.items()}
        place = write_arrays(self.path, step, encoded(arrays, kinds, FINE))
        self._unflushed.append(place)
        append_line(self.path, log_line(step, snapshot, record), is_first=not self.committed)
        self.committed = max(self.committed, step + 1)
        self.missing.discard(step)
        self._condense(step - 1 if is_newest else step)
        self._thinner = self._thinner or Thinner(self.run)
        self._thinner.after(self.committed - 1)
        self._looked = 0.0  # a single step must hold at once

    def _plane(self, step: int, embedding: Array, record: Mapping[str, Any]) -> Array | None:
        """Plane of the map of a step, so that readers need not read all before it to draw it.

        It is turned onto the step before as that is stored, so that a resume changes nothing. None
        if that has no plane: readers then find out step by step.
        """
        if "embedding_of" in record:
            return plane_at(self.run, int(record["embedding_of"]))
        chain = Chain()
        if step > 0:
            try:
                before = map_of(self.run, step - 1)
            except StepMissing:
                return None
            if before is None:
                return None
            chain = Chain.after(points_on(before[1], before[0]))
        return plane_of(embedding, chain.next_points(embedding))

    def _borrowed(self, step: int, snapshot: Snapshot, *, is_newest: bool) -> dict[str, int]:
        """Which step has the same embedding, for the log; nothing if none is known.

        Methods that cluster features as they are repeat one embedding at every step. A step that is
        committed late borrows none: others may borrow from it.
        """
        if not is_newest or snapshot.embedding.nbytes <= SMALL:
            return {}
        found = blake2b(np.ascontiguousarray(snapshot.embedding).reshape(-1).data).digest()
        known, lender = self._lender
        if found == known:
            self._lenders.add(lender)
            return {"embedding_of": lender}
        self._lender = found, step
        return {}

    def _condense(self, step: int) -> None:
        """Keep less of the numbers of a step that is not the newest any more.

        One from which others borrow stays as it is, and so does one that is small anyway.
        """
        if step < 0 or step in self._lenders:
            return
        with contextlib.suppress(StepMissing), step_arrays(self.run, step) as arrays:
            n = len(arrays["assignments"])
            if snapshot_path(self.path, step).stat().st_size <= max(SMALL, ROW_BYTES * n):
                return
            kinds = {name: a["kind"] for name, a in self.run.log[step]["artefacts"].items()}
            write_arrays(self.path, step, encoded(dict(arrays), kinds, COARSE))

    # -- checkpoints ---------------------------------------------------------------------------
    def checkpoint_due(self) -> bool:
        """Whether saving now keeps the cost of checkpoints within their share of the time."""
        waited = time.monotonic() - self._saved
        enough = max(CHECKPOINT_AFTER, self._save_cost / CHECKPOINT_SHARE)
        return waited >= min(CHECKPOINT_EVERY, enough)

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, after the steps before it are safe on the disk.

        So a loss of power leaves no checkpoint ahead of its steps; later ones are computed again.
        """
        start = time.monotonic()
        self._flush()
        save_checkpoint(self.path / "checkpoint.pt", state)
        self._saved = time.monotonic()
        self._save_cost = self._saved - start

    def _flush(self) -> None:
        """First the arrays, then the log that tells of them, then the folder."""
        flush(*self._unflushed, self.path / "snapshots")
        self._unflushed.clear()
        flush(self.path / "log.jsonl", self.path / "status.json", self.path)


def overwrite_status(path: Path, state: Mapping[str, Any]) -> None:
    """Write a status into the file that is there, where no new one can be made."""
    text = json.dumps({k: v for k, v in state.items() if k != "traceback"})
    with (path / "status.json").open("r+", encoding="utf-8") as file:
        file.write(text)
        file.truncate()


def save_checkpoint(file: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all."""
    buffer = io.BytesIO()  # torch hides the reason if it cannot write a file itself
    torch.save(dict(state), buffer)
    with replacing(file) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        flush(temporary)
    flush(file.parent)


def load_checkpoint(file: Path) -> dict[str, Any] | None:
    """Checkpoint in a file, on the CPU and without unpickling code; None if there is none.

    Parts take their state to the device they are on; generator states belong on the CPU.

    Raises
    ------
    ClustlabError
        If it cannot be read.
    """
    try:
        return state_in(file)
    except FileNotFoundError:
        return None
    except Unreadable as error:
        raise ClustlabError(
            f"The saved state {file.name} of the run {file.parent.name!r} cannot be read.",
            "Duplicate the run to start it from the beginning.",
        ) from error

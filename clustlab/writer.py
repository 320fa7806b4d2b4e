"""The one writer of a run: commits snapshots, reports progress, obeys requests."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from clustlab.errors import Cancelled
from clustlab.store import Run, Status, snapshot_path, worker_identity, write_status
from clustlab.types import Snapshot

POLL_EVERY = 0.1  # seconds between looks at the request file
REPORT_EVERY = 0.25  # seconds between writes of the status
CHECKPOINT_SHARE = 0.05  # share of the training time that checkpoints may take
CHECKPOINT_EVERY = 30.0  # seconds after which a checkpoint is due in any case


class RunWriter:
    """Context manager around the training of one run.

    The status file is touched by a small thread, so that a long uninterruptible step (an import,
    a first compilation) does not make the run look lost.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.path
        self.committed = len(run)
        self.state: dict[str, Any] = {**worker_identity(), "status": "running"}
        self.paused_seconds = 0.0
        self._looked = self._reported = self._saved = 0.0
        self._save_cost = 0.0
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        self.report(force=True)
        threading.Thread(target=self._beat, name="clustlab-heartbeat", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._closed.set()

    def _beat(self) -> None:
        while not self._closed.wait(5.0):
            with contextlib.suppress(OSError):
                os.utime(self.path / "status.json")

    # -- status --------------------------------------------------------------------------------
    def report(self, *, force: bool = False, **changes: Any) -> None:
        """Update the status; written at most four times a second unless forced."""
        self.state.update(changes)
        now = time.monotonic()
        if force or now - self._reported >= REPORT_EVERY:
            self._reported = now
            write_status(self.path, self.state)

    def finish(self, status: Status, **changes: Any) -> None:
        """Write the last status."""
        self.report(force=True, status=status, finished=time.time(), eta=None, **changes)

    # -- requests ------------------------------------------------------------------------------
    def poll(self) -> None:
        """Hold while asked to pause; raise `Cancelled` when asked to stop.

        A deleted folder counts as a request to stop.
        """
        now = time.monotonic()
        if now - self._looked < POLL_EVERY:
            return
        self._looked = now
        if self._should_hold():
            self.report(force=True, status="paused")
            while self._should_hold():
                time.sleep(0.05)
            self.paused_seconds += time.monotonic() - now
            self.report(force=True, status="running")

    def _should_hold(self) -> bool:
        try:
            word = (self.path / "request").read_text("utf-8").strip()
        except FileNotFoundError:
            word = "run" if self.path.is_dir() else "cancel"
        if word == "cancel":
            raise Cancelled
        if word.startswith("until "):
            return self.committed >= int(word.split()[1])
        return word == "pause"

    # -- snapshots -----------------------------------------------------------------------------
    def append(self, step: int, snapshot: Snapshot, record: Mapping[str, Any]) -> None:
        """Commit a snapshot. One that is committed already, before a resume, is left as it is."""
        if step < self.committed:
            return
        arrays = {
            "embedding": snapshot.embedding,
            "assignments": snapshot.assignments,
            "probabilities": snapshot.probabilities,
            "centers": snapshot.centers,
            **{f"artefact:{name}": a.data for name, a in snapshot.artefacts.items()},
        }
        final = snapshot_path(self.path, step)
        temporary = final.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{k: v for k, v in arrays.items() if v is not None})
        temporary.replace(final)
        line = {
            "step": step,
            "time": time.time(),
            **record,
            "scalars": dict(snapshot.scalars),
            "artefacts": {
                name: {
                    field: getattr(artefact, field)
                    for field in (
                        "kind",
                        "title",
                        "reading",
                        "rows",
                        "columns",
                        "cluster_axes",
                        "marked",
                    )
                }
                for name, artefact in snapshot.artefacts.items()
            },
        }
        self._append_line(json.dumps(line) + "\n")
        self.committed = step + 1
        self._looked = 0.0  # a single step must hold at once

    def _append_line(self, line: str) -> None:
        path = self.path / "log.jsonl"
        with path.open("ab") as file:
            size = file.tell()
            if size:  # a crash may have left half a line: cut it off
                with path.open("rb") as old:
                    old.seek(max(0, size - 2**20))
                    tail = old.read()
                if not tail.endswith(b"\n"):
                    file.truncate(size - len(tail) + tail.rfind(b"\n") + 1)
            file.write(line.encode())

    # -- checkpoints ---------------------------------------------------------------------------
    def checkpoint_due(self) -> bool:
        """Whether saving now keeps the cost of checkpoints within their share of the time."""
        waited = time.monotonic() - self._saved
        return waited >= min(CHECKPOINT_EVERY, self._save_cost / CHECKPOINT_SHARE)

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint."""
        start = time.monotonic()
        final = self.path / "checkpoint.pt"
        temporary = final.with_suffix(".tmp")
        torch.save(dict(state), temporary)
        temporary.replace(final)
        self._saved = time.monotonic()
        self._save_cost = self._saved - start


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """Checkpoint of a run, without unpickling code; None if there is none."""
    file = path / "checkpoint.pt"
    if not file.is_file():
        return None
    state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
    state["random"] = {  # generator states live on the CPU whatever the device
        k: v.cpu() if isinstance(v, torch.Tensor) else v for k, v in state["random"].items()
    }
    return state

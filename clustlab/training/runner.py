"""Who carries out queued runs: a thread, a child process or a cluster.

A runner has one verb, `submit(run_id)`. Everything else (pause, cancel, progress) goes through
the run's folder, so runners are interchangeable.
"""

import contextlib
import importlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Protocol

import torch

import clustlab
from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.store import RunStore, write_status
from clustlab.training.worker import READY, execute
from clustlab.training.writer import BEAT_EVERY, beat

NICE = 10  # how far the scheduling priority of training lies below that of the server
WORKER = (sys.executable, "-m", "clustlab", "work")  # the command of the process runner
log = logging.getLogger(__name__)


class Runner(Protocol):
    """Carries out queued runs, one after the other, in the order of submission."""

    def submit(self, run_id: str) -> None: ...  # noqa: D102


class _Queue:
    """A daemon thread that carries out runs in the order of submission.

    Daemon, because Ctrl-C must end the server at once; what is committed is safe.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._waiting: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._work, name="clustlab-training", daemon=True).start()
        threading.Thread(target=self._beat, name="clustlab-queue", daemon=True).start()

    def submit(self, run_id: str) -> None:
        """Queue a run."""
        self._waiting.put(run_id)

    def _work(self) -> None:
        while True:
            run_id = self._waiting.get()
            try:
                self._carry_out(run_id)
            except ClustlabError as error:  # the folder is gone or broken
                log.warning("run %s was not started: %s", run_id, error)
            except Exception:  # such as a disk too full to say so: the next run may do better
                log.exception("run %s was left", run_id)

    def _beat(self) -> None:
        """Show other machines that what waits here is not lost."""
        while True:
            time.sleep(BEAT_EVERY)
            with self._waiting.mutex:
                waiting = list(self._waiting.queue)
            for run_id in waiting:
                beat(self._root / run_id)

    def _carry_out(self, run_id: str) -> None:
        raise NotImplementedError


class ThreadRunner(_Queue):
    """Trains in a thread of this process, one run at a time."""

    def _work(self) -> None:
        yield_to_server()
        super()._work()

    def _carry_out(self, run_id: str) -> None:
        execute(self._root, run_id)


class ProcessRunner(_Queue):
    """Trains in a child process, one run at a time: the server keeps its interpreter to itself."""

    def _carry_out(self, run_id: str) -> None:
        run = RunStore(self._root).run(run_id)
        if run.status not in READY:
            return
        home = str(Path(clustlab.__file__).parents[1])  # the server may run in another folder
        path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH")) if p)
        child = subprocess.run(
            [*WORKER, run_id, "--runs", str(self._root)],
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        state = run.progress
        if child.returncode and state["status"] == "queued":
            error = f"The worker process did not start (exit code {child.returncode})."
            hint = "Look at the messages of the server, or unset CLUSTLAB_RUNNER."
            write_status(run.path, {**state, "status": "failed", "error": error, "hint": hint})


def yield_to_server() -> None:
    """Lower the scheduling priority of the calling thread and those it starts (Linux only).

    Elsewhere priority belongs to the process, which the server shares, so nothing is done.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            server = os.getpriority(os.PRIO_PROCESS, os.getpid())
            lower = min(19, max(0, server) + NICE)
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), lower)


def import_late_parts() -> None:
    """Import now what the first data set and optimiser would import during a run (3 s)."""
    for name in ("sklearn.datasets", "sklearn.cluster", "sklearn.decomposition"):
        importlib.import_module(name)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()


def make_runner(root: Path, kind: str | None = None) -> Runner:
    """Runner named by `CLUSTLAB_RUNNER`: thread (default), process or ray.

    Raises
    ------
    ParameterError
        For another name.
    """
    kind = kind or os.environ.get("CLUSTLAB_RUNNER") or "thread"
    if kind == "thread":
        return ThreadRunner(root)
    if kind == "process":
        return ProcessRunner(root)
    if kind == "ray":
        from clustlab.training.ray_runner import RayRunner

        return RayRunner(root)
    raise ParameterError(
        f"CLUSTLAB_RUNNER is {kind!r}.", "Set it to thread, process or ray, or unset it."
    )

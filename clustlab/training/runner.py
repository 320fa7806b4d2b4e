"""Who carries out queued runs: a child process, a thread or a cluster.

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

import clustlab
from clustlab.data import own_sets
from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.left_overs import clear_left_overs
from clustlab.runs.liveness import BEAT_EVERY, beat
from clustlab.runs.store import READY, RunStore, write_status

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

    def __init__(self, root: Path) -> None:
        # before its thread begins: importing scikit-learn there while a page imports charts can
        # end in a deadlock between the locks of modules that both of them need
        import_late_parts()
        super().__init__(root)

    def _work(self) -> None:
        yield_to_server()
        super()._work()

    def _carry_out(self, run_id: str) -> None:
        from clustlab.training.worker import execute

        execute(self._root, run_id)


class ProcessRunner(_Queue):
    """Trains in a child process, one run at a time: the server keeps its interpreter to itself.

    The child is started at once, so that it has imported what it needs when the first run comes. It
    ends with the server, however that ends, since it sees the pipe between them close: its run then
    counts as lost, and can be resumed. If the child ends by itself, so does its run, and another
    one takes its place.
    """

    def __init__(self, root: Path) -> None:
        self._child = _started_worker(root)
        super().__init__(root)

    def _carry_out(self, run_id: str) -> None:
        run = RunStore(self._root).run(run_id)
        if run.status not in READY:
            return
        if self._child.poll() is not None:
            self._child = _started_worker(self._root)
        if _is_carried_out(self._child, run_id):
            return
        code, state = self._child.wait(), run.progress
        self._child = _started_worker(self._root)
        if state["status"] == "queued":
            error = f"The worker process did not start (exit code {code})."
            hint = "Look at the messages of the server, or set CLUSTLAB_RUNNER to thread."
            write_status(run.path, {**state, "status": "failed", "error": error, "hint": hint})


def _started_worker(root: Path) -> subprocess.Popen[str]:
    """A child that carries out the runs it is told of; see `clustlab.training.worker_process`."""
    home = str(Path(clustlab.__file__).parents[1])  # the server may run in another folder
    path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH")) if p)
    return subprocess.Popen(
        [*WORKER, "--runs", str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def _is_carried_out(child: subprocess.Popen[str], run_id: str) -> bool:
    """Whether a child has carried out a run; False if it has ended instead."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        print(run_id, file=child.stdin, flush=True)
    return bool(child.stdout.readline())


def yield_to_server(*, with_all_threads: bool = False) -> None:
    """Lower the scheduling priority of the calling thread and those it starts (Linux only).

    In a process of its own, a run lowers that of all threads that there are. Elsewhere than on
    Linux priority belongs to the process, which the server may share, so nothing is done.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            server = os.getpriority(os.PRIO_PROCESS, os.getpid())
            lower = min(19, max(0, server) + NICE)
            threads = [threading.get_native_id()]
            if with_all_threads:  # those that libraries have started on import
                threads = [int(name) for name in os.listdir("/proc/self/task")]
            for thread in threads:
                os.setpriority(os.PRIO_PROCESS, thread, lower)


def import_late_parts() -> None:
    """Import now what the first run would import (8 s)."""
    import torch

    from clustlab import registry

    registry.methods()
    importlib.import_module("clustlab.training.worker")
    for name in ("sklearn.datasets", "sklearn.cluster", "sklearn.decomposition"):
        importlib.import_module(name)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()


def make_runner(root: Path, kind: str | None = None) -> Runner:
    """Runner named by `CLUSTLAB_RUNNER`: process (default), thread or ray.

    Raises
    ------
    ParameterError
        For another name.
    """
    clear_left_overs(root)
    own_sets.clear_left_overs()
    kind = kind or os.environ.get("CLUSTLAB_RUNNER") or "process"
    if kind == "thread":
        return ThreadRunner(root)
    if kind == "process":
        return ProcessRunner(root)
    if kind == "ray":
        from clustlab.training.ray_runner import RayRunner

        return RayRunner(root)
    raise ParameterError(
        f"CLUSTLAB_RUNNER is {kind!r}.", "Set it to process, thread or ray, or unset it."
    )

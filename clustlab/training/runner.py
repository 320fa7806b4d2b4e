"""Who carries out queued runs: a child process, a thread or a cluster.

A runner has one verb, `submit(run_id)`. Everything else (pause, cancel, progress) goes through
the run's folder, so runners are interchangeable.
"""

import contextlib
import importlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from clustlab.data import own_sets
from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.left_overs import clear_left_overs
from clustlab.runs.liveness import BEAT_EVERY, beat
from clustlab.runs.store import READY, RunStore, write_status
from clustlab.training.children import started
from clustlab.training.slots import VARIABLE, Slot, slots, suiting

NICE = 10  # how far the scheduling priority of training lies below that of the server
WORKER = (sys.executable, "-m", "clustlab", "work")  # the command of the process runner
log = logging.getLogger(__name__)


class Runner(Protocol):
    """Carries out queued runs, begun in the order of submission."""

    def submit(self, run_id: str) -> None: ...  # noqa: D102


class _Queue:
    """Daemon threads that carry out runs in the order of submission, one thread for each slot.

    Daemon, because Ctrl-C must end the server at once; what is committed is safe.
    """

    def __init__(self, root: Path, slots: Sequence[Slot] = (Slot(),)) -> None:
        self._root, self._slots = root, slots
        self._waiting: list[tuple[str, str]] = []  # runs, and the devices they ask for
        self._news = threading.Condition()
        for number in range(len(slots)):
            threading.Thread(
                target=self._work, args=(number,), name="clustlab-training", daemon=True
            ).start()
        threading.Thread(target=self._beat, name="clustlab-queue", daemon=True).start()

    def submit(self, run_id: str) -> None:
        """Queue a run."""
        wanted = "auto"
        with contextlib.suppress(ClustlabError):  # told when its turn comes
            wanted = RunStore(self._root).run(run_id).spec.device
        with self._news:
            self._waiting.append((run_id, wanted))
            self._news.notify_all()

    def _work(self, number: int) -> None:
        while True:
            run_id = self._next(self._slots[number])
            try:
                self._carry_out(run_id, number)
            except ClustlabError as error:  # the folder is gone or broken
                log.warning("run %s was not started: %s", run_id, error)
            except Exception:  # such as a disk too full to say so: the next run may do better
                log.exception("run %s was left", run_id)

    def _next(self, slot: Slot) -> str:
        """The first run that a slot can carry out, once there is one."""
        with self._news:
            while True:
                for each in self._waiting:
                    if slot in suiting(self._slots, each[1]):
                        self._waiting.remove(each)
                        return each[0]
                self._news.wait()

    def _beat(self) -> None:
        """Show other machines that what waits here is not lost."""
        while True:
            time.sleep(BEAT_EVERY)
            with self._news:
                waiting = list(self._waiting)
            for run_id, _ in waiting:
                beat(self._root / run_id)

    def _carry_out(self, run_id: str, number: int) -> None:
        raise NotImplementedError


class ThreadRunner(_Queue):
    """Trains in a thread of this process, one run at a time."""

    def __init__(self, root: Path) -> None:
        # before its thread begins: importing scikit-learn there while a page imports charts can
        # end in a deadlock between the locks of modules that both of them need
        import_late_parts()
        super().__init__(root)

    def _work(self, number: int) -> None:
        yield_to_server()
        super()._work(number)

    def _carry_out(self, run_id: str, number: int) -> None:
        from clustlab.training.worker import execute

        execute(self._root, run_id)


class ProcessRunner(_Queue):
    """Trains in child processes, one run at a time in each slot: the server keeps its interpreter.

    The children are started at once, so that they have imported what they need when the first run
    comes. They end with the server, however that ends, since they see the pipe between them close:
    their runs then count as lost, and can be resumed. If a child ends by itself, so does its run,
    and another one takes its place.
    """

    def __init__(self, root: Path, slots: Sequence[Slot] = (Slot(),)) -> None:
        self._environments = [slot.environment(len(slots), os.environ) for slot in slots]
        self._children = [started(WORKER, root, about) for about in self._environments]
        super().__init__(root, slots)

    def _carry_out(self, run_id: str, number: int) -> None:
        run = RunStore(self._root).run(run_id)
        if run.status not in READY:
            return
        if self._children[number].poll() is not None:
            self._start_anew(number)
        if _is_carried_out(self._children[number], run_id):
            return
        code, state = self._children[number].wait(), run.progress
        self._start_anew(number)
        if state["status"] == "queued":
            error = f"The worker process did not start (exit code {code})."
            hint = "Look at the messages of the server, or set CLUSTLAB_RUNNER to thread."
            write_status(run.path, {**state, "status": "failed", "error": error, "hint": hint})

    def _start_anew(self, number: int) -> None:
        self._children[number] = started(WORKER, self._root, self._environments[number])


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
        For another name, and for slots that it does not have: see `clustlab.training.slots`.
    """
    clear_left_overs(root)
    own_sets.clear_left_overs()
    kind = kind or os.environ.get("CLUSTLAB_RUNNER") or "process"
    if kind != "process" and os.environ.get(VARIABLE):
        raise ParameterError(
            f"{VARIABLE} is {os.environ[VARIABLE]!r}, but the runner {kind!r} has no slots.",
            "Unset it, or set CLUSTLAB_RUNNER to process.",
        )
    if kind == "thread":
        return ThreadRunner(root)
    if kind == "process":
        return ProcessRunner(root, slots(os.environ))
    if kind == "ray":
        from clustlab.training.ray_runner import RayRunner

        return RayRunner(root)
    raise ParameterError(
        f"CLUSTLAB_RUNNER is {kind!r}.", "Set it to process, thread or ray, or unset it."
    )

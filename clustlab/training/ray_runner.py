"""Runs on a Ray cluster; Ray itself is an optional dependency."""

import contextlib
import importlib.util
import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from clustlab.errors import ClustlabError
from clustlab.runs.liveness import BEAT_EVERY, beat
from clustlab.runs.store import RunStore, write_status
from clustlab.training.children import started
from clustlab.training.ray_driver import CONNECTED, OVER, PROBLEM, share

LOST = ("lost", "running", "paused")  # a worker that is gone may not have been missed yet
TIMES_LOST = 1  # with the cluster, after which a run is handed over once more
LOOK = "Look at the messages of the server."
DRIVER = (sys.executable, "-m", "clustlab", "work", "--on-ray")
AGAIN_AFTER = 5.0  # seconds between tries to find a cluster that was there before
PATIENCE = 600.0  # seconds for which a cluster may be gone


class RayRunner:
    """Hands each run to a Ray cluster; all nodes must see the folder of runs at the same place.

    Runs start in the order of submission, as many at a time as the cluster has room for. A run
    whose worker is killed is started once more by Ray, and goes on from its checkpoint. If the
    cluster itself goes, which ends the process that speaks to it (see
    `clustlab.training.ray_driver`), another one waits for it to be back, and hands over once more
    what was lost.

    Raises
    ------
    ClustlabError
        If Ray is not installed.
    ParameterError
        If the share of a run is none.
    """

    def __init__(self, root: Path) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ClustlabError(
                "CLUSTLAB_RUNNER is 'ray', but Ray cannot be imported.",
                "Run 'pip install ray', or unset CLUSTLAB_RUNNER.",
            )
        share(os.environ)
        self._root = root
        self._lock = threading.Lock()
        self._handed: dict[str, int] = {}  # runs that are not over, and how often they were lost
        self._driver: subprocess.Popen[str] | None = None  # once it is connected
        self._is_followed = False
        threading.Thread(target=self._beat, name="clustlab-queue", daemon=True).start()

    def submit(self, run_id: str) -> None:
        """Hand a run to the cluster, which starts it when it has room."""
        with self._lock:
            self._handed[run_id] = 0
            if self._driver is not None:
                _tell(self._driver, run_id)
            if not self._is_followed:
                self._is_followed = True
                threading.Thread(target=self._follow, name="clustlab-ray", daemon=True).start()

    def _follow(self) -> None:
        """Keep a driver as long as there are runs, through the loss of the cluster."""
        gone = -math.inf  # when a cluster that was there was lost, by the monotonic clock
        while True:
            driver = started(DRIVER, self._root, os.environ)
            was_connected, problem = self._listen(driver)
            code = driver.wait()
            gone = time.monotonic() if was_connected else gone
            is_given_up = time.monotonic() - gone > PATIENCE
            with self._lock:
                self._driver = None
                if was_connected:
                    self._count_lost()
                if is_given_up:
                    self._give_up(problem or (f"Ray did not start (exit code {code}).", LOOK))
                if not self._handed:
                    self._is_followed = False
                    return
            time.sleep(AGAIN_AFTER)

    def _listen(self, driver: subprocess.Popen[str]) -> tuple[bool, tuple[str, str] | None]:
        """What a driver says until it ends: whether it was connected, and what was wrong."""
        was_connected, problem = False, None
        assert driver.stdout is not None
        for line in driver.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            with self._lock:
                if word == OVER:
                    self._handed.pop(rest, None)
                elif word == PROBLEM:
                    message, _, hint = rest.partition("\t")
                    problem = message, hint
                elif word == CONNECTED:
                    was_connected, self._driver = True, driver
                    for run_id in self._handed:
                        _tell(driver, run_id)
        return was_connected, problem

    def _count_lost(self) -> None:
        """Keep, of the runs that a driver left, those to hand over once more."""
        for run_id, times in list(self._handed.items()):
            status = self._status(run_id)
            if status in LOST and times < TIMES_LOST:
                self._handed[run_id] = times + 1
            elif status != "queued":
                del self._handed[run_id]

    def _give_up(self, problem: tuple[str, str]) -> None:
        """Say in the runs that wait why they do not start."""
        for run_id in self._handed:
            if self._status(run_id) == "queued":
                run = RunStore(self._root).run(run_id)
                error, hint = problem
                state = {**run.progress, "status": "failed", "error": error, "hint": hint}
                write_status(run.path, state)
        self._handed.clear()

    def _status(self, run_id: str) -> str:
        """Status of a run; empty if it is gone."""
        try:
            return RunStore(self._root).run(run_id).status
        except ClustlabError:
            return ""

    def _beat(self) -> None:
        """Show other machines that what waits here is not lost."""
        while True:
            time.sleep(BEAT_EVERY)
            with self._lock:
                handed = list(self._handed)
            for run_id in handed:
                if self._status(run_id) == "queued":  # at work, its worker shows it
                    beat(self._root / run_id)


def _tell(driver: subprocess.Popen[str], run_id: str) -> None:
    assert driver.stdin is not None
    with contextlib.suppress(OSError):  # it has ended: whoever follows it hears of it
        print(run_id, file=driver.stdin, flush=True)

"""Kill a run at each call that changes a file: python -m tests.robust.kills.

Each call is tried twice: the worker dies before it, and torn inside it, after a few bytes.

No committed step may be lost, and what the run is resumed to must be what it would have been, to
the bit. With --every K only each K-th call is tried, with --random N also moments by the clock.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from clustlab.runs.store import Run, RunSpec, RunStore, snapshot_path
from clustlab.training.worker import execute, new_run, requeue

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link")
"""Audit events of calls that change a folder, beside `open` for writing."""
WRITING = os.O_WRONLY | os.O_RDWR
FIRST_BYTES = 60  # of what a torn call writes get through
SMALL: dict[str, dict[str, Any]] = {
    "kmeans": {},
    "dec": {"hidden_widths": "100-100-400", "epochs": 2, "max_updates": 4, "update_interval": 2},
    "iic": {"epochs": 3, "width": 4, "n_heads": 2},
}
"""Settings under which a run takes a second; other methods run as they come."""
FORKS = get_context("fork")


@dataclass(frozen=True, slots=True)
class Death:
    """Where a worker dies: at this call, counted from 0, before it or while it writes."""

    call: int
    is_torn: bool


class FileCalls:
    """Counts the calls of this process that change a file below a folder, and may end it at one."""

    def __init__(self, folder: Path, death: Death | None = None) -> None:
        self.n = 0
        self._folder, self._death = str(folder), death
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[object, ...]) -> None:
        is_open = event == "open"
        if not (is_open or event in CHANGES) or not isinstance(args[0], str):
            return
        flags = args[2] if is_open else WRITING
        if not args[0].startswith(self._folder) or not (isinstance(flags, int) and flags & WRITING):
            return
        here, self.n = self.n, self.n + 1
        if self._death is None or here != self._death.call:
            return
        if not self._death.is_torn:
            os.kill(os.getpid(), signal.SIGKILL)
        size = os.path.getsize(args[0]) if is_open and os.path.isfile(args[0]) else 0
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # ends the process within the call
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + FIRST_BYTES, resource.RLIM_INFINITY))


def carried_out_in_a_child(root: Path, run_id: str, death: Death | None = None) -> int:
    """Exit code of a worker that carries out a run; without a death, its number of calls."""
    calls = FORKS.Value("i", 0)

    def work() -> None:
        counter = FileCalls(root, death)
        execute(root, run_id)
        calls.value = counter.n
        os._exit(0)

    child = FORKS.Process(target=work)
    child.start()
    child.join()
    return calls.value if death is None else int(child.exitcode or 0)


def files(run: Run) -> list[bytes]:
    """What is committed: the file of each step."""
    return [snapshot_path(run.path, step).read_bytes() for step in range(len(run))]


def problem_after(store: RunStore, spec: RunSpec, wanted: list[bytes], death: Death) -> str:
    """What is wrong with a run whose worker died so, before or after resuming; empty if nothing."""
    run = new_run(store, spec)
    try:
        if not carried_out_in_a_child(store.root, run.id, death) and run.status == "done":
            return "" if files(run) == wanted else "it came out otherwise"  # it had no such call
        run = Run(run.path)
        if run.status not in ("queued", "lost", "failed", "done"):  # queued by us, who are alive
            return f"the worker is dead and the run {run.status}"
        if run.damaged_steps() or files(run) != wanted[: len(run)]:
            return f"committed steps are damaged: {run.damaged_steps()}"
        if run.status not in ("queued", "done"):
            requeue(run)
        execute(store.root, run.id)
        if run.status != "done":
            return f"resumed it ended {run.status}: {run.progress.get('error')}"
        left = [file.name for file in run.path.rglob("*.tmp")]
        if left:
            return f"it left {left}"
        return "" if files(Run(run.path)) == wanted else "resumed it came out otherwise"
    finally:
        shutil.rmtree(run.path, ignore_errors=True)


def problems(store: RunStore, spec: RunSpec, every: int = 1) -> tuple[int, dict[Death, str]]:
    """Number of deaths that were tried, and what was wrong after some of them."""
    whole = new_run(store, spec)
    n_calls = carried_out_in_a_child(store.root, whole.id)
    assert whole.status == "done", whole.progress
    wanted, found = files(whole), {}
    deaths = [Death(call, torn) for call in range(0, n_calls, every) for torn in (False, True)]
    for death in deaths:
        wrong = problem_after(store, spec, wanted, death)
        if wrong:
            found[death] = wrong
    return len(deaths), found


def killed_by_the_clock(store: RunStore, spec: RunSpec, n: int, seed: int = 0) -> dict[float, str]:
    """What is wrong after kills at random moments, some of them again and again on one run."""
    rng, found = random.Random(seed), {}
    whole = new_run(store, spec)
    begun = time.monotonic()
    carried_out_in_a_child(store.root, whole.id)
    seconds, wanted = time.monotonic() - begun, files(whole)
    for _ in range(n):
        run, moment = new_run(store, spec), rng.uniform(0, seconds)
        child = FORKS.Process(target=execute, args=(store.root, run.id))
        child.start()
        time.sleep(moment)
        child.kill()
        child.join()
        run = Run(run.path)
        if run.damaged_steps() or files(run) != wanted[: len(run)]:
            found[moment] = f"committed steps are damaged: {run.damaged_steps()}"
        if run.status not in ("queued", "done"):
            requeue(run)
        execute(store.root, run.id)
        if run.status != "done" or files(Run(run.path)) != wanted:
            found[moment] = f"resumed it came out otherwise ({run.status})"
        shutil.rmtree(run.path)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(SMALL))
    parser.add_argument("--items", type=int, default=120)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--random", type=int, default=20, help="kills by the clock, per method")
    args = parser.parse_args()
    torch.set_num_threads(1)  # a fork does not take threads along
    n_wrong, tried = 0, Counter[str]()
    for name in args.methods:
        spec = RunSpec("digits", name, {"n_samples": args.items}, SMALL.get(name, {}))
        with tempfile.TemporaryDirectory() as folder:
            store = RunStore(folder)
            n, found = problems(store, spec, args.every)
            by_clock = killed_by_the_clock(store, spec, args.random)
        tried[name] = n + args.random
        n_wrong += len(found) + len(by_clock)
        for where, wrong in [*found.items(), *by_clock.items()]:
            print(f"{name}, {where}: {wrong}")
        print(f"{name}: {tried[name]} kills, {len(found) + len(by_clock)} with a problem")
    print(f"{tried.total()} kills, {n_wrong} with a problem")
    return int(n_wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

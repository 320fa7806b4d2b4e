"""Disks that fail, at every call that changes a file: python -m tests.robust.faults.

Each action of a user is carried out again and again. Each time another one of its calls fails, once
or from then on, for want of space, of permission, by a disk that is read-only or broken. What must
come out: the action worked all the same, or it is told what is wrong and what to do; never a
traceback, a bug that is none, half a run, or a folder that cannot be listed any more.
"""

import argparse
import contextlib
import errno
import io
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from unittest import mock

from clustlab.analysis.projection import pca_2d
from clustlab.data import background_download
from clustlab.errors import ClustlabError, storage_errors
from clustlab.runs import interventions
from clustlab.runs.baskets import Baskets
from clustlab.runs.labels import Label, set_label
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training import longer, worker
from clustlab.ui.look import projections
from tests.support import fakes

REASONS = {
    errno.ENOSPC: "disk is full",
    errno.EROFS: "read-only",
    errno.EACCES: "may be read and written",
    errno.EIO: "disk has failed",
}
CHANGING = ("mkdir", "rename", "replace", "unlink", "rmdir", "link", "utime", "truncate")


class Faults:
    """Counts the calls that change files below a folder, and lets one fail, or all from it on."""

    def __init__(self, root, fails_at=None, number=errno.ENOSPC, *, is_lasting=False):
        self.root, self.fails_at, self.number, self.is_lasting = root, fails_at, number, is_lasting
        self.count = 0

    def meets(self, path):
        """Take note of a call, and fail if it is its turn."""
        if not str(path).startswith(str(self.root)):
            return
        here, self.count = self.count, self.count + 1
        if self.fails_at is not None and (
            here == self.fails_at or (self.is_lasting and here > self.fails_at)
        ):
            raise OSError(self.number, os.strerror(self.number), str(path))

    @contextlib.contextmanager
    def everywhere(self):
        """Put the faults in the place of the calls."""
        with contextlib.ExitStack() as stack:
            for name in CHANGING:
                stack.enter_context(mock.patch.object(os, name, self._before(getattr(os, name))))
            stack.enter_context(mock.patch.object(io, "open", self._opening(io.open)))
            stack.enter_context(mock.patch("builtins.open", self._opening(open)))
            yield self

    def _before(self, call):
        def changed(path, *args, **options):
            if not isinstance(path, int) and "dir_fd" not in options:  # as shutil removes folders
                self.meets(path)
            return call(path, *args, **options)

        return changed

    def _opening(self, call):
        def opened(file, mode="r", *args, **options):
            is_changed = not isinstance(file, int) and set(mode) & set("wax+")
            if not is_changed or not str(file).startswith(str(self.root)):
                return call(file, mode, *args, **options)
            self.meets(file)
            made = call(file, mode, *args, **options)
            return _Failing(made, partial(self.meets, file))

        return opened


class _Failing:
    """A file whose writing may fail."""

    def __init__(self, file, meets):
        self._file, self._meets = file, meets

    def write(self, data):
        self._meets()
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()


# -- what users do -----------------------------------------------------------------------------
SPEC = RunSpec("toy", "fake", {"n": 40}, {"epochs": 2})


def _started(store, run):
    made = worker.new_run(store, RunSpec("toy", "fake", {"n": 41}, {"epochs": 2}))
    worker.execute(store.root, made.id)


def _longer(store, run):
    how = longer.how_to_train_longer(run, 40, (2,))
    worker.execute(store.root, worker.lengthen(store, run, how, 1).id)


def _continued(store, run):
    spec = RunSpec("toy", "fake", {"n": 40}, {"epochs": 2}, continues=run.id)
    worker.new_run(store, spec)


def _resumed(store, run):
    made = worker.new_run(store, SPEC)
    made.request("cancel")
    worker.execute(store.root, made.id)
    worker.requeue(made)
    worker.execute(store.root, made.id)


def _baskets(store, run):
    return Baskets(store.root, run.manifest["data_key"], 40)


def _with_baskets(store, run):
    kept = _baskets(store, run)
    one = kept.save("one", [1, 2, 3], "a note")
    kept.save("two", [2, 3])
    kept.combine("three", "union", "one", "two")
    one = kept.rename(one.slug, "uno")
    kept.annotate(one.slug, "another note")
    kept.delete(one.slug)
    kept.restore(one.slug)


def _steered(store, run):
    for word in ("pause", "run", "aside", "cancel"):
        run.request(word)
    run.request_step()
    run.request_half_step()
    name = interventions.ask(run, "split", (0,))
    interventions.take_back(run, name)


def _labelled(store, run):
    set_label(run, Label("a name", ("tag",), "a note"))


def _deleted(store, run):
    store.delete(run.id)
    store.restore(run.id)
    store.delete(run.id)
    store.purge()


def _downloaded(store, run):
    try:
        background_download.start(store.root, "toy")
        background_download.cancel(store.root, "toy")
    finally:
        for thread in threading.enumerate():
            if thread.name == background_download.THREAD:
                thread.join(60)


def _laid_out(store, run):
    job = projections.Job(run, "umap", range(len(run)))
    with mock.patch.dict(projections.MAKE, umap=lambda embedding, **_: pca_2d(embedding)):
        job.work()
    if job.problem:
        raise ClustlabError(job.problem)


ACTIONS = {
    "start and train": _started,
    "train longer": _longer,
    "continue": _continued,
    "stop and resume": _resumed,
    "baskets": _with_baskets,
    "steer a run": _steered,
    "name a run": _labelled,
    "delete and restore": _deleted,
    "download": _downloaded,
    "lay out": _laid_out,
}


# -- what must come out ------------------------------------------------------------------------
def made(root):
    """A folder of runs with a finished one."""
    store = RunStore(root)
    run = worker.new_run(store, SPEC)
    worker.execute(store.root, run.id)
    assert run.status == "done", run.progress
    return store


def calls_of(action, original):
    """How many calls of an action change files."""
    with _copy(original) as store, Faults(store.root).everywhere() as faults:
        ACTIONS[action](store, store.runs()[0])
    return faults.count


@contextlib.contextmanager
def _copy(original):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        shutil.copytree(original, root)
        yield RunStore(root)


def problem(action, original, fails_at, number, *, is_lasting):
    """What comes out wrong if a call of an action fails; None if all is as it must be."""
    with _copy(original) as store:
        run, told = store.runs()[0], ""
        before = {path.name for path in store.root.iterdir()}
        faults = Faults(store.root, fails_at, number, is_lasting=is_lasting)
        lost = []  # what threads did not say in a status
        patched = mock.patch.object(
            threading, "excepthook", lambda args: lost.append(args.exc_value)
        )
        with faults.everywhere(), patched:
            try:
                with storage_errors():
                    ACTIONS[action](store, run)
            except ClustlabError as error:
                told = f"{error.message} {error.hint}"
            except Exception as error:  # noqa: BLE001 (this is what is looked for)
                return f"{type(error).__name__}: {error}"
        if lost:
            return f"a thread has ended by {lost[0]!r}"
        for each in store.runs():
            state = each.progress
            if state["status"] == "failed":
                told += f" {state['error']} {state['hint']}"
            _ = each.title, list(each)
        if "bug" in told:
            return f"called a bug: {told}"
        if told and REASONS[number] not in told and "deleted" not in told:
            return f"tells something else: {told}"
        readable = {each.id for each in (*store.runs(), *store.deleted())}
        fresh = {path.name for path in store.root.iterdir()} - before
        half = [name for name in fresh - readable if not name.startswith("_")]
        return f"left half a run: {half}" if half and not is_lasting else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", nargs="+", default=list(ACTIONS), choices=list(ACTIONS))
    parser.add_argument("--every", type=int, default=1, help="try every n-th call only")
    args = parser.parse_args()
    fakes.install()
    start, n, wrong = time.monotonic(), 0, Counter()
    with tempfile.TemporaryDirectory() as folder:
        original = made(Path(folder) / "runs").root
        for action in args.actions:
            calls = calls_of(action, original)
            for at in range(0, calls, args.every):
                for number in REASONS:
                    for is_lasting in (False, True):
                        said = problem(action, original, at, number, is_lasting=is_lasting)
                        n += 1
                        if said:
                            wrong[action] += 1
                            lasts = "lasting" if is_lasting else "once"
                            name = errno.errorcode[number]
                            print(f"{action}, call {at}, {name}, {lasts}: {said}", flush=True)
            print(f"{action}: {calls} calls, {wrong[action]} wrong", flush=True)
    print(f"{n:,} faults, {sum(wrong.values())} wrong, {time.monotonic() - start:.0f} s")
    return sum(wrong.values()) > 0


if __name__ == "__main__":
    sys.exit(main())

"""Disks that fail while something is written; `python -m tests.robust.faults` tries every call."""

import errno
import itertools
import logging
import os
import resource
import time

import numpy as np
import pytest

from clustlab.data import library
from clustlab.errors import StorageError, storage_errors
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training import worker
from clustlab.training.runner import make_runner
from clustlab.training.worker import execute, new_run
from tests.robust import faults
from tests.support import fakes


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Folder of runs with a finished one, of the fake method."""
    with pytest.MonkeyPatch.context() as patch:
        fakes.install(patch.setattr)
        yield faults.made(tmp_path_factory.mktemp("faults") / "runs").root


def tried(action, original, share, kinds):
    """What comes out wrong if the call at this share of an action fails."""
    at = int(share * faults.calls_of(action, original))
    return [
        said
        for number, is_lasting in kinds
        if (said := faults.problem(action, original, at, number, is_lasting=is_lasting))
    ]


@pytest.mark.parametrize("at", range(6))
def test_a_start_that_fails_at_its_first_calls_leaves_no_half_run(original, at):
    assert faults.problem("continue", original, at, errno.ENOSPC, is_lasting=False) is None


@pytest.mark.parametrize("action", faults.ACTIONS)
def test_a_failing_disk_is_told_with_its_remedy(original, action):
    assert tried(action, original, 0.4, [(errno.ENOSPC, False), (errno.EROFS, True)]) == []


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.6, 0.75, 0.9])
@pytest.mark.parametrize("action", faults.ACTIONS)
def test_a_disk_that_fails_elsewhere_is_told_as_well(original, action, share):
    kinds = list(itertools.product(faults.REASONS, (False, True)))
    assert tried(action, original, share, kinds[int(100 * share) % 2 :: 2]) == []


def test_a_full_disk_under_an_array_is_no_bug(tmp_path):
    """numpy tells of too little room without its number, unless it writes through Python."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as raised:
            library._save_array(tmp_path / "items.npy", np.zeros(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert raised.value.errno == errno.EFBIG


def test_arrays_are_kept_as_numpy_keeps_them(tmp_path):
    for i, array in enumerate((np.arange(12).reshape(3, 4), np.asfortranarray(np.eye(3, 5)))):
        library._save_array(tmp_path / f"a{i}.npy", array)
        np.save(tmp_path / f"b{i}.npy", array)
        assert (tmp_path / f"a{i}.npy").read_bytes() == (tmp_path / f"b{i}.npy").read_bytes()


def test_a_start_that_fails_leaves_nothing(store, fake, monkeypatch):
    finished = new_run(store, fake())
    execute(store.root, finished.id)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(worker.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        new_run(store, fake(continues=finished.id))
    monkeypatch.undo()
    assert [run.id for run in store.runs()] == [finished.id]
    assert {path.name for path in store.root.iterdir() if path.name[0] != "_"} == {finished.id}


def test_a_run_that_cannot_even_begin_says_so_and_not_on_standard_error(
    original, tmp_path, monkeypatch, caplog
):
    fakes.install(monkeypatch.setattr)
    store = RunStore(tmp_path / "runs")
    run = new_run(store, RunSpec("toy", "fake", {"n": 40}))

    def broken(folder, patience=1.0):
        raise OSError(errno.EIO, "Input/output error", str(folder / "lock"))

    monkeypatch.setattr(worker, "claim", broken)
    with caplog.at_level(logging.WARNING):
        execute(store.root, run.id)
    assert run.status == "failed"
    assert run.progress["error"].startswith("The disk has failed: Input/output error")
    assert caplog.records == []


@pytest.mark.parametrize("number", faults.REASONS)
def test_each_reason_has_its_remedy(number):
    with pytest.raises(StorageError, match="try again") as raised, storage_errors():
        raise OSError(number, "as the system says it", "/a/b")
    assert faults.REASONS[number] in f"{raised.value.message} {raised.value.hint}"


def test_what_killed_processes_left_is_cleared_at_the_next_start(store, fake):
    run = new_run(store, fake())
    execute(store.root, run.id)
    half = store.root / "20260101-120000-fake-toy-0a1b"
    damaged = store.root / "20260101-120000-fake-toy-0a1c"  # it was trained: its steps may be kept
    own = store.root / "my-notes"
    (half / "snapshots").mkdir(parents=True)
    own.mkdir()
    damaged.mkdir()
    (damaged / "lock").touch()
    data = store.root / "_data" / ".toy-0123456789ab-01234567"
    data.mkdir()
    left = [
        run.path / "status.json.01234567.tmp",
        run.path / "snapshots" / "00001.npz.89abcdef.tmp",
    ]
    others = [run.path / "notes.tmp", own / "a.01234567.tmp.txt"]
    for file in (*left, *others, data / "items.npy"):
        file.write_text("half")
    fresh = run.path / "about.json.01234567.tmp"
    for path in (*left, *others, data / "items.npy", data, half / "snapshots", half, damaged):
        os.utime(path, (time.time() - 700,) * 2)
    fresh.write_text("just now")
    make_runner(store.root)
    assert not any(path.exists() for path in (*left, data, half))
    assert all(path.exists() for path in (*others, fresh, own, damaged, run.path / "status.json"))
    assert store.run(run.id).status == "done"


def test_a_run_that_is_resumed_clears_what_its_killed_worker_left(store, fake):
    run = new_run(store, fake())
    left = run.path / "status.json.01234567.tmp"
    asked = run.path / "request.01234567.tmp"  # a page is writing it
    for file in (left, asked):
        file.write_text("half")
    execute(store.root, run.id)
    assert not left.exists()
    assert asked.exists()

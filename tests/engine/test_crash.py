"""What `kill -9` does to a run: nothing that was committed is lost, and the rest comes the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clustlab.runs.store import Run, each_assignment, snapshot_path
from clustlab.training.worker import execute, new_run, requeue
from tests.support import forked

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(store):
    """Start the command line in a process of its own; whatever still lives at the end is ended."""
    children = []

    def begin(*words):
        children.append(forked.start(*words, "--runs", str(store.root)))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.join()


def arrays(run, n=None):
    return [snapshot_path(run.path, i).read_bytes() for i in range(len(run) if n is None else n)]


def kill(child, run):
    """End a worker without a word, and check what it leaves; returns the committed arrays."""
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert run.status == "lost"
    fresh = Run(run.path)
    committed = arrays(fresh)
    assert [r["step"] for r in fresh.log] == list(range(len(committed)))
    assert None not in list(each_assignment(fresh))  # every one can be opened
    assert fresh.missing_steps == []
    return committed


@pytest.mark.slow
def test_killed_at_any_moment_a_run_goes_on_as_if_nothing_had_happened(
    store, fake, start, wait_for
):
    moments = (0, 1, 9, 25)  # committed steps: before the first, in, between and after phases
    runs = [new_run(store, fake(by_hand=True, pace=0.05, epochs=30)) for _ in moments]
    for moment, run in zip(moments, runs, strict=True):
        (run.path / "request").write_text(f"until {moment}")
    children = [start("work", run.id) for run in runs]
    whole = new_run(store, fake(by_hand=True, epochs=30))
    execute(store.root, whole.id)
    wanted = arrays(whole)
    for moment, run, child in zip(moments, runs, children, strict=True):
        wait_for(lambda r=run: r.status == "paused", 120)
        assert len(run) == moment
        run.request("run")
        time.sleep(0.1 + 0.02 * moment / 25)  # into the middle of an epoch
        committed = kill(child, run)
        assert moment <= len(committed) < 32
        requeue(run)
        execute(store.root, run.id)
        assert run.status == "done"
        assert arrays(run, len(committed)) == committed == wanted[: len(committed)]
        assert arrays(run) == wanted


@pytest.mark.slow
def test_killed_again_and_again_while_writing_as_fast_as_it_can(store, fake, start, wait_for):
    child = start(
        "train",
        "--dataset=toy",
        "--method=fake",
        "--data",
        "n=40",
        "--set",
        "epochs=100",
        "by_hand=1",
    )
    run = wait_for(lambda: next(iter(store.runs()), None), 120)
    for least in (20, 60):
        wait_for(lambda n=least: len(run) >= n, 120)
        committed = kill(child, run)
        if least == 20:
            child = start("resume", run.id)
    requeue(run)
    execute(store.root, run.id)
    assert run.status == "done"
    assert arrays(run, len(committed)) == committed
    whole = new_run(store, fake(epochs=100, by_hand=True))
    execute(store.root, whole.id)
    assert arrays(run) == arrays(whole)


@pytest.mark.slow
def test_two_processes_cannot_work_on_one_run(store, fake, start, wait_for):
    run = new_run(store, fake(pace=0.05, epochs=12, by_hand=True))
    first, second = start("work", run.id), start("work", run.id)
    wait_for(lambda: len(run) > 0, 120)
    assert wait_for(lambda: {c.exitcode for c in (first, second)} - {None}, 120) == {0}
    assert run.status == "running"  # one went home, the other works on
    wait_for(lambda: run.status == "done", 120)
    assert [r["step"] for r in run.log] == list(range(14))


@pytest.mark.slow
def test_a_run_queued_in_a_server_that_died_is_lost_and_can_be_resumed(store, fake):
    code = (
        "import sys; from tests.support.fakes import install; install()\n"
        "from clustlab.training.worker import new_run\n"
        "from clustlab.runs.store import RunSpec, RunStore\n"
        "new_run(RunStore(sys.argv[1]), RunSpec('toy', 'fake', {'n': 40}))"
    )
    subprocess.run([sys.executable, "-c", code, str(store.root)], cwd=ROOT, check=True)
    (run,) = store.runs()
    assert run.status == "lost"
    requeue(run)
    assert run.status == "queued"
    execute(store.root, run.id)
    assert run.status == "done"

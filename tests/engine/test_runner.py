import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest
import torch

from clustlab.errors import ClustlabError, DeviceUnavailable, ParameterError, RunNotFound
from clustlab.runs.liveness import claim, worker_identity
from clustlab.runs.store import snapshot_path, write_status
from clustlab.training import runner as runners
from clustlab.training import train, worker
from clustlab.training.estimate import Machine
from clustlab.training.longer import how_to_train_longer
from clustlab.training.runner import ProcessRunner, ThreadRunner, make_runner
from clustlab.training.worker import execute, lengthen, new_run, requeue
from clustlab.training.writer import RunWriter
from tests.support import fakes


def arrays(run):
    """Bytes of all committed steps."""
    return [snapshot_path(run.path, step).read_bytes() for step in range(len(run))]


def carried_out(store, spec):
    run = new_run(store, spec)
    execute(store.root, run.id)
    return run


@pytest.fixture
def processes(monkeypatch):
    """Process runners know the fake method, and their processes end with the test."""
    monkeypatch.setattr(runners, "WORKER", (sys.executable, "-m", "tests.support.fake_cli", "work"))
    children, start = [], subprocess.Popen

    def started(*args, **options):
        children.append(start(*args, **options))
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", started)
    yield children
    for child in children:
        child.kill()
        child.communicate()


@pytest.fixture(params=["thread", "process"])
def runner(request, store, fake, processes):
    return make_runner(store.root, request.param)


# Both runners ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pause_step_go_on_cancel_and_resume(runner, store, fake, wait_for):
    spec = fake(by_hand=True, pace=0.02, epochs=20)  # 3 batches an epoch
    run = new_run(store, spec)
    runner.submit(run.id)
    wait_for(lambda: len(run) >= 2, 120)
    assert run.status == "running"

    run.request("pause")
    wait_for(lambda: run.status == "paused")
    steps, before = len(run), run.progress
    time.sleep(0.4)
    assert len(run) == steps
    assert run.progress == before
    assert before["step"] == steps

    for extra in (1, 2):  # exactly one snapshot each
        run.request_step()
        wait_for(lambda extra=extra: len(run) == steps + extra)
        wait_for(lambda: run.status == "paused")
        time.sleep(0.3)
        assert len(run) == steps + extra
        assert run.status == "paused"

    run.request("run")
    wait_for(lambda: len(run) > steps + 3)
    run.request("cancel")
    wait_for(lambda: run.status == "cancelled")
    stopped_at = len(run)
    assert stopped_at < 22

    requeue(run)
    assert run.status == "queued"
    runner.submit(run.id)
    wait_for(lambda: run.status == "done", 120)
    whole = carried_out(store, fake(by_hand=True, epochs=20))
    assert arrays(run) == arrays(whole)
    assert len(run) == 22
    trained, passed = (run.log[-1][name] - run.log[0][name] for name in ("seconds", "time"))
    assert trained < passed - 0.8  # pauses do not count


@pytest.mark.slow
def test_runs_queue_up_in_order_and_a_waiting_one_can_be_cancelled(store, fake, wait_for):
    runner = ThreadRunner(store.root)  # both have the same queue
    first, gone, last = (
        new_run(store, fake(by_hand=True, pace=0.05 if seed == 0 else 0.0, seed=seed))
        for seed in range(3)
    )
    for run in (first, gone, last):
        runner.submit(run.id)
    wait_for(lambda: first.status == "running", 120)
    assert gone.status == last.status == "queued"
    gone.request("cancel")
    assert gone.status == "cancelled"
    wait_for(lambda: last.status == "done", 120)
    assert first.status == "done"
    assert first.progress["finished"] < last.log[0]["time"]
    assert (gone.status, len(gone)) == ("cancelled", 0)


@pytest.mark.slow
def test_a_failed_run_explains_itself_and_the_next_one_starts(runner, store, fake, wait_for):
    bad = new_run(store, fake(trouble="bug", by_hand=True))
    good = new_run(store, fake(by_hand=True))
    runner.submit(bad.id)
    runner.submit(good.id)
    wait_for(lambda: good.status == "done", 120)
    state = bad.progress
    assert state["status"] == "failed"
    assert state["error"] == "RuntimeError: the wheel came off"
    assert "This is a bug" in state["hint"]
    assert "in _stumble" in state["traceback"]
    assert len(bad) == 3  # what was committed stays


# Outcomes ----------------------------------------------------------------------------------------


def test_a_run_ends_done_with_everything_recorded(store, fake):
    run = carried_out(store, fake())
    state = run.progress
    assert state["status"] == "done"
    assert (state["step"], state["done"], state["total"], state["fraction"]) == (6, 4, 4, 1.0)
    assert (state["phase"], state["eta"]) == ("train", None)
    assert state["seconds"] > 0
    assert [(r["phase"], r["done"], r["total"]) for r in run.log] == [
        ("warm up", 1, 2),
        ("warm up", 2, 2),
        ("train", 1, 4),
        ("train", 2, 4),
        ("train", 3, 4),
        ("train", 4, 4),
    ]
    assert state["device"] == str(train.choose_device("auto")[0])
    assert state["device_reason"].startswith("auto: ")
    about = json.loads((run.path / "environment.json").read_text())
    assert about["threads"] == torch.get_num_threads()
    assert about["device_reason"] == state["device_reason"]
    assert about["packages"]["torch"] == torch.__version__.split("+")[0]
    assert len(store.dataset(run).items) == 40


def test_the_same_spec_and_seed_give_the_same_bytes(store, fake):
    one, two = carried_out(store, fake(seed=5)), carried_out(store, fake(seed=5))
    other = carried_out(store, fake(seed=6))
    assert arrays(one) == arrays(two)
    assert arrays(one) != arrays(other)
    for a, b in zip(one.log, two.log, strict=True):
        assert a["scalars"] == b["scalars"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "error", "hint"),
    [
        ("memory", "The device ran out of memory.", "smaller batch size or fewer samples"),
        ("cpu memory", "The device ran out of memory.", "smaller batch size or fewer samples"),
        ("gpu memory", "The device ran out of memory.", "smaller batch size or fewer samples"),
        ("disk", "The disk is full.", "Delete runs on the page Runs, then resume"),
        ("file", "A file cannot be used: Permission denied (/data/a.npy).", "may be read and"),
        ("package", "The package umap is not installed.", "Install it"),
        ("singular", "cannot be solved for (The algorithm failed to", "Lower the learning rate"),
        ("gpu", "The device failed: CUDA error: an illegal memory access", "choose the device cpu"),
        ("divergence", "loss became nan.", "Lower the learning rate"),
        ("outside", "outside the body of a phase", "This is a bug, of clustlab or of tests"),
    ],
)
def test_what_went_wrong_is_told_in_words(store, fake, trouble, error, hint):
    run = carried_out(store, fake(trouble=trouble))
    state = run.progress
    assert state["status"] == "failed"
    assert error in state["error"]
    assert hint in state["hint"]
    assert ("bug" in state["hint"]) == (trouble == "outside")


def test_a_disk_too_full_for_the_last_word_is_told_all_the_same(store, fake, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    run = new_run(store, fake())
    save = RunWriter.append

    def append(writer, step, *args):
        if step == 2:
            monkeypatch.setattr("clustlab.runs.status.write_atomically", full)
            full(None, None)
        save(writer, step, *args)

    monkeypatch.setattr(RunWriter, "append", append)
    execute(store.root, run.id)
    assert run.progress["status"] == "failed"
    assert run.progress["error"] == "The disk is full."
    monkeypatch.undo()


def test_half_a_snapshot_does_not_stay_on_a_full_disk(store, fake, monkeypatch):
    def full(file, **_):
        file.write(b"x" * 1000)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    run = carried_out(store, fake())
    assert run.progress["error"] == "The disk is full."
    assert list((run.path / "snapshots").iterdir()) == []
    monkeypatch.undo()
    from tests.support.fakes import install

    install(monkeypatch.setattr)
    requeue(run)
    assert "error" not in run.progress
    execute(store.root, run.id)
    assert run.status == "done"


def test_more_clusters_than_items_is_refused(store, fake):
    run = carried_out(store, fake(n=10, n_clusters=11))
    assert run.progress["error"] == "n_clusters is 11, but there are only 10 items."


# Before it starts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, r"no method 'magic'.*Choose one of: fake"),
        ({"dataset": "cats"}, r"no data set 'cats'.*Choose one of: .*toy"),
        ({"dataset": "digits", "dataset_params": {}}, r"Fake works on points, but .* images"),
        ({"method_params": {"depth": 3}}, r"depth is not a parameter of Fake"),
        ({"dataset_params": {"n": 1}}, r"n must lie in \[10, 200000\], got 1"),
        ({"seed": -1}, r"seed must be a whole number in \[0, 4294967295\], got -1"),
        ({"seed": 2**32}, r"seed must be"),
        ({"seed": "1"}, r"seed must be .* got '1'"),
        ({"seed": True}, r"seed must be .* got True"),
        ({"continues": "nothing"}, r"no readable run 'nothing'"),
    ],
)
def test_a_bad_spec_is_refused_before_anything_is_written(store, fake, change, message):
    with pytest.raises((ParameterError, RunNotFound), match=message):
        new_run(store, replace(fake(), **change))
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("warp", "'warp' is not a device.*Choose one of auto, cuda, mps, cpu"),
        ("cuda:99", "'cuda:99' was asked for, but this machine has none.*Choose 'auto'"),
        ("meta", "'meta' was asked for, but this machine has none"),
    ],
)
def test_a_device_that_is_absent_is_an_error_not_a_fallback(store, fake, name, message):
    with pytest.raises(DeviceUnavailable, match=message):
        new_run(store, fake(device=name))


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen", "reason"),
    [
        (True, True, "cuda", "auto: CUDA is there (Big One)"),
        (False, True, "mps", "auto: no CUDA, Apple's MPS is there"),
        (False, False, "cpu", "auto: neither CUDA nor MPS is there"),
    ],
)
def test_auto_takes_the_best_device_and_says_why(monkeypatch, cuda, mps, chosen, reason):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Big One")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert train.choose_device("auto") == (torch.device(chosen), reason)


def test_a_device_that_went_away_fails_the_run(store, fake):
    run = store.create(
        fake(device="cuda:99"), method_title="Fake", dataset_title="Toy", data_key="toy"
    )
    execute(store.root, run.id)
    assert run.progress["error"].startswith("The device 'cuda:99' was asked for")


def test_values_that_came_as_text_are_numbers_in_the_manifest(store, fake):
    spec = fake(epochs="3", n="12")
    run = new_run(store, spec)
    assert run.spec.method_params == {"epochs": 3}
    assert run.spec.dataset_params == {"n": 12}
    duplicate = new_run(store, replace(run.spec, seed=9))
    assert duplicate.spec == replace(run.spec, seed=9)
    assert duplicate.id != run.id


# Resuming ----------------------------------------------------------------------------------------


def interrupted(store, spec, after):
    """Run whose worker died after so many steps, as kill -9 would leave it."""

    class Killed(BaseException):
        pass

    def append(writer, step, *args):
        save(writer, step, *args)
        if step + 1 == after:
            raise Killed

    run = new_run(store, spec)
    with pytest.MonkeyPatch.context() as patch:
        save = RunWriter.append
        patch.setattr(RunWriter, "append", append)
        with pytest.raises(Killed):
            execute(store.root, run.id)
    write_status(run.path, {**run.progress, "pid": 2**22 + 1})
    assert run.status == "lost"
    return run


@pytest.mark.parametrize("checkpoint_every", [0.0, 1000.0])
def test_resuming_a_lost_run_gives_the_same_remaining_steps(
    store, fake, monkeypatch, checkpoint_every
):
    monkeypatch.setattr("clustlab.training.writer.CHECKPOINT_EVERY", checkpoint_every)
    whole = carried_out(store, fake())
    for after in (1, 2, 4, 6):
        run = interrupted(store, fake(), after)
        committed = arrays(run)
        assert len(committed) == after
        requeue(run)
        execute(store.root, run.id)
        assert run.status == "done"
        assert arrays(run)[:after] == committed
        assert arrays(run) == arrays(whole)
        assert [r["scalars"] for r in run.log] == [r["scalars"] for r in whole.log]


def test_checkpoints_cost_a_small_share_of_the_time(store, fake, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("clustlab.training.writer.time.monotonic", lambda: clock[0])
    writer = RunWriter(new_run(store, fake()))
    due_after = []
    for cost in (0.0, 0.5, 9.0):
        writer._save_cost, started = cost, clock[0]
        writer._saved = started
        while not writer.checkpoint_due():
            clock[0] += 0.5
        due_after.append(clock[0] - started)
    assert due_after == [1.0, 10.0, 30.0]


def test_a_run_killed_before_its_last_word_is_just_finished(store, fake):
    run = carried_out(store, fake(epochs=9, stop_after=3))
    before = arrays(run)
    assert len(before) == 5
    write_status(run.path, {**run.progress, "status": "running", "pid": 2**22 + 1})
    assert run.status == "lost"
    execute(store.root, run.id)
    assert run.status == "done"
    assert arrays(run) == before  # does not go on past the stop
    assert run.progress["fraction"] == 1.0


@pytest.mark.parametrize("word", ["pause", "cancel", "until 1"])
def test_a_request_left_from_before_is_forgotten_on_resume(store, fake, word):
    run = interrupted(store, fake(), 2)
    (run.path / "request").write_text(word)
    requeue(run)
    execute(store.root, run.id)
    assert run.status == "done"


def test_a_done_or_active_run_cannot_be_queued_again(store, fake):
    run = new_run(store, fake())
    with pytest.raises(ParameterError, match="is queued already"):
        requeue(run)
    execute(store.root, run.id)
    with pytest.raises(ParameterError, match=r"is done\. To train it longer"):
        requeue(run)


# One worker at a time ----------------------------------------------------------------------------


def test_what_is_over_is_not_carried_out_again(store, fake):
    run = carried_out(store, fake())
    before = (run.path / "status.json").read_text()
    execute(store.root, run.id)
    assert (run.path / "status.json").read_text() == before
    failed = carried_out(store, fake(trouble="bug"))
    steps = len(failed)
    execute(store.root, failed.id)
    assert (failed.status, len(failed)) == ("failed", steps)


def test_a_run_in_other_hands_is_left_alone(store, fake):
    run = new_run(store, fake())
    with claim(run.path):
        execute(store.root, run.id)
        assert (run.status, len(run)) == ("queued", 0)
    execute(store.root, run.id)
    assert run.status == "done"


def test_two_threads_on_one_run_carry_it_out_once(store, fake):
    run = new_run(store, fake())
    threads = [threading.Thread(target=execute, args=(store.root, run.id)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run.status == "done"
    assert [r["step"] for r in run.log] == list(range(6))


def test_two_runners_in_one_process_take_turns(store, fake, wait_for):
    spec = fake(pace=0.01)
    runs = [new_run(store, spec) for _ in range(2)]
    for run in runs:
        ThreadRunner(store.root).submit(run.id)
    wait_for(lambda: all(run.status == "done" for run in runs))
    first, second = sorted(runs, key=lambda r: r.progress["finished"])
    assert first.progress["finished"] <= second.log[0]["time"]
    assert arrays(first) == arrays(second)  # neither drew from the other's generator


def test_a_run_submitted_twice_is_carried_out_once(store, fake, wait_for):
    runner = ThreadRunner(store.root)
    blocker, run = new_run(store, fake(pace=0.02)), new_run(store, fake())
    runner.submit(blocker.id)
    runner.submit(run.id)
    wait_for(lambda: blocker.status == "running")
    run.request("cancel")
    requeue(run)
    runner.submit(run.id)
    last = new_run(store, fake())
    runner.submit(last.id)
    wait_for(lambda: last.status == "done")
    assert run.status == "done"
    assert len(run) == 6


# Deleting ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_deleting_a_running_run_stops_its_worker_and_can_be_undone(store, fake, wait_for):
    runner = ThreadRunner(store.root)
    spec = fake(pace=0.02, epochs=20)
    run, after = new_run(store, spec), new_run(store, fake())
    runner.submit(run.id)
    runner.submit(after.id)
    wait_for(lambda: len(run) >= 2)
    store.delete(run.id)
    wait_for(lambda: after.status == "done")
    assert [r.id for r in store.runs()] == [after.id]
    back = store.restore(run.id)
    assert back.status == "cancelled"
    assert 2 <= len(back) < 22
    requeue(back)
    runner.submit(back.id)
    wait_for(lambda: back.status == "done")
    whole = carried_out(store, replace(spec, method_params={"epochs": 20}))
    assert arrays(back) == arrays(whole)


def test_undoing_a_deletion_at_once_leaves_a_cancelled_run(store, fake, wait_for):
    runner = ThreadRunner(store.root)
    run = new_run(store, fake(pace=0.05, epochs=50))
    runner.submit(run.id)
    wait_for(lambda: len(run) >= 1)
    store.delete(run.id)
    store.restore(run.id)
    after = new_run(store, fake())
    runner.submit(after.id)
    wait_for(lambda: after.status == "done")
    assert run.status == "cancelled"


def test_deleting_a_queued_run_takes_it_out_of_the_queue(store, fake, wait_for):
    runner = ThreadRunner(store.root)
    first, gone, last = (new_run(store, fake(pace=0.02 * (i == 0))) for i in range(3))
    for run in (first, gone, last):
        runner.submit(run.id)
    store.delete(gone.id)
    wait_for(lambda: last.status == "done")
    assert len(store.restore(gone.id)) == 0
    assert gone.status == "cancelled"


# Requests at odd moments -------------------------------------------------------------------------


def test_a_pause_before_the_start_holds_at_the_start(store, fake, wait_for):
    run = new_run(store, fake())
    run.request("pause")
    assert run.status == "queued"
    ThreadRunner(store.root).submit(run.id)
    wait_for(lambda: run.status == "paused")
    assert len(run) == 0
    run.request_step()
    wait_for(lambda: len(run) == 1 and run.status == "paused")
    run.request("run")
    wait_for(lambda: run.status == "done")
    assert len(run) == 6


def test_half_steps_stop_at_each_box_of_the_loop(store, fake, wait_for):
    run = new_run(store, fake(by_hand=True, epochs=3))
    run.request("pause")
    ThreadRunner(store.root).submit(run.id)
    wait_for(lambda: run.status == "paused")
    seen = []
    while len(run) < 4:
        before = run.progress.get("boxes", 0)
        run.request_half_step()
        wait_for(lambda before=before: run.progress.get("boxes", 0) > before)
        wait_for(lambda: run.status == "paused")
        assert run.progress["boxes"] == before + 1
        seen.append(run.progress["active"])
    assert seen[:4] == ["train", "cluster", "train", "cluster"]
    run.request("run")
    wait_for(lambda: run.status == "done")


def test_cancel_while_the_data_are_loading(store, fake, monkeypatch, wait_for):
    def load(self, seed, report):
        for i in range(1000):
            report("fetch file 1 of 2", i / 1000)
            time.sleep(0.05)

    monkeypatch.setattr("clustlab.datasets.toy.Toy.load", load)
    run = new_run(store, fake(n=77))
    ThreadRunner(store.root).submit(run.id)
    wait_for(lambda: run.progress.get("phase") == "fetch file 1 of 2")
    assert run.status == "running"
    run.request("cancel")
    wait_for(lambda: run.status == "cancelled")


def test_cancel_while_paused(store, fake, wait_for):
    run = new_run(store, fake())
    run.request("pause")
    ThreadRunner(store.root).submit(run.id)
    wait_for(lambda: run.status == "paused")
    run.request("cancel")
    wait_for(lambda: run.status == "cancelled")


# Training longer ---------------------------------------------------------------------------------


def test_a_paused_run_makes_way_and_goes_on_later_where_it_was(store, fake, wait_for):
    slow = new_run(store, fake(by_hand=True, pace=0.02, epochs=8))
    other = new_run(store, fake(by_hand=True, seed=1))
    runner = ThreadRunner(store.root)
    runner.submit(slow.id)
    runner.submit(other.id)
    wait_for(lambda: len(slow) >= 1)
    slow.request("pause")
    wait_for(lambda: slow.status == "paused")
    slow.request("aside")
    wait_for(lambda: other.status == "done")
    assert (slow.status, slow.intention) == ("set aside", "")
    assert 0 < len(slow) < 10
    requeue(slow)
    runner.submit(slow.id)
    wait_for(lambda: slow.status == "done")
    assert arrays(slow) == arrays(carried_out(store, fake(by_hand=True, epochs=8)))


def test_no_box_of_the_loop_is_at_work_before_it(store, fake, monkeypatch):
    told = []
    report, plan = RunWriter.report, fakes.Fake.plan

    def first_outside(self, n, shape):
        before, loop = plan(self, n, shape)
        return [replace(before, is_in_loop=False), loop]

    def noted(writer, **changes):
        if changes.get("active"):
            told.append((changes["phase"], changes["active"]))
        report(writer, **changes)

    monkeypatch.setattr(RunWriter, "report", noted)
    monkeypatch.setattr(fakes.Fake, "plan", first_outside)
    carried_out(store, fake(by_hand=True))
    assert set(told) == {("train", "train"), ("train", "cluster")}


def test_a_finished_run_can_be_trained_longer_again_and_again(store, fake):
    first = carried_out(store, fake())
    second = carried_out(store, fake(continues=first.id, epochs=2))
    assert (second.status, len(second)) == ("done", 2)  # no warm-up
    third = carried_out(store, fake(continues=second.id, epochs=2))
    assert third.status == "done"
    # the same seed draws the same shifts, wherever the centres come from
    shifts = [
        after[0].centers - 0.9 * before[-1].centers
        for before, after in ((first, second), (second, third))
    ]
    assert abs(shifts[0] - shifts[1]).max() < 1e-6
    again = carried_out(store, fake(continues=second.id, epochs=2))
    assert arrays(again) == arrays(third)


def test_a_continuation_stands_on_its_own(store, fake):
    first = carried_out(store, fake())
    spec = fake(continues=first.id)
    whole = carried_out(store, spec)
    run = interrupted(store, spec, 2)
    store.delete(first.id)
    store.purge()
    requeue(run)
    execute(store.root, run.id)
    assert run.status == "done"
    assert arrays(run) == arrays(whole)


def test_a_run_without_a_trained_state_cannot_be_continued(store, fake):
    run = new_run(store, fake())
    with pytest.raises(ParameterError, match="cannot be continued with fake"):
        new_run(store, fake(continues=run.id))


def test_a_continuation_with_another_shape_says_what_to_keep(store, fake):
    first = carried_out(store, fake())
    run = carried_out(store, fake(continues=first.id, n_clusters=4))
    assert run.progress["error"].startswith("centers has another shape")
    assert "Keep its data set, number of clusters and network" in run.progress["hint"]


def test_a_continuation_whose_state_is_missing_does_not_start_from_nothing(store, fake):
    first = carried_out(store, fake())
    run = new_run(store, fake(continues=first.id))
    (run.path / "warm.pt").unlink()
    execute(store.root, run.id)
    assert "were not copied to this run" in run.progress["error"]


# Precision, priority, estimates ------------------------------------------------------------------


def test_mixed_precision_is_the_engine_s_business(store, fake, monkeypatch):
    monkeypatch.setattr(train, "BFLOAT16", ("cpu",))
    plain, mixed = (
        carried_out(store, replace(fake(), mixed_precision=mixed)) for mixed in (False, True)
    )
    assert mixed.status == "done"
    assert arrays(mixed) != arrays(plain)
    assert abs(mixed[-1].scalars["loss"] - plain[-1].scalars["loss"]) < 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="priorities belong to threads on Linux only")
def test_training_has_a_lower_priority_than_the_server(store):
    before = set(threading.enumerate())
    ThreadRunner(store.root)
    (thread,) = (t for t in set(threading.enumerate()) - before if t.name == "clustlab-training")
    server = os.getpriority(os.PRIO_PROCESS, os.getpid())
    wanted = min(19, max(0, server) + runners.NICE)
    end = time.monotonic() + 60
    while os.getpriority(os.PRIO_PROCESS, thread.native_id) != wanted:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == server


def test_a_finished_run_teaches_the_machine_its_speed(store, fake):
    first = carried_out(store, fake(pace=0.02))  # long enough for its rounded seconds
    known = json.loads((store.root / "_machine.json").read_text())
    (mine,) = known.values()
    assert len(mine["ratios"]["fake"]) == 1
    assert mine["rates"]["linear"] > 1e6
    carried_out(store, fake(continues=first.id))  # says nothing about a whole run
    carried_out(store, fake(trouble="bug"))
    (mine,) = json.loads((store.root / "_machine.json").read_text()).values()
    assert len(mine["ratios"]["fake"]) == 1
    from tests.support.fakes import Fake

    method = Fake()
    machine = Machine(store.root)
    estimate = machine.seconds("fake", method.plan(40, (2,)))
    assert estimate == pytest.approx(first.progress["seconds"], rel=0.02)


@pytest.fixture
def lessons(monkeypatch):
    """What machines were taught: iterations of each phase, and seconds."""
    taught = []

    def learn(machine, method, phases, seconds):
        taught.append(([phase.iterations for phase in phases], seconds))

    monkeypatch.setattr(Machine, "learn", learn)
    return taught


def test_a_resumed_run_teaches_what_it_took_since_it_was_resumed(store, fake, monkeypatch, lessons):
    monkeypatch.setattr("clustlab.training.writer.CHECKPOINT_EVERY", 0.0)
    run = interrupted(store, fake(by_hand=True), 4)  # its checkpoint has 2 and 1 iterations
    state = torch.load(run.path / "checkpoint.pt")
    torch.save({**state, "seconds": 1000.0}, run.path / "checkpoint.pt")
    requeue(run)
    execute(store.root, run.id)
    assert run.progress["seconds"] > 1000
    ((iterations, seconds),) = lessons
    assert iterations == [0, 3]
    assert 0 < seconds < 500


def test_so_does_a_run_that_is_trained_longer_unless_it_is_by_very_little(store, fake, lessons):
    first = carried_out(store, fake(by_hand=True, epochs=18))
    how = how_to_train_longer(first, 40, (2,))
    for more in (1, 5):
        execute(store.root, lengthen(store, first, how, more).id)
    assert [iterations for iterations, _ in lessons] == [[2, 18], [0, 5]]


def test_the_time_left_shrinks_to_nothing(store, fake, monkeypatch):
    seen = []
    report = RunWriter.report

    def spy(writer, **changes):
        if changes.get("eta") is not None:
            seen.append((changes["eta"], changes["fraction"], changes["seconds"]))
        report(writer, **changes)

    monkeypatch.setattr(RunWriter, "report", spy)
    carried_out(store, fake(pace=0.01, epochs=8))
    etas, fractions, seconds = zip(*seen, strict=True)
    assert all(0 <= f <= 1 for f in fractions)
    assert all(eta >= 0 for eta in etas)
    assert list(seconds) == sorted(seconds)
    assert fractions[-1] > 0.9
    assert etas[-1] < 0.3


# Choosing a runner -------------------------------------------------------------------------------


def test_the_environment_names_the_runner(store, processes, monkeypatch):
    monkeypatch.delenv("CLUSTLAB_RUNNER", raising=False)
    assert isinstance(make_runner(store.root), ProcessRunner)
    monkeypatch.setenv("CLUSTLAB_RUNNER", "thread")
    assert isinstance(make_runner(store.root), ThreadRunner)
    monkeypatch.setenv("CLUSTLAB_RUNNER", "tread")
    with pytest.raises(ParameterError, match=r"'tread'\. Set it to process, thread or ray"):
        make_runner(store.root)


def test_ray_is_asked_for_only_when_it_is_there(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ClustlabError, match=r"Ray cannot be imported\. Run 'pip install ray'"):
        make_runner(store.root, "ray")


def test_a_worker_process_that_does_not_start_is_told(
    store, fake, processes, monkeypatch, wait_for
):
    monkeypatch.setattr(runners, "WORKER", (sys.executable, "-c", "raise SystemExit(3)"))
    run = new_run(store, fake())
    ProcessRunner(store.root).submit(run.id)
    wait_for(lambda: run.status == "failed")
    assert run.progress["error"] == "The worker process did not start (exit code 3)."


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_its_run_and_the_next_one_has_another(
    store, fake, processes, wait_for
):
    runner = ProcessRunner(store.root)
    run, after = new_run(store, fake(by_hand=True, pace=0.05, epochs=200)), new_run(store, fake())
    runner.submit(run.id)
    runner.submit(after.id)
    wait_for(lambda: len(run) >= 2)
    assert run.progress["pid"] == processes[0].pid
    processes[0].kill()
    wait_for(lambda: run.status == "lost")
    wait_for(lambda: after.status == "done")
    assert after.progress["pid"] == processes[1].pid
    requeue(run)  # it can be resumed
    assert run.status == "queued"


SERVER = """
import sys, time
from pathlib import Path
from clustlab.training import runner
runner.WORKER = (sys.executable, "-m", "tests.support.fake_cli", "work")
runner.ProcessRunner(Path(sys.argv[1])).submit(sys.argv[2])
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_worker_ends_with_its_server_and_its_run_is_lost_but_resumable(store, fake, wait_for):
    run = new_run(store, fake(by_hand=True, pace=0.05, epochs=200))
    command = [sys.executable, "-c", SERVER, str(store.root), run.id]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.getcwd()}) as server:
        wait_for(lambda: len(run) >= 2)
        pid = run.progress["pid"]
        assert pid != server.pid
        server.send_signal(signal.SIGKILL)
    wait_for(lambda: run.status == "lost", 10)
    wait_for(lambda: not psutil.pid_exists(pid), 10)
    steps = len(run)
    requeue(run)
    run.request_step()  # one more, then it holds
    another = ThreadRunner(store.root)
    another.submit(run.id)
    wait_for(lambda: len(run) == steps + 1)
    run.request("cancel")
    wait_for(lambda: run.status == "cancelled")


def test_a_queue_survives_anything(store, fake, monkeypatch, wait_for):
    real, calls = worker.execute, []

    def execute_badly(root, run_id):
        calls.append(run_id)
        if len(calls) == 1:
            raise OSError("the network drive is gone")
        real(root, run_id)

    monkeypatch.setattr(worker, "execute", execute_badly)
    runner = ThreadRunner(store.root)
    bad, good = new_run(store, fake()), new_run(store, fake())
    for run_id in (bad.id, "nothing", good.id):
        runner.submit(run_id)
    wait_for(lambda: good.status == "done")


def test_waiting_runs_show_other_machines_that_they_are_not_lost(
    store, fake, monkeypatch, wait_for
):
    monkeypatch.setattr(runners, "BEAT_EVERY", 0.02)
    runner = ThreadRunner(store.root)
    blocker, waiting = new_run(store, fake()), new_run(store, fake())
    blocker.request("pause")
    runner.submit(blocker.id)
    runner.submit(waiting.id)
    write_status(waiting.path, {**worker_identity(), "host": "elsewhere", "status": "queued"})
    os.utime(waiting.path / "status.json", (0, 0))
    wait_for(lambda: waiting.status == "queued")
    blocker.request("cancel")
    wait_for(lambda: waiting.status == "done")

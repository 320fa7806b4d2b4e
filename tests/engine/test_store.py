import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from clustlab.data import library
from clustlab.data.atomic import write_atomically
from clustlab.errors import ParameterError, RunNotFound
from clustlab.runs import liveness
from clustlab.runs.liveness import claim, worker_identity
from clustlab.runs.store import (
    Run,
    RunSpec,
    RunStore,
    each_assignment,
    snapshot_path,
    write_status,
)
from clustlab.training.writer import RunWriter
from clustlab.types import Artefact, Dataset, Labelling, Snapshot


def new(store, method="dec", seed=0):
    spec = RunSpec("toy", method, {"n": 3}, {}, seed=seed)
    titles = {"method_title": "DEC", "dataset_title": "Toy points"}
    return store.create(spec, **titles, data_key="toy-1", changed={})


def snapshot(i=0):
    bars = Artefact(
        "bars", [[i, 2]], "Sizes", "Bars.", ("now",), ("a", "b"), (1,), (0,), ("x", "y")
    )
    images = Artefact("images", np.full((1, 2, 4, 4, 1), i, np.uint8), "Images")
    return Snapshot(
        embedding=np.full((3, 2), i),
        assignments=np.array([0, 1, i % 2]),
        scalars={"loss": i / 3},
        probabilities=np.full((3, 2), 0.5),
        centers=np.ones((2, 2)),
        artefacts={"sizes": bars, "images": images},
    )


def write(run, count, start=0):
    with RunWriter(run) as writer:
        for i in range(start, start + count):
            writer.append(i, snapshot(i), {"phase": "train", "done": i + 1, "total": 9})


def set_state(run, status, **changes):
    write_status(run.path, {**worker_identity(), "status": status, **changes})


def dead_identity():
    """Identity of a process of this machine that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    born = liveness.psutil.Process(child.pid).create_time()
    child.wait()
    return {"host": socket.gethostname(), "pid": child.pid, "born": born}


def silence(run, seconds):
    then = time.time() - seconds
    os.utime(run.path / "status.json", (then, then))


# A run as a sequence -----------------------------------------------------------------------------


def test_a_new_run_is_queued_and_empty(store):
    run = new(store)
    assert run.status == "queued"
    assert run.is_active
    assert len(run) == 0
    assert run.log == []
    assert run.title == "DEC on Toy points, seed 0, 3 items"
    assert run.spec == RunSpec("toy", "dec", {"n": 3}, {})
    assert store.run(run.id).manifest == run.manifest
    assert list(each_assignment(run)) == []
    with pytest.raises(IndexError, match="step 0 of 0"):
        run[0]


def test_what_was_written_is_what_is_read(store):
    run = new(store)
    write(run, 3)
    reader = store.run(run.id)
    assert len(reader) == 3
    for i, (found, wanted) in enumerate(zip(reader, map(snapshot, range(3)), strict=True)):
        assert found.embedding.tobytes() == wanted.embedding.tobytes()
        assert found.assignments.tobytes() == wanted.assignments.tobytes()
        assert found.probabilities.tobytes() == wanted.probabilities.tobytes()
        assert found.centers.tobytes() == wanted.centers.tobytes()
        assert found.scalars == wanted.scalars
        assert list(found.artefacts) == ["sizes", "images"]
        sizes = found.artefacts["sizes"]
        assert sizes.data.tolist() == [[i, 2]]
        read = (sizes.rows, sizes.columns, sizes.cluster_axes, sizes.marked, sizes.axis_titles)
        assert read == (
            ("now",),
            ("a", "b"),
            (1,),
            (0,),
            ("x", "y"),
        )
        assert found.artefacts["images"].data.dtype == np.uint8
        assert not found.embedding.flags.writeable
    assert reader[-1].scalars == {"loss": 2 / 3}
    assert [s.scalars["loss"] for s in reader[1:]] == [1 / 3, 2 / 3]
    found = [(row.tolist(), k) for row, k in each_assignment(reader)]
    assert [row for row, _ in found] == [[0, 1, 0], [0, 1, 1], [0, 1, 0]]
    assert [(r["step"], r["phase"], r["done"]) for r in reader.log] == [
        (0, "train", 1),
        (1, "train", 2),
        (2, "train", 3),
    ]


def test_hard_methods_have_no_probabilities(store):
    run = new(store)
    with RunWriter(run) as writer:
        record = {"phase": "train", "done": 1, "total": 1}
        writer.append(0, Snapshot(np.zeros((3, 2)), np.zeros(3), {}), record)
    assert run[0].probabilities is None
    assert run[0].centers is None


def test_a_reader_sees_a_run_grow_and_reads_only_what_is_new(store):
    run = new(store)
    reader = store.run(run.id)
    assert len(reader) == 0
    write(run, 2)
    assert len(reader) == 2
    write(run, 2, start=2)
    assert len(reader) == 4
    assert reader[3] is reader[3]  # kept


def test_a_half_written_line_is_not_there_yet(store):
    run = new(store)
    write(run, 2)
    with (run.path / "log.jsonl").open("ab") as file:
        file.write(b'{"step": 2, "scal')
    reader = store.run(run.id)
    assert len(reader) == 2
    write(run, 1, start=2)  # cuts the half line off
    assert len(reader) == 3
    assert reader[2].scalars == {"loss": 2 / 3}
    assert (run.path / "log.jsonl").read_text().count("\n") == 3


def test_a_log_that_is_half_a_line_becomes_a_log(store):
    run = new(store)
    (run.path / "log.jsonl").write_bytes(b'{"st')
    assert len(run) == 0
    write(run, 1)
    assert len(run) == 1


def test_arrays_without_their_line_are_not_committed(store):
    run = new(store)
    write(run, 1)
    snapshot_path(run.path, 1).write_bytes(b"anything")
    assert len(store.run(run.id)) == 1


def test_a_committed_step_is_never_written_again(store):
    run = new(store)
    write(run, 2)
    before = snapshot_path(run.path, 1).stat().st_mtime_ns
    write(run, 1, start=1)
    assert len(run) == 2
    assert snapshot_path(run.path, 1).stat().st_mtime_ns == before


def test_the_same_snapshot_gives_the_same_bytes(store):
    one, two = new(store), new(store)
    write(one, 1)
    time.sleep(2.1)  # the clock of zip files ticks every two seconds
    write(two, 1)
    assert snapshot_path(one.path, 0).read_bytes() == snapshot_path(two.path, 0).read_bytes()


def test_a_damaged_step_is_told_from_a_bug(store):
    run = new(store)
    write(run, 2)
    snapshot_path(run.path, 0).unlink()
    snapshot_path(run.path, 1).write_bytes(b"not a zip file")
    for step in (0, 1):
        with pytest.raises(RunNotFound, match=f"Step {step} of this run is missing"):
            store.run(run.id)[step]


def test_readers_in_many_threads_see_whole_snapshots_in_order(store):
    run = new(store)
    shared = store.run(run.id)
    stop = threading.Event()

    def read():
        while not stop.is_set():
            n = len(shared)
            assert [r["step"] for r in shared.log[:n]] == list(range(n))
            if n:
                assert shared[n - 1].embedding[0, 0] == n - 1
                assert shared.progress["status"] == "running"
                assert shared.size > 0

    write(run, 1)
    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        write(run, 80, start=1)
        stop.set()
    assert [reader.result() for reader in readers] == [None] * 3
    assert len(shared) == 81


# Status ------------------------------------------------------------------------------------------


def test_a_run_whose_process_is_dead_is_lost_at_once(store):
    run = new(store)
    for status in ("queued", "running", "paused"):
        set_state(run, status, **dead_identity())
        assert run.status == "lost"
        assert not run.is_active


def test_a_process_number_that_was_given_out_again_does_not_count(store):
    run = new(store)
    set_state(run, "running", born=worker_identity()["born"] - 100)
    assert run.status == "lost"


def test_a_child_that_nobody_has_buried_is_dead(store):
    run = new(store)
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    born = liveness.psutil.Process(child.pid).create_time()
    set_state(run, "running", pid=child.pid, born=born)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in the table
    assert run.status == "lost"
    child.wait()


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere"])
def test_a_silent_run_is_lost(store, host):
    run = new(store)
    for status in ("running", "paused"):
        set_state(run, status, host=host)
        assert run.status == status
        silence(run, liveness.HEARTBEAT + 5)
        assert run.status == "lost"


def test_a_queued_run_may_wait_for_hours_while_its_server_lives(store):
    run = new(store)
    silence(run, 10_000)
    assert run.status == "queued"
    set_state(run, "queued", host="elsewhere")
    silence(run, 10_000)
    assert run.status == "lost"


def test_what_has_ended_is_never_lost(store):
    run = new(store)
    for status in ("done", "failed", "cancelled"):
        set_state(run, status, **dead_identity())
        silence(run, 10_000)
        assert run.status == status


def test_a_writer_keeps_the_heart_beating(store, monkeypatch, wait_for):
    monkeypatch.setattr("clustlab.training.writer.BEAT_EVERY", 0.02)
    run = new(store)
    with RunWriter(run):
        silence(run, 10_000)
        wait_for(lambda: run.status == "running")


def test_a_cancelled_queued_run_is_cancelled_at_once(store):
    run = new(store)
    run.request("cancel")
    assert run.status == "cancelled"


@pytest.mark.parametrize(
    ("status", "word", "intention"),
    [
        ("running", "run", ""),
        ("running", "pause", "pausing"),
        ("running", "cancel", "stopping"),
        ("paused", "pause", ""),  # that is done
        ("paused", "aside", "setting aside"),
        ("done", "cancel", ""),
    ],
)
def test_what_a_worker_has_been_asked_and_has_not_done_yet_is_said(store, status, word, intention):
    run = new(store)
    set_state(run, status)
    run.request(word)
    assert run.intention == intention


@pytest.mark.parametrize(
    "text", ["box abc", "until -1", "until 1e9", "x" * 200, "\0", "paus\u00e9"]
)
def test_a_request_that_nobody_understands_changes_nothing(store, text):
    run = new(store)
    (run.path / "request").write_text(text)
    with RunWriter(run) as writer:
        writer.poll()
        assert run.progress["status"] == "running"
        (run.path / "request").write_text(" cancel ")
        assert writer.is_cancelled


def test_a_status_that_cannot_be_read_is_lost(store):
    run = new(store)
    for text, words in (("{", "not whole"), ('{"step": 3}', "'status' is missing")):
        (run.path / "status.json").write_text(text)
        assert run.status == "lost"
        assert words in run.progress["error"]
        assert "Resume the run" in run.progress["hint"]
    (run.path / "status.json").unlink()
    assert run.status == "lost"


def test_a_writer_sweeps_up_after_one_that_was_killed(store):
    run = new(store)
    left = [run.path / "snapshots/00000.npz.ab.tmp", run.path / "checkpoint.pt.ab.tmp"]
    for file in left:
        file.write_bytes(b"half")
    request = run.path / "request.ab.tmp"  # a reader is about to finish this one
    request.write_text("pause")
    with RunWriter(run):
        assert not any(file.exists() for file in left)
        assert request.exists()


# Finding runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", ".", "..", "_data", ".hidden", "a/b", "../runs", "nothing"])
def test_a_name_that_is_no_run_is_refused(store, name):
    new(store)
    with pytest.raises(RunNotFound, match=r"is not the name of a run|There is no readable run"):
        store.run(name)


def test_a_name_with_a_zero_byte_is_refused(store):
    with pytest.raises(RunNotFound, match="no readable run"):
        store.run("a\0b")


def test_runs_are_listed_newest_first_whatever_their_names(store):
    made = [new(store, method).id for method in ("zzz", "aaa", "mmm")]
    assert [run.id for run in store.runs()] == made[::-1]


def test_folders_that_are_no_runs_are_passed_over(store):
    run = new(store)
    (store.root / "notes").mkdir()
    broken = new(store)
    (broken.path / "manifest.json").write_text("{}")
    (store.root / "file.txt").write_text("x")
    assert [r.id for r in store.runs()] == [run.id]
    assert RunStore(store.root / "absent").runs() == []


def test_a_run_of_a_newer_version_says_so(store):
    run = new(store)
    manifest = {**run.manifest, "schema": 99}
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunNotFound, match="made by a newer version"):
        Run(run.path)


def test_the_environment_says_where_runs_live(monkeypatch, tmp_path):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "there"))
    assert RunStore().root == tmp_path / "there"
    assert RunStore(tmp_path / "here").root == tmp_path / "here"
    monkeypatch.delenv("CLUSTLAB_RUNS")
    monkeypatch.chdir(tmp_path)
    assert RunStore().root == tmp_path / "runs"


def test_a_small_file_is_replaced_whole_or_not_at_all(tmp_path):
    file = tmp_path / "a.json"
    write_atomically(file, "one")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "\udcff")
    assert file.read_text() == "one"
    assert list(tmp_path.iterdir()) == [file]


# Deleting ----------------------------------------------------------------------------------------


def test_delete_can_be_undone(store):
    run = new(store)
    write(run, 2)
    set_state(run, "done")
    reader = store.run(run.id)
    assert len(reader) == 2
    store.delete(run.id)
    assert store.runs() == []
    assert [r.id for r in store.deleted()] == [run.id]
    with pytest.raises(RunNotFound, match="is not there any more"):
        reader.request("pause")
    with pytest.raises(RunNotFound, match="was deleted"):
        reader[0]
    assert store.restore(run.id).status == "done"
    assert len(reader) == 2  # an object from before the deletion goes on
    assert reader[1].scalars == {"loss": 1 / 3}
    write(run, 1, start=2)
    assert len(reader) == 3


def test_a_copy_is_not_deleted_over_its_original(store):
    run = new(store)
    set_state(run, "done")
    copy = store.root.parent / "copy"
    shutil.copytree(run.path, copy)
    store.delete(run.id)
    copy.rename(run.path)
    with pytest.raises(ParameterError, match="was deleted before"):
        store.delete(run.id)
    assert run.path.is_dir()


def test_a_folder_that_is_a_link_is_no_run(store, tmp_path):
    run = new(store)
    set_state(run, "done")
    elsewhere = run.path.rename(tmp_path / "elsewhere")
    run.path.symlink_to(elsewhere)
    (unreadable,) = store.unreadable()
    assert (unreadable.id, unreadable.reason) == (run.id, "it is a link")
    store.delete(run.id)
    assert elsewhere.is_dir()


def test_a_deleted_active_run_is_stopped(store):
    run = new(store)
    store.delete(run.id)
    (gone,) = store.deleted()
    assert gone.status == "cancelled"
    assert store.restore(run.id).status == "cancelled"


@pytest.mark.parametrize("name", ["..", "nothing", "", "../runs"])
def test_only_a_deleted_run_can_be_restored(store, name):
    store.delete(new(store).id)
    with pytest.raises(RunNotFound, match="is not"):
        store.restore(name)
    assert len(store.deleted()) == 1


def test_purge_removes_what_was_deleted_long_enough_ago(store):
    kept, gone = new(store), new(store)
    store.delete(gone.id)
    store.purge(older_than=3600)
    assert [r.id for r in store.deleted()] == [gone.id]
    store.purge()
    assert store.deleted() == []
    assert [r.id for r in store.runs()] == [kept.id]
    with pytest.raises(RunNotFound, match="may be purged"):
        store.restore(gone.id)


def test_size_counts_the_bytes(store):
    run = new(store)
    before = run.size
    (run.path / "snapshots" / "more").write_bytes(b"x" * 1000)
    assert run.size == before + 1000


# One worker at a time ----------------------------------------------------------------------------


def test_a_run_can_be_claimed_once(tmp_path):
    with claim(tmp_path) as first:
        with claim(tmp_path, patience=0.05) as second:
            assert (first, second) == (True, False)
        with claim(tmp_path, patience=0) as third:
            assert not third
    with claim(tmp_path) as again:
        assert again


def test_a_claim_waits_a_moment_for_a_worker_that_is_leaving(tmp_path):
    with contextlib.ExitStack() as stack:
        assert stack.enter_context(claim(tmp_path))
        leaving = threading.Timer(0.1, stack.pop_all().close)
        leaving.start()
        with claim(tmp_path) as mine:
            assert mine
        leaving.join()


def test_a_killed_process_lets_go_of_its_run(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from clustlab.runs.liveness import claim\n"
        "with claim(Path(sys.argv[1])) as mine: print(mine, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "True\n"
        with claim(tmp_path, patience=0) as mine:
            assert not mine
        child.kill()
        child.wait()
    with claim(tmp_path) as mine:
        assert mine


# Loaded data sets --------------------------------------------------------------------------------


def test_a_data_set_is_drawn_once_and_then_mapped(store, monkeypatch):
    assert not library.is_loaded(store.root, "toy", {"n": 20}, 1)
    first = library.load(store.root, "toy", {"n": 20}, 1)
    assert library.is_loaded(store.root, "toy", {"n": "20"}, 1)
    assert not library.is_loaded(store.root, "toy", {"n": 20}, 2)
    monkeypatch.setattr("clustlab.datasets.toy.Toy.load", None)  # never asked again
    again = library.load(store.root, "toy", {"n": 20}, 1)
    assert isinstance(again.items, np.memmap)
    assert again.items.tobytes() == first.items.tobytes()
    assert again.labels.tobytes() == first.labels.tobytes()
    assert (again.class_names, again.protocol) == (first.class_names, first.protocol)
    prints = [library.fingerprint(store.root, "toy", {"n": 20}, 1)]
    assert len(prints[0]) == 64


def test_every_part_of_a_data_set_comes_back(tmp_path):
    coarse = Labelling(np.array([0, -1], np.int32), ("x",))
    whole = Dataset(
        "a", np.zeros((2, 4, 4, 3), np.uint8), None, (), "two of them", {"coarse": coarse}
    )
    library._save(tmp_path / "a", whole)
    back = library.open_folder(tmp_path / "a")
    assert back.labels is None
    assert back.items.shape == (2, 4, 4, 3)
    assert back.other_labels["coarse"].labels.tolist() == [0, -1]
    assert back.other_labels["coarse"].class_names == ("x",)


def test_two_workers_may_draw_the_same_data_set(tmp_path):
    data = Dataset("a", np.zeros((2, 3), np.float32))
    library._save(tmp_path / "a", data)
    library._save(tmp_path / "a", data)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_damaged_data_folder_is_replaced(tmp_path):
    data = Dataset("a", np.zeros((2, 3), np.float32))
    library._save(tmp_path / "a", data)
    (tmp_path / "a" / "about.json").unlink()
    library._save(tmp_path / "a", data)
    assert len(library.open_folder(tmp_path / "a").items) == 2


def test_nothing_is_left_of_a_data_set_that_did_not_fit(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left"):
        library._save(tmp_path / "a", Dataset("a", np.zeros((2, 3), np.float32)))
    assert list(tmp_path.iterdir()) == []


def test_purge_takes_data_sets_that_nobody_needs(store):
    library.load(store.root, "toy", {"n": 10}, 0)
    used = library.key("toy", {"n": 10}, 0)
    library.load(store.root, "toy", {"n": 11}, 0)
    library.load(store.root, "toy", {"n": 12}, 0)
    store.create(RunSpec("toy", "dec"), method_title="", dataset_title="", data_key=used)
    for params in ({"n": 10}, {"n": 11}):
        os.utime(store.root / "_data" / library.key("toy", params, 0), (0, 0))
    store.purge()
    assert library.is_loaded(store.root, "toy", {"n": 10}, 0)  # a run needs it
    assert not library.is_loaded(store.root, "toy", {"n": 11}, 0)
    assert library.is_loaded(store.root, "toy", {"n": 12}, 0)  # just looked at


def test_a_run_whose_items_are_gone_says_what_to_do(store):
    with pytest.raises(RunNotFound, match="Resume the run, or duplicate it"):
        store.dataset(new(store))

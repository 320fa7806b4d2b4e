"""What a run looks like after damage, and how resuming mends it: never a wrong figure."""

import contextlib
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from clustlab.analysis import comparison
from clustlab.analysis.lasting_clusters import followed_clusters, last_clusters
from clustlab.analysis.learning_curves import curve
from clustlab.analysis.score_catalogue import SCORES
from clustlab.analysis.timeline import Timeline
from clustlab.data import atomic
from clustlab.errors import Cancelled, ParameterError, RunNotFound, RunUnreadable, StepMissing
from clustlab.runs import step_log
from clustlab.runs.baskets import Baskets
from clustlab.runs.labels import Label, set_label
from clustlab.runs.status import write_status
from clustlab.runs.store import Run, snapshot_path
from clustlab.training import writer as writer_module
from clustlab.training.longer import how_to_train_longer
from clustlab.training.worker import execute, lengthen, new_run, requeue

EPOCHS = 6


@pytest.fixture
def whole(store, fake):
    run = new_run(store, fake(epochs=EPOCHS))
    execute(store.root, run.id)
    assert run.status == "done"
    return run


def files(run):
    return {file.name: file.read_bytes() for file in (run.path / "snapshots").iterdir()}


def lines(run):
    return (run.path / "log.jsonl").read_bytes().splitlines(keepends=True)


def set_lines(run, wanted):
    (run.path / "log.jsonl").write_bytes(b"".join(wanted))


def resumed(store, run):
    requeue(run)
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    return Run(run.path)


def scores(run):
    timeline = Timeline(run)
    timeline.extend()
    return timeline.metrics().drop(columns="step").to_numpy()


def test_a_log_that_was_cut_goes_on_where_all_agree(store, whole):
    before, n = files(whole), len(whole)
    set_lines(whole, lines(whole)[:4])
    cut = Run(whole.path)
    assert len(cut) == 4
    assert cut.missing_steps == list(range(4, n))
    again = resumed(store, cut)
    assert [record["step"] for record in again.log] == list(range(n))
    assert again.missing_steps == []
    assert files(again) == before


def test_a_damaged_line_hides_nothing_but_its_step_at_any_reading(store, whole):
    before, log = files(whole), lines(whole)
    set_lines(whole, [*log[:2], b'{"step": 2, "phase\x00\xff\n', b"[]\n", *log[3:]])
    run = Run(whole.path)
    for _ in range(2):
        assert len(run) == len(log)
        assert run.missing_steps == [2]
        with pytest.raises(StepMissing, match="Step 2"):
            run[2]
        assert np.array_equal(run[3].assignments, whole[3].assignments)
    again = resumed(store, run)
    assert again.missing_steps == []
    assert files(again) == before
    assert run.n_repaired == 1  # who watched it meanwhile reads it anew
    assert run[2].scalars == whole[2].scalars


def test_one_damaged_file_is_one_missing_step(store, whole):
    before, known = files(whole), scores(whole)
    place = snapshot_path(whole.path, 2)
    place.write_bytes(place.read_bytes()[:-40])
    run = Run(whole.path)
    timeline = Timeline(run)
    timeline.extend()
    found = timeline.metrics().drop(columns="step").to_numpy().copy()
    assert timeline.is_missing(2)
    assert np.isnan(found[2]).all()
    assert timeline.stable_before(3) is None
    keys = [key for key, score in SCORES.items() if score.reads == "step before"]
    since = [timeline.metrics().columns.get_loc(key) - 1 for key in keys]
    assert np.isnan(found[3, since]).all()  # nothing is known of the way from step 2 to step 3
    found[3, since] = known[3, since]
    rest = [step for step in range(len(run)) if step != 2]
    assert np.array_equal(found[rest], known[rest], equal_nan=True)
    table = curve(run)
    assert table["n_occupied"].isna().tolist() == [step == 2 for step in range(len(run))]
    again = resumed(store, run)
    assert files(again) == before
    timeline.extend()  # of a page that has been open all the time
    assert np.array_equal(scores(run), known, equal_nan=True)
    assert not timeline.is_missing(2)


def test_bytes_that_were_turned_are_found_before_going_on(store, whole):
    before = files(whole)
    place = snapshot_path(whole.path, 1)
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 0xFF
    place.write_bytes(data)
    assert Run(whole.path).damaged_steps() == [1]
    assert files(resumed(store, whole)) == before


def test_the_first_steps_may_be_missing_and_the_last(store, whole):
    for step in (0, 1, len(whole) - 1):
        snapshot_path(whole.path, step).unlink()
    run = Run(whole.path)
    timeline = Timeline(run)
    assert timeline.extend() == len(run)
    assert (timeline.stable(0) == -1).all()
    assert timeline.is_missing(1)
    assert timeline.stable_before(2) is None
    assert np.array_equal(timeline.stable(2), run[2].assignments)  # numbers begin here
    assert [each.step for each in followed_clusters(run)] == list(range(2, len(run)))
    assert last_clusters(run).step == len(run) - 2
    assert run.damaged_steps() == [0, 1, len(run) - 1]


def test_without_any_step_it_is_told_what_to_do(whole):
    shutil.rmtree(whole.path / "snapshots")
    run = Run(whole.path)
    with pytest.raises(StepMissing, match="Resume the run"):
        Timeline(run).extend()
    assert last_clusters(run) is None
    assert curve(run).empty


def test_a_run_without_a_step_that_can_be_read_is_not_compared(store, fake, whole):
    other = new_run(store, fake(epochs=EPOCHS, batch_size=32))
    execute(store.root, other.id)
    for step in range(len(other)):
        snapshot_path(other.path, step).unlink()
    with pytest.raises(RunNotFound, match="No step of the run"):
        comparison.report(store, [whole.id, other.id])


def test_a_step_number_far_beyond_the_rest_is_damage(whole):
    log = lines(whole)
    far = json.dumps({**json.loads(log[-1]), "step": 10**12}).encode() + b"\n"
    set_lines(whole, [*log[:-1], far])
    assert len(Run(whole.path)) == len(log) - 1


def test_gaps_are_filled_a_thousand_times_in_all(whole):
    first = json.loads(lines(whole)[0])
    far = [{**first, "step": i * step_log.MOST_MISSING} for i in range(200)]
    set_lines(whole, [json.dumps(each).encode() + b"\n" for each in far])
    run = Run(whole.path)
    assert len(run) == step_log.MOST_MISSING + 1
    assert len(run.missing_steps) <= 2 * step_log.MOST_MISSING


def test_a_gap_that_was_filled_makes_room_for_another(whole):
    first, some = json.loads(lines(whole)[0]), step_log.MOST_MISSING // 2
    wanted = [*range(0, 2 * some, some), *range(some), 5 * some // 2]
    set_lines(whole, [json.dumps({**first, "step": step}).encode() + b"\n" for step in wanted])
    assert len(Run(whole.path)) == 5 * some // 2 + 1


def test_a_log_is_read_as_far_as_memory_reaches(whole, monkeypatch):
    n, log = len(whole), lines(whole)
    monkeypatch.setattr(step_log, "MOST_HELD", sum(map(step_log._memory_of, log[:-1])))
    run = Run(whole.path)
    assert len(run) == len(run) == n - 1
    assert run.missing_steps == [n - 1]
    monkeypatch.setattr(step_log, "LONGEST_LOG", sum(map(len, log)) - 1)
    with pytest.raises(RunUnreadable, match=r"log\.jsonl has .* bytes"):
        Run(whole.path)


def test_a_line_without_end_is_read_a_piece_at_a_time(whole, monkeypatch):
    log = lines(whole)
    monkeypatch.setattr(step_log, "LONGEST", max(map(len, log)))
    set_lines(whole, [*log[:2], b"[" * 100_000 + b"\n", *log[3:], b"{" * 100])
    run = Run(whole.path)
    assert len(run) == len(log)
    assert run.missing_steps == [2]


def test_a_checkpoint_that_cannot_be_read_costs_time_only(store, whole):
    before = files(whole)
    (whole.path / "checkpoint.pt").write_bytes(b"nonsense")
    snapshot_path(whole.path, 3).unlink()
    again = resumed(store, whole)
    assert files(again) == before
    assert "computed again" in again.progress["notice"]


def test_steps_of_another_run_cannot_be_computed_again(store, whole):
    more = lengthen(store, whole, how_to_train_longer(whole, 40, (2,)), 2)
    execute(store.root, more.id)
    assert more.status == "done"
    snapshot_path(more.path, 1).unlink()
    requeue(more)
    execute(store.root, more.id)
    assert more.status == "failed"
    assert "come from another run" in more.progress["error"]
    assert "longer once more" in more.progress["hint"]


def test_a_run_with_a_hole_is_not_trained_longer(store, whole):
    snapshot_path(whole.path, 1).unlink()
    with pytest.raises(ParameterError, match="are missing"):
        lengthen(store, whole, how_to_train_longer(whole, 40, (2,)), 2)


def test_a_whole_run_is_not_resumed(whole):
    with pytest.raises(ParameterError, match="is done"):
        requeue(whole)


# what is deleted while a run trains ---------------------------------------------------------------
@pytest.mark.parametrize(
    "what", ["snapshots", "log.jsonl", "status.json", "manifest.json", "data", "run", "root"]
)
def test_deleted_while_it_trains_it_stops_with_a_sentence(store, fake, wait_for, what):
    run = new_run(store, fake(epochs=4000, by_hand=True))
    worker = threading.Thread(target=execute, args=(store.root, run.id), daemon=True)
    worker.start()
    wait_for(lambda: len(run) > 2)
    place = {"data": store.root / "_data", "run": run.path, "root": store.root}.get(
        what, run.path / what
    )
    gone = place.with_name("gone")
    place.rename(gone)
    while what == "status.json" and worker.is_alive():  # one that is just written comes back
        worker.join(0.05)
        with contextlib.suppress(FileNotFoundError):
            place.replace(gone)
    worker.join(60)
    assert not worker.is_alive()
    if what in ("run", "root"):
        assert not place.exists()
        return
    last = run.path / "status.json"
    state = json.loads((last if last.exists() else gone).read_text())
    assert state["status"] == "failed"
    assert "bug" not in state["hint"]
    assert "deleted while it trained" in state["error"], state
    assert what == "status.json" or not place.exists()  # nothing is written into a ghost


def test_deleted_between_a_look_and_the_next_write_it_says_so_too(store, fake, monkeypatch):
    append_line = writer_module.append_line

    def deleting(path, line, *, is_first):
        if json.loads(line)["step"] == 3:
            (path / "log.jsonl").unlink()
        append_line(path, line, is_first=is_first)

    monkeypatch.setattr(writer_module, "append_line", deleting)
    run = new_run(store, fake(epochs=8))
    execute(store.root, run.id)
    assert run.progress["status"] == "failed"
    assert run.progress["error"] == "Part of this run was deleted while it trained: log.jsonl."


def test_put_aside_and_brought_back_between_two_looks_it_counts_as_stopped(store, fake):
    run = new_run(store, fake(by_hand=True))
    with writer_module.RunWriter(run) as writer:
        writer.report(force=True, status="running")
        run.request("cancel")
        (run.path / "snapshots").rename(run.path / "gone")  # as if it was met half way
        with pytest.raises(Cancelled):
            writer.check_that_all_is_there()


def test_a_checkpoint_that_is_deleted_is_not_missed(store, fake, wait_for, monkeypatch):
    monkeypatch.setattr(writer_module, "CHECKPOINT_AFTER", 0.0)
    run = new_run(store, fake(epochs=30, by_hand=True, pace=0.01))
    worker = threading.Thread(target=execute, args=(store.root, run.id), daemon=True)
    worker.start()
    wait_for((run.path / "checkpoint.pt").is_file)
    (run.path / "checkpoint.pt").unlink()
    worker.join(60)
    assert run.status == "done"
    assert (run.path / "checkpoint.pt").is_file()


# what must outlast a loss of power ----------------------------------------------------------------
def test_steps_are_on_the_disk_before_the_checkpoint_that_follows_them(store, fake, monkeypatch):
    flushed = []
    monkeypatch.setattr(
        writer_module, "flush", lambda *paths: flushed.extend(path.name for path in paths)
    )
    run = new_run(store, fake(epochs=2))
    execute(store.root, run.id)
    last = flushed.index(f"{len(run) - 1:05d}.npz")  # a slow machine saves before that, too
    folder, log = flushed.index("snapshots", last), flushed.index("log.jsonl", last)
    after = [i for i, name in enumerate(flushed) if i > last and name.startswith("checkpoint.pt")]
    assert last < folder < log < after[0]


@pytest.fixture
def order(monkeypatch):
    """Names of files and folders in the order in which they are flushed or put in their place."""
    order = []
    replace = Path.replace

    def replaced(path, target):
        order.append(f"-> {target.name}")
        return replace(path, target)

    monkeypatch.setattr(atomic, "flush", lambda *paths: order.extend(path.name for path in paths))
    monkeypatch.setattr(Path, "replace", replaced)
    return order


def assert_lasts(order, name, folder):
    place = order.index(f"-> {name}")
    assert order[place - 1].startswith(f"{name}.")  # what is put there is on the disk before ...
    assert order[place + 1] == folder  # ... and that it is there after it


def test_what_users_write_and_what_a_run_is_outlasts_a_loss_of_power(store, fake, order):
    run = new_run(store, fake(epochs=2))
    assert_lasts(order, "manifest.json", run.id)
    set_label(run, Label("a name"))
    assert_lasts(order, "about.json", run.id)
    kept = Baskets(store.root, "toy-data", 40)
    basket = kept.save("one", [1, 2, 3])
    assert_lasts(order, f"{basket.slug}.json", "toy-data")
    old = {**run.manifest, "schema": 1}
    (run.path / "manifest.json").write_text(json.dumps(old))
    order.clear()
    execute(store.root, run.id)
    assert_lasts(order, "manifest.json", run.id)
    assert_lasts(order, "environment.json", run.id)


def test_a_status_is_written_without_waiting_for_the_disk(store, fake, order):
    run = new_run(store, fake(epochs=2))
    order.clear()
    write_status(run.path, run.progress)
    assert order == ["-> status.json"]


def test_what_is_flushed_may_be_gone(tmp_path):
    atomic.flush(tmp_path, tmp_path / "gone")

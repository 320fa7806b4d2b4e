"""Several runs at a time: one in each slot, on its device."""

import subprocess
import sys
import threading

import pytest

from clustlab.device import OF_THIS_WORKER, choose_device
from clustlab.errors import DeviceUnavailable, ParameterError
from clustlab.training import runner as runners
from clustlab.training import slots as of_slots
from clustlab.training.runner import ProcessRunner, _Queue, make_runner
from clustlab.training.slots import MOST, Slot, slots, suiting
from clustlab.training.worker import new_run

PAIR = [Slot("cuda:0"), Slot("cuda:1")]


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("1", [""]),
        ("2", ["", ""]),
        (" 3 ", ["", "", ""]),
        ("cuda:0,cuda:1,mps", ["cuda:0", "cuda:1", "mps"]),
        ("cpu, cpu", ["cpu", "cpu"]),
        ("cuda", ["cuda"]),
    ],
)
def test_a_number_or_devices_are_slots(text, devices):
    assert [slot.device for slot in slots({"CLUSTLAB_SLOTS": text})] == devices


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-1",
        "65",
        "two",
        "2.5",
        "cuda:x",
        "cuda:0,,mps",
        "gpu",
        "cpu;cpu",
        "²",
        ",",
        "cpu," * 65,
    ],
)
def test_what_is_no_slot_is_named_with_a_remedy(text):
    with pytest.raises(ParameterError, match="CLUSTLAB_SLOTS") as caught:
        slots({"CLUSTLAB_SLOTS": text})
    assert "cuda:0,cuda:1" in caught.value.hint
    assert str(MOST) in caught.value.hint


@pytest.mark.parametrize(
    ("files", "visible", "devices"),
    [
        (["null", "tty1"], None, [""]),
        (["nvidia0", "nvidiactl", "nvidia-uvm"], None, [""]),  # one card: as without slots
        (["nvidia0", "nvidia1", "nvidiactl"], None, ["cuda:0", "cuda:1"]),
        (["nvidia0", "nvidia1", "nvidia2"], "2,0", ["cuda:0", "cuda:1"]),
        (["nvidia0", "nvidia1"], "1", [""]),
        (["nvidia0", "nvidia1"], "", [""]),
        (["nvidia0", "nvidia1"], "-1", [""]),
        (["nvidia0", "nvidia1", "nvidia2"], "0,-1,2", [""]),  # what comes after -1 is not seen
    ],
)
def test_each_of_several_cards_is_a_slot_unless_somebody_says_otherwise(
    monkeypatch, files, visible, devices
):
    monkeypatch.setattr(of_slots.os, "listdir", lambda _: files)
    about = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert [slot.device for slot in slots(about)] == devices
    assert slots({**about, "CLUSTLAB_SLOTS": "1"}) == [Slot()]


def test_a_worker_sees_its_own_card_and_has_its_share_of_the_processor(monkeypatch):
    monkeypatch.setattr(of_slots.os, "cpu_count", lambda: 8)
    about = Slot("cuda:1").environment(2, {"A": "b"})
    assert about == {
        "A": "b",
        "OMP_NUM_THREADS": "4",
        OF_THIS_WORKER: "cuda",
        "CUDA_VISIBLE_DEVICES": "1",
    }
    of_two = Slot("cuda:1").environment(2, {"CUDA_VISIBLE_DEVICES": "3,5", "OMP_NUM_THREADS": "1"})
    assert (of_two["CUDA_VISIBLE_DEVICES"], of_two["OMP_NUM_THREADS"]) == ("5", "1")
    assert (
        Slot("cuda:4").environment(2, {"CUDA_VISIBLE_DEVICES": "3"})["CUDA_VISIBLE_DEVICES"] == "-1"
    )
    assert Slot().environment(1, {"A": "b"}) == {"A": "b"}  # as ever


def test_auto_is_the_device_of_the_worker(monkeypatch):
    monkeypatch.setenv(OF_THIS_WORKER, "cpu")
    device, reason = choose_device("auto")
    assert (device.type, reason) == ("cpu", "auto: this worker has cpu")
    monkeypatch.setenv(OF_THIS_WORKER, "cuda:63")
    with pytest.raises(DeviceUnavailable):
        choose_device("auto")
    monkeypatch.setenv(OF_THIS_WORKER, "auto")
    assert choose_device("auto")[1] != "auto: this worker has auto"


def test_a_run_has_a_slot_of_the_device_that_it_asks_for():
    every = [*PAIR, Slot("mps")]
    assert suiting(every, "auto") == every
    assert suiting(every, "cuda") == PAIR
    assert suiting(every, "mps") == [Slot("mps")]
    assert suiting(every, "cpu") == every  # there is a processor everywhere
    assert suiting([*PAIR, Slot("cpu")], "cpu") == [Slot("cpu")]
    assert suiting([Slot(), Slot()], "cuda") == [Slot(), Slot()]


class Held(_Queue):
    """Holds each run until it is let go, and notes who had which."""

    def __init__(self, root, slots):
        self.begun, self.let_go = [], {}
        super().__init__(root, slots)

    def _carry_out(self, run_id, number):
        self.let_go[run_id] = threading.Event()
        self.begun.append((run_id, self._slots[number].device))
        self.let_go[run_id].wait(20)


def test_a_pair_of_devices_has_a_run_each_and_the_next_waits(store, fake, wait_for):
    runs = [new_run(store, fake(seed=seed)) for seed in range(4)]
    queue = Held(store.root, PAIR)
    for run in runs:
        queue.submit(run.id)
    wait_for(lambda: len(queue.begun) == 2)
    assert {run for run, _ in queue.begun} == {runs[0].id, runs[1].id}
    assert {device for _, device in queue.begun} == {"cuda:0", "cuda:1"}
    free = dict(queue.begun)[runs[1].id]
    queue.let_go[runs[1].id].set()
    wait_for(lambda: len(queue.begun) == 3)
    assert queue.begun[2] == (runs[2].id, free)  # in the order of submission, where there is room
    for run in (runs[0], runs[2]):
        queue.let_go[run.id].set()
    wait_for(lambda: len(queue.begun) == 4)
    queue.let_go[runs[3].id].set()


def test_a_run_that_needs_a_busy_device_lets_others_pass(store, fake, wait_for, monkeypatch):
    from dataclasses import replace

    runs = [
        store.create(
            replace(fake(seed=i), device=device), method_title="", dataset_title="", data_key="x"
        )
        for i, device in enumerate(["cuda", "cuda", "auto", "gone"])
    ]
    queue = Held(store.root, [Slot("cuda:0"), Slot("cpu")])
    for run in runs[:3]:
        queue.submit(run.id)
    wait_for(lambda: len(queue.begun) == 2)
    assert set(queue.begun) == {(runs[0].id, "cuda:0"), (runs[2].id, "cpu")}
    queue.let_go[runs[0].id].set()
    wait_for(lambda: len(queue.begun) == 3)
    assert queue.begun[2] == (runs[1].id, "cuda:0")
    queue.submit("no such run")  # whoever is free finds that out
    queue.let_go[runs[2].id].set()
    wait_for(lambda: ("no such run", "cpu") in queue.begun)
    for let_go in list(queue.let_go.values()):
        let_go.set()


@pytest.mark.parametrize("kind", ["thread", "ray"])
def test_other_runners_have_no_slots(store, monkeypatch, kind):
    monkeypatch.setenv("CLUSTLAB_SLOTS", "2")
    with pytest.raises(ParameterError, match=f"'2', but the runner '{kind}' has no slots"):
        make_runner(store.root, kind)


def test_bad_slots_are_told_before_anything_starts(store, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_SLOTS", "many")
    monkeypatch.setattr(subprocess, "Popen", None)
    with pytest.raises(ParameterError, match="'many'"):
        make_runner(store.root, "process")


@pytest.mark.slow
def test_two_processes_train_at_once_and_each_is_replaced_alone(store, fake, monkeypatch, wait_for):
    monkeypatch.setattr(runners, "WORKER", (sys.executable, "-m", "tests.support.fake_cli", "work"))
    children, start = [], subprocess.Popen

    def started(*args, **options):
        children.append(start(*args, **options))
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", started)
    try:
        runner = ProcessRunner(store.root, slots({"CLUSTLAB_SLOTS": "cpu,cpu"}))
        long = [new_run(store, fake(by_hand=True, pace=0.05, epochs=400, seed=i)) for i in (0, 1)]
        last = new_run(store, fake(seed=2))
        for run in (*long, last):
            runner.submit(run.id)
        wait_for(lambda: all(len(run) >= 2 for run in long), 180)
        assert [run.status for run in (*long, last)] == ["running", "running", "queued"]
        pids = [run.progress["pid"] for run in long]
        assert set(pids) == {child.pid for child in children}
        assert all(run.progress["device_reason"] == "auto: this worker has cpu" for run in long)
        next(child for child in children if child.pid == pids[0]).kill()
        wait_for(lambda: last.status == "done", 180)
        assert (long[0].status, long[1].status) == ("lost", "running")
        assert last.progress["pid"] == children[2].pid
        long[1].request("cancel")
        wait_for(lambda: long[1].status == "cancelled")
    finally:
        for child in children:
            child.kill()
            child.communicate()

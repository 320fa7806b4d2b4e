"""Runs on Ray: what the server does with any driver, and a real cluster on this machine."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.status import write_status
from clustlab.runs.store import RunSpec, snapshot_path
from clustlab.training import ray_driver, ray_runner
from clustlab.training.ray_driver import Share, share
from clustlab.training.ray_runner import RayRunner
from clustlab.training.runner import make_runner
from clustlab.training.worker import execute, new_run

with_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is an extra")

# What a run has of a cluster ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "device", "n_cards", "needs"),
    [
        ({}, "auto", 0, (1, 0)),
        ({}, "auto", 3, (1, 1)),  # a whole card where there is any
        ({}, "cpu", 3, (1, 0)),
        ({"CLUSTLAB_RAY_GPUS": "0.5"}, "auto", 1, (1, 0.5)),
        ({"CLUSTLAB_RAY_GPUS": "2", "CLUSTLAB_RAY_CPUS": "4"}, "cuda", 2, (4, 2)),
        ({"CLUSTLAB_RAY_GPUS": "0"}, "auto", 2, (1, 0)),
        ({"CLUSTLAB_RAY_CPUS": " 0.5 "}, "auto", 0, (0.5, 0)),
    ],
)
def test_each_run_has_a_share_of_the_cluster(environ, device, n_cards, needs):
    assert tuple(share(environ).of_run(device, n_cards).values()) == needs


@pytest.mark.parametrize("name", ["CLUSTLAB_RAY_GPUS", "CLUSTLAB_RAY_CPUS"])
@pytest.mark.parametrize("text", ["half", "-1", "65", "nan", "inf"])
def test_a_share_that_is_none_is_named(name, text):
    with pytest.raises(ParameterError, match=f"{name} is '{text}'"):
        share({name: text})


def test_several_cards_are_not_parted():
    with pytest.raises(ParameterError, match=r"CLUSTLAB_RAY_GPUS is '1\.5'"):
        share({"CLUSTLAB_RAY_GPUS": "1.5"})
    assert share({"CLUSTLAB_RAY_CPUS": "1.5"}) == Share(1.5, None)


# The server and its driver -----------------------------------------------------------------------

DRIVER = """
import sys, pathlib
notes = pathlib.Path(sys.argv[1])
turn = len(notes.read_text().splitlines()) if notes.exists() else 0
plan = sys.argv[2].split(";")[turn]
with notes.open("a") as file:
    print(plan, end="", file=file)
    verb, _, rest = plan.partition(" ")
    if verb == "die":
        print(file=file)
        sys.exit(int(rest))
    if verb == "problem":
        print(file=file)
        print("problem No cluster here.\\tStart one.", flush=True)
        sys.exit(1)
    print("connected", flush=True)
    for n, line in enumerate(sys.stdin, 1):
        print("", line.strip(), end="", file=file, flush=True)
        if verb == "serve":
            print("over", line.strip(), flush=True)
        if verb == "crash" and n == int(rest):
            break
    print(file=file)
"""


@pytest.fixture
def driven(store, monkeypatch, tmp_path):
    """A runner whose drivers do as they are told, and what each of them was told."""
    monkeypatch.setattr(ray_runner.importlib.util, "find_spec", lambda _: True)
    monkeypatch.setattr(ray_runner, "AGAIN_AFTER", 0.01)
    notes, children, start = tmp_path / "notes", [], subprocess.Popen

    def started(*args, **options):
        children.append(start(*args, **options))
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", started)

    def runner(plan):
        command = (sys.executable, "-c", DRIVER, str(notes), plan)
        monkeypatch.setattr(ray_runner, "DRIVER", command)
        return RayRunner(store.root), lambda: notes.read_text().splitlines()

    yield runner
    for child in children:
        child.kill()
        child.communicate()


def test_runs_are_handed_over_in_their_order_and_forgotten_when_over(driven, store, fake, wait_for):
    runner, notes = driven("serve")
    runs = [new_run(store, fake(seed=seed)) for seed in range(3)]
    for run in runs:
        runner.submit(run.id)
    wait_for(lambda: not runner._handed, 20)
    runner.submit(runs[0].id)  # to the driver that is there
    wait_for(lambda: not runner._handed, 20)
    wait_for(lambda: notes()[0].split() == ["serve", *(run.id for run in (*runs, runs[0]))], 5)


@pytest.mark.parametrize(
    ("plan", "error", "hint"),
    [
        ("problem", "No cluster here.", "Start one."),
        ("die 3", "Ray did not start (exit code 3).", "Look at the messages"),
    ],
)
def test_runs_say_why_no_cluster_takes_them_and_the_next_one_tries_again(
    driven, store, fake, wait_for, plan, error, hint
):
    runner, notes = driven(f"{plan};serve")
    run, after = new_run(store, fake()), new_run(store, fake(seed=1))
    runner.submit(run.id)
    wait_for(lambda: run.status == "failed", 20)
    assert run.progress["error"] == error
    assert hint in run.progress["hint"]
    wait_for(lambda: not runner._is_followed, 5)
    runner.submit(after.id)
    wait_for(lambda: not runner._handed, 20)
    wait_for(lambda: notes()[-1] == f"serve {after.id}", 5)


def test_a_lost_cluster_gets_what_waited_and_once_more_what_was_lost(driven, store, fake, wait_for):
    runner, notes = driven("crash 3;problem;crash 2;serve")  # it is not back at once
    waiting, lost, done = (new_run(store, fake(seed=seed)) for seed in range(3))
    write_status(lost.path, {**lost.progress, "status": "running", "pid": 2**22, "born": 1.0})
    assert lost.status == "lost"
    for run in (waiting, lost, done):
        runner.submit(run.id)
        if run is done:
            write_status(done.path, {"status": "done"})
    wait_for(lambda: not runner._handed, 20)
    both = f"{waiting.id} {lost.id}"
    wait_for(lambda: len(notes()) == 4, 5)
    assert notes() == [
        f"crash 3 {both} {done.id}",
        "problem",
        f"crash 2 {both}",
        f"serve {waiting.id}",  # lost twice, it stays lost
    ]
    assert (waiting.status, lost.status) == ("queued", "lost")


def test_a_cluster_that_never_comes_back_is_told(driven, store, fake, wait_for, monkeypatch):
    monkeypatch.setattr(ray_runner, "PATIENCE", 0.05)
    runner, _ = driven("crash 1;" + "problem;" * 100)
    run = new_run(store, fake())
    runner.submit(run.id)
    wait_for(lambda: run.status == "failed", 30)
    assert run.progress["error"] == "No cluster here."


# A real one --------------------------------------------------------------------------------------

LONG = RunSpec("digits", "rim", {"n_samples": 300}, {"epochs": 3000}, "quick", 0)
SHORT = RunSpec("digits", "rim", {"n_samples": 300}, {"epochs": 12}, "quick", 0)


def spec(pattern, **changes):
    return replace(pattern, **changes)


@pytest.fixture
def drivers(monkeypatch):
    """The drivers of runners of a test; they end with it, and what they have started."""
    children, start = [], subprocess.Popen

    def started(command, *args, **options):
        child = start(command, *args, **options)
        if "--on-ray" in command:
            children.append(child)
        return child

    monkeypatch.setattr(subprocess, "Popen", started)
    yield children
    for child in children:
        child.stdin.close()  # as if the server had ended
        child.wait(60)
        child.stdout.close()


class Head:
    """The head of a cluster on this machine, as `ray start` makes it."""

    def __init__(self, port, **resources):
        self.address = f"127.0.0.1:{port}"
        words = [f"--{name.replace('_', '-')}={value}" for name, value in resources.items()]
        fixed = ["--head", f"--port={port}", "--include-dashboard=false", "--block"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *fixed, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.getcwd(), "RAY_USAGE_STATS_ENABLED": "0"},
        )

    def crash(self):
        """End it and all that belongs to it, at once."""
        try:
            every = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            every = []
        self.process.kill()
        for process in every:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(every, 20)
        self.process.wait(20)


@pytest.fixture
def head(monkeypatch):
    """Makes heads at one address, which runners are told."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    heads = []
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")  # whatever a Ray of ours has laid down

    def made(**resources):
        heads.append(Head(port, **resources))
        monkeypatch.setenv("RAY_ADDRESS", heads[-1].address)
        return heads[-1]

    yield made
    for each in heads:
        each.crash()


def arrays(run):
    return [snapshot_path(run.path, step).read_bytes() for step in range(len(run))]


@with_ray
@pytest.mark.slow
def test_a_ray_of_this_machine_trains_cancels_and_resumes_what_was_killed(
    store, drivers, wait_for, monkeypatch, tmp_path
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv(
        "CLUSTLAB_RAY_CPUS", str(max(1, (os.cpu_count() or 2) // 2))
    )  # two at a time
    runner = make_runner(store.root, "ray")
    resumed = spec(LONG, seed=1, method_params={"epochs": 300})
    patterns = SHORT, LONG, resumed, spec(SHORT, seed=2)
    short, gone, killed, last = (new_run(store, pattern) for pattern in patterns)
    for run in (short, gone, killed, last):
        runner.submit(run.id)
    wait_for(lambda: short.status == "done", 240)
    assert short.progress["pid"] not in (os.getpid(), drivers[0].pid)
    here = new_run(store, SHORT)
    execute(store.root, here.id)
    assert arrays(short) == arrays(here)  # the same bytes as in this process

    wait_for(lambda: len(gone) > 3 and len(killed) > 3, 120)
    assert last.status == "queued"  # there is room for two
    gone.request("cancel")
    wait_for(lambda: gone.status == "cancelled", 30)

    wait_for(lambda: (killed.path / "checkpoint.pt").exists(), 60)
    pid, steps, kept = killed.progress["pid"], len(killed), killed.log[0]["time"]
    psutil.Process(pid).kill()
    wait_for(lambda: killed.status == "lost", 30)
    wait_for(lambda: killed.status in ("running", "done"), 120)
    wait_for(lambda: killed.status == "done", 240)
    assert killed.progress["pid"] != pid
    assert killed.log[0]["time"] == kept  # it went on, and did not begin anew
    assert len(killed) > steps
    whole = new_run(store, killed.spec)
    execute(store.root, whole.id)
    assert arrays(killed) == arrays(whole)
    wait_for(lambda: last.status == "done", 120)
    wait_for(lambda: not runner._handed, 10)


@with_ray
@pytest.mark.slow
def test_a_cluster_by_its_address_shares_a_card_and_its_head_may_come_back(
    store, drivers, head, wait_for, monkeypatch
):
    monkeypatch.setenv("CLUSTLAB_RAY_GPUS", "0.5")
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")  # a minute by itself
    first = head(num_cpus=8, num_gpus=1)
    runner = make_runner(store.root, "ray")
    pattern = spec(LONG, method_params={"epochs": 300})
    runs = [new_run(store, spec(pattern, seed=seed)) for seed in range(3)]
    for run in runs:
        runner.submit(run.id)
    wait_for(lambda: all(len(run) > 3 for run in runs[:2]), 240)
    assert runs[2].status == "queued"  # half a card each: there is room for two
    wait_for(lambda: all((run.path / "checkpoint.pt").exists() for run in runs[:2]), 60)
    begun = [run.log[0]["time"] for run in runs[:2]]
    first.crash()
    wait_for(lambda: all(run.status == "lost" for run in runs[:2]), 60)
    time.sleep(1)
    head(num_cpus=8, num_gpus=1)
    wait_for(lambda: all(run.status == "done" for run in runs), 400)
    assert [run.log[0]["time"] for run in runs[:2]] == begun  # they went on
    assert len(drivers) > 1  # the first ended with the cluster
    wait_for(lambda: not runner._handed, 10)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1", "no host:80"])
def test_an_address_where_no_cluster_is_is_told_at_once(monkeypatch, address):
    monkeypatch.setattr(ray_driver, "ANSWERS_WITHIN", -1.0)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ClustlabError, match="No Ray cluster answers at") as told:
        ray_driver._connected()
    assert repr(address) in told.value.message
    assert "RAY_ADDRESS" in told.value.hint


def test_a_head_that_is_being_started_is_waited_for(monkeypatch):
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))  # and listens a little later
        monkeypatch.setattr(ray_driver.time, "sleep", lambda _: head.listen())
        ray_driver._check_that_it_answers(f"127.0.0.1:{head.getsockname()[1]}")


def test_a_run_whose_worker_is_only_missed_later_is_waited_for(store, fake, monkeypatch):
    """On another machine a killed worker is lost only after a while of silence."""
    run, slept = new_run(store, fake()), []
    write_status(run.path, {"status": "running", "host": "elsewhere", "pid": 1, "born": 1.0})

    def sleep(seconds):
        slept.append(seconds)
        if seconds == 1:
            os.utime(run.path / "status.json", (0, 0))  # a long silence

    monkeypatch.setattr(ray_driver.time, "sleep", sleep)
    ray_driver.carry_out(str(store.root), run.id)
    assert slept.count(1) == 1
    assert run.status == "done"

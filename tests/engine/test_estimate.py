import json
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.training import estimate
from clustlab.training.estimate import KEPT_RATIOS, Machine, duration_in_words
from clustlab.types import Cost, PlannedPhase

PLAN = [
    PlannedPhase("pretrain", 10, Cost(linear=2e9), "pretrain", 100),
    PlannedPhase("cluster", 5, Cost(linear=1e9, conv=3e9), "train", 100),
]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "_linear_rate", lambda device: 1e9)
    monkeypatch.setattr(estimate, "_conv_rate", lambda device: 3e9)
    found = Machine(tmp_path)
    assert not found.is_measured
    found.measure()
    assert found.is_measured
    return found


def test_a_plan_takes_its_work_over_the_speed_of_the_machine(machine):
    assert machine.phase_seconds("dec", PLAN[0]) == pytest.approx(2.0)
    assert machine.phase_seconds("dec", PLAN[1]) == pytest.approx(1.0 + 1.0)
    assert machine.seconds("dec", PLAN) == pytest.approx(10 * 2 + 5 * 2)


def test_there_is_an_estimate_before_the_machine_is_measured(tmp_path):
    assert 0 < Machine(tmp_path).seconds("dec", PLAN) < 3600
    assert list(tmp_path.iterdir()) == []


def test_a_machine_is_measured_once(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(estimate, "_linear_rate", None)  # never asked again
    again = Machine(tmp_path)
    again.measure()
    assert again.seconds("dec", PLAN) == machine.seconds("dec", PLAN)


def test_speeds_are_kept_by_device(machine, tmp_path):
    Machine(tmp_path, "cuda").measure()
    known = json.loads((tmp_path / "_machine.json").read_text())
    assert set(known) == {f"cpu-{os.cpu_count()}", f"cuda-{os.cpu_count()}"}


def test_finished_runs_correct_the_estimate_of_their_method_only(machine, tmp_path):
    before = machine.seconds("dec", PLAN)
    for seconds in (2 * before, 3 * before, 40 * before):  # the median is not led astray
        machine.learn("dec", PLAN, seconds)
    assert machine.seconds("dec", PLAN) == pytest.approx(3 * before)
    assert machine.seconds("iic", PLAN) == pytest.approx(before)
    assert Machine(tmp_path).seconds("dec", PLAN) == pytest.approx(3 * before)


def test_old_runs_are_forgotten(machine):
    before = machine.seconds("dec", PLAN)
    machine.learn("dec", PLAN, 100 * before)
    for _ in range(KEPT_RATIOS):
        machine.learn("dec", PLAN, 2 * before)
    assert machine.seconds("dec", PLAN) == pytest.approx(2 * before)
    assert len(machine._mine["ratios"]["dec"]) == KEPT_RATIOS


def test_two_workers_learn_side_by_side(machine, tmp_path):
    other = Machine(tmp_path)
    machine.learn("dec", PLAN, 10.0)
    other.learn("iic", PLAN, 20.0)
    (mine,) = json.loads((tmp_path / "_machine.json").read_text()).values()
    assert set(mine["ratios"]) == {"dec", "iic"}


@pytest.mark.parametrize("plan", [[], [PlannedPhase("none", 0, Cost(linear=1.0), "train")]])
def test_a_run_that_did_nothing_teaches_nothing(machine, plan):
    before = machine.seconds("dec", PLAN)
    machine.learn("dec", plan, 5.0)
    machine.learn("dec", PLAN, 0.0)
    assert machine.seconds("dec", PLAN) == before


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_a_damaged_file_is_measured_anew(tmp_path, monkeypatch, text):
    monkeypatch.setattr(estimate, "_linear_rate", lambda device: 1e9)
    monkeypatch.setattr(estimate, "_conv_rate", lambda device: 3e9)
    (tmp_path / "_machine.json").write_text(text)
    machine = Machine(tmp_path)
    assert not machine.is_measured
    machine.measure()
    assert Machine(tmp_path).is_measured


def test_measuring_takes_no_random_number_from_a_run(tmp_path):
    state = torch.random.get_rng_state()
    machine = Machine(tmp_path)
    machine.measure()
    assert torch.equal(torch.random.get_rng_state(), state)
    rates = machine._mine["rates"]
    assert 1e7 < rates["linear"] < 1e15
    assert 1e7 < rates["conv"] < 1e15


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "about 1 s"),
        (7.4, "about 7 s"),
        (20.4, "about 20 s"),
        (23.0, "about 25 s"),
        (89.0, "about 90 s"),
        (90.0, "about 2 min"),
        (26 * 60, "about 25 min"),
        (5400, "about 2 h"),
        (30 * 3600, "about 30 h"),
        (172_800, "about 2 days"),
    ],
)
def test_durations_are_told_as_roughly_as_they_are_known(seconds, text):
    assert duration_in_words(seconds) == text


@given(st.floats(0, 1e7), st.floats(1.0, 3.0))
def test_longer_is_never_told_as_shorter(seconds, factor):
    def value(text):
        _, number, unit = text.split()
        return int(number) * {"s": 1, "min": 60, "h": 3600, "days": 86400}[unit]

    assert value(duration_in_words(seconds)) <= value(duration_in_words(seconds * factor))
    if seconds > 1:
        assert 0.6 < value(duration_in_words(seconds)) / seconds < 1.6

"""Every scalar is declared once; keys of logs of before are read as those of today."""

import json
import re

import pytest

from clustlab.analysis.scalar_catalogue import SCALARS, declared, scalar_of, training_loss
from clustlab.course import catalogue
from clustlab.runs.migration import RENAMED_SCALARS
from clustlab.types import Scalar
from tests.support import made_runs

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@pytest.mark.parametrize("scalar", SCALARS.values(), ids=SCALARS)
def test_a_scalar_is_declared_in_full(scalar):
    assert SNAKE.fullmatch(scalar.key)
    assert scalar.words[0].isupper()
    assert scalar.low < scalar.high
    if scalar.unit in ("share", "NMI"):
        assert (scalar.low, scalar.high) == (0, 1)
    if scalar.lesson is not None:
        name, number = scalar.lesson
        assert 1 <= number <= len(catalogue.lesson(name).steps)


def test_the_loss_that_training_lowers_is_the_whole_before_its_parts():
    assert training_loss({"reconstruction": 2.0, "loss": 1.0, "confidence": 0.5}, -1.0) == 1
    assert training_loss({"layer_reconstruction": 3.0, "inertia": 9.0}, -1.0) == 3
    assert training_loss({"inertia": 9.0}, -1.0) == -1
    own = (Scalar("tension", "Tension", is_training_loss=True),)
    assert training_loss({"tension": 4.0, "loss": 1.0}, -1.0, own) == 4


def test_one_of_several_scalars_has_its_number_among_the_words():
    found = declared("loss_head_12")
    assert (found.key, found.words, found.unit) == ("loss_head_12", "Loss of head 12", "nats")
    assert declared("loss_head_x") is None
    assert declared("inertia_2") is None  # there is but one inertia


def test_a_scalar_that_nobody_declares_is_shown_by_its_key():
    assert declared("length_of_a_spring") is None
    assert scalar_of("length_of_a_spring").words == "Length of a spring"


def test_old_keys_are_read_as_those_of_today(store):
    data = made_runs.dataset(6)
    run = made_runs.write(store, [made_runs.hard([0, 1] * 3, 2, inertia=3.0)], data)
    log = run.path / "log.jsonl"
    record = json.loads(log.read_text())
    record["scalars"] = {"share changed": 0.25, "KL": 1.5, "inertia": 3.0}
    log.write_text(json.dumps(record) + "\n")
    reader = store.run(run.id)
    told = {"share_changed": 0.25, "kl_divergence": 1.5, "inertia": 3.0}
    assert reader.log[0]["scalars"] == told
    assert reader[0].scalars == told


def test_old_keys_become_declared_ones():
    assert all(declared(key) for key in RENAMED_SCALARS.values())
    assert not any(declared(key) for key in RENAMED_SCALARS)
    assert len(set(RENAMED_SCALARS.values())) == len(RENAMED_SCALARS)


@pytest.mark.parametrize("number", ["²", "٣", "9" * 4301, "", "-1", "x"])
def test_a_name_of_a_scalar_that_ends_in_no_number_is_not_one_of_several(number):
    assert declared("loss_head_3") is not None
    assert declared(f"loss_head_{number}") is None

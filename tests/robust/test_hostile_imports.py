"""A hundred of the inputs that hostile_images and hostile_tables each go through by command."""

import functools

import pytest

from tests.robust import hostile_images, hostile_tables, in_forks
from tests.robust.in_forks import tried

CASES = 100
AT_ONCE = 50
EVERY_DAY = 6
KINDS = {"images": hostile_images, "tables": hostile_tables}


@functools.cache
def prepared(kind):
    """What goes through a case; all that cases need is imported once."""
    KINDS[kind].prepare()
    return KINDS[kind].go_through


def failed(kind, first, n):
    cases = [tried(prepared(kind), seed) for seed in range(first, first + n)]
    return [case for case in cases if case["wrong"]]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_inputs_bring_nothing_down(kind):
    assert failed(kind, CASES, EVERY_DAY) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CASES, AT_ONCE))
@pytest.mark.parametrize("kind", KINDS)
def test_many_hostile_inputs_bring_nothing_down(kind, first):
    assert failed(kind, first, AT_ONCE) == []


def test_what_goes_wrong_is_told(monkeypatch):
    def fails(*_):
        raise TypeError("so it does")

    assert "so it does" in str(tried(fails, 0)["wrong"])
    assert not tried(lambda *_: None, 0)["wrong"]
    monkeypatch.setattr(in_forks, "MOST", -1.0)
    assert "MB" in str(tried(lambda *_: bytearray(2**26), 0)["wrong"])

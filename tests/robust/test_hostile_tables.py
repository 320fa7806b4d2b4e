"""Two hundred of the inputs that `python -m tests.robust.hostile_tables` goes through."""

import pytest

from tests.robust import hostile_tables
from tests.robust.hostile_tables import prepare, tried

CASES = 200
AT_ONCE = 40
EVERY_DAY = 6


@pytest.fixture(scope="module", autouse=True)
def imported():
    """What cases need is imported once."""
    prepare()


def failed(first, n):
    cases = [tried(seed) for seed in range(first, first + n)]
    return [case for case in cases if case["wrong"]]


def test_hostile_tables_bring_nothing_down():
    assert failed(CASES, EVERY_DAY) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CASES, AT_ONCE))
def test_many_hostile_tables_bring_nothing_down(first):
    assert failed(first, AT_ONCE) == []


def test_what_goes_wrong_is_told(monkeypatch):
    def fails(*_):
        raise TypeError("so it does")

    monkeypatch.setattr(hostile_tables, "go_through", fails)
    assert "so it does" in str(tried(0)["wrong"])
    monkeypatch.setattr(hostile_tables, "go_through", lambda *_: None)
    monkeypatch.setattr(hostile_tables, "MEMORY", 1.0)
    assert "MB" in str(tried(0)["wrong"])

"""Forty of the folders that `python -m tests.robust.hostile_folders` goes through."""

import pytest

from tests.robust import hostile_folders, in_forks
from tests.robust.hostile_folders import PAGES, prepare, tried

CASES = 40
AT_ONCE = 10


@pytest.fixture(scope="module")
def good():
    """What is said of the good runs; what commands and pages need is imported from here on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTLAB_RUNS", "")
        patch.setattr(hostile_folders, "PATIENCE", 120.0)
        yield prepare(PAGES[:1])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, CASES, AT_ONCE))
def test_one_bad_run_never_takes_the_rest_down(good, first):
    cases = [tried(seed, (), good) for seed in range(first, first + AT_ONCE)]
    assert [case for case in cases if case["wrong"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_stands_beside_a_bad_run(good, page):
    case = tried(PAGES.index(page) + CASES, (page,), good)
    assert not case["wrong"], case


@pytest.mark.slow
def test_what_goes_wrong_is_told(good, monkeypatch):
    def fails(*_):
        raise TypeError("so it does")

    def hangs(*_):
        while True:
            pass

    def grows(*_):
        bytearray(2 * in_forks.MEMORY)

    for action, words in (
        (fails, "TypeError: so it does"),
        (hangs, "hangs"),
        (grows, "MemoryError"),
    ):
        monkeypatch.setattr(hostile_folders, "go_through", action)
        monkeypatch.setattr(hostile_folders, "PATIENCE", 1.0 if action is hangs else 120.0)
        assert words in tried(0, (), good)["wrong"]

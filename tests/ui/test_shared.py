"""What is worked out once for all sessions."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
import pytest

from clustlab.ui import session, shared
from clustlab.ui.shared import Shared, key_of
from clustlab.ui.widgets import panels
from clustlab.views import scatter
from tests.support import made_runs

THIRTY = 30


def all_at_once(ask, n=THIRTY):
    """Answers of n threads that ask at the same moment."""
    gate = threading.Barrier(n)

    def at_the_gate(i):
        gate.wait()
        return ask(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(at_the_gate, range(n)))


def test_thirty_who_ask_at_once_have_one_answer_worked_out(store):
    asked = []

    @session.kept_per_run(maxsize=2)
    def answer(run, word):
        asked.append(word)
        time.sleep(0.05)  # meanwhile all others ask
        return object()

    made_runs.data(store)
    run = made_runs.run(store, [[0, 1, 2] * 4])
    assert len(set(all_at_once(lambda i: answer(run, "a")))) == 1
    assert asked == ["a"]


def test_who_waits_for_somebody_whose_session_is_closed_works_it_out():
    class Closed(BaseException):
        pass

    calls, answers = [], Shared(2)

    def work_out():
        calls.append(1)
        time.sleep(0.02)
        if len(calls) == 1:
            raise Closed
        return len(calls)

    def ask(i):
        try:
            return answers.get("key", work_out)
        except Closed:
            return "closed"

    assert sorted(map(str, all_at_once(ask, 8))) == ["2"] * 7 + ["closed"]


def test_an_answer_that_holds_for_a_while_is_worked_out_anew_afterwards(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(shared.time, "monotonic", lambda: now[0])
    answers, numbers = Shared(2, lambda: 1.0), iter(range(9))
    assert answers.get("a", numbers.__next__) == answers.get("a", numbers.__next__) == 0
    now[0] += 1.5
    assert answers.get("a", numbers.__next__) == 1


def test_the_oldest_answer_is_let_go():
    answers, numbers = Shared(2), iter(range(9))
    got = [answers.get(key, numbers.__next__) for key in "abaca"]
    assert got == [0, 1, 0, 2, 0]
    assert answers.get("b", numbers.__next__) == 3


def table(seed=0):
    rng = np.random.default_rng(seed)
    clusters = rng.integers(3, size=50)
    names = ["one", "two", "three"]
    return scatter.dots(rng.normal(size=(50, 2)), clusters, labels=clusters, class_names=names)


def test_calls_are_told_apart_by_the_content_of_their_arguments():
    one = key_of(scatter.embedding, table(), selected=[1, 2], extent=1.0)
    assert one == key_of(scatter.embedding, table(), selected=[1, 2], extent=1.0)
    others = [
        key_of(scatter.embedding, table(1), selected=[1, 2], extent=1.0),
        key_of(scatter.embedding, table(), selected=[1, 3], extent=1.0),
        key_of(scatter.embedding, table(), selected=[1, 2]),
        key_of(scatter.dots, table(), selected=[1, 2], extent=1.0),
    ]
    assert len({one, *others}) == 5


@pytest.mark.parametrize("function", [lambda: 0, partial(print)])
def test_a_function_that_may_hold_values_of_its_own_is_not_shared(function):
    assert key_of(function) is None
    assert key_of(print, lambda: 0) is None


def test_a_chart_is_made_once_for_all_sessions(monkeypatch):
    made, make = [], panels.specification.vega_lite_spec

    def counted(chart):
        made.append(chart)
        return make(chart)

    monkeypatch.setattr(panels.specification, "vega_lite_spec", counted)
    monkeypatch.setattr(panels, "_specifications", Shared(4))
    specs = all_at_once(lambda i: panels._specification(scatter.embedding, table()))
    assert len(made) == 1
    assert all(spec is specs[0] for spec in specs)
    panels._specification(scatter.embedding, table(1))
    assert len(made) == 2


def test_tables_of_a_chart_are_sent_as_they_are():
    spec = panels.specification.vega_lite_spec(scatter.embedding(table()))
    sent = panels.specification.with_arrow_tables(spec)
    assert sent.keys() == spec.keys()
    for name, rows in spec["datasets"].items():
        back = sent["datasets"][name].to_pandas()  # Arrow has one kind of text, pandas two
        pd.testing.assert_frame_equal(back, rows, check_dtype=False)

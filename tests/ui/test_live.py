"""Parts of pages that follow runs: what counts as news, at what pace, and who is woken."""

import asyncio
import json
import time

import numpy as np
import pytest
from starlette.requests import Request

from clustlab import registry
from clustlab.runs.store import RunSpec, write_status
from clustlab.training.writer import RunWriter
from clustlab.ui import pace as paces
from clustlab.ui.pace import Pace
from clustlab.ui.server import pulse as pulses
from clustlab.ui.server.pulse import pulse
from clustlab.ui.widgets import live
from tests.support import made_runs
from tests.support.asked import outcome
from tests.support.browser import server
from tests.support.viewer import Viewer
from tests.ui.test_pages import visit


@pytest.fixture
def clock(monkeypatch):
    """Time and processor time that pass when they are told to."""

    class Clock:
        now = spent = 0.0

    monkeypatch.setattr(paces.time, "monotonic", lambda: Clock.now)
    monkeypatch.setattr(paces.time, "thread_time", lambda: Clock.spent)
    return Clock


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    """What is kept for a moment is forgotten between tests."""
    monkeypatch.setattr(live, "_states", live.Shared(64, lambda: 0.0))
    monkeypatch.setattr(live, "_queues", live.Shared(4, lambda: 0.0))


def begun(store, n_steps=0, status="running"):
    """A run that is under way in this process, and what writes it."""
    made_runs.data(store)
    run = store.create(
        RunSpec("digits", "kmeans", preset="quick"),
        method_title=registry.method("kmeans").title,
        dataset_title="Made",
        data_key="made",
    )
    writer = RunWriter(run)
    writer.report(force=True, status=status)
    for _ in range(n_steps):
        add_step(writer)
    return run, writer


def add_step(writer):
    step, rng = writer.committed, np.random.default_rng(writer.committed)
    snapshot = made_runs.sure(rng.integers(3, size=12), 3, rng)
    record = {"phase": "train", "done": step + 1, "total": 99, "seconds": step + 1.0}
    writer.append(step, snapshot, {**record, "role": "train", "samples": 12})
    writer.report(force=True, phase="train", done=step + 1, total=99)


# -- pace ----------------------------------------------------------------------------------------
def after(pace, clock, busy, seconds=60.0):
    """Time between looks after redraws have taken a share of a core, were they every second."""
    between = pace.next_look()
    for _ in range(round(seconds / paces.WINDOW)):
        with pace.counted():
            clock.spent += busy * paces.WINDOW / between
        clock.now += paces.WINDOW
        between = pace.next_look()
    return between


def test_pages_look_less_often_the_more_redrawing_takes(clock):
    pace = Pace()
    assert pace.next_look() == paces.OFTEN
    assert after(pace, clock, 0.05) == paces.OFTEN
    busy = after(pace, clock, 0.6)
    assert busy == pytest.approx(0.6 / pace.share, rel=0.01)  # so that it takes its share
    assert after(pace, clock, 60.0) == paces.SELDOM
    assert after(pace, clock, 0.0, 120.0) == paces.OFTEN


def test_the_first_step_is_looked_for_sooner_unless_the_server_is_busy(clock):
    pace = Pace()
    assert pace.next_look(awaits_first_step=True) == paces.AT_FIRST
    after(pace, clock, 0.6)
    assert pace.next_look(awaits_first_step=True) > paces.OFTEN


def test_a_part_within_a_part_counts_once(clock):
    pace = Pace()
    with pace.counted():
        clock.spent += 1.0
        with pace.counted():
            clock.spent += 1.0
    assert pace._spent == 2.0


# -- news ----------------------------------------------------------------------------------------
def test_a_step_is_news_and_so_is_a_word_of_the_status(runs):
    run, writer = begun(runs, n_steps=1)
    steps, progress = live.news([run.id], "steps"), live.news([run.id], "progress")
    assert live.news([run.id], "steps") == steps
    writer.report(force=True, done=7)  # within a step
    assert live.news([run.id], "steps") == steps
    assert live.news([run.id], "progress") != progress
    add_step(writer)
    assert live.news([run.id], "steps") != steps
    steps = live.news([run.id], "steps")
    run.request("pause")
    assert live.news([run.id], "steps") != steps


def test_seconds_that_pass_are_no_news(runs):
    run, writer = begun(runs, n_steps=1)
    before = live.news([run.id], "progress")
    writer.report(force=True, seconds=99.0, boxes=5)
    assert live.news([run.id], "progress") == before


def test_a_run_that_is_deleted_is_news(runs):
    run, _ = begun(runs, n_steps=1)
    before = live.news([run.id], "steps")
    runs.delete(run.id)
    assert live.news([run.id], "steps") != before


def test_the_queue_has_news_when_a_run_joins_it(runs):
    begun(runs, n_steps=1)
    before = live.news([live.QUEUE], "steps")
    other, _ = begun(runs, status="queued")
    assert live.news([live.QUEUE], "steps") != before
    write_status(other.path, {**other.progress, "status": "cancelled"})
    assert live.news([live.QUEUE], "steps") == before


def told(query):
    """What the address answers."""
    scope = {"type": "http", "method": "GET", "path": live.ROUTE, "headers": []}
    request = Request({**scope, "server": ("here", 80), "query_string": query.encode()})
    response = outcome(pulse(request))
    assert response.status_code == 200
    return json.loads(response.body)


def test_news_are_told_without_a_session(runs, monkeypatch):
    monkeypatch.setattr(pulses, "pace", Pace())
    run, writer = begun(runs)
    first = told(f"run={run.id}")
    assert first["next"] == paces.AT_FIRST
    assert first == told(f"run={run.id}")
    add_step(writer)
    second = told(f"run={run.id}&run=%2A")
    assert second["next"] == paces.OFTEN
    assert second["news"] == live.news([run.id, live.QUEUE], "progress")


@pytest.mark.parametrize("query", ["", "run=", "run=../../etc", "run=%00", "run=" + "a" * 5000])
def test_whatever_is_asked_for_has_an_answer(runs, query):
    assert set(told(query)) == {"news", "next"}


def test_all_sessions_of_a_busy_server_are_shown_the_same_step(runs, monkeypatch):
    busy = Pace()
    monkeypatch.setattr(live, "pace", busy)
    monkeypatch.setattr(live, "_states", live.Shared(64, lambda: busy.together))
    run, writer = begun(runs, n_steps=1)
    assert live.steps_shown(run) == 1
    add_step(writer)
    assert live.steps_shown(run) == 2  # few look, and see the newest
    busy._between = 100.0
    assert live.steps_shown(run) == 2
    add_step(writer)
    assert live.steps_shown(run) == 2
    assert "2,running" in live.news([run.id], "steps")  # nobody is woken for what is not shown yet


# -- pages ---------------------------------------------------------------------------------------
def followed_by(app):
    """What the page follows, by the address that it asks."""
    kind = "bidi_component"
    return [e.proto.json for e in app.get(kind) if e.proto.component_name == "clustlab_pulse"]


@pytest.mark.parametrize("page", ["train", "embedding", "runs"])
def test_a_page_follows_a_run_until_it_is_over(runs, page):
    run, writer = begun(runs, n_steps=2)
    (followed,) = followed_by(visit(page, run=run.id))
    assert (live.QUEUE if page == "runs" else run.id) in followed
    writer.finish("done")
    assert followed_by(visit(page, run=run.id)) == []


def test_a_page_that_was_drawn_before_the_end_of_its_run_knows_that_it_is_late(runs, monkeypatch):
    run, writer = begun(runs, n_steps=2)
    follow, pages = live.pulse, []

    def ended_meanwhile(key=""):
        pages.append(key)
        if len(pages) == 1:
            writer.finish("done")
        follow(key)

    (followed,) = followed_by(visit("embedding", run=run.id))
    assert json.loads(followed)["news"] == live.news([run.id], "progress")
    monkeypatch.setattr(live, "pulse", ended_meanwhile)
    (followed,) = followed_by(visit("embedding", run=run.id))
    assert json.loads(followed)["news"] == ""  # so the first look finds news


@pytest.mark.slow
def test_a_session_is_woken_by_news_and_by_nothing_else(runs):
    run, writer = begun(runs, n_steps=2)

    async def look():
        viewer = Viewer(address, "embedding", f"run={run.id}")
        watching = asyncio.ensure_future(viewer.watch())
        await until(lambda: 1 in viewer.seen)
        await until(lambda: viewer.looks > 2)
        asked = viewer.runs.total()
        looks = viewer.looks
        await until(lambda: viewer.looks > looks + 3)
        assert viewer.runs.total() == asked  # nothing was new
        add_step(writer)
        await until(lambda: 2 in viewer.seen)
        writer.finish("done")
        await until(lambda: "Change and run again" in viewer.buttons)
        await asyncio.sleep(2.5)
        looks = viewer.looks
        await asyncio.sleep(2.5)
        assert viewer.looks == looks  # there is nothing to follow any more
        assert viewer.errors == []
        watching.cancel()

    with server(runs.root) as address:
        outcome(look())


async def until(condition, seconds=300.0):
    """Wait; on a busy machine a page looks for news every 30 seconds only."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.05)

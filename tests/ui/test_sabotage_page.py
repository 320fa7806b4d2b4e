"""The page Sabotage, without a browser: what is said, what can be started, and what comes out."""

import dataclasses

import pytest

from clustlab import registry
from clustlab.params import label_of_setting
from clustlab.runs.store import write_status
from clustlab.sabotage.entries import ENTRIES, entry_named
from clustlab.training.worker import execute, new_run
from clustlab.ui import session
from clustlab.ui.look.runs import settings
from tests.ui.test_pages import visit, words

QUICK = entry_named("wrong-k")  # k-means: a second for both


def carried_out(store, spec):
    run = new_run(store, spec)
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    return run


def labels(app):
    return [button.label for button in app.button]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_entry_has_an_address_and_says_what_to_look_for(runs, entry):
    app = visit("sabotage", entry=entry.name)
    said = words(app)
    (start,) = [b for b in app.button if b.label == "Start both runs"]
    assert not start.help  # nothing was measured on this machine yet
    assert entry.broken_by in said
    assert entry.guard in said
    assert entry.signature.look_for in said
    assert entry.caveat in said
    ((name, _),) = entry.changes.items()
    assert f"**{label_of_setting(name)}** is" in said
    assert f"{registry.method(entry.broken.method).title} on {entry.items}, seed" in said
    assert labels(app) == ["Start both runs", "Start the broken run", "Start the guarded run"]
    assert not app.error


def test_an_unknown_entry_in_the_address_leads_to_the_first(runs):
    app = visit("sabotage", entry="rust")
    assert "There is no broken run 'rust'" in words(app)
    assert ENTRIES[0].broken_by in words(app)


def test_one_click_queues_both_runs_with_their_specs(runs, monkeypatch):
    queued = []
    monkeypatch.setattr(session, "queue", queued.append)
    app = visit("sabotage", entry=QUICK.name)
    app.button(key="start-missing").click().run()
    assert queued == [QUICK.broken, QUICK.guarded]
    app.button(key="Start the guarded run-guarded").click().run()
    assert queued[2:] == [QUICK.guarded]


def test_finished_runs_are_found_judged_and_linked(runs):
    broken, guarded = (carried_out(runs, spec) for spec in (QUICK.broken, QUICK.guarded))
    app = visit("sabotage", entry=QUICK.name)
    said = words(app)
    assert said.count("The signature is there.") == 1
    assert said.count("No trace of the signature.") == 1
    assert "Digits without a cluster of their own: **5**. The signature is a value above 4." in said
    assert "not what was expected" not in said
    assert labels(app) == []
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert f"runs={broken.id}%2C{guarded.id}" in links["Compare the two, image by image"]
    assert {"Train", "Embedding"} <= set(links)


def test_a_run_of_another_entry_or_seed_is_not_taken_for_it(runs):
    carried_out(runs, dataclasses.replace(QUICK.broken, seed=5))
    app = visit("sabotage", entry=QUICK.name)
    assert "Start both runs" in labels(app)


def test_a_run_that_was_changed_by_hand_is_not_taken_for_it(runs):
    run = new_run(runs, QUICK.broken)
    (run.path / "wishes").mkdir()
    wish = '{"kind": "merge", "clusters": [0, 1], "value": 1.0, "n_steps": 1}'
    (run.path / "wishes" / "1.json").write_text(wish)
    execute(runs.root, run.id)
    assert any(record.get("interventions") for record in run.log)
    assert "Start both runs" in labels(visit("sabotage", entry=QUICK.name))
    assert "merge 0 and 1 at step" in settings(run)


def test_a_run_under_way_shows_its_progress_and_the_other_can_be_started(runs):
    run = new_run(runs, QUICK.broken)
    state = {**run.progress, "status": "paused", "phase": "try starts", "done": 2, "total": 10}
    write_status(run.path, {**state, "fraction": 0.25})
    app = visit("sabotage", entry=QUICK.name)
    (bar,) = app.get("progress")
    assert bar.proto.text == "try starts 3/10"
    assert bar.proto.value == 25
    assert labels(app) == ["Start the other run too", "Start the guarded run"]


def test_a_stopped_run_can_be_resumed_and_a_failed_one_says_why(runs, monkeypatch):
    resumed = []
    monkeypatch.setattr(session, "resume", lambda run: resumed.append(run.id))
    stopped, failed = new_run(runs, QUICK.broken), new_run(runs, QUICK.guarded)
    write_status(stopped.path, {**stopped.progress, "status": "cancelled"})
    gone = {"status": "failed", "error": "The disk is full.", "hint": "Delete runs."}
    write_status(failed.path, {**failed.progress, **gone})
    app = visit("sabotage", entry=QUICK.name)
    assert "The disk is full." in words(app)
    app.button(key="Resume-broken").click().run()
    assert resumed == [stopped.id]
    carried_out(runs, QUICK.broken)  # a whole one counts before one that was stopped
    assert "The signature is there." in words(visit("sabotage", entry=QUICK.name))

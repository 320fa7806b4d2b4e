"""A run that is done and has collapsed says so wherever it is listed, at the cost of one step."""

import json

import numpy as np
import pytest

from clustlab.__main__ import main
from clustlab.analysis import comparison
from clustlab.analysis.alarms import alarms_at_step, alarms_of_run
from clustlab.analysis.outcome_alarms import (
    alarms_of_outcome,
    kinds_of_outcome,
    titles_of_outcome,
)
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import Run, snapshot_path
from clustlab.ui.run import summaries
from tests.support import made_runs

EVEN, ONE = np.arange(60) % 6, np.zeros(60, dtype=int)
UNEVEN = np.minimum(EVEN, 1)  # as uneven as two clusters
GOOD, BAD = [made_runs.hard(EVEN, 6, loss=1.0)], [made_runs.hard(ONE, 6, loss=0.5)]
RUNAWAY = [made_runs.hard(EVEN, 6, loss=2.0**i) for i in range(12)]
APART = [made_runs.hard(EVEN, 6, loss=1.0, head_agreement=0.1) for _ in range(12)]
COURSES = {
    "good": GOOD * 4,
    "collapsed": GOOD + BAD * 3,
    "collapsed at last": GOOD * 4 + BAD,
    "bad in between": GOOD + BAD * 3 + GOOD,
    "runs away": RUNAWAY,
    "heads apart": APART,
    "uneven": [*GOOD, made_runs.hard(UNEVEN, 6, loss=1.0)],
    "one step": BAD,
}


def write(store, snapshots, method="dec", **options):
    return made_runs.write(store, snapshots, made_runs.dataset(60), method=method, **options)


@pytest.mark.parametrize("method", ["dec", "hdbscan", "kmeans"])
@pytest.mark.parametrize("name", COURSES)
def test_the_last_step_and_the_log_tell_what_all_steps_tell(store, name, method):
    run = write(store, COURSES[name], method)
    timeline = Timeline(run)
    timeline.extend()
    everything = alarms_at_step(alarms_of_run(run, timeline), len(run) - 1)
    told = alarms_of_outcome(run)
    assert {(a.kind, a.value) for a in told} == {(a.kind, a.value) for a in everything}


def test_only_the_last_step_is_read(store):
    run = write(store, GOOD * 4 + BAD)
    for step in range(4):
        snapshot_path(run.path, step).unlink()
    assert kinds_of_outcome(Run(run.path)) == ["collapse", "empty"]
    snapshot_path(run.path, 4).unlink()
    assert kinds_of_outcome(Run(run.path)) == []


def test_a_run_under_way_has_no_outcome(store):
    run = write(store, GOOD + BAD * 3)
    status = json.loads((run.path / "status.json").read_text())
    (run.path / "status.json").write_text(json.dumps({**status, "status": "cancelled"}))
    assert titles_of_outcome(run) == []
    assert summaries.outcome_words(run) == "cancelled"


def test_lists_say_what_is_odd_about_what_came_out(store, capsys):
    bad, good = write(store, GOOD + BAD * 3), write(store, GOOD * 3)
    assert main(["list", "--json", "--runs", str(store.root)]) == 0
    rows = {row["run"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[bad.id]["status"] == "done"
    assert rows[bad.id]["alarms_at_end"] == ["collapse", "empty"]
    assert rows[good.id]["alarms_at_end"] == []
    told = comparison.report(store, [bad.id, good.id])["runs"]
    assert [run["alarms_at_end"] for run in told] == [["collapse", "empty"], []]
    assert summaries.status_and_scores(bad).startswith("done, but collapse, empty clusters · 4 st")
    assert summaries.status_and_scores(good).startswith("done · 3 steps")

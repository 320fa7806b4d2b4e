"""Pages about a run with a step that cannot be read, and about one that is done and collapsed."""

import json

import numpy as np
import pytest

from clustlab.analysis import biography
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import Run, snapshot_path
from clustlab.views import bars, raster
from tests.support import made_runs
from tests.ui.test_pages import visit, words

N = 60
EVEN = np.arange(N) % 3
PAGES = (
    *("train", "embedding", "clusters", "evaluate", "shifts", "inside", "follow", "failures"),
    "apply",
)


@pytest.fixture
def damaged(runs):
    """Five steps by hand, of which step 2 cannot be read."""
    moved = np.where(np.arange(N) < 6, 1, EVEN)
    snapshots = [made_runs.hard(a, 3, loss=1.0) for a in (EVEN, EVEN, moved, moved, EVEN)]
    data = made_runs.dataset(N, EVEN, ("cat", "dog", "owl"))
    run = made_runs.write(runs, snapshots, data, method="dec")
    snapshot_path(run.path, 2).write_bytes(b"no archive")
    return Run(run.path)


@pytest.mark.parametrize("page", PAGES)
def test_the_other_steps_are_shown_and_the_missing_one_is_named(damaged, page):
    app = visit(page, run=damaged.id)
    assert not app.exception, app.exception
    assert not app.error
    app = visit(page, run=damaged.id, step="2")
    assert not app.exception, app.exception
    (error,) = app.error
    assert "Step 2 of this run is missing" in error.value
    assert "resume the run" in error.value
    assert not app.metric  # nor anything else of a step that nobody knows


def test_the_step_after_it_does_not_say_what_moved(damaged):
    said = words(visit("embedding", run=damaged.id, step="3"))
    assert "Step 2 is missing, so nobody can say which images moved since" in said


def test_the_run_bar_names_what_is_missing_and_offers_to_mend_it(damaged):
    visit("evaluate", run=damaged.id)  # whose curves have found it
    app = visit("evaluate", run=damaged.id)
    assert "step 2 missing" in words(app)
    assert "Resume" in [button.label for button in app.button]


def test_nothing_is_said_of_an_item_at_a_step_that_nobody_knows(runs, damaged):
    data = runs.dataset(damaged)
    timeline = Timeline(damaged, data.labels)
    told = biography.report(damaged, data, timeline, 0)
    assert [cluster is None for cluster in told["clusters"]] == [False, False, True, False, False]
    assert told["confidence"][2] is None
    json.dumps(told, allow_nan=False)
    strip = json.loads(bars.history(timeline.history(0), 4, timeline.missing()).to_json())
    drawn = [row for rows in strip["datasets"].values() for row in rows if "start" in row]
    assert {step for row in drawn for step in range(row["start"], row["end"])} == {0, 1, 3, 4}
    lines = raster.raster(
        timeline.assignments(), np.arange(N), missing=timeline.missing()
    ).sheet.pixels
    row = lines[raster.TOP, raster.LEFT : raster.LEFT + 5 * raster._cell(N, 5)[1], 3]
    opaque = (row > 0).reshape(5, -1)
    assert [bool(each.any()) for each in opaque] == [True, True, False, True, True]


def test_a_collapse_stands_beside_the_word_done(runs):
    snapshots = [made_runs.hard(a, 3, loss=1.0) for a in (EVEN, *[np.full(N, 2)] * 3)]
    data = made_runs.dataset(N, EVEN, ("cat", "dog", "owl"))
    run = made_runs.write(runs, snapshots, data, method="dec")
    said = [m.value for m in visit("embedding", run=run.id).markdown]
    assert ":orange[:material/warning: Collapse, Empty clusters]" in said

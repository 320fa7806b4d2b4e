"""What stands beside a page while nothing is selected: the story of the step, or one image."""

import numpy as np
import pytest

from clustlab.runs.store import RunStore
from tests.support import made_runs
from tests.ui.test_pages import visit, words

LABELS = np.repeat([0, 1, 2], 8)
MOVED = np.where(np.arange(24) == 7, 1, LABELS)  # one of the first cluster went to the second
PAGES = ("embedding", "clusters", "evaluate", "shifts", "inside", "follow")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))
    store = RunStore()
    made_runs.data(store, n=24, labels=LABELS)
    return made_runs.run(store, [LABELS, MOVED, MOVED])


@pytest.mark.parametrize("page", PAGES)
def test_every_page_tells_what_happened_while_nothing_is_selected(run, page):
    app = visit(page, run=run.id, step="1")
    said = words(app)
    assert "**What happened at step 1**" in said
    assert "1 of 24 images (4.2%) changed cluster since step 0; accuracy fell from" in said
    app.button(key="story-move-0-1").click().run()
    assert "**Cluster 0 to cluster 1, step 1**: 1 item" in words(app)
    assert "What happened" not in words(app)


def test_a_story_leads_to_the_step_where_most_moved(run):
    app = visit("clusters", run=run.id)
    assert "No image changed cluster since step 1" in words(app)
    app.button(key="story-busiest-step").click().run()
    assert "**What happened at step 1**" in words(app)


def test_failures_tells_of_the_first_image_of_its_list(run):
    app = visit("failures", run=run.id, query="confidently-wrong", step="1")
    assert "**First in this list: sure and wrong**" in words(app)
    assert "**Item 7**" in words(app)
    assert not [b for b in app.button if b.label == "Close"]
    app = visit("failures", run=run.id, query="confidently-wrong", step="0")
    assert "**What happened at step 0**" in words(app)  # nothing is wrong


def test_compare_tells_of_the_image_on_which_runs_differ_most(run):
    store = RunStore()
    other = made_runs.run(store, [LABELS, LABELS], seed=1)
    app = visit("compare", runs=f"{run.id},{other.id}")
    assert "**The image on which the runs differ most**" in words(app)
    assert "**Item 7 in each run**" in words(app)
    same = made_runs.run(store, [LABELS, LABELS], seed=2)
    app = visit("compare", runs=f"{other.id},{same.id}")
    assert "**What happened at step 1**" in words(app)

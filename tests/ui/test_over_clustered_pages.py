"""Pages on a run with more clusters than classes whose last step reads fewer anew."""

import numpy as np
import pytest

from clustlab.runs.store import RunStore
from tests.support import made_runs
from tests.ui.test_pages import visit, words

N = 24
CLASSES = np.repeat([0, 1], 12)
FINE = np.arange(N) // 4
STEPS = (FINE, FINE, FINE, CLASSES)
PHASES = ["start", "train", "train", "merge"]
ROLES = ["initialise", "train", "train", "read_off"]


def made(steps):
    """A run of DeepCluster by hand, as far as it came."""
    snapshots = [made_runs.hard(found, int(found.max()) + 1) for found in STEPS[:steps]]
    return made_runs.write(
        RunStore(),
        snapshots,
        made_runs.dataset(N, CLASSES, ("a", "b")),
        method="deepcluster",
        phases=PHASES[:steps],
        roles=ROLES[:steps],
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))


def test_evaluate_leads_with_the_accuracy_after_merging(folder):
    app = visit("evaluate", run=made(4).id, step="2")
    labels = [tile.label for tile in app.metric]
    assert labels[:2] == ["ACC merged", "Purity"]
    assert "ACC" in labels
    said = words(app)
    assert "At step 2" in said
    assert "last step:" in said  # the run bar shows another ACC, that of the last step
    assert "ACC **1.000**" in said
    app.session_state["tabs-Confusion matrix-Over time"] = "Over time"
    (drawn,) = (pills for pills in app.run().pills if pills.label == "Scores")
    assert drawn.value[:2] == ["acc_merged", "purity"]
    assert "acc" not in drawn.value


def test_a_run_that_ended_before_the_merge_leads_with_it_in_the_run_bar_and_the_list():
    made(3)
    assert "ACC merged **" in words(visit("evaluate"))
    assert "last step: ACC merged" in words(visit("home"))
    assert "acc_merged" in visit("runs").dataframe[0].value.columns


def test_the_list_of_runs_has_no_column_for_it_otherwise():
    made(4)
    app = visit("runs")
    assert "acc_merged" not in app.dataframe[0].value.columns
    assert "Scores are from the last step of each run." in words(app)


def test_the_scrubber_tells_of_a_merge_and_of_no_changed_labels():
    said = words(visit("clusters", run=made(4).id, step="3"))
    assert "clusters recomputed: 2 instead of 6" in said
    assert "of labels changed" not in said
    assert "0% of labels changed" in words(visit("clusters", step="2"))


def test_shifts_say_that_the_clusters_are_others():
    assert "At step 3 the clusters are recomputed" in words(visit("shifts", run=made(4).id))
    assert "At step 3 the clusters" not in words(visit("shifts", step="2"))

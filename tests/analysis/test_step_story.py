"""What the inspector tells of a step: true for every kind of run."""

import numpy as np
import pytest

from clustlab.analysis.step_story import step_story
from clustlab.analysis.step_view import StepView
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import RunStore
from clustlab.types import Dataset, Snapshot
from tests.support import made_runs


def steps_of(assignments, k=3):
    """Snapshots (steps) of items that lie where their cluster is; noise lies at the origin."""
    shots, centers = [], np.eye(k, dtype=np.float32)
    for row in np.asarray(assignments):
        places = np.vstack([np.eye(k), np.zeros(k)])[row] + np.linspace(0, 0.1, len(row))[:, None]
        shots.append(Snapshot(places.astype(np.float32), row, {}, centers=centers))
    return shots


def story(assignments, step, labels=None, k=3, images=True):
    run = steps_of(assignments, k)
    n = len(assignments[0])
    items = np.zeros((n, 8, 8, 1), np.uint8) if images else np.zeros((n, 2), np.float32)
    data = Dataset("made", items, None if labels is None else np.array(labels), ("a", "b", "c"))
    timeline = Timeline(run, data.labels, 3)
    timeline.extend()
    return step_story(StepView(run, step, timeline, data))


BEFORE = [0] * 6 + [1] * 6 + [2] * 6
AFTER = [0] * 5 + [1] * 7 + [2] * 6  # item 5 went from 0 to 1


def kinds(told):
    return [lead.kind for lead in told.leads]


def test_the_first_step_of_a_run_tells_of_its_clusters_and_leads_to_the_next():
    told = story([BEFORE, AFTER], 0)
    assert told.beginning == "first"
    assert told.n_moved == 0
    assert not told.moves
    assert told.sentences == (
        "Step 0 is the first, so nothing has moved yet.",
        "There are 3 clusters in use; the largest, cluster 0, holds 33.3% of the images.",
    )
    assert told.leads[0].words == "Step 1: 5.6% of the images move"
    assert told.leads[0].step == 1


def test_a_run_of_one_step_leads_nowhere_that_is_not():
    told = story([BEFORE], 0, images=False)
    assert kinds(told) == ["unsure"]
    assert "of the items" in told.sentences[1]
    assert told.unsure is not None


def test_a_step_tells_who_moved_what_the_score_did_and_who_gave_and_took():
    told = story([BEFORE, AFTER], 1, labels=BEFORE)
    first, second = told.sentences
    assert first == (
        "1 of 18 images (5.6%) changed cluster since step 0; accuracy fell from 1.000 to 0.944."
    )
    assert second == (
        "No cluster split, merged or dissolved; the only move is 1 image from cluster 0 to "
        "cluster 1."
    )
    assert [(m.source, m.target, m.items.tolist()) for m in told.moves] == [(0, 1, [5])]
    assert {(e.cluster, e.gave, e.took) for e in told.exchanges} == {(0, 1, 0), (1, 0, 1)}
    assert kinds(told) == ["moves", "wrong", "whole run"]


def test_a_cluster_that_dissolves_is_the_second_sentence():
    told = story([BEFORE, [0] * 12 + [2] * 6], 1)
    assert told.sentences[1] == "Clusters 0 and 1 merged into 0: 12 images."


def test_the_rest_is_named_where_some_items_are_noise():
    told = story([[0] * 6 + [1] * 6 + [-1] * 6], 0, labels=BEFORE)
    assert told.sentences[0].endswith("; accuracy over the clustered images is 1.000.")
    assert told.sentences[1].endswith("holds 33.3% of the images; 33.3% are noise.")


def test_small_clusters_that_regroup_are_no_news_beside_a_larger_move():
    before = [0] * 40 + [1] * 40 + [2] * 4 + [3] * 4
    after = [0] * 32 + [1] * 48 + [2] * 2 + [3] * 2 + [2] * 2 + [3] * 2
    told = story([before, after], 1, k=4)
    assert told.sentences[1] == "The largest move is 8 images from cluster 0 to cluster 1."
    assert told.leads[0].words == "Every move at this step"
    regrouped = story([before, [0] * 40 + [1] * 40 + after[80:]], 1, k=4).sentences[1]
    assert regrouped == "Clusters 2 and 3 regrouped: 2 from 2 to 3, 2 from 3 to 2."


def test_with_fewer_clusters_than_classes_no_way_leads_to_wrong_ones():
    few = [0] * 9 + [1] * 9
    assert "wrong" not in kinds(story([few, few], 1, labels=BEFORE))
    assert "wrong" in kinds(story([AFTER, AFTER], 1, labels=BEFORE))


def test_items_move_into_noise_and_out_of_it():
    told = story([BEFORE, [0] * 6 + [-1] + [1] * 5 + [2] * 6, BEFORE], 1)
    assert told.moves[0].words == "cluster 1 to noise"
    assert "from cluster 1 to noise" in told.sentences[1]
    assert story([BEFORE, [0] * 6 + [-1] + [1] * 5 + [2] * 6, BEFORE], 2).moves[0].source == -1


def test_where_everything_is_noise_there_is_no_cluster_to_tell_of():
    told = story([[-1] * 6], 0)
    assert told.sentences[1] == "All 6 images are noise: there is no cluster."
    assert told.unsure is None
    assert kinds(told) == []


def test_a_quiet_step_says_when_anything_moved_last():
    told = story([BEFORE, AFTER, AFTER], 2, labels=BEFORE)
    assert told.sentences == (
        "No image changed cluster since step 1; accuracy stays at 0.944.",
        "The last image moved at step 1.",
    )
    assert kinds(told)[0] == "busiest step"
    assert told.leads[0].step == 1
    assert story([BEFORE, BEFORE], 1).sentences[1] == "No image has moved since the first step."


def test_nothing_counts_as_moved_where_clusters_are_read_anew(tmp_path):
    store = RunStore(tmp_path / "runs")
    labels = np.array(BEFORE)
    shots = [made_runs.hard(np.arange(18) % 6, 6), made_runs.hard(BEFORE, 3)]
    data = made_runs.dataset(18, labels, ("a", "b", "c"))
    run = made_runs.write(
        store, shots, data, phases=["train", "merge"], roles=["train", "read_off"]
    )
    timeline = Timeline(run, labels, 3)
    timeline.extend()
    told = step_story(StepView(run, 1, timeline, data))
    assert told.beginning == "read anew"
    assert not told.moves
    assert told.n_moved == 0
    assert told.sentences[0].startswith(
        "At this step the clusters are recomputed from what was trained: 3 instead of 6; "
        "accuracy after merging "
    )
    assert told.sentences[1].endswith("no image counts as moved.")
    assert "moves" not in kinds(told)


@pytest.mark.parametrize("step", [0, 1])
def test_without_labels_no_score_is_told(step):
    said = " ".join(story([BEFORE, AFTER], step).sentences)
    assert "accuracy" not in said
    assert "wrong" not in kinds(story([BEFORE, AFTER], step))


def test_scores_that_leave_noise_out_say_so():
    partly = [0] * 6 + [-1] + [1] * 5 + [2] * 6
    said = story([BEFORE, partly], 1, labels=BEFORE).sentences[0]
    assert said.endswith("; accuracy over the clustered images stays at 1.000.")

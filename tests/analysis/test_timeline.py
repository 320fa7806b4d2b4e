import math

import numpy as np
import pytest

from clustlab.analysis.score_catalogue import SCORES
from clustlab.analysis.timeline import Timeline
from clustlab.errors import Cancelled
from clustlab.types import Snapshot

N, K = 60, 3
CLASSES = np.repeat(np.arange(K), N // K)


def snapshot(assignments, seed=0, k=K):
    rng = np.random.default_rng(seed)
    embedding = np.eye(4)[np.asarray(assignments) % 4] * 5 + rng.normal(size=(N, 4))
    return Snapshot(embedding, assignments, {}, centers=np.eye(4)[np.arange(k) % 4] * 5)


def renumbered_run(steps=6):
    """The same clustering at every step, with numbers drawn anew each time."""
    rng = np.random.default_rng(1)
    return [snapshot(rng.permutation(K)[CLASSES], seed) for seed in range(steps)]


def test_clusters_keep_their_ids_although_numbers_are_redrawn():
    run = renumbered_run()
    timeline = Timeline(run, CLASSES)
    assert timeline.extend() == 6
    for step in range(6):
        assert (timeline.stable(step) == timeline.stable(0)).all()
        assert (timeline.mapping(step)[run[step].assignments] == timeline.stable(step)).all()
    assert timeline.flips(5).sum() == 0
    assert timeline.n_ids() == K


def test_row_has_the_figures_of_the_step():
    half = CLASSES.copy()
    half[:10] = 1  # half of class 0 joins class 1
    timeline = Timeline([snapshot(CLASSES), snapshot(half)], CLASSES)
    first, second = timeline.row(0), timeline.row(1)
    assert list(first) == list(SCORES)
    assert first["acc"] == first["nmi"] == first["ari"] == first["purity"] == 1
    assert math.isnan(first["changed"])
    assert second["acc"] == pytest.approx(50 / 60)
    assert second["changed"] == pytest.approx(10 / 60)
    assert second["n_occupied"] == 3
    assert 0 < second["nmi_previous"] < 1
    assert 0 <= second["confidence"] <= 1
    assert timeline.recall().tolist() == [[1, 1, 1], [0.5, 1, 1]]


def test_flips_add_up_over_steps():
    other = CLASSES.copy()
    other[0] = 1
    timeline = Timeline([snapshot(CLASSES), snapshot(other), snapshot(CLASSES)])
    assert timeline.flips(2)[:2].tolist() == [2, 0]
    assert timeline.history(0).tolist() == [0, 1, 0]


def test_without_labels_only_figures_that_need_them_are_missing():
    row = Timeline(renumbered_run(2)).row(1)
    assert math.isnan(row["acc"])
    assert row["changed"] == 0
    assert row["nmi_previous"] == pytest.approx(1)


def test_unlabelled_items_are_left_out():
    labels = np.where(np.arange(N) < 40, CLASSES, -1)
    wrong_at_the_end = CLASSES.copy()
    wrong_at_the_end[45:] = 0
    assert Timeline([snapshot(wrong_at_the_end)], labels, K).row(0)["acc"] == 1


def test_it_reads_only_what_is_new_and_forgets_what_is_gone():
    class Counted(list):
        reads = 0

        def __getitem__(self, index):
            self.reads += 1
            return super().__getitem__(index)

    run = Counted(renumbered_run(4))
    timeline = Timeline(run)
    timeline.extend()
    timeline.extend()
    assert run.reads == 4
    run.append(snapshot(CLASSES))
    assert timeline.extend() == 5
    assert run.reads == 5
    del run[2:]
    assert timeline.extend() == 2
    assert len(timeline.metrics()) == 2


def test_progress_is_told_and_may_stop_the_work():
    timeline, told = Timeline(renumbered_run(4)), []

    def report(text, share):
        told.append((text, share))
        if share >= 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        timeline.extend(report=report)
    assert told == [("Reading step 0", 0.0), ("Reading step 1", 0.25), ("Reading step 2", 0.5)]
    assert len(timeline) == 2


def test_points_follow_a_turned_embedding():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(N, 2)) * [3, 1]
    angle = 2.0
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    steps = [Snapshot(flat, CLASSES, {}), Snapshot(flat @ turn * 7 + 5, CLASSES, {})]
    timeline = Timeline(steps)
    assert np.allclose(timeline.points(1), timeline.points(0), atol=1e-4)
    assert np.percentile(np.abs(timeline.points(1)).max(1), 99.5) == pytest.approx(1)


def test_a_cloud_fills_the_frame_however_large_its_outliers_were_before():
    rng = np.random.default_rng(4)
    wild, calm = rng.standard_t(2, size=(N, 2)), rng.uniform(-1, 1, size=(N, 2))
    timeline = Timeline([Snapshot(wild * 50, CLASSES, {}), Snapshot(calm, CLASSES, {})])
    assert np.percentile(np.abs(timeline.points(1)).max(1), 99.5) == pytest.approx(1)
    assert timeline.points(1).dtype == np.float32


def test_an_unchanged_embedding_is_projected_once(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "clustlab.analysis.aligned_points.pca_2d",
        lambda e: calls.append(1) or np.asarray(e)[:, :2],
    )
    Timeline([snapshot(CLASSES), snapshot(CLASSES), snapshot(CLASSES, seed=9)]).points(2)
    assert len(calls) == 2


def test_a_changing_number_of_clusters_gets_fresh_ids():
    split = CLASSES.copy()
    split[:5] = 3
    timeline = Timeline([snapshot(CLASSES), snapshot(split, k=4), snapshot(CLASSES)])
    assert timeline.stable(1)[:6].tolist() == [3, 3, 3, 3, 3, 0]
    assert (timeline.stable(2) == CLASSES).all()
    assert timeline.n_ids() == 4


def test_an_empty_run_has_no_steps():
    timeline = Timeline([])
    assert timeline.extend() == 0
    assert timeline.metrics().empty
    assert timeline.n_ids() == 0
    assert timeline.extent() > 1


def test_silhouette_is_computed_on_demand():
    timeline = Timeline(renumbered_run(1))
    assert timeline.silhouette(0) == timeline.silhouette(0) > 0.3


def test_centers_lie_among_the_points_by_stable_id():
    run = renumbered_run(3)
    timeline = Timeline(run)
    centers = timeline.centers(2)
    assert centers.shape == (K, 2)
    for stable_id in range(K):
        members = timeline.stable(2) == stable_id
        group = timeline.points(2)[members]
        assert np.linalg.norm(centers[stable_id] - group.mean(0)) < group.std()


def test_centers_fall_back_on_means_and_leave_empty_clusters_out():
    rng = np.random.default_rng(2)
    q = np.full((N, 4), 0.02)
    q[np.arange(N), CLASSES + 1] = 0.94  # raw cluster 0 stays empty
    steps = [Snapshot(rng.normal(size=(N, 3)), CLASSES + 1, {}, probabilities=q)]
    timeline = Timeline(steps)
    centers = timeline.centers(0)
    assert np.isnan(centers[0]).all()
    for stable_id in (1, 2, 3):
        mean = timeline.points(0)[timeline.stable(0) == stable_id].mean(0)
        assert centers[stable_id] == pytest.approx(mean, abs=1e-4)


def test_centers_without_items_are_missing():
    empty = Snapshot(np.zeros((0, 3)), np.zeros(0, dtype=int), {}, centers=np.zeros((2, 3)))
    timeline = Timeline([empty])
    assert np.isnan(timeline.centers(0)).all()
    assert math.isnan(timeline.row(0)["evenness"])

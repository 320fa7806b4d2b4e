"""Points of maps: by way of all steps, or by what was kept with a step, they are the same."""

import numpy as np
import pytest

from clustlab.analysis import timeline as timeline_module
from clustlab.analysis.aligned_points import Chain, box_of, box_on, plane_of, points_on
from clustlab.analysis.timeline import Timeline
from clustlab.runs import opened_steps
from clustlab.runs.step_arrays import PLANE
from clustlab.runs.store import Run, snapshot_path
from tests.support import made_runs

N, STEPS = 200, 6


def embedding(step, n=N, d=7, far=0.0):
    rng = np.random.default_rng(step)
    base = np.random.default_rng(99).normal(size=(n, d)) * (5, 3, *[0.3] * (d - 2))
    return (base + 0.1 * rng.normal(size=(n, d)) + far).astype(np.float32)


@pytest.mark.parametrize("far", [0.0, 1e4])
def test_a_plane_takes_an_embedding_to_its_points(far):
    chain = Chain()
    for step in range(4):
        rows = embedding(step, far=far)
        points = chain.next_points(rows)
        plane = plane_of(rows, points)
        assert plane.shape == (10, 2)
        np.testing.assert_allclose(points_on(plane, rows), points, atol=0.002 if far else 1e-5)
        for found, wanted in zip(box_on(plane), box_of(points), strict=True):
            assert found == pytest.approx(wanted)


@pytest.mark.parametrize("shape", [(0, 3), (5, 300)])
def test_what_is_too_wide_or_empty_has_no_plane(shape):
    assert plane_of(np.zeros(shape, np.float32), np.zeros((shape[0], 2), np.float32)) is None


def test_a_chain_goes_on_from_points_that_are_known():
    whole, begun = Chain(), Chain()
    for step in range(3):
        begun.next_points(embedding(step))
        points = whole.next_points(embedding(step))
    again = Chain.after(points)
    np.testing.assert_array_equal(again.next_points(embedding(3)), whole.next_points(embedding(3)))


# -- of stored runs ----------------------------------------------------------------------------
def opened(store, steps=STEPS):
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 3
    snapshots = [
        made_runs.sure(np.where(rng.random(N) < 0.1, 1, labels), 3, rng) for _ in range(steps)
    ]
    data = made_runs.dataset(N, labels, ("a", "b", "c"))
    return Run(made_runs.write(store, snapshots, data, roles=["train"] * steps).path), labels


def without(run, name):
    """The same run as an earlier version has stored it: without planes, and confidences."""
    for step in range(len(run)):
        with np.load(snapshot_path(run.path, step)) as arrays:
            kept = {key: arrays[key] for key in arrays.files if key != name}
        np.savez(snapshot_path(run.path, step), **kept)
    log = run.path / "log.jsonl"
    log.write_text(log.read_text().replace('"mean_confidence"', '"something_else"'))
    return Run(run.path)


@pytest.fixture
def read(monkeypatch):
    """Steps whose snapshot or embedding was read."""
    steps = []
    whole, mapped = Run.read_step, opened_steps.map_of
    monkeypatch.setattr(Run, "read_step", lambda run, step: steps.append(step) or whole(run, step))
    monkeypatch.setattr(
        timeline_module, "map_of", lambda run, step: steps.append(step) or mapped(run, step)
    )
    return steps


def test_figures_and_clusters_of_all_steps_take_no_embedding(store, read):
    run, labels = opened(store)
    timeline = Timeline(run, labels)
    timeline.extend()
    assert timeline.metrics()["confidence"].notna().all()
    assert timeline.has_probabilities().all()
    timeline.history(3), timeline.flips(5), timeline.box()
    timeline.certainty(3), timeline.path(3)
    assert read == []


def test_the_map_of_a_step_takes_that_step(store, read):
    run, labels = opened(store)
    Timeline(run, labels).points(4)
    assert read == [4]


def test_a_run_of_an_earlier_version_has_the_same_points_and_figures(store):
    run, labels = opened(store)
    now = Timeline(run, labels)
    now.extend()
    found = [now.points(step).copy() for step in range(STEPS)]
    sure, path, box = now.certainty(7), now.path(7), now.box()
    table = now.metrics()
    old = Timeline(without(run, PLANE), labels)
    old.extend()
    for step in (5, 0, 3, 1, 2, 4):  # in any order
        np.testing.assert_allclose(old.points(step), found[step], atol=1e-4)
    np.testing.assert_allclose(old.certainty(7), sure, atol=1e-3)
    np.testing.assert_allclose(old.path(7), path, atol=1e-4)
    np.testing.assert_allclose(old.box(), box, atol=1e-3)
    np.testing.assert_allclose(old.metrics(), table, atol=1e-6)


def test_points_do_not_depend_on_the_order_in_which_steps_are_asked_for(store):
    run, labels = opened(store)
    run = without(run, PLANE)
    forwards, backwards = Timeline(run, labels), Timeline(run, labels)
    wanted = [forwards.points(step) for step in range(STEPS)]
    for step in reversed(range(STEPS)):
        np.testing.assert_array_equal(backwards.points(step), wanted[step])

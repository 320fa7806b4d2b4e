"""Named figures on images drawn by hand, and trees that must find a rule that is there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import features
from clustlab.analysis.surrogate_tree import DEPTHS, SAMPLE, rules, sample, surrogate


def images(*drawings, channels=1):
    """Images (n, h, w, c) uint8 from drawings in which # is ink."""
    pixels = [[[255 * (c == "#") for c in line] for line in d.split()] for d in drawings]
    return np.repeat(np.array(pixels, dtype=np.uint8)[..., None], channels, axis=3)


EIGHT = "........ ..####.. ..#..#.. ..####.. ..#..#.. ..####.. ........ ........"
RING = "######## #......# #......# #......# #......# #......# #......# ########"
BAR = "#....... #....... #....... #....... #....... #....... #....... #......."
BLANK = " ".join(["........"] * 8)
CORNERS = ".#...... #.#..... .#...... ........ ........ ........ ........ ........"


def figures(*drawings, channels=1):
    items = images(*drawings, channels=channels)
    x, names = features.named(items, np.arange(len(items)))
    return [dict(zip(names, map(float, row), strict=True)) for row in x]


def test_a_bar_at_the_left_edge_by_its_figures():
    (bar,) = figures(BAR)
    assert bar["ink"] == pytest.approx(1 / 8)
    assert bar["ink upper left"] == bar["ink lower left"] == pytest.approx(1 / 4)
    assert bar["ink upper right"] == 0
    assert bar["ink in row 3, column 1"] == pytest.approx(1 / 2)
    assert bar["ink in row 3, column 2"] == 0
    assert bar["centre across"] == pytest.approx(0.5 / 8)
    assert bar["centre down"] == pytest.approx(0.5)
    assert (bar["width"], bar["height"]) == (1 / 8, 1)
    assert bar["left-right symmetry"] == pytest.approx(0)
    assert bar["top-bottom symmetry"] == pytest.approx(1)
    assert bar["holes"] == 0


def test_holes_are_counted_and_ink_connects_across_corners():
    found = [figure["holes"] for figure in figures(EIGHT, RING, BAR, BLANK, CORNERS, EIGHT)]
    assert found == [2, 1, 0, 0, 1, 2]


def test_an_empty_image_has_figures_too():
    (blank,) = figures(BLANK)
    assert all(np.isfinite(list(blank.values())))
    assert (blank["ink"], blank["width"], blank["centre down"]) == (0, 0, 0.5)


def test_colour_has_a_mean_for_each_channel():
    items = images(BAR, channels=3)
    items[..., 1] = 0
    x, names = features.named(items, np.array([0]))
    row = dict(zip(names, x[0].tolist(), strict=True))
    assert row["mean red"] == pytest.approx(1 / 8)
    assert row["mean green"] == 0
    assert "mean red" not in figures(BAR)[0]


@given(h=st.integers(1, 9), w=st.integers(1, 9), seed=st.integers(0, 50))
def test_figures_of_any_image_are_finite_and_in_range(h, w, seed):
    items = np.random.default_rng(seed).integers(0, 256, (3, h, w, 1), dtype=np.uint8)
    x, names = features.named(items, np.arange(3))
    assert x.dtype == np.float32
    assert x.shape == (3, len(names)) == (3, len(set(names)))
    assert np.isfinite(x[:, [name != "holes" for name in names]]).all()
    assert x.min() >= -1e-6
    assert x[:, [name != "holes" for name in names]].max() <= 1 + 1e-5


def test_figures_of_points_are_their_coordinates():
    items = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    x, names = features.named(items, np.array([1]))
    assert names == ("x", "y")
    assert x.tolist() == [[3.0, 4.0]]
    assert features.coordinates(5)[4] == "coordinate 5"


# -- trees ---------------------------------------------------------------------------------------
def drawn(n, seed=0):
    """Images of left bars and rings at random brightness, and which of them are rings."""
    rng = np.random.default_rng(seed)
    ring = rng.random(n) < 0.4
    items = np.where(ring[:, None, None, None], images(RING), images(BAR))
    return (items * rng.uniform(0.5, 1, (n, 1, 1, 1))).astype(np.uint8), ring


def test_a_clustering_by_a_named_threshold_is_found_at_depth_one():
    items, ring = drawn(200)
    found = surrogate(items, np.where(ring, 7, 3))
    assert found.fidelity == (1.0,) * len(DEPTHS)
    assert (found.n_used, found.n_total) == (200, 200)
    first, yes, no = found.tree(1)
    assert first.feature
    assert (yes.parent, yes.is_yes, no.is_yes) == (first.id, True, False)
    assert {yes.cluster, no.cluster} == {3, 7}
    assert yes.share == no.share == 1
    assert yes.n + no.n == first.n == 100


def test_a_threshold_of_a_coordinate_is_found_with_its_value():
    points = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    found = surrogate(points, (points[:, 1] > 0.5).astype(np.int32))
    assert found.fidelity[0] > 0.995
    assert found.tree(1)[0].feature == "y"
    assert found.tree(1)[0].threshold == pytest.approx(0.5, abs=0.02)


def test_the_baseline_is_the_largest_cluster_and_noise_is_no_better():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2000, 2)).astype(np.float32)
    clusters = (rng.random(2000) < 0.3).astype(np.int32)
    found = surrogate(points, clusters)
    assert found.baseline == pytest.approx(0.7, abs=0.03)
    assert found.fidelity[0] == pytest.approx(found.baseline, abs=0.02)


def test_fidelity_is_measured_on_the_half_that_built_nothing():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 2)).astype(np.float32)
    found = surrogate(points, rng.integers(0, 2, 60))
    assert max(found.fidelity) < 0.8  # a tree of depth 6 knows its own 30 points by heart


def test_large_sets_are_sampled_and_that_is_said():
    points = np.random.default_rng(0).normal(size=(SAMPLE + 800, 2)).astype(np.float32)
    told = []
    found = surrogate(points, (points[:, 0] > 0).astype(int), lambda *words: told.append(words))
    assert (found.n_used, found.n_total) == (SAMPLE, SAMPLE + 800)
    assert len(sample(SAMPLE + 800)) == len(set(sample(SAMPLE + 800))) == SAMPLE
    assert told[0] == ("Growing a tree of depth 1", 0.0)


def test_trees_are_as_deep_as_asked_and_each_node_follows_its_parent():
    points = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    found = surrogate(points, (8 * np.abs(points).sum(1)).astype(int) % 5)
    for depth in DEPTHS:
        seen = {-1}
        for node in found.tree(depth):
            assert node.parent in seen
            seen.add(node.id)
        assert max(node.depth for node in found.tree(depth)) == depth


def test_rules_are_indented_text():
    points = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 20, dtype=np.float32)
    found = surrogate(points, points[:, 0].astype(int))
    lines = rules(found.tree(1)).splitlines()
    assert lines[0] == "x ≤ 0.5?"
    assert lines[1].startswith("  yes: cluster 0 (100% of ")
    assert lines[2].startswith("  no: cluster 1 (100% of ")


def test_a_single_cluster_or_item_does_no_harm():
    one = surrogate(np.zeros((1, 2), dtype=np.float32), np.array([4]))
    assert one.fidelity == (1.0,) * len(DEPTHS)
    assert [node.cluster for node in one.tree(6)] == [4]
    flat = surrogate(np.zeros((30, 2), dtype=np.float32), np.arange(30) % 2)
    assert len(flat.tree(3)) == 1

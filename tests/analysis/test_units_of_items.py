"""What is read off raw points does not depend on their unit, be it light years or metres."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from clustlab.analysis import features, nearest_neighbours, surrogate_tree
from clustlab.analysis.feature_differences import feature_differences
from clustlab.analysis.nearest_neighbours import k_nearest, twins

UNITS = (1e-38, 1e-25, 1e-20, 1.0, 1e20, 1e25, 1e37)
EXPONENTS = some.integers(-110, 110)


def cloud(n=300, d=4, seed=0):
    """Points, a few of which are nearly the same as another."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, d)).astype(np.float32)
    few = n // 15
    gaps = np.linspace(1e-3, 2e-3, few, dtype=np.float32)[:, None]
    points[:few] = points[few : 2 * few] + gaps
    return points


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("n_queries", [3, 300])
def test_neighbours_are_the_same_in_every_unit(unit, n_queries):
    points, queries = cloud(), np.arange(n_queries)
    before = k_nearest(points, 5, queries)
    scaled = (points * unit).astype(np.float32)
    after = k_nearest(scaled, 5, queries)
    assert (after.indices != queries[:, None]).all()
    assert np.mean(after.indices == before.indices) > (0.99 if unit >= 1e-25 else 0.9)
    if unit >= 1e-25:  # numbers below 1e-38 have lost digits themselves
        np.testing.assert_allclose(after.distances / unit, before.distances, rtol=1e-4)


@pytest.mark.parametrize("unit", UNITS)
def test_look_alikes_are_the_same_in_every_unit(unit):
    points = cloud()
    before, after = twins(points), twins((points * unit).astype(np.float32))
    assert len(before.pairs) == 15
    assert {*map(tuple, after.pairs)} == {*map(tuple, before.pairs)}
    if unit >= 1e-25:
        np.testing.assert_allclose(
            np.sort(after.distances) / unit, np.sort(before.distances), rtol=1e-2
        )


@given(EXPONENTS, some.integers(0, 9), some.sampled_from([3, 80]))
def test_a_power_of_two_changes_no_bit(exponent, seed, width):
    points = cloud(90, width, seed)
    scaled = np.ldexp(points, exponent)
    clusters = (points[:, 0] > 0).astype(np.int32)
    for queries in (None, np.arange(2)):
        before, after = (k_nearest(each, 4, queries) for each in (points, scaled))
        assert np.array_equal(before.indices, after.indices)
        assert np.array_equal(np.ldexp(before.distances, exponent), after.distances)
    before, after = twins(points), twins(scaled)
    assert np.array_equal(before.pairs, after.pairs)
    assert np.array_equal(np.ldexp(before.distances, exponent), after.distances)
    before, after = (feature_differences(each, clusters, 2) for each in (points, scaled))
    np.testing.assert_allclose(after.standardised, before.standardised, rtol=1e-9)
    np.testing.assert_allclose(np.ldexp(before.inside, exponent), after.inside, rtol=1e-9)
    assert np.array_equal(
        np.ldexp(features.named(points, np.arange(9))[0], exponent),
        features.named(scaled, np.arange(9))[0],
    )


@pytest.mark.parametrize("unit", UNITS)
def test_the_rules_for_clusters_are_the_same_in_every_unit(unit):
    points = cloud()
    clusters = ((points[:, 0] > 0).astype(np.int32) + 2 * (points[:, 1] > 0.3)).astype(np.int32)
    before = surrogate_tree.surrogate(points, clusters)
    after = surrogate_tree.surrogate((points * unit).astype(np.float32), clusters)
    assert before.fidelity[1] > 0.9
    np.testing.assert_allclose(after.fidelity, before.fidelity, atol=0.03)
    first, scaled = before.tree(2)[0], after.tree(2)[0]
    assert (scaled.feature, scaled.threshold) == (
        first.feature,
        pytest.approx(first.threshold * unit, rel=1e-2 if unit >= 1e-25 else 0.5),
    )


def test_equal_rows_and_images_are_none_the_worse():
    assert nearest_neighbours.k_nearest(np.zeros((9, 2), np.float32), 2).distances.max() == 0
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    images[3] = images[8]
    assert twins(images).pairs.tolist()[0] == [3, 8]

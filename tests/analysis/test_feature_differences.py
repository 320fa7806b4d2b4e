"""What differs in a cluster, checked by hand and against the plain definition."""

import numpy as np
import pytest

from clustlab.analysis.feature_differences import CHUNK, LEAST, feature_differences


def by_definition(items, clusters, cluster):
    inside, outside = items[clusters == cluster], items[clusters != cluster]
    gap = inside.mean(0, np.float64) - outside.mean(0, np.float64)
    return gap / np.sqrt((inside.var(0, np.float64) + outside.var(0, np.float64)) / 2)


@pytest.mark.parametrize("n", [50, 2 * CHUNK + 7])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_each_feature_is_compared_with_the_rest_noise_among_them(n, offset):
    draw = np.random.default_rng(0)
    clusters = draw.integers(-1, 3, n)
    items = (draw.normal(offset, 2, (n, 4)) + clusters[:, None] * [0, 1, -2, 5]).astype(np.float32)
    told = feature_differences(items, clusters, 4)
    for cluster in range(3):
        wanted = by_definition(items, clusters, cluster)
        np.testing.assert_allclose(told.standardised[cluster], wanted, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(
            told.inside[cluster], items[clusters == cluster].mean(0, np.float64), rtol=1e-5
        )
    assert np.isnan(told.standardised[3]).all()  # empty


def test_by_hand():
    items = np.array([[0, 1], [2, 1], [10, 1], [12, 1]], np.float32)
    told = feature_differences(items, np.array([0, 0, 1, 1]), 2)
    assert told.standardised.tolist() == [[-10, 0], [10, 0]]
    assert told.inside[0].tolist() == [1, 1]
    assert told.outside[0].tolist() == [11, 1]


def test_a_feature_that_is_constant_in_both_groups_stays_finite():
    items = np.array([[0], [0], [1], [1]], np.float32)
    told = feature_differences(items, np.array([0, 0, 1, 1]), 2)
    assert told.standardised[:, 0] == pytest.approx([-2 / LEAST, 2 / LEAST])

"""The figures of the lesson on reading pictures, on cases solved by hand."""

import numpy as np
import pytest

from clustlab.analysis.metrics import silhouette
from clustlab.course.on_points import toy
from clustlab.lessons import honest_pictures as lesson


def test_a_picture_agrees_with_itself_and_with_its_mirror_image():
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    assert lesson.agreement(points, -points) == pytest.approx((1, 1))
    assert lesson.kept_neighbours(points, points * [3, -3]) == 1
    other = np.random.default_rng(1).normal(size=(60, 2)).astype(np.float32)
    assert lesson.kept_neighbours(points, other) < 0.3


def test_a_layout_follows_its_seed_and_keeps_groups_together():
    rows, ids = lesson.three_groups(1.0, 4.0)
    points = lesson.laid_out(rows, 1)
    np.testing.assert_array_equal(points, lesson.laid_out(rows, 1))
    assert silhouette(points, ids) > 0.5
    assert not np.allclose(points, lesson.laid_out(rows, 2))


def test_ratios_of_groups_by_hand():
    points = np.array([[0.0, -1], [0, 1], [4, -3], [4, 3], [0, 11], [0, 13]])
    width, distance = lesson.ratios(points, np.array([0, 0, 1, 1, 2, 2]))
    assert width == pytest.approx(3)
    assert distance == pytest.approx(3)


@pytest.mark.parametrize("seed", range(3))
def test_noise_scores_as_the_prediction_says_whatever_the_draw(seed):
    assert lesson.of_noise(4, seed)[2] > 0.25


def test_the_silhouette_of_one_point_is_that_of_scikit_learn():
    from sklearn.metrics import silhouette_samples

    a, b = lesson.two_gaps("moons", 0, 0)
    data = toy("moons", 0.05)
    wanted = silhouette_samples(data.items, data.labels)[0]
    assert (b - a) / max(a, b) == pytest.approx(wanted, abs=1e-4)


def test_matching_gives_no_class_twice():
    matched, right, pure = lesson.scores_of(np.array([[0, 30, 30], [14, 0, 0], [16, 0, 0]]))
    assert sorted(matched[matched >= 0]) == sorted(set(matched[matched >= 0]))
    assert right == pytest.approx(46 / 90)
    assert pure == pytest.approx(60 / 90)
    assert lesson.scores_of(lesson.COUNTS)[1] == 1

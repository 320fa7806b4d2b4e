"""The figures of the lesson on what clustering assumes, on cases solved by hand."""

import numpy as np
import pytest

from clustlab.course import on_points
from clustlab.lessons import assumptions
from clustlab.views import ground

SQUARE = np.array([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0]])


def test_half_rounds_assign_then_move_as_by_hand():
    start, assigned, moved = on_points.half_steps(SQUARE, np.array([[0.0, 0.0], [4.0, 0.0]]), 2)
    assert np.isnan(start[2])
    assert start[1].tolist() == [-1] * 4
    assert assigned[1].tolist() == [0, 0, 1, 1]
    assert assigned[2] == pytest.approx(8.0)  # two points at distance 2
    np.testing.assert_allclose(moved[0], [[0, 1], [4, 1]])
    assert moved[2] == pytest.approx(4.0)  # four points at distance 1


@pytest.mark.parametrize("seed", range(5))
def test_no_half_round_raises_the_inertia(seed):
    rng = np.random.default_rng(seed)
    steps = on_points.half_steps(rng.normal(size=(60, 2)), rng.normal(size=(4, 2)), 30)
    inertia = np.array([step[2] for step in steps[1:]])
    assert (np.diff(inertia) <= 1e-3).all()


def test_the_arithmetic_of_a_centre_ends_in_the_mean_of_its_items():
    values = {"points": assumptions.NINE, "moves": 2.0}
    numbers = assumptions._two_moves(values, ())[-1]
    for row in range(3):
        shown = numbers.table["centre x"].iloc[row]
        assert f"= {shown:.2f}$" in numbers.arithmetic(row, "centre x")


def test_responsibilities_half_way_between_two_equal_components_are_even():
    import torch

    from clustlab.parts.clustering.gaussian_mixture import Mixture

    half = torch.tensor([0.5, 0.5]).double()
    means = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]).double()
    joint, shares = on_points.answers(
        Mixture(half, means, torch.ones(2).double(), "spherical"), np.array([[0.0, 3.0], [1, 0]])
    )
    np.testing.assert_allclose(shares[0], [0.5, 0.5])
    np.testing.assert_allclose(shares[1], np.array([np.exp(-2), 1]) / (1 + np.exp(-2)))
    assert joint[1, 1] == pytest.approx(0.5 / (2 * np.pi))


@pytest.mark.parametrize("seed", range(3))
def test_what_the_predictions_teach_holds_for_other_draws_too(seed):
    scores = on_points.scores("unequal-sizes", seed)
    assert min(scores, key=scores.get) == "spectral"
    assert scores["k-means"] == 1  # with the noise of that step, which says so
    assert assumptions.in_largest("unequal-sizes", seed)[0] >= 2
    assert assumptions.in_largest("unequal-sizes", seed, on_points.NARROW)[0] == 1
    data = on_points.bridge(seed)
    found = on_points.last_of("agglomerative", data.items, 2, linkage="single")
    assert np.bincount(found.assignments).min() < 10


def test_two_steps_on_unequal_groups_say_that_their_noise_differs():
    steps = assumptions.LESSON.steps
    noise = [{c.name: c.value for c in step.controls}["noise"] for step in (steps[2], steps[6])]
    assert noise[0] == 2 * noise[1]
    assert "The noise is half of that in step 3" in steps[6].text
    said = assumptions._where_centers_go({"shape": "unequal-sizes", "noise": noise[0]}, ())[1]
    assert f"With a noise of {noise[1]} instead of {noise[0]}" in said
    apart = on_points.scores("unequal-sizes", 0, noise[1])["k-means"]
    assert f"accuracy is {apart:.2f}: a narrow group" in said


def test_every_method_is_perfect_on_some_shape_and_most_fail_on_one():
    shapes = assumptions.LESSON.steps[6].controls[0].options
    table = [on_points.scores(shape, 0) for shape in shapes]
    best = {name: max(row[name] for row in table) for name in on_points.CONTEST}
    worst = {name: min(row[name] for row in table) for name in on_points.CONTEST}
    assert set(best.values()) == {1.0}
    assert sum(value < 0.7 for value in worst.values()) >= 3


def test_a_shift_moves_pixels_and_lets_black_in():
    image = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3, 1)
    assert assumptions.shifted(image, 1)[0, :, :, 0].tolist() == [[0, 1, 2], [0, 4, 5], [0, 7, 8]]
    assert (assumptions.shifted(image, 0) == image).all()


def test_a_scene_puts_a_dot_where_its_point_is_and_leaves_the_rest_clear():
    extent = (0.0, 10.0, 0.0, 10.0)
    picture = ground.scene(extent, np.array([[2.0, 8.0]]), np.array([0]), size=(100, 100))
    assert picture[20, 20, 3] == 255
    assert picture[80, 80, 3] == 0
    places = ground.grid(extent, (100, 100))
    np.testing.assert_allclose(places[[0, -1]], [[0.05, 9.95], [9.95, 0.05]])
    line = ground.ellipse(np.array([1.0, 2.0]), np.diag([4.0, 1.0]), 1.0)
    assert np.ptp(line[:, 0]) == pytest.approx(4.0)

"""Arithmetic of the lesson on information, solved by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.lessons import information
from clustlab.methods.rim import rim_loss


def test_entropies_of_two_sure_items_and_two_unsure_ones():
    full, doubt = information.entropies(np.array([[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5]]))
    assert full == pytest.approx(math.log(2))
    assert doubt == pytest.approx(math.log(2) / 2)


def test_information_is_the_loss_of_rim_without_its_weights():
    full, doubt = information.entropies(information.ANSWERS)
    loss = float(rim_loss(torch.as_tensor(information.ANSWERS), [torch.zeros(1)], 1.0))
    assert full - doubt == pytest.approx(-loss)


def test_sharpening_by_one_changes_nothing_and_by_zero_makes_all_even():
    np.testing.assert_allclose(information.sharpened(1.0), information.ANSWERS)
    np.testing.assert_allclose(information.sharpened(0.0), 1 / 3)


@pytest.mark.parametrize("way", information.WAYS)
def test_every_division_is_balanced_and_reaches_the_ceiling(way):
    clusters = information.divided(way)
    assert np.bincount(clusters).tolist() == [50, 50, 50]
    full, doubt = information.entropies(np.eye(3)[clusters])
    assert full - doubt == pytest.approx(math.log(3))


def test_only_one_of_the_divisions_keeps_the_groups_whole():
    whole = np.repeat(np.arange(3), 50)
    kept = [np.array_equal(information.divided(way), whole) for way in information.WAYS]
    assert kept == [True, False, False]


@given(st.floats(-2, 2), st.floats(0.5, 5))
def test_steeper_borders_are_surer(at, slope):
    gentle, steep = (
        information.entropies(information.border(at, s))[1] for s in (slope, 2 * slope)
    )
    assert steep <= gentle + 1e-12


def test_a_gentle_border_is_best_in_the_gap():
    places = np.linspace(-2.5, 2.5, 51)
    found = [np.subtract(*information.entropies(information.border(x, 3.0))) for x in places]
    assert abs(places[int(np.argmax(found))]) < 0.5


def test_the_size_of_a_change_is_a_share_of_the_distance():
    half = information.sizes_by_digit(10, 0.5)
    np.testing.assert_allclose(half, 2 * information.sizes_by_digit(10, 0.25))
    assert (information.distances(20) >= information.distances(10)).all()


@pytest.mark.parametrize(("d", "part"), [(1, 1.0), (2, 2 / math.pi), (3, 0.5)])
def test_the_part_of_a_random_change_along_one_direction(d, part):
    assert information.part_along(d) == pytest.approx(part, abs=0.02)


def test_in_many_dimensions_the_rule_of_the_formula_holds():
    for d in (16, 64, 128):
        assert information.part_along(d) == pytest.approx(math.sqrt(2 / (math.pi * d)), rel=0.05)

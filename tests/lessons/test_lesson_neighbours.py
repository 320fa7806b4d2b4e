"""Arithmetic of the lesson on contrast and neighbours, solved by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.lessons import neighbours
from clustlab.parts.losses.nt_xent import nt_xent


def test_the_share_of_the_copy_by_hand():
    cosine, share = neighbours.finding(60.0, 1.0)
    by_hand = [math.cos(math.radians(x)) for x in (60, 35, 100, 160)]
    np.testing.assert_allclose(cosine, by_hand, atol=1e-6)
    weights = np.exp(by_hand)
    np.testing.assert_allclose(share, weights / weights.sum(), atol=1e-6)


@given(st.integers(2, 40), st.floats(0.1, 2))
def test_rows_that_are_all_alike_cost_what_guessing_costs(n, temperature):
    found = neighbours.contrast("all alike", n, temperature)
    assert found == pytest.approx(math.log(2 * n - 1))
    assert neighbours.contrast("copies found", n, temperature) < found


def test_the_share_is_the_one_in_the_loss_that_trains():
    rows = torch.as_tensor(neighbours.directions(20.0)[:2])
    assert float(nt_xent(rows[:1], rows[1:], 0.5)) == pytest.approx(0)  # nothing but the copy
    _, share = neighbours.finding(20.0, 0.05)
    assert share[0] > 0.9


def test_what_pairs_of_answers_cost():
    names, _, _ = neighbours.agreement_table()
    costs = dict(zip(names, neighbours.agreement_costs(), strict=True))
    assert costs["equal but unsure"] == pytest.approx(math.log(2))
    assert costs["even"] == pytest.approx(math.log(3))
    assert costs["one sure, one not"] == pytest.approx(-math.log(0.495))
    assert costs["sure and different"] == pytest.approx(-math.log(2 * 0.0098 + 0.0001))
    assert min(costs, key=costs.get) == "sure and equal"


@pytest.mark.parametrize("seed", range(3))
def test_the_entropy_keeps_all_clusters_in_use(seed):
    assert len(np.unique(neighbours.trained(5.0, seed).argmax(1))) == 3
    assert len(np.unique(neighbours.trained(0.0, seed).argmax(1))) < 3


def test_no_digit_is_its_own_neighbour_and_more_neighbours_err_more():
    found = neighbours.table_of_neighbours()
    assert (found != np.arange(len(found))[:, None]).all()
    assert neighbours.purity(1) > neighbours.purity(20) > neighbours.purity(50) > 0.5

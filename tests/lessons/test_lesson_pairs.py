"""Arithmetic of the lesson on pairs, solved by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis.shares import percent
from clustlab.lessons import pairs


def test_cosines_of_four_answers_are_those_on_paper():
    s = pairs.cosines(np.log(pairs.four(0.6)))
    assert s[0, 1] == pytest.approx(0.257576, abs=1e-6)
    assert s[0, 3] == pytest.approx(0.94374, abs=1e-5)
    assert s[1, 3] == pytest.approx(0.562614, abs=1e-6)
    np.testing.assert_allclose(np.diag(s), 1)


def test_pairs_are_judged_by_the_two_thresholds():
    s = np.array([[1.0, 0.96, 0.7], [0.96, 1.0, 0.3], [0.7, 0.3, 1.0]])
    assert pairs.kinds(s, 0.0).tolist() == [[-1, 0, 2], [0, -1, 1], [2, 1, -1]]
    np.testing.assert_allclose(pairs.shares(s, 0.0), 1 / 3)
    np.testing.assert_allclose(pairs.shares(s, 0.45), [2 / 3, 1 / 3, 0])  # both are 0.5


def test_precision_counts_the_right_ones_of_both_kinds():
    s = np.array([[1.0, 0.96, 0.97], [0.96, 1.0, 0.3], [0.97, 0.3, 1.0]])
    assert pairs.precision(s, 0.0, np.array([0, 0, 1])) == (0.5, 1.0)
    similar, dissimilar = pairs.precision(np.eye(3), 0.0, np.array([0, 0, 1]))
    assert np.isnan(similar)
    assert dissimilar == pytest.approx(2 / 3)


@given(st.floats(0, 0.45))
def test_shares_sum_to_one_and_fewer_are_left_out_later(lam):
    s = pairs.cosines(np.random.default_rng(0).normal(0, 3, (40, 5)))
    now, later = pairs.shares(s, lam), pairs.shares(s, min(0.45, lam + 0.05))
    assert now.sum() == pytest.approx(1)
    assert later[2] <= now[2]


@pytest.mark.parametrize("seed", range(3))
def test_an_untrained_network_is_better_than_chance_and_far_from_right(seed):
    scores, labels = pairs.some(seed)
    assert 0.12 < pairs.precision(pairs.cosines(scores), 0.0, labels)[0] < 0.5


def test_small_scores_make_all_pairs_similar():
    scores, _ = pairs.some(0)
    assert pairs.shares(pairs.cosines(scores * 0.01), 0.0)[0] > 0.99


def test_the_last_epoch_of_the_run_has_nearly_closed_the_gap():
    upper, lower = pairs.limits(pairs.lam_of(pairs.EPOCHS))
    assert 0 < upper - lower < 0.03
    assert pairs.limits(pairs.lam_of(0)) == pairs.limits(pairs.lam_of(1)) == (0.95, 0.455)


def test_the_right_pairs_of_an_untrained_network_outweigh_those_with_any_one_other_digit():
    said = pairs._first_pairs({"seed": 0.0}, ())[1]
    scores, labels = pairs.some(0)
    similar = pairs.kinds(pairs.cosines(scores), 0.0) == 0
    right = (labels[:, None] == labels[None, :])[similar].mean()
    assert f"{percent(right)}, of {similar.sum() // 2:,} pairs" in said
    assert f"{percent((1 - right) / 9)} for each on average" in said
    assert right / ((1 - right) / 9) > 1.5

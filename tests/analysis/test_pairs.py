"""What labels say about chosen pairs, counted by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import pairs
from clustlab.methods import dac

# sure of a, of a, of b, and of neither: cosines 1, 0 and 1 / sqrt(2)
ANSWERS = np.array([[1, 0], [1, 0], [0, 1], [0.5, 0.5]], dtype=np.float32)
LIMITS = (0.95, 0.455)


def test_cosines_of_four_answers_are_those_on_paper():
    h = math.sqrt(0.5)
    expected = [[1, 1, 0, h], [1, 1, 0, h], [0, 0, 1, h], [h, h, h, 1]]
    np.testing.assert_allclose(pairs.cosines(ANSWERS), expected, atol=1e-6)


def test_an_answer_without_any_weight_resembles_nothing():
    assert pairs.cosines(np.array([[0.0, 0.0], [1.0, 0.0]])).tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 1, 1], (1.0, 1.0)),
        ([0, 1, 1, 1], (0.0, 0.5)),  # 0-1 is wrong; 0-2 is right, 1-2 is not
        ([0, 0, 0, 0], (1.0, 0.0)),
        ([0, 1, 2, 0], (0.0, 1.0)),
    ],
)
def test_precision_of_four_items(labels, expected):
    # similar: 0-1; dissimilar: 0-2 and 1-2; the last item is left out of every pair
    assert pairs.precision(ANSWERS, np.array(labels), LIMITS) == expected


def test_with_lower_thresholds_the_doubtful_item_joins_in():
    similar, dissimilar = pairs.precision(ANSWERS, np.array([0, 0, 1, 1]), (0.7, 0.455))
    assert similar == 0.5  # 0-1 and 2-3 are right, 0-3 and 1-3 are not
    assert dissimilar == 1.0


def test_items_without_a_label_are_left_out():
    assert pairs.precision(ANSWERS, np.array([0, -1, 1, 1]), LIMITS)[1] == 1.0
    assert math.isnan(pairs.precision(ANSWERS, np.array([0, -1, 1, 1]), LIMITS)[0])
    assert all(map(math.isnan, pairs.precision(ANSWERS, np.full(4, -1), LIMITS)))


def test_a_sample_is_labelled_and_the_same_each_time():
    labels = np.where(np.arange(500) % 2, 1, -1)
    rows = pairs.sample(labels, 100)
    assert len(np.unique(rows)) == 100
    assert (labels[rows] == 1).all()
    assert rows.tolist() == pairs.sample(labels, 100).tolist()
    assert pairs.sample(labels, 1000).tolist() == np.flatnonzero(labels > 0).tolist()
    assert pairs.sample(None).tolist() == []


def test_by_chance_pairs_are_right_as_often_as_classes_are_large():
    assert pairs.by_chance(np.array([0, 0, 1, -1])) == pytest.approx((1 / 3, 2 / 3))
    assert all(map(math.isnan, pairs.by_chance(np.array([-1, 3]))))


@given(st.integers(0, 10_000), st.floats(0.5, 1.1), st.floats(-0.1, 0.5))
def test_shares_are_shares_and_nan_without_such_a_pair(seed, upper, lower):
    rng = np.random.default_rng(seed)
    p, labels = rng.dirichlet([0.3] * 4, 12), rng.integers(4, size=12)
    found = pairs.precision(p, labels, (upper, lower))
    for share, taken in zip(found, pairs.chosen(pairs.cosines(p), upper, lower), strict=True):
        assert math.isnan(share) if not taken.any() else 0 <= share <= 1


@given(st.integers(0, 10_000), st.floats(0, 0.45))
def test_the_pairs_are_those_that_dac_chooses(seed, lam):
    scores = torch.from_numpy(np.random.default_rng(seed).normal(0, 3, (20, 5)))
    rows, limits = dac.label_features(scores), dac.thresholds(lam)
    theirs = dac.choose_pairs(rows @ rows.T, *limits)
    ours = pairs.chosen(pairs.cosines(scores.softmax(1).numpy()), *limits)
    for a, b in zip(ours, theirs, strict=True):
        assert np.array_equal(a, b.numpy())


def test_thresholds_of_a_run_begin_with_those_of_its_first_epoch():
    def record(upper=None):
        limits = {} if upper is None else {"upper_threshold": upper, "lower_threshold": 0.4}
        return {"scalars": {"loss": 1.0, **limits}}

    assert pairs.thresholds([record(), record(0.9), record(0.8)]) == [
        (0.9, 0.4),
        (0.9, 0.4),
        (0.8, 0.4),
    ]
    assert pairs.thresholds([record()]) == []
    assert pairs.thresholds([]) == []

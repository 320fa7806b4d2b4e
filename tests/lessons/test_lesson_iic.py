"""Arithmetic of the lesson on IIC, solved by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.lessons import iic
from clustlab.methods.iic import iic_loss


def test_the_joint_matrix_of_four_pairs_is_the_one_on_paper():
    joint = iic.joint_of(*iic.answers_to("differ a little"))
    by_hand = [[0.195, 0.1175, 0.0625], [0.1175, 0.1925, 0.0525], [0.0625, 0.0525, 0.1475]]
    np.testing.assert_allclose(joint, by_hand, atol=1e-9)
    entropy, left = iic.information(joint)
    assert entropy - left == pytest.approx(0.0960235, abs=1e-6)


def test_a_pair_in_two_clusters_counts_half_in_each_of_two_cells():
    one, other = np.eye(3)[[0, 0, 1]], np.eye(3)[[0, 1, 1]]  # of three pairs one is in a and b
    joint = iic.joint_of(one, other)
    np.testing.assert_allclose(joint, [[1 / 3, 1 / 6, 0], [1 / 6, 1 / 3, 0], [0, 0, 0]])
    text = iic.LESSON.steps[1].text
    assert "split evenly between the cells (a, b) and (b, a)" in text
    assert "Cell (a, b) of the result is the share of pairs" not in text


def test_the_joint_matrix_of_a_run_is_told_as_shares_of_all_pairs():
    from clustlab.parts.losses.information import joint_artefacts

    p = torch.eye(3)[[0, 0, 1]]
    shown = joint_artefacts(p, p.roll(1, 0))["joint"]
    assert float(shown.data.sum()) == pytest.approx(1)  # the whole matrix, not each row
    assert "share of all pairs" in shown.reading
    assert "split evenly between (i, j) and (j, i)" in shown.reading


def test_information_of_a_matrix_is_the_loss_that_iic_trains_with():
    one, other = (torch.as_tensor(x) for x in iic.answers_to("differ a little"))
    entropy, left = iic.information(iic.joint_of(one.numpy(), other.numpy()))
    assert entropy - left == pytest.approx(-float(iic_loss(one, other)), abs=1e-9)


def test_an_even_diagonal_is_the_maximum_and_an_uneven_one_is_its_entropy():
    entropy, left = iic.information(np.eye(3))
    assert (entropy, left) == (pytest.approx(math.log(3)), pytest.approx(0, abs=1e-9))
    entropy, left = iic.information(np.diag([4.0, 1.0, 1.0]))
    by_hand = -(2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 6))
    assert entropy - left == pytest.approx(by_hand)
    assert left == pytest.approx(0, abs=1e-9)


@given(st.lists(st.floats(0, 9), min_size=9, max_size=9).filter(lambda x: sum(x) > 0.1))
def test_no_grid_beats_the_maximum_or_falls_below_zero(cells):
    entropy, left = iic.information(np.reshape(cells, (3, 3)))
    assert -1e-9 <= entropy - left <= math.log(3) + 1e-9


@pytest.mark.parametrize("k", [2, 5, 10])
@pytest.mark.parametrize("kind", ["all in one", "never sure", "at random"])
def test_cheating_earns_nothing(kind, k):
    entropy, left = iic.information(iic.cheat(kind, k))
    assert entropy - left == pytest.approx(0, abs=1e-9)


def test_a_merge_costs_what_it_costs_by_hand():
    lost, errors = iic.costs(10)[:, 1], iic.costs(10)[:, 2]
    assert lost[0] == pytest.approx(0, abs=1e-9)
    assert lost[1] == pytest.approx(0.2 * math.log(2))  # 0.139: the free cluster stays empty
    assert lost[2] == pytest.approx(0.1 * math.log(2))  # 0.069: it takes half of a third class
    assert lost[3] == pytest.approx(0.2 * math.log(2) - 0.8 * math.log(9 / 8))  # 0.044
    np.testing.assert_allclose(errors, [0, 0.1, 0.15, 0.1 + 0.8 / 9])


def test_no_cut_of_one_other_class_costs_less_than_an_even_one():
    even = iic.costs(10)[2, 1]
    for share in np.linspace(0.01, 0.99, 25):
        sizes = np.array([0.2, 0.1 * share, 0.1 * (1 - share), *[0.1] * 7])
        entropy, left = iic.information(np.diag(sizes))
        assert math.log(10) - entropy + left >= even - 1e-12


def test_an_empty_grid_is_answered_in_words():
    (part,) = iic._by_hand({"grid": ((0.0,) * 3,) * 3}, ())
    assert "write a number" in part.text

"""Consensus: trust, cut and votes by hand, and an ensemble that is better than its members."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from clustlab.context import Context
from clustlab.methods.consensus import LAYERS, Consensus, ensemble
from clustlab.parts.clustering.kmeans import kmeans
from tests.support.fakes import blocks

# three divisions of six items: the first two agree, the third tears their first cluster apart
MEMBERS = np.array([[0, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1], [1, 1, 2], [1, 1, 2]])
TINY = {
    "n_clusters": 3,
    "epochs": 2,
    "n_rounds": 2,
    "batch_size": 20,
    "width": 4,
}


def cut(members, k, theta=0.4):
    """Division of the ensemble into k groups."""
    found = ensemble.memberships(members)
    weights = ensemble.trust(found, members.shape[1], theta)
    rows = torch.from_numpy(ensemble.common_rows(found, weights, k)).float()
    return kmeans(rows, k, Context(), n_init=10).assignments.numpy()


def accuracy(truth, found):
    """Share put right by the best renaming of clusters."""
    table = np.zeros((found.max() + 1, truth.max() + 1))
    np.add.at(table, (found, truth), 1)
    rows, columns = linear_sum_assignment(-table)
    return table[rows, columns].sum() / len(truth)


# by hand ----------------------------------------------------------------------------------------
def test_every_item_is_in_one_cluster_of_each_division():
    found = ensemble.memberships(MEMBERS).toarray()
    expected = (
        [[1, 0, 1, 0, 1, 0, 0]] * 2 + [[1, 0, 1, 0, 0, 1, 0]] * 2 + [[0, 1, 0, 1, 0, 0, 1]] * 2
    )
    np.testing.assert_array_equal(found, expected)


def test_uncertainty_is_what_the_others_tear_apart():
    # the first cluster is halved by the third division: one bit; all others are whole everywhere
    found = ensemble.uncertainty(ensemble.memberships(MEMBERS))
    np.testing.assert_allclose(found, [1, 0, 1, 0, 0, 0, 0], atol=1e-12)


def test_trust_by_hand():
    weights = ensemble.trust(ensemble.memberships(MEMBERS), 3, theta=0.4)
    half = np.exp(-1 / 1.2)
    np.testing.assert_allclose(weights, [half, 1, half, 1, 1, 1, 1])


def test_the_cut_follows_what_most_divisions_say():
    found = cut(MEMBERS, 2)
    assert len(set(found[:4])) == len(set(found[4:])) == 1
    assert found[0] != found[4]
    three = cut(MEMBERS, 3)
    np.testing.assert_array_equal(three[::2], three[1::2])
    assert len(set(three.tolist())) == 3


def test_rows_span_what_the_full_decomposition_finds():
    rng = np.random.default_rng(0)
    members = rng.integers(0, 4, (40, 5))
    found = ensemble.memberships(members)
    weights = ensemble.trust(found, 5)
    edges = found.toarray() * weights
    scaled = edges / np.sqrt(edges.sum(1, keepdims=True)) / np.sqrt(edges.sum(0, keepdims=True))
    left, values, _ = np.linalg.svd(scaled)
    expected = left[:, :3] / np.sqrt(edges.sum(1, keepdims=True))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    rows = ensemble.common_rows(found, weights, 3)
    np.testing.assert_allclose(rows @ rows.T, expected @ expected.T, atol=1e-8)
    assert values[0] == pytest.approx(1)


def test_more_columns_than_clusters_are_filled_up():
    rows = ensemble.common_rows(ensemble.memberships(MEMBERS[:, :1]), np.ones(2), 5)
    assert rows.shape == (6, 5)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)


def test_support_and_together_by_hand():
    found, groups = ensemble.memberships(MEMBERS), np.array([0, 0, 1, 1, 2, 2])
    votes = ensemble.support(found, np.ones(7), groups, 3)
    np.testing.assert_allclose(votes, [2 / 3] * 4 + [1] * 2)  # halves of two clusters, one whole
    shares = ensemble.together(found, 3, groups, 3)
    np.testing.assert_allclose(shares, [[1, 2 / 3, 0], [2 / 3, 1, 0], [0, 0, 1]])


def test_agreement_does_not_see_names():
    table = ensemble.agreements(np.column_stack((MEMBERS[:, 0], 1 - MEMBERS[:, 0], MEMBERS[:, 2])))
    assert table[0, 1] == pytest.approx(1)
    assert table[0, 2] == table[2, 0] < 1


def test_numbers_of_empty_clusters_are_left_out():
    np.testing.assert_array_equal(ensemble.numbered(np.array([7, 2, 7, 5])), [2, 0, 2, 1])


# as properties ----------------------------------------------------------------------------------
@given(n=st.integers(3, 30), m=st.integers(1, 6), seed=st.integers(0, 99))
def test_weights_and_shares_stay_in_their_bounds(n, m, seed):
    rng = np.random.default_rng(seed)
    columns = [ensemble.numbered(rng.integers(0, 1 + seed % 5, n)) for _ in range(m)]
    members, groups = np.column_stack(columns), rng.integers(0, 3, n)
    found = ensemble.memberships(members)
    weights = ensemble.trust(found, m)
    assert ((weights > 0) & (weights <= 1)).all()
    votes = ensemble.support(found, weights, groups, 3)
    shares = ensemble.together(found, m, groups, 3)
    assert ((votes >= 0) & (votes <= 1 + 1e-9)).all()
    assert ((shares >= 0) & (shares <= 1 + 1e-9)).all()
    np.testing.assert_allclose(shares, shares.T)


@pytest.mark.parametrize("seed", range(5))
def test_the_consensus_is_better_than_its_members(seed):
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(4), 100)
    columns = []
    for _ in range(12):
        fine = truth * 2 + rng.integers(0, 2, 400)  # every class in two parts
        wrong = rng.random(400) < 0.25
        columns.append(ensemble.numbered(np.where(wrong, rng.integers(0, 8, 400), fine)))
    members = np.column_stack(columns)
    alone = [accuracy(truth, column) for column in columns]
    assert accuracy(truth, cut(members, 4)) > max(0.95, max(alone))


# a run ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def told():
    return list(Consensus(**TINY).iterate(blocks(90), Context(0)))


def test_each_round_adds_a_division_of_each_layer(told):
    rounds = [s for s in told if "divisions" in s.scalars]
    assert [s.scalars["divisions"] for s in rounds] == [len(LAYERS), 2 * len(LAYERS)]
    sizes = rounds[-1].artefacts["sizes"]
    assert sizes.columns[:2] == ("features 1", "features 2")
    assert ((sizes.data >= 2) & (sizes.data <= 9)).all()
    first = rounds[0].artefacts["sizes"].data[0]
    np.testing.assert_array_equal(sizes.data[0, ::2], first)  # none is drawn anew


def test_the_consensus_reaches_the_median_of_its_members():
    ctx, items = Context(0), blocks(90)
    *_, last = Consensus(**{**TINY, "epochs": 5}).iterate(items, ctx)
    members = ctx.final_checkpoint()["parts"]["members"]["numpy"].numpy()
    truth = np.arange(90) % 3
    alone = [accuracy(truth, column) for column in members.T]
    assert accuracy(truth, last.assignments) >= np.median(alone)


def test_the_matrix_of_pairs_starts_with_the_consensus(told):
    pairs = told[-1].artefacts["pairs"]
    assert pairs.rows[0] == "consensus"
    np.testing.assert_allclose(np.diag(pairs.data), 1)
    members = told[-1].artefacts["members"]
    np.testing.assert_allclose(pairs.data[0, 1:], members.data[0], rtol=1e-6)
    layers = told[-1].artefacts["layers"].data[0]
    np.testing.assert_allclose(members.data.reshape(4, 2).mean(1), layers, rtol=1e-6)
    mean = told[-1].scalars["agreement_with_consensus"]
    assert mean == pytest.approx(float(layers.mean()), rel=1e-5)

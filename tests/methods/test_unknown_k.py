"""Unknown K: the odds against known densities, splits and merges by hand, and how many it finds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clustlab.context import Context
from clustlab.methods.unknown_k import UnknownK
from clustlab.methods.unknown_k.split_merge import (
    Belief,
    accepted_pairs,
    both,
    group_statistics,
    halves,
    log_evidence,
    log_odds,
    merge,
    merge_odds,
    most_likely,
    numbered,
    refined,
    roundness,
    split,
    split_odds,
)
from tests.support.fakes import blocks

TINY = {
    "hidden_widths": "100-100-400",
    "epochs": 3,
    "layout_epochs": 40,
    "batch_size": 32,
    "n_neighbors": 8,
}


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def islands(k, each=60, d=2, apart=8.0):
    """Items (k * each, d) in k round islands on a line, and which island each is in."""
    middle = torch.zeros(k, d, dtype=torch.float64)
    middle[:, 0] = apart * torch.arange(k)
    truth = torch.arange(k).repeat_interleave(each)
    x = middle[truth] + drawn(k * each, d)
    x = x - x.mean(0)
    return x / x.square().mean().sqrt(), truth


def one(x):
    return group_statistics(x, torch.ones(len(x), 1, dtype=torch.float64))


# the evidence -----------------------------------------------------------------------------------
def test_evidence_of_one_item_is_a_student_t():
    belief = Belief(drawn(2), 0.7, torch.tensor([[2.0, 0.3], [0.3, 1.0]]).double(), 5.0)
    x = drawn(1, 2, seed=1)
    freedom = belief.nu - 2 + 1
    shape = belief.scatter * (belief.kappa + 1) / (belief.kappa * freedom)
    expected = stats.multivariate_t(belief.mean, shape, df=freedom).logpdf(x[0])
    assert float(log_evidence(belief, one(x))) == pytest.approx(float(expected))


@pytest.mark.slow
def test_evidence_is_the_integral_over_all_gaussians():
    belief, x = roundness(1, 0.5, 3.0), torch.tensor([[0.2], [1.1], [0.4]]).double()
    psi, nu = float(belief.scatter), belief.nu

    mean, variance = np.meshgrid(np.linspace(-12, 12, 2001), np.geomspace(1e-3, 200, 2001))
    density = stats.invgamma(nu / 2, scale=psi / 2).logpdf(variance)
    density += stats.norm.logpdf(mean, 0, np.sqrt(variance / belief.kappa))
    for value in x[:, 0].tolist():
        density += stats.norm.logpdf(value, mean, np.sqrt(variance))
    inner = np.trapezoid(np.exp(density), mean[0], axis=1)
    total = np.trapezoid(inner, variance[:, 0])
    assert math.exp(float(log_evidence(belief, one(x)))) == pytest.approx(total, rel=1e-3)


@given(n=st.integers(2, 20), d=st.integers(1, 4), seed=st.integers(0, 99))
def test_evidence_item_by_item_is_evidence_at_once(n, d, seed):
    x, belief = drawn(n, d, seed=seed), roundness(d, 0.3, 4.0)
    total = 0.0
    for i in range(n):  # density of an item given those before
        total += float(log_evidence(belief, one(x[: i + 1])))
        total -= float(log_evidence(belief, one(x[:i]))) if i else 0.0
    assert float(log_evidence(belief, one(x))) == pytest.approx(total)


def test_two_summaries_make_one():
    x = drawn(9, 3)
    found = both(one(x[:4]), one(x[4:]))
    torch.testing.assert_close(found.mean, one(x).mean)
    torch.testing.assert_close(found.scatter, one(x).scatter)


# the odds ---------------------------------------------------------------------------------------
def test_odds_by_their_formula():
    x, belief = drawn(10, 2), roundness(2, 0.5, 3.0)
    a, b = one(x[:6]), one(x[6:])
    apart = math.lgamma(6) + float(log_evidence(belief, a)) + math.lgamma(4)
    apart += float(log_evidence(belief, b))
    expected = math.log(3.0) + apart - math.lgamma(10) - float(log_evidence(belief, one(x)))
    assert float(log_odds(belief, a, b, 3.0)) == pytest.approx(expected)


def test_islands_are_two_and_the_halves_of_one_are_not():
    x, truth = islands(2)
    belief = roundness(2, 0.05, 5.0)
    assert float(merge_odds(x, truth, 2, belief, 10.0)[0, 1]) < -50
    alone, _ = islands(1, 200)
    cut = (alone[:, 0] > 0).long()
    assert float(merge_odds(alone, cut, 2, belief, 10.0)[0, 1]) > 10


def test_a_split_and_the_merge_of_its_sides_are_opposites():
    x, truth = islands(2)
    belief = roundness(2, 0.05, 5.0)
    whole = torch.zeros_like(truth)
    odds = split_odds(x, whole, truth, 1, belief, 10.0, 5)
    merged = merge_odds(x, truth, 2, belief, 10.0)
    assert float(odds[0]) == pytest.approx(-float(merged[0, 1]))


def test_halves_with_too_few_items_are_not_split():
    x, _ = islands(1, 20)
    side = torch.zeros(20, dtype=torch.long)
    side[:3] = 1
    whole, belief = torch.zeros_like(side), roundness(2, 0.05, 5.0)
    assert float(split_odds(x, whole, side, 1, belief, 10.0, 4)[0]) == -math.inf
    assert float(split_odds(x, whole, side, 1, belief, 10.0, 3)[0]) > -math.inf


def test_clusters_believed_to_be_wide_are_fewer():
    x, truth = islands(2, apart=4.0)
    narrow, wide = (
        float(merge_odds(x, truth, 2, roundness(2, variance, 50.0), 10.0)[0, 1])
        for variance in (0.1, 3.0)
    )
    assert narrow < -20 < 20 < wide


def test_halves_of_two_islands_are_the_islands():
    x, truth = islands(2)
    side = halves(x, torch.zeros_like(truth), 1, roundness(2, 0.05, 5.0), Context())
    assert abs(int((side == truth).sum()) - 60) == 60  # all or none: sides have no order
    lonely = halves(x[:1], truth[:1], 1, roundness(2, 0.05, 5.0), Context())
    assert lonely.tolist() == [0]


# the mixture ------------------------------------------------------------------------------------
def test_a_mixture_with_a_weak_belief_is_the_plain_one():
    x, truth = islands(2)
    belief = Belief(torch.zeros(2).double(), 1e-9, 1e-9 * torch.eye(2).double(), 1.0 + 1e-9)
    table = torch.nn.functional.one_hot(truth, 2).double()
    found = most_likely(belief, group_statistics(x, table), 1e-9)
    torch.testing.assert_close(found.weights, torch.tensor([0.5, 0.5]).double())
    torch.testing.assert_close(found.means[0], x[:60].mean(0))
    covariance = torch.cov(x[:60].T, correction=0) * 60 / 65  # N + nu + d + 2
    torch.testing.assert_close(found.covariances[0], covariance)


def test_a_cluster_without_items_is_what_was_believed():
    belief = roundness(2, 0.3, 6.0)
    found = most_likely(belief, group_statistics(drawn(4, 2), torch.zeros(4, 1).double()), 1.0)
    torch.testing.assert_close(found.means, torch.zeros(1, 2).double())
    torch.testing.assert_close(found.covariances[0], belief.scatter / (belief.nu + 4))


def test_rounds_of_the_mixture_sort_out_a_bad_start():
    x, truth = islands(2)
    start = truth.clone()
    start[:20] = 1
    _, p, _ = refined(x, start, 2, roundness(2, 0.05, 5.0), 10.0, 10)
    assert torch.equal(p.argmax(1), truth)
    torch.testing.assert_close(p.sum(1), torch.ones(120).double())


# bookkeeping ------------------------------------------------------------------------------------
def test_splits_and_merges_by_hand():
    z, side = torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 1, 0, 1, 1])
    assert split(z, side, np.array([0, 1])).tolist() == [0, 3, 1, 4, 2]
    assert split(z, side, np.array([], np.int64)).tolist() == z.tolist()
    assert merge(z, [(0, 2)]).tolist() == [0, 0, 1, 1, 0]
    found, k = numbered(torch.tensor([4, 0, 4, 7]))
    assert found.tolist() == [1, 0, 1, 2]
    assert k == 3


def test_a_cluster_is_in_one_merge_at_most_and_the_best_come_first():
    odds = torch.full((4, 4), -1e9)
    for a, b, value in [(0, 1, 5.0), (1, 2, 9.0), (0, 3, 2.0), (2, 3, 8.0)]:
        odds[a, b] = odds[b, a] = value
    assert accepted_pairs(odds, np.random.default_rng(0)) == [(1, 2), (0, 3)]


def test_even_odds_are_taken_half_of_the_time():
    odds = torch.tensor([[-math.inf, math.log(0.5)], [math.log(0.5), -math.inf]])
    rng = np.random.default_rng(0)
    taken = sum(len(accepted_pairs(odds, rng)) for _ in range(1000))
    assert 430 < taken < 570


# a run ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("n_start", [1, 2, 9])
def test_three_kinds_of_images_are_three_clusters_wherever_it_starts(n_start):
    settings = UnknownK(**TINY, n_start=n_start, belief=0.2)
    told = list(settings.iterate(blocks(150), Context()))
    last = told[-1]
    assert told[0].n_clusters == n_start
    assert last.n_clusters == last.scalars["clusters"] == 3
    for kind in range(3):
        assert len(set(last.assignments[kind::3].tolist())) == 1


def test_odds_of_the_snapshot_are_what_the_next_step_does():
    told = list(UnknownK(**TINY, n_start=2, max_iter=4).iterate(blocks(120), Context(1)))
    rounds = [s for s in told if "splits" in s.scalars]
    assert rounds[0].scalars["splits"] == rounds[0].scalars["merges"] == 0
    sure = int((rounds[0].artefacts["split odds"].data > 0).sum())
    assert rounds[1].scalars["splits"] >= sure
    assert rounds[1].scalars["merges"] == 0
    for step in rounds:
        k = step.n_clusters
        assert step.artefacts["halves"].data.shape[:2] == (2, k)
        assert step.artefacts["sizes"].data.sum() == 120

"""Mixtures of Gaussians: cases solved by hand, two second opinions, and what must hold."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture as TheirMixture

from clustlab.context import Context
from clustlab.datasets.toy import Toy
from clustlab.methods.gmm import GaussianMixture
from clustlab.methods.kmeans import KMeans
from clustlab.parts.clustering.gaussian_mixture import (
    Mixture,
    Posterior,
    bic,
    expect,
    log_joint,
    maximise,
)
from tests.support.mixtures import largest_fall

KINDS = pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
FOUR = torch.tensor([[-3.0], [-1.0], [1.0], [3.0]]).double()
HALVES = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1]]).double()


def cloud(seed=0, n=60, d=3, k=3):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(n, d)) * [1, 2, 0.5][:d] + 3 * rng.integers(0, k, (n, 1)))
    hard = torch.nn.functional.one_hot(torch.from_numpy(rng.integers(0, k, n)), k).double()
    return x, hard


def last(method, items, seed=0):
    *_, found = method.iterate(items, Context(seed))
    return found


def test_two_halves_of_four_numbers_are_fitted_by_hand():
    found = maximise(FOUR, HALVES, torch.zeros(2, 1).double(), "full", 0.0)
    assert found.weights.tolist() == [0.5, 0.5]
    assert found.means.tolist() == [[-2.0], [2.0]]
    assert found.covariances.flatten().tolist() == [1.0, 1.0]
    # both components are one unit away from their items: log N(1; 0, 1) = -(1 + ln 2 pi) / 2
    answers, log_likelihood = expect(FOUR, found)
    near, far = -0.5, [-(5**2) / 2, -(3**2) / 2]
    odds = [math.exp(f - near) for f in far]
    assert answers[0].tolist() == pytest.approx([1 / (1 + odds[0]), odds[0] / (1 + odds[0])])
    assert answers[1].tolist() == pytest.approx([1 / (1 + odds[1]), odds[1] / (1 + odds[1])])
    expected = [near + math.log1p(o) - math.log(2 * math.pi) / 2 + math.log(0.5) for o in odds]
    assert log_likelihood == pytest.approx(np.mean(expected))


def test_an_item_in_the_middle_belongs_to_both():
    found = maximise(FOUR, HALVES, torch.zeros(2, 1).double(), "full", 0.0)
    answers, _ = expect(torch.zeros(1, 1).double(), found)
    assert answers[0].tolist() == pytest.approx([0.5, 0.5])


@KINDS
def test_densities_are_those_of_scipy(kind):
    # this would see a weight counted once a dimension, or a variance without its half
    x, hard = cloud()
    found = maximise(x, hard, x[:3], kind, 1e-3)
    factors = found.factors()
    covariances = (factors @ factors.mT).numpy()
    for j in range(3):
        theirs = multivariate_normal(found.means[j].numpy(), covariances[j]).logpdf(x.numpy())
        expected = theirs + math.log(float(found.weights[j]))
        assert log_joint(x, found)[:, j].numpy() == pytest.approx(expected, abs=1e-9)


@KINDS
def test_rounds_agree_with_scikit_learn_from_the_same_start(kind):
    x, hard = cloud()
    ours = maximise(x, hard, x[:3], kind, 1e-6)
    precisions = {
        "full": lambda c: torch.linalg.inv(c),
        "tied": lambda c: torch.linalg.inv(c),
        "diag": lambda c: 1 / c,
        "spherical": lambda c: 1 / c,
    }[kind](ours.covariances)
    theirs = TheirMixture(
        3,
        covariance_type=kind,
        weights_init=ours.weights.numpy(),
        means_init=ours.means.numpy(),
        precisions_init=precisions.numpy(),
        max_iter=5,
        tol=0.0,
    )
    with pytest.warns(match="did not converge"):
        theirs.fit(x.numpy())
    for _ in range(5):
        ours = maximise(x, expect(x, ours)[0], ours.means, kind, 1e-6)
    assert ours.means.numpy() == pytest.approx(theirs.means_, abs=1e-6)
    assert ours.covariances.numpy() == pytest.approx(theirs.covariances_, abs=1e-6)
    answers, log_likelihood = expect(x, ours)
    assert answers.numpy() == pytest.approx(theirs.predict_proba(x.numpy()), abs=1e-6)
    assert bic(ours, log_likelihood, len(x)) == pytest.approx(theirs.bic(x.numpy()), rel=1e-6)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    seed=st.integers(0, 999),
    n=st.integers(30, 60),
    d=st.integers(1, 3),
    k=st.integers(1, 3),
    kind=st.sampled_from(["full", "tied", "diag", "spherical"]),
    ridge=st.sampled_from([0.0, 1e-3, 0.1, 1.0]),
)
def test_the_log_likelihood_falls_by_no_more_than_the_ridge_explains(seed, n, d, k, kind, ridge):
    x, hard = cloud(seed, n, d, k)
    now = maximise(x, hard, x[:k], kind, ridge)
    answers, reached = expect(x, now)
    for _ in range(8):
        following = maximise(x, answers, now.means, kind, ridge)
        limit = largest_fall(now, following, ridge)
        assert ridge > 0 or limit == 0  # without a ridge it never falls
        answers, after = expect(x, following)
        assert torch.allclose(answers.sum(1), torch.ones(n).double())
        assert float(following.weights.sum()) == pytest.approx(1.0)
        # both sums have rounding errors of float64 only, which ill-conditioned factors blow up
        assert after - reached >= -limit - 1e-9
        now, reached = following, after


def test_a_ridge_may_lower_the_likelihood_by_hand():
    everyone = torch.ones(4, 1).double()
    best, ridged = (maximise(FOUR, everyone, FOUR[:1], "full", ridge) for ridge in (0.0, 1.0))
    fall = expect(FOUR, best)[1] - expect(FOUR, ridged)[1]
    assert fall == pytest.approx((math.log(6 / 5) + 5 / 6 - 1) / 2)  # variances of 5 and 6
    assert largest_fall(best, ridged, 1.0) == pytest.approx((1 / 5 - 1 / 6) / 2)


def test_a_component_that_answers_for_nothing_keeps_its_mean_and_does_no_harm():
    nobody = torch.tensor([[1, 0], [1, 0], [1, 0], [1, 0]]).double()
    found = maximise(FOUR, nobody, torch.tensor([[0.0], [7.0]]).double(), "full", 0.25)
    assert found.means.tolist() == [[0.0], [7.0]]
    assert found.covariances.flatten().tolist() == pytest.approx([5.25, 0.25])
    answers, log_likelihood = expect(FOUR, found)
    assert answers[:, 1].tolist() == [0.0] * 4
    assert math.isfinite(log_likelihood)


def test_regularisation_keeps_a_component_from_shrinking_to_a_point():
    alone = torch.tensor([[1, 0], [0, 1], [0, 1], [0, 1]]).double()
    found = maximise(FOUR, alone, torch.zeros(2, 1).double(), "full", 1e-3)
    assert float(found.covariances[0]) == pytest.approx(1e-3)


@KINDS
def test_gradients_and_log_probabilities_of_the_score(kind):
    x, hard = cloud()
    found = maximise(x, hard, x[:3], kind, 1e-3)
    few = x[:4].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: log_joint(z, found), few)
    scores = Posterior(found)(x.float())
    assert scores.exp().numpy() == pytest.approx(expect(x, found)[0].numpy(), abs=1e-4)


def test_the_number_of_free_parameters_is_counted_by_hand():
    means, weights = torch.zeros(3, 4), torch.ones(3) / 3
    free = {"full": 30, "tied": 10, "diag": 12, "spherical": 3}
    for kind, count in free.items():
        assert Mixture(weights, means, torch.zeros(0), kind).n_free == count + 12 + 2


def test_long_slanted_groups_need_full_covariances():
    toy = Toy("anisotropic", n=600, noise=0.15).load(0, lambda *_: None)
    scores = {
        kind: adjusted_rand_score(
            toy.labels, last(GaussianMixture(3, covariance=kind), toy.items).assignments
        )
        for kind in ("full", "spherical")
    }
    plain = adjusted_rand_score(toy.labels, last(KMeans(3), toy.items).assignments)
    assert scores["full"] > 0.95
    assert scores["full"] > max(plain, scores["spherical"]) + 0.1


def test_what_is_shown_depends_on_the_items():
    images = (load_digits().images[:200] * 255 / 16).round().astype(np.uint8)[..., None]
    shown = last(GaussianMixture(4, n_init=1, n_components=8), images).artefacts
    assert set(shown) == {"weights", "centroids", "samples"}
    assert shown["samples"].data.shape == (5, 4, 8, 8, 1)
    assert shown["weights"].data.sum() == pytest.approx(1.0, abs=1e-5)
    points = np.random.default_rng(0).normal(size=(80, 2)).astype(np.float32)
    found = last(GaussianMixture(3, n_init=1), points)
    assert set(found.artefacts) == {"weights", "responsibilities", "bells"}
    assert np.array_equal(found.artefacts["responsibilities"].data, found.probabilities)
    assert "bells" not in last(GaussianMixture(3, n_init=1), points.repeat(2, 1)).artefacts


def test_a_component_is_brightest_at_its_mean():
    toy = Toy("blobs", n=200, noise=0.05).load(0, lambda *_: None)
    found = last(GaussianMixture(5), toy.items)
    densities = found.artefacts["bells"].data[0, ..., 0]
    extent = float(np.abs(found.embedding).max())
    for density, center in zip(densities, found.centers, strict=True):
        row, column = np.unravel_index(density.argmax(), density.shape)
        at = np.array([column, len(density) - 1 - row]) / (len(density) - 1) * 2 - 1
        assert at * extent == pytest.approx(center, abs=2 * extent / len(density))

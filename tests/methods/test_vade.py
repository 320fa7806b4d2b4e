"""VaDE: the mixture and its divergence against values by hand and against torch's own densities."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from clustlab.context import Context
from clustlab.methods import vade
from clustlab.methods.vade import VaDE, fitted_mixture
from clustlab.methods.vade.variational import (
    FIRST_VARIANCE,
    MixturePriorAutoencoder,
    Prior,
    log_joint,
    prior_divergence,
)
from clustlab.parts.clustering.kmeans import kmeans
from clustlab.parts.inputs.augmentation import Augmentation


def double(values: object) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def mixture(k: int = 3, d: int = 2, seed: int = 0) -> tuple[torch.Tensor, ...]:
    return (
        drawn(k, seed=seed).log_softmax(0),
        drawn(k, d, seed=seed + 1),
        0.5 * drawn(k, d, seed=seed + 2),
    )


def digits(n: int = 200) -> np.ndarray:
    return (load_digits().images[:n] * 255 / 16).round().astype(np.uint8)[..., None]


# -- cluster probabilities -----------------------------------------------------------------------
def test_clusters_that_differ_in_share_alone_answer_by_their_share():
    # with ten dimensions a share that counted once per dimension would be 0.75^10 : 0.25^10
    log_shares = double([0.75, 0.25]).log()
    scores = log_joint(drawn(4, 10), log_shares, torch.zeros(2, 10), torch.zeros(2, 10))
    torch.testing.assert_close(scores.softmax(1), double([[0.75, 0.25]]).expand(4, 2))


def test_clusters_that_differ_in_variance_alone_answer_by_their_density():
    # at the common mean the densities are 1 / sigma: 1 and 1/2, not 1 and 1/4
    log_variances = double([[1.0], [4.0]]).log()
    scores = log_joint(double([[0.0]]), double([0.5, 0.5]).log(), torch.zeros(2, 1), log_variances)
    torch.testing.assert_close(scores.softmax(1), double([[2 / 3, 1 / 3]]))


def test_the_sum_over_clusters_is_the_density_of_a_mixture():
    log_shares, means, log_variances = mixture(4, 3)
    z = drawn(9, 3, seed=9)
    parts = Independent(Normal(means, (0.5 * log_variances).exp()), 1)
    expected = MixtureSameFamily(Categorical(logits=log_shares), parts).log_prob(z)
    found = log_joint(z, log_shares, means, log_variances).logsumexp(1)
    torch.testing.assert_close(found, expected)


# -- the loss ------------------------------------------------------------------------------------
def test_divergence_of_one_item_and_two_clusters_by_hand():
    found = prior_divergence(
        double([[1.0]]),  # posterior with mean 1
        double([[0.5]]).log(),  # and variance 0.5
        double([[0.25, 0.75]]),
        double([0.5, 0.5]).log(),
        double([[0.0], [2.0]]),
        double([[1.0], [4.0]]).log(),
    )
    crossed = 0.25 * (0 + (0.5 + 1) / 1) + 0.75 * (math.log(4) + (0.5 + 1) / 4)
    clusters = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    expected = 0.5 * crossed - 0.5 * (1 + math.log(0.5)) + clusters
    assert float(found) == pytest.approx(expected)
    assert expected == pytest.approx(0.825371, abs=1e-6)


def test_with_one_standard_cluster_it_is_a_plain_variational_autoencoder():
    mean, log_variance = drawn(5, 3), drawn(5, 3, seed=1)
    found = prior_divergence(
        mean,
        log_variance,
        torch.ones(5, 1, dtype=torch.float64),
        double([0.0]),
        torch.zeros(1, 3, dtype=torch.float64),
        torch.zeros(1, 3, dtype=torch.float64),
    )
    expected = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(1)
    torch.testing.assert_close(found, expected)


def test_it_is_the_expectation_over_the_posterior():
    log_shares, means, log_variances = mixture()
    mean, log_variance = drawn(1, 2, seed=5), double([[-1.0, -2.0]])
    gamma = double([[0.2, 0.3, 0.5]])
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(400_000, 2, generator=generator, dtype=torch.float64)
    z = mean + (0.5 * log_variance).exp() * noise
    posterior = Normal(mean, (0.5 * log_variance).exp()).log_prob(z).sum(1)
    joint = log_joint(z, log_shares, means, log_variances)
    expected = (posterior + (gamma * (gamma.log() - joint)).sum(1)).mean()
    found = prior_divergence(mean, log_variance, gamma, log_shares, means, log_variances)
    assert float(found) == pytest.approx(float(expected), abs=0.02)


def test_gradients_agree_with_finite_differences():
    z = drawn(4, 2, seed=7)

    def loss(*values: torch.Tensor) -> torch.Tensor:
        mean, log_variance, scores, means, log_variances = values
        log_shares = scores.log_softmax(0)
        gamma = log_joint(z + mean, log_shares, means, log_variances).softmax(1)
        terms = (mean, log_variance, gamma, log_shares, means, log_variances)
        return prior_divergence(*terms).mean()

    values = (drawn(4, 2), drawn(4, 2, seed=1), *mixture())
    assert torch.autograd.gradcheck(loss, [v.clone().requires_grad_() for v in values])


@given(k=st.integers(1, 6), d=st.integers(1, 5), seed=st.integers(0, 99))
def test_divergence_is_never_negative_and_finite_for_sure_answers(k, d, seed):
    log_shares, means, log_variances = mixture(k, d, seed)
    mean, log_variance = drawn(7, d, seed=seed + 5), drawn(7, d, seed=seed + 6)
    sure = torch.eye(k, dtype=torch.float64)[torch.arange(7) % k]
    for gamma in (sure, drawn(7, k, seed=seed).softmax(1)):
        found = prior_divergence(mean, log_variance, gamma, log_shares, means, log_variances)
        assert torch.isfinite(found).all()
        assert found.min() > -1e-9


# -- the network ---------------------------------------------------------------------------------
def test_surprise_is_summed_over_the_pixels_and_not_averaged():
    network = MixturePriorAutoencoder((1, 4, 4), [6], 2)
    with torch.no_grad():
        for parameter in network.decoder.parameters():
            parameter.zero_()
    found = network.surprise(torch.rand(3, 1, 4, 4), torch.zeros(3, 2)).detach()
    torch.testing.assert_close(found, torch.full((3,), 16 * math.log(2)))


def test_points_are_drawn_with_a_fixed_variance():
    network = MixturePriorAutoencoder((2,), [6], 2)
    with torch.no_grad():
        for parameter in network.decoder.parameters():
            parameter.zero_()
    found = network.surprise(torch.tensor([[0.3, 0.4]]), torch.zeros(1, 2)).detach()
    torch.testing.assert_close(found, torch.tensor([12.5]))


def test_a_posterior_starts_small_around_the_code():
    network = MixturePriorAutoencoder((1, 4, 4), [6], 2)
    x = torch.rand(3, 1, 4, 4)
    mean, log_variance = network.posterior_parameters(x).detach().chunk(2, 1)
    torch.testing.assert_close(mean, network.encode(x).detach())
    torch.testing.assert_close(log_variance.exp(), torch.full((3, 2), FIRST_VARIANCE))


def test_rescaling_scales_posteriors_and_leaves_drawings():
    network = MixturePriorAutoencoder((1, 4, 4), [6], 2)
    x = torch.rand(3, 1, 4, 4)
    before, drawing = network.posterior_parameters(x).detach(), network(x).detach()
    network.rescale(3.0)
    after = network.posterior_parameters(x).detach()
    torch.testing.assert_close(after[:, :2], 3 * before[:, :2])
    torch.testing.assert_close(after[:, 2:].exp(), 9 * before[:, 2:].exp())
    torch.testing.assert_close(network(x).detach(), drawing)


# -- the start -----------------------------------------------------------------------------------
def clouds() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([[0.1, 0.3], [0.5, 0.1]]).repeat_interleave(torch.tensor([300, 100]), 0)
    middle = torch.tensor([[-2.0, 0.0], [2.0, 1.0]]).repeat_interleave(torch.tensor([300, 100]), 0)
    return middle + spread * torch.randn(400, 2, generator=generator)


def test_the_mixture_finds_shares_means_and_variances_of_two_clouds():
    z = clouds()
    found = kmeans(z, 2, Context())
    shares, means, variances = fitted_mixture(z.double().numpy(), found, 0)
    order = np.argsort(means[:, 0])
    np.testing.assert_allclose(shares[order], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(means[order], [[-2, 0], [2, 1]], atol=0.15)
    np.testing.assert_allclose(np.sqrt(variances[order]), [[0.1, 0.3], [0.5, 0.1]], atol=0.07)
    again = fitted_mixture(z.double().numpy(), found, 1)
    np.testing.assert_array_equal(again[1], means)  # nothing is left to draw


@pytest.mark.parametrize("middle", [0.0, 1e4])
def test_codes_that_are_all_equal_have_the_smallest_variance_wherever_they_are(middle):
    z = torch.full((20, 2), middle)
    found = kmeans(z, 3, Context())
    shares, means, variances = fitted_mixture(z.double().numpy(), found, 0)
    np.testing.assert_allclose(variances, np.full((3, 2), 1e-3), rtol=0.01)
    np.testing.assert_allclose(means, np.full((3, 2), middle), atol=0.02)
    assert shares.min() > 0


def test_shares_sum_to_one_and_variances_are_positive_whatever_the_weights():
    prior = Prior(3, 2)
    with torch.no_grad():
        prior.scores.copy_(torch.tensor([5.0, -50.0, 0.0]))
        prior.log_variances.fill_(-20.0)
    assert float(prior.scores.detach().softmax(0).sum()) == pytest.approx(1)
    assert torch.isfinite(prior(torch.zeros(2, 2))).all()


# -- a run ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run():
    settings = VaDE(
        n_clusters=5,
        hidden_widths="100-100-400",
        epochs=3,
        cluster_epochs=12,
        n_init=2,
        batch_size=50,
        warm_up_updates=400,
    )
    return list(settings.iterate(digits(), Context()))


def test_the_code_has_variance_one_when_clusters_are_fitted(run):
    start = run[4]
    assert start.scalars["code_scale"] > 0
    assert start.embedding.var(0).mean() == pytest.approx(1, rel=1e-3)


def test_the_loss_falls_and_is_the_sum_of_its_parts(run):
    losses = [s.scalars["loss"] for s in run if "divergence" in s.scalars]
    assert len(losses) == 12
    assert losses[-1] < losses[0]
    last = run[-1].scalars
    assert last["loss"] == pytest.approx(last["reconstruction"] + last["divergence"])


def test_the_rate_rises_over_the_first_updates_and_falls_with_their_number():
    method = VaDE(**VaDE.presets["paper"])
    found = [method.rate(i) for i in (0, 99, 199, 399, 400, 6999, 7000, 13_999, 14_000)]
    assert found == pytest.approx([5e-6, 5e-4, 1e-3, *[2e-3] * 3, *[1.8e-3] * 2, 1.62e-3])
    assert method.rate(2_100_000) == pytest.approx(2e-4)  # the floor, at the end of 3,000 epochs
    assert VaDE().rate(0) == pytest.approx(2e-3)  # as runs were that did not say it


def test_updates_are_counted_over_epochs(run):
    rates = [s.scalars["learning_rate"] for s in run if "learning_rate" in s.scalars]
    # 200 items in batches of 50: the last update of an epoch is number 4, 8, ...
    assert rates == pytest.approx([2e-3 * 4 * (i + 1) / 400 for i in range(12)])


def test_the_mixture_starts_where_it_is_likeliest(monkeypatch):
    asked = []
    real = vade.likeliest_start
    monkeypatch.setattr(vade, "likeliest_start", lambda *a: asked.append(a) or real(*a))
    small = {"hidden_widths": "100-100-400", "epochs": 1, "cluster_epochs": 1, "n_clusters": 4}
    list(VaDE(**small, n_init=3).iterate(digits(60), Context()))
    assert [a[1:2] + a[3:6] for a in asked] == [(4, "diag", 1e-3, 3)]


def test_every_cluster_is_sampled_and_every_unit_measured(run):
    last = run[-1]
    assert last.artefacts["samples"].data.shape == (6, 5, 8, 8, 1)
    units = last.artefacts["units"]
    assert units.data.shape == (2, 10)
    np.testing.assert_allclose(units.data[0], last.embedding.var(0), rtol=1e-4)
    assert last.scalars["active_units"] == len(units.marked) > 0
    np.testing.assert_allclose(last.artefacts["shares"].data.sum(1), [1, 1], rtol=1e-5)


def test_the_mixture_is_trained_on_the_items_themselves(monkeypatch):
    changed = []
    call = Augmentation.__call__
    monkeypatch.setattr(
        Augmentation,
        "__call__",
        lambda self, x, *a: changed.append(ctx.phase_name) or call(self, x),
    )
    ctx = Context()
    settings = {"hidden_widths": "100-100-400", "batch_size": 100, "n_init": 1, "augmented": True}
    list(VaDE(epochs=1, cluster_epochs=2, **settings).iterate(digits(), ctx))
    assert changed == ["pre-train"] * 2

"""The evidence bound by hand and by sampling, its gradient, and what the dimensions do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from clustlab.context import Context
from clustlab.methods.vae_kmeans import (
    POINT_VARIANCE,
    NormalPriorAutoencoder,
    VAEKMeans,
    kl_to_prior,
    negative_elbo,
)

SMALL = {"hidden_widths": "100-100-400", "batch_size": 64, "n_init": 2}


def digits(n=500):
    return (load_digits().images[:n] * 255 / 16).round().astype(np.uint8)[..., None]


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_divergence_of_three_normals():
    kl = kl_to_prior(double([0, 1, 0]), double([0, 0, 1]))
    assert kl.tolist() == [[0, 0.5, pytest.approx((math.e - 2) / 2)]]


def test_divergence_agrees_with_torch():
    mean, log_variance = torch.randn(2, 50, dtype=torch.float64).unbind()
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0))
    assert torch.allclose(kl_to_prior(mean, log_variance), expected)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_divergence_is_never_negative(mean, log_variance):
    assert float(kl_to_prior(double(mean), double(log_variance))) >= -1e-12


def test_bound_sums_over_dimensions_and_averages_over_items():
    loss = negative_elbo(double(10, 20), double([1, 2], [3, 4]), beta=2.0)
    assert float(loss) == pytest.approx((10 + 6 + 20 + 14) / 2)


def test_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator).unbind()

    def loss(mean, log_variance):
        return negative_elbo(mean.square().sum(1), kl_to_prior(mean, log_variance), 0.7)

    assert torch.autograd.gradcheck(loss, (mean.requires_grad_(), log_variance.requires_grad_()))


def test_the_error_is_summed_over_pixels():  # a mean would weigh KL as many times too much
    network = NormalPriorAutoencoder((1, 28, 28), (), 2)
    torch.nn.init.zeros_(network.decoder[0].weight)
    x = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        surprise = network.surprise(x, torch.zeros(3, 2))
    assert surprise.tolist() == pytest.approx([784 * math.log(2)] * 3)


def test_points_have_a_normal_likelihood():
    network = NormalPriorAutoencoder((2,), (), 2)
    for layer in network.decoder:
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.zeros_(layer.weight)
    with torch.no_grad():
        surprise = network.surprise(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
    assert float(surprise) == pytest.approx(25 / (2 * POINT_VARIANCE))


def test_posteriors_start_as_wide_as_the_prior_and_the_code_is_their_means():
    network = NormalPriorAutoencoder((1, 8, 8), (20,), 4)
    x = torch.rand(5, 1, 8, 8)
    mean, log_variance = network.posterior(x)
    assert torch.equal(mean, network.encode(x))
    assert not log_variance.any()
    decoded = network.decode(mean)
    assert 0 <= float(decoded.min().detach()) <= float(decoded.max().detach()) <= 1


def test_training_uses_the_code_and_lowers_the_bound():
    *steps, _ = VAEKMeans(epochs=12, warmup_epochs=3, **SMALL).iterate(digits(), Context())
    first, last = steps[1].scalars, steps[-1].scalars
    assert last["reconstruction"] < first["reconstruction"] - 3
    assert last["loss"] == pytest.approx(last["reconstruction"] + last["kl_divergence"], rel=1e-4)
    assert last["active_units"] >= 2
    assert last["kl_divergence"] == pytest.approx(
        steps[-1].artefacts["divergence"].data.sum(), rel=0.5
    )


def test_the_weight_grows_to_beta():
    *steps, _ = VAEKMeans(epochs=4, warmup_epochs=3, beta=0.6, **SMALL).iterate(
        digits(120), Context()
    )
    assert [round(s.scalars["beta"], 6) for s in steps[1:]] == [0.2, 0.4, 0.6, 0.6]


def test_a_large_beta_empties_the_code():
    method = VAEKMeans(epochs=8, warmup_epochs=1, beta=20.0, **SMALL)
    *steps, _ = method.iterate(digits(), Context())
    assert steps[-1].scalars["active_units"] == 0
    assert steps[-1].scalars["kl_divergence"] < 0.1


def test_samples_come_from_the_same_noise_every_time():
    first, second, *_ = VAEKMeans(epochs=1, **SMALL).iterate(digits(60), Context())
    images = [s.artefacts["samples"].data for s in (first, second)]
    assert images[0].shape == (3, 12, 8, 8, 1)
    assert not np.array_equal(*images)
    traversal = second.artefacts["traversal"]
    assert traversal.data.shape[:2] == (8, 11)
    assert traversal.columns[0] == "-3.0"

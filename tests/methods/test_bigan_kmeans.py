"""BiGAN: the two losses by hand and by finite differences, and how the players are trained."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch import nn

from clustlab.analysis.probes import knn_probe
from clustlab.context import Context
from clustlab.methods.bigan_kmeans import (
    BiGANKMeans,
    Players,
    deceiving_loss,
    discriminator_loss,
    noise_like,
)

SMALL = {"hidden_units": 64, "code_size": 10, "batch_size": 32, "n_init": 2}


def digits(n=400):
    drawn = load_digits()
    return (drawn.images[:n] * 255 / 16).round().astype(np.uint8)[..., None], drawn.target[:n]


def double(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_losses_of_two_pairs_of_each_kind():
    def sp(u):
        return math.log1p(math.exp(u))

    found, made = double(1.0, -2.0), double(0.5, 3.0)
    assert float(discriminator_loss(found, made)) == pytest.approx(
        (sp(-1) + sp(2)) / 2 + (sp(0.5) + sp(3)) / 2
    )
    assert float(deceiving_loss(found, made)) == pytest.approx(
        (sp(1) + sp(-2)) / 2 + (sp(-0.5) + sp(-3)) / 2
    )


def test_guessing_costs_both_sides_the_same():
    zero = double(0.0)
    assert float(discriminator_loss(zero, zero)) == pytest.approx(2 * math.log(2))
    assert float(deceiving_loss(zero, zero)) == pytest.approx(2 * math.log(2))


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_the_losses_differ_by_the_scores(found, made):
    # sp(u) - sp(-u) = u
    gap = deceiving_loss(double(found), double(made)) - discriminator_loss(
        double(found), double(made)
    )
    assert float(gap) == pytest.approx(found - made, abs=1e-9)


def test_deceivers_have_a_slope_where_the_discriminator_is_sure():
    found, made = double(30.0).requires_grad_(), double(-30.0).requires_grad_()
    deceiving_loss(found, made).backward()
    assert float(found.grad) == pytest.approx(1)
    assert float(made.grad) == pytest.approx(-1)


@pytest.mark.parametrize("loss", [discriminator_loss, deceiving_loss])
def test_gradients_agree_with_finite_differences(loss):
    scores = double(0.3, -1.2).requires_grad_(), double(2.0, -0.4).requires_grad_()
    assert torch.autograd.gradcheck(loss, scores)


def test_the_two_kinds_are_judged_in_passes_of_their_own():
    players = Players((1, 8, 8), 16, 4)
    x, noise = torch.rand(6, 1, 8, 8), noise_like(6, 4, torch.device("cpu"))
    found, made = players(x, noise)
    assert torch.allclose(found, players.discriminator(x, players.encoder(x)))
    assert torch.allclose(found, players(x, noise * 0.1)[0])
    assert not torch.allclose(made, players(x, noise * 0.1)[1])


def test_batch_norm_has_no_weights_and_is_not_in_the_first_layer_that_sees_images():
    players = Players((1, 8, 8), 16, 4)
    norms = [m for m in players.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(norms) == 4  # one of encoder and discriminator each, two of the generator
    assert not any(list(m.parameters()) for m in norms)
    assert isinstance(players.encoder.hidden[1], nn.LeakyReLU)
    assert isinstance(players.generator.first[1], nn.BatchNorm1d)


def test_codes_lie_where_noise_does():
    encoder = Players((1, 8, 8), 16, 4).encoder
    with torch.no_grad():
        encoder.last[0].weight.mul_(1000)
        codes = encoder(torch.rand(50, 1, 8, 8))
    assert float(codes.abs().max()) == pytest.approx(1)
    assert float(codes.std()) > 0.5


def test_the_code_joins_at_the_second_layer_of_both_other_nets():
    players = Players((1, 8, 8), 16, 4).eval()
    x, z = torch.rand(3, 1, 8, 8), noise_like(3, 4, torch.device("cpu"))
    with torch.no_grad():
        players.discriminator.first[0].weight.zero_()  # blind to images
        players.generator.first[0].weight.zero_()
        assert torch.equal(players.discriminator(x, z), players.discriminator(1 - x, z))
        assert not torch.equal(players.discriminator(x, z), players.discriminator(x, -z))
        assert not torch.equal(players.generator(z), players.generator(-z))


def test_no_layer_has_a_bias_and_weights_start_small():
    players = Players((1, 8, 8), 64, 4)
    weights = dict(players.named_parameters())
    assert not any(name.endswith("bias") for name in weights)
    for weight in weights.values():
        assert float(weight.detach().std()) == pytest.approx(0.02, rel=0.35)


def test_noise_is_even_between_minus_one_and_one():
    noise = noise_like(4000, 2, torch.device("cpu"))
    assert -1 <= float(noise.min()) < -0.99
    assert 0.99 < float(noise.max()) < 1
    assert float(noise.var()) == pytest.approx(1 / 3, rel=0.05)


def test_the_rate_is_constant_and_then_falls_to_a_hundredth():
    method = BiGANKMeans(epochs=10, learning_rate=1.0)
    assert [method.rate(i) for i in (0, 3, 5)] == [1, 1, 1]
    assert method.rate(10) == pytest.approx(0.01)
    assert method.rate(7) > method.rate(8)


def test_the_game_stays_open_and_features_know_their_neighbours():
    items, labels = digits()
    *steps, last = BiGANKMeans(epochs=15, **SMALL).iterate(items, Context())
    told = [s.scalars["discriminator_loss"] for s in steps[1:]]
    assert 0.05 < told[-1] < 2.5
    assert knn_probe(last.embedding, labels) > 0.7
    samples = last.artefacts["samples"].data.astype(float)
    assert samples.std(axis=(0, 1)).max() > 10  # not all alike
    for name in ("judgement", "code values"):
        assert last.artefacts[name].data.sum(1) == pytest.approx([1, 1], abs=1e-5)


def test_the_code_can_be_clustered_instead():
    items, _ = digits(120)
    *_, last = BiGANKMeans(epochs=1, features="code", **SMALL).iterate(items, Context())
    assert last.embedding.shape == (120, 10)

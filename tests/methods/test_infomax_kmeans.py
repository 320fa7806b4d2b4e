"""Deep InfoMax: the estimate by hand, its bounds and gradient, and that own pairs are masked."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from clustlab.analysis.probes import knn_probe
from clustlab.context import Context
from clustlab.methods.infomax_kmeans import (
    InfoMaxKMeans,
    Network,
    heat_maps,
    jensen_shannon,
    score_table,
)
from clustlab.methods.infomax_kmeans.prior_matching import (
    deceiving_loss,
    discriminating_loss,
    squash,
)

SMALL = {"width": 8, "hidden_units": 64, "critic_units": 32, "code_size": 16, "batch_size": 32}
SMALL |= {"n_init": 2, "learning_rate": 2e-3}


def digits(n=500):
    drawn = load_digits()
    return (drawn.images[:n] * 255 / 16).round().astype(np.uint8)[..., None], drawn.target[:n]


def softplus(u):
    return math.log1p(math.exp(u))


def test_two_codes_two_images_two_places():
    scores = torch.tensor([[[1.0, 2.0], [-1.0, 0.5]], [[0.0, 3.0], [-2.0, 1.0]]])
    own = [1.0, 2.0, -2.0, 1.0]
    other = [-1.0, 0.5, 0.0, 3.0]
    expected = sum(math.log(2) - softplus(-u) for u in own) / 4
    expected -= sum(softplus(u) - math.log(2) for u in other) / 4
    assert float(jensen_shannon(scores)) == pytest.approx(expected)


def test_scores_of_zero_tell_nothing_and_perfect_ones_everything():
    assert float(jensen_shannon(torch.zeros(4, 4, 3))) == pytest.approx(0, abs=1e-6)
    perfect = (200 * torch.eye(4) - 100)[:, :, None]
    assert float(jensen_shannon(perfect)) == pytest.approx(2 * math.log(2))


def test_own_pairs_are_not_among_the_others():
    scores = torch.zeros(3, 3, 1)
    scores.diagonal()[:] = 50.0  # as others they would cost 50 each
    assert float(jensen_shannon(scores)) == pytest.approx(math.log(2))


@given(st.integers(1, 5), st.integers(0, 50))
def test_the_estimate_has_a_ceiling(b, seed):
    generator = torch.Generator().manual_seed(seed)
    scores = 5 * torch.randn(b, b, 2, generator=generator, dtype=torch.float64)
    assert float(jensen_shannon(scores)) <= 2 * math.log(2)


def test_gradient_agrees_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 3, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(jensen_shannon, (scores,))


def test_prior_losses_of_two_codes_and_two_draws_of_noise():
    codes, noise = torch.tensor([[1.0], [-2.0]]), torch.tensor([[0.5], [3.0]])
    told = (softplus(1) + softplus(-2) + softplus(-0.5) + softplus(-3)) / 4
    assert float(discriminating_loss(codes, noise)) == pytest.approx(told)
    assert float(deceiving_loss(codes)) == pytest.approx((softplus(-1) + softplus(2)) / 2)


def test_prior_losses_are_logarithms_of_what_the_discriminator_believes():
    """Eq. 7: E[ln D(noise)] + E[ln(1 - D(codes))]."""
    codes, noise = torch.tensor([[0.9], [0.2]]), torch.tensor([[0.6], [0.7]])
    value = noise.log().mean() + (1 - codes).log().mean()
    assert float(discriminating_loss(codes.logit(), noise.logit())) == pytest.approx(-value / 2)
    assert float(deceiving_loss(codes.logit())) == pytest.approx(-float(codes.log().mean()))


def test_guessing_costs_both_sides_of_the_prior_game_ln_2():
    zero = torch.zeros(3, 1)
    assert float(discriminating_loss(zero, zero)) == pytest.approx(math.log(2))
    assert float(deceiving_loss(zero)) == pytest.approx(math.log(2))


def test_gradients_of_the_prior_game_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(0)
    drawn = 3 * torch.randn(2, 4, 1, generator=generator, dtype=torch.float64)
    codes, noise = (scores.clone().requires_grad_() for scores in drawn)
    assert torch.autograd.gradcheck(discriminating_loss, (codes, noise))
    assert torch.autograd.gradcheck(deceiving_loss, (codes,))
    told = torch.autograd.grad(discriminating_loss(codes, noise), codes)[0]
    deceived = torch.autograd.grad(deceiving_loss(codes), codes)[0]
    assert (told > 0).all()  # the discriminator lowers the scores of codes,
    assert (deceived < 0).all()  # and the encoder raises them


def test_a_score_is_the_product_of_a_code_and_a_place():
    codes = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    places = torch.arange(8.0).view(2, 2, 2)  # image, unit, place
    scores = score_table(codes, places)
    assert scores[1, 0].tolist() == [4, 6]  # twice the second unit of the first image
    assert scores[0, 1].tolist() == [4, 5]


def test_standard_normal_codes_are_squashed_to_even_noise():
    """Or the discriminator could tell them apart whatever the encoder does."""
    generator = torch.Generator().manual_seed(0)
    squashed = squash(torch.randn(20_000, generator=generator))
    assert torch.histc(squashed, 10, 0, 1) / 20_000 == pytest.approx([0.1] * 10, abs=0.01)


def test_the_scale_of_codes_cannot_drift():
    network = Network((1, 8, 8), InfoMaxKMeans(**SMALL)).train()
    linear = network.encoder.head[-2]
    x = torch.rand(40, 1, 8, 8)
    with torch.no_grad():
        before = network.encoder(x)
        linear.weight.mul_(0.05)
        linear.bias.add_(3)
        after = network.encoder(x)
    assert after.std(0) == pytest.approx(before.std(0), rel=0.1)
    assert after.mean(0) == pytest.approx([0] * 16, abs=1e-4)


def test_a_critic_without_weight_is_not_reported():
    items, _ = digits(80)
    method = InfoMaxKMeans(epochs=1, **SMALL | {"global_weight": 0.0})
    _, step, _ = method.iterate(items, Context())
    assert "local_information" in step.scalars
    assert "global_information" not in step.scalars
    weighed = 0.1 * step.scalars["prior_loss_of_encoder"] - step.scalars["local_information"]
    assert step.scalars["loss"] == pytest.approx(weighed, abs=1e-4)


@pytest.mark.slow
def test_the_prior_game_stays_open():
    items, _ = digits()
    *_, step, _ = InfoMaxKMeans(epochs=6, **SMALL).iterate(items, Context())
    assert step.scalars["prior_loss_of_discriminator"] > 0.4
    assert step.scalars["prior_loss_of_encoder"] < 1.5


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 8, 8), (1, 9, 7)])
def test_network_scores_every_place_of_every_image(shape):
    network = Network(shape, InfoMaxKMeans(**SMALL)).eval()
    x = torch.rand(5, *shape)
    z, local, whole = network(x)
    rows, columns = network.encoder.maps(x).shape[2:]
    assert z.shape == (5, 16)
    assert local.shape == (5, 5, rows * columns)
    assert whole.shape == (5, 5, 1)
    assert torch.allclose(z, network.encoder(x))


def test_heat_maps_use_the_range_of_each_image():
    scores = torch.tensor([[[0.0, 1.0], [2.0, 4.0]], [[7.0, 7.0], [7.0, 7.0]]])
    drawn = heat_maps(scores, torch.zeros(2, 3, 4, 4))
    assert drawn.shape == (2, 4, 4, 3)
    assert drawn[0, 0, 0].tolist() == [0, 0, 0]
    assert drawn[0, 3, 3].tolist() == [255, 255, 255]
    assert drawn[0, 0, 3, 0] == 64
    assert not drawn[1].any()


@pytest.mark.slow
def test_codes_come_to_know_their_images_and_their_neighbours():
    items, labels = digits()
    *steps, _ = InfoMaxKMeans(epochs=12, **SMALL).iterate(items, Context())
    first, last = steps[1].scalars, steps[-1].scalars
    assert last["local_information"] > max(0.4, first["local_information"])
    assert last["global_information"] > max(0.6, first["global_information"])
    scores = steps[-1].artefacts["scores"].data
    own = scores.diagonal().mean()
    others = scores[~np.eye(len(scores), dtype=bool)].mean()
    assert own > others + 1
    assert knn_probe(steps[-1].embedding, labels) > 0.7
    assert np.allclose(np.linalg.norm(steps[-1].embedding, axis=1), 1, atol=1e-5)

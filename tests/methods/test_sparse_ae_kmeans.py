"""The sparsity penalty by hand, its gradient, and what a sparse code looks like after training."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from clustlab.context import Context
from clustlab.methods.sparse_ae_kmeans import (
    SparseAutoencoder,
    SparseAutoencoderKMeans,
    signed_images,
    sparsity_penalty,
)


def digits(n=600):
    return (load_digits().images[:n] * 255 / 16).round().astype(np.uint8)[..., None]


def test_penalty_of_one_unit_that_is_half_on():
    a = torch.tensor([[0.9], [0.1]], dtype=torch.float64)
    by_hand = 0.05 * math.log(0.05 / 0.5) + 0.95 * math.log(0.95 / 0.5)
    assert float(sparsity_penalty(a, 0.05)) == pytest.approx(by_hand)
    assert by_hand == pytest.approx(0.494632, abs=1e-6)


def test_penalty_sums_over_units_and_looks_at_averages_only():
    once = torch.tensor([[0.9], [0.1]], dtype=torch.float64)
    twice = torch.tensor([[0.5, 0.7], [0.5, 0.3]], dtype=torch.float64)
    assert float(sparsity_penalty(twice, 0.05)) == pytest.approx(
        2 * float(sparsity_penalty(once, 0.05))
    )


def test_penalty_is_zero_at_the_target_and_finite_at_the_ends():
    assert float(sparsity_penalty(torch.full((4, 3), 0.2), 0.2)) == pytest.approx(0, abs=1e-6)
    for end in (0.0, 1.0):
        assert math.isfinite(float(sparsity_penalty(torch.full((4, 3), end), 0.2)))


def test_gradient_of_the_penalty_agrees_with_finite_differences():
    a = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    a.requires_grad_()
    assert torch.autograd.gradcheck(lambda a: sparsity_penalty(a, 0.1), (a,))


@given(st.floats(0.01, 0.5), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_penalty_is_never_negative(target, one, other):
    a = torch.tensor([[one], [other]], dtype=torch.float64)
    assert float(sparsity_penalty(a, target)) >= -1e-12


def test_units_start_at_the_target_where_the_input_is_blank():
    network = SparseAutoencoder((1, 8, 8), (), 30, 0.05)
    assert torch.allclose(network.encode(torch.zeros(2, 1, 8, 8)), torch.tensor(0.05))


def test_the_code_of_points_may_be_wider_than_they_are():
    network = SparseAutoencoder((2,), (), 30, 0.05)
    assert network.encode(torch.zeros(2, 2)).shape == (2, 30)


def test_squared_weights_leave_the_biases_out():
    network = SparseAutoencoder((1, 2, 2), (), 3, 0.05)
    weights = [network.encoder[0].weight, network.decoder[0].weight]
    assert float(network.squared_weights().detach()) == pytest.approx(
        sum(float(w.detach().square().sum()) for w in weights)
    )


def test_signed_images_are_grey_where_nothing_changes():
    x = torch.tensor([0.0, 2.0, -2.0]).view(1, 1, 3, 1)
    assert signed_images(x).ravel().tolist() == [128, 255, 0]


def test_training_reaches_the_target_with_few_units_at_a_time():
    method = SparseAutoencoderKMeans(epochs=30, batch_size=64, code_size=100, n_init=2)
    *_, last, final = method.iterate(digits(), Context())
    assert last.scalars["reconstruction"] < 0.05
    assert last.scalars["sparsity_penalty"] < 1.0
    mean = last.artefacts["mean activations"].data[0]
    assert 0.03 < mean.mean() < 0.1
    used = last.artefacts["active units"].data
    assert 0 < used.mean() < 0.2
    assert np.allclose(np.linalg.norm(final.embedding, axis=1), 1, atol=1e-5)
    assert last.artefacts["activations"].data.sum() == pytest.approx(1, abs=1e-5)


def test_without_the_penalty_more_units_are_used():
    def used(weight):
        method = SparseAutoencoderKMeans(
            epochs=15, batch_size=64, code_size=60, n_init=1, sparsity_weight=weight
        )
        *_, last = method.iterate(digits(), Context())
        return last.artefacts["active units"].data.mean()

    assert used(0.0) > 1.5 * used(3.0)


def test_the_dictionary_of_a_plain_decoder_is_its_columns():
    method = SparseAutoencoderKMeans(epochs=1, code_size=5, n_init=1)
    ctx = Context()
    *_, last = method.iterate(digits(100), ctx)
    state = ctx.final_checkpoint()["parts"]["network"]
    columns = state["decoder.0.weight"].T.reshape(5, 8, 8, 1)
    drawn = last.artefacts["dictionary"].data[0]
    expected = {image.tobytes() for image in signed_images(columns)}
    near = [
        min(
            np.abs(d.astype(int) - np.frombuffer(e, np.uint8).reshape(8, 8, 1)).max()
            for e in expected
        )
        for d in drawn
    ]
    assert max(near) <= 1

"""Entropies and RIM against hand-solved values, finite differences and the written-out gradient."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from clustlab.context import Context
from clustlab.methods.rim import RIM, rim_loss, weight_images
from clustlab.parts.losses.information import (
    conditional_entropy,
    entropy_artefacts,
    entropy_scalars,
    marginal_entropy,
    row_entropies,
)
from clustlab.parts.networks.classifier import Classifier, Rescaled

A = torch.tensor(
    [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]], dtype=torch.float64
)


def drawn(n: int, k: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, k, generator=generator, dtype=torch.float64)


def digits(n: int = 200) -> np.ndarray:
    return (load_digits().images[:n] * 255 / 16).round().astype(np.uint8)[..., None]


# -- entropies -----------------------------------------------------------------------------------
def test_entropies_of_four_rows():
    assert float(marginal_entropy(A)) == pytest.approx(1.086814, abs=1e-6)
    assert float(conditional_entropy(A)) == pytest.approx(0.703760, abs=1e-6)
    assert entropy_scalars(A)["mutual_information"] == pytest.approx(0.383054, abs=1e-6)
    assert entropy_scalars(A)["mutual_information_ceiling"] == pytest.approx(math.log(3))


def test_entropy_in_fractions():
    rows = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    torch.testing.assert_close(row_entropies(rows), torch.tensor([math.log(2), 0.0]))


def test_an_answer_of_zero_has_a_finite_gradient():
    scores = torch.tensor([[0.0, 500.0], [3.0, -500.0]], requires_grad=True)
    p = scores.softmax(1)
    assert (p == 0).any()
    (conditional_entropy(p) - marginal_entropy(p)).backward()
    assert torch.isfinite(scores.grad).all()


@given(k=st.integers(2, 8), n=st.integers(1, 20), seed=st.integers(0, 99))
def test_mutual_information_is_between_zero_and_the_logarithm_of_k(k, n, seed):
    p = drawn(n, k, seed).mul(3).softmax(1)
    information = float(marginal_entropy(p) - conditional_entropy(p))
    assert -1e-12 <= information <= math.log(k) + 1e-12
    renumbered = p[:, torch.randperm(k, generator=torch.Generator().manual_seed(seed))]
    assert float(marginal_entropy(renumbered)) == pytest.approx(float(marginal_entropy(p)))


def test_artefacts_show_the_pair_beside_its_ceiling_and_the_doubt_of_each_item():
    found = entropy_artefacts(A, entropy_scalars(A))
    pair, doubt = found["entropies"], found["doubt"]
    np.testing.assert_allclose(pair.data, [[1.086814, 0.703760, math.log(3)]], atol=1e-5)
    assert pair.columns == ("H(y)", "H(y|x)", "ln k")
    assert doubt.data[:, 0].argmax() == 3
    np.testing.assert_allclose(found["shares"].data, [[0.4, 0.325, 0.275]], atol=1e-6)


# -- the loss ------------------------------------------------------------------------------------
def test_loss_of_four_rows_and_two_weights():
    weights = [torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5]])]
    loss = rim_loss(A, weights, 0.1)
    assert float(loss) == pytest.approx(-0.383054 + 0.1 * 5.25, abs=1e-6)


def test_any_balanced_and_sure_answer_is_the_best_there_is():
    p = torch.eye(4, dtype=torch.float64).repeat(3, 1)
    shuffled = p[torch.randperm(12, generator=torch.Generator().manual_seed(0))]
    weights = [torch.zeros(1, dtype=torch.float64)]
    for answer in (p, shuffled):
        assert float(rim_loss(answer, weights, 1.0)) == pytest.approx(-math.log(4))


def test_gradients_agree_with_finite_differences():
    scores, weight = drawn(6, 3, 0).requires_grad_(), drawn(2, 3, 1).requires_grad_()

    def loss(a: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return rim_loss(a.softmax(1), [w], 0.05)

    assert torch.autograd.gradcheck(loss, (scores, weight))


def test_gradient_is_the_formula():
    scores = drawn(7, 4, 2).requires_grad_()
    p = scores.softmax(1)
    rim_loss(p, [torch.zeros(1)], 0.0).backward()
    p = p.detach()
    mean = p.mean(0).log()
    sureness = p.log() + row_entropies(p)[:, None]
    balance = mean - (p * mean).sum(1, keepdim=True)
    torch.testing.assert_close(scores.grad, p * (balance - sureness) / len(p))


# -- the classifier ------------------------------------------------------------------------------
def test_a_blank_classifier_answers_the_same_to_everything():
    scores = Classifier((1, 8, 8), (40, 40), 5)(torch.rand(30, 1, 8, 8)).detach()
    assert float((scores.softmax(1) - 0.2).abs().max()) < 0.02


def test_first_weights_have_the_spread_of_the_published_code():
    network = Classifier((1, 28, 28), (1200,), 10)
    hidden, output = (weight.detach() for weight in network.weights())
    assert float(hidden.std()) == pytest.approx(math.sqrt(0.1) / 28, rel=0.02)
    assert float(output.std()) == pytest.approx(0.01 / math.sqrt(1200), rel=0.05)


def test_items_are_shifted_and_scaled_before_the_first_layer():
    x = torch.tensor([[[[3.0, 5.0]]]])
    found = Rescaled(torch.tensor([1.0, 2.0]), 0.5)(x)
    torch.testing.assert_close(found, torch.tensor([[1.0, 1.5]]))


def test_rim_takes_the_mean_item_away_and_scales_the_variance_to_one():
    from clustlab.parts.inputs.network_input import Inputs

    inputs = Inputs(digits(), torch.device("cpu"))
    rescaled = RIM()._network(inputs).trunk[0](torch.cat(inputs.all()))
    torch.testing.assert_close(rescaled.mean(0), torch.zeros(64), atol=1e-5, rtol=0)
    assert float(rescaled.var(0, correction=0).mean()) == pytest.approx(1, rel=1e-4)


# -- a run ---------------------------------------------------------------------------------------
def last_of(**values):
    *_, last = RIM(n_clusters=5, epochs=8, batch_size=50, **values).iterate(digits(), Context())
    return last


def test_a_high_price_of_weights_keeps_answers_unsure():
    free, dear = last_of(weight_decay=0.0), last_of(weight_decay=1.0)
    assert dear.scalars["squared_weights"] < free.scalars["squared_weights"]
    assert dear.scalars["conditional_entropy"] > free.scalars["conditional_entropy"] + 0.1


def test_a_random_start_needs_no_kmeans():
    phases = [phase.name for phase in RIM(start="random").plan(100, (8, 8, 1))]
    assert phases == ["start", "train"]
    assert last_of(start="random", learning_rate=0.01).scalars["mutual_information"] > 0.3


def test_weights_are_drawn_with_zero_as_the_middle_grey():
    images = weight_images(torch.tensor([[2.0, -2.0], [0.0, 1.0]]), (1, 1, 2))
    assert images.shape == (1, 2, 1, 2, 1)
    assert images[0, :, 0, :, 0].tolist() == [[255, 0], [128, 191]]


def test_only_a_linear_classifier_shows_weights():
    assert "weights" in last_of().artefacts
    assert "weights" not in last_of(network="small net").artefacts


def test_the_deep_net_is_that_of_the_published_comparison():
    network = RIM(network="deep net").build_network((1, 4, 4))
    assert [tuple(w.shape) for w in network.weights()] == [(1200, 16), (1200, 1200), (10, 1200)]


def test_no_entropy_is_weighed_while_the_classifier_learns_what_kmeans_says():
    ctx = Context(poll=lambda: boxes.add((ctx.phase_name, ctx.active)))
    boxes = set()
    list(RIM(n_clusters=5, epochs=1, batch_size=50).iterate(digits(100), ctx))
    assert {box for phase, box in boxes if phase == "fit k-means"} == {"classify", "assign"}
    assert ("train", "weigh entropies") in boxes

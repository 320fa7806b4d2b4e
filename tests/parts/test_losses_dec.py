"""DEC against values worked out by hand, finite differences and what must hold for any input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from clustlab.parts.losses.soft_assignment import (
    kl_divergence,
    soft_assignment,
    soft_assignment_of_all,
    sure_scale,
    target_distribution,
)
from clustlab.parts.losses.targets import hard_target, power_target, sinkhorn
from clustlab.parts.networks.autoencoder import Autoencoder
from clustlab.parts.stages.autoencoding import rescale_code

Z = torch.tensor([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
MU = torch.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=torch.float64)


def close(a: Tensor, rows: object) -> bool:
    return torch.allclose(a, torch.tensor(rows, dtype=a.dtype), atol=1e-5)


def rows(n: int, k: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, k, generator=generator, dtype=torch.float64).softmax(1)


def test_soft_assignment_of_two_distances():
    q = soft_assignment(torch.zeros(1, 1), torch.tensor([[0.0], [1.0]]))
    assert close(q, [[2 / 3, 1 / 3]])


def test_three_points_and_two_centers():
    q = soft_assignment(Z, MU)
    p = target_distribution(q)
    assert close(q, [[0.909091, 0.090909], [0.714286, 0.285714], [0.105263, 0.894737]])
    assert close(q.sum(0), [1.72864, 1.27136])
    assert close(p, [[0.986586, 0.013414], [0.821323, 0.178677], [0.010077, 0.989923]])
    assert float(kl_divergence(p, q)) == pytest.approx(0.054095, abs=1e-6)
    assert float(kl_divergence(p, q)) * 3 == pytest.approx(0.162286, abs=1e-6)


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [(1.0, (0.046497, 0.192666, 0.050393)), (3.0, (0.053477, 0.253283, 0.006476))],
)
def test_gradient_with_respect_to_the_codes(alpha, expected):
    z, mu = Z.clone().requires_grad_(), MU.clone().requires_grad_()
    q = soft_assignment(z, mu, alpha)
    p = target_distribution(q).detach()
    (3 * kl_divergence(p, q)).backward()
    assert close(z.grad[:, 0], expected)
    assert close(z.grad[:, 1], [0.0, 0.0, 0.0])
    # Xie et al. 2016, eq. 4 and 5, with the sign that finite differences confirm
    difference = Z[:, None] - MU
    weight = (p - q.detach()) / (1 + difference.square().sum(-1) / alpha)
    pull = (alpha + 1) / alpha * weight[..., None] * difference
    assert torch.allclose(z.grad, pull.sum(1))
    assert torch.allclose(mu.grad, -pull.sum(0))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_gradients_agree_with_finite_differences(alpha):
    p = target_distribution(soft_assignment(Z, MU, alpha))

    def loss(z: Tensor, mu: Tensor) -> Tensor:
        return kl_divergence(p, soft_assignment(z, mu, alpha))

    z, mu = (Z + 0.1).requires_grad_(), MU.clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (z, mu))


def test_target_in_fractions():
    p = target_distribution(torch.tensor([[0.8, 0.2], [0.4, 0.6]], dtype=torch.float64))
    assert close(p, [[32 / 35, 3 / 35], [8 / 35, 27 / 35]])


def test_a_target_from_one_batch_is_not_that_of_the_set():
    batch = torch.tensor([[0.6, 0.4]] * 9 + [[0.4, 0.6]], dtype=torch.float64)
    p = target_distribution(batch)
    assert torch.allclose(p[0], torch.tensor([0.6197, 0.3803], dtype=p.dtype), atol=1e-4)
    assert torch.allclose(p[9], torch.tensor([0.2435, 0.7565], dtype=p.dtype), atol=1e-4)
    assert close(target_distribution(batch[:1]), [[0.6, 0.4]])  # alone: nothing is sharpened


def test_divergence_is_zero_for_equal_rows_and_averages_over_items():
    q = rows(6, 4, seed=0)
    assert float(kl_divergence(q, q)) == pytest.approx(0, abs=1e-12)
    one_hot = torch.eye(4, dtype=torch.float64)
    flat = torch.full((4, 4), 0.25, dtype=torch.float64)
    assert float(kl_divergence(one_hot, flat)) == pytest.approx(math.log(4))


def test_divergence_stays_finite_where_q_vanishes():
    q = torch.tensor([[1.0, 0.0]])
    assert math.isfinite(float(kl_divergence(torch.tensor([[0.0, 1.0]]), q)))


def test_power_targets_reach_from_no_change_to_hard_labels():
    q = rows(50, 5, seed=1)
    assert torch.allclose(power_target(q), target_distribution(q))
    assert torch.allclose(power_target(q, gamma=1, delta=0), q)
    assert torch.allclose(power_target(q, gamma=20_000, delta=0), hard_target(q), atol=1e-3)


def test_power_target_is_the_formula():
    q = rows(20, 3, seed=2)
    raw = q**3 / q.sum(0) ** 0.5
    assert torch.allclose(power_target(q, 3, 0.5), raw / raw.sum(1, keepdim=True))


def test_hard_target_is_one_hot():
    assert hard_target(torch.tensor([[0.2, 0.5, 0.3]])).tolist() == [[0.0, 1.0, 0.0]]


def test_sinkhorn_of_three_rows():
    scores = torch.tensor([[1.0, 0.0], [0.8, 0.1], [0.6, 0.5]], dtype=torch.float64)
    expected = [[0.687315, 0.312685], [0.546762, 0.453238], [0.266510, 0.733490]]
    assert close(sinkhorn(scores, epsilon=0.5, rounds=3), expected)


def test_sinkhorn_fills_columns_equally():
    q = sinkhorn(rows(60, 4, seed=3).log(), rounds=50)
    assert torch.allclose(q.sum(0), torch.full((4,), 15.0, dtype=q.dtype), atol=1e-3)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    n=st.integers(1, 30),
    k=st.integers(2, 6),
    seed=st.integers(0, 999),
    scale=st.sampled_from([1e-6, 1e-2, 1.0, 1e3, 1e6]),
    alpha=st.sampled_from([0.5, 1.0, 10.0]),
)
def test_rows_sum_to_one_at_any_scale(n, k, seed, scale, alpha):
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(n, 3, generator=generator) * scale
    mu = torch.randn(k, 3, generator=generator) * scale
    q = soft_assignment(z, mu, alpha)
    targets = (target_distribution(q), hard_target(q), sinkhorn(q.clamp_min(1e-30).log()))
    for table in (q, *targets):
        assert torch.isfinite(table).all()
        assert (table >= 0).all()
        assert torch.allclose(table.sum(1), torch.ones(n), atol=1e-4)
    assert math.isfinite(float(kl_divergence(targets[0], q)))


@settings(deadline=None, max_examples=30, derandomize=True)
@given(k=st.integers(2, 6), seed=st.integers(0, 999))
def test_renumbering_clusters_renumbers_columns_and_nothing_else(k, seed):
    generator = torch.Generator().manual_seed(seed)
    z, mu = (torch.randn(m, 3, generator=generator).double() for m in (12, k))
    order = torch.randperm(k, generator=generator)
    q, renumbered = soft_assignment(z, mu), soft_assignment(z, mu[order])
    assert torch.allclose(renumbered, q[:, order])
    p = target_distribution(q)
    assert torch.allclose(target_distribution(renumbered), p[:, order])
    assert torch.allclose(kl_divergence(p[:, order], renumbered), kl_divergence(p, q))


def test_all_rows_at_once_or_in_parts_are_the_same(monkeypatch):
    z, mu = torch.randn(40, 3), torch.randn(4, 3)
    whole = soft_assignment_of_all(z, mu)
    monkeypatch.setattr("clustlab.parts.losses.soft_assignment.CHUNK_VALUES", 50)
    assert torch.allclose(soft_assignment_of_all(z, mu), whole)


def clouds(scale: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    centers = torch.eye(10) * 4
    z = centers.repeat(20, 1) + 0.3 * torch.randn(200, 10, generator=generator)
    return z * scale, centers * scale


def test_an_unsure_code_is_scaled_until_it_is_sure():
    z, centers = clouds(0.01)
    assert soft_assignment(z, centers).amax(1).mean() < 0.11  # as good as uniform
    scale = sure_scale(z, centers)
    sureness = float(soft_assignment(z * scale, centers * scale).amax(1).mean())
    assert sureness == pytest.approx(0.6, abs=0.01)
    assert sure_scale(z, centers) == scale


def test_a_sure_code_is_left_as_it_is():
    assert sure_scale(*clouds(1.0)) == 1.0


def test_no_scale_is_sought_beyond_what_can_be_reached():
    z = torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    centers = z[:10] * 0.1
    scale = sure_scale(z * 0.01, centers * 0.01)
    assert 1 < scale < 2**14


def test_rescaling_the_code_leaves_reconstructions():
    network = Autoencoder((1, 8, 8), (12,), code=3)
    x = torch.rand(5, 1, 8, 8)
    code, drawing = network.encode(x), network(x)
    rescale_code(network, 7.0)
    assert torch.allclose(network.encode(x), 7 * code, atol=1e-5)
    assert torch.allclose(network(x), drawing, atol=1e-5)


def test_the_formulas_are_found_in_the_module_of_their_method():
    from clustlab.methods import dec

    assert dec.soft_assignment is soft_assignment
    assert dec.target_distribution is target_distribution
    assert dec.kl_divergence is kl_divergence

"""IDEC: both terms of its loss, which of them the weight is on, and a decoder that is kept."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from clustlab.context import Context
from clustlab.methods.dec import DEC
from clustlab.methods.idec import IDEC, idec_loss
from clustlab.parts.losses.soft_assignment import (
    kl_divergence,
    soft_assignment,
    target_distribution,
)
from clustlab.parts.networks.autoencoder import Autoencoder

Z = torch.tensor([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0]], dtype=torch.float64)
MU = torch.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
SMALL = {
    "n_clusters": 5,
    "hidden_widths": "100-100-400",
    "epochs": 3,
    "n_init": 2,
    "batch_size": 64,
    "update_interval": 5,
    "max_updates": 3,
    "tolerance": 0.0,
}


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def digits(n: int = 200) -> np.ndarray:
    return (load_digits().images[:n] * 255 / 16).round().astype(np.uint8)[..., None]


def test_the_weight_is_on_the_clusters_and_not_on_the_drawings():
    assert float(idec_loss(double(2.0), double(3.0), 0.1)) == pytest.approx(2.3)
    assert float(idec_loss(double(2.0), double(3.0))) == pytest.approx(2.3)  # the paper's weight
    assert float(idec_loss(double(2.0), double(3.0), 0.0)) == 2.0


def test_three_points_and_two_centers():
    q = soft_assignment(Z, MU)
    divergence = kl_divergence(target_distribution(q), q)
    # decoded by z itself and drawn half a unit beside it: a mean error of 0.25
    error = functional.mse_loss(Z, Z + 0.5)
    assert float(idec_loss(error, divergence, 0.1)) == pytest.approx(0.25 + 0.0054095, abs=1e-6)


def test_gradients_agree_with_finite_differences():
    p = target_distribution(soft_assignment(Z, MU))
    x = torch.sin(torch.arange(12.0, dtype=torch.float64)).view(3, 4)

    def loss(z: torch.Tensor, mu: torch.Tensor, decoder: torch.Tensor) -> torch.Tensor:
        divergence = kl_divergence(p, soft_assignment(z, mu))
        return idec_loss(functional.mse_loss(z @ decoder, x), divergence, 0.3)

    decoder = torch.cos(torch.arange(8.0, dtype=torch.float64)).view(2, 4)
    inputs = [t.clone().requires_grad_() for t in (Z + 0.1, MU, decoder)]
    assert torch.autograd.gradcheck(loss, inputs)


def test_the_loss_of_a_step_is_the_sum_of_its_named_parts():
    network = Autoencoder((1, 4, 4), (6,), code=2)
    x = torch.rand(3, 1, 4, 4)
    settings = IDEC(cluster_weight=0.25)
    found = settings.losses(network, x, network.encode(x), torch.tensor(4.0))
    loss, reconstruction, divergence = (float(value.detach()) for value in found)
    assert settings.loss_names == ("loss", "reconstruction", "divergence")
    assert divergence == 4.0
    assert reconstruction == pytest.approx((network(x) - x).square().mean().item())
    assert loss == pytest.approx(reconstruction + 1.0)


def trained(method):
    ctx = Context()
    snapshots = list(method.iterate(digits(), ctx))
    return snapshots, ctx.final_checkpoint()["parts"]


@pytest.mark.parametrize(("cls", "keeps"), [(IDEC, True), (DEC, False)])
def test_only_idec_goes_on_training_its_decoder(cls, keeps):
    _, before = trained(cls(**{**SMALL, "max_updates": 1, "cluster_learning_rate": 1e-6}))
    _, after = trained(cls(**{**SMALL, "max_updates": 3, "cluster_learning_rate": 1e-3}))
    moved = [
        not torch.allclose(value, after["network"][name], atol=1e-4)
        for name, value in before["network"].items()
        if name.startswith("decoder")
    ]
    assert all(moved) if keeps else not any(moved)


def test_every_update_reports_the_loss_and_its_parts():
    snapshots, _ = trained(IDEC(**SMALL, cluster_weight=0.2))
    for snapshot in snapshots[-3:]:
        parts = snapshot.scalars
        expected = parts["reconstruction"] + 0.2 * parts["divergence"]
        assert parts["loss"] == pytest.approx(expected, rel=1e-5)


def test_without_weight_the_centers_do_not_move():
    snapshots, _ = trained(IDEC(**SMALL, cluster_weight=0.0))
    np.testing.assert_array_equal(snapshots[-1].centers, snapshots[-4].centers)


def test_drawing_costs_more_than_coding_alone():
    names = ("hidden_widths", "epochs")
    same = {name: SMALL[name] for name in names}
    dec, idec = (cls(**same).plan(1000, (28, 28, 1))[-1].cost for cls in (DEC, IDEC))
    assert idec.linear > 1.5 * dec.linear

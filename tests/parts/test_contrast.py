"""Contrastive losses by hand, and the method that uses them along both axes."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.context import Context
from clustlab.methods.contrastive_clustering import (
    ContrastiveClustering,
    Network,
    cluster_contrast,
    imbalance,
)
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.losses.nt_xent import VIEWS, cosines, nt_xent
from tests.support.fakes import blocks

A = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]]).double()
B = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.1, 0.7], [0.3, 0.6, 0.1]]).double()
TINY = {"n_clusters": 3, "epochs": 2, "batch_size": 20, "width": 4, "n_hidden": 16}


def rows(seed: int, n: int, d: int) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double()


def run(items, **values):
    return list(ContrastiveClustering(**{**TINY, **values}).iterate(items, Context(0)))


# the loss -------------------------------------------------------------------------------------
def test_golden_values_of_the_cluster_head():
    assert float(cluster_contrast(A, B)) == pytest.approx(1.191056, abs=1e-5)
    assert float(cluster_contrast(A.float(), B.float())) == pytest.approx(1.191056, abs=1e-5)
    assert float(imbalance(A) + imbalance(B)) == pytest.approx(0.029883, abs=1e-5)


def test_two_items_at_right_angles_by_hand():
    z = torch.tensor([[2.0, 0.0], [0.0, 0.5]]).double()
    # each of the four rows has its copy at cosine 1 and the other two at 0
    expected = math.log(math.exp(2) + 2) - 2
    assert float(nt_xent(z, 3 * z, 0.5)) == pytest.approx(expected)


def test_equal_rows_can_only_guess():
    z = torch.ones(7, 4)
    assert float(nt_xent(z, z, 0.1)) == pytest.approx(math.log(13), abs=1e-5)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 12), d=st.integers(1, 6))
def test_length_order_and_side_of_the_rows_do_not_matter(seed, n, d):
    a, b = rows(seed, n, d), rows(seed + 1, n, d)
    loss = float(nt_xent(a, b))
    assert loss >= 0
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    assert float(nt_xent(3 * a[order], 0.1 * b[order])) == pytest.approx(loss, abs=1e-4)
    assert float(nt_xent(b, a)) == pytest.approx(loss, abs=1e-9)


def test_a_row_is_not_among_its_own_candidates():
    one = torch.tensor([[1.0, 2.0]])
    assert float(nt_xent(one, one)) == 0  # nothing else is left to be taken for it


def test_wrong_partners_cost_more():
    z = torch.eye(5)
    assert float(nt_xent(z, z, 0.1)) < 0.01 < 5 < float(nt_xent(z, z.roll(1, 0), 0.1))


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_gradient_by_finite_differences(temperature):
    pair = (rows(0, 4, 3).requires_grad_(), rows(1, 4, 3).requires_grad_())
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, temperature), pair)


def test_gradients_of_the_cluster_losses_by_finite_differences():
    pair = (rows(2, 5, 3).requires_grad_(), rows(3, 5, 3).requires_grad_())
    assert torch.autograd.gradcheck(
        lambda a, b: cluster_contrast(a.softmax(1), b.softmax(1)) + imbalance(a.softmax(1)), pair
    )


def test_an_empty_column_has_no_infinite_logarithm():
    p = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    loss = cluster_contrast(p, p) + imbalance(p)
    loss.backward()
    assert float(imbalance(p.detach())) == pytest.approx(math.log(3 / 2))
    assert torch.isfinite(p.grad).all()


def test_an_empty_column_behind_a_softmax_leaves_finite_weights():
    scores = torch.tensor([[0.0, 5.0, -200.0], [5.0, 0.0, -200.0]], requires_grad=True)
    p = scores.softmax(1)
    assert p[:, 2].max() == 0
    (cluster_contrast(p, p) + imbalance(p)).backward()
    assert torch.isfinite(scores.grad).all()


@given(seed=st.integers(0, 10_000), k=st.integers(2, 12))
def test_imbalance_lies_between_none_and_one_cluster(seed, k):
    p = (3 * rows(seed, 9, k)).softmax(1)
    assert -1e-9 <= float(imbalance(p)) <= math.log(k) + 1e-9
    assert float(imbalance(torch.eye(k))) == pytest.approx(0, abs=1e-6)
    assert float(imbalance(torch.eye(k)[:1])) == pytest.approx(math.log(k), abs=1e-6)


def test_cosines_by_hand():
    a, b = torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    expected = [[math.sqrt(0.5), 0.0], [0.0, 0.0]]  # an empty row is like nothing
    assert torch.allclose(cosines(a, b), torch.tensor(expected))


# the copies -----------------------------------------------------------------------------------
def test_copies_are_drawn_apart():
    x = Inputs(blocks(50), Context(0).device)[np.arange(20)]
    assert not torch.equal(VIEWS(x), VIEWS(x))
    assert torch.equal(VIEWS.scaled(0)(x), VIEWS.scaled(0)(x))


def test_copies_of_ink_on_black_are_ink_on_black():
    """An inversion or a change of tint makes digits collapse."""
    Context(0)
    x = torch.zeros(200, 1, 16, 16)
    x[:, :, 5:11, 5:11] = 1
    copies = VIEWS(x)
    corners = copies[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (copies.amax((1, 2, 3)) > corners.amax(1) + 0.3).all()
    x = x.repeat(1, 3, 1, 1)
    copies = replace(VIEWS, noise=0.0)(x)
    assert torch.allclose(copies[:, 0], copies[:, 2], atol=1e-6)


# the method -----------------------------------------------------------------------------------
def test_three_plain_kinds_are_found():
    kinds = np.arange(120) % 3
    last = run(blocks(120), epochs=12, batch_size=40, learning_rate=3e-3)[-1]
    table = np.zeros((3, 3), int)
    np.add.at(table, (kinds, last.assignments), 1)
    assert table.max(0).sum() == 120
    columns = last.artefacts["columns"].data
    assert np.diag(columns).min() > columns[~np.eye(3, dtype=bool)].max()
    assert last.scalars["imbalance"] < 0.1
    assert last.scalars["share_agreeing"] > 0.9


def test_the_first_step_guesses_and_the_parts_of_the_loss_add_up():
    first, second, _ = run(blocks(60))
    assert "loss" not in first.scalars
    s = second.scalars
    total = s["instance_loss"] + s["cluster_loss"] + s["imbalance_in_batches"]
    assert s["loss"] == pytest.approx(total, abs=1e-5)
    assert s["cluster_loss"] <= math.log(5) + 0.2


def test_nothing_decays_the_weights():
    ctx = Context(0)
    next(ContrastiveClustering(**TINY).iterate(blocks(60), ctx))
    assert all(g["weight_decay"] == 0 for g in ctx._parts["optimiser"].param_groups)


@pytest.mark.parametrize(("side", "first"), [(28, 14), (32, 16)])
def test_small_images_are_not_shrunk_by_a_stem(side, first):
    network = Network((1, side, side), ContrastiveClustering(**TINY))
    layers = network.trunk.layers.layers
    assert layers[0](torch.zeros(2, 1, side, side)).shape[-1] == first
    assert network.trunk.width == 4 * 4 * 16


def test_answers_do_not_depend_on_the_batch():
    """BatchNorm with the statistics of the batch would give an image another cluster in it."""
    network = Network((1, 8, 8), ContrastiveClustering(**TINY)).eval()
    x = Inputs(blocks(12), torch.device("cpu"))[np.arange(12)]
    with torch.no_grad():
        assert torch.allclose(network(x)[1][:4], network(x[:4])[1], atol=1e-6)


def test_the_sheet_shows_the_same_images_with_new_copies():
    _, *sheets = (s.artefacts["pairs"].data for s in run(blocks(60)))
    assert np.array_equal(sheets[0][0], sheets[1][0])
    assert not np.array_equal(sheets[0][1], sheets[1][1])


def test_points_have_tables_but_no_pictures():
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    last = run(points)[-1]
    assert set(last.artefacts) == {"columns", "rows", "shares"}
    assert last.artefacts["rows"].data.shape == (10, 10)

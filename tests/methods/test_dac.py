"""DAC: label features, thresholds and pairs by hand, and the method that uses them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clustlab.context import Context
from clustlab.methods.dac import (
    DAC,
    Network,
    choose_pairs,
    label_features,
    pair_loss,
    thresholds,
)
from clustlab.parts.inputs.network_input import Inputs
from tests.support.fakes import blocks

A = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]]).double()
TINY = {"n_clusters": 3, "epochs": 2, "batch_size": 20, "width": 4}


def run(items, ctx=None, **values):
    return list(DAC(**{**TINY, **values}).iterate(items, ctx or Context(0)))


def similarities(scores: torch.Tensor) -> torch.Tensor:
    rows = label_features(scores)
    return rows @ rows.T


# pairs by hand --------------------------------------------------------------------------------
def test_golden_cosines():
    s = similarities(A.log())
    expected = [0.257576, 0.257576, 0.257576, 0.94374, 0.562614, 0.30853]
    pairs = [s[0, 1], s[0, 2], s[1, 2], s[0, 3], s[1, 3], s[2, 3]]
    assert [float(p) for p in pairs] == pytest.approx(expected, abs=1e-5)
    assert torch.allclose(s.diagonal(), torch.ones(4).double())


def test_pairs_of_the_golden_cosines():
    similar, dissimilar = choose_pairs(similarities(A.log()), 0.9, 0.3)
    assert similar.nonzero().tolist() == [[0, 3], [3, 0]]
    assert {tuple(sorted(p)) for p in dissimilar.nonzero().tolist()} == {(0, 1), (0, 2), (1, 2)}


def test_an_item_is_no_pair_with_itself():
    similar, dissimilar = choose_pairs(torch.ones(5, 5), 0.9, 0.4)
    assert int(similar.sum()) == 20
    assert not similar.diagonal().any()
    similar, dissimilar = choose_pairs(torch.zeros(5, 5), 0.9, 0.4)
    assert int(dissimilar.sum()) == 20
    assert not dissimilar.diagonal().any()


def test_no_gradient_passes_through_the_choice():
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    similar, dissimilar = choose_pairs(similarities(scores), 0.9, 0.5)
    assert not similar.requires_grad
    assert not dissimilar.requires_grad


def test_loss_by_hand():
    s = torch.tensor([[1.0, 0.9, 0.2], [0.9, 1.0, 0.6], [0.2, 0.6, 1.0]])
    similar, dissimilar = choose_pairs(s, 0.8, 0.5)
    # two of each, since every pair counts from both sides; the pair at 0.6 is left out
    expected = -(math.log(0.9) + math.log(0.8)) / 2
    assert float(pair_loss(s, similar, dissimilar)) == pytest.approx(expected)


def test_without_a_clear_pair_nothing_is_learned():
    scores = torch.randn(4, 3, requires_grad=True)
    none = torch.zeros(4, 4, dtype=torch.bool)
    loss = pair_loss(similarities(scores), none, none)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not scores.grad.any()


def test_sure_mistakes_cost_much_but_not_infinitely():
    s = torch.eye(2).requires_grad_()
    all_pairs = torch.tensor([[False, True], [True, False]])
    loss = pair_loss(s, all_pairs, ~all_pairs)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-math.log(1e-6), rel=1e-4)
    assert torch.isfinite(s.grad).all()


def test_gradient_by_finite_differences():
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).double()
    similar, dissimilar = choose_pairs(similarities(2 * scores), 0.7, 0.4)
    assert similar.any()
    assert dissimilar.any()
    assert torch.autograd.gradcheck(
        lambda x: pair_loss(similarities(x), similar, dissimilar), (2 * scores).requires_grad_()
    )


@given(seed=st.integers(0, 10_000), k=st.integers(2, 10))
def test_label_features_are_directions_between_the_axes(seed, k):
    rows = label_features(
        3 * torch.randn(8, k, generator=torch.Generator().manual_seed(seed)).double()
    )
    assert torch.allclose(rows.norm(dim=1), torch.ones(8).double())
    s = rows @ rows.T
    assert float(rows.min()) >= 0
    assert -1e-9 <= float(s.min()) <= float(s.max()) <= 1 + 1e-9


# thresholds -----------------------------------------------------------------------------------
def test_thresholds_start_far_apart_and_meet_in_the_middle():
    assert thresholds(0) == (0.95, 0.455)
    assert thresholds(0.45) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize("epochs", [1, 2, 20, 46, 400])
def test_they_are_apart_in_every_epoch_and_have_met_after_the_last(epochs):
    growth = DAC(epochs=epochs).growth()
    upper, lower = thresholds((epochs - 1) * growth)
    assert upper > lower
    upper, lower = thresholds(epochs * growth)
    assert upper < lower


def test_the_published_schedule_takes_46_epochs():
    assert DAC(epochs=46).growth() == pytest.approx(1.1 * 0.009, abs=1e-4)


# the network ----------------------------------------------------------------------------------
def test_the_untrained_network_spreads_its_cosines():
    """A flat softmax would make every pair similar, and one cluster of all."""
    Context(0)
    network = Network((1, 8, 8), DAC(n_clusters=10, width=4))
    items = np.random.default_rng(0).integers(0, 255, (200, 8, 8, 1), dtype=np.uint8)
    with torch.no_grad():
        s = similarities(network(Inputs(items, torch.device("cpu"))[np.arange(200)]))
    similar, dissimilar = choose_pairs(s, *thresholds(0))
    assert dissimilar.float().mean() > 0.1
    assert 0 < similar.float().mean() < 0.1


def test_the_last_two_layers_begin_as_identities():
    Context(0)
    head = Network((1, 8, 8), DAC(**TINY)).head
    assert torch.equal(head[3].weight, torch.eye(3))
    assert torch.equal(head[6].weight, torch.eye(3))


@pytest.mark.parametrize("k", [2, 3, 4, 10, 40])
def test_sure_items_of_unlike_clusters_are_dissimilar_for_any_number_of_clusters(k):
    """In even clusters BatchNorm without weights gives the one score left sqrt(k - 1)."""
    network = Network((2,), DAC(n_clusters=k, width=4))
    assert not any(list(m.parameters()) for m in network.head if isinstance(m, nn.BatchNorm1d))
    network.head = nn.Sequential(nn.BatchNorm1d(k, affine=False), nn.ReLU())
    scores = network.scores(torch.eye(k).repeat(5, 1))
    assert float(scores.max()) == pytest.approx(max(1.5, math.sqrt(k - 1)), rel=1e-3)
    s = similarities(scores[:k])
    assert float(s[0, 1]) < thresholds(0)[1]


# the method -----------------------------------------------------------------------------------
@pytest.mark.slow
def test_three_plain_kinds_are_found():
    """From this seed; with so few clusters others merge two kinds, as the text says."""
    kinds = np.arange(120) % 3
    last = run(blocks(120), epochs=10, batch_size=40, width=8)[-1]
    table = np.zeros((3, 3), int)
    np.add.at(table, (kinds, last.assignments), 1)
    assert table.max(0).sum() == 120
    assert last.scalars["share_similar"] == pytest.approx(1 / 3, abs=0.1)


def test_every_pair_is_counted_once():
    snapshots = run(blocks(60), epochs=3)
    for snapshot in snapshots[1:]:
        s = snapshot.scalars
        counted = s["n_similar_pairs"] + s["n_dissimilar_pairs"] + s["n_left_out_pairs"]
        assert counted == 3 * 20 * 19
    upper = [s.scalars["upper_threshold"] for s in snapshots[1:]]
    lower = [s.scalars["lower_threshold"] for s in snapshots[1:]]
    assert upper[0] == 0.95
    assert upper == sorted(upper, reverse=True)
    assert lower == sorted(lower)


def test_passes_repeat_the_pairs_of_an_epoch():
    once, twice = (run(blocks(60), epochs=1, passes=p)[-1].scalars for p in (1, 2))
    pairs = ("n_similar_pairs", "n_dissimilar_pairs", "n_left_out_pairs")
    assert 2 * sum(once[p] for p in pairs) == sum(twice[p] for p in pairs)


def test_selection_shows_what_the_thresholds_do():
    last = run(blocks(60))[-1]
    s, selection = (last.artefacts[name].data for name in ("similarity", "selection"))
    upper, lower = last.scalars["upper_threshold"], last.scalars["lower_threshold"]
    apart = ~np.eye(32, dtype=bool)
    assert set(np.unique(selection)) <= {0.0, 0.5, 1.0}
    assert (selection[apart & (s > upper)] == 1).all()
    assert (selection[apart & (s < lower)] == 0).all()
    assert (np.diag(selection) == 0.5).all()


def test_items_are_judged_in_large_mixed_batches(monkeypatch):
    """With the statistics of a batch, a batch of one kind would be judged by its small details."""
    seen = []
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda self, x: seen.append(len(x)) or forward(self, x))
    ctx = Context(0)
    steps = DAC(**TINY).iterate(np.sort(blocks(60), axis=0), ctx)
    next(steps)
    assert seen == []  # nothing but the one pass over the whole set, through the encoder
    next(steps)
    assert set(seen) == {20}


def test_items_without_any_score_are_counted():
    last = run(blocks(60))[-1]
    flat = last.probabilities.max(1) < 1 / 3 + 1e-6
    assert flat.any()
    assert last.scalars["share_undecided"] == pytest.approx(flat.mean())
    assert (last.assignments[flat] == 0).all()


def test_points_have_no_sheet_of_pairs():
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    assert set(run(points)[-1].artefacts) == {"similarity", "selection", "label features"}

"""SCAN: its loss by hand, its neighbours, and its phases."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.context import Context
from clustlab.methods.scan import SCAN, scan_loss
from clustlab.parts.clustering import neighbour_graph
from clustlab.parts.clustering.balance import inverse_size_weights
from clustlab.parts.clustering.kmeans import follow
from clustlab.parts.clustering.neighbours import nearest, neighbour_sheet, sheet, shown_items
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.losses.information import marginal_entropy
from clustlab.parts.losses.simplex import consistency
from clustlab.parts.networks.heads import confidence_artefacts, loss_bars, self_label_loss
from tests.support.fakes import blocks

A = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]]).double()
B = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.1, 0.7], [0.3, 0.6, 0.1]]).double()
TINY = {
    "n_clusters": 3,
    "epochs": 2,
    "cluster_epochs": 2,
    "label_epochs": 2,
    "batch_size": 20,
    "width": 4,
    "n_neighbors": 5,
}


def run(items, ctx=None, **values):
    return list(SCAN(**{**TINY, **values}).iterate(items, ctx or Context(0)))


# the loss -------------------------------------------------------------------------------------
def test_golden_values():
    assert float(consistency(A, B)) == pytest.approx(0.644288, abs=1e-5)
    assert float(marginal_entropy(A)) == pytest.approx(1.086814, abs=1e-5)
    assert float(scan_loss(A, B)) == pytest.approx(-4.789783, abs=1e-5)
    assert float(scan_loss(A.float(), B.float())) == pytest.approx(-4.789783, abs=1e-5)


def test_sure_equal_and_even_answers_are_best():
    p = torch.eye(4).repeat(3, 1)
    assert float(scan_loss(p, p)) == pytest.approx(-5 * math.log(4), abs=1e-5)


def test_one_cluster_for_all_is_consistent_but_has_no_entropy():
    p = torch.eye(4)[torch.zeros(6, dtype=torch.long)]
    assert float(scan_loss(p, p)) == pytest.approx(0, abs=1e-6)


def test_sure_answers_that_differ_cost_much_but_not_infinitely():
    a, b = torch.eye(3), torch.eye(3).roll(1, 0).requires_grad_()
    loss = scan_loss(a, b)
    loss.backward()
    assert 80 < float(loss.detach()) < 90
    assert torch.isfinite(b.grad).all()


def test_the_entropy_is_that_of_the_items_not_of_their_neighbours():
    one = torch.eye(3)[torch.zeros(3, dtype=torch.long)]
    flat = torch.full((3, 3), 1 / 3)
    assert float(scan_loss(flat, one, 1.0)) == pytest.approx(0, abs=1e-6)
    assert float(scan_loss(one, flat, 1.0)) == pytest.approx(math.log(3), abs=1e-6)


@given(seed=st.integers(0, 10_000), k=st.integers(2, 8), weight=st.floats(0, 5))
def test_renumbering_clusters_or_items_changes_nothing(seed, k, weight):
    generator = torch.Generator().manual_seed(seed)
    p, q = torch.randn(2, 9, k, generator=generator).double().softmax(-1)
    loss = float(scan_loss(p, q, weight))
    clusters = torch.randperm(k, generator=generator)
    items = torch.randperm(9, generator=generator)
    again = float(scan_loss(p[items][:, clusters], q[items][:, clusters], weight))
    assert again == pytest.approx(loss, abs=1e-9)
    assert loss >= -weight * math.log(k) - 1e-9


def test_gradient_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    pair = [torch.randn(5, 3, generator=generator).double().requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: scan_loss(a.softmax(1), b.softmax(1)), pair)


# self-labelling -------------------------------------------------------------------------------
def test_small_clusters_have_the_same_say_in_self_labelling():
    p = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9]])
    pseudo_labels = torch.tensor([0, 0, 0, 1, 1])
    confident = torch.tensor([True, True, True, True, False])
    weight = torch.from_numpy(inverse_size_weights(pseudo_labels[confident].numpy(), 2))
    first = -(math.log(0.5) + math.log(0.25) + math.log(0.8)) / 3
    found = self_label_loss(p, pseudo_labels, confident, weight)
    assert float(found) == pytest.approx((first - math.log(0.6)) / 2)
    alike = self_label_loss(p, pseudo_labels, confident, torch.ones(2))
    assert float(alike) == pytest.approx((3 * first - math.log(0.6)) / 4)


def test_without_a_confident_item_there_is_no_loss_and_no_slope():
    p = A.clone().requires_grad_()
    none = torch.zeros(4, dtype=torch.bool)
    loss = self_label_loss(p, torch.arange(4) % 3, none, torch.ones(3).double())
    loss.backward()
    assert float(loss.detach()) == 0
    assert not p.grad.any()


def test_an_impossible_answer_costs_much_but_not_infinitely():
    p, everyone = torch.eye(2), torch.ones(2, dtype=torch.bool)
    loss = self_label_loss(p, torch.tensor([1, 0]), everyone, torch.ones(2))
    assert 80 < float(loss) < 90


def test_gradient_of_self_labelling_by_finite_differences():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 3, generator=generator).double().requires_grad_()
    pseudo_labels = torch.tensor([0, 1, 2, 2, 1, 0])
    confident = torch.tensor([True, False, True, True, False, True])
    weight = torch.tensor([0.5, 1.0, 2.0]).double()

    def loss(scores):
        return self_label_loss(scores.softmax(1), pseudo_labels, confident, weight)

    assert torch.autograd.gradcheck(loss, (scores,))
    (slope,) = torch.autograd.grad(loss(scores), scores)
    assert not slope[~confident].any()


# neighbours -----------------------------------------------------------------------------------
def test_neighbours_by_hand():
    z = torch.tensor([[1.0, 0.0], [5.0, 1.0], [0.0, 1.0], [-1.0, 0.1]])
    assert nearest(z, 2, Context()).tolist() == [[1, 2], [0, 2], [1, 3], [2, 1]]


def test_an_item_is_not_its_own_neighbour_among_equals():
    found = nearest(torch.ones(6, 3), 5, Context())
    assert all(i not in row for i, row in enumerate(found.tolist()))
    assert all(len(set(row)) == 5 for row in found.tolist())


def test_there_are_no_more_neighbours_than_others():
    assert nearest(torch.randn(4, 2), 20, Context()).shape == (4, 3)


def test_neighbours_are_found_in_parts(monkeypatch):
    """A full matrix of all similarities does not fit into memory for large sets."""
    z = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    whole = nearest(z, 7, Context())
    monkeypatch.setattr(neighbour_graph, "CHUNK_CELLS", 130)
    polls = []
    parts = nearest(z, 7, Context(poll=lambda: polls.append(1)))
    assert torch.equal(parts, whole)
    assert len(polls) == 25


def test_sheets_put_an_item_before_its_neighbours():
    inputs = Inputs(blocks(9), torch.device("cpu"))
    table = torch.tensor([[(i + 3) % 9, (i + 6) % 9] for i in range(9)])
    drawn = neighbour_sheet(inputs, np.array([1, 5]), table)
    assert drawn.data.shape == (2, 3, 8, 8, 1)
    assert np.array_equal(drawn.data[1], blocks(9)[[5, 8, 2]])
    assert drawn.rows == ("item 1", "item 5")
    ragged = sheet(inputs, [[1, 2], [], [3]])
    assert np.array_equal(ragged[2, 0], blocks(9)[3])
    assert ragged[1].max() == ragged[2, 1].max() == 0


def test_shown_items_differ_and_are_in_order():
    shown = shown_items(20, 8, np.random.default_rng(0))
    assert len(set(shown)) == 8
    assert (np.diff(shown) > 0).all()
    assert shown_items(3, 8, np.random.default_rng(0)).tolist() == [0, 1, 2]


def test_following_goes_on_from_the_old_members():
    x = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    for old in ([1, 1, 0, 0], [0, 0, 1, 1]):
        found = follow(x, 2, torch.tensor(old), Context())
        assert found.assignments.tolist() == old


# artefacts ------------------------------------------------------------------------------------
def test_confidence_by_hand():
    p = torch.tensor([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0]])
    shown = confidence_artefacts(p, p.amax(1) > 0.7)
    assert shown["confident"].data.tolist() == [[0.5, 1.0, 0.0]]
    assert shown["confidence"].data[:, 0].tolist() == pytest.approx([0.9, 0.6, 0.8])
    assert loss_bars([1.0, 0.5], 1).marked == (1,)


# the method -----------------------------------------------------------------------------------
@pytest.mark.slow
def test_three_plain_kinds_are_found():
    kinds = np.arange(120) % 3
    last = run(blocks(120), epochs=4, cluster_epochs=8, cluster_learning_rate=3e-3)[-1]
    table = np.zeros((3, 3), int)
    np.add.at(table, (kinds, last.assignments), 1)
    assert table.max(0).sum() == 120
    assert last.scalars["share_of_neighbours_agreeing"] > 0.95
    assert last.scalars["entropy"] == pytest.approx(math.log(3), abs=0.05)


def test_without_a_confident_item_the_last_phase_is_left_out():
    snapshots = run(blocks(60), threshold=1.0)
    assert len(snapshots) == 1 + 2 + 1 + 2
    assert snapshots[-1].scalars["share_confident"] == 0


def test_confident_items_label_themselves():
    ctx = Context(0)
    snapshots = run(blocks(60), ctx, threshold=0.1, cluster_epochs=1)
    assert len(snapshots) == 1 + 2 + 1 + 1 + 2
    assert [s.scalars["chosen_head"] for s in snapshots[4:]] == [
        snapshots[4].scalars["chosen_head"]
    ] * 3
    assert snapshots[-1].scalars["share_confident"] == 1
    losses = [s.scalars["self_label_loss"] for s in snapshots[5:]]
    assert losses[1] < losses[0]


def test_all_items_pass_the_network_while_few_are_labelled():
    """BatchNorm that saw the confident items alone would take them for the whole set."""
    ctx = Context(0)
    method = SCAN(**{**TINY, "threshold": 0.5, "cluster_epochs": 1, "label_epochs": 1})
    steps = method.iterate(blocks(60), ctx)
    for _ in range(5):
        next(steps)
    p = torch.full((60, 3), 0.3)
    p[:4, 0], p[4:7, 1] = 0.9, 0.9
    ctx._parts["probabilities"].value = p
    seen = []
    network = ctx._parts["network"]
    network.trunk.register_forward_pre_hook(
        lambda m, x: seen.append(len(x[0])) if m.training else None
    )
    assert np.isfinite(next(steps).scalars["self_label_loss"])
    assert all(size == 20 for size in seen)
    assert 1 <= len(seen) <= 3  # a batch without a confident item teaches nothing


def test_neighbours_are_mined_once_and_kept():
    ctx = Context(0)
    steps = SCAN(**TINY).iterate(blocks(60), ctx)
    found = [ctx._parts["neighbours"].value.clone() for _ in steps]
    assert [f.shape[1] for f in found[:3]] == [0, 0, 0]
    assert all(torch.equal(f, found[3]) for f in found[3:])
    assert found[3].shape == (60, 5)


def test_the_pretext_leaves_the_heads_and_the_labels_alone():
    ctx = Context(0)
    steps = SCAN(**TINY).iterate(blocks(60), ctx)
    next(steps)
    before = ctx._parts["network"].heads.linear.weight.detach().clone()
    for _ in range(3):
        next(steps)
    assert torch.equal(before, ctx._parts["network"].heads.linear.weight)
    next(steps)
    assert not torch.equal(before, ctx._parts["network"].heads.linear.weight)


def test_the_chosen_head_has_the_lowest_loss():
    last = run(blocks(60), threshold=1.0, n_heads=4)[-1]
    losses = last.artefacts["heads"].data[0]
    assert last.artefacts["heads"].marked == (int(losses.argmin()),)
    assert last.scalars["chosen_head"] == losses.argmin() + 1
    s = last.scalars
    assert losses.min() == pytest.approx(s["consistency"] - s["entropy"], abs=1e-4)


def test_continuing_a_finished_run_skips_the_pretext():
    ctx = Context(0)
    run(blocks(60), ctx, threshold=1.0)
    again = run(blocks(60), Context(1, warm=ctx.final_checkpoint()), threshold=1.0)
    assert len(again) == 1 + 1 + 2


def test_each_phase_has_its_own_batches(monkeypatch):
    sizes = {}
    ctx = Context(0)
    slices = ctx.slices

    def counted(order, size):
        sizes.setdefault(ctx.phase_name, set()).add(size)
        return slices(order, size)

    monkeypatch.setattr(ctx, "slices", counted)
    run(blocks(60), ctx, cluster_batch_size=10, label_batch_size=30, threshold=0.1, n_heads=1)
    assert (sizes["cluster"], sizes["self-label"]) == ({10}, {30})
    groups = [ctx._parts[f"{name} optimiser"].param_groups[0] for name in ("pretext", "label")]
    assert {group["weight_decay"] for group in groups} == {0.0}

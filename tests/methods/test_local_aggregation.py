"""Local Aggregation: its bank and its loss by hand, its clusterings, and its pictures."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch.nn import functional

from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.methods import local_aggregation
from clustlab.methods.local_aggregation import LocalAggregation
from clustlab.methods.local_aggregation.memory_bank import (
    instance_loss,
    local_aggregation_loss,
    neighbourhood,
    remember,
    similarities,
)
from tests.support.fakes import blocks

MEMORY_BANK = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-1.0, 0.0]]).double()
TABLES = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 2]])
V = torch.tensor([[0.96, 0.28]]).double()
ITEM = torch.tensor([0])
TINY = {
    "n_clusters": 3,
    "warm_up_epochs": 2,
    "epochs": 2,
    "batch_size": 20,
    "width": 4,
    "n_features": 8,
    "items_per_cluster": 10,
    "n_background": 30,
}


def run(items, ctx=None, **values):
    return list(LocalAggregation(**{**TINY, **values}).iterate(items, ctx or Context(0)))


def directions(seed: int, n: int, d: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(n, d, generator=generator).double(), dim=1)


# by hand --------------------------------------------------------------------------------------
def test_golden_neighbourhood():
    found = neighbourhood(V, ITEM, MEMORY_BANK, TABLES, 3)
    assert found.background.tolist() == [[0, 1, 2]]
    assert found.close.tolist() == [[True, True, False]]
    assert found.votes.tolist() == [[2, 1, 0]]
    assert found.scores[0].tolist() == pytest.approx([0.96, 0.936, 0.28])


@pytest.mark.parametrize(
    ("temperature", "value", "digits"), [(0.5, 0.123464, 1e-6), (0.07, 3.533e-5, 1e-8)]
)
def test_golden_losses(temperature, value, digits):
    found = neighbourhood(V, ITEM, MEMORY_BANK, TABLES, 3)
    assert float(local_aggregation_loss(found, temperature)) == pytest.approx(value, abs=digits)


def test_an_item_is_always_among_its_own_background():
    """Without, an item none of whose close ones is near would have the logarithm of nothing."""
    away = torch.tensor([[-0.6, 0.8]]).double()
    alone = torch.arange(4).repeat(2, 1)
    found = neighbourhood(away, ITEM, MEMORY_BANK, alone, 2)
    assert found.background.tolist() == [[2, 0]]
    assert found.close.tolist() == [[False, True]]
    assert math.isfinite(float(local_aggregation_loss(found)))


def test_all_background_close_teaches_nothing():
    v = directions(0, 3, 2).requires_grad_()
    found = neighbourhood(v, torch.tensor([0, 1, 2]), MEMORY_BANK, torch.zeros(1, 4), 4)
    loss = local_aggregation_loss(found)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-9)
    assert v.grad.abs().max() < 1e-9


def test_an_item_alone_in_its_clusters_is_told_apart_from_the_background():
    alone = torch.arange(4)[None]
    found = neighbourhood(V, ITEM, MEMORY_BANK, alone, 4)
    expected = instance_loss(V, ITEM, MEMORY_BANK, 0.07)
    assert float(local_aggregation_loss(found, 0.07)) == pytest.approx(float(expected))


def test_instance_loss_by_hand():
    scores = [0.96, 0.936, 0.28, -0.96]
    expected = math.log(sum(math.exp(2 * s) for s in scores)) - 2 * 0.96
    assert float(instance_loss(V, ITEM, MEMORY_BANK, 0.5)) == pytest.approx(expected)


@given(seed=st.integers(0, 10_000), m=st.integers(1, 12))
def test_the_loss_is_never_negative_and_close_sets_grow_with_clusterings(seed, m):
    memory_bank, v = directions(seed, 12, 3), directions(seed + 1, 5, 3)
    tables = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, (3, 12)))
    index = torch.arange(5)
    one, three = (neighbourhood(v, index, memory_bank, tables[:h], m) for h in (1, 3))
    assert float(local_aggregation_loss(one, 0.2)) >= -1e-9
    assert (three.close | ~one.close).all()
    assert float(local_aggregation_loss(three, 0.2)) <= float(local_aggregation_loss(one, 0.2))
    assert (one.background == index[:, None]).any(1).all()
    assert all(len(set(row)) == min(m, 12) for row in one.background.tolist())


def test_gradients_by_finite_differences_reach_the_items_alone():
    memory_bank, v = directions(0, 10, 3).requires_grad_(), directions(1, 4, 3).requires_grad_()
    tables = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (2, 10)))
    index = torch.arange(4)

    def local(x: torch.Tensor) -> torch.Tensor:
        return local_aggregation_loss(neighbourhood(x, index, memory_bank, tables, 6), 0.5)

    assert torch.autograd.gradcheck(local, v)
    assert torch.autograd.gradcheck(lambda x: instance_loss(x, index, memory_bank, 0.5), v)
    (local(v) + instance_loss(v, index, memory_bank, 0.5)).backward()
    assert memory_bank.grad is None


def test_small_temperatures_overflow_nothing():
    found = neighbourhood(V.float(), ITEM, MEMORY_BANK.float(), TABLES, 3)
    assert math.isfinite(float(local_aggregation_loss(found, 0.001)))


def test_the_bank_moves_half_way_and_stays_on_the_sphere():
    memory_bank = MEMORY_BANK.clone()
    remember(memory_bank, torch.tensor([0, 3]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    half = math.sqrt(0.5)
    assert memory_bank[0].tolist() == pytest.approx([half, half])
    assert memory_bank[3].tolist() == pytest.approx([-half, half])
    assert torch.equal(memory_bank[1:3], MEMORY_BANK[1:3])
    remember(memory_bank, ITEM, V, keep=0.0)
    assert torch.allclose(memory_bank[0], V[0])


def test_similarities_are_shared_out_by_the_kind_of_neighbour():
    drawn = similarities(V, MEMORY_BANK, neighbourhood(V, ITEM, MEMORY_BANK, TABLES, 3)).data
    close, background, further = (np.flatnonzero(row) for row in drawn)
    edges = np.linspace(-1, 1, 41)
    place = np.searchsorted(edges, [0.96, 0.936, 0.28, -0.96]) - 1  # by hand: products with V
    assert drawn.sum(1) == pytest.approx([1, 1, 1])
    assert set(close) == {place[0], place[1]}
    assert background.tolist() == [place[2]]
    assert further.tolist() == [place[3]]


# the method -----------------------------------------------------------------------------------
def test_three_plain_kinds_are_found():
    kinds = np.arange(120) % 3
    last = run(blocks(120), epochs=4)[-1]
    table = np.zeros((3, 3), int)
    np.add.at(table, (kinds, last.assignments), 1)
    assert table.max(0).sum() == 120
    assert last.scalars["close_neighbours"] > 3


@pytest.mark.parametrize("n", [60, 63])
def test_clusterings_are_renewed_in_every_epoch(n):
    """Whether or not the batches divide the items, which public code trips over."""
    ctx = Context(0)
    steps = LocalAggregation(**{**TINY, "epochs": 3}).iterate(blocks(n), ctx)
    tables = [ctx._parts["fine clusters"].value.clone() for _ in steps]
    assert all(torch.equal(t, tables[0]) for t in tables[:3])  # warm-up: each item for itself
    assert tables[0][0].tolist() == list(range(n))
    for before, after in itertools.pairwise(tables[2:]):
        assert not torch.equal(before, after)
    assert all(not torch.equal(tables[3][0], other) for other in tables[3][1:])


def test_close_neighbours_are_more_than_the_item_itself_once_there_are_clusters():
    snapshots = run(blocks(60))
    close = [s.scalars["close_neighbours"] for s in snapshots]
    assert close[:3] == [1, 1, 1]
    assert min(close[3:]) > 1
    assert 0 < snapshots[-1].scalars["agreement_of_clusterings"] < 1


def test_the_bank_is_indexed_by_the_item():
    """After a pass that forgets the past, the bank holds the directions of just these items."""
    ctx = Context(0)
    steps = LocalAggregation(**{**TINY, "memory": 0.0, "strength": 0.0}).iterate(blocks(60), ctx)
    next(steps)
    snapshot = next(steps)
    memory_bank = ctx._parts["bank"].value
    own = (memory_bank @ torch.from_numpy(snapshot.embedding.copy()).T).numpy()
    assert np.diag(own).mean() > own.mean() + 0.05
    assert torch.allclose(memory_bank.norm(dim=1), torch.ones(60), atol=1e-5)


def test_the_sheet_parts_close_from_other_background():
    ctx = Context(0)
    steps = LocalAggregation(**TINY).iterate(blocks(60), ctx)
    *_, last = steps
    drawn, shown = last.artefacts["neighbours"], ctx._parts["shown items"].value
    assert drawn.rows[:2] == (f"item {shown[0]}: close", f"item {shown[0]}: background")
    for i, item in enumerate(shown):
        assert np.array_equal(drawn.data[2 * i, 0], blocks(60)[item])
        assert np.array_equal(drawn.data[2 * i + 1, 0], blocks(60)[item])
    votes = last.artefacts["votes"].data
    assert votes.max() <= 3
    pictured = (drawn.data[::2, 1:].max((2, 3, 4)) > 0).sum(1)
    assert (pictured <= (votes > 0).sum(1)).all()


def test_biases_and_normalisation_do_not_decay():
    ctx = Context(0)
    next(LocalAggregation(**TINY).iterate(blocks(60), ctx))
    groups = ctx._parts["optimiser"].param_groups
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] > 0) for p in group["params"])
    held = sum(len(group["params"]) for group in groups)
    assert held == len(list(ctx._parts["network"].parameters()))


@pytest.mark.parametrize(
    ("n", "passes", "fine", "background"),
    [(500, 8, 12, 400), (10_000, 8, 250, 400), (20_000, 4, 250, 800), (70_000, 1, 250, 2800)],
)
def test_sizes_grow_and_the_warm_up_shrinks_beyond_ten_thousand_items(n, passes, fine, background):
    for preset in ("quick", "standard"):
        method = LocalAggregation(**LocalAggregation.presets[preset])
        assert (method.n_fine(n), method.background(n)) == (fine, background)
    assert method.warm_up(n) == method.plan(n, (8, 8, 1))[1].iterations == passes
    plain = LocalAggregation()  # as runs were that did not say it
    assert (plain.n_fine(n), plain.background(n)) == (round(n / 40), 400)
    assert plain.warm_up(n) == 8


def test_the_background_of_a_run_is_as_large_as_asked(monkeypatch):
    asked = []
    real = local_aggregation.neighbourhood
    monkeypatch.setattr(
        local_aggregation, "neighbourhood", lambda *a: asked.append(a[-1]) or real(*a)
    )
    monkeypatch.setattr(local_aggregation, "FEW_ITEMS", 30)
    monkeypatch.setattr(local_aggregation, "N_BACKGROUND", 5)
    run(blocks(60), n_background=None)
    assert set(asked) == {10}


def test_continuing_a_finished_run_keeps_its_bank_and_skips_the_warm_up():
    ctx = Context(0)
    run(blocks(60), ctx)
    warm = Context(1, warm=ctx.final_checkpoint())
    steps = LocalAggregation(**TINY).iterate(blocks(60), warm)
    next(steps)
    assert torch.equal(warm._parts["bank"].value, ctx._parts["bank"].value)
    assert len(list(steps)) == 2


def test_the_bank_starts_from_the_network_not_from_chance():
    ctx = Context(0)
    first = next(LocalAggregation(**TINY).iterate(blocks(60), ctx))
    own = (ctx._parts["bank"].value.numpy() * first.embedding).sum(1)
    assert own == pytest.approx(np.ones(60), abs=1e-5)
    assert np.linalg.norm(first.embedding.mean(0)) < 0.3  # no narrow cone


def test_the_warm_up_spreads_directions_instead_of_collapsing():
    """Public settings with a bank of random rows end in one point, where guessing costs ln n."""
    items = (load_digits().images[:300] * 255 / 16).round().astype(np.uint8)[..., None]
    last = run(items, warm_up_epochs=8, epochs=1, strength=0.3, n_features=16)[8]
    assert last.scalars["instance_loss"] < math.log(300) - 2
    assert np.linalg.norm(last.embedding.mean(0)) < 0.3


def test_the_rate_falls_near_the_end_of_aggregation():
    method = LocalAggregation(epochs=20, learning_rate=0.03)
    assert [method.rate(i) for i in (0, 15)] == [0.03, 0.03]
    assert method.rate(16) == pytest.approx(0.003)
    assert method.rate(19) == pytest.approx(0.0003)
    assert run(blocks(60), epochs=5)[-1].scalars["learning_rate"] == pytest.approx(0.003)


def test_the_item_asked_for_is_shown_first():
    last = run(blocks(60), shown_item=7)[-1]
    drawn = last.artefacts["neighbours"]
    assert drawn.rows[:2] == ("item 7: close", "item 7: background")
    assert np.array_equal(drawn.data[0, 0], blocks(60)[7])
    assert len(set(drawn.rows)) == len(drawn.rows) == 10
    with pytest.raises(ParameterError, match=r"shown_item .* got 60 for 60 items"):
        run(blocks(60), shown_item=60)


def test_nothing_is_aggregated_while_the_network_warms_up():
    ctx = Context(poll=lambda: boxes.add((ctx.phase_name, ctx.active)))
    boxes = set()
    run(blocks(40), ctx)
    assert {box for phase, box in boxes if phase == "warm up"} == {"encode", "remember", "look"}
    assert ("aggregate", "aggregate") in boxes

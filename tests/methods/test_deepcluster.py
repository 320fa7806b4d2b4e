import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import normalized_mutual_info_score

from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.methods import deepcluster
from clustlab.methods.deepcluster import (
    DeepCluster,
    Network,
    agreement,
    normalised_features,
)
from clustlab.parts.clustering.balance import inverse_size_weights, uniform_draw
from clustlab.parts.clustering.kmeans import assign, kmeans
from clustlab.parts.inputs.network_input import Inputs
from tests.support.fakes import blocks

TINY = {
    "epochs": 2,
    "n_clusters": 3,
    "n_clusters_over": 8,
    "width": 4,
    "depth": 2,
    "n_features": 16,
    "n_components": 6,
    "batch_size": 16,
}


def run(items: np.ndarray, seed: int = 0, ctx: Context | None = None, **values) -> list:
    return list(DeepCluster(**{**TINY, **values}).iterate(items, ctx or Context(seed)))


def empty_clusters_first(x, n_clusters, ctx, **settings):
    """k-means whose last two centres are far away from everything."""
    found = kmeans(x, n_clusters, ctx, **settings)
    centers = found.centers.clone()
    centers[-2:] = 100 + torch.arange(2.0)[:, None]
    return assign(x, centers, ctx)


label_lists = st.lists(st.integers(0, 6), min_size=7, max_size=80).map(np.array)


@given(labels=label_lists, seed=st.integers(0, 1000))
def test_sampler_gives_every_occupied_label_the_same_share(labels, seed):
    drawn = uniform_draw(labels, np.random.default_rng(seed))
    assert len(drawn) == len(labels)
    occupied = np.unique(labels)
    share = len(labels) // len(occupied) + 1
    counts = np.bincount(labels[drawn], minlength=7)
    assert counts.max() <= share
    assert (counts[np.setdiff1d(np.arange(7), occupied)] == 0).all()
    # at most the surplus of one item per label is cut off
    assert counts[occupied].sum() == len(labels)


def test_sampler_by_count():
    labels = np.array([0] * 90 + [2] * 10)
    drawn = uniform_draw(labels, np.random.default_rng(0))
    assert abs(int((labels[drawn] == 2).sum()) - 50) <= 1
    large = drawn[labels[drawn] == 0]
    assert len(np.unique(large)) == len(large)  # large clusters leave out, small ones repeat


def test_no_items_have_no_weights():
    assert inverse_size_weights(np.zeros(0, int), 3).tolist() == [0, 0, 0]


def test_weights_by_hand():
    weights = inverse_size_weights(np.array([0, 0, 0, 2]), 4)
    assert weights == pytest.approx([4 / (2 * 3), 0, 4 / (2 * 1), 0])


@given(labels=label_lists)
def test_weights_balance_the_clusters(labels):
    weights = inverse_size_weights(labels, 7)
    assert weights[labels].mean() == pytest.approx(1, rel=1e-5)
    totals = np.bincount(labels, weights=weights[labels], minlength=7)
    assert totals[totals > 0] == pytest.approx(totals.max(), rel=1e-5)


@given(labels=label_lists, seed=st.integers(0, 1000))
def test_agreement_is_normalised_mutual_information(labels, seed):
    others = np.random.default_rng(seed).integers(0, 4, len(labels))
    expected = normalized_mutual_info_score(labels, others)
    assert agreement(labels, others) == pytest.approx(expected, abs=1e-9)
    renumbered = np.random.default_rng(seed).permutation(7)[labels]
    assert agreement(labels, renumbered) == pytest.approx(1)


def test_features_are_whitened_and_of_unit_length():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 8, generator=generator) * torch.logspace(2, -1, 8) + 5
    white, plain = (normalised_features(x, 4, whiten=w) for w in (True, False))
    assert torch.allclose(white.norm(dim=1), torch.ones(500), atol=1e-5)
    assert torch.allclose(plain.norm(dim=1), torch.ones(500), atol=1e-5)
    assert torch.allclose(white.var(0), torch.full((4,), 0.25), atol=0.05)  # all the same say
    assert plain.var(0)[0] > 0.6  # one direction decides


def test_features_are_taken_before_the_last_relu_from_unchanged_items():
    method = DeepCluster(**TINY)
    ctx = Context(0)
    inputs = Inputs(blocks(60), ctx.device)
    network = ctx.keep("network", Network(inputs.shape, method))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    first = method._features(network, inputs, ctx)
    assert torch.equal(method._features(network, inputs, ctx), first)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        raw = network.features(inputs[np.arange(60)])
        scores = network(inputs[np.arange(60)])
    assert (raw < 0).float().mean() > 0.1
    assert torch.allclose(scores, network.head(raw.clamp_min(0)), atol=1e-5)


def test_repair_leaves_no_cluster_empty(monkeypatch):
    monkeypatch.setattr(deepcluster, "kmeans", empty_clusters_first)
    for snapshot in run(blocks(60))[:-1]:
        before, after = snapshot.artefacts["sizes"].data
        assert (before == 0).sum() == snapshot.scalars["n_empty_before_repair"] == 2
        assert (after > 0).all()
        assert after.sum() == before.sum() == 60
        assert np.array_equal(np.bincount(snapshot.assignments, minlength=8), after)


def test_without_repair_clusters_stay_empty_and_training_goes_on(monkeypatch):
    monkeypatch.setattr(deepcluster, "kmeans", empty_clusters_first)
    for balance in ("uniform sampler", "inverse weights", "none"):
        snapshots = run(blocks(60), repair_empty=False, balance=balance)
        before, after = snapshots[1].artefacts["sizes"].data
        assert np.array_equal(before, after)
        assert (after == 0).sum() == 2
        assert snapshots[2].scalars["cross_entropy_guessing"] == pytest.approx(math.log(6))


def heads_around_one_epoch(**values) -> tuple[torch.Tensor, torch.Tensor]:
    method = DeepCluster(**{**TINY, "learning_rate": 1e-6, **values})
    ctx = Context(0)
    steps = method.iterate(blocks(60), ctx)
    next(steps)
    next(steps)
    head = ctx._parts["network"].head
    before = head.weight.detach().clone()
    next(steps)
    return before, head.weight.detach()


def test_head_is_drawn_anew_every_epoch():
    before, after = heads_around_one_epoch(n_features=256)
    assert (after - before).abs().mean() > 0.005
    assert float(after.std()) == pytest.approx(0.01, rel=0.1)


def test_head_stays_if_its_reset_is_off():
    before, after = heads_around_one_epoch(reset_head=False)
    assert torch.allclose(before, after, atol=1e-4)


def test_lasting_optimiser_never_holds_the_head():
    ctx = Context(0)
    steps = DeepCluster(**TINY).iterate(blocks(60), ctx)
    for _ in steps:
        network, optimiser = ctx._parts["network"], ctx._parts["optimiser"]
        held = {id(p) for group in optimiser.param_groups for p in group["params"]}
        assert held == {id(p) for p in network.body()}
        assert not held & {id(p) for p in network.head.parameters()}


def test_new_classifier_starts_by_guessing():
    snapshot = run(blocks(60), learning_rate=1e-6)[1]
    assert snapshot.scalars["cross_entropy"] == pytest.approx(math.log(8), abs=0.02)
    assert snapshot.scalars["cross_entropy_guessing"] == pytest.approx(math.log(8))


def test_images_are_changed_in_training_only_and_only_if_asked(monkeypatch):
    seen = []
    monkeypatch.setattr(
        Network, "forward", lambda self, x: seen.append(x) or self.head(self.features(x).relu())
    )
    items = blocks(60)
    clean = {row.tobytes() for row in (items.astype(np.float32) / 255.0)}
    run(items, augment=False, epochs=1)
    assert all(row.permute(1, 2, 0).contiguous().numpy().tobytes() in clean for row in seen[0])
    seen.clear()
    run(items, epochs=1)
    same = [row.permute(1, 2, 0).contiguous().numpy().tobytes() in clean for row in seen[0]]
    assert not any(same)


def test_sobel_feeds_edges_to_the_first_layer():
    shape = (3, 8, 8)
    assert Network(shape, DeepCluster(**TINY, sobel=True)).trunk.filters().shape == (2, 4, 5, 5, 1)
    assert Network(shape, DeepCluster(**TINY)).trunk.filters().shape == (1, 4, 5, 5, 3)


def test_every_round_clusters_from_a_new_draw():
    """With features that cannot change, clusterings still differ in their numbering."""
    first, second, third, _ = run(blocks(60), learning_rate=1e-6)
    assert not np.array_equal(first.assignments, second.assignments)
    assert not np.array_equal(second.assignments, third.assignments)
    assert 0 < second.scalars["nmi_previous"] <= 1


def test_last_step_merges_into_the_clusters_asked_for():
    snapshots = run(blocks(60))
    assert [s.n_clusters for s in snapshots] == [8, 8, 8, 3]
    assert set(np.unique(snapshots[-1].assignments)) == {0, 1, 2}
    assert snapshots[-1].centers.shape == (3, snapshots[-1].embedding.shape[1])


def test_three_plain_kinds_are_found():
    kinds = np.arange(120) % 3
    last = run(blocks(120), epochs=4)[-1]
    table = np.zeros((3, 3), int)
    np.add.at(table, (kinds, last.assignments), 1)
    assert table.max(0).sum() == 120


def test_resuming_repeats_the_rest_bit_for_bit():
    items = blocks(60)
    whole = run(items)
    for stop in range(len(whole)):
        ctx = Context(0)
        steps = DeepCluster(**TINY).iterate(items, ctx)
        for _ in range(stop + 1):
            next(steps)
        resumed = Context(0, checkpoint=ctx.checkpoint())
        rest = list(DeepCluster(**TINY).iterate(items, resumed))
        assert len(rest) == len(whole) - stop - 1
        for a, b in zip(rest, whole[stop + 1 :], strict=True):
            assert np.array_equal(a.embedding, b.embedding)
            assert np.array_equal(a.assignments, b.assignments)
            assert a.scalars == b.scalars


def test_continuing_starts_from_the_finished_network():
    items = blocks(60)
    ctx = Context(0)
    *_, last, _ = DeepCluster(**TINY).iterate(items, ctx)
    warm = Context(1, warm=ctx.final_checkpoint())
    first = next(DeepCluster(**TINY).iterate(items, warm))
    assert np.allclose(first.embedding, last.embedding)


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (96, 96, 3)], ids=lambda s: f"{s[0]}x{s[2]}"
)
def test_images_of_every_size(shape):
    items = np.random.default_rng(0).integers(0, 255, (24, *shape), dtype=np.uint8)
    snapshots = run(items, epochs=1, sobel=shape[2] == 3, flip=True)
    assert snapshots[0].embedding.shape == (24, 6)
    assert snapshots[0].centers.shape == (8, 6)
    assert snapshots[-1].n_clusters == 3
    assert DeepCluster().plan(24, shape)[1].cost.conv > 0


def test_points_need_no_images():
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    snapshots = run(points, epochs=1)
    assert snapshots[-1].n_clusters == 3
    assert "filters" not in snapshots[0].artefacts
    assert DeepCluster().plan(60, (2,))[1].cost.conv == 0


def test_plan_counts_every_pass():
    start, train, merge = DeepCluster(epochs=7).plan(1000, (28, 28, 1))
    assert [p.iterations for p in (start, train, merge)] == [1, 7, 1]
    # forward and about twice that backward, then once more to cluster
    assert train.cost.conv == pytest.approx(4 * start.cost.conv)
    assert merge.cost.conv == start.cost.conv


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ParameterError, match="n_clusters_over must be at least n_clusters, got 5"):
        DeepCluster(n_clusters=10, n_clusters_over=5)
    with pytest.raises(ParameterError, match="got 8 for 6 items"):
        run(blocks(6))


def test_mixed_precision_leaves_whole_snapshots():
    snapshots = run(blocks(60), ctx=Context(0, mixed_precision=True))
    assert np.allclose(np.linalg.norm(snapshots[0].embedding, axis=1), 1, atol=1e-5)
    assert [s.n_clusters for s in snapshots] == [8, 8, 8, 3]

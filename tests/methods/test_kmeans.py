"""k-means: a hand-solved case, a second opinion, and what must hold for any data."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from clustlab.context import Context
from clustlab.errors import Cancelled, ParameterError
from clustlab.parts.clustering.kmeans import (
    assign,
    kmeans,
    lloyd,
    means,
    plus_plus,
    repair_empty,
    step,
)

FOUR = torch.tensor([[0.0, 0.0], [0.0, 1.0], [10.0, 0.0], [10.0, 1.0]])


def digits() -> torch.Tensor:
    return torch.from_numpy((load_digits().data / 16).astype(np.float32))


def test_four_points_and_two_centers_are_solved_by_hand():
    now = assign(FOUR, FOUR[[0, 1]], Context())
    assert now.assignments.tolist() == [0, 1, 0, 1]
    assert now.inertia == 200.0
    # from these centres the division into rows is a fixed point, and a poor one
    stuck = lloyd(FOUR, FOUR[[0, 1]], Context())
    assert stuck.centers.tolist() == [[5.0, 0.0], [5.0, 1.0]]
    assert stuck.inertia == 100.0
    # from one centre on each side it is the division into columns
    good = lloyd(FOUR, FOUR[[0, 3]], Context())
    assert good.centers.tolist() == [[0.0, 0.5], [10.0, 0.5]]
    assert good.assignments.tolist() == [0, 0, 1, 1]
    assert good.inertia == 1.0
    assert good.iterations == 1  # no item changed side


def test_restarts_keep_the_lowest_inertia():
    found = kmeans(FOUR, 2, Context(), n_init=10, init="random")
    assert found.inertia == pytest.approx(1.0)


def test_same_seed_gives_same_bytes():
    a, b = (kmeans(digits(), 10, Context(seed=3), n_init=2) for _ in range(2))
    assert torch.equal(a.centers, b.centers)
    assert torch.equal(a.assignments, b.assignments)


def test_inertia_agrees_with_scikit_learn_from_the_same_start():
    x = digits()
    start = plus_plus(x, 10, Context())
    ours = kmeans(x, 10, Context(), centers=start, tol=0.0, max_iter=300)
    theirs = KMeans(10, init=start.numpy(), n_init=1, tol=0.0, max_iter=300).fit(x.numpy())
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-5)
    assert np.mean(ours.assignments.numpy() == theirs.labels_) > 0.999


def test_best_of_ten_is_as_good_as_scikit_learn():
    x = digits()
    ours = kmeans(x, 10, Context(), n_init=10)
    theirs = KMeans(10, n_init=10, random_state=0).fit(x.numpy())
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=0.005)


def test_greedy_start_is_better_than_a_random_one():
    x, ctx = digits(), Context()
    greedy = [assign(x, plus_plus(x, 10, ctx), ctx).inertia for _ in range(5)]
    drawn = [assign(x, x[ctx.rng.choice(len(x), 10)], ctx).inertia for _ in range(5)]
    assert np.mean(greedy) < np.mean(drawn)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    n=st.integers(5, 60),
    d=st.integers(1, 6),
    k=st.integers(1, 5),
    seed=st.integers(0, 999),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    repair=st.booleans(),
)
def test_inertia_never_rises(n, d, k, seed, scale, repair):
    ctx = Context(seed=seed)
    x = torch.from_numpy(ctx.rng.normal(size=(n, d)).astype(np.float32) * scale)
    now = assign(x, x[ctx.rng.choice(n, k)], ctx)  # equal centres may occur, and so empty ones
    for _ in range(6):
        after = step(x, now, ctx)
        if repair:
            after = repair_empty(x, after, ctx).clustering
        assert after.inertia <= now.inertia * (1 + 1e-4) + 1e-6 * scale**2
        now = after


@settings(deadline=None, max_examples=30, derandomize=True)
@given(n=st.integers(6, 40), k=st.integers(1, 6), seed=st.integers(0, 999))
def test_every_item_sits_at_its_nearest_center(n, k, seed):
    ctx = Context(seed=seed)
    x = torch.from_numpy(ctx.rng.normal(size=(n, 3)).astype(np.float32))
    found = kmeans(x, k, ctx)
    exact = torch.cdist(x.double(), found.centers.double()).square()
    reached = exact[torch.arange(n), found.assignments]
    assert torch.allclose(reached, exact.min(1).values, atol=1e-5)
    assert found.sizes.sum() == n
    assert found.inertia == pytest.approx(float(reached.sum()), abs=1e-4)


def test_data_far_from_zero_lose_no_digits():
    x = digits()
    near = kmeans(x, 10, Context(seed=1))
    far = kmeans(x + 1000, 10, Context(seed=1))
    assert far.inertia == pytest.approx(near.inertia, rel=0.02)


def test_centers_are_the_means_of_all_items_and_not_of_a_part():
    """Some libraries look at 256 items a cluster by default, unless they are told otherwise."""
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32))
    x[:1000, 0] += 20
    for init in ("k-means++", "random"):
        found = kmeans(x, 2, Context(), init=init, max_iter=300, tol=0.0)
        assert sorted(found.sizes.tolist()) == [1000, 2000]
        for cluster, center in enumerate(found.centers):
            torch.testing.assert_close(center, x[found.assignments == cluster].mean(0))


def test_chunks_do_not_change_the_result(monkeypatch):
    x, ctx = digits(), Context()
    centers = plus_plus(x, 10, ctx)
    whole = assign(x, centers, ctx)
    moved = means(x, whole.assignments, centers, ctx)
    monkeypatch.setattr("clustlab.parts.clustering.kmeans.CHUNK_CELLS", 1000)
    parts = assign(x, centers, ctx)
    assert torch.equal(parts.assignments, whole.assignments)
    assert torch.allclose(means(x, parts.assignments, centers, ctx), moved, atol=1e-5)


def test_an_empty_cluster_keeps_its_center_unless_repaired():
    far = torch.tensor([[5.0, 0.5], [5.0, 99.0]])
    kept = lloyd(FOUR, far, Context())
    assert kept.centers[1].tolist() == [5.0, 99.0]
    assert kept.sizes.tolist() == [4, 0]
    mended = lloyd(FOUR, far, Context(), repair=True)
    assert mended.sizes.min() > 0
    assert mended.n_repaired == 1
    assert mended.inertia < kept.inertia


def test_repair_shares_the_items_of_a_donor_and_reports_sizes():
    ctx = Context()
    x = torch.from_numpy(ctx.rng.normal(size=(200, 4)).astype(np.float32))
    centers = torch.cat((x.mean(0, keepdim=True), torch.full((2, 4), 50.0)))
    found = assign(x, centers, ctx)
    repair = repair_empty(x, found, ctx)
    assert repair.sizes_before.tolist() == [200, 0, 0]
    assert repair.sizes_after.sum() == 200
    assert repair.sizes_after.min() > 0
    assert repair.clustering.sizes.tolist() == repair.sizes_after.tolist()
    assert repair.clustering.inertia <= found.inertia
    assert torch.equal(repair.clustering.centers[0], centers[0])  # the first donor stays


def test_items_that_are_all_equal_cannot_fill_two_clusters():
    x = torch.ones(8, 3)
    found = kmeans(x, 2, Context(), repair=True)
    assert found.inertia == 0.0
    assert sorted(found.sizes.tolist()) == [0, 8]


def test_more_clusters_than_items_is_refused():
    with pytest.raises(ParameterError, match="got 5 for 4 items"):
        kmeans(FOUR, 5, Context())


def test_every_round_is_a_pause_point():
    calls = 0

    def poll() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        kmeans(digits(), 10, Context(poll=poll))
    assert calls == 5

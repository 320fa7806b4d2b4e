"""The fuzzy graph against umap-learn and by hand, the layout, and N2D on digits."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.manifold import trustworthiness

from clustlab.analysis.metrics import clustering_accuracy
from clustlab.analysis.nearest_neighbours import k_nearest
from clustlab.analysis.projection import umap_2d
from clustlab.context import Context
from clustlab.methods import n2d
from clustlab.methods.n2d import N2D, ties_between
from clustlab.parts.clustering import gaussian_mixture
from clustlab.parts.clustering.neighbour_graph import nearest
from clustlab.parts.clustering.umap_layout import (
    Layout,
    boxed,
    curve,
    first_points,
    fuzzy_graph,
    layout_of,
    widths,
)
from tests.support.mixtures import largest_fall

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)
    from umap import umap_


def cloud(n=120, d=4):
    x = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    x[:4] = x[0]  # equal items
    return torch.from_numpy(x)


def islands(n=90):
    """Three far groups in five dimensions, and which group each row is of."""
    rng = np.random.default_rng(1)
    group = np.arange(n) % 3
    x = rng.normal(size=(n, 5)) + 30 * np.eye(5)[group]
    return torch.from_numpy(x.astype(np.float32)), group


def digits(n=500):
    drawn = load_digits()
    return (drawn.images[:n] * 255 / 16).round().astype(np.uint8)[..., None], drawn.target[:n]


def alike(points, labels, k=10):
    """Share of items whose label is that of most of their neighbours."""
    near = k_nearest(points, k).indices
    votes = np.stack([(labels[near] == label).sum(1) for label in range(10)], 1)
    return (votes.argmax(1) == labels).mean()


def one_edge(n=2, a=1.0, b=1.0):
    return Layout(torch.tensor([0]), torch.tensor([1]), torch.ones(1).double(), n, a, b)


def test_widths_by_hand():
    # beyond the nearest: 1 and exp(-1 / sigma) must sum to log2(3)
    rho, sigma = widths(np.array([[1.0, 2.0]]))
    assert rho.tolist() == [1.0]
    assert sigma[0] == pytest.approx(-1 / np.log(np.log2(3) - 1), rel=1e-3)


@given(st.integers(2, 8), st.integers(0, 100))
@settings(max_examples=20)
def test_every_neighbourhood_is_equally_large(k, seed):
    distances = np.sort(np.random.default_rng(seed).random((5, k)) + 0.1, axis=1)
    rho, sigma = widths(distances)
    total = np.exp(-np.maximum(distances - rho[:, None], 0) / sigma[:, None]).sum(1)
    wide = sigma > 1e-3 * distances.mean(1)
    assert total[wide] == pytest.approx(np.log2(k + 1), abs=1e-3)


def test_graph_of_three_items_by_hand():
    neighbours = np.array([[1], [0], [0]])
    graph = fuzzy_graph(neighbours, np.array([[1.0], [1.0], [2.0]]))
    assert graph.toarray().tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]


@pytest.mark.slow
def test_graph_is_that_of_umap():
    x = cloud()
    near, distances = nearest(x, x, 9, Context(), same=True)
    own = np.arange(len(x))[:, None]
    theirs, _, _ = umap_.fuzzy_simplicial_set(
        x.numpy(),
        10,
        np.random.RandomState(0),
        "euclidean",
        knn_indices=np.hstack((own, near.numpy())),
        knn_dists=np.hstack((own * 0, distances.numpy())).astype(np.float32),
    )
    assert abs(fuzzy_graph(near.numpy(), distances.numpy()) - theirs).max() < 1e-5


@pytest.mark.parametrize("min_dist", [0.0, 0.1, 0.5])
def test_curve_is_that_of_umap(min_dist):
    assert curve(min_dist) == pytest.approx(umap_.find_ab_params(1.0, min_dist), rel=1e-4)


def test_pull_and_push_are_gradients_of_the_cross_entropy():
    layout = one_edge(a=1.6, b=0.9)

    def attraction(y):
        return (1 + layout.a * y.square().sum() ** layout.b).log()

    def repulsion(y):
        w = 1 / (1 + layout.a * y.square().sum() ** layout.b)
        return -(1 - w).log()

    y = torch.tensor([0.7, -1.1], dtype=torch.float64, requires_grad=True)
    (pull,) = torch.autograd.grad(attraction(y), y)
    (push,) = torch.autograd.grad(repulsion(y), y)
    assert torch.allclose(layout._pull(y.detach()), -pull)
    # the authors add 0.001 to the square, so that the push of a near item is not without end
    assert torch.allclose(layout._push(y.detach()), -push, rtol=2e-3)


def test_equal_places_neither_pull_nor_push_and_steps_are_limited():
    layout, zero = one_edge(), torch.zeros(1, 3)
    assert not layout._pull(zero).any()
    assert not layout._push(zero).any()
    assert layout._push(torch.full((1, 3), 1e-2)).max() == 4.0


def test_an_edge_is_drawn_as_often_as_its_rate_says():
    rate = torch.tensor([1.0, 0.5, 0.26], dtype=torch.float64)
    drawn = sum(((t + 1) * rate).floor() > (t * rate).floor() for t in range(100))
    assert drawn.tolist() == [100, 50, 26]


class Friendly(Layout):
    """A layout in which nobody is pushed away."""

    def _push(self, difference):
        return torch.zeros_like(difference)


def test_two_tied_points_meet():
    points = torch.tensor([[0.0], [6.0]])
    ctx = Context()
    layout = Friendly(torch.tensor([0]), torch.tensor([1]), torch.ones(1).double(), 2, 1.0, 1.0)
    for t in range(60):
        layout.epoch(points, t, 0.2, ctx)
    assert abs(float(points[0] - points[1])) < 1


def test_a_box_has_sides_of_ten():
    z = boxed(torch.tensor([[1.0, 5.0], [3.0, 5.0], [2.0, 5.0]]))
    assert z.tolist() == [[0, 0], [10, 0], [5, 0]]


def test_islands_stay_islands_and_all_ties_lead_home():
    x, group = islands()
    ctx = Context()
    layout = layout_of(x, 10, 0.0, 60, ctx)
    points = boxed(x[:, :2])
    for t in range(60):
        layout.epoch(points, t, 1 - t / 60, ctx)
    centers = torch.stack([points[group == g].mean(0) for g in range(3)])
    assert (torch.cdist(points, centers).argmin(1).numpy() == group).all()
    ties = ties_between(layout, torch.from_numpy(group), 3)
    assert torch.allclose(ties, torch.eye(3, dtype=ties.dtype))


@pytest.mark.slow
@given(st.integers(0, 99), st.integers(10, 60))
@settings(max_examples=8)
def test_coinciding_items_part_but_stay_near(seed, n):
    half = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32))
    x, ctx = torch.cat((half, half)), Context(seed)
    layout, points = layout_of(x, 10, 0.1, 60, ctx), first_points(x, 2, ctx)
    for epoch in range(60):
        layout.epoch(points, epoch, 1 - epoch / 60, ctx)
    gaps = (points[:n] - points[n:]).norm(dim=1)
    assert gaps.min() > 0
    assert gaps.median() < torch.pdist(points).median() / 2


@pytest.mark.slow
def test_layouts_are_as_good_as_those_of_umap():
    drawn = load_digits()
    x, labels = drawn.data[:600].astype(np.float32) / 16, drawn.target[:600]
    z, ctx = torch.from_numpy(x), Context()
    layout, points = layout_of(z, 15, 0.1, 200, ctx), first_points(z, 2, ctx)
    for epoch in range(200):
        layout.epoch(points, epoch, 1 - epoch / 200, ctx)
    ours, theirs = points.numpy(), umap_2d(x)
    # measured over five seeds: 0.990 +- 0.001 both, and 0.983 against 0.982 +- 0.003
    assert trustworthiness(x, ours) > trustworthiness(x, theirs) - 0.03
    assert alike(ours, labels) > alike(theirs, labels) - 0.05


def test_ties_by_hand():
    head, tail = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 0, 0, 2])
    layout = Layout(head, tail, torch.tensor([1.0, 1.0, 0.5, 0.5]).double(), 3, 1.0, 1.0)
    ties = ties_between(layout, torch.tensor([0, 0, 1]), 3)
    assert ties.tolist() == [[0.8, pytest.approx(0.2), 0], [1, 0, 0], [0, 0, 0]]


@pytest.mark.slow
def test_clusters_gain_by_the_layout_and_the_likelihood_falls_by_the_ridge_only(monkeypatch):
    mixtures = []

    def maximise(*arguments):
        mixtures.append(gaussian_mixture.maximise(*arguments))
        return mixtures[-1]

    monkeypatch.setattr(n2d, "maximise", maximise)
    items, labels = digits()
    method = N2D(epochs=15, hidden_widths="100-100-400", batch_size=32, layout_epochs=60, n_init=3)
    ctx = Context()
    seen = [(ctx.phase_name, s) for s in method.iterate(items, ctx)]
    by_phase = {name: [s for phase, s in seen if phase == name] for name, _ in seen}
    assert len(by_phase["lay out"]) == 20
    before = clustering_accuracy(labels, by_phase["pre-train"][-1].assignments)
    after = clustering_accuracy(labels, by_phase["fit mixture"][-1].assignments)
    assert after > before
    assert after > 0.75
    reached = [s.scalars["log_likelihood"] for s in by_phase["fit mixture"]]
    fitted = itertools.pairwise(mixtures[-len(reached) :])
    limits = [largest_fall(a, b, n2d.VARIANCE) for a, b in fitted]
    gains = np.diff(reached)
    assert len(gains) == len(limits) > 0
    assert (gains >= -np.array(limits) - 1e-9).all()


@pytest.mark.parametrize(("n", "passes"), [(10, 500), (10_000, 500), (10_001, 200)])
def test_the_layout_takes_as_many_epochs_as_that_of_umap(n, passes):
    # umap.UMAP with n_epochs=None: 500 if graph.shape[0] <= 10000 else 200
    for preset in ("standard", "paper"):
        method = N2D(**N2D.presets[preset])
        assert method.passes(n) == passes
    assert N2D().passes(n) == 200  # what runs were made with that did not say it
    assert N2D(layout_epochs=7).rounds(n) == 7


def test_the_mixture_starts_where_it_is_likeliest(monkeypatch):
    asked = []
    real = n2d.likeliest_start
    monkeypatch.setattr(n2d, "likeliest_start", lambda *a: asked.append(a) or real(*a))
    small = {"epochs": 1, "layout_epochs": 2, "hidden_widths": "100-100-400", "n_clusters": 4}
    *_, last = N2D(**small, n_init=3).iterate(digits(60)[0], Context())
    ((z, k, _, kind, variance, n_init, limits),) = asked
    assert (k, kind, variance, n_init, limits) == (4, "full", n2d.VARIANCE, 3, (50, 1e-3))
    assert np.array_equal(z.numpy(), last.embedding)


def test_the_layout_has_as_many_dimensions_as_clusters_but_no_more_than_the_code():
    items, _ = digits(60)
    small = {"epochs": 1, "layout_epochs": 2, "hidden_widths": "100-100-400", "n_init": 1}
    widths = []
    for settings_of in ({"n_clusters": 4}, {"n_clusters": 12}, {"layout_size": 2}):
        *_, last = N2D(**small, **settings_of).iterate(items, Context())
        widths.append(last.embedding.shape[1])
    assert widths == [4, 10, 2]

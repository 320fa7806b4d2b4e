"""Maps and smallest changes on scorers whose answer is known by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clustlab.errors import ClustlabError
from clustlab.explaining.counterfactual import counterfactual
from clustlab.explaining.saliency import (
    KINDS,
    completeness,
    is_signed,
    randomised,
    saliency,
    similarity,
)
from clustlab.parts.hooks.scoring import Closeness


def linear(weights, bias=None):
    """Scorer of images or points with these weights, (k, *shape)."""
    weights = torch.as_tensor(weights, dtype=torch.float32)
    layer = nn.Linear(math.prod(weights.shape[1:]), len(weights))
    layer.weight = nn.Parameter(weights.flatten(1))
    layer.bias = nn.Parameter(torch.zeros(len(weights)) if bias is None else torch.tensor(bias))
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def network(seed=0):
    layers = nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 36, 16), nn.ReLU()
    net = nn.Sequential(*layers, nn.Linear(16, 5)).eval().requires_grad_(False)
    for i, weights in enumerate(net.parameters()):
        weights.copy_(0.3 * drawn(*weights.shape, seed=seed + i))
    return net


IMAGE = torch.rand((1, 1, 8, 8), generator=torch.Generator().manual_seed(5))


# -- maps ----------------------------------------------------------------------------------------
@pytest.mark.slow
def test_the_gradient_of_a_linear_scorer_is_its_weights():
    weights = drawn(3, 1, 4, 5)
    found = saliency(linear(weights), torch.rand(1, 1, 4, 5), 2, "gradient")
    assert found.shape == (4, 5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, weights[2, 0].numpy())


def test_integrated_gradients_of_a_linear_scorer_are_weight_times_input():
    weights, x = drawn(2, 1, 4, 4), torch.rand(1, 1, 4, 4)
    found = saliency(linear(weights), x, 0, "integrated-gradients")
    np.testing.assert_allclose(found, (weights[0] * x[0])[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("cluster", [0, 3])
def test_integrated_gradients_add_up_to_the_change_of_the_score(cluster):
    scorer = network()
    found = saliency(scorer, IMAGE, cluster, "integrated-gradients")
    change = scorer(IMAGE)[0, cluster] - scorer(torch.zeros_like(IMAGE))[0, cluster]
    assert found.sum() == pytest.approx(float(change), rel=0.02)
    assert completeness(scorer, IMAGE, cluster, found) == pytest.approx(
        (float(found.sum()), float(change)), abs=1e-5
    )


def test_guided_backpropagation_without_a_relu_is_the_gradient():
    scorer = nn.Sequential(network()[:4], nn.Tanh(), network()[5])
    first, second = (saliency(scorer, IMAGE, 1, kind) for kind in (KINDS[0], KINDS[2]))
    assert np.abs(first).max() > 0
    np.testing.assert_array_equal(first, second)


def test_guided_backpropagation_lets_positive_parts_through_only():
    # score = relu(x1) - relu(x2): the second ReLU gets -1 from above and lets nothing pass
    scorer = nn.Sequential(nn.Flatten(), nn.ReLU(), linear([[1.0, -1.0], [0.0, 0.0]]))
    x = torch.tensor([[0.5, 0.5]])
    assert saliency(scorer, x, 0, "gradient").tolist() == [1.0, -1.0]
    assert saliency(scorer, x, 0, "guided-backpropagation").tolist() == [1.0, 0.0]
    assert saliency(scorer, x, 0, "gradient").tolist() == [1.0, -1.0]  # the hooks are gone


def test_channels_are_summed_or_the_largest_counts():
    weights = torch.zeros(2, 3, 1, 1)
    weights[0, :, 0, 0] = torch.tensor([1.0, -3.0, 0.5])
    x = torch.full((1, 3, 1, 1), 0.5)
    assert saliency(linear(weights), x, 0, "gradient").item() == 3.0
    assert saliency(linear(weights), x, 0, "integrated-gradients").item() == pytest.approx(-0.75)
    assert [is_signed(kind, 3) for kind in KINDS] == [False, True, False]
    assert all(is_signed(kind, 1) for kind in KINDS)


def test_an_unknown_kind_is_named():
    with pytest.raises(ValueError, match="'magic' is not a kind of map"):
        saliency(network(), IMAGE, 0, "magic")


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_of_random_weights_differs_and_repeats(kind):
    scorer = network()
    before = [p.clone() for p in scorer.parameters()]
    other, again = randomised(scorer, seed=1), randomised(scorer, seed=1)
    assert all(torch.equal(p, q) for p, q in zip(scorer.parameters(), before, strict=True))
    first, second, third = (saliency(s, IMAGE, 0, kind) for s in (scorer, other, again))
    np.testing.assert_array_equal(second, third)
    assert np.abs(second).max() > 0
    assert similarity(first, second) < 0.7
    assert not np.allclose(saliency(randomised(scorer, seed=2), IMAGE, 0, kind), second)


def test_random_weights_keep_mean_and_spread():
    scorer = linear(2 + 3 * drawn(4, 1, 50, 50))
    weights = dict(randomised(scorer).named_parameters())["1.weight"]
    assert float(weights.mean()) == pytest.approx(2, abs=0.1)
    assert float(weights.std()) == pytest.approx(3, abs=0.1)


def test_similarity_is_the_rank_correlation_of_sizes():
    rising = np.arange(6.0).reshape(2, 3)
    assert similarity(rising, -rising) == pytest.approx(1)
    assert similarity(rising, 6 - rising) == pytest.approx(-1)
    assert math.isnan(similarity(rising, np.ones((2, 3))))


def test_places_at_which_both_maps_are_zero_do_not_make_them_similar():
    first, second = np.zeros((4, 4)), np.zeros((4, 4))
    first[0], second[0] = [1, 2, 3, 4], [4, 3, 2, 1]
    assert similarity(first, second) == pytest.approx(-1)
    assert math.isnan(similarity(np.zeros((2, 2)), np.zeros((2, 2))))


# -- smallest changes ----------------------------------------------------------------------------
def test_the_change_of_a_linear_scorer_is_the_projection_onto_the_boundary():
    # scores differ by 2 x1 + x2 - 2; from (0.2, 0.1) the plane is 1.5 / sqrt(5) away
    scorer = linear([[0.0, 0.0], [2.0, 1.0]], [0.0, -2.0])
    found = counterfactual(scorer, torch.tensor([[0.2, 0.1]]), 0)
    torch.testing.assert_close(found.changed, torch.tensor([[0.8, 0.4]]), atol=1e-4, rtol=0)
    assert found.distance == pytest.approx(1.5 / math.sqrt(5), abs=1e-4)
    assert (found.cluster, found.new_cluster) == (0, 1)


def test_limits_cut_the_change_and_the_rest_makes_up_for_it():
    # x1 + x2 must reach 1.4 from (0.8, 0.2): (0.2, 0.2) without limits, but x1 ends at 0.9
    scorer = linear([[0.0, 0.0], [1.0, 1.0]], [0.0, -1.4])
    x = torch.tensor([[0.8, 0.2]])
    free = counterfactual(scorer, x, 0, limits=None)
    torch.testing.assert_close(free.changed, torch.tensor([[1.0, 0.4]]), atol=1e-4, rtol=0)
    cut = counterfactual(scorer, x, 0, limits=(0.0, 0.9))
    torch.testing.assert_close(cut.changed, torch.tensor([[0.9, 0.5]]), atol=1e-4, rtol=0)


def test_the_nearest_of_several_clusters_is_reached_or_the_one_asked_for():
    centers = Closeness(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.6]]))
    x = torch.tensor([[0.1, 0.1]])
    near, far = counterfactual(centers, x, 0), counterfactual(centers, x, 0, target=1)
    assert (near.new_cluster, far.new_cluster) == (2, 1)
    torch.testing.assert_close(near.changed, torch.tensor([[0.1, 0.3]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(far.changed, torch.tensor([[0.5, 0.1]]), atol=1e-4, rtol=0)


def test_a_target_behind_another_cluster_is_reached_around_it():
    # cluster 1 lies between: the shortest way to cluster 2 ends where it meets cluster 1
    centers = Closeness(torch.tensor([[0.0, 0.0], [0.4, 0.0], [1.0, 0.0]]))
    found = counterfactual(centers, torch.tensor([[0.1, 0.2]]), 0, target=2)
    assert found.new_cluster == 2
    torch.testing.assert_close(found.changed, torch.tensor([[0.7, 0.2]]), atol=1e-3, rtol=0)


@pytest.mark.slow
@given(seed=st.integers(0, 200))
@settings(max_examples=40)
def test_a_change_lies_within_limits_just_beyond_a_boundary_and_repeats(seed):
    scorer = network(seed % 7)
    x = torch.rand((1, 1, 8, 8), generator=torch.Generator().manual_seed(seed))
    start = int(scorer(x).argmax())
    found = counterfactual(scorer, x, start)
    assert 0 <= found.changed.min() <= found.changed.max() <= 1
    assert int(scorer(found.changed).argmax()) == found.new_cluster != start
    almost = x + 0.999 * (found.changed - x)
    assert int(scorer(almost).argmax()) == start
    assert found.distance == pytest.approx(float((found.changed - x).norm()))
    assert torch.equal(counterfactual(scorer, x, start).changed, found.changed)


def test_a_step_over_a_curved_boundary_comes_close_to_the_nearest_point():
    class Ring(nn.Module):
        """Cluster 1 is everything farther than 1 from the origin, in the maximum of curvature."""

        def forward(self, x):
            outside = (x.square().sum(1, keepdim=True) - 1) * (1 + x.square().sum(1, keepdim=True))
            return torch.cat((torch.zeros_like(outside), outside), 1)

    found = counterfactual(Ring(), torch.tensor([[0.3, 0.4]]), 0, limits=None)
    torch.testing.assert_close(found.changed, torch.tensor([[0.6, 0.8]]), atol=1e-3, rtol=0)


def test_nothing_is_found_where_scores_are_flat():
    scorer = linear([[0.0, 0.0], [0.0, 0.0]], [1.0, 0.0])
    with pytest.raises(ClustlabError, match="No change of this item was found within 50 steps"):
        counterfactual(scorer, torch.tensor([[0.5, 0.5]]), 0)


def test_an_item_beyond_the_boundary_helps_where_slopes_lead_nowhere():
    class Step(nn.Module):
        """Cluster 1 begins at x1 = 0.7 with a score that is flat on both sides."""

        def forward(self, x):
            high = (x[:, :1] >= 0.7).float() + 0 * x[:, :1]
            return torch.cat((0.5 + 0 * high, high), 1)

    x, other = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.9, 0.5]])
    with pytest.raises(ClustlabError, match="No change"):
        counterfactual(Step(), x, 0)
    found = counterfactual(Step(), x, 0, beyond=other)
    torch.testing.assert_close(found.changed, torch.tensor([[0.7, 0.5]]), atol=1e-3, rtol=0)


def test_nothing_is_found_beyond_the_limits():
    scorer = linear([[0.0, 0.0], [1.0, 1.0]], [0.0, -3.0])
    with pytest.raises(ClustlabError, match="leads to cluster 1"):
        counterfactual(scorer, torch.tensor([[0.5, 0.5]]), 0, target=1)


def test_a_wrong_start_or_target_is_refused():
    scorer = linear([[0.0, 0.0], [1.0, 1.0]])
    x = torch.tensor([[0.5, 0.5]])
    with pytest.raises(ClustlabError, match="gives this item to cluster 1"):
        counterfactual(scorer, x, 0)
    with pytest.raises(ClustlabError, match="from cluster 1 to 1"):
        counterfactual(scorer, x, 1, target=1)

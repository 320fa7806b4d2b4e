"""CoHiClust: places in a tree and their likeness by hand, cutting leaves, and what a run keeps."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.context import Context
from clustlab.methods.cohiclust import CoHiClust
from clustlab.methods.cohiclust.soft_tree import (
    Answers,
    drawn_tree,
    evenness,
    level_scores,
    node_images,
    paths,
    pruned,
    tree_contrast,
)
from clustlab.parts.inputs.network_input import Inputs
from clustlab.views import artefacts, dendrogram
from tests.support.fakes import blocks

ALL = torch.ones(4, dtype=torch.bool)
TINY = {
    "n_clusters": 3,
    "tree_depth": 2,
    "epochs": 2,
    "tree_epochs": 2,
    "settle_epochs": 1,
    "batch_size": 20,
    "width": 4,
}


def scores(*rows):
    """Scores of forks from the probabilities of going left."""
    return torch.tensor(rows, dtype=torch.float64).logit()


def drawn(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def roots(forks, alive=ALL):
    return pruned(level_scores(forks), alive)


def run(items, ctx=None, **values):
    return list(CoHiClust(**{**TINY, **values}).iterate(items, ctx or Context(0)))


# places in the tree -----------------------------------------------------------------------------
def test_leaves_are_the_products_of_the_choices_on_the_way():
    one, two = level_scores(scores([0.9, 0.8, 0.3]))
    torch.testing.assert_close(one.exp(), torch.tensor([[0.9, 0.1]]).double())
    torch.testing.assert_close(two.exp(), torch.tensor([[0.72, 0.18, 0.03, 0.07]]).double())


def test_golden_likeness_of_two_items():
    a, b = roots(scores([0.9, 0.8, 0.3])), roots(scores([0.7, 0.6, 0.5]))
    assert float((a[1] * b[1]).sum()) == pytest.approx(0.943960, abs=1e-6)


@given(depth=st.integers(1, 8), seed=st.integers(0, 50))
def test_every_level_holds_every_item_once(depth, seed):
    levels = level_scores(5 * drawn(6, 2**depth - 1, seed=seed))
    assert [level.shape[1] for level in levels] == [2**t for t in range(1, depth + 1)]
    for level in levels:
        torch.testing.assert_close(level.exp().sum(1), torch.ones(6).double())
    for above, below in pairwise(levels):  # a node is its children together
        torch.testing.assert_close(below.exp().view(6, -1, 2).sum(2), above.exp())


def test_sure_choices_of_a_deep_tree_have_finite_gradients():
    forks = torch.full((3, 255), -80.0, requires_grad=True)  # products far below 1e-38
    alive = torch.ones(256, dtype=torch.bool)
    levels = level_scores(forks)
    loss = tree_contrast(pruned(levels, alive), pruned(levels, alive)) + evenness(levels, alive)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(forks.grad).all()


def test_paths_name_the_leaves_from_left_to_right():
    assert paths(4) == ["LL", "LR", "RL", "RR"]
    assert paths(2) == ["L", "R"]


# the losses -------------------------------------------------------------------------------------
def test_contrast_by_counting_pairs():
    forks, forks_prime = drawn(5, 3), drawn(5, 3, seed=1)
    a, b = roots(forks), roots(forks_prime)
    expected = 0.0
    for one, other in zip(a, b, strict=True):
        both = torch.cat((one, other))
        copies = [float(both[i] @ both[i + 5]) for i in range(5)]
        strangers = [
            float(both[i] @ both[j]) for i in range(10) for j in range(10) if i % 5 != j % 5
        ]
        expected += np.mean(strangers) - np.mean(copies)
    assert float(tree_contrast(a, b)) == pytest.approx(expected)


def test_an_item_is_no_stranger_to_itself():
    # two items at opposite ends, each where its copy is: strangers have nothing in common. With
    # self pairs among the strangers, as in the authors' code, it would not be -2
    forks = scores([1 - 1e-12, 1 - 1e-12, 0.5], [1e-12, 0.5, 1e-12])
    assert float(tree_contrast(roots(forks), roots(forks))) == pytest.approx(-2, abs=1e-4)


def test_all_in_one_place_gain_nothing():
    forks = scores(*[[0.3, 0.6, 0.2]] * 6)
    assert float(tree_contrast(roots(forks), roots(forks))) == pytest.approx(0, abs=1e-9)


def test_a_cut_leaf_earns_nothing_and_its_mass_is_not_given_away():
    forks = scores([1 - 1e-12, 1 - 1e-12, 0.5], [1e-12, 0.5, 1e-12])
    alive = torch.tensor([False, True, True, True])
    a = roots(forks, alive)
    assert float(a[1][0].square().sum()) == pytest.approx(0, abs=1e-9)
    assert float(a[0][0].square().sum()) == pytest.approx(1)  # the level above is whole
    assert float(tree_contrast(a, a)) == pytest.approx(-1.5, abs=1e-4)


def test_evenness_by_hand():
    levels = level_scores(scores([0.9, 0.8, 0.3]))
    first = 0.5 * (math.log(0.9) + math.log(0.1)) / 2
    left = 0.5 * (math.log(0.72) + math.log(0.18)) / 4
    right = 0.5 * (math.log(0.03) + math.log(0.07)) / 4
    assert float(evenness(levels, ALL)) == pytest.approx(-first - left - right)
    cut = torch.tensor([True, False, True, True])
    assert float(evenness(levels, cut)) == pytest.approx(-first - right)


def test_evenness_is_of_the_batch_and_not_of_each_item():
    # each item goes one way for sure, but the two go different ways
    levels = level_scores(scores([1 - 1e-9, 0.5, 0.5], [1e-9, 0.5, 0.5]))
    even = level_scores(scores([0.5, 0.5, 0.5]))
    assert float(evenness(levels, ALL)) == pytest.approx(float(evenness(even, ALL)), abs=1e-6)


def test_gradients_agree_with_finite_differences():
    alive = torch.tensor([True, False, True, True])

    def loss(a, b):
        levels, others = level_scores(a), level_scores(b)
        likeness = tree_contrast(pruned(levels, alive), pruned(others, alive))
        return likeness + evenness(levels, alive)

    inputs = [drawn(4, 3).requires_grad_(), drawn(4, 3, seed=1).requires_grad_()]
    assert torch.autograd.gradcheck(loss, inputs)


def test_answers_are_those_of_living_leaves():
    answers = Answers(torch.tensor([True, False, True, True]))(scores([0.9, 0.8, 0.3])).exp()
    expected = torch.tensor([[0.72, 0.03, 0.07]]) / 0.82
    torch.testing.assert_close(answers, expected)


# the drawings -----------------------------------------------------------------------------------
def test_a_fork_with_one_living_side_is_left_out_of_the_drawing():
    nodes = drawn_tree(np.array([5.0, 0, 3, 2]), np.array([True, False, True, True]))
    expected = [[-1, 2, 10, -1], [0, 0, 5, 0], [0, 1, 5, -1], [2, 0, 3, 1], [2, 0, 2, 2]]
    np.testing.assert_array_equal(nodes, np.array(expected, np.float32))


def test_one_leaf_is_the_whole_tree():
    nodes = drawn_tree(np.array([0.0, 7, 0, 0]), np.array([False, True, False, False]))
    np.testing.assert_array_equal(nodes, [[-1, 0, 7, 0]])


def test_small_trees_tell_the_share_on_each_edge():
    nodes = drawn_tree(np.array([5.0, 0, 3, 2]), np.array([True, False, True, True]))
    table = dendrogram.placed(nodes.astype(np.float64))
    np.testing.assert_allclose(table["share"], [1, 0.5, 0.5, 0.3, 0.2])
    np.testing.assert_allclose(table["middle"], [2, 1, 1.5, 0.5, 0.5])
    chart = dendrogram.tree(nodes, "choices left").to_dict()
    shown = [layer["encoding"].get("text", {}).get("field") for layer in chart["layer"]]
    assert "share written" in shown
    many = np.vstack((nodes[:1], np.tile([[0, 0, 1, -1]], (50, 1))))
    drawn_many = dendrogram.tree(many).to_dict()["layer"]
    fields = [layer["encoding"].get("text", {}).get("field") for layer in drawn_many]
    assert "share written" not in fields


def test_the_mean_image_of_a_node_is_that_of_its_items():
    items = np.zeros((4, 2, 2, 1), np.uint8)
    items[:, 0, 0, 0] = [10, 20, 30, 40]
    leaves = torch.eye(4)
    levels = [leaves.view(4, 2, 2).sum(2), leaves]
    alive = torch.tensor([True, False, True, True])
    found = node_images(Inputs(items, torch.device("cpu")), levels, alive, Context())
    grid = found.data[..., 0, 0, 0]
    np.testing.assert_array_equal(grid, [[25, 0, 0, 0], [15, 0, 35, 0], [10, 0, 30, 40]])


# a run ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def told():
    return run(blocks(3))


def test_the_tree_loses_one_leaf_at_a_time(told):
    leaves = [int(s.scalars["leaves"]) for s in told if "leaves" in s.scalars]
    assert leaves == [4, 4, 3, 3]
    assert [s.n_clusters for s in told[-4:]] == leaves
    assert told[-1].artefacts["tree"].data[0, 2] == len(told[-1].assignments)


def test_the_leaf_that_held_least_is_cut(told):
    before, after = told[4].artefacts["masses"], told[5].artefacts["masses"]
    least = int(before.data[0].argmin())
    assert set(before.columns) - set(after.columns) == {before.columns[least]}


def test_a_resumed_run_remembers_which_leaves_were_cut():
    ctx = Context(0)
    steps = CoHiClust(**TINY).iterate(blocks(3), ctx)
    for _ in range(6):
        last = next(steps)
    saved = ctx.checkpoint()["parts"]["living leaves"]["tensor"]
    assert int(saved.sum()) == last.n_clusters == 3


def test_the_tree_is_deep_enough_for_the_clusters():
    assert CoHiClust(n_clusters=10).n_leaves == 16
    assert CoHiClust(n_clusters=20, tree_depth=1).n_leaves == 32
    assert CoHiClust(n_clusters=2, tree_depth=1).n_leaves == 2


def test_the_tree_is_drawn_with_its_own_heights(told):
    chart = artefacts.artefact_chart(told[-1].artefacts["tree"]).to_dict()
    assert "choices left" in str(chart)

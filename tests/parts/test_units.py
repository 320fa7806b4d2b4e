"""Clusters as units of a last layer: merged, split, re-seeded, and answers that are misled."""

import numpy as np
import pytest
import torch

from clustlab import registry
from clustlab.context import Context
from clustlab.params import schema
from clustlab.parts.hooks.output_units import GONE, Learner, Units, change_units
from clustlab.parts.inputs.network_input import Inputs
from clustlab.types import Intervention
from tests.engine.test_interventions import OFFERS, settings, told

CORNERS = torch.tensor([[3.0, 0.0], [0.0, 3.0], [-3.0, 0.0], [0.0, -3.0]])


def corners(each=25, spread=0.3):
    """Items (4 each, 2) around four corners, and units (4, 2), (4,) that tell them apart."""
    draws = torch.randn(4, each, 2, generator=torch.Generator().manual_seed(0))
    items = (CORNERS[:, None] + spread * draws).flatten(0, 1)
    return items, CORNERS.clone(), torch.zeros(4)


def labels(items, weight, offset):
    return (items @ weight.T + offset).argmax(1)


def linear(weight, offset):
    """A layer with these units (k, d), (k,), to be trained."""
    layer = torch.nn.Linear(*reversed(weight.shape))
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(offset)
    return layer


def changed(kind, *clusters, seed=0):
    items, weight, offset = corners()
    before = labels(items, weight, offset)
    change_units(weight, offset, items, [Intervention(kind, clusters)], Context(seed))
    return before, labels(items, weight, offset), weight, offset


def test_the_first_of_merged_units_takes_the_items_and_the_second_cannot_answer():
    before, after, weight, offset = changed("merge", 0, 1)
    assert torch.equal(after, torch.where(before == 1, 0, before))
    p = (corners()[0] @ weight.T + offset).softmax(1)
    assert float(p[:, 1].max()) == 0.0  # so that no gradient reaches it
    assert offset[1] == GONE


def test_a_merged_unit_fits_the_sum_of_both_probabilities():
    """In one dimension with two units the fit of the logarithm is a straight line by hand."""
    items = torch.tensor([[-1.0], [1.0]])
    weight, offset = torch.tensor([[1.0], [-1.0]]), torch.zeros(2)
    change_units(weight, offset, items, [Intervention("merge", (0, 1))], Context())
    both = np.log(np.e + 1 / np.e)  # at either item
    assert (items @ weight[:1].T + offset[0]).flatten().tolist() == pytest.approx([both] * 2, 1e-2)


def test_a_split_unit_shares_its_items_with_the_one_that_had_none():
    items, weight, offset = corners()
    items = torch.cat((items, items[:25] + torch.tensor([2.0, 0.0])))  # two groups at one corner
    offset[3] = GONE
    items = items[labels(items, corners()[1], torch.zeros(4)) != 3]
    before = labels(items, weight, offset)
    change_units(weight, offset, items, [Intervention("split", (0,))], Context())
    after = labels(items, weight, offset)
    assert torch.equal(after[before != 0], before[before != 0])
    halves = after[before == 0]
    assert sorted(halves.bincount(minlength=4).tolist()) == [0, 0, 25, 25]
    assert len(halves[:25].unique()) == len(halves[25:].unique()) == 1


def test_a_split_unit_takes_the_place_of_the_one_with_the_fewest_items():
    items, weight, offset = corners()
    items = items[:-20]  # five are left at the last corner
    before = labels(items, weight, offset)
    change_units(weight, offset, items, [Intervention("split", (1,))], Context())
    after = labels(items, weight, offset)
    assert set(after[before == 1].tolist()) == {1, 3}
    assert (after[before == 3] != 3).any()


def test_a_reseeded_unit_answers_to_an_item_that_no_other_is_sure_of():
    items, weight, offset = corners()
    items = torch.cat((items, torch.zeros(1, 2)))  # the only one in doubt
    change_units(weight, offset, items, [Intervention("merge", (0, 1))], Context())
    change_units(weight, offset, items, [Intervention("re-seed", (1,))], Context(2))
    after = labels(items, weight, offset)
    assert (after == 1).any()
    assert bool(torch.isfinite(weight).all() and torch.isfinite(offset).all())
    assert offset[1] > GONE / 2


def test_a_lonely_unit_is_left_as_it_is():
    items, weight, offset = corners()[0], torch.ones(1, 2), torch.zeros(1)
    wanted = [Intervention("split", (0,)), Intervention("re-seed", (0,))]
    change_units(weight, offset, items, wanted, Context())
    assert weight.tolist() == [[1.0, 1.0]]
    assert offset.tolist() == [0.0]


def test_the_last_unit_that_lives_cannot_be_reseeded():
    items, weight, offset = corners()
    offset[1:] = GONE
    change_units(weight, offset, items, [Intervention("re-seed", (0,))], Context())
    assert torch.equal(weight, CORNERS)
    assert offset.tolist() == [0.0, GONE, GONE, GONE]
    change_units(weight, offset, items, [Intervention("re-seed", (1,))], Context())
    assert (labels(items, weight, offset) == 1).any()


def test_nothing_is_trained_towards_a_unit_that_is_gone():
    items, weight, offset = corners()
    layer = linear(weight, offset)
    with torch.no_grad():
        layer.bias[1] = GONE
    inputs = Inputs(items.numpy().astype(np.float32), torch.device("cpu"))
    learner = Learner(layer, torch.optim.SGD(layer.parameters(), lr=0.3), inputs, 20)
    members = labels(items, weight, offset)
    wish = [Intervention("scramble", (2,))]
    learner.scramble(lambda x: layer(x).log_softmax(1), members, wish, Context())
    assert torch.equal(layer.weight[1], weight[1])
    assert layer.bias[1] == GONE
    assert not torch.equal(layer.weight[2], weight[2])


def test_scrambling_unlearns_the_items_of_one_cluster():
    items, weight, offset = corners()
    layer = linear(weight, offset)
    before = labels(items, weight, offset)
    inputs = Inputs(items.numpy().astype(np.float32), torch.device("cpu"))
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.3)
    units = Units(
        layer.weight.detach(),
        layer.bias.detach(),
        lambda: inputs[np.arange(100)],
        lambda x: layer(x).log_softmax(1),
    )
    seen = inputs[np.arange(100)]
    with torch.no_grad():
        sure = layer(seen).softmax(1)[before == 2, 2].mean()
        Learner(layer, optimiser, inputs, 20).intervene(units, [], Context())
    Learner(layer, optimiser, inputs, 20).intervene(
        units, [Intervention("scramble", (2,)), Intervention("learning rate", (), 0.5)], Context()
    )
    with torch.no_grad():
        p = layer(seen).softmax(1)
    assert float(p[before == 2, 2].mean()) < 0.8 * float(sure)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.15)


# -- in the methods ------------------------------------------------------------------------------
CLASSIFIERS = [
    ("rim", "train"),
    ("imsat", "train"),
    ("iic", "train"),
    ("contrastive-clustering", "train"),
    ("consensus", "train"),
    ("scan", "cluster"),
    ("scan", "self-label"),
]


def test_every_classifier_can_be_merged_and_scrambled():
    for name, phase in CLASSIFIERS:
        assert {"merge", "scramble"} <= set(OFFERS[name][phase]), name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "phase"), [*CLASSIFIERS[:-1], ("dac", "train")])
def test_scrambling_teaches_a_classifier_and_does_not_only_draw(name, phase, monkeypatch):
    values = settings(name, phase)
    untouched, asked = told(name, **values)
    at = next(step for step, where in asked if where == phase and step)
    number = int(np.bincount(untouched[at - 1].assignments).argmax())
    wish = [Intervention("scramble", (number,))]
    taught, _ = told(name, at, wish, until=at, **values)
    monkeypatch.setattr("clustlab.parts.hooks.output_units.descend", lambda optimiser, loss: None)
    drawn, _ = told(name, at, wish, until=at, **values)
    assert not np.array_equal(taught[at].embedding, drawn[at].embedding)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "phase"), CLASSIFIERS)
def test_a_merge_empties_the_second_cluster_of_a_classifier_for_good(name, phase):
    values = settings(name, phase)
    untouched, asked = told(name, **values)
    steps = [step for step, where in asked if where == phase]
    first, second = np.bincount(untouched[steps[0] - 1].assignments).argsort()[::-1][:2]
    wish = [Intervention("merge", (int(first), int(second)))]
    touched, _ = told(name, steps[0], wish, **values)
    for step in steps[: len(touched)]:
        assert untouched[step].probabilities[:, second].max() > 0.1
        assert touched[step].probabilities[:, second].max() == 0.0
        assert not (touched[step].assignments == second).any()


TRAINED = {
    "imsat": {"epochs": 40, "hidden_width": 100, "batch_size": 40, "n_clusters": 5},
    "rim": {"epochs": 30, "learning_rate": 1e-2, "batch_size": 40, "n_clusters": 5},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_the_first_gets_what_the_second_had_once_a_classifier_is_sure(name):
    untouched, asked = told(name, **TRAINED[name])
    at = asked[-4][0]
    for first, second in ((0, 1), (2, 3)):
        wish = [Intervention("merge", (first, second))]
        touched, _ = told(name, at, wish, until=at, **TRAINED[name])
        had = np.isin(untouched[at - 1].assignments, (first, second))
        assert (untouched[at - 1].assignments == second).sum() > 10
        assert np.mean(touched[at].assignments[had] == first) > 0.8  # about half without it


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_a_scrambled_cluster_of_a_sure_classifier_falls_apart_at_that_step(name):
    untouched, asked = told(name, **TRAINED[name])
    at = asked[-4][0]
    touched, _ = told(name, at, [Intervention("scramble", (2,))], until=at, **TRAINED[name])
    had = untouched[at - 1].assignments == 2
    stay, left = (np.mean(run[at].probabilities[had, 2]) for run in (untouched, touched))
    assert left < stay - 0.02, (stay, left)


@pytest.mark.slow
def test_the_head_that_was_changed_stays_the_one_that_is_shown():
    values = {"epochs": 6, "n_heads": 4}
    untouched, asked = told("iic", **values)
    at = asked[0][0]
    first, second = np.bincount(untouched[at - 1].assignments).argsort()[::-1][:2]
    wish = [Intervention("merge", (int(first), int(second)))]
    touched, _ = told("iic", at, wish, **values)
    shown = {snapshot.scalars["chosen_head"] for snapshot in touched[at - 1 :]}
    assert len(shown) == 1
    assert not any((snapshot.assignments == second).any() for snapshot in touched[at:])


def test_a_merge_lasts_in_mixtures():
    for name, phase in (
        ("gmm", "expect and maximise"),
        ("vade", "cluster"),
        ("n2d", "fit mixture"),
    ):
        values = settings(name, phase)
        untouched, asked = told(name, **values)
        at = next(step for step, where in asked if where == phase)
        first, second = np.bincount(untouched[at - 1].assignments).argsort()[::-1][:2]
        wish = [Intervention("merge", (int(first), int(second)))]
        touched, _ = told(name, at, wish, **values)
        assert (untouched[at - 1].assignments == second).any()
        assert not any((s.assignments == second).any() for s in touched[at:]), name


def test_an_unknown_number_of_clusters_is_changed_by_one():
    untouched, asked = told("unknown-k", max_iter=3, n_start=3)
    at = next(step for step, where in asked if where == "split and merge")
    for kind, more in (("split", 1), ("merge", -1)):
        clusters = (0, 1) if kind == "merge" else (0,)
        touched, _ = told("unknown-k", at, [Intervention(kind, clusters)], max_iter=3, n_start=3)
        gained = touched[at].scalars["clusters"] - untouched[at].scalars["clusters"]
        assert gained == more, kind


def test_a_finished_pretraining_keeps_its_pace():
    """The rate of an autoencoder is set every epoch, so a factor has to outlive a resume."""
    touched, asked = told("ae-kmeans", 1, [Intervention("learning rate", (), 0.001)], epochs=3)
    slow = [s.scalars["reconstruction"] for s in touched[:4]]
    quick = [s.scalars["reconstruction"] for s in told("ae-kmeans", epochs=3)[0][:4]]
    assert asked[0][0] == 1
    assert abs(slow[3] - slow[1]) < 0.1 * abs(quick[3] - quick[1])


def test_who_is_not_offered_anything_has_neither_rounds_nor_gradients():
    none = {n for n in registry.methods() if n not in OFFERS}
    assert none == {"agglomerative", "hdbscan"}
    for name in none:
        fields = {p.name for p in schema(registry.method(name))}
        assert not fields & {"learning_rate", "epochs", "max_iter"}, name

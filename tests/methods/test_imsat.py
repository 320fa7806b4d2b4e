"""IMSAT: its loss, the two kinds of change, and what must not touch what."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neighbors import NearestNeighbors
from torch import nn

from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.methods.imsat import IMSAT, change_sheet, imsat_loss
from clustlab.methods.imsat.perturbation import (
    adversarial_direction,
    change_divergences,
    statistics_kept,
    unit,
)
from clustlab.params import build
from clustlab.parts.inputs.neighbour_distances import neighbour_distances
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.classifier import Classifier

A = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]]
B = [[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.1, 0.7], [0.3, 0.6, 0.1]]
CPU = torch.device("cpu")


def double(rows: object) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def digits(n: int = 300) -> np.ndarray:
    return (load_digits().images[:n] * 255 / 16).round().astype(np.uint8)[..., None]


# -- the loss ------------------------------------------------------------------------------------
def test_loss_of_four_rows():
    a, b = double(A), double(B)
    divergences = change_divergences(a.log(), b.log())
    assert float(divergences.mean()) == pytest.approx(0.080119, abs=1e-6)
    # mean H - 4 H of the mean is -3.643497
    assert float(imsat_loss(divergences.mean(), a)) == pytest.approx(0.080119 - 0.3643497, abs=1e-6)
    assert float(imsat_loss(double(0.0), a, 1.0, 4.0)) == pytest.approx(-3.643497, abs=1e-6)
    assert float(imsat_loss(double(0.0), a, 1.0, 1.0)) == pytest.approx(-0.383054, abs=1e-6)


def test_divergence_of_an_unchanged_answer_is_zero_and_never_negative():
    scores = drawn(6, 4)
    torch.testing.assert_close(change_divergences(scores, scores), double([0.0] * 6))
    assert (change_divergences(scores, drawn(6, 4, seed=1)) > 0).all()


def test_no_gradient_reaches_the_answers_before_the_change():
    before, after = drawn(5, 3).requires_grad_(), drawn(5, 3, seed=1).requires_grad_()
    change_divergences(before, after).sum().backward()
    assert before.grad is None
    # softmax after minus softmax before, as for a cross-entropy with a fixed target
    expected = after.detach().softmax(1) - before.detach().softmax(1)
    torch.testing.assert_close(after.grad, expected)


def test_gradients_agree_with_finite_differences():
    before = drawn(5, 3)

    def loss(after: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return imsat_loss(change_divergences(before, after).mean(), scores.softmax(1))

    values = (drawn(5, 3, seed=1).requires_grad_(), drawn(5, 3, seed=2).requires_grad_())
    assert torch.autograd.gradcheck(loss, values)


# -- the change ----------------------------------------------------------------------------------
def test_unit_scales_each_item_and_leaves_zero():
    x = torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]], [[3e-30, 4e-30]]])
    torch.testing.assert_close(unit(x), torch.tensor([[[0.6, 0.8]], [[0.0, 0.0]], [[0.6, 0.8]]]))


def test_the_worst_direction_of_a_linear_classifier_is_across_its_border():
    network = nn.Linear(3, 2, dtype=torch.float64)
    with torch.no_grad():
        network.weight.copy_(double([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]))
    x = drawn(8, 3)
    found = adversarial_direction(network, x, network(x), unit(drawn(8, 3, seed=1)), probe=0.5)
    expected = double([[1.0, 0.0, 0.0]]).expand(8, 3)
    torch.testing.assert_close(found.abs(), expected)  # either way, on which the start decides


def test_the_worst_direction_moves_answers_more_than_a_random_one():
    Context()  # seeds the weights
    network = nn.Sequential(nn.Linear(20, 30), nn.Tanh(), nn.Linear(30, 4)).double()
    x, start = drawn(60, 20), unit(drawn(60, 20, seed=3))
    scores = network(x)
    worst = adversarial_direction(network, x, scores, start, probe=1.0)
    random, adversarial = (
        change_divergences(scores, network(x + 0.5 * r)).detach() for r in (start, worst)
    )
    assert float(adversarial.mean()) > 2 * float(random.mean())


def test_the_search_leaves_the_gradients_of_the_weights_alone():
    network = Classifier((4,), (8,), 3)
    x = torch.randn(6, 4)
    adversarial_direction(network, x, network(x), unit(torch.randn(6, 4)), 1.0)
    assert all(p.grad is None for p in network.parameters())


def test_changed_items_do_not_enter_the_running_averages():
    network = Classifier((4,), (8,), 3).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with statistics_kept(network):
        changed = network(1000 * torch.randn(6, 4))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name])
    assert changed.abs().max() < 1  # the batch was normalised by itself
    network(torch.randn(6, 4))
    assert not torch.equal(network.trunk[2].running_mean, before["trunk.2.running_mean"])


# -- its size ------------------------------------------------------------------------------------
def test_the_second_neighbour_on_a_line():
    points = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    inputs = Inputs(points, CPU)
    scale = float(inputs[np.array([1])] - inputs[np.array([0])])
    found = neighbour_distances(inputs, 2, Context()) / scale
    torch.testing.assert_close(found, torch.tensor([3.0, 2.0, 3.0, 6.0]))


def test_an_item_is_not_its_own_neighbour_but_its_double_is():
    points = np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]], np.float32)
    inputs = Inputs(points, CPU)
    found = neighbour_distances(inputs, 1, Context())
    assert found[:2].max() < 1e-3
    assert found[2] > 1


@pytest.mark.parametrize("k", [1, 10])
def test_distances_are_those_of_the_kth_neighbour_and_not_of_the_next(k, monkeypatch):
    monkeypatch.setattr("clustlab.parts.networks.passes.PASS_VALUES", 64 * 70)  # blocks of 70
    items = digits(200)
    rows = items.reshape(200, -1) / 255
    expected = NearestNeighbors(n_neighbors=k + 1).fit(rows).kneighbors(rows)[0][:, k]
    found = neighbour_distances(Inputs(items, CPU), k, Context())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_with_few_items_the_farthest_one_counts():
    inputs = Inputs(np.array([[0.0], [1.0], [3.0]], np.float32), CPU)
    torch.testing.assert_close(
        neighbour_distances(inputs, 10, Context()), neighbour_distances(inputs, 2, Context())
    )
    alone = Inputs(np.zeros((1, 2), np.float32), CPU)
    assert neighbour_distances(alone, 10, Context()).tolist() == [0.0]


@given(n=st.integers(2, 30), k=st.integers(1, 5), seed=st.integers(0, 50))
def test_a_farther_neighbour_is_never_nearer(n, k, seed):
    points = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    inputs = Inputs(points, CPU)
    near, far = (neighbour_distances(inputs, m, Context()) for m in (k, k + 1))
    assert (near <= far).all()


# -- a run ---------------------------------------------------------------------------------------
SMALL = {"n_clusters": 10, "epochs": 12, "hidden_width": 100, "batch_size": 50}


@pytest.fixture(scope="module", params=["vat", "rpt"])
def run(request):
    return list(IMSAT(**SMALL, perturbation=request.param).iterate(digits(), Context()))


def test_answers_start_alike_and_become_sure_while_clusters_stay_full(run):
    first, last = run[0].scalars, run[-1].scalars
    assert first["conditional_entropy"] == pytest.approx(first["mutual_information_ceiling"])
    assert last["conditional_entropy"] < 1.9
    assert last["marginal_entropy"] > 2.2


def test_adversarial_changes_do_more_than_random_ones_after_training(run):
    last = run[-1].scalars
    assert last["divergence_adversarial"] > last["divergence_random"] > 0


def test_each_item_has_its_own_size_of_change(run):
    expected = 0.25 * neighbour_distances(Inputs(digits(), CPU), 10, Context())
    np.testing.assert_allclose(run[-1].artefacts["sizes"].data[:, 0], expected.numpy(), rtol=1e-5)
    assert run[-1].artefacts["sensitivity"].data.min() > -1e-6
    assert run[-1].artefacts["sensitivity"].data.max() > 0


def test_both_kinds_of_change_are_shown_beside_their_items(run):
    shown = run[-1].artefacts["changes"]
    assert shown.data.shape == (5, 10, 8, 8, 1)
    items = digits()[[int(i) for i in shown.columns]]
    np.testing.assert_array_equal(shown.data[0], items)
    assert np.ptp(shown.data[1]) > 100
    assert np.ptp(shown.data[3]) > 100


def test_changes_are_drawn_around_grey_on_one_scale():
    x, random = torch.zeros(1, 1, 1, 2), torch.tensor([[[[0.1, -0.1]]]])
    adversarial = torch.tensor([[[[0.2, 0.0]]]])
    sheet = change_sheet(x, random, adversarial)[..., 0, :, 0]
    assert sheet.shape == (5, 1, 2)
    assert sheet[0, 0].tolist() == [0, 0]
    assert sheet[3, 0].tolist()[1] in (127, 128)
    left, right = (int(v) - 127.5 for v in sheet[1, 0])
    assert left == pytest.approx(-right, abs=1)
    assert 55 < left < 75


def test_without_reach_nothing_is_changed():
    *_, last = IMSAT(**{**SMALL, "epochs": 2}, reach=0.0).iterate(digits(), Context())
    assert last.scalars["divergence"] == pytest.approx(0, abs=1e-6)


def test_random_changes_may_be_larger_than_the_distance_to_neighbours():
    assert build(IMSAT, {"reach": 4.0, "perturbation": "rpt"}).reach == 4.0
    with pytest.raises(ParameterError, match=r"reach must lie in \[0, 4\]"):
        build(IMSAT, {"reach": 4.1})


# -- batches drawn anew --------------------------------------------------------------------------
class Recorded(Context):
    """Remembers which items the batches of the present epoch held."""

    def draws(self, n, size):
        self.held = set()
        for index in super().draws(n, size):
            self.held |= set(index.tolist())
            yield index


def test_items_that_are_not_drawn_keep_their_sensitivity_and_do_not_count():
    ctx = Recorded()
    method = IMSAT(**{**SMALL, "epochs": 4}, batches="draws")
    before, ever = np.zeros(300), set()
    for snapshot in method.iterate(digits(), ctx):
        if ctx.phase_name == "measure":
            continue
        after = snapshot.artefacts["sensitivity"].data[:, 0]
        held = np.isin(np.arange(300), list(ctx.held))
        assert 0 < held.sum() < 300
        np.testing.assert_array_equal(after[~held], before[~held])
        assert (after[held] != before[held]).all()
        assert snapshot.scalars["divergence"] == pytest.approx(after[held].mean(), rel=1e-4)
        before, ever = after, ever | ctx.held
    assert 0 < (before != 0).sum() == len(ever)


def test_an_epoch_of_draws_counts_only_whole_batches():
    (_, drawn), (_, passed) = (
        IMSAT(batches=kind, batch_size=50).plan(320, (8, 8, 1)) for kind in ("draws", "passes")
    )
    assert (drawn.samples, passed.samples) == (300, 320)
    assert IMSAT(batches="draws", batch_size=50).plan(30, (2,))[1].samples == 30


def test_a_run_of_draws_goes_on_as_if_it_had_not_been_stopped():
    method, ctx = IMSAT(**{**SMALL, "epochs": 3}, batches="draws"), Context()
    run = method.iterate(digits(), ctx)
    next(run), next(run)
    saved = copy.deepcopy(ctx.checkpoint())
    rest = list(run)
    again = list(method.iterate(digits(), Context(checkpoint=saved)))
    for whole, resumed in zip(rest, again, strict=True):
        assert whole.scalars == resumed.scalars
        for name, artefact in whole.artefacts.items():
            np.testing.assert_array_equal(artefact.data, resumed.artefacts[name].data)


def test_passes_hold_every_item_as_before_there_was_a_choice():
    assert build(IMSAT, {}).batches == "passes"
    first = next(s for s in IMSAT(**SMALL).iterate(digits(), Context()) if "loss" in s.scalars)
    sensitivity = first.artefacts["sensitivity"].data
    assert (sensitivity != 0).all()
    assert first.scalars["divergence"] == pytest.approx(sensitivity.mean(), rel=1e-4)

"""Switches that break a method on purpose do what their help says."""

import numpy as np
import pytest
import torch

from clustlab import registry
from clustlab.context import Context
from clustlab.methods import deepcluster, iic
from clustlab.params import schema
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.losses.soft_assignment import soft_assignment, target_distribution
from clustlab.parts.networks.passes import evaluating
from clustlab.parts.stages import embedded_clustering
from tests.methods.test_methods import digits, tiny

SWITCHES = {
    "dec": ("code_scale", "target_scope"),
    "deepcluster": ("augment_clustering", "new_centers"),
    "iic": ("running_statistics",),
}


def run(name, **values):
    return list(tiny(name, **values).iterate(digits(), Context()))


@pytest.mark.parametrize(
    ("method", "name"), [(m, n) for m, names in SWITCHES.items() for n in names]
)
def test_switches_that_only_break_are_folded_away(method, name):
    (param,) = [p for p in schema(registry.method(method)) if p.name == name]
    assert param.advanced


@pytest.mark.parametrize("name", ["dec", "idec"])
def test_without_pretraining_the_code_is_that_of_the_untrained_network(name):
    method = tiny(name, pretraining="none")
    ctx = Context()
    seen = [(ctx.phase_name, snapshot) for snapshot in method.iterate(digits(), ctx)]
    assert [phase for phase, _ in seen][:2] == ["start", "initialise clusters"]
    first, second = seen[0][1], seen[1][1]
    scale = second.scalars["code_scale"]
    assert np.allclose(second.embedding, first.embedding * scale, rtol=1e-4, atol=1e-4)
    assert "pre-train" not in [phase.name for phase in method.plan(120, (8, 8, 1))]


def test_a_small_scale_makes_all_first_answers_alike():
    guarded, broken = run("dec"), run("dec", code_scale=1e-3)
    at = next(i for i, s in enumerate(broken) if "code_scale" in s.scalars)
    assert broken[at].scalars["code_scale"] == 1e-3
    assert broken[at].probabilities.max() < 0.21  # five clusters
    assert guarded[at].probabilities.max() > 0.3
    ratio = broken[at].embedding / guarded[at].embedding
    assert np.allclose(ratio, 1e-3 / guarded[at].scalars["code_scale"], rtol=1e-2)


def targets_are_of_the_batch(monkeypatch, name, **values):
    """Whether each target in training is that of the answers of its own batch alone."""
    seen = []
    real = embedded_clustering.kl_divergence

    def spy(p, q):
        seen.append((p.clone(), q.detach().clone()))
        return real(p, q)

    monkeypatch.setattr(embedded_clustering, "kl_divergence", spy)
    run(name, **values)
    assert seen
    return [torch.allclose(p, target_distribution(q), atol=1e-6) for p, q in seen]


@pytest.mark.parametrize("scope", ["all items", "batch"])
def test_the_target_comes_from_where_it_is_said_to(monkeypatch, scope):
    of_batch = targets_are_of_the_batch(monkeypatch, "dec", target_scope=scope)
    assert all(of_batch) if scope == "batch" else not any(of_batch)


@pytest.mark.parametrize("name", ["dec", "idec"])
def test_unless_asked_otherwise_the_target_comes_from_all_items(monkeypatch, name):
    assert not any(targets_are_of_the_batch(monkeypatch, name))


def test_values_are_blanked_layer_by_layer_and_not_in_what_follows(monkeypatch):
    """Kept when all layers are trained together, it costs a public version much accuracy."""
    ctx, phases = Context(), []
    real = torch.nn.functional.dropout

    def spy(x, p=0.5, training=True, inplace=False):
        if training and p:
            phases.append(ctx.phase_name)
        return real(x, p, training, inplace)

    monkeypatch.setattr(torch.nn.functional, "dropout", spy)
    steps = tiny("dec", pretraining="layer-wise").iterate(digits(), ctx)
    assert {"pre-train layers", "pre-train", "cluster"} <= {ctx.phase_name for _ in steps}
    assert set(phases) == {"pre-train layers"}


def test_a_batch_of_one_sharpens_nothing():
    z, centers = torch.tensor([[0.3, 0.1]]), torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    q = soft_assignment(z, centers)
    assert torch.allclose(target_distribution(q), q)


def test_clustering_of_changed_images_sees_other_features_at_every_look():
    def features(**values):
        ctx = Context()
        method = tiny("deepcluster", **values)
        inputs = Inputs(digits(), ctx.device)
        network = ctx.keep("network", deepcluster.Network(inputs.shape, method))
        return [method._features(network, inputs, ctx) for _ in range(2)]

    first, second = features()
    assert torch.equal(first, second)
    first, second = features(augment_clustering=True)
    assert not torch.allclose(first, second, atol=0.1)


def test_old_centers_are_handed_to_the_next_round(monkeypatch):
    real, given, found = deepcluster.kmeans, [], []

    def spy(x, k, ctx, **options):
        given.append(options.get("centers"))
        found.append(real(x, k, ctx, **options))
        return found[-1]

    monkeypatch.setattr(deepcluster, "kmeans", spy)
    run("deepcluster")
    assert all(centers is None for centers in given)
    given.clear()
    found.clear()
    run("deepcluster", new_centers=False, repair_empty=False)
    assert given[0] is None
    assert given[-1] is None  # the last clustering is another one
    for centers, before in zip(given[1:-1], found, strict=False):
        assert torch.equal(centers, before.centers)


@pytest.mark.parametrize("running", [False, True])
def test_running_statistics_make_an_answer_independent_of_its_batch(running):
    Context()
    method = tiny("iic", running_statistics=running)
    network = iic.Network((1, 8, 8), method)
    x = torch.rand(64, 1, 8, 8)
    network.train()
    network(x)
    with evaluating(network):
        alone, among = network(x[:8])[0], network(x)[0][:, :8]
    assert torch.allclose(alone, among, atol=1e-5) == running

"""What every rebuilt scorer promises, on small runs of all methods: see `registry.Scoring`."""

import copy
from functools import cache

import numpy as np
import pytest
import torch

from clustlab import registry
from clustlab.context import Context
from clustlab.errors import ClustlabError
from clustlab.explaining.scorers import assigned, can_score, load_scorer
from clustlab.params import build, schema
from clustlab.parts.hooks.scoring import Closeness, StudentT, fix_statistics, head_scorer
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.networks.autoencoder import ConvEncoder
from clustlab.parts.networks.heads import Heads
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from clustlab.training.writer import load_checkpoint

SCORING = [name for name in registry.methods() if can_score(name)]
SMALL = {
    "n_clusters": 5,
    "n_init": 2,
    "batch_size": 32,
    "update_interval": 2,
    "hidden_widths": "100-100-400",
    "epochs": 2,
    "max_iter": 100,
    "max_updates": 2,
    "n_clusters_over": 12,
    "width": 4,
}
IMAGES, POINTS = ("digits", {"n_samples": 200}), ("toy", {"n": 150})


def trained(store, method, data=IMAGES, **values):
    names = {p.name for p in schema(registry.method(method))}
    params = {k: v for k, v in {**SMALL, **values}.items() if k in names}
    run = new_run(store, RunSpec(data[0], method, data[1], params, preset="custom"))
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Runs that several tests look at, each trained once."""
    store = RunStore(tmp_path_factory.mktemp("runs"))

    @cache
    def run(method, data):
        return trained(store, method, IMAGES if data == "images" else POINTS)

    return store, lambda method, data="images": run(method, data)


def test_the_methods_of_the_first_version_have_a_scorer():
    assert {"kmeans", "ae-kmeans", "dec", "iic", "deepcluster"} <= set(SCORING)


@pytest.mark.slow
@pytest.mark.parametrize("data", ["images", "points"])
@pytest.mark.parametrize("method", SCORING)
def test_the_best_score_is_the_cluster_of_the_last_step(shared, method, data):
    if data not in registry.method(method).accepts:
        pytest.skip(f"does not accept {data}")
    store, run = shared[0], shared[1](method, data)
    scorer = load_scorer(store, run, check=None)
    assert scorer.step == len(run) - 1
    assert scorer.n_checked == len(run[-1].assignments)
    found = assigned(scorer.module, scorer.inputs, np.arange(scorer.n_checked))
    assert (found == run[-1].assignments).mean() == scorer.agreement
    assert scorer.agreement == 1.0  # at this size none of them approximates anything


@pytest.mark.slow
@pytest.mark.parametrize("method", SCORING)
def test_scorers_see_first_and_judge_then(shared, method):
    store, run = shared[0], shared[1](method)
    scorer = load_scorer(store, run)
    chain, x = scorer.module, torch.cat(scorer.inputs.all())
    with torch.no_grad():
        rows, scores = chain.seen(x), chain(x)
        torch.testing.assert_close(chain.judged(rows), scores)
    assert rows.shape[0] == len(x)
    assert rows.ndim == 2
    assert chain.gives_log_probabilities == (run[-1].probabilities is not None)
    if chain.gives_log_probabilities:
        np.testing.assert_allclose(scores.exp().numpy(), run[-1].probabilities, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", SCORING)
def test_scores_have_one_column_a_cluster_and_a_gradient(shared, method):
    store, run = shared[0], shared[1](method)
    scorer = load_scorer(store, run)
    x = scorer.inputs[np.arange(3)].requires_grad_()
    scores = scorer.module(x)
    assert scores.shape == (3, 5)
    (slopes,) = torch.autograd.grad(scores[:, 0].sum(), x)
    assert torch.isfinite(slopes).all()
    assert slopes.flatten(1).norm(dim=1).min() > 0
    assert not any(p.requires_grad for p in scorer.module.parameters())
    assert not scorer.module.training


@pytest.mark.slow
@pytest.mark.parametrize("method", SCORING)
def test_an_item_has_the_same_scores_in_any_batch(shared, method):
    store, run = shared[0], shared[1](method)
    scorer = load_scorer(store, run)
    with torch.no_grad():
        many = scorer.module(scorer.inputs[np.arange(40)])[7:8]
        alone = scorer.module(scorer.item(7))
    torch.testing.assert_close(alone, many, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", SCORING)
def test_rebuilding_draws_nothing_from_the_generator_of_a_run_in_training(shared, method):
    store, run = shared[0], shared[1](method)
    before = torch.random.get_rng_state()
    load_scorer(store, run)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("method", ["dec", "iic"])
def test_scores_are_the_logarithm_of_the_probabilities(shared, method):
    store, run = shared[0], shared[1](method)
    scorer = load_scorer(store, run)
    with torch.no_grad():
        p = scorer.module(torch.cat(scorer.inputs.all())).exp().numpy()
    np.testing.assert_allclose(p, run[-1].probabilities, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", SCORING)
def test_images_in_colour_keep_their_channels(method):
    items = np.random.default_rng(0).integers(0, 256, (60, 9, 7, 3), dtype=np.uint8)
    names = {p.name for p in schema(registry.method(method))}
    settings = build(registry.method(method), {k: v for k, v in SMALL.items() if k in names})
    ctx = Context()
    *_, last = settings.iterate(items, ctx)
    inputs = Inputs(items, torch.device("cpu"))
    scorer = settings.scorer(inputs, ctx.final_checkpoint(), last)
    assert assigned(scorer, inputs, np.arange(60)).tolist() == last.assignments.tolist()


def stopped_at(run, phase, step):
    """Pretend that the run was stopped in a phase: nothing but its checkpoint changes."""
    state = load_checkpoint(run.path / "checkpoint.pt")
    torch.save({**state, "phase": phase, "step": step}, run.path / "checkpoint.pt")


def test_a_stopped_run_is_scored_at_the_step_of_its_checkpoint(store):
    run = trained(store, "kmeans")
    stopped_at(run, "assign and move", len(run) - 1)
    assert load_scorer(store, run).step == len(run) - 2


def test_kmeans_has_not_kept_the_start_it_is_trying(store):
    run = trained(store, "kmeans")
    stopped_at(run, "try starts", 1)
    with pytest.raises(ClustlabError, match="has not kept what is needed"):
        load_scorer(store, run)


def test_deepcluster_is_scored_before_the_merge_too(store, monkeypatch):
    run = trained(store, "deepcluster", epochs=1)
    stopped_at(run, "train", len(run) - 1)
    scorer = load_scorer(store, run, check=None)
    assert scorer.module(scorer.item(0)).shape == (1, 12)
    assert scorer.agreement == 1.0


def test_wide_centers_of_deepcluster_are_kept_in_part_only(store):
    run = trained(store, "deepcluster", epochs=1, n_components=40)
    stopped_at(run, "train", len(run) - 1)
    with pytest.raises(ClustlabError, match="of the 40 dimensions of a centre, 32 are kept"):
        load_scorer(store, run)


def test_a_run_without_trained_parts_is_named_with_a_way_out(store):
    run = trained(store, "kmeans")
    (run.path / "checkpoint.pt").unlink()
    with pytest.raises(ClustlabError, match=r"has kept no trained parts.*resume it"):
        load_scorer(store, run)


def test_a_run_of_another_version_is_named(store):
    run = trained(store, "imsat", epochs=1, hidden_width=10)
    state = load_checkpoint(run.path / "checkpoint.pt")
    network = state["parts"]["network"]
    network["renamed"] = network.pop("head.weight")
    torch.save(state, run.path / "checkpoint.pt")
    with pytest.raises(ClustlabError, match="made by another version"):
        load_scorer(store, run)


def test_a_method_without_a_scorer_says_so(store, fake):
    run = new_run(store, fake())
    execute(store.root, run.id)
    assert not can_score("fake")
    with pytest.raises(ClustlabError, match=r"Fake cannot judge a new item.*\."):
        load_scorer(store, run)


# -- the parts -----------------------------------------------------------------------------------
def test_closeness_is_the_negative_squared_distance():
    found = Closeness(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))(torch.tensor([[0.0, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.0, -25.0]]))


def test_student_t_of_distances_0_and_1_is_two_thirds_and_one_third():
    found = StudentT(1.0)(torch.tensor([[0.0, -1.0]])).exp()
    torch.testing.assert_close(found, torch.tensor([[2 / 3, 1 / 3]]))


def images(n):
    pixels = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    return Inputs(pixels, torch.device("cpu"))


def test_fixed_statistics_of_one_batch_give_what_the_batch_itself_gives():
    network = ConvEncoder((1, 8, 8), [4, 8], track_running_stats=False).eval()
    x = torch.cat(images(30).all())
    before = network(x)
    fixed = copy.deepcopy(network)
    fix_statistics(fixed, [x])
    torch.testing.assert_close(fixed(x), before, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(fixed(x[:1]), before[:1], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(network(x[:2]), before[:2], atol=1e-3)


def test_the_chosen_head_is_the_one_scored():
    inputs = images(20)
    encoder, heads = torch.nn.Flatten(), Heads(64, 3, 4)
    scorer = head_scorer(encoder, heads, 2, inputs)
    x = torch.cat(inputs.all())
    torch.testing.assert_close(scorer(x).exp(), heads(x.flatten(1))[2])

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clustlab.context import Context
from clustlab.methods.iic import IIC, _Run, iic_loss
from clustlab.parts.inputs.network_input import Inputs
from clustlab.parts.losses.simplex import joint_probabilities
from tests.support.fakes import blocks

A = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.6, 0.3, 0.1]]).double()
B = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.2, 0.1, 0.7], [0.3, 0.6, 0.1]]).double()


def random_probabilities(seed: int, n: int, k: int, sharpness: float = 3.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (sharpness * torch.randn(n, k, generator=generator)).double().softmax(1)


def test_joint_matrix_by_hand():
    expected = [[0.195, 0.1175, 0.0625], [0.1175, 0.1925, 0.0525], [0.0625, 0.0525, 0.1475]]
    joint = joint_probabilities(A, B)
    assert torch.allclose(joint, torch.tensor(expected).double(), atol=1e-7)
    assert torch.allclose(joint.sum(0), torch.tensor([0.375, 0.3625, 0.2625]).double(), atol=1e-7)


@pytest.mark.parametrize(("lam", "value"), [(1.0, -0.0960235), (1.5, -1.182769)])
def test_golden_values(lam, value):
    assert float(iic_loss(A, B, lam)) == pytest.approx(value, abs=1e-5)
    assert float(iic_loss(A.float(), B.float(), lam)) == pytest.approx(value, abs=1e-5)


@pytest.mark.parametrize("k", [2, 3, 10])
def test_sure_equal_and_balanced_answers_reach_the_bound(k):
    p = torch.eye(k).repeat(4, 1)
    assert float(iic_loss(p, p)) == pytest.approx(-math.log(k), abs=1e-5)


@pytest.mark.parametrize("k", [2, 10])
def test_uniform_and_constant_answers_tell_nothing(k):
    uniform = torch.full((20, k), 1 / k)
    constant = torch.eye(k)[torch.zeros(20, dtype=torch.long)]
    assert float(iic_loss(uniform, uniform)) == pytest.approx(0, abs=1e-6)
    assert float(iic_loss(constant, constant)) == pytest.approx(0, abs=1e-6)


def test_merging_two_of_ten_classes_costs_what_the_theory_says():
    merged = torch.eye(10)[torch.tensor([0, 0, 2, 3, 4, 5, 6, 7, 8, 9]).repeat(10)]
    gap = float(iic_loss(merged, merged)) + math.log(10)
    assert gap == pytest.approx(0.2 * math.log(2), abs=1e-5)


@given(seed=st.integers(0, 10_000), k=st.integers(2, 12), n=st.integers(1, 40))
def test_bounds_and_symmetry(seed, k, n):
    p, q = random_probabilities(seed, n, k), random_probabilities(seed + 1, n, k)
    loss = float(iic_loss(p, q))
    assert -math.log(k) - 1e-9 <= loss <= 1e-9
    assert float(iic_loss(q, p)) == pytest.approx(loss, abs=1e-9)


@given(seed=st.integers(0, 10_000), k=st.integers(2, 8))
def test_renumbering_clusters_or_items_changes_nothing(seed, k):
    p, q = random_probabilities(seed, 12, k), random_probabilities(seed + 1, 12, k)
    rng = np.random.default_rng(seed)
    clusters, items = rng.permutation(k), rng.permutation(12)
    assert float(iic_loss(p[:, clusters], q[:, clusters])) == pytest.approx(float(iic_loss(p, q)))
    assert float(iic_loss(p[items], q[items])) == pytest.approx(float(iic_loss(p, q)))


def test_breaking_the_pairs_raises_the_loss():
    p = torch.eye(4).repeat(3, 1)
    assert float(iic_loss(p, p.roll(1, 0)[torch.randperm(12, generator=torch.Generator())])) > -1
    assert float(iic_loss(p, p)) == pytest.approx(-math.log(4), abs=1e-5)


@pytest.mark.parametrize("lam", [1.0, 1.5])
def test_gradient_by_finite_differences(lam):
    scores = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    others = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)).double()
    inputs = (scores.requires_grad_(), others.requires_grad_())
    assert torch.autograd.gradcheck(
        lambda a, b: iic_loss(a.softmax(1), b.softmax(1), lam), inputs, atol=1e-6
    )


def test_gradient_is_finite_where_a_cluster_is_empty():
    p = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    iic_loss(p, p).backward()
    assert torch.isfinite(p.grad).all()


def test_half_precision_is_lifted():
    p, q = random_probabilities(0, 500, 10), random_probabilities(1, 500, 10)
    loss = iic_loss(p.bfloat16(), q.bfloat16())
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("lam", [1.0, 1.5])
def test_heads_have_their_losses_from_one_call(lam):
    heads = [(random_probabilities(i, 40, 5), random_probabilities(9 + i, 40, 5)) for i in range(3)]
    p, q = (torch.stack(each) for each in zip(*heads, strict=True))
    one_by_one = [float(iic_loss(a, b, lam)) for a, b in heads]
    assert iic_loss(p, q, lam).tolist() == pytest.approx(one_by_one, abs=1e-12)


# --- the method ---------------------------------------------------------------------------------

TINY = {
    "epochs": 2,
    "width": 4,
    "depth": 2,
    "batch_size": 32,
    "n_heads": 3,
    "n_clusters_over": None,
}


def run(items: np.ndarray, seed: int = 0, ctx: Context | None = None, **values) -> list:
    return list(IIC(**{**TINY, **values}).iterate(items, ctx or Context(seed)))


def test_head_of_lowest_loss_on_the_whole_set_is_chosen_and_marked():
    for snapshot in run(blocks(90), n_clusters=4):
        losses = [snapshot.scalars[f"loss_head_{i}"] for i in (1, 2, 3)]
        chosen = int(np.argmin(losses))
        bars = snapshot.artefacts["heads"]
        assert snapshot.scalars["chosen_head"] == chosen + 1
        assert bars.marked == (chosen,)
        assert bars.data[0] == pytest.approx(losses)
        assert snapshot.scalars["mutual_information"] == pytest.approx(-losses[chosen])


def test_artefacts_agree_with_the_probabilities():
    snapshot = run(blocks(90), n_clusters=4, n_clusters_over=6)[-1]
    joint = snapshot.artefacts["joint"]
    assert joint.data.sum() == pytest.approx(1, abs=1e-5)
    assert np.array_equal(joint.data, joint.data.T)
    assert joint.cluster_axes == (0, 1)
    assert np.allclose(snapshot.artefacts["marginals"].data[0], joint.data.sum(0), atol=1e-6)
    parts = snapshot.artefacts["parts"]
    assert parts.data.shape == (6, 4)
    assert np.allclose(parts.data.sum(0), snapshot.probabilities.mean(0), atol=1e-5)
    assert np.array_equal(snapshot.assignments, snapshot.probabilities.argmax(1))
    assert snapshot.scalars["mutual_information_ceiling"] == pytest.approx(math.log(4))


def test_image_pairs_show_items_beside_their_own_copies():
    items = blocks(60, 12)
    pairs = run(items, epochs=1, strength=0.0)[-1].artefacts["pairs"]
    assert pairs.rows == ("image", "transformed")
    assert np.array_equal(pairs.data[0], pairs.data[1])  # nothing was changed, so the same image
    assert all((pair == items).all((1, 2, 3)).any() for pair in pairs.data[0])
    changed = run(items, epochs=1)[-1].artefacts["pairs"]
    assert np.array_equal(changed.data[0], pairs.data[0])
    assert (changed.data[1] != changed.data[0]).any((1, 2, 3)).all()


def test_both_views_of_a_batch_index_the_same_items(monkeypatch):
    """Without changes the two views are one, so their answers must agree item by item."""
    seen = []

    def spy(p, p_prime, lam=1.0):
        seen.append(float((p - p_prime).detach().abs().max()))
        return iic_loss(p, p_prime, lam)

    monkeypatch.setattr("clustlab.methods.iic.iic_loss", spy)
    run(blocks(90), epochs=1, strength=0.0, repeats=2)
    assert max(seen) < 1e-4


def test_evaluation_draws_nothing_and_repeats_exactly():
    ctx = Context(0)
    run_of_one = _Run(IIC(**TINY), blocks(90), ctx)
    torch_state, numpy_state = torch.random.get_rng_state(), ctx.rng.bit_generator.state
    first, second = run_of_one._pass(), run_of_one._pass()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert ctx.rng.bit_generator.state == numpy_state


@pytest.mark.slow
def test_batch_statistics_hardly_depend_on_the_batch():
    """Accuracy must not hang on how items are put into batches at evaluation (methods of 0.3)."""
    method = IIC(**{**TINY, "epochs": 8})
    items = blocks(600)
    ctx = Context(0)
    *_, last = method.iterate(items, ctx)
    network = ctx._parts["network"]
    inputs = Inputs(items, ctx.device)
    index = np.random.default_rng(5).permutation(600)[:300]
    with torch.no_grad():
        p = network(inputs[index])[0][int(last.scalars["chosen_head"]) - 1]
    assert (p.argmax(1).numpy() == last.assignments[index]).mean() > 0.97


def test_auxiliary_heads_are_trained():
    method = IIC(**{**TINY, "n_clusters_over": 12, "epochs": 1})
    ctx = Context(0)
    steps = method.iterate(blocks(90), ctx)
    next(steps)
    over = ctx._parts["network"].groups[1].linear
    before = over.weight.detach().clone()
    snapshot = next(steps)
    assert (over.weight - before).abs().max() > 1e-4
    assert snapshot.scalars["auxiliary_loss"] < 0
    assert "auxiliary_loss" not in run(blocks(90), epochs=1)[-1].scalars


def test_untrained_network_tells_nothing_and_training_helps():
    snapshots = run(blocks(240), epochs=8, n_clusters=3)
    information = [s.scalars["mutual_information"] for s in snapshots]
    assert information[0] < 0.1
    assert information[-1] > 0.4


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (96, 96, 3)], ids=lambda s: f"{s[0]}x{s[2]}"
)
def test_images_of_every_size(shape):
    items = np.random.default_rng(0).integers(0, 255, (24, *shape), dtype=np.uint8)
    snapshot = run(items, epochs=1, sobel=shape[2] == 3, flip=True)[-1]
    assert snapshot.probabilities.shape == (24, 10)
    assert snapshot.embedding.shape[1] <= 32
    assert IIC().plan(24, shape)[1].cost.conv > 0


def test_points_need_no_images():
    points = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    snapshot = run(points, epochs=1, n_clusters=3)[-1]
    assert snapshot.probabilities.shape == (60, 3)
    assert "pairs" not in snapshot.artefacts
    assert IIC().plan(60, (2,))[1].cost.conv == 0


def test_plan_counts_every_pass():
    start, train = IIC(epochs=7).plan(100, (28, 28, 1))
    assert (start.name, start.iterations, train.name, train.iterations) == ("start", 1, "train", 7)
    # two views, forward and about twice that backward, then the two views of the evaluation
    assert train.cost.conv == pytest.approx(4 * start.cost.conv)
    more = IIC(epochs=7, repeats=3).plan(100, (28, 28, 1))[1]
    assert more.cost.conv == pytest.approx((3 * 4 + 2) / 2 * start.cost.conv)


@settings(max_examples=5, deadline=None)
@given(stop=st.integers(0, 2))
def test_resuming_repeats_the_rest_bit_for_bit(stop):
    items = blocks(60)
    whole = run(items)
    ctx = Context(0)
    for i, _ in enumerate(IIC(**TINY).iterate(items, ctx)):
        if i == stop:
            checkpoint = ctx.checkpoint()
            break
    rest = list(IIC(**TINY).iterate(items, Context(0, checkpoint=checkpoint)))
    assert len(rest) == len(whole) - stop - 1
    for a, b in zip(rest, whole[stop + 1 :], strict=True):
        assert np.array_equal(a.embedding, b.embedding)
        assert np.array_equal(a.probabilities, b.probabilities)
        assert a.scalars == b.scalars


def test_continuing_starts_from_the_finished_network():
    items = blocks(60)
    ctx = Context(0)
    *_, last = IIC(**TINY).iterate(items, ctx)
    warm = ctx.final_checkpoint()
    first = next(IIC(**TINY).iterate(items, Context(1, warm=warm)))
    assert np.array_equal(first.probabilities, last.probabilities)


def test_mixed_precision_leaves_whole_snapshots():
    ctx = Context(0, mixed_precision=True)
    last = run(blocks(60), ctx=ctx, epochs=1, n_clusters=4, n_clusters_over=6)[-1]
    assert np.allclose(last.probabilities.sum(1), 1, atol=1e-3)
    assert last.artefacts["joint"].data.sum() == pytest.approx(1, abs=1e-5)
    assert last.artefacts["parts"].data.sum() == pytest.approx(1, abs=0.02)

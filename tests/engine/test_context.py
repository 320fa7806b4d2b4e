import copy
import io
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.context import Cell, Context
from clustlab.errors import Cancelled, ClustlabError, ParameterError
from tests.support.fakes import Fake

POINTS = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)


def fresh(**kwargs):
    return Context(3, "cpu", **kwargs)


def through_a_file(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def same(one, two):
    return (
        one.scalars == two.scalars
        and one.embedding.tobytes() == two.embedding.tobytes()
        and one.assignments.tobytes() == two.assignments.tobytes()
        and one.probabilities.tobytes() == two.probabilities.tobytes()
        and one.centers.tobytes() == two.centers.tobytes()
    )


# Stopping and going on ---------------------------------------------------------------------------


def test_resuming_at_any_step_cannot_be_told_from_going_on():
    method = Fake(warm_up=2, epochs=3)
    ctx = fresh()
    whole, states = [], []
    for snapshot in method.iterate(POINTS, ctx):
        whole.append(snapshot)
        states.append(through_a_file(ctx.checkpoint()))
    assert len(whole) == 5
    for step, state in enumerate(states, start=1):
        torch.rand(step)  # somebody else's draw
        rest = list(method.iterate(POINTS, fresh(checkpoint=state)))
        assert len(rest) == len(whole) - step
        assert all(same(a, b) for a, b in zip(whole[step:], rest, strict=True))


def test_a_method_that_stops_early_stops_at_the_same_step_after_a_resume():
    method = Fake(warm_up=1, epochs=9, stop_after=3)
    ctx = fresh()
    snapshots = method.iterate(POINTS, ctx)
    next(snapshots)
    next(snapshots)
    state = through_a_file(ctx.checkpoint())
    rest = list(snapshots)
    again = list(method.iterate(POINTS, fresh(checkpoint=state)))
    assert len(rest) == len(again) == 2
    assert all(same(a, b) for a, b in zip(rest, again, strict=True))


def test_a_final_checkpoint_leaves_nothing_to_do():
    ctx = fresh()
    list(Fake(epochs=9, stop_after=2).iterate(POINTS, ctx))
    state = through_a_file(ctx.final_checkpoint())
    assert state["finished"] == ["warm up", "train"]
    assert set(state["parts"]) == {"net", "optimiser", "centers"}
    assert list(Fake(epochs=9).iterate(POINTS, fresh(checkpoint=state))) == []


def test_a_run_of_another_version_is_named_when_it_is_resumed():
    ctx = fresh()
    snapshots = Fake().iterate(POINTS, ctx)
    next(snapshots)
    state = through_a_file(ctx.checkpoint())
    net = state["parts"]["net"]
    net["renamed"] = net.pop(next(iter(net)))
    with pytest.raises(ClustlabError, match=r"net that this run has kept.*another version"):
        next(Fake().iterate(POINTS, fresh(checkpoint=state)))


def test_a_warm_start_takes_the_parts_and_counts_anew():
    first = fresh()
    list(Fake().iterate(POINTS, first))
    state = first.final_checkpoint()
    warm = Context(5, warm=state)
    assert warm.is_warm
    snapshots = Fake(epochs=1).iterate(POINTS, warm)
    (only,) = list(snapshots)
    assert warm.phase_name == "train"
    moved = only.centers - state["parts"]["centers"]["numpy"].numpy() * 0.9
    assert abs(moved).max() < 0.6  # one step away from where the first run ended


def test_a_part_may_stay_behind_when_a_run_is_continued():
    saved = {"parts": {"a": {"value": 7}, "b": {"value": 7}}}
    ctx = fresh(warm=saved)
    assert ctx.keep("a", Cell(1)).value == 7
    assert ctx.keep("b", Cell(1), across_runs=False).value == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Cell(np.zeros((3, 2))), Cell(np.zeros((4, 2)))),
        (torch.nn.Linear(2, 3), torch.nn.Linear(2, 4)),
        (torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3)),
    ],
)
def test_a_warm_part_of_another_shape_is_refused_in_words(old, new):
    first = fresh()
    first.keep("code", old)
    with pytest.raises(ParameterError, match=r"code has another shape.*number of clusters"):
        fresh(warm=first.final_checkpoint()).keep("code", new)


# Mixed precision ---------------------------------------------------------------------------------


class Twice(torch.nn.Module):
    """A network that can be entered at three places, and tells in what its layers compute."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU())
        self.last = torch.nn.Linear(3, 1, bias=False)
        self.seen = []
        self.layers[0].register_forward_hook(lambda *call: self.seen.append(call[2].dtype))

    def encode(self, x):
        return self.layers(x)

    def forward(self, x):
        return self.last(self.encode(x)), [x.sum()]


def test_layers_of_a_kept_network_compute_in_half_and_answer_in_full():
    for kept, inside in ((True, torch.bfloat16), (False, torch.float32)):
        net = Context(0, mixed_precision=kept).keep("net", Twice())
        x = torch.ones(5, 3)
        answer, (total,) = net(x)
        assert answer.dtype == total.dtype == net.encode(x).dtype == torch.float32
        assert net.seen == [inside] * 2
        assert not torch.is_autocast_enabled("cpu")
        answer.sum().backward()
        assert {p.grad.dtype for p in net.parameters()} == {torch.float32}


def test_a_copy_of_a_network_computes_in_half_by_itself():
    net = Context(0, mixed_precision=True).keep("net", Twice())
    other = copy.deepcopy(net)
    other(torch.ones(5, 3))
    assert len(net.seen) + len(other.seen) == 1
    net(torch.ones(5, 3))
    assert set(net.seen + other.seen) == {torch.bfloat16}


def test_mixed_precision_sees_the_weights_as_they_are_now():
    net = Context(0, mixed_precision=True).keep("net", torch.nn.Linear(1, 1, bias=False))
    for _ in range(2):
        before = net(torch.ones(1, 1))
        with torch.no_grad():
            net.weight.add_(1.0)
        assert round((net(torch.ones(1, 1)) - before).item()) == 1


def test_an_error_within_a_network_leaves_full_precision_behind():
    net = Context(0, mixed_precision=True).keep("net", Twice())
    with pytest.raises(RuntimeError, match="shapes"):
        net(torch.ones(5, 4))
    assert not torch.is_autocast_enabled("cpu")
    assert net(torch.ones(5, 3))[0].dtype == torch.float32


def test_parts_without_layers_stay_in_full_precision():
    class Distances(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.centers = torch.nn.Parameter(torch.full((2, 3), 0.1))

        def forward(self, x):
            return x @ self.centers.T

    x = torch.full((1, 3), 0.1)
    net = Context(0, mixed_precision=True).keep("net", Distances())
    assert torch.equal(net(x), Distances()(x))


# Random draws ------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_draws_and_another_does_not():
    def draws(seed):
        ctx = Context(seed)
        return ctx.rng.random(3).tolist() + torch.rand(3).tolist()

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_python_s_own_generator_is_left_alone():
    random.seed(4)
    state = random.getstate()
    list(Fake().iterate(POINTS, fresh()))
    assert random.getstate() == state


# Phases and batches ------------------------------------------------------------------------------


def test_a_phase_counts_and_polls_before_each_iteration():
    polls = []
    ctx = fresh(poll=lambda: polls.append((ctx.phase_name, ctx.done, ctx.total)))
    for _ in ctx.phase("one", 2):
        pass
    for _ in ctx.phase("two", 1):
        pass
    assert polls == [("one", 0, 2), ("one", 1, 2), ("two", 0, 1)]


def test_two_phases_of_one_name_are_a_bug():
    ctx = fresh()
    list(ctx.phase("train", 1))
    with pytest.raises(ValueError, match="two phases have the name 'train'"):
        list(ctx.phase("train", 1))


def test_two_parts_of_one_name_are_a_bug():
    ctx = fresh()
    ctx.keep("net", Cell(1))
    with pytest.raises(ValueError, match="two parts are kept under the name 'net'"):
        ctx.keep("net", Cell(2))


def test_a_checkpoint_outside_a_phase_is_a_bug():
    ctx = fresh()
    with pytest.raises(ValueError, match="outside the body of a phase"):
        ctx.checkpoint()
    for _ in ctx.phase("train", 2):
        assert ctx.checkpoint()["phase"] == "train"
        break
    with pytest.raises(ValueError, match="outside the body of a phase"):
        ctx.checkpoint()


@given(st.integers(0, 200), st.integers(1, 64), st.integers(0, 9))
def test_batches_cover_everything_once_and_none_is_alone(n, size, seed):
    ctx = Context(seed)
    batches = list(ctx.batches(n, size))
    assert sorted(np.concatenate([np.empty(0, int), *batches])) == list(range(n))
    assert len(batches) == ctx.n_batches
    assert all(len(b) <= size + 1 for b in batches)
    if n > 1 and size > 1:
        assert all(len(b) > 1 for b in batches)


@given(st.integers(0, 200), st.integers(1, 64), st.integers(0, 9))
def test_draws_fill_as_many_whole_batches_as_fit_in_a_pass(n, size, seed):
    ctx, told = Context(seed), []
    ctx._poll = lambda: told.append((ctx.batch, ctx.n_batches))
    batches = list(ctx.draws(n, size))
    whole = min(n, size)  # all of them if they are fewer than a batch
    assert [len(b) for b in batches] == [whole] * (n // whole if n else 0)
    assert told == [(i, len(batches)) for i in range(len(batches))]
    for batch in batches:
        assert len(set(batch.tolist())) == len(batch)
        assert set(batch.tolist()) <= set(range(n))


def test_each_draw_is_from_all_items_whatever_was_drawn_before():
    rng = np.random.default_rng(3)
    expected = [rng.choice(10, 4, replace=False) for _ in range(2)]
    np.testing.assert_array_equal(list(Context(3).draws(10, 4)), expected)
    drawn = [set(torch.cat(list(Context(seed).draws(10, 5))).tolist()) for seed in range(9)]
    assert min(map(len, drawn)) < 10  # a pass would hold each of the ten


def test_every_batch_and_every_box_is_a_point_to_stop():
    left = iter(range(3))

    def poll():
        if next(left, None) is None:
            raise Cancelled

    ctx = fresh(poll=poll)
    seen = []
    with pytest.raises(Cancelled):
        seen.extend(batch for batch in ctx.batches(100, 10))
    assert ctx.batch == 3
    with pytest.raises(Cancelled):
        ctx.at("train")
    assert ctx.active == "train"


def test_cancelling_runs_the_clean_up_of_a_method():
    closed = []

    def iterate(ctx):
        try:
            yield from ctx.phase("train", 5)
        finally:
            closed.append(True)

    calls = []

    def poll():
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(iterate(fresh(poll=poll)))
    assert closed == [True]


# Kept values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [None, 3, 0.1 + 0.2, "word", [1, 2], np.arange(6.0).reshape(2, 3), np.array([True, False])],
)
def test_a_cell_keeps_any_value_exactly(value):
    ctx = fresh()
    ctx.keep("cell", Cell(value))
    for _ in ctx.phase("train", 1):
        state = through_a_file(ctx.checkpoint())
    back = fresh(checkpoint=state).keep("cell", Cell(None)).value
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype
        assert back.tobytes() == value.tobytes()
        back[:] = 0  # it may be written to
    else:
        assert back == value


def test_a_tensor_comes_back_as_a_copy_to_where_it_belongs():
    ctx = fresh()
    cell = ctx.keep("cell", Cell(torch.arange(3)))
    for _ in ctx.phase("train", 1):
        state = ctx.checkpoint()
    cell.value += 10
    assert state["parts"]["cell"]["tensor"].tolist() == [0, 1, 2]
    back = fresh(checkpoint=state).keep("cell", Cell(None)).value
    back += 5
    assert state["parts"]["cell"]["tensor"].tolist() == [0, 1, 2]
    assert back.device.type == "cpu"
    away = Cell(None)
    away.device = torch.device("meta")  # stands for an accelerator
    away.load_state_dict({"tensor": torch.arange(3), "accelerated": True})
    assert away.value.device.type == "meta"


def test_convolutions_keep_their_memory_layout_over_a_resume():
    ctx = fresh()
    net = ctx.keep("net", torch.nn.Conv2d(2, 4, 3))
    for _ in ctx.phase("train", 1):
        state = through_a_file(ctx.checkpoint())
    back = fresh(checkpoint=state).keep("net", torch.nn.Conv2d(2, 4, 3))
    for conv in (net, back):
        assert conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(net.weight, back.weight)


def test_generators_of_absent_accelerators_are_not_touched():
    ctx = fresh()
    for _ in ctx.phase("train", 2):
        state = ctx.checkpoint()
        break
    state["random"]["cuda"] = state["random"]["mps"] = torch.zeros(16, dtype=torch.uint8)
    assert list(fresh(checkpoint=state).phase("train", 2)) == [1]  # saved on a GPU, resumed here

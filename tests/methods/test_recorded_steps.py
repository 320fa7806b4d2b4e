"""Steps that a GPU may replay: the same run as if each were computed, for every method.

What a CUDA graph does is done here by a recorder that knows the operations of a step only.
"""

from functools import partial

import numpy as np
import pytest
import torch

from clustlab import registry
from clustlab.context import Context
from clustlab.runs.spec import RunSpec
from clustlab.training import train
from clustlab.training.worker import execute, new_run
from clustlab.training_step import WARM_UP, CudaGraphs
from tests.methods.test_methods import points, tiny
from tests.support.recorded import Recorded

RATE = 2**-10  # which a graph keeps as it is, in float32
SETTINGS = {
    "batch_size": 16,
    "learning_rate": RATE,
    "cluster_learning_rate": RATE,
    "warm_up_updates": 1,
}


def images():
    return np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1), dtype=np.uint8)


def told(name, recorder=None):
    items = images() if "images" in registry.method(name).accepts else points()
    ctx = Context(0, recorder=recorder)
    return list(tiny(name, **settings_of(name)).iterate(items, ctx)), ctx


def settings_of(name):
    known = registry.method(name).__dataclass_fields__
    return {each: value for each, value in SETTINGS.items() if each in known}


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.methods())
def test_a_run_whose_steps_are_replayed_is_that_whose_steps_are_computed(name):
    computed, _ = told(name)
    recorder = Recorded()
    replayed, ctx = told(name, recorder)
    assert [step.reason for step in ctx.steps] == [""] * len(ctx.steps)
    learns = "batch_size" in registry.method(name).__dataclass_fields__
    assert (recorder.replays > 0) == learns
    for one, other in zip(computed, replayed, strict=True):
        np.testing.assert_array_equal(one.embedding, other.embedding)
        np.testing.assert_array_equal(one.assignments, other.assignments)
        assert one.scalars == other.scalars


# -- one step by itself ----------------------------------------------------------------------------
ADAM = partial(torch.optim.Adam, fused=True)


class Small:
    """A layer that learns to double numbers, and its step."""

    def __init__(self, recorder, optimiser=ADAM, ctx=None):
        ctx = ctx or Context(0, recorder=recorder)
        self.layer = torch.nn.Linear(2, 1)
        self.optimiser = optimiser(self.layer.parameters(), lr=0.5)
        self.ctx, self.computed = ctx, 0
        self.step = ctx.step(self._step, self.optimiser)

    def _step(self, x):
        self.computed += 1
        self.ctx.at("first")
        loss = (self.layer(x) - 2 * x.sum(1, keepdim=True)).square().mean()
        self.ctx.at("second")
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()


def batches(n, size=4):
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(size, 2, generator=generator) for _ in range(n)]


def losses(small, given):
    return [float(small.step(x)) for x in given]


@pytest.mark.parametrize("optimiser", [ADAM, torch.optim.SGD])
def test_another_learning_rate_reaches_a_recorded_step(optimiser):
    told = []
    for recorder in (None, Recorded()):
        small = Small(recorder, optimiser)
        given = batches(3 * WARM_UP)
        first = losses(small, given[: 2 * WARM_UP])
        small.optimiser.param_groups[0]["lr"] = 0.125
        told.append(first + losses(small, given[2 * WARM_UP :]))
    assert told[0] == told[1]
    assert recorder.replays == 2 * WARM_UP
    assert small.step.n_recorded == (1 if optimiser is ADAM else 2)
    assert small.optimiser.param_groups[0]["lr"] == 0.125


def test_python_of_a_recorded_step_does_not_run_again():
    small = Small(Recorded())
    losses(small, batches(3 * WARM_UP))
    assert small.computed == WARM_UP + 1


def test_what_a_step_returned_stays_as_it_was():
    small = Small(Recorded())
    kept = [small.step(x) for x in batches(3 * WARM_UP)]
    assert len({float(loss) for loss in kept}) == len(kept)


def test_batches_of_another_size_have_a_recording_of_their_own():
    given = [x for pair in zip(batches(8, 4), batches(8, 3), strict=True) for x in pair]
    small = Small(Recorded())
    assert losses(small, given) == losses(Small(None), given)
    assert small.step.n_recorded == 2


def test_a_run_can_be_held_and_its_boxes_are_told_at_each_replay():
    polls = []
    small = Small(None, ctx=Context(0, poll=lambda: polls.append(1), recorder=Recorded()))
    for i, x in enumerate(batches(3 * WARM_UP), 1):
        small.step(x)
        assert small.ctx.boxes == len(polls) == 2 * i


def test_weights_in_another_place_are_recorded_anew():
    small = Small(Recorded())
    losses(small, batches(2 * WARM_UP))
    small.layer.weight.data = small.layer.weight.data.clone()
    before = small.layer.weight.detach().clone()
    losses(small, batches(1))
    assert not torch.equal(small.layer.weight, before)
    assert small.step.n_recorded == 2


def test_what_cannot_be_recorded_is_computed_and_says_why():
    class Fails(Recorded):
        def record(self, compute):
            raise RuntimeError("operation not permitted\nwhen stream is capturing")

    given, small = batches(3 * WARM_UP), Small(Fails())
    assert losses(small, given) == losses(Small(None), given)
    assert small.step.reason == "operation not permitted"
    assert (
        "capturable" not in small.optimiser.param_groups[0]
        or not (small.optimiser.param_groups[0]["capturable"])
    )


def test_a_run_says_why_its_steps_are_not_replayed(store, monkeypatch):
    class Fails(Recorded):
        def record(self, compute):
            raise RuntimeError("out of graphs")

    monkeypatch.setattr(train, "recorder_for", lambda device: Fails())
    spec = RunSpec("toy", "ae-kmeans", {"n": 100}, {"epochs": 2, "batch_size": 16}, "quick")
    run = new_run(store, spec)
    execute(store.root, run.id)
    assert run.progress["device_reason"].endswith("steps are not replayed: out of graphs")


def test_what_changes_at_each_call_is_not_recorded_for_ever():
    small = Small(Recorded(), torch.optim.SGD)
    for i, x in enumerate(batches(40)):
        small.optimiser.param_groups[0]["lr"] = 0.5 / (i + 1)
        small.step(x)
    assert small.step.reason == "its inputs or settings change too often"
    assert small.step.n_recorded < 10


def test_a_step_that_waits_for_the_device_is_not_recorded():
    ctx = Context(0, recorder=Recorded())

    def reads(x):
        return x.to("meta")[None] * 2

    step = ctx.step(reads)
    for x in batches(3 * WARM_UP):
        step(x)
    assert "waits for the device" in step.reason
    assert step.n_recorded == 0


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been():
    whole, _ = told("iic", Recorded())
    items, method = images(), tiny("iic", batch_size=16, learning_rate=RATE)
    ctx = Context(0, recorder=Recorded())
    steps = method.iterate(items, ctx)
    for _ in range(2):
        next(steps)
    later = Context(0, checkpoint=ctx.checkpoint(), recorder=Recorded())
    rest = list(method.iterate(items, later))
    for one, other in zip(whole[2:], rest, strict=True):
        assert one.scalars == other.scalars


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", registry.methods())
def test_a_gpu_replays_what_it_would_compute(name):
    items = images() if "images" in registry.method(name).accepts else points()
    device, scalars = torch.device("cuda"), []
    for recorder in (None, CudaGraphs(device)):
        ctx = Context(0, device, recorder=recorder)
        snapshots = list(tiny(name, **settings_of(name)).iterate(items, ctx))
        scalars.append(list(snapshots[-1].scalars.values()))
    assert [step.reason for step in ctx.steps] == [""] * len(ctx.steps)
    np.testing.assert_allclose(*scalars, rtol=0.02, atol=0.02)

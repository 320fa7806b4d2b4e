"""Within an epoch the host never waits for the device: what is asked of it is asked at the end.

A GPU works through what it is handed while Python goes on to the next batch. A value that is read
(`float(loss)`, `if mask.any()`, `.cpu()`) stops Python until all of it is done. On a CPU that costs
nothing and cannot be seen, so here such reads raise while a batch is being worked on.
"""

import contextlib
from collections.abc import Iterator

import pytest
import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.utils._python_dispatch import TorchDispatchMode

from clustlab import registry
from clustlab.context import Context
from clustlab.training_step import WAITING, by_mask
from tests.methods.test_methods import tiny, usual_items

READS = ("cpu", "numpy", "tolist", "__array__")


class Waits(AssertionError):
    """The host waits for the device."""


class Watching(TorchDispatchMode):
    """Raises `Waits` while `within` is true."""

    def __init__(self) -> None:
        super().__init__()
        self.within = False

    def check(self, what: str) -> None:
        if self.within:
            raise Waits(f"{what} is read while a batch is being worked on")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in WAITING or (func is torch.ops.aten.index.Tensor and by_mask(args[1])):
            self.check(str(func))
        return func(*args, **(kwargs or {}))


class WatchedContext(Context):
    """Watches between a batch being handed out and the next one being asked for."""

    def __init__(self, watch: Watching) -> None:
        super().__init__(0)
        self.watch = watch

    def _watched(self, batches: Iterator[torch.Tensor]) -> Iterator[torch.Tensor]:
        for batch in batches:
            self.watch.within = torch.is_grad_enabled()  # only where it learns
            yield batch
            self.watch.within = False
        self.watch.within = False

    def slices(self, order, size):
        return self._watched(super().slices(order, size))

    def draws(self, n, size):
        return self._watched(super().draws(n, size))


@contextlib.contextmanager
def watched(monkeypatch):
    """A context whose batches are watched."""
    watch = Watching()
    for name in READS:
        original = getattr(torch.Tensor, name)

        def read(tensor, *args, _original=original, _name=name, **kwargs):
            watch.check(_name)
            return _original(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, read)
    # on a CPU, but not on a GPU, the steps of an optimiser are counted by the host
    held = []

    def pause(*_):
        held.append(watch.within)
        watch.within = False

    def go_on(*_):
        watch.within = held.pop()

    before, after = (
        register_optimizer_step_pre_hook(pause),
        register_optimizer_step_post_hook(go_on),
    )
    try:
        with watch:
            yield WatchedContext(watch)
    finally:
        before.remove()
        after.remove()


@pytest.mark.parametrize("name", registry.methods())
def test_no_batch_is_waited_for(name, monkeypatch):
    with watched(monkeypatch) as ctx:
        for _ in tiny(name).iterate(usual_items(name), ctx):
            pass


@pytest.mark.parametrize(
    "read",
    [
        lambda x: float(x.sum()),
        lambda x: bool(x.any()),
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
    ],
)
def test_what_waits_is_seen(read, monkeypatch):
    with watched(monkeypatch) as ctx:
        batch = next(ctx.batches(9, 3))
        with pytest.raises(Waits):
            read(batch)

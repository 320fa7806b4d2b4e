"""One step of training, which a GPU may replay from a graph instead of being told it anew.

A step of a small network is a thousand operations of a few microseconds each: the GPU waits for
Python most of the time. On CUDA a step can be recorded once as a graph and then be replayed in one
call. What is recorded are operations on fixed pieces of memory, so a step must compute from the
tensors it is given and from what is only ever changed in place, and must read nothing back.

See "CUDA graphs" in the manual of PyTorch.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode

WARM_UP = 3  # calls in which libraries choose how to compute, and memory is laid out
FEW = 4  # recordings that a step may need anyway: of other shapes, or after an intervention
WORTH = 20  # replays that a recording must bring beyond that
MOST_GRAPHS = 4  # that are kept, each with its memory
WAITING = {  # whose result has a size, or a value, that only the device knows
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.unique_dim.default,
    torch.ops.aten._unique2.default,
    torch.ops.aten.equal.default,
}
OPTIONS = ("lr", "capturable")  # of optimisers, which are others while they are recorded
COPIES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}

Compute = Callable[..., Tensor]
Replay = Callable[[], Tensor]


class Recorder(Protocol):
    """What can record operations and replay them."""

    def warm_up(self, compute: Callable[[], Tensor]) -> Tensor:
        """Carry it out as usual, where it will be recorded later."""

    def record(self, compute: Callable[[], Tensor]) -> Replay:
        """Record it; returns what carries it out anew, into the same tensor each time.

        Raises
        ------
        RuntimeError
            If it cannot be recorded; nothing of it has happened then.
        """


class CudaGraphs:
    """Records what a CUDA device is told by this thread."""

    def __init__(self, device: torch.device) -> None:
        self.device = torch.empty(0, device=device).device  # with its number

    def warm_up(self, compute: Callable[[], Tensor]) -> Tensor:
        """Carry it out on a stream of its own, as recording will."""
        usual = torch.cuda.current_stream(self.device)
        aside = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(usual)
        with torch.cuda.stream(aside):
            out = compute()
        usual.wait_stream(aside)
        out.record_stream(usual)
        return out

    def record(self, compute: Callable[[], Tensor]) -> Replay:
        """Record one call; the random numbers in it go on with each replay."""
        generator = torch.cuda.default_generators[self.device.index]
        usual, random_state = torch.cuda.current_stream(self.device), generator.clone_state()
        graph = torch.cuda.CUDAGraph()
        # other threads, which may draw pages meanwhile, are not held to what is allowed in here
        recording = torch.cuda.graph(graph, capture_error_mode="thread_local")
        try:
            with torch.cuda.device(self.device), recording:
                out = compute()
        except RuntimeError:
            # else both would wait for the end of a recording that never comes
            torch.cuda.set_stream(usual)
            generator.graphsafe_set_state(random_state)
            raise

        def replay() -> Tensor:
            graph.replay()
            return out

        return replay


class TrainingStep:
    """A step that is handed over by a method; see `Context.step`.

    Parameters
    ----------
    compute : callable
        Gets tensors, takes the step, and returns a tensor of figures.
    optimisers : sequence of Optimizer
        That take it.
    recorder : Recorder, optional
        Without one, every call simply computes.
    boxes : callable
        Context manager during which boxes that are told are collected; gives their list.
    at : callable
        Tells a box.
    """

    def __init__(
        self,
        compute: Compute,
        optimisers: Sequence[Optimizer],
        recorder: Recorder | None,
        boxes: Callable[[], contextlib.AbstractContextManager[list[str]]],
        at: Callable[[str], None],
    ) -> None:
        self._compute, self._optimisers, self._recorder = compute, optimisers, recorder
        self._boxes, self._at = boxes, at
        self._calls: dict[Any, int] = {}  # by the shapes of what was given
        self._graphs: dict[Any, _Graph] = {}
        self.n_recorded = 0
        self.reason = ""  # why it is not recorded, if it was tried in vain

    def __call__(self, *given: Tensor) -> Tensor:
        """Take the step. What is returned is not changed by later calls."""
        recorder = self._recorder
        if recorder is None:
            return self._compute(*given)
        shapes = tuple((tuple(x.shape), x.dtype) for x in given)
        self._calls[shapes] = calls = self._calls.get(shapes, 0) + 1
        if calls <= WARM_UP:
            with _Watch() as watch:
                out = recorder.warm_up(lambda: self._compute(*given))
            if watch.found:
                self._give_up(f"{watch.found} waits for the device")
            return out
        graph = self._graphs.get(shapes)
        if graph is None or graph.state != self._state():
            graph = self._recorded(recorder, shapes, given)
        return self._compute(*given) if graph is None else graph(given, self._at)

    def _recorded(
        self, recorder: Recorder, shapes: Any, given: Sequence[Tensor]
    ) -> "_Graph | None":
        """Graph of the step as it is now; None, with a reason, if there can be none."""
        self._graphs.pop(shapes, None)
        if self.n_recorded >= FEW and self.n_recorded * WORTH > sum(self._calls.values()):
            self._give_up("its inputs or settings change too often")
            return None
        while len(self._graphs) >= MOST_GRAPHS:
            self._graphs.pop(next(iter(self._graphs)))
        self.n_recorded += 1
        inputs = [x.clone() for x in given]
        try:
            with _tensor_rates(self._optimisers) as rates, self._boxes() as boxes:
                replay = recorder.record(lambda: self._compute(*inputs))
        except RuntimeError as error:
            self._give_up(str(error).splitlines()[0])
            return None
        graph = _Graph(replay, inputs, rates, boxes, self._state())
        self._graphs[shapes] = graph
        return graph

    def _give_up(self, reason: str) -> None:
        self.reason, self._recorder = reason, None
        self._graphs.clear()

    def _state(self) -> Any:
        """What a graph was recorded with and cannot follow: memory, and settings but for rates."""
        state: list[Any] = []
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                state += [x.data_ptr() for x in group["params"]]
                options = {key: value for key, value in group.items() if key != "params"}
                if _follows_rate(optimiser):
                    del options["lr"]
                state.append(tuple(options.items()))
            for kept in optimiser.state.values():
                state += [x.data_ptr() for x in kept.values() if isinstance(x, Tensor)]
        return state


class _Graph:
    """A recorded step, and what is put in its place before it is replayed."""

    def __init__(
        self,
        replay: Replay,
        inputs: list[Tensor],
        rates: "list[tuple[dict[str, Any], Tensor]]",
        boxes: list[str],
        state: Any,
    ) -> None:
        self._replay, self._inputs, self._rates, self._boxes = replay, inputs, rates, boxes
        self.state = state

    def __call__(self, given: Sequence[Tensor], at: Callable[[str], None]) -> Tensor:
        for box in self._boxes:  # each is a point at which a run may be held
            at(box)
        for mine, now in zip(self._inputs, given, strict=True):
            mine.copy_(now)
        for group, rate in self._rates:
            rate.fill_(group["lr"])
        return self._replay().clone()


def _follows_rate(optimiser: Optimizer) -> bool:
    """Whether it takes its learning rate from a tensor, so that a graph can be told another."""
    return isinstance(optimiser, torch.optim.Adam) and bool(optimiser.defaults.get("fused"))


@contextlib.contextmanager
def _tensor_rates(
    optimisers: Sequence[Optimizer],
) -> Iterator[list[tuple[dict[str, Any], Tensor]]]:
    """While it lasts, optimisers can be recorded; gives the tensors that hold their rates."""
    groups = [(optimiser, group) for optimiser in optimisers for group in optimiser.param_groups]
    before: list[dict[str, Any]] = [
        {key: group[key] for key in OPTIONS if key in group} for _, group in groups
    ]
    rates = []
    try:
        for optimiser, group in groups:
            if "capturable" in group and group["params"][0].device.type == "cuda":
                group["capturable"] = True
                for kept in (optimiser.state[x] for x in group["params"] if x in optimiser.state):
                    if "step" in kept:  # counted by the host so far
                        kept["step"] = kept["step"].to(group["params"][0].device)
            if _follows_rate(optimiser):
                group["lr"] = torch.tensor(float(group["lr"]), device=group["params"][0].device)
                rates.append((group, group["lr"]))
        yield rates
    finally:
        for (_, group), kept in zip(groups, before, strict=True):
            group.update(kept)


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notices what would make the host wait for a device; what it saw is in `found`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        devices = {x.device.type for x in (*args, out) if isinstance(x, Tensor)}
        waits = func in WAITING or (func is torch.ops.aten.index.Tensor and by_mask(args[1]))
        if (waits and devices != {"cpu"}) or (func in COPIES and len(devices) > 1):
            self.found = func.name()
        return out


def by_mask(index: Sequence[Tensor | None]) -> bool:
    """Whether rows are picked by a mask: how many only the device knows."""
    return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in index)

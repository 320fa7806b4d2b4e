"""What a method may ask of the outside world: random draws, a device, phases, and what to keep.

This is the only module that seeds torch. A method that draws from `rng` or from torch, keeps what
survives an iteration with `keep`, and loops with `phase` and `batches` can be paused, cancelled,
checkpointed and resumed without knowing it.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from clustlab.errors import ClustlabError, ParameterError
from clustlab.training_step import Compute, Recorder, TrainingStep
from clustlab.types import Array, Intervention


class Part(Protocol):
    """Anything whose state can be saved: a module, an optimiser, a `Cell`."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state_dict: Any, /) -> Any: ...


P = TypeVar("P", bound=Part)
MISFITS = (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError)
"""How parts say that a state is not theirs: torch one way for sizes, another for names."""
LAYERS = (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d)  # that make a network of it


class Cell:
    """A single value (tensor, array, number, or None so far) that survives an iteration."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.device = torch.device("cpu")  # where a saved tensor goes that was on an accelerator

    def state_dict(self) -> dict[str, Any]:
        """State as plain tensors and numbers, safe to load without unpickling code."""
        if isinstance(self.value, np.ndarray):
            return {"numpy": torch.from_numpy(self.value.copy())}
        if isinstance(self.value, torch.Tensor):
            tensor = self.value.detach().clone()
            return {"tensor": tensor, "accelerated": tensor.device.type != "cpu"}
        return {"value": self.value}

    def load_state_dict(self, state_dict: Mapping[str, Any], /) -> None:
        """Take back what `state_dict` gave; a tensor returns to the device of the present one."""
        if "numpy" in state_dict:
            self.value = state_dict["numpy"].cpu().numpy().copy()
        elif "tensor" in state_dict:
            away = self.device if state_dict["accelerated"] else torch.device("cpu")
            present = self.value
            self.value = state_dict["tensor"].to(
                present.device if isinstance(present, torch.Tensor) else away, copy=True
            )
        else:
            self.value = state_dict["value"]


class Context:
    """One run's random streams, device, progress and kept parts.

    Parameters
    ----------
    seed : int
        Seeds `rng` and torch's own generators. Same seed, same draws.
    device : torch.device or str
        Where tensors live.
    poll : callable
        Called at every point where the run may pause; raises `Cancelled` to stop it.
    interventions : callable
        Gives what the user wants changed at the start of the present iteration.
    checkpoint : mapping, optional
        What `checkpoint()` returned earlier in the same run: the run goes on from there.
    warm : mapping, optional
        The same from another, finished run: kept parts start from its state, phases start anew.
    mixed_precision : bool
        Let kept networks compute in bfloat16, see `_InHalfPrecision`.
    recorder : Recorder, optional
        Records the steps that methods hand over, see `step`; without one they are computed.
    """

    def __init__(
        self,
        seed: int = 0,
        device: torch.device | str = "cpu",
        *,
        poll: Callable[[], None] = lambda: None,
        interventions: Callable[[], Sequence[Intervention]] = lambda: (),
        checkpoint: Mapping[str, Any] | None = None,
        warm: Mapping[str, Any] | None = None,
        mixed_precision: bool = False,
        recorder: Recorder | None = None,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.device = torch.device(device)
        self.is_warm = warm is not None
        self.phase_name, self.done, self.total = "", 0, 0
        self.batch, self.n_batches = 0, 0
        self.active = ""  # the box of the method's loop that is at work
        self.boxes = 0  # how many of them have begun
        self.steps: list[TrainingStep] = []  # that the method has handed over
        self._recorder = recorder
        self._collected: list[str] | None = None  # boxes of a step that is being recorded
        self._poll, self._interventions = poll, interventions
        self._saved = checkpoint
        self._warm = warm
        self._mixed_precision = mixed_precision
        self._finished: list[str] = list(checkpoint["finished"]) if checkpoint else []
        self._started: set[str] = set()
        self.in_phase = False  # between handing out an iteration and being asked for the next
        self._parts: dict[str, Part] = {}
        self._not_across_runs: list[str] = []
        torch.manual_seed(seed)  # CPU and every accelerator

    def keep(self, name: str, part: P, *, across_runs: bool = True) -> P:
        """Register a part that must survive an iteration, and give it its saved state if any.

        Modules are moved to the device, in the memory layout that suits their convolutions.
        With `across_runs` false the part starts anew when a finished run is continued.

        Raises
        ------
        ParameterError
            If the part of the run that is continued has another shape.
        ClustlabError
            If what this run itself has kept has another shape.
        """
        if name in self._parts:
            raise ValueError(f"two parts are kept under the name {name!r}")
        if isinstance(part, torch.nn.Module):
            part.to(self.device).to(memory_format=torch.channels_last)  # only touches 4-D weights
            if self._mixed_precision and any(isinstance(m, LAYERS) for m in part.modules()):
                _InHalfPrecision(part, self.device)
        if isinstance(part, Cell):
            part.device = self.device
        self._parts[name] = part
        if not across_runs:
            self._not_across_runs.append(name)
        if self._saved and name in self._saved["parts"]:
            try:
                part.load_state_dict(self._saved["parts"][name])
            except MISFITS as error:
                raise other_version(name) from error
        elif across_runs and self._warm and name in self._warm["parts"]:
            _load_warm(name, part, self._warm["parts"][name])
        return part

    def phase(self, name: str, total: int) -> Iterator[int]:
        """Iterate a named phase from 0 to total - 1; skips what a checkpoint has done.

        The body must yield its snapshot as its last statement, and whatever a later iteration
        needs must be kept: then stopping and resuming cannot be told from going on.
        """
        if name in self._finished:
            return
        if name in self._started:
            raise ValueError(f"two phases have the name {name!r}")
        self._started.add(name)
        start = 0
        if self._saved and self._saved["phase"] == name:
            start = self._saved["done"]
            if "random" in self._saved:  # not in a final checkpoint of an earlier version
                self._restore_random(self._saved["random"])
        if self.phase_name and self.phase_name not in self._finished:
            self._finished.append(self.phase_name)
        self.phase_name, self.total = name, total
        for i in range(start, total):
            self.done, self.batch, self.n_batches = i, 0, 0
            self.poll()
            self.in_phase = True
            try:
                yield i
            finally:
                self.in_phase = False

    def batches(self, n: int, size: int) -> Iterator[torch.Tensor]:
        """Item numbers that cover 0..n-1 once, shuffled; every batch is a pause point.

        Each is (b,) int64 on the device, where the order of all items is taken at once. A last
        batch of a single item joins the one before it, since batch statistics need two.
        """
        order = self.rng.permutation(n)
        yield from self.slices(order, size)

    def slices(self, order: Array, size: int) -> Iterator[torch.Tensor]:
        """Consecutive parts of item numbers (m,) or rows of such, see `batches`."""
        numbers = torch.from_numpy(order).to(self.device)
        parts = batch_slices(len(order), size)
        self.n_batches = len(parts)
        for self.batch, part in enumerate(parts):
            self.poll()
            yield numbers[part]

    def draws(self, n: int, size: int) -> Iterator[torch.Tensor]:
        """Item numbers (size,), each drawn anew from 0..n-1; every one is a pause point.

        There are n // size of them. Within one no item comes twice. With fewer items than `size`,
        one batch holds them all.
        """
        size = max(1, min(n, size))
        self.n_batches = count = n // size
        for self.batch in range(count):
            self.poll()
            yield torch.from_numpy(self.rng.choice(n, size, replace=False)).to(self.device)

    def step(self, compute: Compute, *optimisers: torch.optim.Optimizer) -> TrainingStep:
        """What takes a step of training, recorded and replayed where that is faster.

        Parameters
        ----------
        compute : callable
            Gets tensors on the device, such as the item numbers of a batch; takes the step, and
            returns a tensor of figures. All else that differs from call to call must be changed in
            place, for a replay does not run it: only what it told the device. It reads nothing
            back, and draws from torch's own generator.
        optimisers : Optimizer
            That it uses. Their learning rates may be changed between calls.
        """
        step = TrainingStep(compute, optimisers, self._recorder, self._collecting, self.at)
        self.steps.append(step)
        return step

    @contextlib.contextmanager
    def _collecting(self) -> Iterator[list[str]]:
        """While it lasts, boxes that are told are collected: nothing may be held meanwhile."""
        boxes: list[str] = []
        self._collected = boxes
        try:
            yield boxes
        finally:
            self._collected = None

    def poll(self) -> None:
        """Pause here if asked to; raise `Cancelled` if asked to stop."""
        self._poll()

    def interventions(self) -> Sequence[Intervention]:
        """What the user wants changed now; a method that offers any asks once an iteration.

        To be called first in the body of a phase that is named in `interventions` of the method.
        The same is handed out when the iteration is repeated after a resume.
        """
        return self._interventions()

    def at(self, box: str) -> None:
        """Say which box of the method's loop works now, for the diagram on the page."""
        if self._collected is not None:
            self._collected.append(box)
            return
        self.boxes += box != self.active
        self.active = box
        self.poll()

    def checkpoint(self) -> dict[str, Any]:
        """State from which the rest of the run can be repeated bit for bit.

        To be called while the method is suspended at a yield, or after its end.

        Raises
        ------
        ValueError
            If the method is not suspended inside a phase (a bug).
        """
        if not self.in_phase:
            raise ValueError("a checkpoint was asked for outside the body of a phase")
        return {
            "phase": self.phase_name,
            "done": self.done + 1,
            "finished": list(self._finished),
            "parts": self._states(),
            "not_across_runs": list(self._not_across_runs),
            "random": self._random_state(),
        }

    def final_checkpoint(self) -> dict[str, Any]:
        """State of a method that has ended: nothing is left to repeat, its parts can be reused."""
        return {
            "phase": "",
            "done": 0,
            "finished": [*self._finished, self.phase_name],
            "parts": self._states(),
            "not_across_runs": list(self._not_across_runs),
            "random": self._random_state(),
        }

    def _states(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def _random_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "numpy": self.rng.bit_generator.state,
            "torch": torch.random.get_rng_state(),
        }
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        if self.device.type == "mps":
            state["mps"] = torch.mps.get_rng_state()
        return state

    def _restore_random(self, state: Mapping[str, Any]) -> None:
        self.rng.bit_generator.state = state["numpy"]
        torch.random.set_rng_state(state["torch"])
        if "cuda" in state and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self.device)
        if "mps" in state and self.device.type == "mps":
            torch.mps.set_rng_state(state["mps"])


def batch_slices(n: int, size: int) -> list[slice]:
    """Where the batches of n items begin and end; a last one of a single item joins the others."""
    starts = list(range(0, n, size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    ends = [*starts[1:], n][: len(starts)]
    return [slice(start, end) for start, end in zip(starts, ends, strict=True)]


class _InHalfPrecision:
    """Lets the layers of a network compute in bfloat16 from here on, whoever calls them.

    Weights stay in float32, and so does what leaves the network: distances, neighbours, losses and
    all else that a method does with it are computed as without mixed precision, which would swap
    neighbours. bfloat16 has the range of float32: no loss scaling, and so no state to checkpoint.
    """

    def __init__(self, network: torch.nn.Module, device: torch.device) -> None:
        # without a cache, which would go on using the weights of a pass before
        self._pass = torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
        self._depth = 0  # modules that are being called, one within the other
        for module in network.modules():
            module.register_forward_pre_hook(self._enter)
            module.register_forward_hook(self._leave, always_call=True)

    def _enter(self, module: torch.nn.Module, inputs: Any) -> None:
        if not self._depth:
            self._pass.__enter__()  # type: ignore[no-untyped-call]
        self._depth += 1

    def _leave(self, module: torch.nn.Module, inputs: Any, answers: Any) -> Any:
        self._depth -= 1
        if self._depth:
            return answers
        self._pass.__exit__(None, None, None)
        return _in_full(answers)


def _in_full(answers: Any) -> Any:
    """Answers of a network in float32: a tensor, or a list or tuple of such."""
    if isinstance(answers, torch.Tensor):
        return answers.float() if answers.dtype == torch.bfloat16 else answers
    if isinstance(answers, list | tuple):
        return type(answers)(map(_in_full, answers))
    return answers


def other_version(name: str) -> ClustlabError:
    """What is said when the parts that a run has kept are not those of the method as it is now."""
    return ClustlabError(
        f"The {name} that this run has kept is of another shape: it was made by another version.",
        "Start it again with the same settings; its steps can still be looked at.",
    )


def _load_warm(name: str, part: Part, state: dict[str, Any]) -> None:
    """Give a part the state of another run, if it fits."""
    before = part.value if isinstance(part, Cell) else None
    try:
        part.load_state_dict(state)
        after = part.value if isinstance(part, Cell) else None
        fits = _shape(before) in ((), _shape(after)) or 0 in _shape(before)
    except MISFITS:
        fits = False
    if not fits:
        raise ParameterError(
            f"{name} has another shape in the run to be continued than in this one.",
            "Keep its data set, number of clusters and network, or start without it.",
        )


def _shape(value: Any) -> tuple[int, ...]:
    """Shape of a tensor or array; () for anything else."""
    return tuple(getattr(value, "shape", ()))

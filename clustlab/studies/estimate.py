"""What a study will take before it starts: time, and room on the disk, without what is there."""

import contextlib
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from clustlab import registry
from clustlab.data import library
from clustlab.device import choose_device
from clustlab.errors import ClustlabError
from clustlab.params import build
from clustlab.runs import thinning
from clustlab.runs.encodings import ROW_BYTES
from clustlab.runs.spec import RunSpec
from clustlab.runs.store import Run, RunStore
from clustlab.studies.description import Study
from clustlab.studies.state import Place, places
from clustlab.training.estimate import Machine, duration_in_words, size_in_words
from clustlab.types import PlannedPhase

ROUGH = ROW_BYTES  # of an item in a step, where no run of a method has been measured here
MEASURED = 5  # finished runs of a method that are looked at
BYTES_OF_LABEL = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is still to be done for a study; what it takes covers the runs that can be judged."""

    n_runs: int
    n_done: int  # runs that are there already, and take nothing
    n_unknown: int  # runs whose items have to be downloaded first, or that cannot be started
    seconds: float  # of training, one run after the other
    n_bytes: float  # on the disk
    is_rough: bool  # whether a method has no finished run here that its room could be judged by

    @property
    def words(self) -> str:
        """All of it, in sentences."""
        left = self.n_runs - self.n_done
        if not left:
            all_of_it = f"All {self.n_runs} runs are" if self.n_runs > 1 else "The run is"
            return f"{all_of_it} there already: nothing is trained."
        runs = f"{left} run{'s' * (left > 1)}"
        are = "is" if self.n_done == 1 else "are"
        there = f"; {self.n_done} of {self.n_runs} {are} there already" if self.n_done else ""
        if self.n_unknown == left:
            return f"{runs}{there}. What they take is known once their data are on this machine."
        besides = f", {self.n_unknown} of them not counted" if self.n_unknown else ""
        roughly = " (roughly: a method has no finished run here yet)" if self.is_rough else ""
        take = "One after the other they take" if left > 1 else "It takes"
        return (
            f"{runs}{there}. {take} {duration_in_words(self.seconds)} and "
            f"about {size_in_words(self.n_bytes)} on the disk{besides}{roughly}."
        )


def estimate(study: Study, store: RunStore) -> Estimate:
    """What is left of a study takes, as far as that is known.

    Items that are on this machine are loaded, one draw for each data set and its settings.
    """
    runs = store.runs()
    return estimate_of(places(study, runs), store, runs)


def estimate_of(every: Sequence[Place], store: RunStore, runs: Sequence[Run]) -> Estimate:
    """The same for some runs; `runs` are all that there are."""
    # a busy machine looks slow, so that its speed is not measured then
    judge = _Judge(store, runs, may_measure=not any(run.is_active for run in runs))
    n_unknown, seconds, n_bytes, is_rough = 0, 0.0, 0.0, False
    for place in every:
        if place.status == "done":
            continue
        try:
            taken = judge.of(place)
        except ClustlabError:  # told when it is to start
            taken = None
        if taken is None:
            n_unknown += 1
            continue
        seconds, n_bytes = seconds + taken[0], n_bytes + taken[1]
        is_rough |= judge.room(place.spec.method) is None
    n_done = sum(place.status == "done" for place in every)
    return Estimate(len(every), n_done, n_unknown, seconds, n_bytes, is_rough)


class _Judge:
    """Judges one run after the other; what several have in common is looked up once."""

    def __init__(self, store: RunStore, runs: Sequence[Run], *, may_measure: bool) -> None:
        self._store, self._runs, self._may_measure = store, runs, may_measure
        self._shapes: dict[str, tuple[tuple[int, ...], float] | None] = {}
        self._plans: dict[tuple[str, str, tuple[int, ...]], Sequence[PlannedPhase]] = {}
        self._machines: dict[str, Machine] = {}
        self._rooms: dict[str, tuple[float, float] | None] = {}
        self._draws: set[tuple[str, int]] = set()  # data and seeds that are counted

    def of(self, place: Place) -> tuple[float, float] | None:
        """Seconds and bytes that a run still takes; None if its items are not here."""
        spec = place.spec
        items = self._items(spec)
        if items is None:
            return None
        shape, width = items
        n, phases = shape[0], self._plan(spec, shape)
        steps = sum(phase.iterations for phase in phases)
        left, there = 1.0, 0
        if place.run is not None:
            left = 1 - float(place.run.progress.get("fraction") or 0)
            there = place.run.size
        each, besides = self.room(spec.method) or (ROUGH, 0.0)
        of_steps = min(each * n * steps, thinning.size_limit())
        n_bytes = max(0.0, of_steps + besides - there) + self._draw(spec, n, width)
        return left * self._machine(spec.device).seconds(spec.method, phases), n_bytes

    def _items(self, spec: RunSpec) -> tuple[tuple[int, ...], float] | None:
        """Shape of the items of a run and bytes of one, as those of any seed; None if not here."""
        key = _data(spec)
        if key not in self._shapes:
            self._shapes[key] = None
            asked = self._store.root, spec.dataset, spec.dataset_params, spec.seed
            is_ready = build(registry.dataset(spec.dataset), spec.dataset_params).is_ready()
            if is_ready or library.is_loaded(*asked):
                items = library.load(*asked).items
                self._shapes[key] = items.shape, items.nbytes / max(1, len(items))
        return self._shapes[key]

    def _draw(self, spec: RunSpec, n: int, width: float) -> float:
        """Bytes of the items of a run, unless they are on the disk or counted already."""
        key = _data(spec), spec.seed
        if key in self._draws:
            return 0.0
        self._draws.add(key)
        asked = self._store.root, spec.dataset, spec.dataset_params, spec.seed
        return 0.0 if library.is_loaded(*asked) else n * (width + BYTES_OF_LABEL)

    def _plan(self, spec: RunSpec, shape: tuple[int, ...]) -> Sequence[PlannedPhase]:
        key = spec.method, repr(spec.method_params), shape
        if key not in self._plans:
            method = build(registry.method(spec.method), spec.method_params)
            self._plans[key] = method.plan(shape[0], shape[1:])
        return self._plans[key]

    def _machine(self, device: str) -> Machine:
        name = choose_device(device)[0].type
        if name not in self._machines:
            self._machines[name] = Machine(self._store.root, name)
            if self._may_measure:
                self._machines[name].measure()
        return self._machines[name]

    def room(self, method: str) -> tuple[float, float] | None:
        """Bytes that finished runs of a method keep of an item in a planned step, and besides.

        None if there is no such run.
        """
        if method not in self._rooms:
            found: list[tuple[float, float]] = []
            for run in self._runs:
                if len(found) < MEASURED and run.spec.method == method and run.status == "done":
                    with contextlib.suppress(ClustlabError):  # its items are gone, or a setting
                        found.append(_room(self._store.root, run.id, len(run), run.n_repaired))
            middle = [statistics.median(values) for values in zip(*found, strict=True)]
            self._rooms[method] = (middle[0], middle[1]) if found else None
        return self._rooms[method]


def _data(spec: RunSpec) -> str:
    """The data set of a run and its settings, whatever its seed."""
    return f"{spec.dataset} {spec.dataset_params!r}"


@lru_cache(maxsize=256)
def _room(root: Path, run_id: str, n_steps: int, n_repaired: int) -> tuple[float, float]:
    """Bytes of a finished run of an item in a planned step, and those of its last state."""
    store = RunStore(root)
    run = store.run(run_id)
    shape = store.dataset(run).items.shape
    method: Any = build(registry.method(run.spec.method), run.spec.method_params)
    planned = sum(phase.iterations for phase in method.plan(shape[0], shape[1:]))
    besides = 0
    with contextlib.suppress(OSError):
        besides = (run.path / "checkpoint.pt").stat().st_size
    return (run.size - besides) / max(1, math.prod((planned, shape[0]))), float(besides)

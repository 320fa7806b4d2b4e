"""Finds methods and data sets by scanning their folders: a new one is one new file."""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, cast

from clustlab.errors import ParameterError
from clustlab.types import (
    Array,
    Dataset,
    InterventionKind,
    MethodFamily,
    Paper,
    PlannedPhase,
    Report,
    Scalar,
    Snapshot,
)


class Method(Protocol):
    """A frozen dataclass of hyperparameters with one loop. Its module docstring is its text.

    It may also offer `Scoring`, name published figures in `reported`, a tuple of `Reported`, and
    let users intervene: `interventions` maps the name of a phase, in the order of the phases, to
    the kinds of `Intervention` that its iterations carry out, which `Context.interventions` gives.
    Scalars that are not in `clustlab/analysis/scalar_catalogue.py` it declares in `scalars`, a
    tuple of `Scalar`.
    What can be shown before it starts has two names: `augmentation` is the change that its copies
    of items (b, c, h, w) go through, and `build_network(shape)` its network for items of a shape
    (c, h, w) or (d,).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    idea: ClassVar[str]  # one line
    paper: ClassVar[Paper]
    step_unit: ClassVar[str]  # what one snapshot is, such as "epoch"
    family: ClassVar[MethodFamily]  # what its clusters are: alarms speak of them accordingly
    loop: ClassVar[tuple[str, ...]]  # boxes of the diagram, in order
    accepts: ClassVar[tuple[str, ...]]  # "images", "points"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]  # quick, standard, paper

    def plan(self, n: int, shape: tuple[int, ...]) -> list[PlannedPhase]: ...
    def iterate(self, items: Array, ctx: Any) -> Iterator[Snapshot]: ...


class Scoring(Protocol):
    """What a method may offer besides, so that its answers can be explained: `scorer`.

    `scorer(inputs, state, last)` is a differentiable module in evaluation mode that maps items as
    the `Inputs` of the run hand them out to scores (b, n_clusters) of the raw clusters of the
    snapshot `last`, whose greatest is the cluster of the item. `state` is the checkpoint that was
    made right after that snapshot. Nothing may be drawn from torch's own generator. Raises
    `ClustlabError` if the run has not kept what is needed at this step.
    """

    def scorer(self, inputs: Any, state: Mapping[str, Any], last: Snapshot) -> Any: ...


class DatasetSpec(Protocol):
    """A frozen dataclass of the parameters of a data set. Its class docstring is its text."""

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[str]  # "images" or "points"
    licence: ClassVar[str]
    source: ClassVar[str]
    offline: ClassVar[bool]  # needs no download

    def is_ready(self) -> bool: ...
    def load(self, seed: int, report: Report) -> Dataset: ...


def interventions(method: type[Method]) -> Mapping[str, tuple[InterventionKind, ...]]:
    """Kinds of intervention that a method carries out, by phase; empty if none."""
    return getattr(method, "interventions", {})


def own_scalars(method: type[Method] | None) -> tuple[Scalar, ...]:
    """Scalars that a method declares itself, beyond those of `scalar_catalogue`; none for None."""
    return getattr(method, "scalars", ())


@cache
def methods() -> Mapping[str, type[Method]]:
    """Every method by name, in alphabetical order of their files."""
    return MappingProxyType(cast("dict[str, type[Method]]", _scan("methods", "iterate")))


@cache
def datasets() -> Mapping[str, type[DatasetSpec]]:
    """Every data set by name."""
    return MappingProxyType(cast("dict[str, type[DatasetSpec]]", _scan("datasets", "load")))


def method(name: str) -> type[Method]:
    """Method of this name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those there are.
    """
    return _find("method", methods(), name)


def dataset(name: str) -> type[DatasetSpec]:
    """Data set of this name; raises like `method`."""
    return _find("data set", datasets(), name)


def _find(what: str, known: Mapping[str, Any], name: str) -> Any:
    if name not in known:
        raise ParameterError(f"There is no {what} {name!r}.", f"Choose one of: {', '.join(known)}.")
    return known[name]


def _scan(folder: str, verb: str) -> dict[str, Any]:
    package = importlib.import_module(f"clustlab.{folder}")
    found: dict[str, Any] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if _is_plugin(value, verb) and value.__module__ == module.__name__:
                found[value.name] = value
    return found


def _is_plugin(value: Any, verb: str) -> bool:
    return isinstance(value, type) and "name" in vars(value) and hasattr(value, verb)

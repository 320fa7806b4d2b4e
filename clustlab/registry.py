"""Finds methods and data sets: a new one is one new file, or a package of one's own.

The folders `clustlab/methods` and `clustlab/datasets` are scanned, and installed packages are asked
for the entry points `clustlab.methods` and `clustlab.datasets`. What a method may offer beyond the
loop is one protocol each, and is looked up here only.
"""

import importlib
import logging
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

from clustlab.errors import ParameterError
from clustlab.params import build, schema
from clustlab.types import (
    Array,
    Dataset,
    InterventionKind,
    MethodFamily,
    Paper,
    PlannedPhase,
    Report,
    Reported,
    Scalar,
    Snapshot,
)

log = logging.getLogger(__name__)

OUTSIDE, OUTSIDE_TITLE = "outside", "Made elsewhere"
"""What stands in place of a method where a run is a clustering that was brought in as it is."""
IMPORTED = "clustlab.datasets.imported"  # whose classes are made from what lies in the data folder


class Method(Protocol):
    """A frozen dataclass of hyperparameters with one loop. Its module docstring is its text.

    What it may offer besides is listed in `CAPABILITIES`.
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


class DatasetSpec(Protocol):
    """A frozen dataclass of the parameters of a data set. Its class docstring is its text."""

    name: ClassVar[str]
    title: ClassVar[str]
    kind: ClassVar[str]  # "images", "points" or "vectors", see `types.DatasetKind`
    licence: ClassVar[str]
    source: ClassVar[str]
    offline: ClassVar[bool]  # needs no download

    def is_ready(self) -> bool: ...
    def load(self, seed: int, report: Report) -> Dataset: ...


# -- optional capabilities of a method -----------------------------------------------------------
@runtime_checkable
class Scoring(Protocol):
    """It can judge items that it was not trained on, and its answers can be explained.

    `scorer(inputs, state, last)` is a differentiable module in evaluation mode that maps items as
    the `Inputs` of the run hand them out to scores (b, n_clusters) of the raw clusters of the
    snapshot `last`, whose greatest is the cluster of the item. `state` is the checkpoint that was
    made right after that snapshot. Nothing may be drawn from torch's own generator. Raises
    `ClustlabError` if the run has not kept what is needed at this step. A `ScoringChain` of
    `parts.hooks.scoring` also tells strange items. A method without a scorer may say why in
    `why_no_scorer`, which ends the sentence "It cannot judge a new item: ...".
    """

    def scorer(self, inputs: Any, state: Mapping[str, Any], last: Snapshot) -> Any: ...


@runtime_checkable
class Augmenting(Protocol):
    """The changed copies that it trains on can be seen before it starts.

    `augmentation` is the change that its copies of items (b, c, h, w) go through.
    """

    @property
    def augmentation(self) -> Any: ...


@runtime_checkable
class Networked(Protocol):
    """Its network can be seen layer by layer before it starts.

    `build_network(shape)` is the untrained module for items of a shape (c, h, w) or (d,).
    """

    def build_network(self, shape: tuple[int, ...]) -> Any: ...


@runtime_checkable
class Intervening(Protocol):
    """A run under way can be changed by hand.

    `interventions` maps the name of a phase, in the order of the phases, to the kinds of
    `Intervention` that its iterations carry out, which `Context.interventions` hands out.
    """

    interventions: ClassVar[Mapping[str, tuple[InterventionKind, ...]]]


@runtime_checkable
class Published(Protocol):
    """Published figures stand beside those measured here: `reported`."""

    reported: ClassVar[tuple[Reported, ...]]


@runtime_checkable
class Measuring(Protocol):
    """It declares scalars of its own, or what is special about shared ones: `scalars`.

    They come before those of `analysis/scalar_catalogue.py`. A training loss says how it goes
    (`course`) where that is not down: pages and alarms speak of it accordingly.
    """

    scalars: ClassVar[tuple[Scalar, ...]]


@runtime_checkable
class EmittingNoise(Protocol):
    """It may leave items out of all clusters, as noise (-1): `emits_noise` is true."""

    emits_noise: ClassVar[bool]


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that a method may offer beside its loop."""

    attribute: str  # of the method, by which it is offered
    title: str  # for the heading of a table
    meaning: str  # what it brings, in one sentence
    protocol: type  # what the attribute has to be

    def is_offered_by(self, method: Any) -> bool:
        """Whether a method, or one with settings, offers it; an empty offer is none."""
        return isinstance(method, self.protocol) and bool(getattr(method, self.attribute))


SCORING = Capability(
    "scorer",
    "New items",
    "New items get a cluster, and an answer can be explained: saliency maps, smallest changes.",
    Scoring,
)
AUGMENTING = Capability(
    "augmentation", "Changed copies", "Its changed copies are shown before it starts.", Augmenting
)
NETWORKED = Capability(
    "build_network", "Network", "Its network is shown layer by layer before it starts.", Networked
)
INTERVENING = Capability(
    "interventions", "By hand", "A run under way can be changed by hand.", Intervening
)
PUBLISHED = Capability(
    "reported", "Published", "Published figures stand beside those measured here.", Published
)
MEASURING = Capability("scalars", "Own scalars", "It says itself what its figures are.", Measuring)
EMITTING_NOISE = Capability(
    "emits_noise", "Noise", "Items that fit nowhere stay outside all clusters.", EmittingNoise
)
CAPABILITIES = (
    SCORING,
    AUGMENTING,
    NETWORKED,
    INTERVENING,
    PUBLISHED,
    MEASURING,
    EMITTING_NOISE,
)


def capabilities(method: Any) -> tuple[str, ...]:
    """Attributes by which a method offers more than its loop, in the order of `CAPABILITIES`."""
    return tuple(c.attribute for c in CAPABILITIES if c.is_offered_by(method))


def emits_noise(method: type[Method]) -> bool:
    """Whether a method may leave items as noise, outside all clusters."""
    return EMITTING_NOISE.is_offered_by(method)


def why_no_scorer(method: type[Method]) -> str:
    """Why a method cannot judge new items, as the end of a sentence; empty if it does not say."""
    return str(getattr(method, "why_no_scorer", ""))


def noise_was_last(method: type[Method]) -> bool:
    """Whether the last cluster was noise in runs that the method made under schema 1."""
    return getattr(method, "noise_before_schema_2", "") == "last"


def interventions(method: type[Method]) -> Mapping[str, tuple[InterventionKind, ...]]:
    """Kinds of intervention that a method carries out, by phase; empty if none."""
    return cast("Any", method).interventions if INTERVENING.is_offered_by(method) else {}


def own_scalars(method: type[Method] | None) -> tuple[Scalar, ...]:
    """Scalars that a method declares itself, beyond those of `scalar_catalogue`; none for None."""
    return cast("Any", method).scalars if MEASURING.is_offered_by(method) else ()


def reported(method: type[Method] | None) -> tuple[Reported, ...]:
    """Published figures of a method; none for None."""
    return cast("Any", method).reported if PUBLISHED.is_offered_by(method) else ()


# -- what there is -------------------------------------------------------------------------------
@cache
def methods() -> Mapping[str, type[Method]]:
    """Every method by name, in alphabetical order of their files; those of packages come last."""
    return MappingProxyType(cast("dict[str, type[Method]]", _every("methods", Method)))


def datasets() -> Mapping[str, type[DatasetSpec]]:
    """Every data set by name; those of packages come after ours, and those imported come last."""
    installed = installed_datasets()
    imported = importlib.import_module(IMPORTED).imported_sets()
    own = {name: each for name, each in imported.items() if name not in installed}
    return MappingProxyType({**installed, **own})


@cache
def installed_datasets() -> Mapping[str, type[DatasetSpec]]:
    """Data sets that come with this package or another, by name."""
    return MappingProxyType(cast("dict[str, type[DatasetSpec]]", _every("datasets", DatasetSpec)))


def method(name: str) -> type[Method]:
    """Method of this name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those there are. There is none, either, that could
        repeat a clustering which was made elsewhere.
    """
    if name == OUTSIDE:
        raise ParameterError(
            "This clustering was made elsewhere, so it cannot be run or trained here.",
            "Start a run of a method on the same data set, and compare the two.",
        )
    return _find("method", methods(), name)


def dataset(name: str) -> type[DatasetSpec]:
    """Data set of this name; raises like `method`."""
    return _find("data set", datasets(), name, "; or import it again under this name")


def works_on(method: type[Method], kind: str) -> bool:
    """Whether a method works on data sets of a kind: one for points works on vectors, too."""
    return ("points" if kind == "vectors" else kind) in method.accepts


def check_kind(method: type[Method], dataset: type[DatasetSpec]) -> None:
    """Refuse a data set of a kind that a method does not work on.

    Raises
    ------
    ParameterError
        With both kinds, and what to choose instead.
    """
    if not works_on(method, dataset.kind):
        accepted = " and ".join(method.accepts)
        raise ParameterError(
            f"{method.title} works on {accepted}, but {dataset.title} holds {dataset.kind}.",
            f"Choose a data set of {accepted}, or a method that works on {dataset.kind}.",
        )


def _find(what: str, known: Mapping[str, Any], name: str, or_else: str = "") -> Any:
    if name not in known:
        hint = f"Choose one of: {', '.join(known)}{or_else}."
        raise ParameterError(f"There is no {what} {name!r}.", hint)
    return known[name]


def is_own(plugin: type) -> bool:
    """Whether a method or data set lies in this package: not installed beside, nor imported."""
    return plugin.__module__.startswith("clustlab.") and not is_imported(plugin)


def is_imported(plugin: type) -> bool:
    """Whether a data set was imported by its user."""
    return plugin.__module__ == IMPORTED


def refusals() -> tuple[str, ...]:
    """What was wrong with entry points that were left out so far, a sentence each."""
    return tuple(_refusals)


_refusals: list[str] = []


class _NotUsable(Exception):
    """An entry point does not lead to a method or data set."""


def add_method(method: type[Method]) -> None:
    """Let this process find a method that no package brings, such as one written in a notebook.

    One that was added before under the same name is replaced.

    Raises
    ------
    ParameterError
        If it lacks what methods have, or the name is taken.
    """
    known = {name: each for name, each in methods().items() if name not in _added}
    try:
        _check_plugin(method, method.__qualname__, Method, known)
    except _NotUsable as error:
        raise ParameterError(
            f"{method.__qualname__} cannot be added: {str(error).rstrip('.')}.",
            "CONTRIBUTING.md says under 'A method' what one has.",
        ) from error
    _added[method.name] = method
    methods.cache_clear()


_added: dict[str, type[Method]] = {}


def has_packages(folder: str) -> bool:
    """Whether packages beside this one bring "methods" or "datasets"."""
    return bool(entry_points(group=f"clustlab.{folder}"))


def _every(folder: str, protocol: type) -> dict[str, Any]:
    plugins = _scan(folder, protocol)
    for point in entry_points(group=f"clustlab.{folder}"):
        try:
            plugin = _loaded(point, protocol, plugins)
        except _NotUsable as error:
            _refuse(point, str(error))
        except (Exception, SystemExit) as error:  # whatever a stranger's module does on import
            log.exception("entry point %s", point.name)
            _refuse(point, f"{type(error).__name__}: {error}")
        else:
            plugins[plugin.name] = plugin
    return {**plugins, **_added} if protocol is Method else plugins


def _loaded(point: EntryPoint, protocol: type, known: Mapping[str, Any]) -> Any:
    plugin: Any = point.load()
    _check_plugin(plugin, point.value, protocol, known)
    return plugin


def _check_plugin(plugin: Any, source: str, protocol: type, known: Mapping[str, Any]) -> None:
    """Raise `_NotUsable` unless a class is a method or data set; `source` is what to call it."""
    wanted = sorted({*protocol.__annotations__, *(n for n in vars(protocol) if n[0] != "_")})
    missing = [name for name in wanted if not hasattr(plugin, name)]
    if not _is_dataclass(plugin):
        raise _NotUsable(f"{source} is no dataclass")
    if missing:
        raise _NotUsable(f"{source} lacks {', '.join(missing)}")
    if plugin.name in known:
        raise _NotUsable(f"the name {plugin.name!r} is taken by {known[plugin.name].__module__}")
    if protocol is Method and plugin.name == OUTSIDE:
        raise _NotUsable(f"the name {OUTSIDE!r} stands for clusterings made elsewhere")
    schema(plugin)  # raises for a field that is not declared as a setting
    if protocol is Method:
        if "quick" not in plugin.presets:
            raise _NotUsable(f"{source} has no preset 'quick'")
        for settings in plugin.presets.values():
            build(plugin, settings)


def _is_dataclass(value: Any) -> bool:
    return isinstance(value, type) and is_dataclass(value)


def _refuse(point: EntryPoint, reason: str) -> None:
    package = point.dist.name if point.dist else point.value
    sentence = f"{point.name!r} of the package {package} was left out: {reason.rstrip('.')}."
    if sentence not in _refusals:  # folders may be scanned again
        _refusals.append(sentence)


def _scan(folder: str, protocol: type) -> dict[str, Any]:
    package = importlib.import_module(f"clustlab.{folder}")
    verb = "iterate" if protocol is Method else "load"
    plugins: dict[str, Any] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda i: i.name):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for value in vars(module).values():
            if _is_plugin(value, verb) and value.__module__ == module.__name__:
                plugins[value.name] = value
    return plugins


def _is_plugin(value: Any, verb: str) -> bool:
    return isinstance(value, type) and "name" in vars(value) and hasattr(value, verb)

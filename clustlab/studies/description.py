"""What a study is: settings that all of its runs share, and axes along which they differ.

One run is an anecdote. A study is a named set of runs made from one description: every combination
of the values of its axes, each with every seed. Its runs are ordinary runs, found again by what
they are (`runs.identity`), so nothing is trained twice and two studies may share runs.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clustlab import registry
from clustlab.errors import ParameterError
from clustlab.params import Param, build, check, schema
from clustlab.runs.spec import RunSpec

Value = str | int | float | bool | tuple[float, ...] | None
SEED, METHOD, DATASET, PRESET = "seed", "method", "dataset", "preset"
OF_A_RUN = (SEED, METHOD, DATASET, PRESET)  # axes that are no setting of the method
DATA = "data."  # before the name of a setting of the data
MOST_RUNS = 2000
MOST_NUMBERS = 1000  # that `a..b` may stand for
EXAMPLE = "For example: n_clusters=5..20, learning_rate=0.1,0.01, method=dec,iic or seed=0..4."


@dataclass(frozen=True, slots=True)
class Axis:
    """A setting that differs between the runs of a study, and the values that it takes."""

    name: str  # "seed", "method", "dataset", "preset", a setting, or `data.` and one of the data
    values: tuple[Value, ...]  # each once

    def __post_init__(self) -> None:
        if not self.values:
            raise ParameterError(f"{self.name} has no value to vary over.", EXAMPLE)
        if len(set(map(repr, self.values))) < len(self.values):
            raise ParameterError(f"{self.name} has a value twice.", "Name each value once.")

    @property
    def is_number(self) -> bool:
        """Whether all values are numbers, and so lie on a scale."""
        return all(type(value) in (int, float) for value in self.values)


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of the values of all axes but the seed; its runs differ in the seed alone."""

    chosen: tuple[tuple[str, Value], ...]  # a value of each axis, in the order of the axes

    def __str__(self) -> str:
        """The values in words; empty for a study of seeds alone."""
        return ", ".join(f"{name} {in_words(value)}" for name, value in self.chosen)


@dataclass(frozen=True, slots=True)
class Base:
    """What all runs of a study share, unless an axis says otherwise."""

    dataset: str
    method: str
    preset: str = "standard"
    data: Mapping[str, Value] = field(default_factory=dict)
    settings: Mapping[str, Value] = field(default_factory=dict)  # that differ from the preset
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Study:
    """A named set of runs made from one description.

    Raises
    ------
    ParameterError
        If a name or value is not known, two axes have one name, or there are too many runs.
    """

    name: str
    base: Base
    axes: tuple[Axis, ...]
    created: float = 0.0  # seconds since 1970

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        for name in names:
            if names.count(name) > 1:
                raise ParameterError(f"{name} is varied twice.", "Name all its values at once.")
        n_runs = math.prod(len(axis.values) for axis in self.axes)
        if n_runs > MOST_RUNS:
            raise ParameterError(
                f"This study would have {n_runs:,} runs.",
                f"At most {MOST_RUNS:,} are allowed: vary fewer values.",
            )
        for cell in self.cells:
            _check(self.spec(cell, self.seeds[0]))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that each cell is run with."""
        for axis in self.axes:
            if axis.name == SEED:
                return tuple(_seed(value) for value in axis.values)
        return (0,)

    @property
    def varied(self) -> tuple[Axis, ...]:
        """The axes but for the seed."""
        return tuple(axis for axis in self.axes if axis.name != SEED)

    def label(self, name: str) -> str:
        """What an axis or setting is called within a sentence, such as "number of clusters"."""
        if name in OF_A_RUN:
            return {DATASET: "data set"}.get(name, name)
        declared = {p.name: p for p in schema(registry.method(self.base.method))}
        if name.startswith(DATA):
            declared = {DATA + p.name: p for p in schema(registry.dataset(self.base.dataset))}
        if name not in declared:  # of another method than that of the base
            return name
        label = declared[name].label
        return label if label[1:2].isupper() else label[:1].lower() + label[1:]

    def value_words(self, name: str, value: Value) -> str:
        """A value of an axis or setting as people call it, such as the title of a method."""
        return _titled(name, value) or in_words(value)

    def words(self, cell: Cell) -> str:
        """The values of a cell for people, such as "number of clusters 8"."""
        return ", ".join(
            _titled(name, value) or f"{self.label(name)} {in_words(value)}"
            for name, value in cell.chosen
        )

    @property
    def cells(self) -> list[Cell]:
        """Every combination of the values; the last axis changes fastest."""
        names = [axis.name for axis in self.varied]
        combined = itertools.product(*(axis.values for axis in self.varied))
        return [Cell(tuple(zip(names, values, strict=True))) for values in combined]

    def spec(self, cell: Cell, seed: int) -> RunSpec:
        """The run of a cell with a seed."""
        base, changed = self.base, dict(cell.chosen)
        dataset = str(changed.pop(DATASET, base.dataset))
        method = str(changed.pop(METHOD, base.method))
        preset = str(changed.pop(PRESET, base.preset))
        presets = registry.method(method).presets
        if preset not in presets:
            raise ParameterError(
                f"{method} has no preset {preset!r}.", f"Choose one of: {', '.join(presets)}."
            )
        data = {n.removeprefix(DATA): v for n, v in changed.items() if n.startswith(DATA)}
        settings = {n: v for n, v in changed.items() if not n.startswith(DATA)}
        return RunSpec(
            dataset,
            method,
            {**base.data, **data},
            {**presets[preset], **base.settings, **settings},
            preset,
            seed,
            base.device,
        )

    def specs(self) -> Iterator[tuple[Cell, int, RunSpec]]:
        """Every run with its cell and seed: first each cell with the first seed, and so on.

        So the whole picture is there early, and grows surer.
        """
        for seed in self.seeds:
            for cell in self.cells:
                yield cell, seed, self.spec(cell, seed)

    def with_axes(self, more: Sequence[Axis]) -> "Study":
        """The same study over further values of axes that it has, such as more seeds.

        Raises
        ------
        ParameterError
            For an axis that it does not have: its runs would mean something else.
        """
        axes = {axis.name: axis for axis in (*self.axes, *self._seed_axis())}
        for axis in more:
            if axis.name not in axes:
                raise ParameterError(
                    f"The study {self.name!r} does not vary {axis.name}.",
                    "Make another study of it: runs that both have are not repeated.",
                )
            known = axes[axis.name].values
            new = tuple(value for value in axis.values if value not in known)
            axes[axis.name] = Axis(axis.name, (*known, *new))
        return replace(self, axes=tuple(axes.values()))

    def _seed_axis(self) -> tuple[Axis, ...]:
        return () if any(axis.name == SEED for axis in self.axes) else (Axis(SEED, (0,)),)


def _titled(name: str, value: Value) -> str:
    """Title of a method or a data set; empty for what is neither."""
    if name == METHOD:
        return registry.method(str(value)).title
    return registry.dataset(str(value)).title if name == DATASET else ""


def _check(spec: RunSpec) -> None:
    """Refuse a run that could not be started; raises `ParameterError`."""
    method, dataset = registry.method(spec.method), registry.dataset(spec.dataset)
    build(method, spec.method_params)
    build(dataset, spec.dataset_params)
    registry.check_kind(method, dataset)


def _seed(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ParameterError(f"A seed is a whole number from 0 up, got {value!r}.", EXAMPLE)
    return value


# -- from words --------------------------------------------------------------------------------
def axis_of(word: str, base: Base) -> Axis:
    """Axis of words such as `n_clusters=5..20` or `method=dec,iic`.

    Raises
    ------
    ParameterError
        If it is not of that form, or a value does not suit the setting.
    """
    name, equals, text = word.partition("=")
    if not (name and equals and text):
        raise ParameterError(f"{word!r} is not of the form name=values.", EXAMPLE)
    texts = [part for each in text.split(",") for part in _numbers(each.strip())]
    if name in OF_A_RUN:
        return Axis(name, tuple(_typed(name, part) for part in texts))
    of_setting = declared(name, base)
    return Axis(name, tuple(check(of_setting, part) for part in texts))


def base_of(words: Sequence[str]) -> Base:
    """Base of words such as `dataset=digits method=dec n_clusters=10 data.n_samples=500`.

    Raises
    ------
    ParameterError
        If a word is not of that form, the method or data set is missing, or a value is not valid.
    """
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise ParameterError(
                f"{word!r} is not of the form name=value.", "For example: method=dec."
            )
        given[name] = value
    for name in (DATASET, METHOD):
        if name not in given:
            raise ParameterError(
                f"The study lacks its {name}.", "For example: --base dataset=digits method=dec."
            )
    dataset, method = given.pop(DATASET), given.pop(METHOD)
    base = Base(dataset, method, given.pop(PRESET, "standard"), device=given.pop("device", "auto"))
    if SEED in given:
        raise ParameterError("A study varies its seeds.", "Name them with --vary seed=0..4.")
    values = {name: check(declared(name, base), text) for name, text in given.items()}
    return replace(
        base,
        data={n.removeprefix(DATA): v for n, v in values.items() if n.startswith(DATA)},
        settings={n: v for n, v in values.items() if not n.startswith(DATA)},
    )


def declared(name: str, base: Base) -> Param:
    """Declaration of a setting of the method of a base, or of its data.

    Raises
    ------
    ParameterError
        If there is none of this name.
    """
    is_data = name.startswith(DATA)
    owner = registry.dataset(base.dataset) if is_data else registry.method(base.method)
    known = {p.name: p for p in schema(owner)}
    if (plain := name.removeprefix(DATA)) not in known:
        raise ParameterError(
            f"{owner.name} has no setting {plain!r}.", f"It has: {', '.join(known)}."
        )
    return known[plain]


def _typed(name: str, text: str) -> Value:
    if name != SEED:
        return text
    try:
        return _seed(int(text))
    except ValueError as error:
        raise ParameterError(f"The seed {text!r} is no whole number.", EXAMPLE) from error


def _numbers(text: str) -> list[str]:
    """The whole numbers that `5..8` stands for; any other text as it is."""
    first, dots, last = text.partition("..")
    if not dots:
        return [text]
    try:
        low, high = int(first), int(last)
    except ValueError as error:
        raise ParameterError(f"{text!r} is no range of whole numbers.", EXAMPLE) from error
    if not 0 <= high - low < MOST_NUMBERS:
        raise ParameterError(
            f"The range {text} is empty or has over {MOST_NUMBERS:,} numbers.", EXAMPLE
        )
    return [str(number) for number in range(low, high + 1)]


def in_words(value: Value) -> str:
    """A value as it is shown."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):  # commas stand between settings
        return " : ".join(f"{share:g}" for share in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

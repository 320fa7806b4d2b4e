"""Which run it is: everything that its figures depend on, in one record that can be compared.

Two runs of one identity were asked the same and had the same done to them. Titles, groups of seeds,
comparisons, lessons and the benchmark all ask here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import clustlab
from clustlab import registry
from clustlab.data import library, plain_files
from clustlab.data.checked_json import Unreadable
from clustlab.errors import ParameterError, RunUnreadable
from clustlab.params import Param, check, schema
from clustlab.runs import reading
from clustlab.runs.spec import RunSpec

INTERVENTIONS = "interventions.jsonl"  # in the folder of a run; see `clustlab.runs.interventions`
UNKNOWN = "unknown"  # version of the code of runs that did not note it

Settings = tuple[tuple[str, Any], ...]
"""Names and values in the order of their declaration, defaults included."""


class RunRecord(Protocol):
    """What of a run says which one it is."""

    id: str
    path: Path
    manifest: dict[str, Any]
    spec: RunSpec


@dataclass(frozen=True, slots=True)
class Change:
    """An intervention that was carried out, with the step at whose start it was."""

    step: int
    kind: str
    clusters: tuple[int, ...]  # lasting numbers; raw ones in runs that did not note these
    value: float

    def __str__(self) -> str:
        """The change in words."""
        what = " and ".join(map(str, self.clusters)) or f"x {self.value:g}"
        return f"{self.kind} {what} at step {self.step}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that the figures of a run depend on, but for the machine."""

    dataset: str
    data: Settings
    seed: int  # of the draw of the items and of the training
    excluded: tuple[int, ...]  # rows of the whole draw, rising
    method: str
    settings: Settings
    mixed_precision: bool
    continues: str | None
    interventions: tuple[Change, ...]  # what was done, not what was asked for or refused
    version: str  # of the code
    content: str  # fingerprint of a set that somebody brought in; empty for one that comes along
    preset: str = field(compare=False)  # a name only: its values are among the settings

    @property
    def facts(self) -> dict[str, Any]:
        """All that is compared, by name; settings of the data begin with `data.`."""
        return {
            "method": self.method,
            "seed": self.seed,
            "dataset": self.dataset,
            **{f"data.{name}": value for name, value in self.data},
            **({"data.content": self.content} if self.content else {}),
            "excluded": self.excluded,
            **dict(self.settings),
            "mixed_precision": self.mixed_precision,
            "continues": self.continues,
            "interventions": self.interventions,
            "version": self.version,
        }


def identity_of(run: RunRecord) -> Identity:
    """Identity of a run as it stands; an intervention adds to it."""
    plain = planned(run.spec, run.manifest.get("version", UNKNOWN))
    return replace(plain, interventions=carried_out(run), content=_content_of_run(run))


def planned(spec: RunSpec, version: str = clustlab.__version__) -> Identity:
    """Identity of a run of a spec in which nobody intervenes."""
    return Identity(
        dataset=spec.dataset,
        data=_filled(registry.dataset, spec.dataset, spec.dataset_params),
        seed=spec.seed,
        excluded=tuple(sorted(set(spec.excluded))),
        method=spec.method,
        settings=_filled(registry.method, spec.method, spec.method_params),
        mixed_precision=spec.mixed_precision,
        continues=spec.continues,
        interventions=(),
        version=version,
        content=content_of(spec),
        preset=spec.preset,
    )


def content_of(spec: RunSpec) -> str:
    """Fingerprint of the set of a spec as it is here and now; empty unless it was brought in."""
    try:
        return str(getattr(registry.dataset(spec.dataset), "fingerprint", ""))
    except ParameterError:  # not here any more
        return ""


def _content_of_run(run: RunRecord) -> str:
    """Fingerprint of the set that a run was made on.

    A run notes it when it is laid down. An older one was made on the set that is here now if its
    items are called as they would be today, and else on one of which nothing but that is known.
    """
    noted = run.manifest.get("content")
    here = "" if noted is not None else content_of(run.spec)
    if noted is not None or not here:
        return noted or ""
    spec = run.spec
    try:
        key = library.key(spec.dataset, spec.dataset_params, spec.seed, spec.excluded)
    except ParameterError:  # settings that there were before
        key = ""
    return here if key == run.manifest["data_key"] else str(run.manifest["data_key"])


def differences(a: Identity, b: Identity) -> list[str]:
    """Names of the facts in which two runs differ; empty if they are the same run twice."""
    mine, other = a.facts, b.facts
    names = dict.fromkeys([*mine, *other])
    return [n for n in names if n not in mine or n not in other or mine[n] != other[n]]


def same_settings(a: Identity, b: Identity) -> bool:
    """Whether two runs differ in nothing but the seed, so that they may be averaged.

    Code of an unknown version is the same as code of an unknown version only.
    """
    return not set(differences(a, b)) - {"seed"}


def comes_from(run: RunRecord, spec: RunSpec) -> bool:
    """Whether a run carries out a spec, with nothing changed by hand.

    A spec says nothing of the version of the code, so a run of any version carries it out.
    """
    mine = run.spec
    if (mine.dataset, mine.method, mine.seed) != (spec.dataset, spec.method, spec.seed):
        return False  # quick, for the long lists in which one is looked for
    return not set(differences(identity_of(run), planned(spec))) - {"version"}


def carried_out(run: RunRecord) -> tuple[Change, ...]:
    """Interventions of a run that were made, in their order."""
    return tuple(
        Change(
            about["step"],
            about["kind"],
            tuple(about.get("lasting") or about["clusters"]),
            about["value"],
        )
        for about in recorded_changes(run.path)
        if about.get("reason") == ""
    )


def recorded_changes(path: Path) -> list[reading.ChangeLine]:
    """Lines that a run has of its interventions, but for one that is half-written.

    Raises
    ------
    RunUnreadable
        If a line says what no intervention is.
    """
    try:
        text = plain_files.content(path, INTERVENTIONS)
        return [reading.change_line(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]
    except FileNotFoundError:
        return []
    except Unreadable as error:
        raise RunUnreadable(path.name, f"{INTERVENTIONS}: {error}") from error


# -- settings ----------------------------------------------------------------------------------
def method_settings(spec: RunSpec) -> dict[str, Any]:
    """Every setting of the method of a run, defaults included."""
    return dict(_filled(registry.method, spec.method, spec.method_params))


def changed_settings(run: RunRecord) -> dict[str, Any]:
    """Settings of the method of a run that are not those of its preset.

    A run notes them when it is laid down. For older ones, and for a preset that has no name here,
    the nearest preset of the method counts: the one that differs in the fewest settings.
    """
    noted: dict[str, Any] | None = run.manifest.get("changed")
    return changed_from_preset(run.spec) if noted is None else noted


def changed_from_preset(spec: RunSpec) -> dict[str, Any]:
    """Settings of a spec that are not those of its preset, or of the nearest one."""
    try:
        preset = preset_of(spec)
    except ParameterError:  # a plug-in that is not here any more
        return {}
    return _changed_from(preset, spec)


def preset_of(spec: RunSpec) -> str:
    """The preset that a spec names, else the one from which it differs in the fewest settings.

    Raises
    ------
    ParameterError
        If its method is not there.
    """
    presets = registry.method(spec.method).presets
    named = spec.preset.partition(" ")[0]  # a table of figures says "quick n_clusters=4"
    if named in presets:
        return named
    return min(presets, key=lambda preset: len(_changed_from(preset, spec)))


def _changed_from(preset: str, spec: RunSpec) -> dict[str, Any]:
    """Settings of a spec that are not those of a preset of its method."""
    values = registry.method(spec.method).presets[preset]
    usual = dict(_filled(registry.method, spec.method, values))
    return {n: value for n, value in method_settings(spec).items() if usual.get(n) != value}


def changed_data(spec: RunSpec) -> dict[str, Any]:
    """Settings of the data of a spec that are not the defaults."""
    usual = dict(_filled(registry.dataset, spec.dataset, {}))
    given = _filled(registry.dataset, spec.dataset, spec.dataset_params)
    return {name: value for name, value in given if name not in usual or usual[name] != value}


def _filled(find: Callable[[str], Any], name: str, given: Mapping[str, Any]) -> Settings:
    """Settings with their defaults; those that are not declared (any more) come last."""
    try:
        declared = _declared(find(name))
    except ParameterError:  # a plug-in that is not here any more
        return tuple(sorted(given.items()))
    known = {p.name for p in declared}
    return (
        *((p.name, _value(p, given[p.name]) if p.name in given else p.default) for p in declared),
        *sorted((name, value) for name, value in given.items() if name not in known),
    )


_declared: Callable[[type], Sequence[Param]] = lru_cache(maxsize=256)(schema)


def _value(p: Param, value: Any) -> Any:
    try:
        return check(p, value)
    except ParameterError:  # allowed when the run was made
        return value

"""A study described in a file: TOML written by hand, or the JSON that studies are kept as.

name = "k of dec"

[base]
dataset = "digits"
method = "dec"
preset = "quick"
data = {n_samples = 500}
settings = {learning_rate = 0.01}

[vary]
n_clusters = "5..12"
batch_size = [64, 256]
seed = "0..2"
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from clustlab.data import plain_files
from clustlab.data.checked_json import Count, Moment, Name, Setting, Unreadable, checked, parsed
from clustlab.errors import ParameterError
from clustlab.params import check
from clustlab.studies.description import (
    DATA,
    OF_A_RUN,
    SEED,
    Axis,
    Base,
    Study,
    Value,
    axis_of,
    declared,
)

ENDINGS = (".toml", ".json")
KNOWN = (
    "It holds name, base (dataset, method, preset, device, data, settings) and vary, a list or a "
    "text such as '5..12' for each setting."
)


class _Base(msgspec.Struct, forbid_unknown_fields=True):
    dataset: Name
    method: Name
    preset: Name = "standard"
    data: dict[Name, Setting] = {}
    settings: dict[Name, Setting] = {}
    device: Name = "auto"


class _Axis(msgspec.Struct, forbid_unknown_fields=True):
    name: Name
    values: list[Setting]


class _Described(msgspec.Struct, forbid_unknown_fields=True):
    """As it is written by hand."""

    name: Name
    base: _Base
    vary: dict[Name, Name | list[Setting]] = {}


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """As `Studies` writes it."""

    schema: Count
    name: Name
    base: _Base
    axes: list[_Axis]
    created: Moment = 0.0


def is_file_of_study(name: str) -> bool:
    """Whether a name is that of a file which may describe a study."""
    return name.endswith(ENDINGS)


def read_study(file: Path) -> Study:
    """The study that a file describes.

    Raises
    ------
    ParameterError
        If it is not there, holds what no study has, or a name or a value is not known.
    """
    try:
        text = plain_files.content(file.parent, file.name)
        found = _content(text, is_toml=file.name.endswith(".toml"))
    except OSError as error:
        raise ParameterError(
            f"There is no file {str(file)!r} that can be read.",
            "Name another, or describe the study by --base and --vary.",
        ) from error
    except Unreadable as error:
        raise ParameterError(f"{file.name} describes no study: {error}.", KNOWN) from error
    base = _base(found.base)
    varied: list[tuple[str, str | list[Setting]]] = (
        [(axis.name, axis.values) for axis in found.axes]
        if isinstance(found, _Kept)
        else list(found.vary.items())
    )
    return Study(found.name, base, tuple(_axis(name, values, base) for name, values in varied))


def _content(text: bytes, *, is_toml: bool) -> _Described | _Kept:
    if not is_toml:
        known = parsed(text, dict[str, Any])
        return parsed(text, _Kept) if "axes" in known else parsed(text, _Described)
    try:
        return checked(tomllib.loads(text.decode()), _Described)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"it is no TOML ({error})") from error
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error


def _base(given: _Base) -> Base:
    base = Base(given.dataset, given.method, given.preset, device=given.device)
    data = {name: _checked(DATA + name, value, base) for name, value in given.data.items()}
    settings = {name: _checked(name, value, base) for name, value in given.settings.items()}
    return Base(base.dataset, base.method, base.preset, data, settings, base.device)


def _axis(name: str, values: str | list[Setting], base: Base) -> Axis:
    if isinstance(values, str):
        return axis_of(f"{name}={values}", base)
    if name in OF_A_RUN:
        return Axis(name, tuple(_of_a_run(name, value) for value in values))
    return Axis(name, tuple(_checked(name, value, base) for value in values))


def _of_a_run(name: str, value: Setting) -> Value:
    if name != SEED and not isinstance(value, str):
        raise ParameterError(f"A {name} has a name, got {value!r}.", 'For example: ["dec", "iic"].')
    return tuple(value) if isinstance(value, list) else value


def _checked(name: str, value: Setting, base: Base) -> Value:
    checked_value: Value = check(declared(name, base), value)
    return checked_value

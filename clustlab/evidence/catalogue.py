"""Finds claims: a new one is one new file in `clustlab/claims/`."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from clustlab.errors import ParameterError
from clustlab.evidence.claim import Claim


@cache
def claims() -> Mapping[str, Claim]:
    """Every claim by name, in the order of their numbers."""
    package = importlib.import_module("clustlab.claims")
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    modules = [importlib.import_module(f"clustlab.claims.{name}") for name in names]
    every: list[Claim] = [module.CLAIM for module in modules if hasattr(module, "CLAIM")]
    return MappingProxyType({x.name: x for x in sorted(every, key=lambda x: x.number)})


def claim(name: str) -> Claim:
    """Claim of this name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those there are.
    """
    known = claims()
    if name not in known:
        raise ParameterError(f"There is no claim {name!r}.", f"Choose one of: {', '.join(known)}.")
    return known[name]


def about_step(lesson: str, step: int) -> list[Claim]:
    """Claims that a step of a lesson touches, in the order of their numbers."""
    return [each for each in claims().values() if (lesson, step) in each.lessons]

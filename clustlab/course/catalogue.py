"""Finds lessons, and which of them explains a method, a parameter, an alarm or a term."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from clustlab.analysis.alarm_catalogue import ENTRIES
from clustlab.analysis.alarms import AlarmKind
from clustlab.course.lesson import Lesson
from clustlab.errors import ParameterError


@cache
def lessons() -> Mapping[str, Lesson]:
    """Every lesson by name, in the order of their numbers."""
    package = importlib.import_module("clustlab.lessons")
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    modules = [importlib.import_module(f"clustlab.lessons.{name}") for name in names]
    every = [module.LESSON for module in modules if hasattr(module, "LESSON")]
    return MappingProxyType({x.name: x for x in sorted(every, key=lambda x: x.number)})


def lesson(name: str) -> Lesson:
    """Lesson of this name.

    Raises
    ------
    ParameterError
        If there is none; the message lists those there are.
    """
    known = lessons()
    if name not in known:
        raise ParameterError(
            f"There is no lesson {name!r}.", f"Choose one of: {', '.join(known) or 'none yet'}."
        )
    return known[name]


@cache
def explained() -> Mapping[str, tuple[str, int]]:
    """Lesson and step (from 1) that explain a parameter (`dec.alpha`)."""
    return MappingProxyType(
        {
            topic: (one.name, number)
            for one in reversed(list(lessons().values()))  # the first lesson has the last word
            for number, step in reversed(list(enumerate(one.steps, 1)))
            for topic in step.explains
        }
    )


def about_alarm(kind: AlarmKind, method: str) -> tuple[str, int]:
    """Lesson and step that explain an alarm: of the lesson on this method, else the usual one."""
    places = {
        one.name: number
        for one in lessons().values()
        for number, step in enumerate(one.steps, 1)
        if kind in step.alarms
    }
    own = [name for name in places if method in lessons()[name].methods]
    name = (own or [ENTRIES[kind].lesson])[0]
    return name, places[name]


def about_method(name: str) -> tuple[str, int] | None:
    """Lesson and step at which a method begins to be explained; None if there is none."""
    main = [x for x in lessons().values() if x.methods[:1] == (name,)]
    about = main or [x for x in lessons().values() if name in x.methods]
    return (about[0].name, 1) if about else None


def about_parameter(method: str, parameter: str) -> tuple[str, int] | None:
    """Lesson and step that explain a parameter, else those that explain its method."""
    return explained().get(f"{method}.{parameter}") or about_method(method)


@cache
def glossary() -> Mapping[str, tuple[str, str]]:
    """Definition of each term and the lesson it comes from, in alphabetical order."""
    definitions = {
        term: (meaning, one.name)
        for one in reversed(list(lessons().values()))
        for term, meaning in one.terms.items()
    }
    return MappingProxyType(dict(sorted(definitions.items(), key=lambda pair: pair[0].lower())))

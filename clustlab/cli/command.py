"""What a command of the command line is, and how the words after it are read."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clustlab.errors import ParameterError


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, its line of help, its arguments and what carries it out.

    `execute` returns the exit code.
    """

    name: str
    help: str
    execute: Callable[[argparse.Namespace], int]
    add_arguments: Callable[[argparse.ArgumentParser], None]


def whole_number(name: str, text: str, example: str = "5") -> int:
    """Whole number in a word; raises `ParameterError` with the name of what it stands for."""
    try:
        return int(text)
    except ValueError as error:
        raise ParameterError(
            f"The {name} must be a whole number, got {text!r}.", f"For example: {example}."
        ) from error


def named_values(words: Sequence[str]) -> dict[str, str]:
    """Names and values of words such as `n_samples=10000`; raises `ParameterError`."""
    return dict(_named_value(word) for word in words)


def _named_value(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise ParameterError(
            f"{word!r} is not of the form name=value.", "For example: n_clusters=10."
        )
    return name, value

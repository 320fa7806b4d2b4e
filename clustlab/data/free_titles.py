"""Titles for new data sets whose names are not taken."""

from clustlab import registry
from clustlab.data import own_sets
from clustlab.data.own_about import LONGEST_NAME
from clustlab.errors import ParameterError


def free_title(title: str) -> str:
    """A title whose name no data set has yet."""
    number = 1
    words = " ".join(title.split())[: LONGEST_NAME - 4] or "My data"
    try:
        own_sets.name_from(words)
    except ParameterError:  # of letters that addresses do not hold
        words = f"My data {words}"[: LONGEST_NAME - 4]
    told = words
    while not _is_free(own_sets.name_from(told)):
        number += 1
        told = f"{words} {number}"
    return told


def _is_free(name: str) -> bool:
    """Whether no data set has a name, nor a folder that cannot be read."""
    return name not in registry.datasets() and not (own_sets.folder_of_all() / name).exists()

"""The command `biography`: what became of one item."""

import argparse

from clustlab.cli.command import Command, whole_number
from clustlab.cli.output import add_needless_json_argument, print_answer
from clustlab.cli.runs import opened_run
from clustlab.data.item_names import items_named
from clustlab.errors import ParameterError
from clustlab.types import Dataset

MOST_FOUND = 5  # names that are told where one is wanted


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("index", help="number of the item, from 0, or its name")
    add_needless_json_argument(parser)


def _item(dataset: Dataset, wanted: str) -> int:
    """Item of a name, or else of a number."""
    if not dataset.item_names or wanted.isdecimal() or wanted.lstrip("-").isdecimal():
        return whole_number("index", wanted)
    items = items_named(dataset.item_names, wanted, MOST_FOUND)
    if len(items) == 1:
        return items[0]
    if not items:
        raise ParameterError(
            f"No name holds {wanted!r}.", "Give the name of an item, or its number."
        )
    named = ", ".join(repr(dataset.name_of(item)) for item in items)
    raise ParameterError(
        f"{wanted!r} is not the name of one item: it is in {named}.", "Give the whole name."
    )


def _biography(args: argparse.Namespace) -> int:
    from clustlab.analysis import biography

    run, dataset, timeline = opened_run(args)
    index = _item(dataset, args.index)
    return print_answer({"run": run.id, **biography.report(run, dataset, timeline, index)})


BIOGRAPHY = Command(
    "biography", "Tell what became of one item, step by step.", _biography, _add_arguments
)

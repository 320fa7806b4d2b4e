"""The command `biography`: what became of one item."""

import argparse

from clustlab.cli.command import Command, whole_number
from clustlab.cli.output import add_needless_json_argument, print_answer
from clustlab.cli.runs import opened_run


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("index", help="number of the item, from 0")
    add_needless_json_argument(parser)


def _biography(args: argparse.Namespace) -> int:
    from clustlab.analysis import biography

    run, dataset, timeline = opened_run(args)
    index = whole_number("index", args.index)
    return print_answer({"run": run.id, **biography.report(run, dataset, timeline, index)})


BIOGRAPHY = Command(
    "biography", "Tell what became of one item, step by step.", _biography, _add_arguments
)

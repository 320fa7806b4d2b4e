"""The command `compare`: how far two to four runs over the same items agree."""

import argparse
import sys

from clustlab.cli.command import Command
from clustlab.cli.output import add_needless_json_argument, print_answer
from clustlab.runs.store import RunStore


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="+")
    add_needless_json_argument(parser)


def _compare(args: argparse.Namespace) -> int:
    from clustlab.analysis import comparison

    answer = comparison.report(RunStore(args.runs), args.run)
    print(f"Compared over {answer['compared_over']}.", file=sys.stderr)
    return print_answer(answer)


COMPARE = Command(
    "compare", "Compare two to four runs over the items they share.", _compare, _add_arguments
)

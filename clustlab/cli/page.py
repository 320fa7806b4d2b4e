"""The command `page`: one HTML file that replays a run, or two side by side, anywhere."""

import argparse
from pathlib import Path

from clustlab.cli.command import Command, whole_number
from clustlab.cli.output import (
    add_needless_json_argument,
    complain,
    print_answer,
    show_progress,
)
from clustlab.data.atomic import replacing
from clustlab.errors import ParameterError, storage_errors
from clustlab.runs.store import RunStore


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="+", help="one, or two over the same items")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: RUN.html")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.add_argument("--steps", default="60", help="at most so many steps (default: 60)")
    parser.add_argument("--items", default="10000", help="at most so many items (default: 10000)")
    add_needless_json_argument(parser)


def _page(args: argparse.Namespace) -> int:
    from clustlab.replay.page import Limits, page

    limits = Limits(
        whole_number("number of steps", args.steps, "--steps 60"),
        whole_number("number of items", args.items, "--items 5000"),
    )
    file = Path(args.output or f"{'-and-'.join(args.run)}.html")
    _check(file, is_forced=args.force)
    made = page(RunStore(args.runs), args.run, limits, show_progress)
    with storage_errors(), replacing(file) as temporary:
        temporary.write_bytes(made.html)
    for note in made.notes:
        complain(note)
    return print_answer(
        {
            "file": str(file),
            "bytes": len(made.html),
            "title": made.title,
            "steps": made.n_steps,
            "items": made.n_items,
            "notes": list(made.notes),
        }
    )


def _check(file: Path, *, is_forced: bool) -> None:
    """Refuse, before any work is done, a file that cannot be written."""
    if file.is_dir() or not file.parent.is_dir():
        what = "is a folder" if file.is_dir() else "is in a folder that is not there"
        raise ParameterError(f"{str(file)!r} {what}.", "Name a file to write with -o.")
    if file.exists() and not is_forced:
        raise ParameterError(
            f"There is a file {str(file)!r} already.", "Name another with -o, or give --force."
        )


PAGE = Command(
    "page", "Write one HTML file that replays a run, or two side by side.", _page, _add_arguments
)

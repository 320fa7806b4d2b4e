"""The command `page`: one HTML file that replays a run, or two side by side, anywhere."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from clustlab.replay.page import Limits, Page


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="*", help="one, or two over the same items")
    parser.add_argument("--lesson", metavar="NAME", help="a lesson with its runs, in place of runs")
    parser.add_argument("--train", action="store_true", help="first train runs the lesson lacks")
    parser.add_argument("-o", "--output", metavar="FILE", help="default: RUN.html")
    parser.add_argument("--force", action="store_true", help="write over a file that is there")
    parser.add_argument("--steps", default="60", help="at most so many steps (default: 60)")
    parser.add_argument("--items", default="10000", help="at most so many items (default: 10000)")
    add_needless_json_argument(parser)


def _page(args: argparse.Namespace) -> int:
    from clustlab.replay.page import Limits, page

    if args.lesson and args.run:
        raise ParameterError(
            f"A page holds runs or a lesson, got both: {', '.join(args.run)} and {args.lesson!r}.",
            "Make two pages.",
        )
    limits = Limits(
        whole_number("number of steps", args.steps, "--steps 60"),
        whole_number("number of items", args.items, "--items 5000"),
    )
    named = f"lesson-{args.lesson}" if args.lesson else "-and-".join(args.run)
    file = Path(args.output or f"{named}.html")
    _check(file, is_forced=args.force)
    store = RunStore(args.runs)
    made = (
        _lesson(store, args, limits)
        if args.lesson
        else page(store, args.run, limits, show_progress)
    )
    with storage_errors(), replacing(file) as temporary:
        temporary.write_bytes(made.html)
    for note in made.notes:
        complain(note)
    told: dict[str, Any] = {"file": str(file), "bytes": len(made.html), "title": made.title}
    told |= {"steps": made.n_steps}
    if not args.lesson:
        told |= {"items": made.n_items, "notes": list(made.notes)}
    return print_answer(told)


def _lesson(store: RunStore, args: argparse.Namespace, limits: "Limits") -> "Page":
    """Page of a lesson, after training what it lacks if that is asked for."""
    from clustlab.replay.lesson_page import lesson_page, missing_runs

    if args.train:
        from clustlab.scripting.runs import carry_out
        from clustlab.training.worker import new_run

        for spec in missing_runs(store, args.lesson):
            carry_out(store, new_run(store, spec), progress=sys.stderr.isatty())
    return lesson_page(store, args.lesson, limits, show_progress)


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

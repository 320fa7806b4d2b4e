"""Command that hands a run to other programs: `export`."""

import argparse
from pathlib import Path

from clustlab.cli.command import Command, whole_number
from clustlab.cli.output import complain, print_answer
from clustlab.errors import ParameterError

NAMES = ("parquet", "csv", "npy", "projector", "fiftyone", "spotlight", "atlas", "folders")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("--to", required=True, choices=NAMES, help="format, or program")
    parser.add_argument(
        "-o", "--output", metavar="PATH", help="file or folder (default: named by run and step)"
    )
    steps = parser.add_mutually_exclusive_group()
    steps.add_argument("--step", metavar="N", help="counted from 0 (default: the last one)")
    steps.add_argument(
        "--all-steps", action="store_true", help="for parquet, csv, npy and projector"
    )
    parser.add_argument("--no-images", action="store_true", help="leave out images")
    parser.add_argument("--force", action="store_true", help="replace what is there")


def _export(args: argparse.Namespace) -> int:
    from clustlab.scripting.exporting.formats import export
    from clustlab.scripting.runs import open_run

    step = None if args.step is None else whole_number("step", args.step, "--step 12")
    if step is not None and step < 0:
        raise ParameterError(f"The step must be 0 or more, got {step}.", "Steps count from 0.")
    done = export(
        open_run(args.run, args.runs),
        args.to,
        args.output,
        step=step,
        all_steps=args.all_steps,
        images=not args.no_images,
        force=args.force,
    )
    if done.missing:
        complain(f"Left out, since they cannot be read: step {', '.join(map(str, done.missing))}.")
    if done.look:
        complain(f"Look at it with: {done.look}")
    about = {"to": done.to, "steps": done.steps, "missing_steps": done.missing, "look": done.look}
    return print_answer({"path": str(done.path), "bytes": _size(done.path), **about})


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(file.stat().st_size for file in files)


EXPORT = Command("export", "Write a run for other programs.", _export, _add_arguments)

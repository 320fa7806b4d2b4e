"""Command that hands on the model of a run: `export-model`."""

import argparse
import dataclasses

from clustlab.cli.command import Command
from clustlab.cli.output import complain, print_answer


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="(default: named by the run)")
    parser.add_argument(
        "--to",
        default="torch",
        choices=("torch", "onnx"),
        help="onnx is for programs without torch, and needs the extra onnx (default: torch)",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there")


def _export_model(args: argparse.Namespace) -> int:
    from clustlab.analysis.shares import percent
    from clustlab.scripting.exporting.model import export_model
    from clustlab.scripting.runs import open_run

    run = open_run(args.run, args.runs)
    done = export_model(run, args.output, to=args.to, force=args.force)
    if done.agreement < 1:
        share = percent(done.agreement)
        complain(f"It gives {share} of the items of the run their cluster of step {done.step}.")
    return print_answer({**dataclasses.asdict(done), "path": str(done.path)})


EXPORT_MODEL = Command(
    "export-model",
    "Write the model of a run for code that has torch alone, or as ONNX.",
    _export_model,
    _add_arguments,
)

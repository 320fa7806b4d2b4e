"""Command that logs stored runs to MLflow: `mlflow`."""

import argparse

from clustlab.cli.command import Command
from clustlab.cli.output import complain, print_answer


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="+")
    parser.add_argument(
        "--to",
        required=True,
        metavar="URI",
        help="a tracking server such as http://localhost:5000, or a folder",
    )
    parser.add_argument("--experiment", default="clustlab", help="made if there is none")
    parser.add_argument("--no-pictures", action="store_true", help="leave out pictures")


def _mlflow(args: argparse.Namespace) -> int:
    from clustlab.scripting.exporting import mlflow_log
    from clustlab.scripting.runs import open_run

    opened = [open_run(run_id, args.runs) for run_id in dict.fromkeys(args.run)]
    done = []
    for run in opened:
        logged = mlflow_log.log(
            run, args.to, experiment=args.experiment, with_pictures=not args.no_pictures
        )
        if not logged.is_new:
            complain(f"The run {run.id!r} was logged before, and is left as it was.")
        done.append({"run": logged.run, "mlflow_run": logged.mlflow_run, "new": logged.is_new})
    return print_answer({"to": args.to, "experiment": args.experiment, "runs": done})


MLFLOW = Command(
    "mlflow",
    "Log stored runs to MLflow: settings, figures of every step, tables and pictures.",
    _mlflow,
    _add_arguments,
)

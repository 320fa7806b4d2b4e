"""Command that logs stored runs to MLflow: `mlflow`."""

import argparse

from clustlab.cli.command import Command
from clustlab.cli.output import complain, print_answer
from clustlab.errors import ParameterError
from clustlab.runs.store import RunStore


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="*")
    parser.add_argument("--study", metavar="NAME", help="all runs of a study that are done")
    parser.add_argument(
        "--to",
        required=True,
        metavar="URI",
        help="a tracking server such as http://localhost:5000, or a folder",
    )
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="made if there is none (default: name of the study, or clustlab)",
    )
    parser.add_argument("--no-pictures", action="store_true", help="leave out pictures")


def _mlflow(args: argparse.Namespace) -> int:
    from clustlab.scripting.exporting import mlflow_log
    from clustlab.scripting.runs import open_run

    wanted = [*args.run, *(_runs_of_study(args) if args.study else ())]
    if not wanted:
        raise ParameterError("Nothing was chosen to be logged.", "Name a run, or a study.")
    opened = [open_run(run_id, args.runs) for run_id in dict.fromkeys(wanted)]
    experiment = args.experiment or args.study or mlflow_log.EXPERIMENT
    done = []
    for run in opened:
        logged = mlflow_log.log(
            run, args.to, experiment=experiment, with_pictures=not args.no_pictures
        )
        if not logged.is_new:
            complain(f"The run {run.id!r} was logged before, and is left as it was.")
        done.append({"run": logged.run, "mlflow_run": logged.mlflow_run, "new": logged.is_new})
    return print_answer({"to": args.to, "experiment": experiment, "runs": done})


def _runs_of_study(args: argparse.Namespace) -> list[str]:
    """Runs of a study that are done, in its order."""
    from clustlab.studies.state import places
    from clustlab.studies.store import Studies

    store = RunStore(args.runs)
    every = places(Studies(store).study(args.study), store.runs())
    return [place.run.id for place in every if place.run is not None and place.status == "done"]


MLFLOW = Command(
    "mlflow",
    "Log stored runs, or those of a study, to MLflow: settings, figures, tables and pictures.",
    _mlflow,
    _add_arguments,
)

"""Commands that read stored runs: `show` and `list`; and the run that another command names."""

import argparse
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from clustlab.cli.command import Command
from clustlab.cli.output import add_json_argument, print_answer, print_rows
from clustlab.errors import RunNotFound
from clustlab.runs.store import Run, RunStore
from clustlab.types import Dataset

if TYPE_CHECKING:
    from clustlab.analysis.timeline import Timeline


def last_figures(store: RunStore, run: Run) -> dict[str, Any]:
    """Last figures of a run; scores are null where there are no labels or no snapshot."""
    from clustlab.analysis import run_scores
    from clustlab.analysis.score_catalogue import OF_ONE_STEP

    state = run.progress
    figures: dict[str, Any] = {
        "run": run.id,
        "status": state["status"],
        "steps": len(run),
        "seconds": state.get("seconds"),
        **dict.fromkeys(OF_ONE_STEP),
    }
    with contextlib.suppress(RunNotFound):  # its items or the run itself are gone
        figures.update(run_scores.of_run(run, store.dataset(run)))
    return figures


def opened_run(args: argparse.Namespace) -> tuple[Run, Dataset, "Timeline"]:
    """Run that was named, its items and a timeline over its steps; raises `RunNotFound`."""
    from clustlab.analysis.timeline import Timeline

    store = RunStore(args.runs)
    run = store.run(args.run)
    if not len(run):
        raise RunNotFound(f"The run {run.id!r} has no step yet.", "Wait for its first step.")
    dataset = store.dataset(run)
    return run, dataset, Timeline(run, dataset.labels, n_classes=len(dataset.class_names))


def _add_show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument(
        "--probe", action="store_true", help="also a kNN probe of the last embedding"
    )


def _show(args: argparse.Namespace) -> int:
    store = RunStore(args.runs)
    run = store.run(args.run)
    about = last_figures(store, run)
    about |= {"spec": dataclasses.asdict(run.spec), "progress": run.progress, "protocol": None}
    with contextlib.suppress(RunNotFound):  # not loaded yet, or gone
        about["protocol"] = store.dataset(run).protocol
    if args.probe:
        about["knn_probe"] = _knn_probe(store, run)
    return print_answer(about)


def _knn_probe(store: RunStore, run: Run) -> float | None:
    from clustlab.analysis import probes

    labels = store.dataset(run).labels if len(run) else None
    return None if labels is None else probes.knn_probe(run[-1].embedding, labels)


def _list(args: argparse.Namespace) -> int:
    store = RunStore(args.runs)
    rows = [{"title": r.title, "bytes": r.size, **last_figures(store, r)} for r in store.runs()]
    return print_rows(args, rows, ("run", "status", "steps", "title"))


SHOW = Command("show", "Show one run.", _show, _add_show_arguments)
LIST = Command("list", "List runs.", _list, add_json_argument)

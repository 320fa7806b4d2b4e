"""Commands that ask about runs: compare, failures, biography. Each prints one line of JSON."""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clustlab.errors import ParameterError, RunNotFound
from clustlab.store import Run, RunStore
from clustlab.types import Dataset

if TYPE_CHECKING:
    from clustlab.analysis.timeline import Timeline

ASKING = "list"  # in place of the name of a query


def register(add: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Add these commands to a parser; `add` takes a name, a function and a line of help."""
    compare = add("compare", _compare, "Compare two to four runs over the same items.")
    compare.add_argument("run", nargs="+")
    failure = add("failures", _failures, "Ask a run where it fails; rank the items.")
    failure.add_argument("run")
    failure.add_argument("--query", default=ASKING, help=f"name of a query, or {ASKING}")
    failure.add_argument("--step", help="a step of the run (default: the last)")
    failure.add_argument("--limit", default="20", help="how many items are listed")
    life = add("biography", _biography, "Tell what became of one item, step by step.")
    life.add_argument("run")
    life.add_argument("index", help="number of the item, from 0")
    for command in (compare, failure, life):
        command.add_argument("--json", action="store_true", help="JSON, which it is in any case")


def _compare(args: argparse.Namespace) -> int:
    from clustlab.analysis import comparison

    return _tell(comparison.report(RunStore(args.runs), args.run))


def _failures(args: argparse.Namespace) -> int:
    from clustlab.analysis import failures, queries

    run, dataset, timeline = _opened(args)
    if args.query == ASKING:
        told = ("name", "title", "meaning", "needs_labels")
        listed = [{name: getattr(q, name) for name in told} for q in queries.QUERIES]
        return _tell({"run": run.id, "queries": listed})
    step = None if args.step is None else _whole("step", args.step)
    found = failures.report(run, dataset, timeline, args.query, step, _whole("limit", args.limit))
    return _tell({"run": run.id, **found})


def _biography(args: argparse.Namespace) -> int:
    from clustlab.analysis import biography

    run, dataset, timeline = _opened(args)
    index = _whole("index", args.index)
    return _tell({"run": run.id, **biography.report(run, dataset, timeline, index)})


def _opened(args: argparse.Namespace) -> tuple[Run, Dataset, "Timeline"]:
    """Run with its items and a timeline over its steps."""
    from clustlab.analysis.timeline import Timeline

    store = RunStore(args.runs)
    run = store.run(args.run)
    if not len(run):
        raise RunNotFound(f"The run {run.id!r} has no step yet.", "Wait for its first step.")
    dataset = store.dataset(run)
    return run, dataset, Timeline(run, dataset.labels, n_classes=len(dataset.class_names))


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ParameterError(
            f"The {name} must be a whole number, got {text!r}.", "For example: 5."
        ) from error


def _tell(answer: dict[str, Any]) -> int:
    print(json.dumps(answer))
    return 0

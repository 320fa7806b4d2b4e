"""Commands that ask: compare, failures, biography, benchmark. Their last line is JSON."""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from clustlab.errors import ParameterError, RunNotFound
from clustlab.runs.store import Run, RunStore
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
    table = add("benchmark", _benchmark, "Measure methods over seeds; goes on where it stood.")
    table.add_argument("--methods", nargs="+", help="default: all that take the data")
    table.add_argument("--datasets", nargs="+", default=["mnist-5k"])
    table.add_argument("--data", nargs="+", default=[], metavar="name=value")
    table.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    table.add_argument("--preset", default="standard", help="quick, standard or paper")
    table.add_argument("--set", nargs="+", default=[], metavar="name=value")
    table.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    table.add_argument("--out", help="CSV to fill (default: benchmark.csv among the runs)")
    for command in (compare, failure, life):
        command.add_argument("--json", action="store_true", help="JSON, which it is in any case")


def _compare(args: argparse.Namespace) -> int:
    from clustlab.analysis import comparison

    return _tell(comparison.report(RunStore(args.runs), args.run))


def _failures(args: argparse.Namespace) -> int:
    from clustlab.analysis.failures import catalogue, report

    run, dataset, timeline = _opened(args)
    if args.query == ASKING:
        told = ("name", "title", "meaning", "needs_labels")
        listed = [{name: getattr(q, name) for name in told} for q in catalogue.QUERIES]
        return _tell({"run": run.id, "queries": listed})
    step = None if args.step is None else _whole("step", args.step)
    found = report.report(run, dataset, timeline, args.query, step, _whole("limit", args.limit))
    return _tell({"run": run.id, **found})


def _biography(args: argparse.Namespace) -> int:
    from clustlab.analysis import biography

    run, dataset, timeline = _opened(args)
    index = _whole("index", args.index)
    return _tell({"run": run.id, **biography.report(run, dataset, timeline, index)})


def _benchmark(args: argparse.Namespace) -> int:
    """Fill the table, and write it once more for reading beside it."""
    import sys
    from pathlib import Path

    from clustlab.benchmark import table

    out = Path(args.out) if args.out else RunStore(args.runs).root / "benchmark.csv"
    specs = table.specs(
        args.methods,
        args.datasets,
        dict(pair(word) for word in args.data),
        [_whole("seed", seed) for seed in args.seeds],
        args.preset,
        dict(pair(word) for word in args.set),
        args.device,
    )
    rows, failed = table.run(
        out, specs, " ".join(args.data), lambda words: print(words, file=sys.stderr)
    )
    out.with_suffix(".md").write_text(table.markdown(rows), encoding="utf-8")
    _tell({"file": str(out), "rows": len(rows), "failed": failed})
    return 1 if failed else 0


def pair(word: str) -> tuple[str, str]:
    """Name and value of a word such as `n_samples=10000`; raises `ParameterError`."""
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise ParameterError(
            f"{word!r} is not of the form name=value.", "For example: n_clusters=10."
        )
    return name, value


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

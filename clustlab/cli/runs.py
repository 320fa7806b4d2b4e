"""Commands for stored runs: `show`, `list` and `label`; and the run that another command names."""

import argparse
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustlab.cli.command import Command
from clustlab.cli.output import add_json_argument, print_answer, print_rows
from clustlab.errors import ParameterError, RunNotFound
from clustlab.runs.labels import Label, label_of, set_label
from clustlab.runs.search import Wanted
from clustlab.runs.store import Run, RunStore, UnreadableRun
from clustlab.types import Dataset

if TYPE_CHECKING:
    from clustlab.analysis.timeline import Timeline


def last_figures(store: RunStore, run: Run) -> dict[str, Any]:
    """Last figures of a run; scores are null where there are no labels or no snapshot.

    `alarms_at_end` are the kinds of alarms that hold at the last step of a run that is done, as far
    as that step and the log tell them; `alarms` of the command `show` has all of them.
    """
    from clustlab.analysis import run_scores
    from clustlab.analysis.outcome_alarms import kinds_of_outcome
    from clustlab.analysis.score_catalogue import OF_ONE_STEP

    state = run.progress
    figures: dict[str, Any] = {
        "run": run.id,
        "status": state["status"],
        "steps": len(run),
        "seconds": state.get("seconds"),
        "alarms_at_end": kinds_of_outcome(run),
        **dict.fromkeys(OF_ONE_STEP),
    }
    with contextlib.suppress(RunNotFound):  # its items or the run itself are gone
        figures.update(run_scores.of_run(run, store.dataset(run)))
    return figures | {"missing_steps": run.missing_steps}


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
    about |= {"title": run.title, **dataclasses.asdict(label_of(run))}
    about |= {"spec": dataclasses.asdict(run.spec), "progress": run.progress, "protocol": None}
    about["missing_steps"] = run.damaged_steps()
    about["alarms"] = alarms(run)
    with contextlib.suppress(RunNotFound):  # not loaded yet, or gone
        about["protocol"] = store.dataset(run).protocol
    if args.probe:
        about["knn_probe"] = _knn_probe(store, run)
    return print_answer(about)


def alarms(run: Run) -> list[dict[str, Any]] | None:
    """Alarms of a run, each with its fields and its title; fields without a value are null.

    None if no step can be read.
    """
    from clustlab.analysis.alarm_catalogue import ENTRIES
    from clustlab.analysis.alarms import alarms_of_run
    from clustlab.analysis.timeline import Timeline

    timeline = Timeline(run)
    try:
        timeline.extend()
    except RunNotFound:
        return None
    return [
        {"title": ENTRIES[alarm.kind].title, **alarm.stored()}
        for alarm in alarms_of_run(run, timeline)
    ]


def _knn_probe(store: RunStore, run: Run) -> float | None:
    from clustlab.analysis import probes

    labels = store.dataset(run).labels if len(run) else None
    return None if labels is None else probes.knn_probe(run[-1].embedding, labels)


def _add_list_arguments(parser: argparse.ArgumentParser) -> None:
    add_json_argument(parser)
    parser.add_argument(
        "--search", default="", help="words to look for in all that describes a run"
    )
    parser.add_argument("--tag", nargs="+", action="extend", default=[], help="tags it must have")
    parser.add_argument(
        "--to",
        choices=("csv", "latex"),
        help="write a table, a line for all seeds of a setting",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="of --to, such as table.tex")
    parser.add_argument("--force", action="store_true", help="replace a file of this name")


def _list(args: argparse.Namespace) -> int:
    store = RunStore(args.runs)
    wanted = Wanted(words=args.search, tags=args.tag)
    if args.to or args.output:
        return _write_table(args, store, [run for run in store.runs() if wanted.matches(run)])
    rows = [_listed_run(store, run) for run in store.runs() if wanted.matches(run)]
    rows += [_listed_folder(each) for each in store.unreadable() if wanted.matches_folder(each)]
    return print_rows(args, rows, ("run", "status", "steps", "alarms_at_end", "tags", "title"))


def _write_table(args: argparse.Namespace, store: RunStore, runs: Sequence[Run]) -> int:
    from clustlab.analysis import seed_table
    from clustlab.data.new_files import new_file

    if not (args.to and args.output):
        raise ParameterError(
            "A table needs a format and a file.", "For example: --to latex -o table.tex."
        )
    lines = seed_table.lines_of_runs(store, runs)
    if not lines:
        raise ParameterError("None of these runs is done.", "Choose others, or wait for them.")
    text = {"csv": seed_table.csv, "latex": seed_table.latex}[args.to](lines)
    target = Path(args.output)
    with new_file(target, force=args.force) as temporary:
        temporary.write_text(text, encoding="utf-8")
    n_runs = sum(len(line.seeds) for line in lines)
    return print_answer({"file": str(target), "lines": len(lines), "runs": n_runs})


def _listed_folder(folder: UnreadableRun) -> dict[str, Any]:
    """What can be said of a run that cannot be read: its name, and why."""
    return {
        "run": folder.id,
        "status": "unreadable",
        "steps": None,
        "alarms_at_end": [],
        "tags": [],
        "title": f"Cannot be read: {folder.reason}",
        "reason": folder.reason,
    }


def _listed_run(store: RunStore, run: Run) -> dict[str, Any]:
    label = label_of(run)
    said = {"title": run.title, "name": label.name, "tags": list(label.tags), "note": label.note}
    return {**said, "bytes": run.size, **last_figures(store, run)}


def _add_label_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("--name", help="shown instead of the title; empty for none")
    parser.add_argument("--tag", nargs="+", action="extend", default=[], help="tags to add")
    parser.add_argument("--untag", nargs="+", action="extend", default=[], help="tags to remove")
    parser.add_argument("--note", help="empty for none")


def _label(args: argparse.Namespace) -> int:
    run = RunStore(args.runs).run(args.run)
    label = label_of(run)
    tags = (*(tag for tag in label.tags if tag not in args.untag), *args.tag)
    name = label.name if args.name is None else args.name
    note = label.note if args.note is None else args.note
    kept = set_label(run, Label(name, tags, note))
    return print_answer({"run": run.id, "title": run.title, **dataclasses.asdict(kept)})


SHOW = Command("show", "Show one run.", _show, _add_show_arguments)
LIST = Command("list", "List runs.", _list, _add_list_arguments)
LABEL = Command("label", "Give a run a name, tags or a note.", _label, _add_label_arguments)

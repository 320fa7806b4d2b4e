"""The command `study`: a named set of runs made from one description."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustlab.cli.command import Command
from clustlab.cli.output import add_json_argument, complain, print_answer, print_rows
from clustlab.errors import ParameterError
from clustlab.runs.store import RunStore

if TYPE_CHECKING:
    from clustlab.studies.description import Study
    from clustlab.studies.store import Studies


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", choices=("estimate", "run", "show", "list", "delete"))
    parser.add_argument(
        "name",
        nargs="?",
        help="of the study; of run and estimate also a file .toml or .json that describes one",
    )
    parser.add_argument(
        "--base",
        nargs="+",
        action="extend",
        default=[],
        metavar="name=value",
        help="what all runs share: dataset=digits method=dec preset=quick data.n_samples=500 ...",
    )
    parser.add_argument(
        "--vary",
        nargs="+",
        action="extend",
        default=[],
        metavar="name=values",
        help="n_clusters=5..20, learning_rate=0.1,0.01, method=dec,iic, seed=0..4 ...",
    )
    parser.add_argument(
        "--to", choices=("csv", "latex", "parquet"), help="of show: write the figures"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="of --to, such as table.tex")
    parser.add_argument("--force", action="store_true", help="replace a file of this name")
    add_json_argument(parser)


def _study(args: argparse.Namespace) -> int:
    from clustlab.studies.store import Studies

    store = RunStore(args.runs)
    studies = Studies(store)
    if args.verb == "list":
        return _list(args, store, studies)
    if not args.name:
        raise ParameterError("The study lacks its name.", f"For example: study {args.verb} seeds.")
    if args.verb == "run":
        return _run(args, store, studies)
    if args.verb == "estimate":
        return _estimate(args, store, studies)
    study = studies.study(args.name)
    if args.verb == "delete":
        studies.delete(args.name)
        return print_answer({"study": study.name, "deleted": True})
    return _write(args, store, study) if args.to or args.output else _show(store, study)


def _run(args: argparse.Namespace, store: RunStore, studies: "Studies") -> int:
    from clustlab.studies.carry_out import carry_out
    from clustlab.studies.estimate import estimate

    study = studies.keep(_asked(args, studies))
    complain(estimate(study, store).words)
    ended = carry_out(study, store, lambda line: print(line, file=sys.stderr, flush=True))
    print_answer({"study": study.name, "done": ended.done, "not_done": ended.not_done})
    return 1 if ended.not_done else 0


def _estimate(args: argparse.Namespace, store: RunStore, studies: "Studies") -> int:
    """Say what a study would take; nothing is kept."""
    from clustlab.studies.estimate import estimate

    study = _asked(args, studies)
    found = estimate(study, store)
    complain(found.words)
    return print_answer(
        {
            "study": study.name,
            "runs": found.n_runs,
            "done": found.n_done,
            "unknown": found.n_unknown,
            "seconds": round(found.seconds, 1),
            "bytes": round(found.n_bytes),
        }
    )


def _asked(args: argparse.Namespace, studies: "Studies") -> "Study":
    """The study that is there, with what is to be added to it, or a new one."""
    from clustlab.studies.description import Study, axis_of, base_of
    from clustlab.studies.from_file import is_file_of_study, read_study

    if is_file_of_study(args.name):
        if args.base or args.vary:
            raise ParameterError(
                f"{args.name} says what the study is, so --base and --vary cannot say it, too.",
                "Leave them out, or change the file.",
            )
        asked = read_study(Path(args.name))
    else:
        is_known = studies.is_there(args.name)
        base = studies.study(args.name).base if is_known and not args.base else base_of(args.base)
        asked = Study(args.name, base, tuple(axis_of(word, base) for word in args.vary))
    if not studies.is_there(asked.name):
        return asked
    study = studies.study(asked.name)
    if asked.base != study.base:
        raise ParameterError(
            f"The study {asked.name!r} has another base.",
            "Choose another name: runs that both have are not repeated.",
        )
    return study.with_axes(asked.axes) if asked.axes else study


def _list(args: argparse.Namespace, store: RunStore, studies: "Studies") -> int:
    from clustlab.studies.state import counts, places

    runs = store.runs()
    rows: list[dict[str, Any]] = []
    for study in studies.all():
        found = counts(places(study, runs))
        axes = {axis.name: list(axis.values) for axis in study.axes}
        rows.append(
            {"study": study.name, "runs": sum(found.values()), "status": dict(found), "axes": axes}
        )
    for each in studies.unreadable():
        status = f"cannot be read: {each.reason}"
        rows.append({"study": each.slug, "runs": None, "status": status, "axes": {}})
    return print_rows(args, rows, ("study", "runs", "status"))


def _show(store: RunStore, study: "Study") -> int:
    from clustlab.studies.number_of_clusters import curves, is_varied
    from clustlab.studies.state import counts, places
    from clustlab.studies.summary import results

    every = places(study, store.runs())
    found = results(store, study, every)
    cells = []
    for i, cell in enumerate(study.cells):
        figures = {}
        for figure in found.figures():
            summary = found.of(figure)[i]
            figures[figure] = {
                "median": summary.median,
                "range": summary.range,
                "by_seed": dict(summary.by_seed),
            }
        mine = [place for place in every if place.cell == cell]
        runs = {place.seed: place.run.id for place in mine if place.run is not None}
        status = {place.seed: place.status for place in mine}
        about = {"stability": found.stability.get(cell), "figures": figures}
        cells.append({**dict(cell.chosen), "runs": runs, "status": status, **about})
    base = {**_described(study), "seeds": list(study.seeds)}
    choices = [
        {
            **dict(curve.group.chosen),
            "criterion": curve.criterion,
            "needs_labels": curve.needs_labels,
            "choice": curve.choice,
        }
        for curve in (curves(found) if is_varied(found) else ())
    ]
    reached = dict(counts(every))
    return print_answer(
        {**base, "status": reached, "cells": cells, "choices_of_n_clusters": choices}
    )


def _described(study: "Study") -> dict[str, Any]:
    """What a study is, as JSON."""
    base = study.base
    return {
        "study": study.name,
        "base": {
            "dataset": base.dataset,
            "method": base.method,
            "preset": base.preset,
            "data": dict(base.data),
            "settings": dict(base.settings),
            "device": base.device,
        },
        "axes": {axis.name: list(axis.values) for axis in study.axes},
    }


def _write(args: argparse.Namespace, store: RunStore, study: "Study") -> int:
    from clustlab.analysis import seed_table
    from clustlab.data.new_files import new_file
    from clustlab.runs.exports import safe_cells
    from clustlab.studies import summary
    from clustlab.studies.state import places

    if not (args.to and args.output):
        raise ParameterError(
            "The figures need a format and a file.", "For example: --to latex -o table.tex."
        )
    found = summary.results(store, study, places(study, store.runs()))
    if not found.scores:
        raise ParameterError(
            f"No run of the study {study.name!r} is done.", f"First: study run {study.name!r}."
        )
    table = summary.frame(found)
    with new_file(Path(args.output), force=args.force) as temporary:
        if args.to == "parquet":
            table.to_parquet(temporary, index=False)
        elif args.to == "csv":
            temporary.write_text(safe_cells(table).to_csv(index=False), encoding="utf-8")
        else:
            temporary.write_text(seed_table.latex(summary.lines(found)), encoding="utf-8")
    return print_answer({"file": args.output, "runs": len(table)})


STUDY = Command(
    "study",
    "Estimate, carry out, show or list studies: runs over seeds and settings, none repeated.",
    _study,
    _add_arguments,
)

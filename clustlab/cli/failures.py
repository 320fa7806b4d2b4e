"""The command `failures`: where a run fails, as a ranking of its items."""

import argparse

from clustlab.cli.command import Command, whole_number
from clustlab.cli.output import add_needless_json_argument, print_answer
from clustlab.cli.runs import opened_run
from clustlab.types import CLASS_RULES

LIST_QUERIES = "list"  # in place of the name of a query


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("--query", default=LIST_QUERIES, help=f"name of a query, or {LIST_QUERIES}")
    parser.add_argument("--step", help="a step of the run (default: the last)")
    parser.add_argument(
        "--stands-for",
        choices=CLASS_RULES,
        default="majority",
        help="which class a cluster stands for: that of most of its items, or its match, 1-to-1",
    )
    parser.add_argument("--limit", default="20", help="how many items to list")
    add_needless_json_argument(parser)


def _failures(args: argparse.Namespace) -> int:
    from clustlab.analysis.failures import catalogue, report

    run, dataset, timeline = opened_run(args)
    if args.query == LIST_QUERIES:
        told = ("name", "title", "meaning", "needs_labels")
        queries = [{name: getattr(q, name) for name in told} for q in catalogue.QUERIES]
        return print_answer({"run": run.id, "queries": queries})
    step = None if args.step is None else whole_number("step", args.step)
    limit = whole_number("limit", args.limit)
    answer = report.report(
        run, dataset, timeline, args.query, step, limit, class_rule=args.stands_for
    )
    return print_answer({"run": run.id, **answer})


FAILURES = Command(
    "failures", "Ask a run where it fails, and rank the items.", _failures, _add_arguments
)

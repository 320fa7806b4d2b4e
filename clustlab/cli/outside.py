"""Commands for what others have made: `import-clustering` and `import-labels`."""

import argparse
from pathlib import Path

from clustlab.cli.command import Command, named_values, whole_number
from clustlab.cli.output import complain, print_answer, show_progress
from clustlab.cli.runs import last_figures
from clustlab.runs.store import RunStore


def _add_clustering_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="CSV, TSV, Parquet, Feather, .npz or .npy")
    parser.add_argument("--dataset", required=True, help="whose items were clustered")
    _add_items_arguments(parser)
    parser.add_argument(
        "--steps", nargs="+", action="extend", default=[], metavar="COLUMN", help="with clusters"
    )
    parser.add_argument("--name", default="", help="what to call it (default: name of the file)")


def _add_items_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", nargs="+", action="extend", default=[], metavar="name=value")
    parser.add_argument("--seed", default="0", help="of the draw of the items")
    parser.add_argument(
        "--names", metavar="COLUMN", help="by which items are found; 'none' for their order"
    )


def _import_clustering(args: argparse.Namespace) -> int:
    from clustlab.importing import clusterings

    store = RunStore(args.runs)
    choice = clusterings.Choice(
        args.dataset,
        named_values(args.data),
        _seed(args),
        _column(args.names),
        tuple(args.steps),
        args.name,
    )
    brought = clusterings.bring_in(store, Path(args.file), choice, show_progress)
    for fact in brought.facts:
        complain(fact)
    if not brought.is_new:
        complain(f"The same clustering is there already, as {brought.run.id!r}.")
    about = {"dataset": args.dataset, "title": brought.run.title, "new": brought.is_new}
    return print_answer({**last_figures(store, brought.run), **about})


def _seed(args: argparse.Namespace) -> int:
    return whole_number("seed", args.seed, "--seed 1")


def _column(name: str | None) -> str | None:
    return "" if name == "none" else name


def _add_labels_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="CSV, TSV, Parquet, Feather, .npz or .npy")
    parser.add_argument(
        "--dataset", required=True, help="whose items they are for; unless imported, it is copied"
    )
    _add_items_arguments(parser)
    parser.add_argument(
        "--labels", nargs="+", action="extend", default=[], metavar="COLUMN", help="with classes"
    )


def _import_labels(args: argparse.Namespace) -> int:
    from clustlab.importing import labels
    from clustlab.importing.plan import Choices

    choices = Choices(
        labels=args.labels[0] if args.labels else None,
        others=tuple(args.labels[1:]),
        names=_column(args.names),
    )
    store = RunStore(args.runs)
    found = labels.preview(
        Path(args.file), args.dataset, choices, store, named_values(args.data), _seed(args)
    )
    for fact in found.facts:
        complain(fact)
    own = labels.bring_in(found, store)
    if found.own is None:
        complain(f"They are on a copy of these items, the data set {own.name!r}.")
    return print_answer(
        {
            "dataset": own.name,
            "items": len(own),
            "labels": {title: len(names) for title, names in own.labellings},
            "added": list(found.labellings),
            "unlabelled": {
                title: int((each.labels < 0).sum()) for title, each in found.labellings.items()
            },
        }
    )


IMPORT_CLUSTERING = Command(
    "import-clustering",
    "Look at a clustering made elsewhere as a run.",
    _import_clustering,
    _add_clustering_arguments,
)
IMPORT_LABELS = Command(
    "import-labels",
    "Add classes to a data set.",
    _import_labels,
    _add_labels_arguments,
)

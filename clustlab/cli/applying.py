"""Command that gives new items to a run: `apply`."""

import argparse
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clustlab.cli.command import Command, whole_number
from clustlab.cli.output import complain, print_answer, show_progress
from clustlab.errors import ParameterError
from clustlab.runs.store import RunStore

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

NAMED = 5  # refused items that are named one by one
ENDINGS = (".parquet", ".csv")


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run")
    parser.add_argument("path", help="images or vectors, in any form that 'import' reads")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help=".parquet or .csv (default: named by the run)"
    )
    parser.add_argument(
        "--step", metavar="N", help="the step that judges; only the last one is kept for that"
    )
    parser.add_argument(
        "--all-probabilities", action="store_true", help="of every cluster, not of the likeliest"
    )
    parser.add_argument("--names", metavar="COLUMN", help="names of items; 'none' for none")
    parser.add_argument("--image", metavar="COLUMN", help="images; 'none' for none")
    parser.add_argument("--features", nargs="+", metavar="COLUMN", help="features, or vectors")
    parser.add_argument("--force", action="store_true", help="replace a file of this name")


def _apply(args: argparse.Namespace) -> int:
    from clustlab.analysis.shares import percent
    from clustlab.data.new_files import new_file
    from clustlab.importing.plan import Choices, reasons
    from clustlab.scripting.applying import Application, check_any

    path = Path(args.path)
    if not path.exists():
        raise ParameterError(f"There is no {args.path!r}.", "Check the path.")
    store = RunStore(args.runs)
    run = store.run(args.run)
    target = Path(args.output) if args.output else Path(f"{run.id}-new-items.parquet")
    if target.suffix.lower() not in ENDINGS:
        raise ParameterError(
            f"{target.name!r} is not called like a table that can be written.",
            f"End it in {' or '.join(ENDINGS)}.",
        )
    step = None if args.step is None else whole_number("step", args.step, "--step 12")
    if step is not None and step < 0:
        raise ParameterError(f"The step must be 0 or more, got {step}.", "Steps count from 0.")
    names, image = ("" if given == "none" else given for given in (args.names, args.image))
    features = tuple(args.features) if args.features else None
    choices = Choices(names=names, image=image, features=features)
    application = Application(store, run, step)
    agreement = application.scorer.agreement
    if agreement < 1:
        complain(
            f"What the run has kept gives {percent(agreement)} of its own items their cluster of "
            f"step {application.step}."
        )
    clusters: Counter[int] = Counter()
    strange = 0
    with (
        new_file(target, force=args.force) as temporary,
        application.to(
            path, choices, show_progress, all_probabilities=args.all_probabilities
        ) as applied,
    ):
        for fact in applied.reading.facts:
            complain(fact)
        n_tables = 0
        with _written(temporary, target.suffix.lower()) as write:
            for piece in applied.pieces:
                table = piece.table
                write(table)
                clusters.update(table["cluster"].tolist())
                strange += int(table["is_strange"].sum()) if "is_strange" in table else 0
                n_tables += 1
        check_any(applied.reading, n_tables)
        refusals = applied.reading.refusals
    for each in refusals.first[:NAMED]:
        complain(f"refused: {each.name}: {each.reason}")
    if refusals.n > NAMED:
        complain(f"refused: {refusals.n - NAMED:,} more")
    judge = application.judge
    has_distances = judge.usual_distance is not None
    return print_answer(
        {
            "run": run.id,
            "step": application.step,
            "file": str(target),
            "items": clusters.total(),
            "clusters": {str(cluster): clusters[cluster] for cluster in sorted(clusters)},
            "strange": strange if has_distances else None,
            "usual_distance": judge.usual_distance,
            "neighbour": judge.neighbour if has_distances else None,
            "agreement": agreement,
            "refused": {"count": refusals.n, "reasons": reasons(refusals.first)},
        }
    )


@contextmanager
def _written(file: Path, ending: str) -> "Iterator[Callable[[pd.DataFrame], None]]":
    """What writes tables of the same columns into a file, one after the other."""
    if ending == ".csv":
        from clustlab.runs.exports import csv

        with file.open("wb") as text:
            lines = 0

            def write_rows(table: "pd.DataFrame") -> None:
                nonlocal lines
                content = csv(table)
                text.write(content if not lines else content.partition(b"\n")[2])
                lines += len(table)

            yield write_rows
        return
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    writers: list[Any] = []

    def write_table(table: "pd.DataFrame") -> None:
        rows = pa.Table.from_pandas(table, preserve_index=False)
        if not writers:
            writers.append(ParquetWriter(file, rows.schema))
        writers[0].write_table(rows)

    try:
        yield write_table
    finally:
        for writer in writers:
            writer.close()


APPLY = Command(
    "apply",
    "Find the clusters of new items, and which of them are unlike all that a run knows.",
    _apply,
    _add_arguments,
)

"""The command `benchmark`: methods measured over seeds, as a table."""

import argparse
import sys
from pathlib import Path

from clustlab.cli.command import Command, named_values, whole_number
from clustlab.cli.output import print_answer
from clustlab.runs.store import RunStore


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--methods", nargs="+", help="default: all that accept the data")
    parser.add_argument("--datasets", nargs="+", default=["mnist-5k"])
    parser.add_argument("--data", nargs="+", default=[], metavar="name=value")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"])
    parser.add_argument("--preset", default="standard", help="quick, standard or paper")
    parser.add_argument("--set", nargs="+", default=[], metavar="name=value")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--out", help="CSV to fill (default: benchmark.csv among the runs)")


def _benchmark(args: argparse.Namespace) -> int:
    """Fill the table, and write it once more beside it: for reading, and for a paper."""
    from clustlab.analysis import seed_table
    from clustlab.benchmark import measuring, table
    from clustlab.studies.store import Studies

    store = RunStore(args.runs)
    out = Path(args.out) if args.out else store.root / "benchmark.csv"
    changes = named_values(args.set)
    asked = table.studies(
        args.methods,
        args.datasets,
        named_values(args.data),
        [whole_number("seed", seed) for seed in args.seeds],
        args.preset,
        changes,
        args.device,
    )
    kept = Studies(store)
    for study in asked:
        kept.keep_widened(study)
    rows, failed = measuring.fill(
        out,
        asked,
        store,
        " ".join(args.data),
        table.preset_name(args.preset, changes),
        lambda line: print(line, file=sys.stderr),
    )
    out.with_suffix(".md").write_text(table.markdown(rows), encoding="utf-8")
    out.with_suffix(".tex").write_text(seed_table.latex(table.lines(rows)), encoding="utf-8")
    print_answer({"file": str(out), "rows": len(rows), "failed": failed})
    return 1 if failed else 0


BENCHMARK = Command(
    "benchmark",
    "Measure methods over several seeds; picks up where it left off.",
    _benchmark,
    _add_arguments,
)

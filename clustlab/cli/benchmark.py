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
    from clustlab.benchmark import table

    out = Path(args.out) if args.out else RunStore(args.runs).root / "benchmark.csv"
    specs = table.specs(
        args.methods,
        args.datasets,
        named_values(args.data),
        [whole_number("seed", seed) for seed in args.seeds],
        args.preset,
        named_values(args.set),
        args.device,
    )
    rows, failed = table.run(
        out, specs, " ".join(args.data), lambda line: print(line, file=sys.stderr)
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

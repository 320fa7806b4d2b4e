"""What commands print: answers as JSON or as a table on standard output, complaints beside it."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def complain(text: str) -> None:
    """Print one line on standard error."""
    print("clustlab:", " ".join(text.split()), file=sys.stderr)


def print_answer(answer: Mapping[str, Any]) -> int:
    """Print one JSON object; return the exit code 0."""
    print(json.dumps(answer))
    return 0


def print_rows(
    args: argparse.Namespace, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> int:
    """Print a table on a terminal, JSON for programs; return the exit code 0."""
    if args.json or not sys.stdout.isatty():
        print(json.dumps(rows))
        return 0
    widths = [max((len(_cell(r[c])) for r in rows), default=0) for c in columns[:-1]]
    for row in rows:
        cells = [_cell(row[c]).ljust(w) for c, w in zip(columns, [*widths, 0], strict=True)]
        print("  ".join(cells).rstrip())
    return 0


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--json` to a command that prints a table on a terminal."""
    parser.add_argument("--json", action="store_true", help="JSON also on a terminal")


def add_needless_json_argument(parser: argparse.ArgumentParser) -> None:
    """Accept `--json` where the answer is JSON anyway."""
    parser.add_argument("--json", action="store_true", help="JSON, which is the output in any case")


def show_progress(message: str, share: float) -> None:
    """Draw how far something is, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{message} ({100 * share:.0f} %)", end="", file=sys.stderr, flush=True)
        if share >= 1:
            print(file=sys.stderr)

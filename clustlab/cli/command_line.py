"""The engine without a browser: `python -m clustlab train ...`.

The last line of standard output is JSON; progress goes to standard error. Exit code 0 means done,
1 that the run ended otherwise, 2 that the input was not valid.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import shtab

from clustlab import __version__, registry
from clustlab.cli import (
    app,
    applying,
    benchmark,
    biography,
    claims,
    compare,
    exporting,
    failures,
    importing,
    listings,
    mlflow,
    model,
    new,
    outside,
    packs,
    page,
    runs,
    study,
    training,
)
from clustlab.cli.output import complain
from clustlab.errors import ClustlabError, storage_error

INTERRUPTED = 130  # what shells expect after Ctrl-C
COMMANDS = (  # in the order of --help
    app.APP,
    training.TRAIN,
    training.RESUME,
    training.LONGER,
    training.REPEAT,
    runs.SHOW,
    training.WORK,
    compare.COMPARE,
    failures.FAILURES,
    biography.BIOGRAPHY,
    study.STUDY,
    claims.CLAIMS,
    benchmark.BENCHMARK,
    runs.LIST,
    runs.LABEL,
    exporting.EXPORT,
    model.EXPORT_MODEL,
    applying.APPLY,
    mlflow.MLFLOW,
    packs.PACK,
    packs.UNPACK,
    page.PAGE,
    listings.METHODS,
    listings.DATASETS,
    importing.IMPORT,
    outside.IMPORT_CLUSTERING,
    outside.IMPORT_LABELS,
    importing.FEATURES,
    importing.REMOVE,
    new.NEW,
    new.DOCS,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    logging.getLogger("clustlab").addHandler(logging.NullHandler())  # the run keeps tracebacks
    args = _parser().parse_args(argv)
    try:
        return int(args.command(args))
    except ClustlabError as error:
        complain(str(error))
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # most likely a folder of runs that cannot be written
        complain(f"{storage_error(error).message} Choose another folder with --runs.")
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        for refusal in registry.refusals():
            complain(refusal)
    return 2


class _Parser(argparse.ArgumentParser):
    """Parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        complain(f"{message}. Run '{self.prog} --help' to see what there is.")
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    is_installed = Path(sys.argv[0]).stem == "clustlab"
    parser = _Parser(prog="clustlab" if is_installed else "python -m clustlab", description=__doc__)
    parser.add_argument("--version", action="version", version=f"clustlab {__version__}")
    shtab.add_argument_to(parser, help="print what makes a shell complete these words")
    subparsers = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help)
        sub.add_argument("--runs", help="folder of runs (default: CLUSTLAB_RUNS, or ./runs)")
        command.add_arguments(sub)
        sub.set_defaults(command=command.execute)
    return parser

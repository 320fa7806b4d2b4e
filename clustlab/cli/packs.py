"""Commands that hand runs on: `pack` and `unpack`."""

import argparse
from pathlib import Path

from clustlab.cli.command import Command
from clustlab.cli.output import complain, print_answer
from clustlab.errors import DataError
from clustlab.runs.store import RunStore


def _add_pack_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="+")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="such as runs.zip")
    parser.add_argument("--force", action="store_true", help="replace a file of this name")


def _pack(args: argparse.Namespace) -> int:
    from clustlab.data.new_files import new_file
    from clustlab.runs.pack import write_pack

    store = RunStore(args.runs)
    runs = [store.run(run_id) for run_id in dict.fromkeys(args.run)]
    target = Path(args.output)
    with new_file(target, force=args.force) as temporary, temporary.open("wb") as file:
        packed = write_pack(store, runs, file)
    about = {"runs": packed.runs, "data": packed.data, "imported": packed.imported}
    more = {"baskets": packed.n_baskets}
    return print_answer({"file": str(target), "bytes": target.stat().st_size, **about, **more})


def _add_unpack_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="as made by pack")


def _unpack(args: argparse.Namespace) -> int:
    from clustlab.runs.unpack import unpack

    path, store = Path(args.file), RunStore(args.runs)
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Check its name.")
    with path.open("rb") as file:
        unpacked = unpack(store, file, path.name)
    for remark in unpacked.remarks:
        complain(remark)
    for each in unpacked.runs:
        if not each.is_new:
            complain(f"The run {each.run.id!r} is there already, and is kept as it is.")
    runs = [
        {"run": each.run.id, "title": each.run.title, "new": each.is_new} for each in unpacked.runs
    ]
    about = {"imported": unpacked.sets, "baskets": unpacked.baskets}
    return print_answer({"runs": runs, **about})


PACK = Command(
    "pack",
    "Put runs, their items and baskets into one file; it names the machines they were made on.",
    _pack,
    _add_pack_arguments,
)
UNPACK = Command("unpack", "Bring in the runs of a pack.", _unpack, _add_unpack_arguments)

"""A pack comes in whole or not at all: python -m tests.robust.hostile_packs --cases 2000.

Each case is a good pack that was changed: bits, pieces that are cut out, doubled or overwritten,
another end, or another list of what it holds. Opening it ends in one sentence and leaves nothing,
or brings in the run as it was packed.
"""

import argparse
import io
import json
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from clustlab.errors import ClustlabError
from clustlab.runs.baskets import Baskets
from clustlab.runs.pack import ABOUT, write_pack
from clustlab.runs.store import Run, RunStore
from clustlab.runs.unpack import unpack
from tests.support import made_runs

PATIENCE = 20.0  # seconds for a case
ODD = (
    "../x",
    "/etc/x",
    "C:\\x",
    "_data/../x",
    ".x/y",
    "x\0y",
    "é/x",
    "a/b/c/d",
    "",
    "_data",
    "x" * 999,
)
VALUES = (None, -1, 0, 2**70, 1e400, "", "x", [], {}, [[]], True)


# -- changes ---------------------------------------------------------------------------------------
def flipped(rng: random.Random, data: bytes) -> bytes:
    """Some bits changed."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 8))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def shortened(rng: random.Random, data: bytes) -> bytes:
    """Cut off anywhere."""
    return data[: rng.randrange(len(data))]


def pieced(rng: random.Random, data: bytes) -> bytes:
    """A piece left out, doubled, or put over another."""
    first, place = rng.randrange(len(data)), rng.randrange(len(data))
    piece = data[first : first + rng.randrange(1, 400)]
    how = rng.randrange(3)
    if how == 0:
        return data[:first] + data[first + len(piece) :]
    if how == 1:
        return data[:place] + piece + data[place:]
    return data[:place] + piece + data[place + len(piece) :]


def ended(rng: random.Random, data: bytes) -> bytes:
    """Numbers changed in the last records, which say where everything is."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        place = len(changed) - rng.randrange(1, min(len(changed), 400))
        changed[place : place + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, rng.randbytes(4)))
    return bytes(changed)


def relisted(rng: random.Random, data: bytes) -> bytes:
    """Another list of what it holds, or another value in it."""

    def about(said: dict) -> object:
        how = rng.randrange(5)
        name = rng.choice(sorted(said["files"]))
        if how == 0:
            said[rng.choice(sorted(said))] = rng.choice(VALUES)
        elif how == 1:
            said["files"][name] = rng.choice(VALUES)
        elif how == 2:
            said["files"][name][rng.choice(("size", "sha256"))] = rng.choice(VALUES)
        elif how == 3:
            said["files"][rng.choice(ODD)] = said["files"].pop(name)
        else:
            said["runs"] = [rng.choice(ODD)]
        return said

    return _rewritten(data, about, lambda name: name)


def renamed(rng: random.Random, data: bytes) -> bytes:
    """A file under another name, in the archive and in the list."""
    odd = rng.choice(ODD) or "x"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        chosen = rng.choice(archive.namelist())

    def about(said: dict) -> object:
        if chosen in said["files"]:
            said["files"][odd] = said["files"].pop(chosen)
        return said

    return _rewritten(data, about, lambda name: odd if name == chosen else name)


def _rewritten(data: bytes, about: Callable[[dict], object], name: Callable[[str], str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == ABOUT:
                content = json.dumps(about(json.loads(content))).encode()
            new.writestr(name(info.filename), content)
    return out.getvalue()


CHANGES = (flipped, shortened, pieced, ended, relisted, renamed)


# -- a case ----------------------------------------------------------------------------------------
def good_pack(folder: Path) -> tuple[Run, bytes]:
    """A small run, and its pack."""
    store = RunStore(folder / "good")
    made_runs.data(store, labels=[0, 1, 2] * 4)
    run = made_runs.run(store, [[0, 1, 2] * 4, [1, 0, 2] * 4])
    Baskets(store.root, run.manifest["data_key"], 12).save("Odd ones", [1, 5])
    file = io.BytesIO()
    write_pack(store, [run], file)
    return run, file.getvalue()


def tried(seed: int, run: Run, good: bytes, folder: Path) -> str:
    """What is wrong with the answer to one case; empty if nothing is."""
    rng = random.Random(seed)
    change = rng.choice(CHANGES)
    with warnings.catch_warnings(action="ignore"):  # zipfile warns of a name that comes twice
        data = change(rng, good)
    place = folder / f"case-{seed}"
    store, start = RunStore(place / "runs"), time.monotonic()
    wrong = ""
    try:
        unpack(store, io.BytesIO(data), "x.zip")
    except ClustlabError as error:
        left = [each for each in place.rglob("*") if each != store.root]
        if left:
            wrong = f"it leaves {left[0]}"
        elif "\n" in str(error):
            wrong = "it takes more than one line"
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach a user
        wrong = f"{type(error).__name__}: {error}"
    else:
        if _contents(store.root / run.id) != _contents(run.path):
            wrong = "it brought in something else"
    if time.monotonic() - start > PATIENCE:
        wrong = "it takes too long"
    outside = [each.name for each in folder.iterdir() if each.name not in ("good", place.name)]
    if outside:
        wrong = f"it wrote {outside} outside"
    if place.exists():
        _remove(place)
    return f"case {seed} ({change.__name__}): {wrong}" if wrong else ""


def _remove(place: Path) -> None:
    for each in sorted(place.rglob("*"), reverse=True):
        each.unlink() if each.is_file() else each.rmdir()
    place.rmdir()


def _contents(folder: Path) -> dict[str, bytes]:
    files = (each for each in folder.rglob("*") if each.is_file() and each.name != "lock")
    return {each.relative_to(folder).as_posix(): each.read_bytes() for each in files}


def main() -> int:
    """Try many; say what was found, and return 1 if anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    start, found = time.monotonic(), []
    with tempfile.TemporaryDirectory() as temporary:
        run, good = good_pack(Path(temporary))
        for seed in range(args.first, args.first + args.cases):
            if wrong := tried(seed, run, good, Path(temporary)):
                print(wrong)
                found.append(wrong)
    print(f"{args.cases:,} packs, {len(found)} faults, {time.monotonic() - start:.0f} s")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

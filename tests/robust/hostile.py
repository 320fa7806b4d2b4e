"""Folders of runs in which one was changed by somebody who means harm, or by a failing disk."""

import functools
import io
import json
import os
import random
import shutil
import socket
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

STORED = Path(__file__).parents[1] / "support" / "stored_runs"
HOSTILE = "20991231-235959-hostile-run-0000"
DATA = "hostile-data"
KINDS = ("gone", "pipe", "folder", "socket")
LINKS = {"zero": "/dev/zero", "passwd": "/etc/passwd", "nowhere": "/no/where", "itself": ""}
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 10**6, 2**63, 10**40, 1.5, -0.5, 1e300, 1e-300),
    *("", "text", "x" * 5000, "\x00", "../..", "[a](http://b)", "running", "\ud800", "٣", "nan"),
    *([], {}, [[]], [None], [0], [-1], [99], ["a"], {"a": 1}, [[0, 1]], {"": None}),
)


def lay_down(root: Path) -> None:
    """A folder of good runs, and one more on data of its own, which is to be changed."""
    shutil.copytree(STORED, root)
    changes = [
        {"step": 1, "wish": "a", "reason": "", "kind": "merge", "clusters": [1, 2], "value": 1.0},
        {"step": 2, "wish": "b", "reason": "no", "kind": "split", "clusters": [1], "value": 1.0},
    ]
    for run in root.glob("2*"):
        (run / "about.json").write_text('{"name": "", "tags": ["a", "b"], "note": "seen"}')
        if "rim" in run.name:
            lines = [json.dumps({**change, "lasting": change["clusters"]}) for change in changes]
            (run / "interventions.jsonl").write_text("\n".join(lines) + "\n")


def make_hostile(root: Path, seed: int) -> list[str]:
    """Add a run that was changed in up to three ways; what they are."""
    rng = random.Random(seed)
    source = rng.choice(sorted(root.glob("2*-*")))
    run, data = root / HOSTILE, root / "_data" / DATA
    shutil.copytree(source, run)
    manifest = json.loads((run / "manifest.json").read_text())
    shutil.copytree(root / "_data" / manifest["data_key"], data)
    (run / "manifest.json").write_text(json.dumps({**manifest, "data_key": DATA}))
    (run / "wishes").mkdir()
    wish = {"kind": "re-seed", "lasting": [1], "value": 1.0, "n_steps": 1}
    (run / "wishes" / "00001-ab.json").write_text(json.dumps(wish))
    (run / "projections").mkdir()
    n = len(np.load(data / "items.npy", mmap_mode="r"))
    np.save(run / "projections" / "umap-00000.npy", np.zeros((n, 2), np.float32))
    baskets = root / "_baskets" / DATA
    baskets.mkdir(parents=True)
    basket = {"name": "odd", "indices": [1, 2], "note": "", "created": 1.0}
    (baskets / "odd.json").write_text(json.dumps(basket))
    return [harm(rng, run, data, baskets) for _ in range(rng.choice((1, 1, 1, 2, 3)))]


def harm(rng: random.Random, run: Path, data: Path, baskets: Path) -> str:
    """Change one thing; what it was."""
    files = [f for folder in (run, data, baskets) for f in sorted(folder.rglob("*"))]
    files = [f for f in files if f.is_file() and not f.is_symlink()]
    texts = [f for f in files if f.suffix in (".json", ".jsonl")]
    arrays = [f for f in files if f.suffix in (".npz", ".npy")]
    way = rng.choices(
        (in_json, in_text, in_bytes, in_array, in_archive, other_kind, in_log),
        (10, 3, 2, 4, 4, 2, 1),
    )[0]
    if way is in_log:
        chosen = run / "log.jsonl"
    elif way is in_json or way is in_text:
        often = [f for f in texts if f.name in ("manifest.json", "log.jsonl", "status.json")]
        chosen = rng.choice(often + texts) if often else rng.choice(texts or files)
    elif way is in_array:
        chosen = rng.choice([f for f in arrays if f.suffix == ".npy"] or files)
    elif way is in_archive:
        chosen = rng.choice([f for f in arrays if f.suffix == ".npz"] or files)
    elif way is other_kind:
        chosen = rng.choice([*files, run / "snapshots", run / "wishes", data, run / "projections"])
    else:
        chosen = rng.choice(files)
    how = way(rng, chosen)
    return f"{way.__name__} {chosen.relative_to(run.parent)}: {how}"


# -- texts -------------------------------------------------------------------------------------
def in_json(rng: random.Random, file: Path) -> str:
    """Replace, remove or add a value anywhere."""
    try:
        lines = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
        at = rng.randrange(len(lines))
        value = json.loads(lines[at])
    except (ValueError, IndexError, RecursionError):
        return in_text(rng, file)
    place, name = rng.choice(list(_places(value)) or [(None, None)])
    fresh = rng.choice(VALUES)
    if place is None or rng.random() < 0.03:
        lines[at], how = json.dumps(fresh), f"all is {fresh!r:.40}"
    elif rng.random() < 0.3:
        del place[name]
        lines[at], how = json.dumps(value), f"no {name!r:.30}"
    elif rng.random() < 0.05:
        place[name] = "@"
        token = rng.choice(("NaN", "-Infinity", "1e999", "9" * 4400, "[" * 5000 + "]" * 5000))
        lines[at], how = json.dumps(value).replace('"@"', token), f"{name!r:.30} is {token:.20}"
    else:
        place[name] = fresh
        lines[at], how = json.dumps(value), f"{name!r:.30} is {fresh!r:.40}"
    file.write_text("\n".join(lines) + "\n" * (file.suffix == ".jsonl"))
    return how


def _places(value):
    """Containers and keys of everything in a value."""
    if isinstance(value, dict | list):
        for name in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, name
            yield from _places(value[name])


def in_text(rng: random.Random, file: Path) -> str:
    """Cut, empty, mix up or swell a text."""
    text = file.read_bytes()
    at = rng.randrange(len(text) + 1)
    how, fresh = rng.choice(
        (
            ("cut off", text[:at]),
            ("empty", b""),
            ("garbage", rng.randbytes(200)),
            ("a line of garbage", text[:at] + b"\n" + rng.randbytes(30) + b"\n" + text[at:]),
            ("zeros", bytes(len(text))),
            ("no UTF-8", text[:at] + b"\xff\xfe" + text[at:]),
            ("twice", text + text),
            ("deep", b'{"a": ' * 200_000),
            ("deep lists", b"[" * 3_000_000),
            ("long", b'{"x": "' + b"x" * 30_000_000 + b'"}'),
            ("many", b"[" + b"[]," * 2_600_000 + b"[]]"),
        )
    )
    file.write_bytes(fresh)
    return how


def in_log(rng: random.Random, file: Path) -> str:
    """A log that claims more steps than there are, or takes more memory than it is long."""
    try:
        first = json.loads(file.read_text().splitlines()[0])
        assert isinstance(first, dict)
    except (OSError, ValueError, IndexError, RecursionError, AssertionError):
        return "too damaged to be changed"
    how, lines = rng.choice(
        (
            ("gaps", [{**first, "step": 1001 * i} for i in range(900)]),
            ("again and again", [first] * 20_000),
            ("many values", [{**first, "step": i, "more": [[]] * 400_000} for i in range(5)]),
        )
    )
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return how


def in_bytes(rng: random.Random, file: Path) -> str:
    """Turn some bytes, or cut the file off."""
    content = bytearray(file.read_bytes())
    if not content or rng.random() < 0.3:
        file.write_bytes(content[: rng.randrange(len(content) + 1)])
        return "cut off"
    for _ in range(rng.choice((1, 3, 30))):
        content[rng.randrange(len(content))] = rng.randrange(256)
    file.write_bytes(content)
    return "some bytes turned"


# -- arrays ------------------------------------------------------------------------------------
def in_array(rng: random.Random, file: Path) -> str:
    """Another array in place of the one in a file."""
    try:
        old = np.load(file)
    except (OSError, ValueError, EOFError):
        return in_bytes(rng, file)
    how, fresh = other_array(rng, old)
    file.write_bytes(fresh)
    return how


def other_array(rng: random.Random, old: np.ndarray) -> tuple[str, bytes]:
    """How an array is changed, and the bytes of the other one."""
    spoilt = old.copy()
    if old.size:
        value = rng.choice((-1, -2, 29_999, 2**31 - 1, 255, 10**9))
        if old.dtype.kind == "f":
            value = rng.choice((np.nan, np.inf, 3e38, -1.0, 0.0))
        spoilt.flat[rng.randrange(old.size)] = np.array(value).astype(old.dtype)
    ways: list[tuple[str, Callable[[], bytes]]] = [
        ("one value", lambda: saved(spoilt)),
        ("half", lambda: saved(old[: len(old) // 2] if old.ndim else old)),
        ("twice", lambda: saved(np.concatenate([old, old]) if old.ndim else old)),
        ("empty", lambda: saved(old[:0] if old.ndim else old)),
        ("flat", lambda: saved(old.ravel())),
        ("one axis more", lambda: saved(old[None])),
        ("as doubles", lambda: saved(old.astype(np.float64))),
        ("by columns", lambda: saved(np.asfortranarray(old))),
        ("as bytes", lambda: saved(old.astype(np.int8))),
        ("as text", lambda: saved(old.astype("U8"))),
        ("complex", lambda: saved(old.astype(np.complex64))),
        ("objects", lambda: head("|O", (3,)) + b"\x80\x04N."),
        ("huge", lambda: head(old.dtype.str, (10**9, *old.shape[1:])) + b"\0" * 64),
        ("endless", lambda: head(old.dtype.str, (10**30, 10**30))),
        ("negative", lambda: head(old.dtype.str, (-1, *old.shape[1:]))),
        ("no width", lambda: head(old.dtype.str, (len(old) if old.ndim else 1, 0))),
        ("deep head", lambda: head("(" * 500, (1,))),
        ("no head", lambda: rng.randbytes(300)),
    ]
    how, make = rng.choice(ways)
    return how, make()


def saved(array: np.ndarray) -> bytes:
    """Bytes of a file that holds an array."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def head(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Bytes in which an array would declare itself, true or not."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def in_archive(rng: random.Random, file: Path) -> str:
    """Another archive in place of the one in a file."""
    try:
        with np.load(file) as stored:
            members = {name: saved(stored[name]) for name in stored}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return in_bytes(rng, file)
    name = rng.choice(sorted(members))
    how = rng.choice((*["array"] * 4, "gone", "packed", "bomb", "holes", "many"))
    kind = zipfile.ZIP_STORED
    if how == "array":
        how, members[name] = other_array(rng, np.load(io.BytesIO(members[name])))
    elif how == "gone":
        del members[name]
    elif how == "many":
        members |= {f"extra {i}": b"x" for i in range(30_000)}
    elif how == "bomb":
        file.write_bytes(_bomb())
        return how
    elif how == "holes":
        file.write_bytes(b"")
        os.truncate(file, 50 * 2**30)
        return how
    else:
        kind = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(file, "w", kind, compresslevel=1) as archive:
        for each, content in members.items():
            archive.writestr(f"{each}.npy", content)
    return f"{name} {how}"


@functools.cache
def _bomb() -> bytes:
    """An archive of a few MB whose assignments take 1.25 GB."""
    file, zeros = io.BytesIO(), bytes(2**20)
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("assignments.npy", "w") as member,
    ):
        member.write(head("<i4", (1280 * 2**20 // 4,)))
        for _ in range(1280):
            member.write(zeros)
    return file.getvalue()


# -- kinds of files ----------------------------------------------------------------------------
def other_kind(rng: random.Random, file: Path) -> str:
    """A link, a pipe, a folder or nothing in place of a file or a folder."""
    aside = file.with_name(f".{file.name}.aside")
    how = rng.choice((*KINDS, *LINKS, "linked"))
    if how == "linked":  # to what it was, moved out of the run
        file.rename(aside.parent.parent / aside.name)
        file.symlink_to(aside.parent.parent / aside.name)
        return how
    if file.is_dir():
        shutil.rmtree(file)
    else:
        file.unlink(missing_ok=True)
    if how == "pipe":
        os.mkfifo(file)
    elif how == "folder":
        file.mkdir()
    elif how == "socket":
        place = Path.cwd()
        os.chdir(file.parent)  # names of sockets are short
        try:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(file.name)
        finally:
            os.chdir(place)
    elif how != "gone":
        file.symlink_to(LINKS[how] or file)
    return how

"""One bad run never takes the rest down: python -m tests.robust.hostile_folders --cases 2000.

Each case is a folder of good runs beside one that was changed. In a fresh process, forked from one
that has imported everything, it goes through `list`, `show`, `compare`, `page`, pages and deletion
with undo. There must be no traceback, no hang, less than 1 GB of memory, and good runs as they
were.
"""

import argparse
import contextlib
import io
import json
import math
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.robust.hostile import HOSTILE, lay_down, make_hostile
from tests.robust.in_forks import in_a_fork

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted(file.stem for file in (ROOT / "pages").glob("*.py")))
PATIENCE = 60.0  # seconds for a case with a page; all pages have as much each
TOLD = ("run", "status", "steps", "tags", "title", "acc", "nmi", "n_occupied")


# -- in a process of its own -------------------------------------------------------------------
def command(*words: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    from clustlab.__main__ import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main([*words])
    return code, said.getvalue()


def told(root: Path) -> dict[str, dict[str, object]]:
    """What `list` says of each run, by its name."""
    code, said = command("list", "--json", "--runs", str(root))
    assert code == 0, said
    return {row["run"]: {name: row.get(name) for name in TOLD} for row in json.loads(said)}


def go_through(root: Path, pages: Sequence[str], good: dict[str, dict[str, object]]) -> None:
    """Look at a hostile run everywhere; an error is what must not happen."""
    from clustlab.runs.store import RunStore

    other = min(good)
    listed = told(root)
    if os.path.lexists(root / HOSTILE):
        assert HOSTILE in listed, "the run is not listed"
    assert {name: row for name, row in listed.items() if name in good} == good
    assert command("show", HOSTILE, "--runs", str(root))[0] in (0, 2)
    assert command("compare", HOSTILE, other, "--runs", str(root))[0] in (0, 2)
    assert command("compare", other, HOSTILE, "--runs", str(root))[0] in (0, 2)
    for page in pages:
        visit(page, HOSTILE)
    if pages:
        visit("runs", other)
        file = root.parent / "page.html"
        code, _ = command("page", HOSTILE, "-o", str(file), "--runs", str(root))
        assert code == (0 if file.exists() else 2)
    store = RunStore(root)
    store.delete(HOSTILE)
    assert HOSTILE not in told(root)
    store.restore(HOSTILE)
    assert told(root) == listed


def visit(page: str, run: str) -> None:
    """Open a page at a run."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "clustlab" / "ui" / "shell.py"), default_timeout=PATIENCE)
    app.query_params["run"] = run
    if page == "compare":
        app.query_params["runs"] = f"{run},20261127-142847-kmeans-digits-df5d"
    app.run()
    app.switch_page(str(ROOT / "pages" / f"{page}.py"))
    app.query_params["run"] = run
    app.run()
    assert not app.exception, f"{page}: {app.exception[0].message}\n{app.exception[0].stack_trace}"


def prepare(pages: Sequence[str]) -> dict[str, dict[str, object]]:
    """Import all that commands and some pages need; what is said of the good runs."""
    import clustlab.training.worker  # noqa: F401

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        lay_down(root)
        good = told(root)
        one, other, *_ = sorted(good)
        command("compare", one, other, "--runs", str(root))
        if pages:
            command("page", one, "-o", str(root.parent / "page.html"), "--runs", str(root))
        command("show", one, "--runs", str(root))  # pyarrow reserves a GB that it does not use
        os.environ["CLUSTLAB_RUNS"] = str(root)
        for page in pages:
            visit(page, min(good))
    return good


def tried(seed: int, pages: Sequence[str], good: dict[str, dict[str, object]]) -> dict[str, object]:
    """One case: what was changed, what went wrong, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        lay_down(root)
        harms = make_hostile(root, seed)
        os.environ["CLUSTLAB_RUNS"] = str(root)
        wrong, seconds, megabytes = in_a_fork(
            lambda: go_through(root, pages, good), PATIENCE * max(1, len(pages))
        )
    return {"seed": seed, "harms": harms, "wrong": wrong, "seconds": seconds, "MB": megabytes}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--pages", type=int, default=len(PAGES), help="pages a case, drawn")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so many")
    args = parser.parse_args()
    good = prepare(PAGES if args.pages else ())
    failures, most, longest, start = [], 0.0, 0.0, time.monotonic()
    done = 0
    for seed in range(args.first, args.first + args.cases):
        if time.monotonic() - start > 60 * args.minutes:
            break
        pages = random.Random(seed).sample(PAGES, args.pages)
        case = tried(seed, pages, good)
        most, longest = max(most, float(case["MB"])), max(longest, float(case["seconds"]))
        done += 1
        if case["wrong"]:
            failures.append(case)
            print(f"{seed}: {case['harms']}\n{case['wrong']}", file=sys.stderr, flush=True)
    kinds = Counter(str(case["wrong"]).strip().splitlines()[-1][:160] for case in failures)
    for words, count in kinds.most_common():
        print(f"{count:5} {words}")
    print(
        f"{done} folders and {args.pages} pages each: {len(failures)} failures; at most "
        f"{most:.0f} MB and {longest:.1f} s a folder; {time.monotonic() - start:.0f} s in all"
    )
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())

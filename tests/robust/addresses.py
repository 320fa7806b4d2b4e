"""Addresses that nobody would write, over all pages: python -m tests.robust.addresses.

Each address names a page and some of the parameters that the app knows, with values of all kinds:
numbers that are none, too large, negative or of other scripts, words, nothing, and several at once.
A page may say what is wrong; it must not fail.
"""

import argparse
import ast
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from streamlit import config
from streamlit.testing.v1 import AppTest

from clustlab import registry
from clustlab.course import catalogue
from clustlab.params import schema
from clustlab.runs.baskets import Baskets
from clustlab.runs.store import RunStore
from clustlab.ui import state
from tests.support import made_runs

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "clustlab" / "ui" / "shell.py")
PAGES = tuple(sorted(path.stem for path in (ROOT / "pages").glob("*.py")))
NUMBERS = (
    *("0", "1", "2", "-1", "-0", "+1", "1.5", "1e3", "1e400", "-1e400", "inf", "-inf", "Infinity"),
    *("nan", "NaN", "-nan", "9" * 4301, "9" * 400, "-" + "9" * 30, "1" + "0" * 19, "4294967296"),
    *("0x10", "1_000", " 1", "1 ", "١٢", "²", "½", "1,2", "1;2", "1e", "--1", ".", "1.", "99", "7"),
)
WORDS = (
    *("", " ", "on", "off", "true", "false", "all", "None", "auto", "cuda", "next", "PCA", "UMAP"),
    *(
        "![p](http://192.0.2.1)",
        "<img src=x>",
        "\0",
        "\ud7ff",
        "\U0001f600",
        "..",
        "../..",
        "/",
        "%",
    ),
    *(
        "a" * 5000,
        "toy",
        "digits",
        "mnist-5k",
        "dec",
        "kmeans",
        "hdbscan",
        "quick",
        "paper",
        "custom",
    ),
    *("dec,iic", ",,,", ";", "0,0;1,1", "nan,nan;nan,nan", "Items", "Matching", "Baskets", "share"),
    *("step", "seconds", "moons", "confidently-wrong", "assumptions", "glossary", "lock", "ACC"),
)


def made(folder):
    """Two small runs in a folder; returns their ids."""
    store, rng = RunStore(folder), np.random.default_rng(0)
    truth = np.arange(30) % 3
    key = made_runs.data(store, n=30, labels=truth)
    Baskets(store.root, key, 30).save("some", [1, 2, 3])
    steps = [np.where(rng.random(30) < share, truth, (truth + 1) % 3) for share in (0.4, 0.9)]
    return [made_runs.run(store, steps[::order], key).id for order in (1, -1)]


def parameters():
    """Names of the parameters that all pages may read from the address."""
    names = {value.key for value in vars(state).values() if isinstance(value, state.QueryValue)}
    names |= {"seed", "device", "mixed", "look", "preset"}
    for file in (ROOT / "clustlab" / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            given = {k.arg: k.value for k in getattr(node, "keywords", ())}
            if "bind" in given and isinstance(given.get("key"), ast.Constant):
                names.add(given["key"].value)
    return sorted(names)


def addresses(number, seed, runs, pages=PAGES):
    """So many pages with a query each, some of whose values make sense."""
    draw, common, lessons = random.Random(seed), parameters(), list(catalogue.lessons())
    there = [*runs, ",".join(runs), *lessons]
    for i in range(number):
        page, names = pages[i % len(pages)], list(common)
        query = {"run": runs[0]} if draw.random() < 0.7 else {}
        if page == "learn":
            query["lesson"] = draw.choice(lessons)
            steps = catalogue.lesson(query["lesson"]).steps
            query["step"] = str(draw.randint(1, len(steps)))
            names += [c.name for c in steps[int(query["step"]) - 1].controls] * 20
        if page == "train":
            query["form"] = "next"
            query["method"] = draw.choice(list(registry.methods()))
            query["dataset"] = draw.choice(("toy", "digits"))
            for each in (registry.method(query["method"]), registry.dataset(query["dataset"])):
                names += [f"{each.name}.{p.name}" for p in schema(each)] * 5
        for _ in range(draw.randint(1, 8)):
            name = draw.choice(names)
            values = [draw.choice(draw.choice((NUMBERS, NUMBERS, WORDS, there))) for _ in range(2)]
            query[name] = values[0] if draw.random() < 0.85 else values
        yield page, query


def visited(page, query):
    """A page under an address, drawn as the first thing of a session."""
    app = AppTest.from_file(SHELL, default_timeout=300)
    app._registered_pages = _pages()
    if page != "home":
        app.switch_page(f"../../pages/{page}.py")
    app.query_params.update(query)
    return app.run()


@cache
def _pages():
    return AppTest.from_file(SHELL, default_timeout=300).run()._registered_pages


def failures(number, seed, runs, pages=PAGES):
    """Visit addresses; yields page, query and exception of those that fail."""
    for page, query in addresses(number, seed, runs, pages):
        app = visited(page, query)
        if app.exception:
            yield page, query, app.exception[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pages", nargs="+", default=PAGES, choices=PAGES)
    args = parser.parse_args()
    config.set_option("client.showErrorDetails", "full")
    start, kinds = time.monotonic(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CLUSTLAB_RUNS"] = folder
        runs = made(folder)
        for page, query, error in failures(args.number, args.seed, runs, args.pages):
            where = error.stack_trace[-1] if error.stack_trace else ""
            kinds[f"{page}: {error.message} {where}"] += 1
            if kinds[f"{page}: {error.message} {where}"] == 1:
                shown = {name: str(value)[:40] for name, value in query.items()}
                print(page, json.dumps(shown), error.message, where, flush=True)
    n_failed = sum(kinds.values())
    print(f"{args.number:,} addresses, {n_failed} failed, {time.monotonic() - start:.0f} s")
    return n_failed > 0


if __name__ == "__main__":
    sys.exit(main())

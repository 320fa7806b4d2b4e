"""How long a page takes to answer in a real browser: python -m tests.bench.page_latency.

A run of 10,000 items and 50 steps is made up of noise around moving centres (nothing is trained:
only what is drawn matters). Measured are the time from the start of the server to the first usable
page, and from a key press on the step slider to the new frame, idle and while another run trains.
"""

import argparse
import contextlib
import re
import tempfile
import time

import numpy as np

from clustlab.data import library
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import new_run
from clustlab.training.writer import RunWriter
from clustlab.types import Artefact, Dataset, Snapshot
from tests.bench import in_page
from tests.bench.harness import report
from tests.bench.map_frames import MAPS
from tests.support.browser import browser, server

K, WIDTH = 10, 10
WORDS = ".st-key-scrubber [data-testid=stCaptionContainer]"
PAGES = ("embedding", "clusters", "evaluate", "shifts")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--pages", nargs="+", default=list(PAGES))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        made = made_up(store, args.items, args.steps)
        with browser() as chromium, contextlib.ExitStack() as running:
            page = chromium.new_page(
                viewport={"width": 1440, "height": 900},
                reduced_motion="reduce",  # dots glide to their places for 300 ms
            )
            started = time.perf_counter()
            address = running.enter_context(server(store.root))
            page.set_default_timeout(30_000)
            page.goto(address)
            page.get_by_role("button", name="Watch DEC learn digits").wait_for()
            first = time.perf_counter() - started
            rows = [
                {"page": name, **measured(page, f"{address}/{name}?run={made}", args)}
                for name in args.pages
            ]
            start_training(page, address)
            for row in rows:
                busy = measured(page, f"{address}/{row['page']}?run={made}", args)
                row |= {f"{name}, training": value for name, value in busy.items()}
    report("Page latency", rows, first_page_seconds=round(first, 2), **vars(args))
    return 0


def made_up(store: RunStore, n: int, steps: int, seed: int = 0) -> str:
    """Write a finished run of noise around centres that drift apart; return its id."""
    rng = np.random.default_rng(0)  # the items are the same for all seeds
    labels = rng.integers(K, size=n).astype(np.int32)
    items = rng.integers(256, size=(n, 28, 28, 1), dtype=np.uint8)
    names = tuple(str(i) for i in range(K))
    spec = RunSpec("mnist-5k", "dec", preset="quick")
    library._save(
        store.root / "_data" / library.key(spec.dataset, {}, 0),
        Dataset("mnist-5k", items, labels, names, "made up for a bench"),
    )
    run = new_run(store, spec)
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(K, WIDTH)).astype(np.float32)
    noise = rng.normal(size=(n, WIDTH)).astype(np.float32)
    with RunWriter(run) as writer:
        for step in range(steps):
            share = step / max(steps - 1, 1)
            embedding = centers[labels] * (1 + 4 * share) + noise
            distance = ((embedding[:, None] - centers * (1 + 4 * share)) ** 2).sum(2)
            q = 1 / (1 + distance)
            q /= q.sum(1, keepdims=True)
            target = Artefact("per_item", q, "Target", "The target.", columns=names)
            snapshot = Snapshot(
                embedding, q.argmax(1), {"loss": 1 - share}, q, centers, {"p": target}
            )
            writer.append(step, snapshot, {"phase": "cluster", "done": step + 1, "total": steps})
        writer.finish("done", seconds=1.0)
    return run.id


def start_training(page, address: str) -> None:
    """Let DEC train on the same items in the server, for longer than the bench takes."""
    page.goto(f"{address}/train?dataset=mnist-5k&method=dec&dec.preset=standard&dec.epochs=500")
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_text(re.compile(r"^Step [1-9]\d* of")).first.wait_for(timeout=120_000)


def measured(page, address: str, args: argparse.Namespace) -> dict[str, float]:
    """Seconds from a key press on the slider to the frame of the new step being drawn."""
    page.goto(address)
    last = args.steps - 1
    page.get_by_text(re.compile(f"^Step {last} of")).wait_for()
    page.wait_for_timeout(3000)
    slider = page.locator(".st-key-scrub").get_by_role("slider")
    in_page.install(page)
    times = []
    for i in range(args.presses):
        slider.focus()
        words = f"Step {last - 1 - i} of"
        there = f"document.querySelector('{WORDS}')?.textContent.startsWith('{words}')"
        there += f" && {MAPS}.every((map) => map.dataset.step === '{last - 1 - i}')"
        times.append(in_page.seconds(page, lambda: page.keyboard.press("ArrowLeft"), there))
    return in_page.summary(times, "step ms")


if __name__ == "__main__":
    raise SystemExit(main())

"""From a key on the step slider to the finished map of all items: python -m tests.bench.map_frames.

Runs of so many items are made up of noise around moving centres, on tiny images; nothing is
trained. Measured on the page Embedding, idle, with reduced motion, in a browser without a graphics
card: the time until the map of the new step stands there, and until all of the page does; what came
over the network for it, and the memory of the page.
"""

import argparse
import re
import statistics
import tempfile
from pathlib import Path

import numpy as np

from clustlab.data import library
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.writer import RunWriter
from clustlab.types import Dataset, Snapshot
from tests.bench import in_page
from tests.bench.harness import report
from tests.support.browser import browser, server

K, WIDTH, SIDE = 10, 10, 4
MAPS = (
    "[...document.querySelectorAll('[data-testid=stBidiComponentIsolated]')]"
    ".map((e) => e.shadowRoot?.querySelector('.map')).filter(Boolean)"
)
WORDS = "document.querySelector('.st-key-scrubber [data-testid=stCaptionContainer]')?.textContent"
MAP_CLOCK = """() => {
  let start = 0;
  const begin = () => { start = performance.now(); };
  document.addEventListener("keydown", begin, { once: true, capture: true });
  const look = () => {
    if (start && DRAWN) window.map_taken = performance.now() - start;
    else requestAnimationFrame(look);
  };
  look();
}"""
LONG = 600_000  # ms


def made_up(store: RunStore, n: int, steps: int) -> str:
    """Write a finished run of noise around centres that drift apart; return its id."""
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=n).astype(np.int32)
    items = rng.integers(256, size=(n, SIDE, SIDE, 1), dtype=np.uint8)
    names = tuple(map(str, range(K)))
    library._save(store.root / "_data" / f"made-{n}", Dataset("made", items, labels, names))
    run = store.create(
        RunSpec("digits", "kmeans", preset="quick"),
        method_title="k-means",
        dataset_title="Noise",
        data_key=f"made-{n}",
    )
    centers = rng.normal(size=(K, WIDTH)).astype(np.float32)
    noise = rng.normal(size=(n, WIDTH)).astype(np.float32)
    with RunWriter(run) as writer:
        for step in range(steps):
            at = centers * (1 + 4 * step / max(steps - 1, 1))
            found = np.where(rng.random(n) < 0.1, rng.integers(K, size=n), labels)
            snapshot = Snapshot(at[labels] + noise, found, {"loss": 1.0}, centers=at)
            writer.append(step, snapshot, {"phase": "lloyd", "done": step + 1, "total": steps})
        writer.finish("done", seconds=1.0)
    return run.id


def measured(page, address: str, steps: int, pause: int) -> dict[str, float]:
    """Time, bytes and memory of each step from the last to the first."""
    page.goto(address)
    page.get_by_text(re.compile(f"^Step {steps - 1} of")).wait_for(timeout=LONG)
    page.wait_for_timeout(5000)
    slider = page.locator(".st-key-scrub").get_by_role("slider")
    in_page.install(page)
    sent = network(page)
    times, of_map, fetched, socket = [], [], [], []
    for step in reversed(range(steps - 1)):
        page.wait_for_timeout(pause)
        slider.focus()
        before = dict(sent)
        # before maps were drawn by a component there is none to ask
        drawn = f"{MAPS}.every((map) => map.dataset.step === '{step}')"
        there = f"{WORDS}.startsWith('Step {step} of') && {drawn}"
        page.evaluate(MAP_CLOCK.replace("DRAWN", drawn))
        times.append(in_page.seconds(page, lambda: page.keyboard.press("ArrowLeft"), there))
        of_map.append(page.evaluate("window.map_taken") / 1000)
        fetched.append(sent["http"] - before["http"])
        socket.append(sent["websocket"] - before["websocket"])
    heap = page.evaluate("performance.memory?.usedJSHeapSize ?? 0")
    return {
        **in_page.summary(of_map, "map ms"),
        **in_page.summary(times, "page ms"),
        "http kB": round(statistics.median(fetched) / 1e3, 1),
        "websocket kB": round(statistics.median(socket) / 1e3, 1),
        "heap MB": round(heap / 1e6),
    }


def network(page) -> dict[str, int]:
    """Bytes that have come so far, by the way they came; counted from now on."""
    sent = {"http": 0, "websocket": 0}

    def on_http(event):
        sent["http"] += int(event["encodedDataLength"])

    def on_socket(event):
        sent["websocket"] += len(event["response"]["payloadData"]) * 3 // 4  # told in base64

    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", on_http)
    session.on("Network.webSocketFrameReceived", on_socket)
    return sent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[70_000])
    parser.add_argument("--steps", type=int, default=21)
    parser.add_argument("--size", type=int, nargs=2, default=[1440, 900])
    parser.add_argument("--pause", type=int, default=0, help="ms between the page and a key")
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        store = RunStore(Path(folder))
        width, height = args.size
        for n in args.items:
            run = made_up(store, n, args.steps)
            context = chromium.new_context(
                viewport={"width": width, "height": height}, reduced_motion="reduce"
            )
            with server(store.root) as address:
                page = context.new_page()
                page.set_default_timeout(LONG)
                url = f"{address}/embedding?run={run}"
                rows.append({"items": n, **measured(page, url, args.steps, args.pause)})
            context.close()
    report("Frames of a map of all items", rows, **vars(args))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

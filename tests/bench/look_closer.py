"""How long the closer looks take in a real browser: python -m tests.bench.look_closer.

Two made-up runs over the same 10,000 items, 50 steps each. Measured are a brush on the map to its
images, a step of the control on the page Compare, a click on an image to its biography, and a
query after failures, each until the browser has nothing left to draw.
"""

import argparse
import re
import tempfile

from clustlab.analysis.failures import catalogue
from clustlab.runs.store import RunStore
from tests.bench import in_page
from tests.bench.harness import report
from tests.bench.page_latency import made_up
from tests.support.browser import browser, server


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = RunStore(folder)
        runs = [made_up(store, args.items, args.steps, seed) for seed in (0, 1)]
        with browser() as chromium, server(store.root) as address:
            page = chromium.new_page(viewport={"width": 1440, "height": 900})
            page.set_default_timeout(60_000)
            rows = [
                {"what": what, **in_page.summary(measure(page, address, runs, args.repeats))}
                for what, measure in MEASURES.items()
            ]
    report("Looking closer", rows, **vars(args))
    return 0


def opened(page, url: str, words: str) -> None:
    """Open a page and wait until it has settled."""
    page.goto(url)
    page.get_by_text(re.compile(words)).first.wait_for()
    page.wait_for_timeout(4000)
    in_page.install(page)


def brush(page, address: str, runs: list[str], repeats: int) -> list[float]:
    times = []
    for i in range(repeats):
        opened(page, f"{address}/embedding?run={runs[0]}", r"^Step \d+ of")
        box = page.locator(".map").bounding_box()

        def drag(box=box, i=i) -> None:
            page.mouse.move(box["x"] + 150, box["y"] + 120)
            page.mouse.down()
            page.mouse.move(box["x"] + 380 + 10 * i, box["y"] + 420, steps=6)
            page.mouse.up()

        shown = "document.body.textContent.includes('Brushed: ')"
        times.append(in_page.seconds(page, drag, shown))
    return times


def step(page, address: str, runs: list[str], repeats: int) -> list[float]:
    opened(page, f"{address}/compare?runs={','.join(runs)}", r"^Step \d+ of")
    page.get_by_text("Step", exact=True).first.click()
    page.wait_for_timeout(3000)
    slider = page.locator(".st-key-compare-control").get_by_role("slider")
    last = int(slider.get_attribute("aria-valuenow") or slider.input_value())
    times = []
    for i in range(repeats):
        slider.focus()
        there = f"document.body.textContent.includes('Step {last - 1 - i} of')"
        times.append(in_page.seconds(page, lambda: page.keyboard.press("ArrowLeft"), there))
    return times


def biography(page, address: str, runs: list[str], repeats: int) -> list[float]:
    opened(page, f"{address}/clusters?run={runs[0]}", r"^Step \d+ of")
    times, before = [], ""
    for i in range(repeats):
        sheet = page.locator("#sheet").nth(i % 8)
        there = (
            "(document.body.textContent.match(/Item \\d+Cluster/) || [''])[0] != "
            f"'{before}' && document.body.textContent.includes('Its cluster at each step')"
        )
        times.append(
            in_page.seconds(page, lambda s=sheet: s.click(position={"x": 15, "y": 15}), there)
        )
        before = page.evaluate("(document.body.textContent.match(/Item \\d+Cluster/) || [''])[0]")
    return times


def query(page, address: str, runs: list[str], repeats: int) -> list[float]:
    """Every query once, in turn: the first of a kind also searches for neighbours."""
    opened(page, f"{address}/failures?run={runs[0]}", r"^Step \d+ of")
    times = []
    for name in catalogue.names()[1:]:
        button = page.locator(f".st-key-query-{name} button").first
        chosen = f"document.querySelector('.st-key-query-{name} button')?.textContent"
        there = f"{chosen}?.includes('chevron_right')"
        times.append(in_page.seconds(page, button.click, there))
    return times


MEASURES = {
    "brush to images": brush,
    "step on the page Compare": step,
    "click on an image to its biography": biography,
    "query after failures": query,
}

if __name__ == "__main__":
    raise SystemExit(main())

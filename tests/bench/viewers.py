"""What many viewers cost: python -m tests.bench.viewers --viewers 30 --minutes 1.

The app is started as it is, one run is started in it, and viewers open the page of that run: real
sessions over real sockets (see `tests.support.viewer`). In each round the run is first left alone
and then watched, so that what else the machine does touches both; told are steps of the run a
minute, their ratio, and how long the health check takes meanwhile. With `--visits`, the viewers
come and go that many times at the end; told are the memory and the descriptors of the server, and
the memory of what it has started, before and after.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import urllib.request

import psutil

from clustlab.runs.store import RunStore
from tests.bench.harness import report
from tests.support.browser import server
from tests.support.viewer import Viewer

SETTLE = 8.0  # seconds after a change before anything is measured
KEPT_FOR = 125.0  # seconds for which Streamlit keeps the session of a closed tab, and a little more
RUN = "dataset=mnist-5k&method=dec&dec.preset=standard&dec.epochs=1000&form=next"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, nargs="+", default=[30])
    parser.add_argument("--minutes", type=float, default=1.0, help="of each part of a round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--runner", default="", help="process, thread; the default if not given")
    parser.add_argument("--page", default="train")
    parser.add_argument("--visits", type=int, default=0, help="times that the viewers come and go")
    args = parser.parse_args()
    settings = {"CLUSTLAB_WARM_UP": "", **({"CLUSTLAB_RUNNER": args.runner} if args.runner else {})}
    with tempfile.TemporaryDirectory() as folder, server(folder, **settings) as address:
        asyncio.run(measured(args, address, RunStore(folder)))
    return 0


async def measured(args, address, store):
    run = await started(address, store)
    rows = []
    for _ in range(args.rounds):
        for n in args.viewers:
            rows += [await part(args, address, run, 0), await part(args, address, run, n)]
    told = []
    for n in args.viewers:
        pairs = [(rows[i - 1], row) for i, row in enumerate(rows) if row["viewers"] == n]
        told.append(
            {
                "viewers": n,
                "steps a minute, none": median(alone["steps a minute"] for alone, _ in pairs),
                "steps a minute": median(row["steps a minute"] for _, row in pairs),
                "ratio": median(
                    row["steps a minute"] / max(alone["steps a minute"], 0.01)
                    for alone, row in pairs
                ),
                **{key: median(row[key] for _, row in pairs) for key in rows[1] if key in HEALTH},
                **{key: median(row[key] for _, row in pairs) for key in rows[1] if key in LOAD},
            }
        )
    if args.visits:
        told.append(await visited(args, address, run))
    report("Many viewers", told, **vars(args))


HEALTH = ("health median ms", "health p95 ms")
LOAD = (
    "server cpu",
    "steps shown after s",
    "viewers cpu",
    "runs a second",
    "kB a second",
    "errors",
)


def median(values):
    return round(statistics.median(values), 3)


async def started(address, store):
    """A long run, started by the button of its form, as soon as it has taken three steps."""
    async with opened(1, address, "train", RUN) as (viewer,):
        await until(lambda: "Start" in viewer.buttons)
        await viewer.press("Start")
        await until(store.runs)
        run = store.runs()[0]
        await until(lambda: len(run) > 3)
    return run


class opened:
    """Viewers who come one after the other within a second or two, and leave at the end."""

    def __init__(self, n, address, page, query):
        self._viewers = [Viewer(address, page, query) for _ in range(n)]
        self._tasks = []

    async def __aenter__(self):
        for viewer in self._viewers:
            self._tasks.append(asyncio.ensure_future(viewer.watch()))
            await asyncio.sleep(0.05)
        return self._viewers

    async def __aexit__(self, *_):
        ended = [task for task in self._tasks if task.done()]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for task in ended:  # a viewer never leaves by itself
            raise SystemExit(f"a viewer was cut off: {task.exception()!r}")


async def part(args, address, run, n):
    """One part of a round: the run with n viewers."""
    async with opened(n, address, args.page, f"run={run.id}") as viewers:
        await asyncio.sleep(SETTLE)
        before = [(v.bytes, v.runs.total()) for v in viewers]
        health = asyncio.ensure_future(asyncio.to_thread(asked, address, 60 * args.minutes))
        cpu, own, start = cpu_seconds(), own_seconds(), time.time()
        taken = await health
        passed = time.time() - start
        cpu, own = cpu_seconds() - cpu, own_seconds() - own
        sent = sum(v.bytes - b for v, (b, _) in zip(viewers, before, strict=True))
        runs = sum(v.runs.total() - r for v, (_, r) in zip(viewers, before, strict=True))
        seen = [(step, at) for v in viewers for step, at in v.seen.items() if at > start]
        errors = [error for v in viewers for error in v.errors]
    times = [record["time"] for record in run.log if start <= record["time"] <= start + passed]
    if run.status != "running":
        raise SystemExit(f"the run is {run.status}: {run.progress.get('error')}")
    pace = 60 * (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else len(times)
    row = {
        "viewers": n,
        "steps a minute": pace,
        "health median ms": 1000 * statistics.median(taken),
        "health p95 ms": 1000 * sorted(taken)[int(0.95 * len(taken))],
        "server cpu": cpu / passed,
        "viewers cpu": own / passed,
        "steps shown after s": statistics.median(
            [at - run.log[step]["time"] for step, at in seen] or [0.0]
        ),
        "runs a second": runs / passed,
        "kB a second": sent / passed / 1000,
        "errors": len(errors),
    }
    print(json.dumps({k: round(v, 2) for k, v in row.items()}), *errors[:1], flush=True)
    return row


def asked(address, seconds):
    """Seconds that each health check took, ten a second."""
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        start = time.monotonic()
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=60) as answer:
            answer.read()
        taken.append(time.monotonic() - start)
        time.sleep(max(0.0, 0.1 - taken[-1]))
    return taken


async def visited(args, address, run):
    """Memory and descriptors before and after the viewers have come and gone."""
    n = max(args.viewers)
    async with opened(1, address, args.page, f"run={run.id}"):
        await asyncio.sleep(SETTLE)
    await asyncio.sleep(KEPT_FOR)
    before = held()
    print(json.dumps({"before": before}), flush=True)
    for visit in range(args.visits):
        async with opened(n, address, args.page, f"run={run.id}"):
            await asyncio.sleep(SETTLE)
        print(json.dumps({"visit": visit + 1, **held()}), flush=True)
    await asyncio.sleep(KEPT_FOR)
    async with opened(1, address, args.page, f"run={run.id}"):  # lets go of what is too old
        await asyncio.sleep(SETTLE)
    after = held()
    return {
        "viewers": f"{n} x {args.visits}",
        **{f"{key} before": value for key, value in before.items()},
        **{f"{key} after": value for key, value in after.items()},
    }


def processes():
    """The server, which this process has started, then what it has started."""
    return psutil.Process().children(recursive=True)


def held():
    server, *others = processes()
    return {
        "MB": round(server.memory_info().rss / 1e6),
        "MB of workers": round(sum(p.memory_info().rss for p in others) / 1e6),
        "descriptors": server.num_fds(),
        "threads": server.num_threads(),
    }


def cpu_seconds():
    """Processor time of the server itself, with the run if that is a thread of it."""
    times = processes()[0].cpu_times()
    return times.user + times.system


def own_seconds():
    times = os.times()
    return times.user + times.system


async def until(condition, seconds=180.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("waited in vain")
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    raise SystemExit(main())

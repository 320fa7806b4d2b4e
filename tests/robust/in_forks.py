"""Cases that each run in a process of their own, forked from one that has imported everything."""

import argparse
import contextlib
import gc
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

MEMORY = 2**30  # bytes more than what was imported
PATIENCE = 60.0  # seconds
MOST = 100.0  # MB more than what was imported that a process may hold to bring one input in

GoThrough = Callable[[Path, int], None]
"""Makes the case of a number in an empty folder, and raises if anything goes wrong."""


def in_a_fork(action: Callable[[], None], seconds: float) -> tuple[str, float, float]:
    """What went wrong in a child that does something, its seconds, and the MB it held at most.

    The MB are those beyond what it had from the start, which is all that its parent has imported.
    """
    start = time.monotonic()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        code = 1
        try:
            os.dup2(writer, 2)
            gc.freeze()  # to look through all that was imported would copy it
            _, _, about = Path("/proc/self/status").read_text().partition("VmData:")
            most = 1024 * int(about.split()[0]) + MEMORY
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            action()
            more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            os.write(writer, f"\nMB {more / 1024:.0f}".encode())
            code = 0
        except BaseException:  # noqa: BLE001  all that happens is told
            os.write(writer, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(code)
    os.close(writer)
    said, end = b"", start + seconds
    os.set_blocking(reader, False)
    while True:
        with contextlib.suppress(BlockingIOError):
            said += os.read(reader, 2**16)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)
            return "it hangs", time.monotonic() - start, 0.0
        time.sleep(0.01)
    with contextlib.suppress(BlockingIOError):
        while more := os.read(reader, 2**16):
            said += more
    os.close(reader)
    text, _, megabytes = said.decode(errors="replace").rpartition("\nMB ")
    wrong = said.decode(errors="replace") or f"status {status}" if status else ""
    if not wrong and "Traceback" in text:
        wrong = text
    return wrong, time.monotonic() - start, float(megabytes or 0) if not status else 0.0


def tried(go_through: GoThrough, seed: int) -> dict[str, object]:
    """One case: what went wrong, and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        wrong, seconds, megabytes = in_a_fork(lambda: go_through(Path(folder), seed), PATIENCE)
    if not wrong and megabytes > MOST:
        wrong = f"it took {megabytes:.0f} MB"
    return {"seed": seed, "wrong": wrong, "seconds": seconds, "MB": megabytes}


def many(about: str, prepare: Callable[[], None], go_through: GoThrough) -> int:
    """The command that goes through as many cases as it is told; returns its exit code."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    args = parser.parse_args()
    prepare()
    failures, most, longest, start = [], 0.0, 0.0, time.monotonic()
    for seed in range(args.first, args.first + args.cases):
        case = tried(go_through, seed)
        most, longest = max(most, float(case["MB"])), max(longest, float(case["seconds"]))
        if case["wrong"]:
            failures.append(case)
            print(f"{seed}:\n{case['wrong']}", file=sys.stderr, flush=True)
    kinds = Counter(str(case["wrong"]).strip().splitlines()[-1][:160] for case in failures)
    for words, count in kinds.most_common():
        print(f"{count:5} {words}")
    print(
        f"{args.cases} inputs: {len(failures)} failures; at most {most:.0f} MB and {longest:.1f} s "
        f"an input; {time.monotonic() - start:.0f} s in all"
    )
    return int(bool(failures))

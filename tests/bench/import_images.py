"""What it takes to import many small images: python -m tests.bench.import_images --items 60000.

Makes a ZIP archive of JPEG files in ten class folders, looks at its preview, and imports it by the
command in a process of its own. Memory is that of this process and all that it has started,
together at any one time.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from tests.bench.harness import report

DIFFERENT = 500  # files that are made; names make the others
LOOK_EVERY = 0.05  # seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--side", type=int, default=96, help="pixels of an image")
    parser.add_argument("--size", type=int, default=32, help="pixels that it is brought to")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = archive(Path(folder) / "many.zip", args.items, args.side)
        os.environ["CLUSTLAB_DATA"] = str(Path(folder) / "data")
        words = ["import", str(path), "--name", "Many", "--size", str(args.size)]
        rows = [
            measured("preview", [*words, "--preview"], args.items),
            measured("import", words, args.items),
        ]
        size = path.stat().st_size
    report("Importing images", rows, **vars(args), MB=round(size / 1e6, 1))
    return 0


def archive(path: Path, n: int, side: int) -> Path:
    """A ZIP archive of n JPEG files of smooth noise in colour."""
    rng = np.random.default_rng(0)
    files = []
    for _ in range(min(n, DIFFERENT)):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
        out = io.BytesIO()
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
        files.append(out.getvalue())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        for i in range(n):
            made.writestr(f"class {i % 10}/{i:06}.jpg", files[i % len(files)])
    return path


def measured(name: str, words: list[str], n: int) -> dict[str, object]:
    """Seconds of a command, and the most memory that it held with its children."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "clustlab", *words], stdout=subprocess.PIPE, text=True
    )
    most = [0.0]
    watching = threading.Thread(target=watch, args=(psutil.Process(process.pid), most))
    watching.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - start
    watching.join()
    assert process.returncode == 0, said
    answer = json.loads(said.splitlines()[-1])
    assert answer["items"] == n, answer
    return {
        "what": name,
        "seconds": round(seconds, 1),
        "items a second": round(n / seconds),
        "peak MB": round(most[0]),
    }


def watch(process: psutil.Process, most: list[float]) -> None:
    """Note the largest sum of memory until a process ends; pages that are shared count once."""
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        held = 0.0
        for each in (process, *process.children(recursive=True)):
            try:
                held += each.memory_full_info().pss / 2**20
            except (psutil.Error, OSError):  # it has ended
                continue
        most[0] = max(most[0], held)
        time.sleep(LOOK_EVERY)


if __name__ == "__main__":
    raise SystemExit(main())

"""Export every method with a scorer: python -m tests.robust.exported_models.

Each is trained for a moment on every kind of items that it accepts, and exported. What was written
must answer as the run does; see `test_model_export.py` and, for `--to onnx`, `test_onnx.py`.
"""

import argparse
import sys
import tempfile
import traceback
from pathlib import Path

from clustlab import registry
from clustlab.runs.store import RunStore
from clustlab.scripting.runs import open_run
from tests.methods.test_scorers import IMAGES, POINTS, SCORING, trained
from tests.scripting import test_model_export, test_onnx


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", default=list(SCORING))
    parser.add_argument("--to", choices=("torch", "onnx"), default="torch")
    args = parser.parse_args()
    checked = test_onnx.check if args.to == "onnx" else test_model_export.check
    tried = failed = 0
    for method in args.methods:
        for data, kind in ((IMAGES, "images"), (POINTS, "points")):
            if kind not in registry.method(method).accepts:
                continue
            tried += 1
            with tempfile.TemporaryDirectory() as place:
                store = RunStore(Path(place) / "runs")
                try:
                    run = open_run(trained(store, method, data).id, store.root)
                    checked(run, Path(place) / "model")
                except Exception:  # noqa: BLE001  all that happens is told
                    failed += 1
                    print(f"{method} on {kind}:\n{traceback.format_exc()}", file=sys.stderr)
    print(f"{tried} models, {failed} of them wrong")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

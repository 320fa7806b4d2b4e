import atexit
import functools
import gc
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

# The user's own folders stay untouched: everything that looks for a home finds an empty one.
# Only the browser may be where Playwright has put it.
_home = Path(tempfile.mkdtemp(prefix="clustlab-tests-"))
atexit.register(shutil.rmtree, _home, ignore_errors=True)
_browsers = Path.home() / ".cache" / "ms-playwright"
if _browsers.is_dir():
    os.environ.setdefault("PLAYWRIGHT_BROWSERS_PATH", str(_browsers))
os.environ.update(
    {
        "HOME": str(_home),
        "XDG_CACHE_HOME": str(_home / "cache"),
        "XDG_CONFIG_HOME": str(_home / "config"),
        "XDG_DATA_HOME": str(_home / "data"),
        "TORCH_HOME": str(_home / "torch"),
        "MPLCONFIGDIR": str(_home / "matplotlib"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(_home / "hypothesis"),
        "CLUSTLAB_RUNS": str(_home / "clustlab-runs"),
    }
)
for name in ("STREAMLIT_SERVER_PORT", "FORCE_COLOR"):
    os.environ.pop(name, None)
os.environ["CLUSTLAB_RUNNER"] = "thread"  # a process of its own takes seconds to begin
# A core for each worker: threads of their own would take it from the other one.
for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# What tests leave is little beside all that they import, and looking through that takes long.
gc.set_threshold(50_000, 20, 20)

# The first two workers get the tests in a browser, which take longest: the others come second.
if os.environ.get("PYTEST_XDIST_WORKER", "gw0") not in ("gw0", "gw1"):
    os.nice(5)

import hypothesis  # noqa: E402
import pytest  # noqa: E402

from clustlab.runs.store import RunSpec, RunStore  # noqa: E402
from clustlab.training import estimate  # noqa: E402

hypothesis.settings.register_profile(
    "clustlab", derandomize=True, database=None, deadline=None, print_blob=False
)
hypothesis.settings.register_profile(  # of --quick: the same properties on fewer examples
    "quick", hypothesis.settings.get_profile("clustlab"), max_examples=20
)
hypothesis.settings.load_profile("clustlab")


def pytest_collection_modifyitems(items):
    """Tests in a browser come first, folder by folder, then files with long ones or with many.

    Each file goes to one worker: a large one begun last would leave the others idle at the end.
    """
    long = {item.path for item in items if item.get_closest_marker("slow")}
    n_tests = Counter(item.path for item in items)
    items.sort(
        key=lambda item: (
            not item.get_closest_marker("browser"),
            str(item.path.parent) if item.get_closest_marker("browser") else "",
            item.path not in long,
            -n_tests[item.path],
            item.path,
        )
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """A file belongs to one worker; so does a folder of browser tests: they share app and runs."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return file.rpartition("/")[0] if file.startswith("tests/browser/") else file

    return ByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def measured_once():
    """The speed of the machine is measured once, not anew for each empty folder of runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_linear_rate", "_conv_rate"):
            patch.setattr(estimate, name, functools.cache(getattr(estimate, name)))
        yield


@pytest.fixture
def store(tmp_path):
    """An empty folder of runs."""
    return RunStore(tmp_path / "runs")


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Make the fake method the only one; returns a maker of its specs, small by default."""
    from tests.support import fakes

    fakes.install(monkeypatch.setattr)
    # what commands remember of methods goes by the code alone, which is that of the true ones
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def spec(*, seed=0, n=40, continues=None, device="auto", **params):
        return RunSpec(
            "toy", "fake", {"n": n}, params, seed=seed, continues=continues, device=device
        )

    return spec


@pytest.fixture
def wait_for():
    """Wait until a condition holds, and fail with its name if it never does."""

    def wait(condition, seconds=120.0):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"waited {seconds} s in vain"
            time.sleep(0.01)
        return found

    return wait

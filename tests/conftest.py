import atexit
import os
import shutil
import tempfile
import time
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
for name in ("CLUSTLAB_RUNNER", "STREAMLIT_SERVER_PORT", "FORCE_COLOR"):
    os.environ.pop(name, None)

import hypothesis  # noqa: E402
import pytest  # noqa: E402

from clustlab.runs.store import RunSpec, RunStore  # noqa: E402

hypothesis.settings.register_profile(
    "clustlab", derandomize=True, database=None, deadline=None, print_blob=False
)
hypothesis.settings.load_profile("clustlab")


@pytest.fixture
def store(tmp_path):
    """An empty folder of runs."""
    return RunStore(tmp_path / "runs")


@pytest.fixture
def fake(monkeypatch):
    """Make the fake method the only one; returns a maker of its specs, small by default."""
    from tests.support import fakes

    fakes.install(monkeypatch.setattr)

    def spec(*, seed=0, n=40, continues=None, device="auto", **params):
        return RunSpec(
            "toy", "fake", {"n": n}, params, seed=seed, continues=continues, device=device
        )

    return spec


@pytest.fixture(scope="module")
def chromium():
    """A browser for all tests of a file."""
    from tests.support.browser import browser

    with browser() as found:
        yield found


@pytest.fixture
def page(chromium):
    """An empty page of its own, which must not end with an error in its console."""
    from tests.support.browser import PATIENCE, SIZE, Watch

    context = chromium.new_context(viewport=SIZE)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    watch = Watch(opened)
    yield opened
    context.close()
    assert watch.problems == []


@pytest.fixture
def wait_for():
    """Wait until a condition holds, and fail with its name if it never does."""

    def wait(condition, seconds=20.0):
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"waited {seconds} s in vain"
            time.sleep(0.01)
        return found

    return wait

import functools

import pytest
from streamlit.components.v2 import manifest_scanner

from clustlab.runs.store import RunStore


@pytest.fixture(autouse=True, scope="session")
def scanned_once():
    """Installed packages are searched for components once, as a server does, not at each run."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Folder of runs that the pages look at."""
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))
    return RunStore()

"""Importing and compiling what is slow while nobody waits for it yet."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from clustlab.runs.store import RunStore
from clustlab.ui.server import housekeeping

log = logging.getLogger(__name__)

FIRST_PAGE = 6.0
"""Seconds that the warm-up waits for the first visitor before it goes on without one."""


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Warm up what is slow once the server is up; CLUSTLAB_WARM_UP=no keeps it to the pages."""
    housekeeping.begin()
    threading.Thread(target=_warm_up, name="clustlab-warm-up", daemon=True).start()
    yield {}


def _warm_up() -> None:
    """Import what pages need while the browser loads, then what training needs, then measure."""
    from clustlab.ui import session

    session.a_page_is_drawn.wait(timeout=FIRST_PAGE)  # importing torch would hold it up by 1.3 s
    if os.environ.get("CLUSTLAB_WARM_UP") == "no":
        return
    session.prepare_runner()  # at full priority: a click on Home may wait for it

    from clustlab import registry
    from clustlab.training.estimate import Machine
    from clustlab.training.runner import import_late_parts, yield_to_server

    import_late_parts()  # pages use them, too
    yield_to_server()
    registry.datasets()
    Machine(session.store().root).measure()
    _prepare_umap(session.store())


def _prepare_umap(store: RunStore) -> None:
    """Compile UMAP without getting into the way of a run.

    Importing it compiles for half a minute on a fresh machine and holds locks that a run may need,
    so a child fills numba's cache on disk first. The rest waits until nothing trains.
    """
    code = "import os; os.nice(15); from clustlab.analysis import projection; projection.warm_up()"
    root = Path(__file__).parents[3]
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=False, capture_output=True, text=True
    )
    if child.returncode:
        log.warning("UMAP could not be prepared: %s", child.stderr.strip().splitlines()[-1:])
        return
    while any(run.is_active for run in store.runs()):
        time.sleep(5)
    from clustlab.analysis import projection

    projection.warm_up()

"""Plain HTTP beside the pages: health, and single item images for tooltips."""

import importlib
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

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clustlab.errors import ClustlabError
from clustlab.runs.store import RunStore

log = logging.getLogger(__name__)

FIRST_PAGE = 6.0
"""Seconds that the warm-up waits for the first visitor before it goes on without one."""


async def health(request: Request) -> Response:
    """Answer that the server is up, and how many runs are active."""
    from clustlab.ui import session

    active = sum(run.is_active for run in session.store().runs())
    return JSONResponse({"status": "ok", "active_runs": active})


def item_image(request: Request) -> Response:
    """PNG of one item of a run, enlarged; the browser may keep it, since items never change."""
    from clustlab.ui import session
    from clustlab.views import sheets

    try:
        run = session.store().run(request.path_params["run"])
        items = session.items(run)
        index = int(request.path_params["index"])
        if not 0 <= index < len(items):
            return Response(status_code=404)
        png = sheets.png(sheets.tile(items, index, size=112))
    except ClustlabError:
        return Response(status_code=404)
    return Response(png, media_type="image/png", headers={"Cache-Control": "max-age=86400"})


async def not_here(request: Request) -> Response:
    """Answer Streamlit's front end, which asks under a page's address where the server lives.

    Any refusal makes it ask at the root. This one does not count as a failure in the browser's
    console, as 404 would.
    """
    return Response(status_code=304)


routes = [
    Route("/{page}/_stcore/health", not_here),
    Route("/{page}/_stcore/host-config", not_here),
    Route("/api/healthz", health),
    Route("/api/item/{run}/{index:int}.png", item_image),
]


def item_url(run_id: str) -> str:
    """Address of the item images of a run, with the place of the item's number."""
    return f"/api/item/{run_id}/{{index}}.png"


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Warm up what is slow once the server is up; CLUSTLAB_WARM_UP=no keeps it to the pages."""
    threading.Thread(target=_warm_up, name="clustlab-warm-up", daemon=True).start()
    yield {}


def _warm_up() -> None:
    """Import what pages need while the browser loads, then what training needs, then measure."""
    importlib.import_module("clustlab.ui.train.cards")  # of Home
    from clustlab.ui import session

    session.a_page_is_drawn.wait(timeout=FIRST_PAGE)  # importing torch would hold it up by 1.3 s
    importlib.import_module("clustlab.ui.train.live")  # all views of a run
    if os.environ.get("CLUSTLAB_WARM_UP") == "no":
        return
    session.prepare_runner()  # at full priority: a click on Home may wait for it

    from clustlab import registry
    from clustlab.training.estimate import Machine
    from clustlab.training.runner import yield_to_server

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

"""Plain HTTP beside the pages: health, and single item images for tooltips."""

import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clustlab.errors import ClustlabError

log = logging.getLogger(__name__)


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


routes = [
    Route("/api/healthz", health),
    Route("/api/item/{run}/{index:int}.png", item_image),
]


def item_url(run_id: str) -> str:
    """Address of the item images of a run, with the place of the item's number."""
    return f"/api/item/{run_id}/{{index}}.png"


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Warm up what is slow to import once the server is up, at low priority."""
    threading.Thread(target=_warm_up, name="clustlab-warm-up", daemon=True).start()
    yield {}


def _warm_up() -> None:
    """Import torch and the methods, then compile UMAP; failures show up where they matter."""
    from clustlab.runner import yield_to_server

    yield_to_server()
    from clustlab import registry
    from clustlab.analysis import projection
    from clustlab.estimate import Machine
    from clustlab.ui import session

    registry.methods()
    registry.datasets()
    Machine(session.store().root).measure()
    try:
        projection.warm_up()
    except (ImportError, RuntimeError) as error:
        log.warning("UMAP could not be prepared: %s", error)

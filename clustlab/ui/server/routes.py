"""Plain HTTP beside the pages: health, item images for tooltips, and what maps draw."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clustlab.errors import ClustlabError
from clustlab.ui.server import access, ahead, map_scripts
from clustlab.ui.server.pulse import pulse
from clustlab.ui.server.put_down import PATH, put_down

FOR_GOOD = "private, max-age=31536000, immutable"
LONGEST_INDEX = 12  # digits; no data set has as many items
MOST_IMAGES = 200  # of items in one answer
LARGE, SMALL = 112, 64  # pixels that the side of an image has: of one alone, and of one of many


async def health(request: Request) -> Response:
    """Answer that the server is up, and how many runs are active."""
    from clustlab.ui import session

    active = sum(run.is_active for run in session.store().runs())
    return JSONResponse({"status": "ok", "active_runs": active})


def item_image(request: Request) -> Response:
    """PNG of one item of a run, enlarged; the browser may keep it, since items never change.

    For several numbers joined by hyphens, their items one below the other, each a square. 404 if
    there is no such item, or its run cannot be read; 403 without a login where one is needed.
    """
    from clustlab.ui import session
    from clustlab.views import sheets

    if access.needs_login() and request.url.query != access.KEY:
        return Response(status_code=403)
    wanted = request.path_params["index"].split("-", MOST_IMAGES)
    if len(wanted) > MOST_IMAGES or not all(map(_is_number, wanted)):
        return Response(status_code=404)
    indices = list(map(int, wanted))
    try:
        pictures = session.dataset(session.store().run(request.path_params["run"])).pictures
    except (ClustlabError, OSError, ValueError):
        return Response(status_code=404)
    if max(indices) >= len(pictures):
        return Response(status_code=404)
    png = sheets.png(sheets.column(pictures, indices, LARGE if len(indices) == 1 else SMALL))
    return Response(png, media_type="image/png", headers={"Cache-Control": "max-age=86400"})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_INDEX


async def content(request: Request) -> Response:
    """What a page has put down; the browser may keep it, since an address means its content.

    404 if it is not there any more; 403 without a login where one is needed.
    """
    if access.needs_login() and request.url.query != access.KEY:
        return Response(status_code=403)
    found = put_down.get(request.path_params["name"])
    if found is None:
        return Response(status_code=404)
    # "identity", or it would be compressed, which takes longer than to send it
    headers = {"Cache-Control": FOR_GOOD, "Content-Encoding": "identity"}
    return Response(found, media_type="application/octet-stream", headers=headers)


def next_steps(request: Request) -> Response:
    """Addresses of what a page will need next, as JSON; it is worked out now.

    404 if nobody knows of it any more, or it cannot be had; 403 without a login where one is
    needed.
    """
    if access.needs_login() and request.url.query != access.KEY:
        return Response(status_code=403)
    work = ahead.work_of(request.path_params["name"])
    if work is None:
        return Response(status_code=404)
    try:
        return JSONResponse(work())
    except (ClustlabError, OSError, ValueError):
        return Response(status_code=404)  # whoever goes there is told why


async def script(request: Request) -> Response:
    """A script of the maps, as it was when its address was made; 404 for any other."""
    found = map_scripts.script(request.path_params["version"], request.path_params["name"])
    if found is None:
        return Response(status_code=404)
    return Response(found, media_type="text/javascript", headers={"Cache-Control": FOR_GOOD})


async def nothing(request: Request) -> Response:
    """Answer what is no address of this interface: Streamlit would send its page."""
    return Response(status_code=404)


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
    Route("/api/pulse", pulse),
    Route("/api/item/{run}/{index}.png", item_image),
    Route(PATH + "{name}", content),
    Route(ahead.PATH + "{name}", next_steps),
    Route(map_scripts.PATH + "{version}/{name}", script),
    Route("/api", nothing),
    Route("/api/{rest:path}", nothing),
]


def item_url(run_id: str) -> str:
    """Address of the item images of a run, with the place of the item's number."""
    key = f"?{access.KEY}" if access.needs_login() else ""
    return f"/api/item/{run_id}/{{index}}.png{key}"

"""News of runs by plain HTTP, for pages that follow them: no session, no script, no redraw."""

from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clustlab.ui.pace import pace
from clustlab.ui.server import access

MOST_RUNS = 16  # that one page follows
LONGEST = 128  # letters of a name


async def pulse(request: Request) -> Response:
    """Answer with the state of the runs asked for, and the seconds until the next look.

    403 without a login where one is needed.
    """
    from clustlab.ui.widgets import live

    asked = parse_qs(request.url.query)
    if access.needs_login() and asked.get("key") != [access.KEY]:
        return Response(status_code=403)
    runs = [run for run in asked.get("run", []) if len(run) <= LONGEST][:MOST_RUNS]
    news, awaits = await run_in_threadpool(
        lambda: (live.news(runs, "progress"), live.awaits_first_step(runs))
    )
    return JSONResponse({"news": news, "next": pace.next_look(awaits_first_step=awaits)})

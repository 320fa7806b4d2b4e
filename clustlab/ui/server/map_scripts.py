"""The scripts of the maps on the pages: those of replay pages, and the one that fits them in."""

import hashlib
from functools import cache
from importlib import resources

from clustlab.replay import html

PATH = "/api/scripts/"
OF_REPLAYS = ("raster.js", "strokes.js", "map.js", "drawing.js")
OWN = "point_map.js"


@cache
def _scripts() -> dict[str, str]:
    own = (resources.files("clustlab.ui.maps") / OWN).read_text("utf-8")
    return {OWN: own, **{name: html.asset(name) for name in OF_REPLAYS}}


@cache
def _version() -> str:
    whole = "\n".join(_scripts().values())
    return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()


def address() -> str:
    """Address of the script that draws maps, which imports the others from beside it."""
    return f"{PATH}{_version()}/{OWN}"


def script(version: str, name: str) -> str | None:
    """Text of a script; None if there is no such one, or not of this version."""
    return _scripts().get(name) if version == _version() else None

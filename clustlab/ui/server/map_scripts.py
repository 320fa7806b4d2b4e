"""The scripts of the maps on the pages: those of replay pages, and the one that fits them in."""

import hashlib
from functools import cache
from importlib import resources

from clustlab.replay import html

PATH = "/api/scripts/"
OF_REPLAYS = ("finding.js", "raster.js", "strokes.js", "map.js", "drawing.js")
OWN = "point_map.js"
BESIDE = "item_images.js"  # which it imports


@cache
def _scripts() -> dict[str, str]:
    folder = resources.files("clustlab.ui.maps")
    own = {name: (folder / name).read_text("utf-8") for name in (OWN, BESIDE)}
    return own | {name: html.asset(name) for name in OF_REPLAYS}


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

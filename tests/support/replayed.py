"""A replay page, taken apart again: its facts, its arrays and its picture of all images."""

import base64
import io
import json
import re
from types import SimpleNamespace

import numpy as np
from PIL import Image

from clustlab.replay.packing import unpacked

FACTS = re.compile(r'<script type="application/json" id="facts">(.*?)</script>', re.DOTALL)
PACK = re.compile(r'<script type="text/plain" id="pack-([\w-]+)">(.*?)</script>')


def opened(html):
    """Facts, arrays of items, of each run and of the pair, and the picture of a page."""
    text = html.decode()
    facts = json.loads(FACTS.search(text)[1])
    packs = {name: base64.b64decode(data) for name, data in PACK.findall(text)}
    picture = Image.open(io.BytesIO(packs["atlas"]))
    return SimpleNamespace(
        text=text,
        facts=facts,
        items=unpacked(packs["items"], facts["arrays"]),
        runs=[unpacked(packs[f"run-{i}"], r["arrays"]) for i, r in enumerate(facts["runs"])],
        pair=unpacked(packs["pair"], facts["pair"]) if "pair" in facts else None,
        picture=np.asarray(picture),
    )


def clusters(arrays, facts, place):
    """Clusters (n,) of the items of a run at one of its places, -1 for noise."""
    own = arrays["cluster"][place].astype(int)
    return np.where(own >= facts["n_ids"], -1, own)


def table(arrays, name, place, rows, columns):
    """Counts (rows, columns) of one place."""
    start, end = arrays[f"{name}.start"][place : place + 2]
    counts = np.zeros(rows * columns, int)
    counts[arrays[f"{name}.cell"][start:end]] = arrays[f"{name}.count"][start:end]
    return counts.reshape(rows, columns)


def tile(page, item):
    """Picture of an item on the page."""
    side, columns = page.facts["atlas"]["side"], page.facts["atlas"]["columns"]
    top, left = item // columns * side, item % columns * side
    return page.picture[top : top + side, left : left + side, :3]

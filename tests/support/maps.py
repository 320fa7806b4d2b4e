"""The maps of a page as the browser gets them."""

import json

import numpy as np

from clustlab.ui.server.put_down import content_of


def maps(app):
    """What is handed to the browser for each map of a page, in order."""
    drawn = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.json]
    return [data for data in drawn if isinstance(data, dict) and "scene" in data]


def scenes(app):
    """All but the dots of each map of a page."""
    return [scene_of(data) for data in maps(app)]


def scene_of(data):
    return json.loads(content_of(data["scene"]))


def places_of(data):
    """Places (2, n) of the dots of a map."""
    return np.frombuffer(content_of(data["dots"]), np.uint16).reshape(2, -1)


def chosen_in(data):
    """Places of the dots of a map that are selected."""
    if data["chosen"] is None:
        return []
    bits = np.frombuffer(content_of(data["chosen"]), np.uint8)
    return np.flatnonzero(np.unpackbits(bits, bitorder="little")).tolist()

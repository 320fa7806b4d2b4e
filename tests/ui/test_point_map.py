"""Maps of all items on the pages: what the browser gets, and what it tells back."""

import json

import numpy as np
import pytest
import streamlit as st
from starlette.applications import Starlette

from clustlab.errors import ParameterError
from clustlab.ui import session
from clustlab.ui.look import embedding
from clustlab.ui.maps import point_map
from clustlab.ui.server import ahead, map_scripts, put_down, routes
from clustlab.ui.server.put_down import PutDown, address_of, content_of
from clustlab.views import scatter
from tests.support import made_runs
from tests.support.asked import answer_to
from tests.support.maps import chosen_in, maps, places_of, scene_of
from tests.ui.test_pages import visit, words

APP = Starlette(routes=routes.routes)
N = 3000  # more than charts draw
CLUSTERS = np.arange(N) % 3
FULL = 65535


# -- what is put down ------------------------------------------------------------------------------
def test_equal_content_has_one_name_and_the_oldest_goes_when_there_is_no_room():
    kept = PutDown(room=25)
    one, other = kept.put(b"a" * 10), kept.put(b"b" * 10)
    assert kept.put(b"a" * 10) == one != other
    third = kept.put(b"c" * 10)  # the first was asked for since the second
    assert [kept.get(name) for name in (one, other, third)] == [b"a" * 10, None, b"c" * 10]
    huge = kept.put(b"d" * 100)
    assert kept.get(huge) == b"d" * 100
    assert kept.get(third) is None
    assert kept.get(kept.put(b"e")) == b"e"


def test_content_is_sent_as_it_is_and_may_be_kept_for_good():
    address = address_of(b"\x00\x01" * 600)
    status, kind, body = answer_to(APP, address)
    assert (status, kind) == (200, "application/octet-stream")
    assert body == content_of(address) == b"\x00\x01" * 600
    for name in ("0" * 32, "x", "..", ""):
        assert answer_to(APP, put_down.PATH + name)[0] == 404
        assert content_of(put_down.PATH + name) is None
    assert content_of("/api/item/a/0.png") is None


def test_scripts_are_sent_at_their_address_and_are_those_of_replay_pages():
    address = map_scripts.address()
    status, kind, body = answer_to(APP, address)
    assert status == 200
    assert kind.startswith("text/javascript")
    assert 'import { createMap } from "./map.js";' in body.decode()
    folder = address.removesuffix(map_scripts.OWN)
    assert b"export function createMap(" in answer_to(APP, f"{folder}map.js")[2]
    assert answer_to(APP, f"{folder}replay.js")[0] == 404
    assert answer_to(APP, f"{map_scripts.PATH}0/map.js")[0] == 404


# -- a page ------------------------------------------------------------------------------------
@pytest.fixture
def run(runs):
    made_runs.data(runs, n=N, labels=CLUSTERS)
    return made_runs.run(runs, [CLUSTERS, np.roll(CLUSTERS, 1)])


def test_every_item_is_drawn_and_the_websocket_carries_addresses(run):
    app = visit("embedding", run=run.id)
    (data,) = maps(app)
    points = session.timeline(run).points(1)
    assert places_of(data).shape == (2, N)
    shown = (places_of(data) / FULL * 4 - 2).T * 1.15
    np.testing.assert_allclose(shown, points, atol=2 * 1.15 / FULL)
    (element,) = [e for e in app.get("bidi_component") if e.proto.json and "scene" in e.proto.json]
    assert len(element.proto.json) < 1000
    assert len(element.proto.js_content) < 500
    scene = scene_of(data)
    assert (scene["step"], scene["n"]) == (1, N)
    assert scene["label"].startswith("PCA of the 2-d embedding: 3,000 dots, coloured by cluster.")
    assert "Enter selects what is in view" in scene["label"]
    assert f"of {N:,} shown" not in words(app)


def test_another_step_keeps_what_is_the_same_at_its_address(run):
    now, before = (maps(visit("embedding", run=run.id, step=str(i)))[0] for i in (1, 0))
    assert now["dots"] != before["dots"]
    assert (now["name"], now["script"]) == (before["name"], before["script"])
    assert maps(visit("embedding", run=run.id, step="1"))[0] == now


def test_what_the_steps_beside_need_is_put_down_when_the_browser_asks(run):
    (now,) = maps(visit("embedding", run=run.id, step="1"))
    path, _, query = now["ahead"].partition("?")
    status, kind, body = answer_to(APP, path, query=query)
    assert (status, kind) == (200, "application/json")
    (before,) = maps(visit("embedding", run=run.id, step="0"))
    assert json.loads(body) == [before["scene"], before["dots"], before["codes"]]
    assert before["ahead"] != now["ahead"]
    app = visit("embedding", run=run.id, step="1")
    (by_class,) = maps(app.selectbox(key="colour").select("class").run())
    assert by_class["ahead"] != now["ahead"]
    assert answer_to(APP, f"{ahead.PATH}{'0' * 32}")[0] == 404


def test_work_named_last_is_known_and_work_that_fails_is_not_there():
    def fails():
        raise ParameterError("No.", "Yes.")

    address = ahead.address_of("fails", fails)
    assert answer_to(APP, address)[0] == 404
    first = ahead.address_of("first", list)
    assert answer_to(APP, first)[2] == b"[]"
    for i in range(ahead.MOST):
        ahead.address_of(str(i), list)
    assert answer_to(APP, first)[0] == 404


def test_what_is_selected_comes_as_a_bit_for_each_dot(run):
    app = visit("embedding", run=run.id)
    assert maps(app)[0]["chosen"] is None
    app.session_state["selected"] = ([3, 17, N - 1], "Brushed")
    app.session_state["picked"] = 17
    app.run()
    (data,) = maps(app)
    assert chosen_in(data) == [3, 17, N - 1]
    assert data["ringed"] == 17
    assert "3 are selected" in scene_of(data)["label"]
    assert len(scene_of(data)["wakes"]) == 3


# -- what the browser tells --------------------------------------------------------------------
ALL = {"shape": "rectangle", "corners": [[0, 0], [FULL, 0], [FULL, FULL], [0, FULL]]}
ALL["rim"] = [[0, 0], [FULL, FULL]]


@pytest.fixture
def told():
    """What is handed to the browser for a map of three dots, of the items 4, 6 and 9."""
    table = scatter.dots(np.array([[-1.0, 0], [0, 0], [1, 0]]), np.array([0, 1, 0]))
    table["index"] = [4, 6, 9]
    return point_map.PointMap(table=table, square=(0.0, 0.0, 1.0), label="A map", step=0).data()


@pytest.fixture
def in_session(monkeypatch):
    """A session outside a page."""
    state = {}
    monkeypatch.setattr(st, "session_state", state)
    monkeypatch.setattr(session.state.ITEM_IN_ADDRESS.__class__, "set", lambda *_: None)
    monkeypatch.setattr(session.state.ITEM_IN_ADDRESS.__class__, "drop", lambda *_: None)
    return state


def take(message):
    taken = []
    point_map._take(message, np.array([4, 6, 9]), lambda items, how: taken.append((items, how)))
    return [(items.tolist(), how) for items, how in taken]


def test_dots_are_found_where_the_browser_has_drawn_them(told, in_session):
    left = {**ALL, "shape": "polygon", "corners": [[0, 0], [40000, 0], [40000, FULL], [0, FULL]]}
    assert take({"dots": told["dots"], "area": left, "adds": False}) == [([4, 6], "Lassoed")]
    assert take({"dots": told["dots"], "area": ALL}) == [([4, 6, 9], "Brushed")]
    assert take({"dots": put_down.PATH + "0" * 32, "area": ALL}) == []  # of a server before this


def test_only_the_colours_that_are_shown_are_found(told, in_session):
    message = {"dots": told["dots"], "codes": told["codes"], "only": [0], "area": ALL}
    assert take(message) == [([4, 9], "Brushed")]


def test_dots_are_added_to_those_selected(told, in_session):
    in_session["selected"] = ([2, 9], "Brushed")
    right = {**ALL, "corners": [[40000, 0], [FULL, 0], [FULL, FULL], [40000, FULL]]}
    assert take({"dots": told["dots"], "area": right, "adds": True}) == [([2, 9], "Brushed")]
    assert take({"dots": told["dots"], "area": ALL, "adds": True}) == [([2, 4, 6, 9], "Brushed")]


def test_a_dot_opens_its_item_and_the_ground_clears_the_selection(told, in_session):
    assert take({"dots": told["dots"], "dot": 1}) == []
    assert in_session["picked"] == 6
    in_session["selected"] = ([2], "Brushed")
    assert take({"clear": True}) == []
    assert in_session["selected"] == ([], "")
    assert in_session["picked"] is None


def test_items_that_are_not_all_have_their_numbers(told):
    items = np.frombuffer(content_of(scene_of(told)["items"]), np.uint32)
    assert items.tolist() == [4, 6, 9]


def test_what_is_in_sight_holds_the_dots_of_every_step_and_little_more(run):
    points = np.concatenate([session.timeline(run).points(step) for step in range(2)])
    x, y, across, up = embedding.in_sight(run)
    low, high = points.min(0), points.max(0)
    assert (low >= [x - across, y - up]).mean() == 1
    assert (high <= [x + across, y + up]).mean() == 1
    assert 2 * across <= 1.2 * (high - low)[0]
    frame = scene_of(maps(visit("embedding", run=run.id))[0])["frame"]
    assert frame["width"] == pytest.approx(2 * across / (4 * 1.15))
    assert frame["y"] == pytest.approx(0.5 + y / (4 * 1.15))


def test_the_inspector_has_a_column_once_something_is_chosen(run):
    app = visit("embedding", run=run.id)
    assert "What happened at step 1" in words(app)
    assert widest(app) > 0.99
    app.session_state["picked"] = 3
    app.run()
    assert "Item 3" in words(app)
    assert widest(app) == pytest.approx(0.6)


def widest(app):
    """Share of the width that the column of the map has."""
    (weight,) = (column.weight for column in app.columns if maps(column))
    return weight

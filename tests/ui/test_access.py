"""Who may talk to the server, and what it says to the others."""

import ast
import io
import re
import socket
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Mount, WebSocketRoute
from streamlit import config
from streamlit.testing.v1 import AppTest

from clustlab.ui import session
from clustlab.ui.server import access, ahead
from clustlab.ui.server import routes as routes_module
from clustlab.ui.server.put_down import address_of
from clustlab.ui.server.routes import item_url, routes
from tests.support import made_runs
from tests.support.asked import answer_to

ROOT = Path(__file__).parents[2]


async def _talk(websocket):
    await websocket.accept()


# The application without Streamlit, of which one process can make only one: a page of its own takes
# what no route takes, as Streamlit's does.
APP = Starlette(
    routes=[*routes, WebSocketRoute("/_stcore/stream", _talk), Mount("/", HTMLResponse("<html>"))],
    middleware=[Middleware(access.KnownHosts)],
)


@pytest.fixture
def configured():
    """Set options of Streamlit for one test."""
    before = {}

    def set_options(**options):
        for name, value in options.items():
            key = name.replace("_", ".", 1)
            before.setdefault(key, st.get_option(key))
            config.set_option(key, value)

    yield set_options
    for key, value in before.items():
        config.set_option(key, value)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run whose images can be asked for."""
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path))
    steps = [made_runs.hard(np.arange(12) % 3, 3)]
    return made_runs.write(session.store(), steps, made_runs.dataset(12))


# -- names -------------------------------------------------------------------------------------
OWN = ("localhost", "localhost:8501", "127.0.0.1:8501", "[::1]:8501", "192.168.1.7:80", "LocalHost")
FOREIGN = ("evil.example", "evil.example:8501", "localhost.evil.example", "", "a@localhost", "[::1")


@pytest.mark.parametrize("host", OWN)
def test_a_server_answers_to_its_own_names(host):
    assert answer_to(APP, "/", host=host)[0] == 200


@pytest.mark.parametrize("host", [*FOREIGN, "localhost/x", "localhost:x", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/", "/api/healthz", "/api/item/a/1.png", "/_stcore/health"])
def test_a_foreign_name_is_refused_everywhere_with_a_remedy(host, path):
    status, kind, body = answer_to(APP, path, host=host)
    assert status == 403
    assert kind.startswith("text/plain")
    assert repr(host) in body.decode()
    assert "server.allowedHosts" in body.decode()


def test_a_request_without_a_name_is_refused():
    assert answer_to(APP, "/", host=None)[0] == 403


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_gets_no_websocket(host):
    assert answer_to(APP, "/_stcore/stream", host=host, kind="websocket")[0] == 403
    assert answer_to(APP, "/_stcore/stream", host="localhost:1", kind="websocket")[0] == 101


def test_names_can_be_given_to_a_server(configured):
    configured(server_allowedHosts=["*.school.example", "lab.example"])
    for host in ("a.school.example", "lab.example:8501", "localhost"):
        assert answer_to(APP, "/", host=host)[0] == 200
    for host in ("school.example", "evil.example", "notlab.example"):
        assert answer_to(APP, "/", host=host)[0] == 403


@pytest.mark.parametrize("option", ["server_address", "browser_serverAddress"])
def test_the_name_that_a_server_listens_at_is_its_own(configured, option):
    assert not access.is_known("teacher.example:8501")
    configured(**{option: "teacher.example"})
    assert access.is_known("teacher.example:8501")


def test_the_application_that_is_served_asks_for_the_name_first():
    """`app.py` hands the check over; a name that only stands there would not do."""
    (call,) = [
        node
        for node in ast.walk(ast.parse((ROOT / "app.py").read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "st.App"
    ]
    given_to_it = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    assert given_to_it["middleware"] == "[Middleware(KnownHosts)]"


def _first_line(port, host, *more):
    """First line of the answer to a request at a port of this machine, under a name."""
    lines = [f"GET {more[0]} HTTP/1.1", f"Host: {host}", *more[1:]]
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall("\r\n".join([*lines, "", ""]).encode())
        return s.makefile("rb").readline().decode()


@pytest.mark.slow
def test_a_real_server_listens_to_this_machine_alone_and_refuses_foreign_names(tmp_path):
    from tests.support.browser import server

    upgrade = (
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    with server(tmp_path) as address:
        port = int(address.rpartition(":")[2])
        for path in ("/", "/train", "/api/healthz", "/_stcore/health", "/_stcore/host-config"):
            assert " 200 " in _first_line(port, f"localhost:{port}", path, "Connection: close")
            assert " 403 " in _first_line(port, "evil.example", path, "Connection: close")
        stream = "/_stcore/stream"
        mine, evil = f"localhost:{port}", f"evil.example:{port}"
        assert " 101 " in _first_line(port, mine, stream, *upgrade, f"Origin: http://{mine}")
        assert " 403 " in _first_line(port, evil, stream, *upgrade, f"Origin: http://{evil}")
        assert " 404 " in _first_line(port, mine, "/api/item/x/-1.png", "Connection: close")
        listening = _local_addresses(port)
        assert listening
        assert all(each in ("0100007F", "0" * 24 + "01000000") for each in listening)


def _local_addresses(port):
    """Addresses, as Linux writes them in hexadecimal, that are listened at on a port."""
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    at = [line[1].split(":") for line in lines if line[3] == "0A"]
    return [where for where, number in at if int(number, 16) == port]


# -- images ------------------------------------------------------------------------------------
def test_an_image_of_an_item_is_sent(run):
    status, kind, body = answer_to(APP, item_url(run.id).format(index=3))
    assert (status, kind) == (200, "image/png")
    assert body.startswith(b"\x89PNG")


def test_images_of_several_items_stand_one_below_the_other(run):
    one = decoded(answer_to(APP, item_url(run.id).format(index=3))[2])
    assert one.shape == (112, 112, 3)
    several = decoded(answer_to(APP, item_url(run.id).format(index="5-3-5"))[2])
    assert several.shape == (3 * 64, 64, 3)
    top, middle, bottom = several.reshape(3, 64, 64, 3)
    assert (top == bottom).all()
    assert (middle != top).any()
    assert (middle[::8, ::8] == one[::14, ::14]).all()  # images of 8 pixels
    most = "-".join(["3"] * routes_module.MOST_IMAGES)
    assert answer_to(APP, item_url(run.id).format(index=most))[0] == 200
    for wrong in (f"{most}-3", "3-12", "3--5", "3-", "3-x"):
        assert answer_to(APP, item_url(run.id).format(index=wrong))[0] == 404


def decoded(png):
    return np.asarray(Image.open(io.BytesIO(png)))


WRONG = ("-1", "+1", "1e3", "inf", "nan", "", " 1", "1_0", "٣", "²", "9" * 4301, "0x1", "1.5", "\0")


@pytest.mark.parametrize("index", WRONG)
def test_no_item_is_not_found(run, index):
    assert answer_to(APP, f"/api/item/{run.id}/{index}.png")[0] == 404


@settings(max_examples=100)
@given(
    text=some.text(max_size=40), index=some.text(max_size=6), query=some.text("a&=%1", max_size=9)
)
def test_whatever_is_asked_of_the_interface_is_answered_there(text, index, query):
    for path in (f"/api/{text}", f"/api/item/{text}/{index}.png", f"/api/item/{text}/0.png"):
        status, kind, _ = answer_to(APP, path, query=query)
        assert status == 404, path
        assert "html" not in kind


# -- logging in --------------------------------------------------------------------------------
@pytest.fixture
def with_login(tmp_path, configured):
    """An identity provider is set up."""
    file = tmp_path / "secrets.toml"
    file.write_text(
        '[auth]\ncookie_secret = "x"\nredirect_uri = "http://localhost/oauth2callback"\n'
    )
    configured(secrets_files=[str(file)])
    st.secrets._reset()
    yield file
    st.secrets._reset()


def home():
    return AppTest.from_file("../../clustlab/ui/shell.py", default_timeout=300).run()


def test_without_a_login_a_page_shows_nothing_but_the_way_in(run, with_login):
    app = home()
    assert not app.exception
    assert [button.label for button in app.button] == ["Log in"]
    assert [*app.markdown, *app.caption, *app.info] == []
    assert answer_to(APP, f"/api/item/{run.id}/3.png")[0] == 403
    assert answer_to(APP, f"/api/item/{run.id}/3.png", query="x")[0] == 403
    assert answer_to(APP, "/api/pulse", query=f"run={run.id}")[0] == 403
    assert answer_to(APP, "/api/pulse", query=f"run={run.id}&key={access.KEY}")[0] == 200
    path, _, query = item_url(run.id).format(index=3).partition("?")
    assert answer_to(APP, path, query=query)[0] == 200
    path, _, query = ahead.address_of("dots", list).partition("?")
    assert answer_to(APP, path)[0] == 403
    assert answer_to(APP, path, query=query)[2] == b"[]"
    path, _, query = address_of(b"dots").partition("?")
    assert answer_to(APP, path)[0] == 403
    assert answer_to(APP, path, query=query)[2] == b"dots"
    path, _, query = address_of(b"dots").partition("?")
    assert answer_to(APP, path)[0] == 403
    assert answer_to(APP, path, query=query)[2] == b"dots"


def test_a_broken_file_of_secrets_lets_nobody_in(run, with_login):
    with_login.write_text("[auth")
    st.secrets._reset()
    app = home()
    assert app.error[0].value.startswith("The file .streamlit/secrets.toml")
    assert list(app.button) == []


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        *(("localhost", False), ("127.0.0.1", False), ("::1", False), ("unix:///run/s", False)),
        *(("0.0.0.0", True), ("192.168.1.7", True), ("teacher.example", True), (None, True)),
    ],
)
def test_a_page_warns_if_strangers_may_come_in(run, configured, address, is_open):
    configured(server_address=address)
    assert access.listens_beyond() == is_open


def test_the_warning_stands_in_the_side_bar(run, configured):
    def warnings():
        return [each.value for each in home().sidebar.caption if "this network" in each.value]

    assert warnings() == []
    configured(server_address="0.0.0.0")
    assert len(warnings()) == 1


def test_the_configuration_keeps_the_server_to_this_machine():
    text = (ROOT / ".streamlit" / "config.toml").read_text("utf-8")
    assert re.search(r'^address = "localhost"', text, re.MULTILINE)

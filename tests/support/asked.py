"""What an application of the web answers, without a server and without a client library."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote


def outcome(coroutine):
    """What a coroutine returns, awaited in a thread of its own: a browser runs a loop in ours."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def answer_to(app, path, *, query="", host="localhost:8501", kind="http"):
    """Status, type of content and body of the answer to a request for a path.

    A WebSocket counts as answered with 101 if it is let in.
    """
    scope = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": quote(path).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [] if host is None else [(b"host", host.encode("latin-1"))],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8501),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }
    said = []

    async def receive():
        begins = {"http": "http.request", "websocket": "websocket.connect"}
        return {"type": begins[kind], "body": b"", "more_body": False}

    async def send(message):
        said.append(message)

    outcome(app(scope, receive, send))
    if said[0]["type"] == "websocket.accept":
        return 101, "", b""
    head = {name.decode(): value.decode() for name, value in said[0].get("headers", [])}
    body = b"".join(message.get("body", b"") for message in said[1:])
    return said[0]["status"], head.get("content-type", ""), body

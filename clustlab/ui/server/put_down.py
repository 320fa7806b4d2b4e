"""What pages put down for the browser to fetch by plain HTTP: under the fingerprint of its bytes.

Equal content has one address, whatever page, step or session it is of, and an address always means
the same content, so that the browser may keep it for good.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable

from clustlab.ui.server import access

ROOM = 256_000_000  # bytes that are kept, those asked for last
PATH = "/api/put-down/"
NAME = re.compile(r"[0-9a-f]{32}")


class PutDown:
    """Content by name; the oldest goes when there is no room. Safe to share between threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._room, self._used = room, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, content: bytes) -> str:
        """Name of content, which is kept at least until much more was put down."""
        name = hashlib.blake2b(content, digest_size=16).hexdigest()
        with self._lock:
            if name not in self._kept:
                self._kept[name] = content
                self._used += len(content)
            self._kept.move_to_end(name)
            while self._used > self._room and len(self._kept) > 1:
                self._used -= len(self._kept.popitem(last=False)[1])
        return name

    def get(self, name: str) -> bytes | None:
        """Content of a name; None if it is not kept any more."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
            return self._kept.get(name)


put_down = PutDown()
"""That of this server."""


def address_of(content: bytes) -> str:
    """Address from which the browser gets this content."""
    return addresses()(content)


def addresses() -> Callable[[bytes], str]:
    """As `address_of`, for several at once: whether a login is needed is found out one time."""
    key = f"?{access.KEY}" if access.needs_login() else ""
    return lambda content: f"{PATH}{put_down.put(content)}{key}"


def content_of(address: str) -> bytes | None:
    """Content of an address that a browser sends back; None if it is not kept, or no such one."""
    name = address.removeprefix(PATH).partition("?")[0]
    return put_down.get(name) if NAME.fullmatch(name) else None

"""What a page will need next: worked out when its browser, being idle, asks for it.

The name of such work comes with the page. What it puts down is then there before anybody presses a
key, both here and in the browser.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

from clustlab.ui.server import access

PATH = "/api/ahead/"
MOST = 64  # pieces of work that may be asked for, those named last
Work = Callable[[], list[str]]
"""Puts content down, and gives the addresses that a browser is to fetch."""

_named: OrderedDict[str, Work] = OrderedDict()
_lock = threading.Lock()


def address_of(what: str, work: Work) -> str:
    """Address under which the work can be asked for; equal words mean equal work."""
    name = hashlib.blake2b(what.encode(), digest_size=16).hexdigest()
    with _lock:
        _named[name] = work
        _named.move_to_end(name)
        while len(_named) > MOST:
            _named.popitem(last=False)
    key = f"?{access.KEY}" if access.needs_login() else ""
    return f"{PATH}{name}{key}"


def work_of(name: str) -> Work | None:
    """The work of a name; None if it is not known any more."""
    with _lock:
        return _named.get(name)

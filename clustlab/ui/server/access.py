"""Who may talk to the server: under which name, from which machine, and after which login."""

import ipaddress
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOCAL_NAME = "localhost"
KEY = secrets.token_urlsafe(16)
"""Known to the pages of this process: with it they ask for images where a login is needed."""


class KnownHosts:
    """Answer only to addresses and to names that were given to this server.

    Another name may be a foreign page's own: it has led its name to this machine, to read here what
    its browser may not read elsewhere (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, or refuse it."""
        if scope["type"] in ("http", "websocket"):
            host = Headers(scope=scope).get("host", "")
            if not is_known(host):
                await PlainTextResponse(_refusal(host), status_code=403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _refusal(host: str) -> str:
    return (
        f"This server does not answer to the name {host[:200]!r}.\n"
        "Open it as http://localhost with its port, or add the name to the option "
        "server.allowedHosts in .streamlit/config.toml.\n"
    )


def is_known(host: str) -> bool:
    """Whether a Host header names this server: by an address, or by a name that it was given."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port  # a port that is no number is an error
    except ValueError:
        return False
    if not name or "@" in host or parts.path or parts.query or parts.fragment:
        return False
    return _is_address(name) or any(_matches(name, known) for known in _given_names())


def _is_address(name: str) -> bool:
    """Whether this is a bare IP address, to which no foreign page can lead its name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _given_names() -> list[str]:
    """Names that the configuration gives to this server."""
    own = (st.get_option("server.address"), st.get_option("browser.serverAddress"))
    return [LOCAL_NAME, *filter(None, own), *st.get_option("server.allowedHosts")]


def _matches(name: str, known: str) -> bool:
    name, known = name.lower().rstrip("."), known.strip().lower().rstrip(".")
    if known.startswith("*."):
        return name.endswith(known[1:])
    return known in ("*", name)


def listens_beyond() -> bool:
    """Whether other machines can reach the server."""
    address = st.get_option("server.address")
    if not address:
        return True  # Streamlit listens everywhere then
    if address == LOCAL_NAME or address.startswith("unix://"):
        return False
    try:
        return not ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return True  # a name of this machine


def needs_login() -> bool:
    """Whether an identity provider is set up, or the file that may name one cannot be read."""
    if st.secrets.load_if_toml_exists():
        return "auth" in st.secrets
    return any(Path(file).exists() for file in st.get_option("secrets.files"))


def demand_login() -> None:
    """Draw a button to log in instead of the page, if a login is needed."""
    if not needs_login() or st.user.get("is_logged_in"):
        return
    st.title("clustlab")
    if st.secrets.load_if_toml_exists():
        st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
    else:
        st.error("The file .streamlit/secrets.toml cannot be read, so nobody can log in. Mend it.")
    st.stop()


def warn_if_open() -> None:
    """Say in the side bar that strangers may come in, if they may."""
    if listens_beyond() and not needs_login():
        st.sidebar.caption(
            ":orange[:material/lan:] Everyone in this network can use this server: train, rename "
            "and delete. SHARING.md says how to ask for a login, or to keep it to this machine."
        )

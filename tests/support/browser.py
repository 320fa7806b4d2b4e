"""A running app and a real browser, for the tests and benches that need to see it drawn."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
LOCAL = ("localhost", "127.0.0.1", None)
SIZE = {"width": 1440, "height": 900}
PATIENCE = 60_000  # ms for what takes a second on a quiet machine
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(runs, **environment):
    """The app on a free port, over a folder of runs; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    env = {**os.environ, "CLUSTLAB_RUNS": str(runs), "CLUSTLAB_WARM_UP": "no", **environment}
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    address = f"http://localhost:{port}"
    try:
        _wait_until_up(process, f"{address}/api/healthz")
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _wait_until_up(process, url):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[0]
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the app did not come up within 60 s")


class Watch:
    """What a page must not have: console errors, failed requests, requests to other hosts."""

    def __init__(self, page):
        self.problems = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"page error: {error}"))
        page.on("request", self._request)

    def _console(self, message):
        if message.type == "error":
            self.problems.append(f"console: {message.text}")

    def _request(self, request):
        if request.url.startswith(("data:", "blob:")):
            return
        if urlparse(request.url).hostname not in LOCAL:
            self.problems.append(f"leaves this machine: {request.url}")


@contextlib.contextmanager
def browser():
    """Chromium: the system's if there is one, else the one that Playwright has fetched."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    path = path or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()

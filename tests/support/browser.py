"""A running app and a real browser, for the tests and benches that need to see it drawn."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
LOCAL = ("localhost", "127.0.0.1", None)
SIZE = {"width": 1440, "height": 900}
NARROW_COLUMN = 281  # px that the text of a lesson has in a window 1100 px wide
PATIENCE = 180_000  # ms for what takes a second on a quiet machine
TRAINING = 600_000  # ms for what a run must have learned first
expect.set_options(timeout=PATIENCE)
# The shell draws the same without a window, for a sixth less of the processor's time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-software-rasterizer",
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
def server(runs, script="app.py", **environment):
    """The app or another script on a free port, over a folder of runs; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    env = {**os.environ, "CLUSTLAB_RUNS": str(runs), "CLUSTLAB_WARM_UP": "no", **environment}
    with served(command, port, cwd=ROOT, env=env) as address:
        yield address


@contextlib.contextmanager
def served(command, port, **how):
    """What a command serves on a port, while it does; yields its address."""
    address = f"http://localhost:{port}"
    with tempfile.TemporaryFile("w+") as said:  # a pipe that nobody reads would be full one day
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, **how)
        try:
            _wait_until_up(process, said, f"{address}/_stcore/health")
            yield address
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_until_up(process, said, url):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            said.seek(0)
            raise AssertionError(said.read())
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
        page.on("response", self._response)

    def _console(self, message):
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.problems.append(f"console: {message.text}")

    def _response(self, response):
        # Streamlit forgets a picture as soon as a newer one is in its place, which may be before
        # the browser has asked for it.
        late = response.status == 404 and "/media/" in urlparse(response.url).path
        if response.status >= 400 and not late:
            self.problems.append(f"status {response.status}: {response.url}")

    def _request(self, request):
        if request.url.startswith(("data:", "blob:")):
            return
        if urlparse(request.url).hostname not in LOCAL:
            self.problems.append(f"leaves this machine: {request.url}")


@contextlib.contextmanager
def browser():
    """Chromium: the system's if there is one, else the one that Playwright has fetched."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


# What tests do on a page -----------------------------------------------------------------------


def go(page, name):
    """Follow a link of the side bar."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
    settle(page)


# The script has ended, and what the browser loads later, such as buttons, is in its place.
IDLE = """() =>
  document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
  && !document.querySelector(
    "[data-testid=stStatusWidget], [data-testid=stSkeleton], [data-stale=true]")
"""


def settle(page):
    """Wait until the page has stopped drawing."""
    page.wait_for_timeout(250)  # a click is told to the server a moment later
    page.wait_for_function(IDLE)


def until(page, condition):
    """Wait until a condition holds; returns what it gave."""
    end = time.monotonic() + PATIENCE / 1000
    while not (answer := condition()):
        assert time.monotonic() < end, "waited in vain"
        page.wait_for_timeout(50)
    return answer


def steady(page, read):
    """What is read once it stays the same for a moment."""
    last = read()
    while True:
        page.wait_for_timeout(300)
        if (now := read()) == last:
            return now
        last = now


def step_words(page):
    return page.get_by_text(re.compile(r"^Step \d+ of \d+"))


def see(page, words):
    """Wait until words are shown; while the page redraws they may be there twice."""
    page.get_by_text(re.compile(words)).first.wait_for()


def step_now(page):
    expect(step_words(page)).to_have_count(1, timeout=PATIENCE)
    return int(re.match(r"Step (\d+)", step_words(page).inner_text())[1])


def selected(page):
    """Words and number of the selection in the inspector."""
    found = page.get_by_text(re.compile(r": [\d,]+ items$"))
    expect(found).to_have_count(1, timeout=PATIENCE)
    text = found.inner_text()
    title, number = text.rsplit(": ", 1)
    return title, int(number.removesuffix(" items").replace(",", ""))


def formulas_fit(page):
    """No formula is wider than the column of text is at 1100 pixels, so none is cut there."""
    widths = page.evaluate(
        "[...document.querySelectorAll('.katex-display .katex-html')].map(formula => Math.max("
        "...[...formula.querySelectorAll('.base')].map(part => part.getBoundingClientRect().right)"
        ") - formula.getBoundingClientRect().left)"
    )
    assert max(widths, default=0) <= NARROW_COLUMN, widths


def fits(page):
    """Wait until nothing of the page's main part is below the screen."""
    main = "document.querySelector('[data-testid=stMain]')"
    page.wait_for_function(f"{main}.scrollHeight <= {main}.clientHeight + 2")

"""How often pages ask for news: less often the busier the server is with redrawing them.

Redrawing what is new costs processor time for each session that looks on. All of them together may
take a share of the machine and no more, so that training keeps its speed: with few viewers news are
there within a second, with many they wait.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

SHARE = 0.03  # of the cores that redrawing may take; sending what is drawn takes twice as much
MOST = 0.3  # of one core likewise: drawing shares one interpreter
AT_FIRST = 0.4  # seconds between looks while the first step is awaited and the server is idle
OFTEN, SELDOM = 1.0, 30.0  # the least and the most seconds between looks
WINDOW = 4.0  # seconds over which it is judged how busy the server is
SLOWER, FASTER = 2.5, 0.75  # by how much the time between looks changes at once, at most


class Pace:
    """Time between looks, from the processor time that was spent on redrawing of late."""

    def __init__(self) -> None:
        self.share = min(SHARE * (os.cpu_count() or 1), MOST)
        self._between = OFTEN
        self._spent = 0.0  # seconds of processor time since then
        self._since = time.monotonic()
        self._lock = threading.Lock()
        self._within = threading.local()

    def next_look(self, *, awaits_first_step: bool = False) -> float:
        """Seconds until a page that has just asked may ask again."""
        with self._lock:
            passed = time.monotonic() - self._since
            if passed >= WINDOW:
                busy = self._spent / passed / self.share
                between = self._between * min(max(busy, FASTER), SLOWER)
                self._between = min(max(between, OFTEN), SELDOM)
                self._spent, self._since = 0.0, time.monotonic()
            between = self._between
        return AT_FIRST if awaits_first_step and between == OFTEN else between

    @property
    def together(self) -> float:
        """Seconds for which all sessions are shown the same, so that it is worked out once.

        0 while they look often: then each has the newest.
        """
        return self._between / 2 if self._between > OFTEN else 0.0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count what this thread does within as redrawing; parts within parts count once."""
        if getattr(self._within, "is_counted", False):
            yield
            return
        self._within.is_counted, start = True, time.thread_time()
        try:
            yield
        finally:
            self._within.is_counted = False
            with self._lock:
                self._spent += time.thread_time() - start


pace = Pace()
"""That of this server."""

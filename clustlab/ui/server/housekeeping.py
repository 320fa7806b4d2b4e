"""Collecting garbage at a pace of its own, not after each redraw."""

import gc
import threading
import time

EVERY = 20.0  # seconds


def begin() -> None:
    """Collect garbage from now on, in a thread of its own.

    Streamlit would do it after each run of a script. It stops all threads for up to a tenth of a
    second; with thirty viewers that is a third of all that the server does.
    """
    threading.Thread(target=_collect, name="clustlab-housekeeping", daemon=True).start()


def _collect() -> None:
    while True:
        time.sleep(EVERY)
        gc.collect()

"""Keeping the server quick to answer while many sessions draw."""

import gc
import sys
import threading
import time

EVERY = 20.0  # seconds between collections of garbage
TURN = 0.001  # seconds that a thread keeps the interpreter if others wait for it


def begin() -> None:
    """Let threads take shorter turns, and collect garbage from now on, in a thread of its own.

    What receives and sends waits for a turn of every session that draws, several times for each
    request. Garbage would be collected after each run of a script, by Streamlit: that stops all
    threads for up to a tenth of a second, with thirty viewers a third of all that the server does.
    """
    sys.setswitchinterval(TURN)
    threading.Thread(target=_collect, name="clustlab-housekeeping", daemon=True).start()


def _collect() -> None:
    while True:
        time.sleep(EVERY)
        gc.collect()

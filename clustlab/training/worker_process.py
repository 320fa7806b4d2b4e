"""The child process of `ProcessRunner`: carries out the runs whose ids come on standard input.

It ends when that closes, as it does when the server has ended in whatever way, even in the middle
of a run: what is committed is safe.
"""

import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from clustlab.errors import ClustlabError
from clustlab.training.children import answers_of_child

log = logging.getLogger(__name__)


def work_for_server(root: Path) -> None:
    """Carry out runs, each answered by a line on standard output; never returns."""
    from clustlab.training.runner import import_late_parts, yield_to_server

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which takes us along
    answers = answers_of_child()
    waiting: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin, waiting), daemon=True).start()
    import_late_parts()  # at full priority: a run may be waiting
    yield_to_server(with_all_threads=True)
    from clustlab.training.worker import execute

    while True:
        run_id = waiting.get()
        try:
            execute(root, run_id)
        except ClustlabError as error:  # the folder is gone or broken
            log.warning("run %s was not started: %s", run_id, error)
        except Exception:  # such as a disk too full to say so: the next run may do better
            log.exception("run %s was left", run_id)
        print("over", file=answers, flush=True)


def _listen(requests: Iterable[str], waiting: "queue.Queue[str]") -> None:
    """Queue what the server asks for; once it has gone, end this process at once."""
    for line in requests:
        waiting.put(line.strip())
    os._exit(0)

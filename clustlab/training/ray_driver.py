"""The child process of `RayRunner`: hands runs to Ray, and tells when each is over.

It is a process of its own since Ray ends the process that speaks to it, at once and whatever else
that does, once the head of the cluster is gone for a minute. It ends with the server, and the runs
that it has handed over end with it: Ray stops what nobody waits for.
"""

import contextlib
import logging
import math
import os
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.liveness import HEARTBEAT
from clustlab.runs.status import ACTIVE, READY
from clustlab.runs.store import RunStore
from clustlab.training.children import answers_of_child

ADDRESS, GPUS, CPUS = "RAY_ADDRESS", "CLUSTLAB_RAY_GPUS", "CLUSTLAB_RAY_CPUS"
CONNECTED, OVER, PROBLEM = "connected", "over", "problem"  # first words of answers
MOST = 64.0  # cards or processors for one run
TRIES_AGAIN = 1  # times that Ray starts a run anew whose worker was killed
LOOK_EVERY = 0.2  # seconds
ANSWERS_WITHIN = 20.0  # seconds in which a head that is being started listens
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """What of a cluster one run has for itself."""

    cpus: float  # processors
    gpus: float | None  # cards, 0.5 for half of one; None for one, where the cluster has any

    def of_run(self, device: str, n_cards: float) -> dict[str, float]:
        """What a run that asks for a device needs of a cluster of so many cards, in Ray's words."""
        gpus = min(1.0, n_cards) if self.gpus is None else self.gpus
        return {"num_cpus": self.cpus, "num_gpus": 0.0 if device == "cpu" else gpus}


def share(environ: Mapping[str, str]) -> Share:
    """The share that an environment gives to each run.

    Raises
    ------
    ParameterError
        If a value is no number in [0, 64], or a card more than one that is not whole.
    """
    gpus = _number(environ, GPUS)
    if gpus is not None and gpus > 1 and gpus != int(gpus):
        raise ParameterError(
            f"{GPUS} is {environ[GPUS]!r}: of several cards, each goes whole to a run.",
            "Set it to a whole number, or to a part of one card, such as 0.5.",
        )
    cpus = _number(environ, CPUS)
    return Share(1.0 if cpus is None else cpus, gpus)


def _number(environ: Mapping[str, str], name: str) -> float | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= MOST:
        raise ParameterError(
            f"{name} is {text!r}.", f"Set it to a number from 0 to {MOST:g}, or unset it."
        )
    return number


def drive(root: Path) -> int:
    """Hand over the runs whose ids come on standard input, until that closes.

    Answers are lines: `connected`, then `over` with the id of each run that has ended, in whatever
    way. A `problem`, with a hint after a tab, is all that one says that has found no cluster.
    """
    answers = answers_of_child()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which takes us along

    def say(*words: str) -> None:
        print(*(word.replace("\n", " ") for word in words), file=answers, flush=True)

    waiting: queue.Queue[str] = queue.Queue()
    connected: list[Any] = []  # Ray, as soon as it is
    threading.Thread(target=_listen, args=(waiting, connected), daemon=True).start()
    try:
        mine, ray = share(os.environ), _connected()
    except ClustlabError as error:
        say(PROBLEM, f"{error.message}\t{error.hint}")
        return 1
    connected.append(ray)
    say(CONNECTED)
    store, remote = RunStore(root), ray.remote(carry_out)
    at_work: dict[Any, str] = {}
    while True:
        with contextlib.suppress(queue.Empty):
            run_id = waiting.get(timeout=LOOK_EVERY)
            wanted = "auto"
            with contextlib.suppress(ClustlabError):  # told when its turn comes
                wanted = store.run(run_id).spec.device
            needs = mine.of_run(wanted, ray.cluster_resources().get("GPU", 0.0))
            task = remote.options(name=run_id, max_retries=TRIES_AGAIN, **needs)
            at_work[task.remote(str(root), run_id)] = run_id
        over, _ = ray.wait(list(at_work), timeout=0) if at_work else ([], [])
        for answer in over:
            run_id = at_work.pop(answer)
            try:
                ray.get(answer)
            except ray.exceptions.RayError as error:  # its worker was killed again, or it is gone
                log.warning("run %s was left: %s", run_id, str(error).partition("\n")[0])
            say(OVER, run_id)


def _connected() -> Any:
    """Ray, connected to the cluster that `RAY_ADDRESS` names, or with one of this machine alone."""
    address = os.environ.get(ADDRESS, "").strip()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    if address:
        _check_that_it_answers(address)
    try:
        import ray

        if address:
            ray.init(address=address, log_to_driver=False)
        else:
            ray.init(address="local", include_dashboard=False, log_to_driver=False)
    except ImportError as error:
        raise ClustlabError(
            f"Ray cannot be imported ({error}).", "Run 'pip install ray', or unset CLUSTLAB_RUNNER."
        ) from error
    except Exception as error:  # Ray has many ways to say it
        if address:
            raise _no_cluster(address, error) from error
        raise ClustlabError(
            f"Ray does not start here ({_first_line(error)}).",
            "Look at the messages of the server.",
        ) from error
    return ray


def _check_that_it_answers(address: str) -> None:
    """Raise `ClustlabError` if nobody listens at `host:port`: Ray would try for a quarter hour."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal()):
        return  # such as `auto`, which Ray itself looks up
    end = time.monotonic() + ANSWERS_WITHIN
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5.0).close()
        except (OSError, OverflowError) as error:
            if time.monotonic() > end:
                raise _no_cluster(address, error) from error
            time.sleep(1.0)
        else:
            return


def _no_cluster(address: str, error: Exception) -> ClustlabError:
    return ClustlabError(
        f"No Ray cluster answers at {address!r} ({_first_line(error)}).",
        f"Start it there with 'ray start --head', or correct {ADDRESS}; if it asks for a token, "
        "set RAY_AUTH_MODE to token.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def carry_out(root: str, run_id: str) -> None:
    """Carry out a run on a node of the cluster.

    Where its worker was killed before, it counts as lost only after a while of silence if that
    worker was elsewhere: then it goes on from its checkpoint.
    """
    from clustlab.training.worker import execute

    run, end = RunStore(root).run(run_id), time.monotonic() + 2 * HEARTBEAT
    while run.status in ACTIVE and run.status not in READY and time.monotonic() < end:
        time.sleep(1.0)
    execute(Path(root), run_id)


def _listen(waiting: "queue.Queue[str]", connected: Sequence[Any]) -> None:
    """Queue what the server asks for; once it has gone, end this process, and a Ray of ours."""
    for line in sys.stdin:
        waiting.put(line.strip())
    for ray in connected:
        with contextlib.suppress(Exception):
            ray.shutdown()
    os._exit(0)

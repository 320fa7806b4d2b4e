"""Answers that all sessions share: what many ask for at once is worked out once."""

import hashlib
import pickle
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """The answers used last, by key; while one is worked out, others who ask for it wait for it.

    Parameters
    ----------
    maxsize : int
        Answers that are kept.
    seconds : callable, optional
        Gives the seconds for which an answer holds, from when it was asked for; it holds for good
        if not given.
    """

    def __init__(self, maxsize: int, seconds: Callable[[], float] | None = None) -> None:
        self._maxsize, self._seconds = maxsize, seconds
        self._answers: OrderedDict[Hashable, tuple[float, Future[T]]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Answer to a key, worked out unless it is known or somebody is at it.

        What goes wrong is raised for the one who works it out. Those who wait try for themselves:
        his session may have been closed, theirs is not.
        """
        while True:
            mine, answer = self._ours(key)
            if not mine:
                if answer.exception() is None:  # waits for it
                    return answer.result()
                continue
            try:
                value = work_out()
            except BaseException as error:
                with self._lock:
                    if key in self._answers and self._answers[key][1] is answer:
                        del self._answers[key]
                answer.set_exception(error)
                raise
            answer.set_result(value)
            return value

    def _ours(self, key: Hashable) -> tuple[bool, Future[T]]:
        """Whether it is for us to work it out, and where the answer will be."""
        now = time.monotonic()
        with self._lock:
            if key in self._answers:
                asked, answer = self._answers[key]
                if self._seconds is None or now - asked < self._seconds():
                    self._answers.move_to_end(key)
                    return False, answer
            answer = Future()
            self._answers[key] = now, answer
            self._answers.move_to_end(key)
            while len(self._answers) > self._maxsize:
                self._answers.popitem(last=False)
            return True, answer

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._answers.clear()


def key_of(function: Callable[..., Any], *args: Any, **options: Any) -> Hashable:
    """Key of a call by the content of its arguments; None if there is none.

    Equal calls have equal keys nearly always, different ones never. It takes a hundredth of the
    time of a chart.
    """
    name = getattr(function, "__qualname__", "<")
    if "<" in name:  # it may hold values of its own
        return None
    try:
        content = pickle.dumps((args, options), protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError):
        return None
    return function.__module__, name, hashlib.blake2b(content, digest_size=16).digest()

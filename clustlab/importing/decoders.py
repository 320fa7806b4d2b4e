"""Images decoded in their order: in two processes beside this one or, if they are few, in it.

The processes are of our own making since those of `multiprocessing` would first run the main
module anew, which within a server is a page. They get bytes and answer with pixels; neither side
unpickles anything. One that a damaged image brings down is started again.
"""

import contextlib
import json
import os
import queue
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

import clustlab
from clustlab.data.checked_json import Unreadable
from clustlab.errors import StorageError
from clustlab.importing.image_files import Large, Picture, Recipe, Trait, decoded

PROCESSES = 2
FEW = 300  # files that should be decoded in this process: to start others takes as long
CHUNK = 64  # files that a process gets at a time ...
CHUNK_BYTES = 2**22  # ... unless they have more bytes than these, before or after
LARGE_BYTES = 2**25  # of a file that is not even sent beside another large one
IN_FLIGHT = 6  # chunks that are on their way ...
IN_FLIGHT_BYTES = 2**26  # ... and bytes of files from which no further one is read
PATIENCE = 0.2  # seconds between two chances to cancel
CALL, LENGTH = struct.Struct("<IB"), struct.Struct("<Q")
ANSWER = struct.Struct("<BH3I2IQ")  # kind, traits, shape, size before, bytes that follow
PIXELS, DECIMALS, REFUSED, LARGE = range(4)
READY = b"ready"
STARTS = 3  # times that a process may end before it is ready
MODULE = "clustlab.importing.decoders"

Key = TypeVar("Key")
Answer = Picture | str
"""An image, or the reason why there is none."""


def pictures(
    files: Iterable[tuple[Key, bytes]],
    recipe: Recipe,
    tick: Callable[[], None],
    n_processes: int = PROCESSES,
) -> Generator[tuple[Key, Answer]]:
    """Decode files, in their order, each with what it is called.

    To be closed, which ends the processes: see `contextlib.closing`.

    Parameters
    ----------
    tick : callable
        Called at least every `PATIENCE` seconds; may raise to stop.
    n_processes : int
        None at all to decode here.
    """
    if not n_processes:
        for key, data in files:
            tick()
            yield key, answer(data, recipe, beside_others=False)
        return
    processes = _Processes(recipe, n_processes)
    on_the_way: deque[tuple[list[Key], int, Future[list[Answer]]]] = deque()

    def first() -> Iterator[tuple[Key, Answer]]:
        keys, _, future = on_the_way.popleft()
        while True:
            tick()
            try:
                return zip(keys, future.result(PATIENCE), strict=True)
            except TimeoutError:
                continue

    try:
        for keys, contents in _chunks(files, recipe):
            size = sum(map(len, contents))
            on_the_way.append((keys, size, processes.submit(contents)))
            while len(on_the_way) > IN_FLIGHT or _nbytes(on_the_way) > IN_FLIGHT_BYTES:
                yield from first()
        while on_the_way:
            yield from first()
    finally:
        processes.end()


def _nbytes(on_the_way: Iterable[tuple[object, int, object]]) -> int:
    return sum(size for _, size, _ in on_the_way)


def _chunks(
    files: Iterable[tuple[Key, bytes]], recipe: Recipe
) -> Iterator[tuple[list[Key], list[bytes]]]:
    most = max(1, min(CHUNK, CHUNK_BYTES // int(np.prod(recipe.shape))))
    keys: list[Key] = []
    contents: list[bytes] = []
    size = 0
    for key, data in files:
        keys.append(key)
        contents.append(data)
        size += len(data)
        if len(keys) == most or size > CHUNK_BYTES:
            yield keys, contents
            keys, contents, size = [], [], 0
    if keys:
        yield keys, contents


def answer(data: bytes, recipe: Recipe, *, beside_others: bool) -> Answer:
    """Image in a file, or why there is none; raises `Large` as `decoded` does."""
    try:
        return decoded(data, recipe, beside_others=beside_others)
    except Unreadable as error:
        return str(error)


# -- this side -----------------------------------------------------------------------------------
class _Processes:
    """Some processes, each with a thread that waits for its answers."""

    def __init__(self, recipe: Recipe, n: int) -> None:
        self._recipe = recipe
        self._threads = ThreadPoolExecutor(n, "decoder")
        self._idle: queue.SimpleQueue[_Child] = queue.SimpleQueue()
        self._children = [_Child(recipe) for _ in range(n)]
        for child in self._children:
            self._idle.put(child)
        self._large = threading.Lock()

    def submit(self, contents: list[bytes]) -> Future[list[Answer]]:
        return self._threads.submit(self._decoded, contents)

    def _decoded(self, contents: list[bytes]) -> list[Answer]:
        child = self._idle.get()
        try:
            if max(map(len, contents)) > LARGE_BYTES:
                with self._large:
                    answers = self._asked(child, contents, beside_others=False)
            else:
                answers = self._asked(child, contents)
            for i, each in enumerate(answers):
                if each is None:
                    with self._large:  # one at a time, since each takes much memory
                        answers[i] = self._asked(child, [contents[i]], beside_others=False)[0]
            return [each for each in answers if each is not None]
        finally:
            self._idle.put(child)

    def _asked(
        self, child: "_Child", contents: list[bytes], *, beside_others: bool = True
    ) -> list[Answer | None]:
        """Answers to all files; None for those that are to be decoded alone."""
        try:
            return child.ask(contents, beside_others)
        except (OSError, EOFError):  # it has ended
            child.start_again()
            if len(contents) == 1:
                return ["brings down the program that decodes it"]
            return [self._asked(child, [each], beside_others=beside_others)[0] for each in contents]

    def end(self) -> None:
        """Nothing runs any longer when this returns."""
        for child in self._children:
            child.end()
        self._threads.shutdown(cancel_futures=True)


class _Child:
    """A process that decodes."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe, self._is_over, self._is_ready = recipe, False, False
        self._lock = threading.Lock()  # between starting it anew and ending it
        self._process = self._started()

    def start_again(self) -> None:
        """Start it when it has ended; raises `EOFError` if nobody needs it any longer."""
        with self._lock:
            if self._is_over:
                raise EOFError
            _reap(self._process)
            self._process, self._is_ready = self._started(), False

    def _started(self) -> "subprocess.Popen[bytes]":
        home = str(Path(clustlab.__file__).parents[1])  # the server may run in another folder
        path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH")) if p)
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, json.dumps(asdict(self._recipe))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )

    def ask(self, contents: Sequence[bytes], beside_others: bool) -> list[Answer | None]:
        """Answers to some files; raises `OSError` or `EOFError` if the process ends.

        Raises
        ------
        StorageError
            If it does not even start.
        """
        self._wait_until_ready()
        put, got = self._process.stdin, self._process.stdout
        assert put is not None
        assert got is not None
        put.write(CALL.pack(len(contents), beside_others))
        for data in contents:
            put.write(LENGTH.pack(len(data)))
            put.write(data)
        put.flush()
        return [_received(got) for _ in contents]

    def _wait_until_ready(self) -> None:
        for _ in range(STARTS):
            assert self._process.stdout is not None
            if self._is_ready or self._process.stdout.read(len(READY)) == READY:
                self._is_ready = True
                return
            self.start_again()
        raise StorageError(
            "The process that decodes images does not start.",
            "Look at the messages of the server for the reason.",
        )

    def end(self) -> None:
        """End it at once."""
        with self._lock:
            self._is_over = True
            _reap(self._process)


def _reap(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        with contextlib.suppress(OSError):  # what was still to be written has nobody to go to
            pipe.close()


def _received(file: IO[bytes]) -> Answer | None:
    kind, traits, h, w, c, height, width, length = ANSWER.unpack(_exactly(file, ANSWER.size))
    content = _exactly(file, length)
    if kind == LARGE:
        return None
    if kind == REFUSED:
        return content.decode()
    dtype = np.uint8 if kind == PIXELS else np.float32
    return Picture(np.frombuffer(content, dtype).reshape(h, w, c), (height, width), Trait(traits))


def _exactly(file: IO[bytes], n: int) -> bytes:
    content = file.read(n)
    if len(content) < n:
        raise EOFError
    return content


# -- the other side ------------------------------------------------------------------------------
def work() -> None:
    """Decode what comes on standard input until it closes, as it does when its owner has gone."""
    import signal

    from clustlab.data.checked_json import parsed
    from clustlab.importing.image_files import quiet

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, which ends this
    quiet()
    recipe = parsed(sys.argv[1].encode(), Recipe)
    calls = os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # for libraries that print
    try:
        answers.write(READY)
        answers.flush()
        while True:
            n, beside_others = CALL.unpack(_exactly(calls, CALL.size))
            contents = [_exactly(calls, LENGTH.unpack(_exactly(calls, 8))[0]) for _ in range(n)]
            for place in range(n):
                _send(answers, contents[place], recipe, bool(beside_others))
                contents[place] = b""
            answers.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # nothing is left to be written


def _send(file: IO[bytes], data: bytes, recipe: Recipe, beside_others: bool) -> None:
    try:
        found = answer(data, recipe, beside_others=beside_others)
    except Large:
        file.write(ANSWER.pack(LARGE, 0, 0, 0, 0, 0, 0, 0))
        return
    if isinstance(found, str):
        reason = found.encode("utf-8", "replace")
        file.write(ANSWER.pack(REFUSED, 0, 0, 0, 0, 0, 0, len(reason)) + reason)
        return
    kind = PIXELS if found.pixels.dtype == np.uint8 else DECIMALS
    content = found.pixels.tobytes()
    about = (found.traits.value, *found.pixels.shape, *found.size, len(content))
    file.write(ANSWER.pack(kind, *about) + content)


if __name__ == "__main__":
    work()

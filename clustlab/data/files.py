"""Files that are whole and checked, or not there at all: download, checksum, unpack."""

import gzip
import hashlib
import os
import queue
import tarfile
import threading
import time
import urllib.request
import zlib
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from platformdirs import user_data_dir

from clustlab.errors import DatasetUnavailable
from clustlab.types import Report

CHUNK = 1 << 18  # bytes read at a time
TIMEOUT = 30.0  # seconds of silence after which a server counts as gone
POLL = 0.2  # seconds between two chances to cancel while a server is silent
STALE = 3600.0  # seconds after which a part left by a killed process is cleared away

Message = tuple[bytes, int] | Exception | None
"""A chunk with the total size (0 if unknown), what went wrong, or None at the end."""


def data_root() -> Path:
    """Folder of the data sets: CLUSTLAB_DATA, or the user's own data folder."""
    return Path(os.environ.get("CLUSTLAB_DATA") or user_data_dir("clustlab")).expanduser()


def broken(path: Path, reason: str) -> DatasetUnavailable:
    """Error that names a file with the wrong content and says what to do about it."""
    return DatasetUnavailable(
        f"{path} {reason}.", "Delete this file and start again; it is then fetched anew."
    )


def verify(path: Path, md5: str, report: Report, content: str = "") -> None:
    """Read a file once and compare its checksum.

    Parameters
    ----------
    content : str, optional
        SHA-256 of what is in a gzipped file: with that it may have been packed anew, as
        distributions do.

    Raises
    ------
    DatasetUnavailable
        If it is not the published file.
    """
    digest, done, size = hashlib.md5(usedforsecurity=False), 0, max(path.stat().st_size, 1)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            report(f"Checking {path.name}", done / size)
            digest.update(chunk)
            done += len(chunk)
    if digest.hexdigest() != md5 and not (content and _unpacked_digest(path) == content):
        raise broken(path, f"is not the published file (its checksum is not {md5})")


def _unpacked_digest(path: Path) -> str:
    """SHA-256 of what is in a gzipped file; empty if it is none."""
    digest = hashlib.sha256()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except (OSError, EOFError, zlib.error):
        return ""
    return digest.hexdigest()


def fetch(urls: Sequence[str], target: Path, md5: str, report: Report) -> None:
    """Download a file from the first address that serves it; it appears only when it is whole.

    Raises
    ------
    OSError
        If no address serves the published file, with the reason of each.
    Cancelled
        If `report` raises it, at most `POLL` seconds after it was called last.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in urls:
        try:
            _fetch_from(url, target, md5, report)
        except (OSError, HTTPException) as error:
            reasons.append(f"{urlsplit(url).netloc}: {str(error) or type(error).__name__}")
        else:
            return
    raise OSError("; ".join(reasons))


def _fetch_from(url: str, target: Path, md5: str, report: Report) -> None:
    digest, done, total = hashlib.md5(usedforsecurity=False), 0, 0
    with closing(_stream(url)) as stream, whole_file(target) as file:
        for chunk, total in stream:
            digest.update(chunk)
            file.write(chunk)
            done += len(chunk)
            report(_progress(target.name, done, total), min(done / total, 1.0) if total else 0.0)
        if done < total:
            raise ConnectionError(f"the connection ended after {done:,} of {total:,} bytes")
        if digest.hexdigest() != md5:
            raise ConnectionError(f"served something else than {target.name} (wrong checksum)")


def _progress(name: str, done: int, total: int) -> str:
    of = f" of {total / 1e6:.1f}" if total else ""
    return f"Downloading {name}, {done / 1e6:.1f}{of} MB"


@contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """Open file that takes its name only when the block ends without an error."""
    for old in target.parent.glob(f"{target.name}.*.part"):
        if time.time() - old.stat().st_mtime > STALE:
            old.unlink(missing_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _stream(url: str) -> Generator[tuple[bytes, int], None, None]:
    """Chunks with the total size (0 if unknown); empty ones while the server is silent.

    A thread of its own waits for the server, so that a silent one cannot delay cancelling.
    """
    chunks: queue.Queue[Message] = queue.Queue(maxsize=16)
    stop = threading.Event()
    threading.Thread(target=_read_into, args=(url, chunks, stop), daemon=True).start()
    total = 0
    try:
        while True:
            try:
                got = chunks.get(timeout=POLL)
            except queue.Empty:
                got = b"", total
            if got is None:
                return
            if isinstance(got, Exception):
                raise got
            total = got[1]
            yield got
    finally:
        stop.set()
        while not chunks.empty():  # makes room, should the thread wait for it
            chunks.get_nowait()


def _read_into(url: str, chunks: "queue.Queue[Message]", stop: threading.Event) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "clustlab"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            total = int(response.headers.get("Content-Length") or 0)
            while not stop.is_set() and (chunk := response.read1(CHUNK)):
                chunks.put((chunk, total))
    except HTTPError as error:
        error.close()  # it holds the server's answer
        chunks.put(error)
    except (OSError, HTTPException) as error:
        chunks.put(error)
    finally:
        chunks.put(None)


def unpack(archive: Path, root: Path, names: Collection[str], report: Report) -> None:
    """Write the named members of a tar archive below `root`, each whole or not at all."""
    size, left = archive.stat().st_size, set(names)
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r|*") as tar:
        for member in tar:
            source = tar.extractfile(member) if member.name in left else None
            if source is None:
                continue
            target = root / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(target) as file:
                while chunk := source.read(CHUNK):
                    report(f"Unpacking {target.name}", min(raw.tell() / size, 1.0))
                    file.write(chunk)
            left.discard(member.name)
            if not left:
                return

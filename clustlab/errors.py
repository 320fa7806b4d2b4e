"""Errors that a user can act on: each says what is wrong and what to do next."""

import contextlib
import errno
from collections.abc import Iterator

OURS = "clustlab"
NO_MEMORY = ("out of memory", "can't allocate memory")  # what torch says on MPS and on the CPU
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class ClustlabError(Exception):
    """A problem with a remedy.

    Parameters
    ----------
    message : str
        What is wrong, with the value received.
    hint : str
        What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class ParameterError(ClustlabError):
    """One or more parameters are unknown, of the wrong type or out of range."""


class DataError(ClustlabError):
    """Items or labels hold values that cannot be worked with."""


class DatasetUnavailable(ClustlabError):
    """The files of a data set are missing, broken or cannot be downloaded."""


class DeviceUnavailable(ClustlabError):
    """The device asked for by name is not present on this machine."""


class Diverged(ClustlabError):
    """Training produced a number that is not finite."""


class StorageError(ClustlabError):
    """The machine has refused to read or write a file."""


class RunNotFound(ClustlabError):
    """No run has this id, or its folder cannot be read."""


class StepMissing(RunNotFound):
    """One step of a run has no readable line or file; the others are not touched by that."""


class StepThinned(StepMissing):
    """Of one step of a long run only clusters and figures are kept; see `runs.thinning`."""


class RunUnreadable(RunNotFound):
    """The folder of a run is there, but not what it should be.

    Parameters
    ----------
    run_id : str
        Name of the folder.
    reason : str
        What is wrong, such as "manifest.json: 'created' is missing".
    hint : str, optional
        What to do about it.
    """

    def __init__(self, run_id: str, reason: str, hint: str = "") -> None:
        super().__init__(
            f"The run {run_id!r} cannot be read: {reason}.",
            hint or "Put back its files from a copy, or delete it on the page Runs.",
        )
        self.reason = reason


class RunOfNewerVersion(RunUnreadable):
    """The folder of a run was written by a version of clustlab that is newer than this one."""


class Cancelled(Exception):
    """Raised inside a running method when the user asked to stop."""


class SetAside(Exception):
    """Raised between two steps of a run that is to make way for others."""


def storage_error(error: OSError, then: str = "try again") -> StorageError:
    """What to say of a file that the machine does not let us use, and what to do before `then`."""
    where = f" ({error.filename})" if error.filename else ""
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in DISK_FULL:
        return StorageError("The disk is full.", f"Delete runs on the page Runs, then {then}.")
    if error.errno == errno.EROFS:
        return StorageError(
            f"The disk is read-only, so nothing can be kept on it{where}.",
            f"Make it writable, or set CLUSTLAB_RUNS to another folder, then {then}.",
        )
    if error.errno == errno.EIO:
        return StorageError(
            f"The disk has failed: {reason}{where}.",
            f"Copy your runs to another disk and check this one, then {then}.",
        )
    return StorageError(
        f"A file cannot be used: {reason}{where}.",
        f"Check that it is there and may be read and written, then {then}.",
    )


def known_cause(error: Exception, then: str, less: str) -> ClustlabError | None:
    """What to say of an error that is no bug but lies with the machine; None of any other.

    Parameters
    ----------
    then : str
        What to do after the remedy, such as "import again".
    less : str
        What to do where memory has run out.
    """
    if isinstance(error, MemoryError) or any(w in str(error).lower() for w in NO_MEMORY):
        return ClustlabError("The device ran out of memory.", less)
    if isinstance(error, OSError) and error.errno is not None:  # the machine said no
        return storage_error(error, then)
    if isinstance(error, ModuleNotFoundError) and (error.name or OURS).split(".")[0] != OURS:
        return ClustlabError(
            f"The package {error.name} is not installed.", f"Install it, then {then}."
        )
    return None


@contextlib.contextmanager
def storage_errors(then: str = "try again") -> Iterator[None]:
    """Raise `StorageError` in place of an `OSError`; also a decorator."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, then) from error

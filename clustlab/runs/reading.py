"""What the files of a run say, each declared once and checked before anything else sees it.

Names that are not declared do no harm: a newer version may have written them. One that is missing
or of another kind makes the file unreadable, and the reason says which.
"""

import os
import time
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from msgspec import Meta

from clustlab.data import plain_files
from clustlab.data.checked_json import (
    Count,
    Moment,
    Name,
    PlainName,
    Seconds,
    Setting,
    Text,
    Unreadable,
    Whole,
    parsed,
    parsed_with_all,
)
from clustlab.errors import RunNotFound, RunOfNewerVersion, RunUnreadable
from clustlab.runs.migration import RENAMED_SCALARS, SCHEMA
from clustlab.types import ArtefactKind, InterventionKind, Role

Status = Literal["queued", "running", "paused", "done", "cancelled", "set aside", "failed", "lost"]
MANIFEST = "manifest.json"
MARKS = ("status.json", "log.jsonl", "snapshots")  # of a run whose manifest is gone
LAID_DOWN = 10.0  # seconds after which a run without a manifest is not about to get one
MOST_CLUSTERS = 1_000_000
Clusters = Annotated[int, Meta(ge=0, le=MOST_CLUSTERS)]
Axis = Annotated[int, Meta(ge=0, le=4)]
Names = Annotated[list[Annotated[str, Meta(max_length=1000)]], Meta(max_length=MOST_CLUSTERS)]


# -- declarations ------------------------------------------------------------------------------
class Spec(TypedDict):
    """What was asked for, see `RunSpec`."""

    dataset: Name
    method: Name
    dataset_params: NotRequired[dict[str, Setting]]
    method_params: NotRequired[dict[str, Setting]]
    preset: NotRequired[Name]
    seed: NotRequired[Whole]
    device: NotRequired[Name]
    mixed_precision: NotRequired[bool]
    continues: NotRequired[Name | None]
    excluded: NotRequired[list[Count]]


class Manifest(TypedDict):
    """`manifest.json`."""

    schema: Annotated[int, Meta(ge=1)]
    spec: Spec
    method_title: Name
    dataset_title: Name
    data_key: PlainName
    content: NotRequired[Name]
    created: Moment
    version: NotRequired[Name]
    changed: NotRequired[dict[str, Setting]]
    steps_before: NotRequired[Count]


class State(TypedDict):
    """`status.json`."""

    status: Status
    host: NotRequired[Text]
    pid: NotRequired[Annotated[int, Meta(ge=0, lt=2**31)]]
    born: NotRequired[Moment]
    queued: NotRequired[Moment]
    finished: NotRequired[Moment]
    step: NotRequired[Count]
    phase: NotRequired[Text]
    done: NotRequired[Count]
    total: NotRequired[Count]
    fraction: NotRequired[float | None]  # in [0, 1]
    seconds: NotRequired[Seconds | None]
    eta: NotRequired[Seconds | None]
    active: NotRequired[Text]
    boxes: NotRequired[Count]
    notice: NotRequired[Text]
    device: NotRequired[Text]
    device_reason: NotRequired[Text]
    error: NotRequired[Text]
    hint: NotRequired[Text]
    error_type: NotRequired[Text]
    traceback: NotRequired[Text]


class ArtefactRecord(TypedDict):
    """What a line of the log says of an artefact: all but its data."""

    kind: ArtefactKind
    title: Text
    reading: NotRequired[Text]
    rows: NotRequired[Names]
    columns: NotRequired[Names]
    cluster_axes: NotRequired[list[Axis]]
    marked: NotRequired[list[Count]]
    axis_titles: NotRequired[Names]


class ChangeRecord(TypedDict):
    """What a line of the log says of an intervention."""

    kind: InterventionKind
    clusters: list[Clusters]
    value: float
    lasting: NotRequired[list[Clusters] | None]
    n_items: NotRequired[Count | None]
    reason: NotRequired[Text]


class ChangeLine(ChangeRecord):
    """A line of `interventions.jsonl`."""

    step: Count
    wish: NotRequired[Text]


class WishRecord(TypedDict):
    """A file in `wishes`; earlier versions asked by raw numbers, under `clusters`."""

    kind: InterventionKind
    value: float
    n_steps: Count
    lasting: NotRequired[list[Clusters]]
    clusters: NotRequired[list[Clusters]]


class LogRecord(TypedDict):
    """A line of `log.jsonl`."""

    step: Count
    n_clusters: Clusters
    phase: Text
    done: Count
    total: Count
    scalars: dict[str, float]
    artefacts: dict[str, ArtefactRecord]
    schema: NotRequired[Count]
    time: NotRequired[Moment]
    role: NotRequired[Role]
    samples: NotRequired[Count]
    seconds: NotRequired[Seconds]
    interventions: NotRequired[list[ChangeRecord]]
    refused: NotRequired[list[ChangeRecord]]
    mean_confidence: NotRequired[float]  # over the clustered items
    embedding_of: NotRequired[Count]  # step before it whose embedding is the same, stored there


class ThinningRecord(TypedDict):
    """`thinning.json`."""

    every: Annotated[int, Meta(ge=1, le=2**40)]
    marked: Annotated[list[Count], Meta(max_length=1_000_000)]


class Environment(TypedDict):
    """`environment.json`, and of a data folder's `about.json` what tells one draw from another."""

    fingerprint: NotRequired[Text]
    whole: NotRequired[Text]


class Machine(TypedDict):
    """`environment.json`: what tells one machine from another."""

    system: NotRequired[Text]
    processor: NotRequired[Text]
    threads: NotRequired[Count]
    device: NotRequired[Text]
    python: NotRequired[Text]
    packages: NotRequired[dict[Name, Name]]


class _Schema(TypedDict):
    schema: Annotated[int, Meta(ge=1)]


# -- reading -----------------------------------------------------------------------------------
def schema(text: bytes) -> int:
    """Which version of the format a manifest is of, whatever else it says."""
    return parsed(text, _Schema)["schema"]


def manifest(text: bytes) -> Manifest:
    """What `manifest.json` says; raises `Unreadable` with the reason, as all of these do."""
    return parsed_with_all(text, Manifest)


def state(text: bytes) -> State:
    """What `status.json` says; a process that is named says when it began, too."""
    said = parsed_with_all(text, State)
    if said.get("pid") and "born" not in said:
        raise Unreadable("'born' is missing")
    if said.get("fraction") is not None:
        said["fraction"] = min(max(0.0, float(said["fraction"] or 0.0)), 1.0)
    return said


def looks_like_run(path: Path) -> bool:
    """Whether a folder is a run, be it a damaged one; one that is just laid down is none yet."""
    if os.path.lexists(path / MANIFEST):
        return True
    try:
        marks = [path / name for name in MARKS if os.path.lexists(path / name)]
        return bool(marks) and time.time() - path.stat().st_mtime > LAID_DOWN
    except OSError:
        return False


def _plain_manifest(path: Path) -> bytes:
    """Manifest of a run all of whose files are plain."""
    try:
        plain_files.check_plain(path)
        return plain_files.content(path, MANIFEST)
    except Unreadable as error:
        raise RunUnreadable(path.name, str(error)) from error


def opened_manifest(path: Path) -> dict[str, Any]:
    """What the manifest in the folder of a run says, after a look at what the folder holds.

    Raises
    ------
    RunUnreadable
        If a file of the folder is not plain, or the manifest is not what it should be.
    RunNotFound
        If there is no such folder.
    """
    try:
        text = _plain_manifest(path)
        if schema(text) > SCHEMA:
            raise RunOfNewerVersion(
                path.name, "it was made by a newer version", "Update clustlab to read it."
            )
        return dict(manifest(text))
    except Unreadable as error:
        raise RunUnreadable(path.name, f"{MANIFEST}: {error}") from error
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # a name with a zero byte
        if looks_like_run(path):
            raise RunUnreadable(path.name, f"{MANIFEST} is missing") from error
        raise RunNotFound(
            f"There is no readable run {path.name!r} in {path.parent}.",
            "Open the page Runs for those there are, or delete the folder.",
        ) from error
    except OSError as error:
        raise RunUnreadable(path.name, f"{MANIFEST}: {error.strerror}") from error


def log_record(line: bytes) -> LogRecord:
    """What a line of `log.jsonl` says, with the keys of today."""
    record = parsed_with_all(line, LogRecord)
    if "role" in record and "samples" not in record:
        raise Unreadable("'samples' is missing")
    scalars = record["scalars"]
    record["scalars"] = {RENAMED_SCALARS.get(key, key): scalars[key] for key in scalars}
    return record


def change_line(line: bytes) -> ChangeLine:
    """What a line of `interventions.jsonl` says."""
    return parsed_with_all(line, ChangeLine)


def thinning(text: bytes) -> ThinningRecord:
    """What `thinning.json` says of the steps that are kept."""
    return parsed(text, ThinningRecord)


def wish(text: bytes) -> WishRecord:
    """What a file in `wishes` says."""
    said = parsed(text, WishRecord)
    if "lasting" not in said and "clusters" not in said:
        raise Unreadable("'lasting' is missing")
    return said


def environment(text: bytes) -> Environment:
    """What tells one draw of a data set from another."""
    return parsed(text, Environment)


def machine(text: bytes) -> Machine:
    """Versions and device that a run was carried out with."""
    return parsed(text, Machine)

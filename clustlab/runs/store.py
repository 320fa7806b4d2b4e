"""Runs on disk: one writer, many readers, nothing else shared.

A run is a folder. `manifest.json` is written once; `status.json` is replaced whole; a snapshot's
arrays are on disk before its line appears in `log.jsonl`, so a reader who sees line k can open
snapshot k whatever happens to the writer.

    <run id>/manifest.json   what to run: the spec, titles, package versions
             status.json     where it stands; its age is the heartbeat
             log.jsonl       one line a snapshot: the commit mark
             snapshots/      00000.npz ..., encoded as `clustlab.runs.encodings` says
             checkpoint.pt   from which the rest can be repeated bit for bit
             warm.pt         checkpoint of the run that this one continues
             request         from the reader: run, pause, cancel, aside, "until N", or "box N"
             wishes/         from the reader: changes to make, one file each, until they are made
             thinning.json   which steps are kept whole, once a run has grown large
             interventions.jsonl  from the worker: each change with its step, before it is made
             about.json      from the reader: name, tags and note, see `clustlab.runs.labels`
             lock            held open by the worker
"""

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast, overload

import clustlab
from clustlab.data import library
from clustlab.data.atomic import flush, write_atomically
from clustlab.data.checked_json import Unreadable
from clustlab.errors import ParameterError, RunNotFound, RunUnreadable
from clustlab.runs import thinning, titles
from clustlab.runs.free_names import place_for
from clustlab.runs.identity import content_of, recorded_changes
from clustlab.runs.migration import SCHEMA
from clustlab.runs.opened_steps import check_whole, opened_step, step_arrays
from clustlab.runs.opened_steps import each_assignment as each_assignment
from clustlab.runs.opened_steps import probabilities_at as probabilities_at
from clustlab.runs.opened_steps import step_file as step_file
from clustlab.runs.opened_steps import step_missing as step_missing
from clustlab.runs.reading import Status as Status
from clustlab.runs.reading import looks_like_run, opened_manifest
from clustlab.runs.source import way_back
from clustlab.runs.spec import RunSpec as RunSpec  # readers of runs find it here, too
from clustlab.runs.status import ACTIVE as ACTIVE
from clustlab.runs.status import INTENTIONS, Intention, Request, progress_of, requested
from clustlab.runs.status import READY as READY
from clustlab.runs.status import RESUMABLE as RESUMABLE
from clustlab.runs.status import queued_status as queued_status
from clustlab.runs.status import write_status as write_status
from clustlab.runs.step_files import share_steps
from clustlab.runs.step_files import snapshot_path as snapshot_path
from clustlab.runs.step_log import MOST_MISSING, StepLog, is_missing
from clustlab.runs.thinning import Thinning
from clustlab.types import Array, Artefact, Dataset, Snapshot

UNUSED_DATA = 3600.0  # seconds for which a loaded data set without a run is kept


class Run(Sequence[Snapshot]):
    """A run as a growing sequence of snapshots; cheap to make, safe to keep.

    Raises
    ------
    RunNotFound
        If the folder has no readable manifest, or a log that is too long.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.name
        self.manifest: dict[str, Any] = opened_manifest(path)
        recorded_changes(path)  # without them nobody knows which run it is
        self.spec = RunSpec(**self.manifest["spec"])
        self._log = StepLog(path)
        self.unreadable: set[int] = set()  # steps whose file could not be read when last tried
        self._n_items: int | None = None
        self._kept: tuple[int, int, list[int]] = (0, 0, [])  # steps of a log, of a file of a time
        self._load = lru_cache(maxsize=24)(self.read_step)

    # -- the log -------------------------------------------------------------------------------
    @property
    def log(self) -> list[dict[str, Any]]:
        """One record a committed snapshot: step, phase, time, scalars, artefacts.

        As it was written; see `migration` for what earlier versions wrote in another way, and
        `step_log` for what stands in for a step whose line is gone.
        """
        return self._log.read()

    @property
    def n_repaired(self) -> int:
        """How often steps that were read before have changed, as none does in a run unharmed."""
        self._log.read()
        return self._log.n_repaired

    @property
    def missing_steps(self) -> list[int]:
        """Steps known not to be readable, in order: without a line, or with a damaged file.

        Files count once they were tried; `damaged_steps` tries all of them. The last steps are
        missed where the run is over and says that it made more.
        """
        log, state = self.log, self.progress
        gaps = {step for step, record in enumerate(log) if is_missing(record)} | self.unreadable
        n_made = 0 if state["status"] in ACTIVE else int(state.get("step") or 0)
        return sorted({*gaps, *range(len(log), min(n_made, len(log) + MOST_MISSING))})

    def damaged_steps(self) -> list[int]:
        """Like `missing_steps`, after reading every file to its end."""
        for step, record in enumerate(self.log):
            if not is_missing(record):
                with contextlib.suppress(RunNotFound), step_arrays(self, step) as arrays:
                    for name in arrays:
                        arrays[name]
        return self.missing_steps

    @property
    def thinning(self) -> Thinning:
        """Which of its steps are kept whole, see `clustlab.runs.thinning`."""
        return thinning.read(self.path)

    @property
    def kept_steps(self) -> list[int]:
        """Steps with all their arrays, rising; of the others clusters and figures are kept."""
        log, written = self.log, thinning.written(self.path)
        if self._kept[:2] != (len(log), written):
            special = thinning.special_steps(log) if written else ()
            self._kept = len(log), written, self.thinning.kept(len(log), special)
        return self._kept[2]

    def __len__(self) -> int:
        return len(self.log)

    @overload
    def __getitem__(self, index: int) -> Snapshot: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Snapshot]: ...
    def __getitem__(self, index: int | slice) -> Snapshot | Sequence[Snapshot]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"step {index} of {n}")
        return self._load(index % n)

    def read_step(self, step: int) -> Snapshot:
        """Snapshot of a step, read anew; those that `run[step]` gives are held for a while."""
        record = self.log[step]
        with opened_step(self, step) as arrays:
            check_whole(self, step, arrays)
            artefacts = {
                name: _artefact(about, arrays[f"artefact:{name}"])
                for name, about in record["artefacts"].items()
            }
            return Snapshot(
                embedding=arrays["embedding"],
                assignments=arrays["assignments"],
                scalars=record["scalars"],
                probabilities=arrays.get("probabilities"),
                centers=arrays.get("centers"),
                artefacts=artefacts,
            )

    # -- status --------------------------------------------------------------------------------
    @property
    def progress(self) -> dict[str, Any]:
        """Where the run stands: status, phase, done, total, fraction, eta, error and the rest."""
        return progress_of(self.path)

    @property
    def status(self) -> Status:
        """State of the run; `lost` is never written but derived from a silent or dead worker."""
        return cast(Status, self.progress["status"])

    @property
    def is_active(self) -> bool:
        """Whether a worker has it, or will."""
        return self.status in ACTIVE

    @property
    def intention(self) -> Intention:
        """What its worker was asked to do and has not done yet; empty if there is nothing."""
        status, wanted = self.status, INTENTIONS.get(requested(self.path), "")
        if status == "running" or (status == "paused" and wanted != "pausing"):
            return wanted
        return ""

    # -- what readers may write ----------------------------------------------------------------
    def request(self, word: Request) -> None:
        """Ask the worker to go on, hold, stop, or make way for others after its present step.

        Raises `RunNotFound` if the run is deleted.
        """
        self._request(word)

    def request_step(self) -> None:
        """Ask the worker for exactly one more snapshot, then to hold; raises like `request`."""
        self._request(f"until {len(self) + 1}")

    def request_half_step(self) -> None:
        """Ask the worker to go on to the next box of the method's loop; raises like `request`."""
        self._request(f"box {int(self.progress.get('boxes', 0)) + 1}")

    def _request(self, text: str) -> None:
        try:
            write_atomically(self.path / "request", text)
        except FileNotFoundError as error:
            raise RunNotFound(
                f"The run {self.id!r} is not there any more.", "It may have been deleted."
            ) from error

    @property
    def steps_before(self) -> int:
        """Number of steps at the beginning that come from the run that this one goes on from."""
        return int(self.manifest.get("steps_before", 0))

    @property
    def n_items(self) -> int | None:
        """Number of items, as their own file says; None while they are not there."""
        if self._n_items is None:
            self._n_items = library.n_items(self.path.parent, self.manifest["data_key"])
        return self._n_items

    @property
    def size(self) -> int:
        """Bytes on disk."""
        total = 0
        for file in self.path.rglob("*"):
            with contextlib.suppress(OSError):  # a worker replaces files meanwhile
                about = file.lstat()
                total += about.st_size if stat.S_ISREG(about.st_mode) else 0
        return total

    @property
    def title(self) -> str:
        """Short name for people, such as 'DEC on digits, seed 0, without 41 items'."""
        return titles.title(self)


def _artefact(about: Mapping[str, Any], data: Array) -> Artefact:
    """Artefact from its line in the log, where tuples became lists, and its array."""
    fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about.items()}
    return Artefact(data=data, **fields)


@dataclasses.dataclass(frozen=True, slots=True)
class UnreadableRun:
    """A folder that looks like a run and cannot be read."""

    id: str  # its name
    reason: str  # in words


class RunStore:
    """The folder in which runs live."""

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("CLUSTLAB_RUNS") or "runs").resolve()

    def create(
        self,
        spec: RunSpec,
        *,
        method_title: str,
        dataset_title: str,
        data_key: str,
        changed: Mapping[str, Any] | None = None,
        begins_with: Run | None = None,
    ) -> Run:
        """Lay down a new run, queued; `changed` are its settings that are not those of its preset.

        Without them, a reader works them out. `begins_with` is a finished run whose steps become
        the first ones of this run.
        """
        path = self._new_folder(spec)
        try:
            about = {"method_title": method_title, "dataset_title": dataset_title}
            about["data_key"] = data_key
            if content := content_of(spec):
                about["content"] = content
            return self._laid_down(path, spec, about, changed, begins_with)
        except BaseException:  # half a run is none
            shutil.rmtree(path, ignore_errors=True)
            raise

    def _laid_down(
        self,
        path: Path,
        spec: RunSpec,
        about: Mapping[str, str],
        changed: Mapping[str, Any] | None,
        begins_with: Run | None,
    ) -> Run:
        (path / "snapshots").mkdir()
        manifest = {
            "schema": SCHEMA,
            "spec": dataclasses.asdict(spec),
            **about,
            "created": time.time(),
            "version": clustlab.__version__,
        }
        if changed is not None:
            manifest["changed"] = dict(changed)
        if begins_with is not None:
            manifest["steps_before"] = len(begins_with)
            share_steps(begins_with.path, path, len(begins_with))
        write_status(path, queued_status())
        write_atomically(path / "manifest.json", json.dumps(manifest, indent=1), is_lasting=True)
        flush(self.root)
        return Run(path)

    def _new_folder(self, spec: RunSpec) -> Path:
        while True:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            path = self.root / f"{stamp}-{spec.method}-{spec.dataset}-{secrets.token_hex(2)}"
            with contextlib.suppress(FileExistsError):
                path.mkdir(parents=True)
                return path

    def run(self, run_id: str) -> Run:
        """Run of this id.

        Raises
        ------
        RunNotFound
            If there is none, or the id is not a plain name.
        """
        return Run(_child(self.root, run_id))

    def data_folder(self, run: Run) -> Path:
        """Folder of the items of a run, which is there once they were loaded."""
        return library.folder_of(self.root, run.manifest["data_key"])

    def dataset(self, run: Run) -> Dataset:
        """Items and labels of a run that has started.

        Raises
        ------
        RunNotFound
            If its data are gone from the folder of runs.
        """
        key = run.manifest["data_key"]
        try:
            return library.open_folder(self.data_folder(run))
        except OSError as error:
            what = f"The items of {run.id!r} are not in the folder _data/{key}."
            raise RunNotFound(what, way_back(run.spec, run.manifest)) from error
        except Unreadable as error:
            what = f"The items of {run.id!r} in the folder _data/{key} are damaged: {error}."
            raise RunNotFound(what, way_back(run.spec, run.manifest)) from error

    def runs(self) -> list[Run]:
        """All readable runs, newest first."""
        return self._scan(self.root)[0]

    def unreadable(self) -> list[UnreadableRun]:
        """Folders that look like runs and cannot be read, each with the reason, by name."""
        return self._scan(self.root)[1]

    def _scan(self, folder: Path) -> tuple[list[Run], list[UnreadableRun]]:
        runs, unreadable = [], []
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name.startswith(("_", ".")) or not looks_like_run(path):
                continue
            try:
                runs.append(Run(path))
            except RunUnreadable as error:
                unreadable.append(UnreadableRun(path.name, error.reason))
            except RunNotFound:  # deleted meanwhile
                continue
        runs.sort(key=lambda run: (run.manifest["created"], run.id), reverse=True)
        return runs, sorted(unreadable, key=lambda each: each.id)

    # -- delete with undo ----------------------------------------------------------------------
    @property
    def _bin(self) -> Path:
        return self.root / "_deleted"

    def delete(self, run_id: str) -> None:
        """Put a run aside, stopped; `restore` brings it back until `purge`.

        One that cannot be read can be deleted, too. Raises `ParameterError` if one of this name is.
        """
        path, active = _child(self.root, run_id), None
        if (self._bin / run_id).exists():
            raise ParameterError(
                f"A run {run_id!r} was deleted before and can still be restored.",
                "Rename the folder of this one, or wait until the other is purged.",
            )
        with contextlib.suppress(RunUnreadable):
            run = self.run(run_id)
            active = run if run.is_active else None
        if active is not None:
            active.request("cancel")
        self._bin.mkdir(exist_ok=True)
        moved = path.rename(self._bin / run_id)
        if active is not None:  # its worker will not find the folder to say so
            write_status(moved, {**Run(moved).progress, "status": "cancelled", "eta": None})

    def restore(self, run_id: str, *, beside: bool = False) -> Run | None:
        """Bring back a deleted run; None if it cannot be read.

        Raises `RunNotFound` if it is not among the deleted, and `ParameterError` if another one has
        its name by now, `beside` which it may come under a name of its own.
        """
        path = _child(self._bin, run_id)
        if not path.is_dir():
            raise RunNotFound(f"{run_id!r} is not among the deleted runs.", "It may be purged.")
        place = path.rename(place_for(self.root / run_id, beside=beside))
        with contextlib.suppress(RunUnreadable):
            return self.run(place.name)
        return None

    def deleted(self) -> list[Run]:
        """Readable runs that can still be restored, newest first."""
        return self._scan(self._bin)[0]

    def purge(self, older_than: float = 0.0) -> None:
        """Remove deleted runs for good whose folder has been aside for so many seconds.

        Loaded data sets that no run needs any more go with them, unless there are runs that cannot
        be read: nobody knows which data these need.
        """
        for path in self._bin.iterdir() if self._bin.is_dir() else ():
            if time.time() - path.lstat().st_ctime >= older_than:
                library.remove_folder(path)
        runs, unreadable = self._scan(self.root)
        aside, unreadable_aside = self._scan(self._bin)
        if not unreadable and not unreadable_aside:
            needed = {run.manifest["data_key"] for run in (*runs, *aside)}
            library.remove_unused(self.root, needed, max(older_than, UNUSED_DATA))


def _child(folder: Path, name: str) -> Path:
    """Path of a run in a folder; refuses names that lead elsewhere."""
    path = folder / name
    if not name or path.parent != folder or name.startswith(("_", ".")):
        raise RunNotFound(f"{name!r} is not the name of a run.", "Open the page Runs.")
    return path

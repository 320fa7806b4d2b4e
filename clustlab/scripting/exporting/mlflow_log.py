"""Stored runs logged to MLflow: settings, figures of every step, tags, tables and pictures.

Needs `mlflow-skinny`, the extra `mlflow`. Nothing is logged unless somebody asks for it.
"""

import importlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clustlab.analysis import progress_axis
from clustlab.data.scratch import scratch
from clustlab.errors import ClustlabError, ParameterError
from clustlab.params import in_words
from clustlab.runs.identity import identity_of
from clustlab.runs.labels import label_of
from clustlab.runs.store import Run
from clustlab.scripting.exporting.formats import export
from clustlab.scripting.runs import OpenRun

EXPERIMENT = "clustlab"
RUN_TAG = "clustlab.run"  # by which a run that was logged before is found
LONGEST = 500  # letters of a parameter that every version of MLflow takes
TOGETHER = 500  # figures that are sent at once
STATUSES = {"done": "FINISHED", "failed": "FAILED", "lost": "FAILED"}  # all others were stopped
FILES = ("manifest.json", "environment.json", "interventions.jsonl")
SETTINGS = {  # of MLflow, unless somebody has chosen others
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # says soon that a server is not there
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # writes into a folder, if one is named
}


@dataclass(frozen=True, slots=True)
class Logged:
    """A run at MLflow."""

    run: str  # id of ours
    mlflow_run: str
    is_new: bool  # else it was logged before, and is left as it was


def log(
    run: OpenRun, to: str, *, experiment: str = EXPERIMENT, with_pictures: bool = True
) -> Logged:
    """Log a stored run, unless it was logged before.

    Parameters
    ----------
    to : str
        Address of a tracking server, a folder, or what else MLflow takes as a tracking URI.
    experiment : str
        Name of the experiment, which is made if there is none.

    Raises
    ------
    ClustlabError
        If `mlflow-skinny` is missing, the run is at work, or MLflow refuses; what was begun is
        deleted then.
    """
    stored = run.stored
    if stored.is_active:
        raise ParameterError(
            f"The run {run.id!r} is {run.status}.", "Wait until it is done, or stop it first."
        )
    client = _client(to)
    try:
        place = _experiment(client, experiment)
        known = client.search_runs([place], f"tags.`{RUN_TAG}` = '{run.id}'", max_results=1)
        if known:
            return Logged(run.id, known[0].info.run_id, is_new=False)
        made = client.create_run(
            place,
            start_time=_milliseconds(stored.manifest["created"]),
            tags=_tags(stored),
            run_name=run.title,
        ).info.run_id
        try:
            _log_all(client, made, run, with_pictures)
        except BaseException:
            client.delete_run(made)
            raise
    except ClustlabError:
        raise
    except Exception as error:  # of MLflow, the network or a server
        first = str(error).strip().partition("\n")[0]
        raise ClustlabError(
            f"MLflow at {to} says: {first}",
            "Check the address, and what MLflow needs for it: pip install mlflow brings all.",
        ) from error
    return Logged(run.id, made, is_new=True)


def _client(to: str) -> Any:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        tracking = importlib.import_module("mlflow.tracking")
    except ImportError as error:
        raise ParameterError(
            "To log runs, clustlab needs what is not installed: mlflow-skinny.",
            "Install it with: pip install 'clustlab[mlflow]'.",
        ) from error
    uri = to if ":" in to else Path(to).absolute().as_uri()
    try:
        return tracking.MlflowClient(tracking_uri=uri)
    except Exception as error:  # such as a kind of address that it does not know
        first = str(error).strip().partition("\n")[0]
        raise ParameterError(
            f"MLflow cannot log to {to!r}: {first}",
            "Give the address of a server, such as http://localhost:5000, or a folder.",
        ) from error


def _experiment(client: Any, name: str) -> str:
    known = client.get_experiment_by_name(name)
    return str(known.experiment_id if known else client.create_experiment(name))


# -- what is logged --------------------------------------------------------------------------------
def _log_all(client: Any, made: str, run: OpenRun, with_pictures: bool) -> None:
    entities = importlib.import_module("mlflow.entities")
    params = [entities.Param(name, text) for name, text in _params(run.stored).items()]
    client.log_batch(made, params=params)
    waiting = []
    for figure in _figures(run):
        waiting.append(entities.Metric(*figure))
        if len(waiting) == TOGETHER:
            client.log_batch(made, metrics=waiting)
            waiting = []
    if waiting:
        client.log_batch(made, metrics=waiting)
    with scratch() as folder:
        for file in _files(run, folder, with_pictures):
            client.log_artifact(made, str(file))
    ended = run.stored.progress.get("finished") or run.stored.manifest["created"]
    status = STATUSES.get(run.status, "KILLED")
    client.set_terminated(made, status=status, end_time=_milliseconds(ended))


def _params(run: Run) -> Mapping[str, str]:
    """What the run was asked for, as text; long lists are cut."""
    facts = {"preset": run.spec.preset, "device": run.spec.device, **identity_of(run).facts}
    told = {name: in_words(value) for name, value in facts.items()}
    return {name: text[:LONGEST] for name, text in told.items() if text}


def _tags(run: Run) -> Mapping[str, str]:
    label = label_of(run)
    tags = {
        RUN_TAG: run.id,
        "clustlab.version": str(run.manifest.get("version", "")),
        "clustlab.tags": ", ".join(label.tags),
        "mlflow.note.content": label.note,
        "mlflow.source.name": "clustlab",
    }
    return {name: text for name, text in tags.items() if text}


def _figures(run: OpenRun) -> Iterator[tuple[str, float, int, int]]:
    """Name, value, moment in milliseconds and step of each figure that is defined."""
    created = run.stored.manifest["created"]
    seconds = progress_axis.clock(run.stored).seconds
    scores = run.curves().set_index("step")
    for step, record in enumerate(list(run.stored.log)):
        own = {f"method.{name}": value for name, value in record["scalars"].items()}
        ours: Mapping[Any, Any] = scores.loc[step].to_dict() if step in scores.index else {}
        moment = _milliseconds(created + (step if seconds is None else float(seconds[step])))
        for name, value in {**dict(ours), **own}.items():
            if isinstance(value, int | float) and math.isfinite(value):
                yield name, float(value), moment, step


def _files(run: OpenRun, folder: Path, with_pictures: bool) -> Iterator[Path]:
    """What the run has noted of itself, a table of its last step, and pictures of it."""
    for name in FILES:
        if (run.path / name).is_file():
            yield run.path / name
    if not len(run.steps):
        return
    yield export(run, "csv", folder / "items.csv").path
    if with_pictures:
        from clustlab.scripting import plot

        yield plot.save(plot.embedding(run), folder / "embedding.png")
        yield plot.save(plot.clusters(run), folder / "clusters.png")
        if run.dataset.labels is not None:
            yield plot.save(plot.confusion(run), folder / "confusion.png")


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)

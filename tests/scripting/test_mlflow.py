"""Runs logged to MLflow: what is told, once, and nothing half of it."""

import importlib.util
import json
import math
import sys

import pytest

from clustlab.__main__ import main
from clustlab.errors import ClustlabError, ParameterError
from clustlab.runs.labels import Label, set_label
from clustlab.runs.store import queued_status, write_status
from clustlab.scripting.exporting import mlflow_log
from clustlab.scripting.runs import OpenRun
from clustlab.studies.description import Base, Study, axis_of
from clustlab.studies.store import Studies
from clustlab.training.worker import new_run
from tests.support import made_runs

CLUSTERS = [0, 1, 2] * 4


@pytest.fixture
def run(store):
    made_runs.data(store, labels=CLUSTERS)
    run = made_runs.run(store, [CLUSTERS[::-1], CLUSTERS])
    set_label(run, Label("Best so far", ("paper", "draft"), "Look again."))
    return OpenRun(store, run)


def test_what_is_told_of_a_run_is_its_settings_tags_and_defined_figures(run):
    params = mlflow_log._params(run.stored)
    assert (params["method"], params["seed"], params["preset"]) == (
        run.stored.spec.method,
        "0",
        run.stored.spec.preset,
    )
    assert max(map(len, params.values())) <= mlflow_log.LONGEST
    tags = mlflow_log._tags(run.stored)
    assert tags["clustlab.run"] == run.id
    assert tags["clustlab.tags"] == "paper, draft"
    assert tags["mlflow.note.content"] == "Look again."
    figures = {(name, step): value for name, value, _, step in mlflow_log._figures(run)}
    assert figures["acc", 1] == 1.0
    assert figures["nmi", 0] == pytest.approx(run.scores(0)["nmi"])
    assert all(math.isfinite(value) for value in figures.values())
    moments = [moment for _, _, moment, _ in mlflow_log._figures(run)]
    assert moments == sorted(moments)


def test_without_the_package_its_extra_is_named(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.delitem(sys.modules, "mlflow.tracking", raising=False)
    with pytest.raises(ParameterError, match=r"mlflow-skinny.*pip install 'clustlab\[mlflow\]'"):
        mlflow_log.log(run, "somewhere")
    words = ["mlflow", run.id, "--to", "somewhere", "--runs", str(run.store.root)]
    assert main(words) == 2
    assert "clustlab[mlflow]" in capsys.readouterr().err


def test_runs_of_a_study_that_are_done_are_logged_under_its_name(store, monkeypatch, capsys):
    base = Base("digits", "kmeans", "quick", {"n_samples": 150}, {"n_init": 1, "max_iter": 2})
    study = Studies(store).keep(Study("Two seeds", base, (axis_of("seed=0..2", base),)))
    runs = [new_run(store, spec) for _, _, spec in study.specs()]
    for run in runs[:2]:
        write_status(run.path, {"status": "done"})
    logged = []

    def log(run, to, *, experiment, with_pictures):
        logged.append((run.id, to, experiment, with_pictures))
        return mlflow_log.Logged(run.id, "theirs", is_new=True)

    monkeypatch.setattr(mlflow_log, "log", log)
    words = ["mlflow", "--to", "here", "--no-pictures", "--runs", str(store.root)]
    assert main([*words, "--study", "Two seeds"]) == 0
    assert logged == [(run.id, "here", "Two seeds", False) for run in runs[:2]]
    assert json.loads(capsys.readouterr().out)["experiment"] == "Two seeds"
    assert main(words) == 2
    assert "Name a run, or a study." in capsys.readouterr().err


def test_a_run_at_work_is_not_logged(run):
    write_status(run.path, queued_status())
    with pytest.raises(ParameterError, match="is queued"):
        mlflow_log.log(run, "somewhere")


# -- with MLflow itself, where it is installed -----------------------------------------------------
@pytest.fixture
def mlflow():
    if importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow-skinny, of the extra mlflow, is not installed")
    return importlib.import_module("mlflow.tracking")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_what_was_logged(run, mlflow, tmp_path, capsys):
    place = tmp_path / "tracking"
    words = ["mlflow", run.id, "--to", str(place), "--experiment", "Study"]
    words += ["--runs", str(run.store.root)]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    (told,) = answer["runs"]
    assert (told["run"], told["new"]) == (run.id, True)
    client = mlflow.MlflowClient(tracking_uri=place.as_uri())
    found = client.get_run(told["mlflow_run"])
    assert found.info.run_name == run.title == "Best so far"
    assert found.info.status == "FINISHED"
    assert found.data.params == mlflow_log._params(run.stored)
    assert found.data.metrics["acc"] == 1.0
    steps = client.get_metric_history(told["mlflow_run"], "acc")
    assert [(each.step, each.value) for each in steps] == [
        (step, run.scores(step)["acc"]) for step in run.steps
    ]
    files = {each.path for each in client.list_artifacts(told["mlflow_run"])}
    assert files >= {"manifest.json", "items.csv", "embedding.png", "clusters.png", "confusion.png"}
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["runs"] == [{**told, "new": False}]
    assert "was logged before" in err


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_was_begun_is_deleted_if_it_cannot_be_finished(run, mlflow, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mlflow_log, "_files", full)
    with pytest.raises(ClustlabError, match="No space left"):
        mlflow_log.log(run, str(tmp_path))
    client = mlflow.MlflowClient(tracking_uri=tmp_path.as_uri())
    experiment = client.get_experiment_by_name("clustlab")
    assert client.search_runs([experiment.experiment_id]) == []
    monkeypatch.undo()
    assert mlflow_log.log(run, str(tmp_path)).is_new


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("to", ["http://localhost:9", "nothing://here"])
def test_an_address_that_leads_nowhere_is_told(run, mlflow, to, capsys):
    assert main(["mlflow", run.id, "--to", to, "--runs", str(run.store.root)]) == 2
    err = capsys.readouterr().err
    assert "MLflow" in err
    assert "Traceback" not in err

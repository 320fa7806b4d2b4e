"""What `import clustlab` offers to scripts and notebooks."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clustlab as cl
from clustlab.analysis import metrics
from clustlab.cli.command_line import main
from clustlab.data import own_sets
from clustlab.errors import ClustlabError, ParameterError, RunNotFound
from clustlab.runs.store import RunStore
from clustlab.types import Labelling
from tests.support import own_data

SMALL = {"n_samples": 200}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def dec(folder):
    settings = {"epochs": 1, "max_updates": 3, "n_init": 1, "hidden_widths": "100-100-400"}
    return cl.train(
        "digits", "dec", preset="quick", settings=settings, data=SMALL, progress=False, runs=folder
    )


@pytest.fixture(scope="module")
def kmeans(folder):
    return cl.train("digits", "kmeans", preset="quick", data=SMALL, progress=False, runs=folder)


def test_names_are_loaded_late_and_listed():
    code = "import sys, clustlab as cl; print('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
    for name in cl.__all__:
        assert getattr(cl, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cl.nothing


def test_types_are_told_of_all_that_is_offered():
    told = (Path(cl.__file__).parent / "__init__.pyi").read_text("utf-8")
    assert ast.literal_eval(told.split("__all__ = ")[1].split("]")[0] + "]") == cl.__all__
    for name in (*cl.__all__, "__version__", "app_folder"):
        assert name in told


def test_a_run_is_what_the_store_and_the_command_say(dec, folder, capsys):
    run = RunStore(folder).run(dec.id)
    assert (dec.status, dec.title, list(dec.steps)) == ("done", run.title, list(range(len(run))))
    assert (dec.assignments(ids="raw") == run[-1].assignments).all()
    assert (dec.embedding(2) == run[2].embedding).all()
    assert (dec.probabilities() == run[-1].probabilities).all()
    assert main(["show", dec.id, "--runs", str(folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert dec.scores() == {key: told[key] for key in dec.scores()}
    assert dec.alarms == told["alarms"]
    curves = dec.curves()
    assert len(curves) == len(run)
    assert curves["acc"].iloc[-1] == pytest.approx(told["acc"], abs=1e-5)
    assert dec.settings["max_updates"] == 3


def test_lasting_numbers_are_the_same_clusters_as_raw_ones(dec):
    for step in dec.steps:
        raw, lasting = dec.assignments(step, "raw"), dec.assignments(step)
        assert len({*zip(raw.tolist(), lasting.tolist(), strict=True)}) == len(set(raw.tolist()))
    with pytest.raises(ParameterError, match="'lasting' or 'raw'"):
        dec.assignments(ids="other")


def test_a_frame_has_a_row_for_each_item(dec):
    table = dec.frame(-1)
    assert len(table) == len(dec.dataset.items) == SMALL["n_samples"]
    assert (table["cluster"] == dec.assignments()).all()
    assert (table["raw_cluster"] == dec.assignments(ids="raw")).all()
    assert table["class"].tolist() == [str(label) for label in dec.dataset.labels]
    assert np.allclose(table["confidence"], dec.probabilities().max(1))
    assert np.allclose(table["margin"], metrics.margin(dec.view().snapshot))
    assert "name" not in table


def test_names_and_unknown_classes_are_in_the_frame(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    labels = own_data.classes(30)
    labels[3] = -1
    own = own_data.vector_set(n=30, labellings={"kind": Labelling(labels, ("a", "b", "c"))})
    settings = {"n_clusters": 3}
    run = cl.train(own.name, "kmeans", preset="quick", settings=settings, runs=tmp_path / "runs")
    table = run.frame()
    assert sorted(table["name"]) == sorted(own.item_names())
    assert table["class"].isna().sum() == 1


def test_runs_are_opened_listed_and_compared(dec, kmeans, folder):
    assert cl.open(dec.id, folder).title == dec.title
    assert [run.id for run in cl.all_runs(folder)] == [kmeans.id, dec.id]
    told = cl.compare(dec, kmeans)
    assert told == cl.compare(dec.id, kmeans.id, folder=folder)
    assert told["n_items"] == SMALL["n_samples"]
    with pytest.raises(RunNotFound, match="'none'"):
        cl.open("none", folder)
    with pytest.raises(ParameterError, match="There is no step 99"):
        dec.frame(99)


def test_what_goes_wrong_in_training_is_raised_with_its_remedy(tmp_path):
    with pytest.raises(ParameterError, match="There is no preset 'fast'"):
        cl.train("digits", "dec", preset="fast", runs=tmp_path)
    with pytest.raises(ParameterError, match="n_clusters"):
        cl.train("digits", "dec", settings={"n_clusters": 1}, runs=tmp_path)
    with pytest.raises(ClustlabError, match="n_clusters is 60, but there are only 50 items"):
        cl.train(
            *("digits", "kmeans"),
            settings={"n_clusters": 60},
            data={"n_samples": 50},
            progress=False,
            runs=tmp_path,
        )


def test_charts_are_those_of_the_pages(dec):
    step = dec.steps[-1]
    for chart in (cl.plot.embedding(dec), cl.plot.confusion(dec), cl.plot.shifts(dec)):
        told = json.loads(chart.to_json())
        assert f"step {step}" in json.dumps(told) or f"to {step}" in json.dumps(told)
    assert '"Accuracy"' in cl.plot.curves(dec).to_json()
    sheet = cl.plot.clusters(dec, across=5, tile=16)
    assert sheet.width > 5 * 16
    assert sheet.height > 16 * len(set(dec.assignments().tolist()))


def test_charts_say_what_they_cannot_show(dec):
    with pytest.raises(ParameterError, match="cannot be coloured by 'colour'"):
        cl.plot.embedding(dec, colour_by="colour")
    with pytest.raises(ParameterError, match="cannot begin at step"):
        cl.plot.shifts(dec, 0)
    with pytest.raises(ParameterError, match="has no score 'x'"):
        cl.plot.curves(dec, "x")


# -- data of one's own ---------------------------------------------------------------------------
@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path


def test_arrays_and_files_become_data_sets(data_folder):
    images = own_data.pictures(12)
    kinds = np.array(["ape", "bat", "cat"])[own_data.classes(12)]
    name = cl.import_data(images, "Mine", labels=kinds)
    own = own_sets.own_set(name)
    assert (own.items() == images).all()
    labelling = own.labelling("class")
    assert (np.array(labelling.class_names)[labelling.labels] == kinds).all()
    assert cl.import_data(images, "Again", labels=kinds) == name  # the same content
    np.savez(data_folder / "v.npz", x=np.random.default_rng(0).normal(size=(20, 3)), kind=range(20))
    other = cl.import_data(data_folder / "v.npz", "Vectors", progress=False)
    assert own_sets.own_set(other).shape == (20, 3)


@pytest.mark.parametrize(
    ("items", "more", "told"),
    [
        (np.zeros((3, 4, 4)), {}, r"shape \(3, 4, 4\) and type float64"),
        (np.array([[1.0, np.nan]]), {}, "Row 0 of the vectors"),
        (np.zeros((3, 2)), {"labels": [1, 2]}, "2 labels for 3 items"),
        (np.zeros((3, 2)), {"size": (8, 8)}, "without size"),
        ("nowhere.zip", {"labels": [1, 2]}, "name of a column"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_words(data_folder, items, more, told):
    with pytest.raises(ParameterError, match=told):
        cl.import_data(items, "Mine", progress=False, **more)


def test_a_chart_is_saved_as_its_name_ends_and_over_nothing(dec, tmp_path):
    chart = cl.plot.confusion(dec)
    svg = cl.plot.save(chart, tmp_path / "a.svg", size="column", title="Mine", caption="See.")
    assert 'width="86mm"' in svg.read_text()
    assert ">Mine</text>" in svg.read_text()
    assert cl.plot.save(chart, tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    sheet = cl.plot.clusters(dec, across=3, tile=8)
    png = cl.plot.save(sheet, tmp_path / "a.png")
    assert (np.asarray(Image.open(png)) == np.asarray(sheet)).all()
    told = cl.plot.save(
        sheet, tmp_path / "sheet.svg", title="All", caption="A row each."
    ).read_text()
    assert 'width="178mm"' in told
    assert all(f">{words}</text>" in told for words in ("All", "A row each."))
    assert cl.plot.save(sheet, tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")
    for thing, name, words in (
        (chart, "a.gif", "does not end in PNG, SVG or PDF"),
        (sheet, "a.gif", "does not end in PNG, SVG or PDF"),
        (chart, "a.svg", "already"),
    ):
        with pytest.raises(ParameterError, match=words):
            cl.plot.save(thing, tmp_path / name)

"""The model of a run without clustlab: it answers as the run does, and says what it answers."""

import importlib.util
import json
import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from clustlab.__main__ import main
from clustlab.errors import ClustlabError, ParameterError
from clustlab.explaining.scorers import load_scorer
from clustlab.runs.store import RunStore
from clustlab.scripting.exporting import model as exporting
from clustlab.scripting.exporting.model import TOLERANCE, export_model
from clustlab.scripting.runs import open_run
from tests.methods.test_scorers import IMAGES, POINTS, trained

QUICK = ("kmeans", POINTS)  # in the everyday suite: tracing takes seconds


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Makes a small run of a method, once."""
    store = RunStore(tmp_path_factory.mktemp("runs"))

    @cache
    def made(method, kind):
        return trained(store, method, IMAGES if kind == "digits" else POINTS)

    return lambda method, data: open_run(made(method, data[0]).id, store.root)


def loaded(folder):
    """The model in a folder, as its own loader has it."""
    spec = importlib.util.spec_from_file_location("load", folder / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Model()


def check(run, folder):
    """Both ways to load it answer as the run, for any number of items."""
    done = export_model(run, folder)
    assert done.difference <= TOLERANCE
    scorer = load_scorer(run.store, run.stored, check=None)
    model, items = loaded(folder), run.dataset.items
    traced = torch.export.load(folder / "model.pt2").module()
    for n in (1, 2, 33):
        with torch.no_grad():
            wanted = scorer.module(scorer.inputs[np.arange(n)]).float()
        some = torch.from_numpy(np.array(items[:n]))
        size = max(1.0, float(wanted.abs().max()))
        assert torch.allclose(model.scores(some), wanted, rtol=0, atol=1e-5 * size)
        assert torch.allclose(traced(some), wanted, rtol=0, atol=1e-5 * size)
    clusters = model.clusters(torch.from_numpy(np.array(items))).numpy()
    assert (clusters == run.assignments(done.step)).mean() == pytest.approx(
        done.agreement, abs=0.02
    )


def test_what_is_exported_answers_as_the_run(runs, tmp_path):
    check(runs(*QUICK), tmp_path / "model")


ONE_OF_EACH_KIND = (  # of scorer: centres in a code, mixture, heads, classifier, convolutions
    *(("dec", POINTS), ("vade", POINTS), ("iic", IMAGES)),
    *(("deepcluster", IMAGES), ("scan", POINTS), ("cohiclust", POINTS)),
)
"""All methods are exported by `python -m tests.robust.exported_models`."""


@pytest.mark.slow
@pytest.mark.parametrize(("method", "data"), ONE_OF_EACH_KIND)
def test_a_method_of_each_kind_can_be_exported(runs, tmp_path, method, data):
    check(runs(method, data), tmp_path / "model")


def test_the_folder_says_what_it_takes_and_what_its_clusters_are(runs, tmp_path):
    run = runs("gmm", IMAGES)
    folder = export_model(run, tmp_path / "model").path
    assert sorted(each.name for each in folder.iterdir()) == [
        "clustlab-export.json",
        "load.py",
        "model.json",
        "model.pt2",
        "model.safetensors",
        "network.py",
    ]
    about = json.loads((folder / "model.json").read_text())
    assert about["items"]["shape"] == ["any number", 8, 8, 1]
    assert about["items"]["dtype"] == "uint8"
    assert sorted(about["clusters"]) == sorted(set(about["clusters"]))
    assert set(about["stands_for"].values()) <= {str(digit) for digit in range(10)}
    assert list(load_file(folder / "model.safetensors")) == sorted(about["weights"])
    for file in ("network.py", "load.py"):
        assert "clustlab" not in (folder / file).read_text().replace("without clustlab", "")
    assert len((folder / "load.py").read_text().splitlines()) < 60


@pytest.mark.slow
def test_torch_alone_is_needed_to_load_it(runs, tmp_path):
    run = runs("kmeans", POINTS)
    folder = export_model(run, tmp_path / "model").path
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    code = (
        "import sys\n"
        "for name in ('clustlab', 'safetensors', 'sklearn', 'pandas'): sys.modules[name] = None\n"
        "import torch, load\n"
        f"items = torch.tensor({run.dataset.items[:5].tolist()})\n"
        "print(load.Model().clusters(items).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == run.assignments()[:5].tolist()


def test_a_model_that_would_answer_otherwise_is_not_written(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_difference", lambda *_: 0.5)
    with pytest.raises(ClustlabError, match=r"would differ from the run by 0\.5"):
        export_model(runs("kmeans", POINTS), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_cannot_be_exported_says_why(runs, tmp_path, capsys):
    run = runs("kmeans", POINTS)
    words = ["export-model", run.id, "-o", str(tmp_path / "model"), "--runs", str(run.store.root)]
    assert main(words) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["path"] == str(tmp_path / "model")
    assert answer["agreement"] == 1
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force"]) == 0
    capsys.readouterr()
    other = runs("spectral", POINTS)
    assert main(["export-model", other.id, *words[2:-2], "--runs", str(run.store.root)]) == 2
    assert "cannot judge a new item" in capsys.readouterr().err
    with pytest.raises(ParameterError, match="already"):
        export_model(run, tmp_path / "model")

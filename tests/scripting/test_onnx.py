"""The model of a run as ONNX: it answers as the run, for any number of items."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import torch

from clustlab.__main__ import main
from clustlab.errors import ClustlabError, ParameterError
from clustlab.explaining.scorers import load_scorer, scores_of_new
from clustlab.scripting.exporting import onnx_model
from clustlab.scripting.exporting.model import TOLERANCE, export_model
from tests.methods.test_scorers import IMAGES
from tests.scripting.test_model_export import ONE_OF_EACH_KIND, QUICK, runs  # noqa: F401

HERE = all(importlib.util.find_spec(package) for package in onnx_model.PACKAGES)
needs_onnx = pytest.mark.skipif(not HERE, reason="the extra onnx is not installed")


@pytest.mark.parametrize("missing", onnx_model.PACKAGES)
def test_packages_that_are_missing_are_named_with_their_extra(monkeypatch, missing, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ParameterError, match=rf"{missing}.*pip install 'clustlab\[onnx\]'"):
        export_model(None, tmp_path / "model", to="onnx")
    with pytest.raises(ParameterError, match="must be one of torch, onnx, got 'tflite'"):
        export_model(None, tmp_path / "model", to="tflite")
    assert list(tmp_path.iterdir()) == []


def check(run, folder):
    done = export_model(run, folder, to="onnx")
    assert done.difference <= TOLERANCE
    scorer, items = load_scorer(run.store, run.stored, check=None), run.dataset.items
    for n in (1, 2, 33):
        some = np.array(items[:n])
        wanted = scores_of_new(scorer.module, items, some, torch.device("cpu"))
        size = max(1.0, float(np.abs(wanted).max()))
        found = onnx_model.scores(folder, some)
        assert np.allclose(found, wanted, rtol=0, atol=1e-5 * size)
    clusters = np.array(json.loads((folder / "model.json").read_text())["clusters"])
    found = clusters[onnx_model.scores(folder, np.array(items)).argmax(1)]
    assert (found == run.assignments(done.step)).mean() == pytest.approx(done.agreement, abs=0.02)


@needs_onnx
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("method", "data"), [QUICK, *ONE_OF_EACH_KIND, ("cohiclust", IMAGES)])
def test_what_is_written_answers_as_the_run(runs, tmp_path, method, data):  # noqa: F811
    check(runs(method, data), tmp_path / "model")


@needs_onnx
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_command_writes_it_into_a_folder_of_two_files(runs, tmp_path, capsys):  # noqa: F811
    run = runs(*QUICK)
    words = ["export-model", run.id, "-o", str(tmp_path / "model"), "--to", "onnx"]
    assert main([*words, "--runs", str(run.store.root)]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["difference"] <= TOLERANCE
    names = sorted(each.name for each in (tmp_path / "model").iterdir())
    assert names == ["clustlab-export.json", "model.json", "model.onnx"]


@needs_onnx
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_what_onnx_has_no_words_for_is_told_and_nothing_is_written(
    runs,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    def refused(*_, **__):
        try:
            raise ValueError("No ONNX function for aten.odd\nand many lines more")
        except ValueError as error:
            raise RuntimeError("Step 3 failed") from error

    monkeypatch.setattr(torch.onnx, "export", refused)
    with pytest.raises(ClustlabError, match=r"ONNX: No ONNX function for aten\.odd") as caught:
        export_model(runs(*QUICK), tmp_path / "model", to="onnx")
    assert "many lines" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []

"""Features of a frozen network: computed once, found again, and only of tensors in a file."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from clustlab.analysis import shared_items
from clustlab.cli.command_line import main
from clustlab.data import library, own_sets
from clustlab.errors import Cancelled, DataError, ParameterError
from clustlab.importing import features
from clustlab.importing.features import Extraction
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from clustlab.types import Labelling
from tests.support import own_data

N = 20
PARAMS = {"n_samples": N}


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def network():
    return models.resnet18(num_classes=7).eval()


@pytest.fixture
def weights(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    return tmp_path / "weights.pt"


def extracted(weights, title="", watch=lambda words, share: None, **how):
    how = Extraction(weights=weights, side=32, device="cpu", **how)
    return features.bring_in("digits", how, title, PARAMS, watch)


def test_vectors_are_what_goes_into_the_last_layer_beside_their_images(network, weights):
    own = extracted(weights).own
    assert own.shape == (N, 512)
    assert own.parent == "digits"
    assert own.features == "resnet18, input of the last layer"
    images = own.images()
    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float().expand(-1, 3, -1, -1) / 255
    x = torch.nn.functional.interpolate(x, (32, 32), mode="bilinear", antialias=True)
    mean = torch.tensor(features.MEAN)[:, None, None]
    x = (x - mean) / torch.tensor(features.DEVIATION)[:, None, None]
    without_head = torch.nn.Sequential(*list(network.children())[:-1], torch.nn.Flatten())
    with torch.no_grad():
        assert torch.allclose(without_head(x), torch.from_numpy(np.array(own.items())), atol=1e-4)
    assert own.labelling("class").labels.shape == (N,)


@pytest.mark.slow
def test_the_same_features_are_found_again_also_from_another_kind_of_file(
    network, weights, tmp_path
):
    first = extracted(weights)
    assert first.is_new
    again = extracted(weights, "another name")
    assert (again.own, again.is_new) == (first.own, False)
    state = {name: tensor for name, tensor in network.state_dict().items() if "fc." not in name}
    save_file(state, tmp_path / "weights.safetensors")  # without the layer that is not needed
    other = extracted(tmp_path / "weights.safetensors", "another name")
    assert (other.own, other.is_new) == (first.own, False)
    assert list(own_sets.own_sets()) == [first.own.name]


@pytest.mark.slow
def test_features_found_again_are_of_the_same_set_with_the_same_classes(weights):
    def of(dataset):
        how = Extraction(weights=weights, side=32, device="cpu")
        return features.bring_in(dataset, how, "", {}, lambda words, share: None)

    kinds = Labelling(own_data.classes(N), ("a", "b", "c"))
    own = own_data.image_set("Mine", N, {"kind": kinds})
    first = of(own.name)
    copy = own_data.image_set("Copy", N, {"kind": replace(kinds, labels=kinds.labels[::-1])})
    of_copy = of(copy.name)
    assert of_copy.is_new
    assert of_copy.own.parent == "copy"
    assert (of_copy.own.labelling("class").labels == kinds.labels[::-1]).all()
    half = Labelling((np.arange(N) // 10).astype(np.int32), ("first", "second"))
    own_sets.add_labelling(own.name, "half", half)
    again = of(own.name)
    assert (again.own.name, again.is_new, again.added) == (first.own.name, False, ("half",))
    assert (again.own.labelling("half").labels == half.labels).all()


@pytest.mark.slow
def test_a_layer_can_be_named_and_its_maps_are_averaged(weights):
    own = extracted(weights, layer="layer2").own
    assert own.shape == (N, 128)
    with pytest.raises(ParameterError, match="no layer 'nonsense'"):
        extracted(weights, layer="nonsense")


@pytest.mark.slow
def test_weights_that_do_not_fit_are_refused_with_the_first_that_differs(weights, tmp_path):
    with pytest.raises(DataError, match=r"does not fit resnet50: size mismatch"):
        extracted(weights, network="resnet50")
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(DataError, match=r"names differ, the first is 'conv1.weight'"):
        extracted(tmp_path / "other.pt")
    with pytest.raises(ParameterError, match="no network 'resnet'"):
        extracted(weights, network="resnet")


class Trap:
    def __reduce__(self):
        return open, ("trap-was-sprung", "w")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PK\3\4" + bytes(80), pickle.dumps(Trap())])
def test_nothing_in_a_file_of_weights_is_carried_out(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pt").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as weights"):
        extracted(tmp_path / "bad.pt")
    assert not (tmp_path / "trap-was-sprung").exists()


def test_one_that_is_stopped_leaves_nothing(weights):
    def watch(words, share):
        if words.startswith("Reading features"):
            raise Cancelled

    with pytest.raises(Cancelled):
        extracted(weights, watch=watch)
    assert not list(own_sets.folder_of_all().iterdir())


def test_weights_of_nonsense_say_which_item_they_fail_on(network, tmp_path):
    state = {name: tensor * torch.nan for name, tensor in network.state_dict().items()}
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(DataError, match=r"not finite for item \d+"):
        extracted(tmp_path / "nan.pt")


def test_runs_on_images_and_on_their_features_are_over_the_same_items(weights, tmp_path):
    name = extracted(weights).own.name
    images = library.load(tmp_path, "digits", PARAMS, 0)
    seen = library.load(tmp_path, name, {}, 0)
    assert (seen.images_shown == images.items).all()
    assert (seen.labels == images.labels).all()
    fingerprint = library.fingerprint(tmp_path, "digits", PARAMS, 0)
    assert library.fingerprint(tmp_path, name, {}, 0) == fingerprint
    store = RunStore(tmp_path / "runs")
    settings = {"n_clusters": 3}
    specs = (
        RunSpec("digits", "kmeans", PARAMS, settings, "quick"),
        RunSpec(name, "kmeans", {}, settings, "quick"),
    )
    runs = [new_run(store, spec) for spec in specs]
    for run in runs:
        execute(store.root, run.id)
    assert shared_items.strangers(store, runs) == []
    assert len(shared_items.shared_items(store, runs)) == N


@pytest.mark.slow
def test_the_command_says_what_it_has_made(weights, capsys):
    words = ["features", "digits", "--weights", str(weights), "--data", "n_samples=12"]
    assert main([*words, "--name", "Digits seen"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert answer["dataset"] == "digits-seen"
    assert (answer["items"], answer["shape"], answer["new"]) == (12, [512], True)
    assert main(["features", "toy"]) == 2
    assert "not images" in capsys.readouterr().err
    assert main(["remove", "digits-seen"]) == 0
    assert not own_sets.own_sets()
    assert main(["remove", "digits-seen"]) == 2

"""MedMNIST: small archives in the true format, read, downloaded and held against their checksum."""

import hashlib
from typing import get_args, get_type_hints

import numpy as np
import pytest

from clustlab import registry
from clustlab.datasets import medmnist
from clustlab.errors import DatasetUnavailable
from clustlab.parts.inputs.sampling import drawn_rows
from tests.support.image_files import serving

SETS = [n for n, s in registry.datasets().items() if issubclass(s, medmnist.MedMnist)]
SIZES = {"train": 13, "val": 5, "test": 4}
N = sum(SIZES.values())
COLOURED = ("bloodmnist", "pathmnist", "dermamnist", "retinamnist")


def silent(message, share):
    assert message
    assert 0 <= share <= 1


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "data"


def written(folder, spec, monkeypatch, pixels="28"):
    """Arrays of a set, whose archive is written as its makers do."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in SIZES.items():
        shape = (n, int(pixels), int(pixels), *(3,) * (spec.name in COLOURED))
        arrays[f"{part}_images"] = rng.integers(0, 256, shape, np.uint8)
        wide = (n, len(medmnist.FINDINGS)) if spec.name == "chestmnist" else (n, 1)
        most = 2 if spec.name == "chestmnist" else len(spec.classes)
        arrays[f"{part}_labels"] = rng.integers(0, most, wide).astype(np.uint8)
    path = folder / f"{spec.name}{'' if pixels == '28' else '_64'}.npz"
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    digest = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(spec, "md5", {**spec.md5, pixels: digest})
    return arrays


def joined(arrays, kind):
    return np.concatenate([arrays[f"{part}_{kind}"] for part in SIZES])


def test_all_twelve_are_there_with_both_sizes():
    assert len(SETS) == 12
    for name in SETS:
        assert set(registry.dataset(name).md5) == {"28", "64"}
    sums = [md5 for name in SETS for md5 in registry.dataset(name).md5.values()]
    assert len(set(sums)) == 24
    assert get_args(get_type_hints(registry.dataset("chestmnist"))["finding"]) == medmnist.FINDINGS
    assert all(len(each) == 32 for each in sums)


@pytest.mark.parametrize("name", SETS)
def test_items_and_classes_are_those_of_the_archive(name, root, monkeypatch):
    spec = registry.dataset(name)
    assert not spec().is_ready()
    arrays = written(root / "medmnist", spec, monkeypatch)
    assert spec().is_ready()
    data = spec(n_samples=None).load(0, silent)
    rows = drawn_rows(N, None, 0)
    images = joined(arrays, "images")
    assert (data.items == images.reshape(N, 28, 28, -1)[rows]).all()
    assert (data.labels == joined(arrays, "labels")[rows, 0]).all()
    assert data.protocol.startswith("train + val + test, 28 x 28")
    test_part = spec(n_samples=None, split="test").load(0, silent)
    assert len(test_part.items) == SIZES["test"]


def test_larger_images_are_in_a_file_of_their_own(root, monkeypatch):
    spec = registry.dataset("bloodmnist")
    written(root / "medmnist", spec, monkeypatch, "64")
    assert not spec().is_ready()
    assert spec(pixels="64").load(0, silent).items.shape == (N, 64, 64, 3)


def test_each_finding_is_a_set_of_classes(root, monkeypatch):
    spec = registry.dataset("chestmnist")
    arrays = written(root / "medmnist", spec, monkeypatch)
    data = spec(n_samples=None, finding="hernia").load(0, silent)
    rows = drawn_rows(N, None, 0)
    labels = joined(arrays, "labels")[rows]
    assert (data.labels == labels[:, -1]).all()
    assert list(data.other_labels) == list(medmnist.FINDINGS[:-1])
    assert (data.other_labels["effusion"].labels == labels[:, 2]).all()


def test_a_copy_of_the_package_medmnist_is_used(root, tmp_path, monkeypatch):
    spec = registry.dataset("breastmnist")
    written(tmp_path / "home" / ".medmnist", spec, monkeypatch)
    assert spec().is_ready()
    assert len(spec(n_samples=None).load(0, silent).items) == N


def test_a_missing_archive_is_downloaded_and_a_wrong_one_refused(root, tmp_path, monkeypatch):
    spec = registry.dataset("bloodmnist")
    site = tmp_path / "site"
    written(site, spec, monkeypatch)
    with serving(site) as served:
        monkeypatch.setattr(medmnist, "SITE", served.url)
        assert len(spec(n_samples=None).load(0, silent).items) == N
    archive = root / "medmnist" / "bloodmnist.npz"
    archive.write_bytes(archive.read_bytes()[:-9])
    with pytest.raises(DatasetUnavailable, match="not the published file"):
        spec().load(0, silent)
    archive.unlink()
    monkeypatch.setattr(medmnist, "SITE", "http://127.0.0.1:9")
    with pytest.raises(DatasetUnavailable, match="could not be downloaded") as caught:
        spec().load(0, silent)
    assert "bloodmnist.npz" in caught.value.hint

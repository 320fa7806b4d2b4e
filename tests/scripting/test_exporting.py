"""Runs written for other programs: each format says of each item what the run says of it."""

import errno
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clustlab.__main__ import main
from clustlab.cli import exporting
from clustlab.data.new_files import TELLS
from clustlab.errors import ParameterError, StorageError
from clustlab.runs import exports
from clustlab.runs.store import RunStore, snapshot_path
from clustlab.scripting.exporting import tables, viewers
from clustlab.scripting.exporting.formats import FORMATS, export
from clustlab.scripting.exporting.sprite import sprite_of
from clustlab.scripting.exporting.step_table import file_name
from clustlab.scripting.runs import open_run
from clustlab.types import NOISE, Dataset
from tests.support import made_runs

NAMES = ("=SUM(A1)", "b/c.png", "tab\there", "line\nbreak", *(f"{i}.png" for i in range(4, 12)))
CLASSES = ("@zero", "one", "two")
LABELS = np.array([0, 1, 2] * 4, np.int32)
STEPS = ([0, 1, 2] * 4, [0, 1, 2] * 3 + [1, 1, NOISE])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two steps whose items have odd names; cluster 3 has no item, one item is noise."""
    store = RunStore(tmp_path_factory.mktemp("runs"))
    images = made_runs.dataset(12).items
    data = Dataset("digits", images, LABELS, CLASSES, "by hand", item_names=NAMES)
    rng = np.random.default_rng(0)
    made = made_runs.write(store, [made_runs.sure(step, 3, rng) for step in STEPS], data)
    return store.root, made.id


@pytest.fixture
def run(folder):
    root, run_id = folder
    return open_run(run_id, root)


@pytest.fixture
def points(tmp_path):
    """A run over points, which have no images."""
    store = RunStore(tmp_path / "points")
    data = Dataset("toy", np.random.default_rng(0).normal(size=(12, 2)).astype("f4"), LABELS)
    rng = np.random.default_rng(0)
    made = made_runs.write(store, [made_runs.sure(STEPS[0], 3, rng)], data)
    return open_run(made.id, store.root)


def wanted(run, step):
    frame = run.frame(step)
    return frame.astype({"name": "str"}) if "name" in frame else frame


# What is in them ----------------------------------------------------------------------------------


def test_parquet_holds_what_the_frame_says_with_embedding_and_images(run, tmp_path):
    done = export(run, "parquet", tmp_path / "run.parquet")
    table = pq.read_table(done.path)
    found = table.drop(["step", "embedding", "image"]).to_pandas()
    pd.testing.assert_frame_equal(found, wanted(run, 1), check_dtype=False)
    assert (np.stack(table["embedding"].to_pylist()) == run.embedding(1)).all()
    for image, pixels in zip(table["image"].to_pylist(), run.dataset.items, strict=True):
        assert (np.asarray(Image.open(io.BytesIO(image["bytes"]))) == pixels[..., 0]).all()
    about = json.loads(table.schema.metadata[b"clustlab"])
    assert (about["run"], about["steps"]) == (run.id, [1])
    assert found["cluster"].tolist()[-1] == NOISE


def test_all_steps_stand_one_below_the_other(run, tmp_path):
    every = export(run, "parquet", tmp_path / "all.parquet", all_steps=True)
    table = pq.read_table(every.path).to_pandas()
    assert table["step"].tolist() == [0] * 12 + [1] * 12
    assert "image" not in table
    text = pd.read_csv(export(run, "csv", tmp_path / "all.csv", all_steps=True).path)
    for name in ("step", "item", "cluster", "raw_cluster", "changes"):
        assert text[name].tolist() == table[name].tolist()
    assert np.allclose(text[["x", "y"]], table[["x", "y"]], atol=1e-5)
    dims = [name for name in text if name.startswith("embedding_")]
    assert np.allclose(text[dims], np.concatenate([run.embedding(0), run.embedding(1)]))


def test_no_name_and_no_class_is_a_formula_in_a_spreadsheet(run, tmp_path):
    text = pd.read_csv(export(run, "csv", tmp_path / "run.csv").path)
    assert text["name"][0] == "'=SUM(A1)"
    assert text["class"][0] == "'@zero"
    assert text["cluster"].tolist()[-1] == -1  # a number stays one
    odd = pd.DataFrame({"a": ["+1", "-1", "@x", "\tx", "fine", None], "b": [-1.0] * 6})
    safe = exports.safe_cells(odd)
    assert safe["a"].tolist()[:5] == ["'+1", "'-1", "'@x", "'\tx", "fine"]
    assert (safe["b"] == -1).all()
    assert b"'+1" in exports.csv(odd)
    labelled = export(run, "folders", tmp_path / "folders").path / "items.csv"
    assert pd.read_csv(labelled)["name"][0] == "'=SUM(A1)"


def test_arrays_are_those_of_the_run(run, tmp_path):
    place = export(run, "npy", tmp_path / "arrays", all_steps=True).path
    for step in run.steps:
        there = place / f"step-{step:05d}"
        assert (np.load(there / "embedding.npy") == run.embedding(step)).all()
        assert (np.load(there / "cluster.npy") == run.assignments(step)).all()
        assert (np.load(there / "raw_cluster.npy") == run.assignments(step, "raw")).all()
        assert (np.load(there / "probabilities.npy") == run.probabilities(step)).all()
        assert np.load(there / "coordinates.npy").shape == (12, 2)
    assert (np.load(place / "images.npy") == run.dataset.items).all()
    assert (np.load(place / "labels.npy") == LABELS).all()
    shared = json.loads((place / "names.json").read_text())
    assert shared == {"names": list(NAMES), "class_names": list(CLASSES)}


def test_the_projector_gets_a_tensor_and_a_table_a_step_and_one_sprite(run, tmp_path):
    place = export(run, "projector", tmp_path / "projector", all_steps=True).path
    config = (place / "projector_config.pbtxt").read_text()
    for step in run.steps:
        assert f'tensor_path: "step-{step:05d}.tsv"' in config
        tensor = np.loadtxt(place / f"step-{step:05d}.tsv", delimiter="\t")
        assert np.allclose(tensor, run.embedding(step), atol=1e-5)
        lines = (place / f"step-{step:05d}-metadata.tsv").read_text().splitlines()
        assert len(lines) == 13  # a head, and a line for each item, whatever its name holds
        assert {line.count("\t") for line in lines} == {lines[0].count("\t")}
    assert "single_image_dim: 8 single_image_dim: 8" in config
    sprite = np.asarray(Image.open(place / "sprite.png").convert("L"))
    assert sprite.shape == (24, 32)  # twelve in rows of four
    assert (sprite[8:16, 8:16] == run.dataset.items[5, ..., 0]).all()


def test_a_sprite_gets_smaller_where_there_is_no_room():
    images = np.zeros((100, 32, 16, 3), np.uint8)
    sprite = sprite_of(images, side=160)
    assert (sprite.width, sprite.height) == (8, 16)
    assert Image.open(io.BytesIO(sprite.content)).size == (80, 160)
    assert sprite_of(images, side=30) is None


def test_fiftyone_gets_an_image_and_a_label_for_each_item(run, tmp_path):
    place = export(run, "fiftyone", tmp_path / "fiftyone").path
    told = json.loads((place / "labels.json").read_text())
    assert len(told["labels"]) == 12
    files = sorted((place / "data").iterdir())
    assert {file.stem for file in files} == set(told["labels"])
    frame = run.frame(1)
    for item, file in enumerate(files):
        label = told["labels"][file.stem]
        assert label["label"] == ("noise" if item == 11 else f"cluster {frame['cluster'][item]}")
        assert label["confidence"] == pytest.approx(frame["confidence"][item], abs=1e-6)
        assert label["attributes"]["item"] == item
        assert label["attributes"]["class"] == CLASSES[item % 3]
        assert (np.asarray(Image.open(file)) == run.dataset.items[item, ..., 0]).all()


def test_spotlight_gets_paths_that_are_there(run, tmp_path):
    place = export(run, "spotlight", tmp_path / "spotlight").path
    table = pd.read_parquet(place / "items.parquet")
    assert all((place / path).is_file() for path in table["image"])
    assert table["cluster"].tolist() == run.assignments(1).tolist()


def test_each_cluster_has_a_folder_of_its_images(run, tmp_path):
    place = export(run, "folders", tmp_path / "folders").path
    clusters = run.assignments(1)
    assert {each.name for each in place.iterdir() if each.is_dir()} == {
        *(f"cluster-{cluster}" for cluster in set(clusters.tolist()) - {NOISE}),
        "noise",
    }
    table = pd.read_csv(place / "items.csv")
    for item, file in zip(table["item"], table["file"], strict=True):
        pixels = np.asarray(Image.open(place / file))
        assert (pixels == run.dataset.items[item, ..., 0]).all()
        assert file.startswith("noise/" if item == 11 else f"cluster-{clusters[item]}/")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "000007.png"),
        ("cells/cat 3.jpeg", "000007-cat_3.png"),
        ("../../etc/passwd", "000007-passwd.png"),
        ("a\\..\\b:c*?.png", "000007-b_c.png"),
        (".hidden", "000007-hidden.png"),
        ("\u202egnp.exe", "000007-gnp.png"),
        ("é" * 300, "000007.png"),
        ("x" * 300, f"000007-{'x' * 60}.png"),
    ],
)
def test_names_of_files_are_safe_on_every_system(name, expected):
    assert file_name(7, name) == expected


def test_without_images_tables_still_leave_and_the_rest_says_why_not(points, tmp_path):
    for to in FORMATS:
        place = tmp_path / f"out-{to}"
        if to in ("fiftyone", "folders"):
            with pytest.raises(ParameterError, match="There are no images"):
                export(points, to, place)
            assert not place.exists()
        else:
            done = export(points, to, place)
            assert done.path.exists()
            assert "--image" not in done.look
            assert "=Image" not in done.look
    assert "sprite" not in (tmp_path / "out-projector" / "projector_config.pbtxt").read_text()
    assert np.load(tmp_path / "out-npy" / "items.npy").shape == (12, 2)


def test_images_can_be_left_out(run, tmp_path):
    assert (
        "image"
        not in pq.read_table(export(run, "parquet", tmp_path / "a", images=False).path).column_names
    )
    assert not (export(run, "spotlight", tmp_path / "b", images=False).path / "images").exists()


def test_steps_that_are_missing_are_left_out_and_told(folder, tmp_path):
    root, run_id = folder
    store = RunStore(tmp_path / "copy")
    shutil.copytree(root, store.root)
    snapshot_path(store.root / run_id, 0).unlink()
    done = export(open_run(run_id, store.root), "csv", tmp_path / "a.csv", all_steps=True)
    assert (done.steps, done.missing) == ((1,), (0,))


# Where they go ------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["csv", "folders"])
def test_nothing_is_replaced_by_chance(run, tmp_path, to):
    place = tmp_path / "there"
    export(run, to, place, step=0)
    before = contents(place)
    with pytest.raises(ParameterError, match="--force"):
        export(run, to, place, step=1)
    assert contents(place) == before
    export(run, to, place, step=1, force=True)
    assert contents(place) != before
    assert [each.name for each in tmp_path.iterdir()] == ["there"]


def contents(place):
    files = [place] if place.is_file() else sorted(each for each in place.rglob("*.*"))
    return {each.name: each.read_bytes() for each in files if each.is_file()}


def test_a_folder_of_somebody_is_never_replaced(run, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years of work")
    with pytest.raises(ParameterError, match="not made by an export"):
        export(run, "folders", home, force=True)
    with pytest.raises(ParameterError, match="is a folder"):
        export(run, "csv", home, force=True)
    with pytest.raises(ParameterError, match="There is no folder"):
        export(run, "csv", tmp_path / "nowhere" / "a.csv")
    assert (home / "thesis.txt").read_text() == "years of work"
    linked = tmp_path / "linked"
    (home / TELLS).write_text("{}")
    linked.symlink_to(home)
    with pytest.raises(ParameterError, match="not made by an export"):
        export(run, "folders", linked, force=True)


@pytest.mark.parametrize("to", FORMATS)
def test_a_full_disk_is_told_and_leaves_nothing(run, tmp_path, monkeypatch, to):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tables.pq.ParquetWriter, "write_table", full)
    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    monkeypatch.setattr(tables.np, "save", full)
    monkeypatch.setattr(viewers.pq, "write_table", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StorageError, match="The disk is full"):
        export(run, to, tmp_path / "there")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_named_by_step_and_format_unless_told(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert export(run, "csv").path == Path(f"{run.id}-step-00001-csv.csv")
    assert export(run, "npy", all_steps=True).path == Path(f"{run.id}-all-steps-npy")


# The command --------------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote_and_how_to_look_at_it(folder, tmp_path, capsys):
    root, run_id = folder
    place = tmp_path / "a b.parquet"
    words = ["export", run_id, "--to", "atlas", "-o", str(place), "--runs", str(root)]
    assert main(words) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out.splitlines()[-1])
    assert answer["path"] == str(place)
    assert answer["bytes"] == place.stat().st_size
    assert answer["steps"] == [1]
    assert f"embedding-atlas '{place}' --x x --y y --image image" in err
    assert main(words) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*words, "--force", "--step", "0"]) == 0
    assert main([*words, "--force", "--all-steps"]) == 2
    assert "Export all steps to one of: parquet, csv, npy, projector." in capsys.readouterr().err
    for wrong in ("7", "-1", "x"):
        assert main([*words, "--force", "--step", wrong]) == 2
        assert "Traceback" not in capsys.readouterr().err


def test_the_command_knows_every_format():
    assert tuple(FORMATS) == exporting.NAMES

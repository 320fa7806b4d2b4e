"""The command import on each format: what it prints and keeps, and what it says of bad input."""

import gzip
import io
import json
import re
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from clustlab import registry
from clustlab.cli.command_line import main
from clustlab.data import own_sets
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from tests.support.odd_arrays import pictures, png, vectors

N = 12
LABELS = np.arange(N) % 3
NAMES = [f"item {i}" for i in range(N)]
X = vectors(N, 4)
TABLE = pd.DataFrame(X, columns=["width", "height", "mass", "age"]).assign(
    kind=np.array(["oak", "elm", "ash"])[LABELS], name=NAMES
)


def images():
    """Name and content of files in folders by their class."""
    return [(f"class-{i % 3}/{i}.png", png(each)) for i, each in enumerate(pictures(N))]


def idx(array):
    return bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def to_folder(path):
    for name, content in images():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)


def to_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in images():
            archive.writestr(name, content)


def to_tar(path):
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in images():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def to_hub(path):
    cells = [{"bytes": content, "path": name} for name, content in images()]
    pd.DataFrame({"image": cells, "label": LABELS}).to_parquet(path)


VECTORS, IMAGES = [4], [28, 28, 1]
FORMATS = {  # file -> how it is written, shape of an item, classes
    "folder": (to_folder, IMAGES, 3),
    "a.zip": (to_zip, IMAGES, 3),
    "a.tar": (to_tar, IMAGES, 3),
    "a.tar.gz": (to_tar, IMAGES, 3),
    "a.npy": (lambda path: np.save(path, X), VECTORS, 0),
    "vectors.npz": (lambda path: np.savez(path, x=X, y=LABELS, names=NAMES), VECTORS, 3),
    "packed.npz": (lambda path: np.savez_compressed(path, x=X, y=LABELS), VECTORS, 3),
    "images.npz": (lambda path: np.savez(path, images=pictures(N), labels=LABELS), IMAGES, 3),
    "x-idx3-ubyte": (lambda path: path.write_bytes(idx(pictures(N))), IMAGES, 0),
    "x-idx3-ubyte.gz": (lambda path: path.write_bytes(gzip.compress(idx(pictures(N)))), IMAGES, 0),
    "a.csv": (lambda path: TABLE.to_csv(path, index=False), VECTORS, 3),
    "a.tsv": (lambda path: TABLE.to_csv(path, index=False, sep="\t"), VECTORS, 3),
    "german.csv": (
        lambda path: TABLE.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig"),
        *(VECTORS, 3),
    ),
    "a.parquet": (TABLE.to_parquet, VECTORS, 3),
    "a.feather": (TABLE.to_feather, VECTORS, 3),
    "list.parquet": (
        lambda path: pd.DataFrame({"v": list(X), "name": NAMES, "y": LABELS}).to_parquet(path),
        *(VECTORS, 3),
    ),
    "hub.parquet": (to_hub, IMAGES, 3),
}


def answered(capsys, *words):
    """Exit code, the last line of standard output as JSON, and the complaints."""
    code = main(list(map(str, words)))
    said = capsys.readouterr()
    lines = said.out.splitlines()
    return code, json.loads(lines[-1]) if lines else None, said.err


def classes_in_order(own):
    """Where the items of each class stand, by their names if they have any."""
    numbers = [int(re.sub(r".*/|\D", "", name)) for name in own.item_names()] or range(N)
    return [[row for row, i in enumerate(numbers) if i % 3 == label] for label in range(3)]


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_comes_in(name, tmp_path, capsys):
    write, shape, n_classes = FORMATS[name]
    path = tmp_path / name
    write(path)
    code, told, err = answered(capsys, "import", path, "--name", "Mine")
    assert code == 0, err
    own = own_sets.own_set("mine")
    assert told == {
        "dataset": "mine",
        "items": N,
        "classes": n_classes,
        "shape": shape,
        "fingerprint": own.fingerprint,
        "new": True,
        "refused": {"count": 0, "reasons": {}},
    }
    if n_classes:
        labels = np.array(own.labelling(own.labellings[0][0]).labels)
        assert [len(set(labels[each])) for each in classes_in_order(own)] == [1] * 3
    again = answered(capsys, "import", path, "--name", "Other")
    assert (again[1]["dataset"], again[1]["new"]) == ("mine", False)


def test_a_preview_writes_nothing(tmp_path, capsys):
    TABLE.to_csv(tmp_path / "a.csv", index=False)
    code, told, err = answered(capsys, "import", tmp_path / "a.csv", "--name", "Mine", "--preview")
    assert code == 0
    assert (told["dataset"], told["items"], told["classes"]) == (None, N, 3)
    assert "4 features: width, height, mass, age" in err
    assert not own_sets.own_sets()


def test_columns_are_what_they_are_said_to_be(tmp_path, capsys):
    TABLE.to_csv(tmp_path / "a.csv", index=False)
    words = ["import", tmp_path / "a.csv", "--name", "Mine", "--labels", "none"]
    code, told, _ = answered(capsys, *words, "--features", "age", "mass")
    assert (code, told["shape"], told["classes"]) == (0, [2], 0)
    assert own_sets.own_set("mine").columns == ("age", "mass")
    code, _, err = answered(capsys, *words, "--features", "weight")
    assert code == 2
    assert "weight" in err


def test_a_preview_needs_no_name_and_an_import_does(tmp_path, capsys):
    TABLE.to_csv(tmp_path / "a.csv", index=False)
    code, told, _ = answered(capsys, "import", tmp_path / "a.csv", "--preview")
    assert (code, told["items"]) == (0, N)
    code, _, err = answered(capsys, "import", tmp_path / "a.csv")
    assert code == 2
    assert "needs a name" in err


def test_strict_brings_in_nothing_where_anything_is_refused(tmp_path, capsys):
    x = X.copy()
    x[7, 3] = np.nan
    np.save(tmp_path / "a.npy", x)
    words = ["import", tmp_path / "a.npy", "--name", "Mine"]
    code, told, err = answered(capsys, *words, "--strict")
    assert code == 2
    assert told["refused"] == {"count": 1, "reasons": {"holds nan in column 3": 1}}
    assert "row 7: holds nan in column 3" in err
    assert not own_sets.own_sets()
    code, told, _ = answered(capsys, *words)
    assert (code, told["items"], told["refused"]["count"]) == (0, N - 1, 1)


@pytest.mark.parametrize("kind", ["npy", "csv", "zip"])
def test_strict_holds_beyond_what_the_preview_has_looked_at(kind, tmp_path, capsys, monkeypatch):
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        monkeypatch.setattr("clustlab.importing.image_listing.LOOKED_AT", 5)
        with zipfile.ZipFile(path, "w") as archive:
            for i, (name, content) in enumerate(images()):
                archive.writestr(name, content if i != 7 else content[:60])
        n, refused = N, "class-1/7.png"
    else:
        monkeypatch.setattr("clustlab.importing.intake.LOOKED_AT", 0)
        monkeypatch.setattr("clustlab.importing.arrays.rows_together", lambda row_bytes: 50)
        monkeypatch.setattr("clustlab.importing.text_tables.CHUNK", 2**10)
        x = vectors(2000, 4).astype(object)
        x[1990, 3] = np.nan if kind == "npy" else "much"
        if kind == "npy":
            np.save(path, x.astype(np.float32))
        else:
            pd.DataFrame(x, columns=[*"abcd"]).to_csv(path, index=False)
        n, refused = 2000, "row 1990"
    words = ["import", path, "--name", "Mine", "--preview"]
    assert answered(capsys, *words)[1]["refused"]["count"] == 0
    code, told, err = answered(capsys, *words[:-1], "--strict")
    assert (code, told["dataset"], told["refused"]["count"]) == (2, None, 1)
    assert f"refused: {refused}" in err
    assert not own_sets.own_sets()
    code, told, _ = answered(capsys, *words[:-1])
    assert (code, told["items"], told["refused"]["count"]) == (0, n - 1, 1)
    assert answered(capsys, *words[:-1], "--strict")[0] == 2  # also of what is there already


@pytest.mark.parametrize("name", ["a.npy", "vectors.npz", "a.csv", "a.parquet", "a.zip", "folder"])
def test_a_limit_on_all_bytes_holds_for_every_format(name, tmp_path, capsys):
    write, *_ = FORMATS[name]
    path = tmp_path / name
    write(path)
    words = ["import", path, "--name", "Mine", "--most-bytes"]
    code, _, err = answered(capsys, *words, 150)  # of vectors there are 192, of files more
    assert code == 2
    assert "150 bytes" in err
    assert "limit" in err
    assert not own_sets.own_sets()
    assert answered(capsys, *words, 100_000)[0] == 0


def test_a_limit_on_the_bytes_of_one_file_refuses_it(tmp_path, capsys):
    to_folder(tmp_path / "folder")
    words = ["import", tmp_path / "folder", "--name", "Mine"]
    code, _, err = answered(capsys, *words, "--most-bytes-each", 20)
    assert code == 2
    assert "more than 20 bytes" in err


def test_arrays_of_an_archive_count_together(tmp_path, capsys):
    np.savez(tmp_path / "a.npz", x=X, z=X)
    code, _, err = answered(
        capsys, "import", tmp_path / "a.npz", "--name", "Mine", "--most-bytes", 300
    )
    assert code == 2
    assert "declares 384 bytes, more than the limit of 300 bytes for all" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{}/none.csv"], "There is no"),
        (["{}/a.csv", "--size", "huge"], "must be a whole number"),
        (["{}/a.csv", "--size", "0"], "from 1 to 1,024"),
        (["{}/a.csv", "--size", "3x4x5"], "one or two numbers"),
        (["{}/a.csv", "--most-items", "many"], "must be a whole number"),
        (["{}/a.csv", "--most-items", "5"], "5"),
        (["{}/empty.csv"], "is empty"),
        (["{}/text.csv"], "holds no column of numbers, vectors or images (hello: text"),
        (["{}/damaged.npz"], "damaged.npz"),
    ],
)
def test_what_cannot_be_read_gets_one_line(words, said, tmp_path, capsys):
    TABLE.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "empty.csv").touch()
    (tmp_path / "text.csv").write_text("hello\nworld\n")
    (tmp_path / "damaged.npz").write_bytes(b"PK\3\4 nonsense")
    words = [word.format(tmp_path) for word in words]
    code, told, err = answered(capsys, "import", *words, "--name", "Mine")
    assert (code, told) == (2, None)
    assert said in err
    assert "Traceback" not in err
    assert not own_sets.own_sets()


def test_a_set_is_removed_with_its_runs_named(tmp_path, capsys):
    np.save(tmp_path / "a.npy", vectors(60))
    answered(capsys, "import", tmp_path / "a.npy", "--name", "Mine")
    store = RunStore(tmp_path / "runs")
    run = new_run(store, RunSpec("mine", "kmeans", {}, {"n_clusters": 3}, "quick"))
    execute(store.root, run.id)
    assert run.status == "done"
    code, _, err = answered(capsys, "remove", "mine", "--runs", store.root)
    assert code == 2
    assert run.id in err
    assert "mine" in registry.datasets()
    code, told, _ = answered(capsys, "remove", "mine", "--runs", store.root, "--yes")
    assert (code, told) == (0, {"removed": "mine", "runs": [run.id]})
    assert "mine" not in registry.datasets()
    assert len(store.dataset(store.run(run.id)).items) == 60  # the run keeps its own

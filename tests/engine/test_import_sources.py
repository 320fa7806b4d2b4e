"""Which reader a file belongs to, by its content; and places that a visitor may name."""

import gzip
import io
import os
import tarfile
import tempfile
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from clustlab.data import own_sets
from clustlab.errors import DataError, ParameterError
from clustlab.importing.plan import Choices
from clustlab.importing.sources import as_file, beside_uploads, preview, reader_of
from tests.robust.in_forks import in_a_fork

ARRAY = np.arange(12.0).reshape(3, 4)


def image():
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, "PNG")
    return out.getvalue()


def zipped(path, name, content, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)


def tarred(path, mode):
    with tarfile.open(path, mode) as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(image())
        archive.addfile(info, io.BytesIO(image()))


WRITERS = {
    "a.npy": ("arrays", lambda path: np.save(path, ARRAY)),
    "a.npz": ("arrays", lambda path: np.savez(path, x=ARRAY)),
    "packed.npz": ("arrays", lambda path: np.savez_compressed(path, x=ARRAY)),
    "idx3-ubyte": ("arrays", lambda path: path.write_bytes(b"\0\0\x08\1\0\0\0\1a")),
    "idx.gz": ("arrays", lambda path: path.write_bytes(gzip.compress(b"\0\0\x08\1\0\0\0\1a"))),
    "a.csv": ("tables", lambda path: path.write_text("a,b\n1,2\n")),
    "german": ("tables", lambda path: path.write_text("\ufeffä;b\n1,5;2\n", encoding="utf-8")),
    "utf16.csv": ("tables", lambda path: path.write_text("a,b\n1,2\n", encoding="utf-16")),
    "a.parquet": ("tables", lambda path: pd.DataFrame(ARRAY, columns=[*"abcd"]).to_parquet(path)),
    "a.feather": ("tables", lambda path: pd.DataFrame(ARRAY, columns=[*"abcd"]).to_feather(path)),
    "a.zip": ("images", lambda path: zipped(path, "a.png", image())),
    "a.tar": ("images", lambda path: tarred(path, "w")),
    "a.tar.gz": ("images", lambda path: tarred(path, "w:gz")),
    "a.tar.xz": ("images", lambda path: tarred(path, "w:xz")),
    "a.tbz": ("images", lambda path: tarred(path, "w:bz2")),
    "a.png": ("images", lambda path: path.write_bytes(image())),
    "image.csv": ("images", lambda path: path.write_bytes(image())),
    "folder": ("images", lambda path: path.mkdir()),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_source_goes_to_its_reader_whatever_it_is_called(name, tmp_path):
    reader, write = WRITERS[name]
    write(tmp_path / name)
    assert reader_of(tmp_path / name) == reader
    if name != "folder":
        other = (tmp_path / name).rename(tmp_path / "upload")
        assert reader_of(other) == reader or name == "utf16.csv"  # is text by its name alone


def test_what_is_empty_or_not_there_is_said(tmp_path):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(DataError, match=r"empty\.csv is empty"):
        reader_of(tmp_path / "empty.csv")
    with pytest.raises(ParameterError, match="There is no 'none'"):
        reader_of(tmp_path / "none")


def test_archives_that_are_damaged_where_they_are_judged_still_have_a_reader(tmp_path):
    packed = bytearray(gzip.compress(bytes(range(256)) * 9))
    packed[12:16] = b"\xff" * 4
    (tmp_path / "a.tgz").write_bytes(packed)
    assert reader_of(tmp_path / "a.tgz") == "images"
    zipped(tmp_path / "a.zip", "a.png", image())
    damaged = bytearray((tmp_path / "a.zip").read_bytes())
    damaged[-6:-2] = b"\xff\xff\xff\x7f"  # where its list begins
    (tmp_path / "a.zip").write_bytes(damaged)
    assert reader_of(tmp_path / "a.zip") == "images"


def test_an_array_among_images_does_not_make_them_arrays(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"x/{i}.png", image())
        archive.writestr("x/embedding.npy", b"\x93NUMPY")
    assert reader_of(tmp_path / "a.zip") == "images"
    seen = preview(tmp_path / "a.zip", Choices())
    assert (seen.n_items, [each.name for each in seen.refused]) == (3, ["x/embedding.npy"])
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("x/0.png", image())
        archive.writestr("__MACOSX/x/._0.npy", b"")
    assert reader_of(tmp_path / "b.zip") == "images"


@pytest.mark.parametrize(
    "name",
    [
        *("..", ".", "/", "", "a\0b.png", "x/..", "..\\..", "\u96ea" * 100 + ".png", "a" * 5000),
        *("\udcff.npy", "con:aux?.csv", "." * 300, "\u96ea.tar.gz", "x." + "z" * 300),
    ],
)
def test_an_upload_of_any_name_becomes_a_file(name):
    with as_file((name, io.BytesIO(b"abc"))) as path:
        assert path.read_bytes() == b"abc"
        assert len(path.name.encode()) <= 120
        told = path.name.rpartition(".")[2] if "." in path.name else ""
    assert told == "" or name.endswith(told)


def test_an_upload_needs_no_room_in_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    table = ("a.csv", io.BytesIO(b"a,b\n1,2\n3,4\n"))
    assert preview([table], Choices()).n_items == 2
    with as_file(table) as path:
        monkeypatch.setattr(own_sets, "HALF_AGE", -1.0)
        own_sets.clear_left_overs()  # as another import does, however long this one takes
        assert path.is_relative_to(tmp_path / "data")
        assert path.read_bytes() == table[1].getvalue()
    assert not list(own_sets.folder_of_all().iterdir())


def test_what_a_killed_process_has_left_of_an_upload_goes_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))

    def killed():
        with as_file(("a.csv", io.BytesIO(b"a,b\n"))):
            os._exit(1)

    in_a_fork(killed, 20.0)
    (left,) = own_sets.folder_of_all().iterdir()
    monkeypatch.setattr(own_sets, "HALF_AGE", -1.0)
    with as_file(("b.csv", io.BytesIO(b"a,b\n"))):
        assert not left.exists()


def test_the_ending_of_an_upload_is_kept():
    for name, ending in (("x/a.csv", ".csv"), ("b.PARQUET", ".PARQUET"), ("c/d-idx3.gz", ".gz")):
        with as_file((name, io.BytesIO(b"a"))) as path:
            assert path.suffix == ending
            assert path.name == name.rpartition("/")[2]  # as messages call it


def test_a_visitor_reaches_nothing_outside_of_the_folder_for_imports(tmp_path):
    root = tmp_path / "imports"
    (root / "inner").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (root / "link").symlink_to(tmp_path / "secret")
    assert beside_uploads(root, "inner") == root / "inner"
    assert beside_uploads(root, "/inner/../inner") == root / "inner"
    told = ("..", "../secret", "link", str(tmp_path / "secret"), "none", "inner/../../secret")
    for name in (*told, "inner\0", "\udcff", "\u96ea" * 200, "a/" * 5000):
        with pytest.raises(ParameterError, match="folder for imports"):
            beside_uploads(root, name)

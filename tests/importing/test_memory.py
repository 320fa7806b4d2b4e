"""Large files come in within little memory, each in a process of its own."""

import io
import resource
import sys
import tarfile
import zipfile

import numpy as np
import pandas  # noqa: F401 - what a reader loads once is not what an import takes
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clustlab.importing import arrays, images, sources, tables
from clustlab.importing.plan import Choices
from tests.robust.hostile_folders import in_a_fork
from tests.support.made_images import png
from tests.support.odd_arrays import vectors

MOST = 150.0  # MB beyond nothing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def took(read, most=MOST):
    """Refuse an import of a file that takes more MB than so many beyond what the process had."""

    def measured():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        read()
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert more < most, f"{more:.0f} MB"

    wrong, _, _ = in_a_fork(measured, 120.0)
    assert not wrong, wrong


@pytest.mark.slow
def test_a_packed_archive_is_unpacked_a_few_rows_at_a_time(tmp_path):
    path = tmp_path / "zeros.npz"
    np.savez_compressed(path, images=np.zeros((20_000, 64, 64, 3), np.uint8))  # 245 MB
    took(lambda: arrays.bring_in(path, "Zeros", Choices(), lambda text, share: None))
    np.savez_compressed(path, x=np.zeros((400_000, 64), np.float64))  # 205 MB
    took(lambda: arrays.bring_in(path, "More", Choices(), lambda text, share: None))


@pytest.mark.slow
def test_a_table_in_one_piece_is_read_a_few_rows_at_a_time(tmp_path):
    columns = {f"c{i}": np.tile(vectors(1000)[:, i % 17], 1000) for i in range(64)}
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=1_000_000, use_dictionary=False)
    assert path.stat().st_size > 1e6
    took(lambda: tables.bring_in(path, "Wide", Choices(), lambda text, share: None))


def silent(text, share):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zip", "tar", "parquet"])
def test_many_images_of_few_bytes_are_not_held_at_once(tmp_path, kind):
    """4,000 plain images of 128 x 128 pixels: less than 2 MB packed, 196 MB in colour."""
    path, one = tmp_path / f"a.{kind}", png(size=(128, 128))
    choices = Choices(size=(128, 128), colour="colour")
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for i in range(4000):
                archive.writestr(f"{i}.png", one)
    elif kind == "tar":
        with tarfile.open(path, "w") as archive:
            for i in range(4000):
                about = tarfile.TarInfo(f"{i}.png")
                about.size = len(one)
                archive.addfile(about, io.BytesIO(one))
    else:
        pq.write_table(pa.table({"image": [one] * 4000}), path)
    reader = tables if kind == "parquet" else images
    took(lambda: reader.bring_in(path, "Plain", choices, silent))


@pytest.mark.slow
def test_a_tar_with_a_large_file_is_passed_over_in_pieces(tmp_path):
    path, one = tmp_path / "a.tar.gz", png()
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in (("large.bin", bytes(300 * 2**20)), ("a.png", one)):
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    took(lambda: images.bring_in(path, "Tar", Choices(), silent))


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["1.25", ""])
def test_a_table_of_text_is_read_a_few_rows_at_a_time(tmp_path, cell):
    """Of numbers, and of fields that are empty, which have no letters to be counted."""
    path = tmp_path / "a.csv"
    rows = 5_000 if cell else 22_000
    with path.open("w") as file:
        file.write(",".join(f"c{i}" for i in range(1000)) + "\n")
        for i in range(rows):
            file.write(f"{i % 7}.5,{','.join([cell] * 999)}\n")
    took(lambda: tables.bring_in(path, "Text", Choices(features=("c0",)), silent))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["npz", "csv", "zip", "png"])
def test_an_import_needs_no_more_memory_than_its_preview_has_told(tmp_path, kind):
    """With names of 60 letters, which are kept for all items, or of one large image."""
    n, path = 200_000, tmp_path / f"a.{kind}"

    def written():
        names = [f"{i:060}" for i in range(n)]
        if kind == "npz":
            points, classes = np.zeros((n, 2), np.float32), np.arange(n) % 7
            np.savez(path, x=points, y=classes, names=np.array(names))
        elif kind == "csv":
            rows = (f"n{name},{i}.5,1" for i, name in enumerate(names))
            path.write_text("\n".join(["name,x,y", *rows]))
        elif kind == "zip":
            one = png(size=(8, 8))
            with zipfile.ZipFile(path, "w") as archive:
                for name in names[:5000]:
                    archive.writestr(f"{name}.png", one)
        else:
            path.write_bytes(png(size=(8000, 8000), mode="RGB"))

    def told():
        seen = sources.preview(path, Choices())
        (tmp_path / "told").write_text(str(seen.memory / 2**20))

    for step in (written, told):  # each by itself, so that nothing of it is there to be used again
        wrong, _, _ = in_a_fork(step, 60.0)
        assert not wrong, wrong
    most = float((tmp_path / "told").read_text())
    assert 100 < most < 500
    took(lambda: sources.bring_in(path, "Told", Choices(), silent), most)


def test_names_of_rows_read_before_are_not_remembered(tmp_path):
    path, n = tmp_path / "named.parquet", 40_000
    with pq.ParquetWriter(path, pa.schema([("name", pa.string())]), use_dictionary=False) as file:
        for first in range(0, 6 * n, n):
            names = [f"item {i}" for i in range(first, first + n)]
            file.write_table(pa.table({"name": names}), row_group_size=n)
    table = tables.opened(path)
    with table._opened() as file:
        batches = list(table._batches(file, 5000))
    assert sum(map(len, batches)) == 6 * n
    known = [len(batch.column(0).dictionary) for batch in batches]
    assert max(known) <= 2 * n  # two row groups are read in one go

"""Images within a table are decoded like those of files: in order, within limits, to one size."""

from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from PIL import Image

from clustlab.importing import encoded_images, sources
from clustlab.importing.plan import Choices, Limits
from tests.support.made_images import coded, coloured, declared_png, deep, picture, png


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))


def table(path, files, **more):
    cells = [{"bytes": each, "path": f"{i}.png"} for i, each in enumerate(files)]
    pyarrow.parquet.write_table(pa.table({"image": cells, **more}), path)
    return path


def brought_in(path, choices=None):
    return sources.bring_in(path, "Mine", choices or Choices(), lambda text, share: None)


def numbered(n):
    return [coded(Image.new("L", (6, 6), i % 251)) for i in range(n)]


def test_images_of_16_bits_are_scaled_by_the_range_of_all(tmp_path, monkeypatch):
    monkeypatch.setattr("clustlab.importing.tables.IMAGES_SEEN", 2)
    files = [coded(deep(step=20)), png(), coded(deep(step=80)), coded(deep(step=80), "TIFF")]
    path = table(tmp_path / "a.parquet", files)
    assert sources.preview(path, Choices()).n_items == 4
    own = brought_in(path).own
    items = own.items()
    assert [each.max() for each in items] == [64, 220, 255, 255]
    assert (items[2] == items[3]).all()
    assert "62,640 white" in own.conversion


def test_a_deep_image_that_comes_late_has_its_own_range(tmp_path, monkeypatch):
    monkeypatch.setattr("clustlab.importing.tables.IMAGES_SEEN", 1)
    own = brought_in(table(tmp_path / "a.parquet", [png(), coded(deep())])).own
    assert own.items()[1].max() == 255


def test_every_mode_is_read_as_it_was_meant(tmp_path):
    turned = picture("RGB", (40, 20))
    exif = turned.getexif()
    exif[0x0112] = 6
    files = [
        *(coded(picture("CMYK"), "JPEG"), coded(picture("P")), coded(picture("RGBA"))),
        *(coded(coloured()), coded(turned, "JPEG", exif=exif)),
    ]
    own = brought_in(table(tmp_path / "a.parquet", files), Choices((28, 28))).own
    assert own.shape == (5, 28, 28, 3)
    corners = own.items()[:, 3, 3].astype(int)
    assert np.abs(corners[:3] - 220).max() < 10
    assert own.items()[4][2, 25].min() > 200  # turned: the corner is at the upper right


def test_what_is_refused_is_told_by_its_row(tmp_path):
    files = [png(), declared_png(60_000, 60_000), b"", png()[:60], bytes(9_000)]
    limits = Limits(bytes_of_one=8_000)
    outcome = brought_in(table(tmp_path / "a.parquet", files), Choices(limits=limits))
    assert len(outcome.own) == 1
    assert [(each.name, each.reason) for each in outcome.refused[:2]] == [
        ("row 1", "holds a file that has 60,000 x 60,000 pixels, more than 100 megapixels"),
        ("row 2", "has no image"),
    ]
    assert outcome.refused[2].reason.startswith("holds a file that is ")
    assert "more than the limit" in outcome.refused[3].reason


def test_chunks_of_any_length_come_back_in_their_order():
    common = encoded_images.common(iter(numbered(3)), Choices())
    files = iter(numbered(9))
    chunks = [[], [next(files), None, next(files)], [], [], [next(files)], []]
    with closing(encoded_images.decoded(chunks, common, Choices(), 0)) as decoded:
        found = [(images[:, 0, 0, 0].tolist(), wrong) for images, wrong in decoded]
    assert found == [
        ([], {}),
        ([0, 0, 1], {1: "has no image"}),
        *(([], {}), ([], {})),
        ([2], {}),
        ([], {}),
    ]


def test_nothing_is_known_of_what_are_no_images():
    assert encoded_images.common([b"x", None, b""], Choices()) is None


@pytest.mark.slow
def test_many_are_decoded_by_processes_in_their_order(tmp_path):
    vectors = np.arange(1400, dtype=np.float32).reshape(700, 2)
    path = table(tmp_path / "a.parquet", numbered(700), place=list(vectors))
    own = brought_in(path, Choices(features=("place",))).own
    assert (own.items() == vectors).all()
    assert own.images()[:, 3, 3, 0].tolist() == [i % 251 for i in range(700)]

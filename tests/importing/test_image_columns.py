"""Columns of images in tables: beside which classes, in what memory, and what is none."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from clustlab.cli.command_line import main
from clustlab.data import own_sets
from clustlab.errors import Cancelled, DataError, ParameterError
from clustlab.importing import arrow_tables, tables
from clustlab.importing.plan import Choices
from tests.support import odd_arrays
from tests.support.made_images import coded, deep, png
from tests.support.odd_arrays import vectors

N = 100
PICTURE = png()


def parquet(tmp_path, columns, said=None):
    table = pa.table(columns)
    if said:
        table = table.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": said}})}
        )
    pq.write_table(table, tmp_path / "given.parquet")
    return tmp_path / "given.parquet"


def names(n):
    return {"names": [f"class {i}" for i in range(n)], "_type": "ClassLabel"}


# -- classes beside images -------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_classes_are_found_also_where_few_images_are_read_together(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(arrow_tables, "CHUNK", 2**13)
    noise = np.random.default_rng(0).integers(0, 256, (N, 28, 28), np.uint8)
    path = parquet(
        tmp_path, {"image": [*map(odd_arrays.png, noise)], "label": [i % 30 for i in range(N)]}
    )
    if kind == "feather":
        path = tmp_path / "given.feather"
        pyarrow.feather.write_feather(pq.read_table(tmp_path / "given.parquet"), path)
    assert next(tables.opened(path).chunks()).n_rows < 30
    shown = tables.preview(path, Choices())
    assert (shown.kind, shown.chosen.labels, len(shown.class_counts)) == ("images", "label", 30)


def test_what_the_hub_says_to_be_classes_are_some_however_many(tmp_path):
    columns = {
        "img": [PICTURE] * N,
        "fine": [i % 80 for i in range(N)],
        "coarse": [i % 8 for i in range(N)],
        "kind": ["a", "b"] * (N // 2),
    }
    said = {"fine": names(80), "coarse": names(8), "img": {"_type": "Image"}}
    shown = tables.preview(parquet(tmp_path, columns, said), Choices())
    assert (shown.chosen.labels, shown.chosen.others) == ("fine", ("coarse",))
    assert (len(shown.class_counts), shown.class_counts["class 3"]) == (80, 2)


# -- memory and time -------------------------------------------------------------------------------
def test_no_more_images_are_held_than_have_room(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "IMAGES_TOGETHER", 10 * 28 * 28)
    found = tables.understood(parquet(tmp_path, {"image": [PICTURE] * N}), Choices())
    sizes = [len(piece.items) for piece in found.pieces()]
    assert (max(sizes), sum(sizes)) == (10, N)


def test_measuring_the_range_of_images_can_be_followed_and_stopped(tmp_path, data_folder):
    files = [coded(deep(step=i + 1)) for i in range(20)]
    path = parquet(tmp_path, {"image": files})
    told = []

    def watch(message, share):
        told.append(message)
        if len(told) == 12:
            raise Cancelled

    with pytest.raises(Cancelled):
        tables.bring_in(path, "Mine", Choices(), watch)
    assert told[0].startswith("Measuring the range of values: 0 of 20 images")
    assert own_sets.own_sets() == {}
    own = tables.bring_in(path, "Mine", Choices(), lambda message, share: None).own
    assert (own.items().min(), own.items().max()) == (0, 255)


# -- what is told ----------------------------------------------------------------------------------
def test_messages_do_not_list_thousands_of_columns(tmp_path):
    n = 200
    x = np.tile(vectors()[:4, :1], n).astype(str)
    x[:3] = "much"
    head = ",".join(f"c{i}" for i in range(n))
    path = tmp_path / "wide.csv"
    path.write_text("\n".join([head, *map(",".join, x)]))
    with pytest.raises(DataError) as none:
        tables.preview(path, Choices())
    with pytest.raises(ParameterError) as absent:
        tables.preview(path, Choices(labels="z" * 5000))
    with pytest.raises(ParameterError) as text:
        tables.preview(path, Choices(features=tuple(f"c{i}" for i in range(n))))
    assert all(len(str(each.value)) < 1000 for each in (none, absent, text))
    path.write_text("\n".join([head, *map(",".join, np.tile(vectors()[:, :1], n).astype(str))]))
    seen = tables.preview(path, Choices(features=("c1", "c2")))
    assert max(map(len, seen.facts)) < 1000
    assert "and 178 more" in seen.facts[-1]
    x = np.tile(vectors()[:20, :1], n).astype(str)
    x[5:9] = ""
    path.write_text("\n".join([f"{head},own", *(f"{','.join(row)},{row[-1] or 5}" for row in x)]))
    assert len(tables.preview(path, Choices()).facts) < 20  # of columns with gaps, too


# -- no images -------------------------------------------------------------------------------------
def test_bytes_that_are_no_images_leave_the_numbers(tmp_path, capsys):
    columns = {"blob": [b"abc"] * 60, "raw": [b"\0"] * 60, "a": vectors()[:, 0]}
    path = parquet(tmp_path, {**columns, "b": vectors()[:, 1]})
    shown = tables.preview(path, Choices())
    assert (shown.kind, shown.chosen.features, shown.chosen.image) == ("vectors", ("a", "b"), "")
    assert shown.facts[-1] == "Not used: blob, raw."
    with pytest.raises(DataError, match=r"'blob' of .* holds no image"):
        tables.preview(path, Choices(image="blob"))
    with_image = parquet(tmp_path, {**columns, "photo": [PICTURE] * 60})
    assert tables.preview(with_image, Choices()).chosen.image == "photo"
    words = ["import", str(with_image), "--name", "Mine", "--image", "none", "--names", "none"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["shape"] == [1]

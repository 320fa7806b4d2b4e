"""Tables beside images: which column names the images, and what is too wide to be read."""

import time

import pytest

from clustlab.data.checked_json import Unreadable
from clustlab.importing import image_labels, images
from clustlab.importing.image_labels import side_table
from clustlab.importing.plan import Choices
from tests.support.made_images import png, zipped

NAMES = [f"{i}.png" for i in range(12)]
ORDER = [5, 2, 9, 0, 7, 11, 1, 3, 10, 4, 8, 6]  # of the rows: not that of the images


def table_of(rows, names=NAMES, folder=""):
    return side_table("t.csv", "\n".join(rows).encode(), names, folder)


@pytest.mark.parametrize("call", [lambda i: f"{i}.png", lambda i: f"set/{i}.png"])
@pytest.mark.parametrize("counts_first", [True, False])
def test_whole_names_go_before_numbers_that_count_rows(call, counts_first):
    """As `DataFrame.to_csv` writes its index, beside images that are called by numbers."""
    rows = [(str(row), call(i)) for row, i in enumerate(ORDER)]
    rows = rows if counts_first else [row[::-1] for row in rows]
    cells = [",".join((*row, "ab"[i % 2])) for row, i in zip(rows, ORDER, strict=True)]
    head = "idx,file,label" if counts_first else "file,idx,label"
    found = table_of([head, *cells], folder="set/")
    assert {name: found.column("label")(name) for name in NAMES} == {
        f"{i}.png": "ab"[i % 2] for i in range(12)
    }


def test_a_remark_that_happens_to_be_a_name_names_no_images():
    rows = [f"{i},{'0.png' if i == 3 else 'fine'},{i % 3}" for i in range(12)]
    found = table_of(["id,remark,label", *rows])
    assert found.columns == ("remark", "label")
    assert len(found.rows) == 12


def test_names_with_folders_go_before_parts_of_them():
    names = [f"{place}/{i}.png" for place in "ab" for i in range(6)]
    rows = [f"{i},{name},{name[0]}" for i, name in enumerate(reversed(names))]
    found = table_of(["row,file,label", *rows], names)
    assert all(found.column("label")(name) == name[0] for name in names)


def test_rows_that_say_different_things_of_an_image_are_told(tmp_path):
    rows = ["file,label", *(f"{name},cat" for name in NAMES), "3.png,dog", "4.png,cat"]
    found = table_of(rows)
    assert (found.n_several, found.several) == (1, "3.png")
    assert found.column("label")("3.png") == "cat"
    files = [(name, png(20 * i)) for i, name in enumerate(NAMES)]
    given = zipped(tmp_path / "a.zip", [*files, ("t.csv", "\n".join(rows).encode())])
    (told,) = [e for e in images.preview(given, Choices()).warnings if "several rows" in e]
    assert told.startswith("1 image has several rows in t.csv that say different things")
    assert "such as '3.png'" in told


def test_a_table_of_any_width_is_read_or_refused_at_once(monkeypatch):
    began = time.process_time()
    rows = [",".join(("file", *["x"] * 900)), *(name for name in NAMES), *["z"] * 20_000]
    assert len(table_of(rows).rows) == 12
    assert time.process_time() - began < 1.5  # width times lines would be 18 million steps
    with pytest.raises(Unreadable, match="more than 1,000 columns"):
        table_of(["," * 4_000, *NAMES])
    with pytest.raises(Unreadable, match="a line of more than"):
        table_of(["," * 2**20, *NAMES])
    monkeypatch.setattr(image_labels, "MOST_CELLS", 20)
    with pytest.raises(Unreadable, match="20 cells"):
        table_of([f"{name},a" for name in NAMES])

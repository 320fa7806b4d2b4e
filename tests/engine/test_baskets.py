"""Baskets of items: what they keep, what they refuse, and what they are exported as."""

import io
import json
import threading
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clustlab.errors import ParameterError
from clustlab.runs import exports
from clustlab.runs.baskets import Baskets, checked_name, slug_of
from clustlab.types import Dataset


@pytest.fixture
def baskets(tmp_path):
    return Baskets(tmp_path, "digits-0123456789ab", 100)


def test_a_basket_survives_in_its_file(baskets, tmp_path):
    made = baskets.save(" Odd fours ", np.array([7, 3, 7]), " look at the tails ")
    again = Baskets(tmp_path, "digits-0123456789ab", 100)
    (found,) = again.all()
    assert found == made
    assert (found.name, found.slug, found.indices, len(found)) == (
        "Odd fours",
        "odd-fours",
        (3, 7),
        2,
    )
    assert found.note == "look at the tails"
    file = tmp_path / "_baskets" / "digits-0123456789ab" / "odd-fours.json"
    assert json.loads(file.read_text())["indices"] == [3, 7]
    assert list(file.parent.glob("*.tmp")) == []
    assert Baskets(tmp_path, "other", 100).all() == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "needs a name"),
        ("   ", "needs a name"),
        ("x" * 61, "has 61 letters"),
        ("...", "no letter and no digit"),
        ("a\nb", "cannot be shown"),
        ("a\x00b", "cannot be shown"),
        ("ODD fours", "basket 'Odd fours' already"),
        ("odd-fours", "basket 'Odd fours' already"),
    ],
)
def test_a_bad_name_is_refused_with_a_word(baskets, name, words):
    baskets.save("Odd fours", [1])
    with pytest.raises(ParameterError, match=words):
        baskets.save(name, [2])
    with pytest.raises(ParameterError, match=words):
        baskets.rename(baskets.save("Another", [3]).slug, name)
    assert len(baskets.all()) == 2


@pytest.mark.parametrize(
    ("indices", "words"),
    [([], "at least one item"), ([100], "no item 100 among 100"), ([-1, 5], "no item -1")],
)
def test_items_that_are_not_there_are_refused(baskets, indices, words):
    with pytest.raises(ParameterError, match=words):
        baskets.save("a", indices)
    assert baskets.all() == []


def test_names_of_any_script_make_plain_file_names():
    assert slug_of("Odd fours, 2nd look!") == "odd-fours-2nd-look"
    assert slug_of("Ärger é") == "arger-e"
    for name in ("猫", "猫 and dog", "con", "Straße", "x" * 60, "../../etc/passwd", "_deleted"):
        slug = slug_of(name)
        assert slug.replace("-", "").isalnum()
        assert slug.isascii()
        assert len(slug) <= 50
    assert slug_of("猫") != slug_of("犬")
    assert slug_of("con") != "con"


@pytest.mark.slow
@given(st.text(max_size=70))
def test_a_name_is_refused_or_makes_a_plain_file_name(name):
    try:
        kept = checked_name(name)
    except ParameterError:
        return
    assert set(slug_of(kept)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert slug_of(kept).strip("-")


sets = st.sets(st.integers(0, 9), min_size=1)


@given(sets, sets, st.sampled_from(["union", "intersection", "difference"]))
def test_set_operations_are_those_of_sets(tmp_path_factory, a, b, how):
    baskets = Baskets(tmp_path_factory.mktemp("runs"), "key", 10)
    baskets.save("a", sorted(a))
    baskets.save("b", sorted(b))
    wanted = {"union": a | b, "intersection": a & b, "difference": a - b}[how]
    if not wanted:
        with pytest.raises(ParameterError, match=f"{how} of 'a' and 'b' is empty"):
            baskets.combine("c", how, "a", "b")
        return
    made = baskets.combine("c", how, "a", "b")
    assert set(made.indices) == wanted
    assert made.note == f"{how} of a and b"


def test_an_unknown_operation_or_basket_is_named(baskets):
    baskets.save("a", [1])
    with pytest.raises(ParameterError, match=r"'xor'.*union, intersection, difference"):
        baskets.combine("c", "xor", "a", "a")
    with pytest.raises(ParameterError, match="no basket 'b'"):
        baskets.combine("c", "union", "a", "b")
    with pytest.raises(ParameterError, match=r"no basket '\.\./secret'"):
        baskets.get("../secret")


def test_rename_and_note(baskets):
    baskets.save("a", [1], "first")
    assert baskets.rename("a", "A").slug == "a"  # the same file
    assert baskets.rename("a", "b").note == "first"
    assert baskets.annotate("b", "second").indices == (1,)
    (only,) = baskets.all()
    assert (only.name, only.note) == ("b", "second")
    with pytest.raises(ParameterError, match="2,001 letters"):
        baskets.annotate("b", "x" * 2001)


def test_a_deleted_basket_comes_back_unless_its_name_is_taken(baskets):
    baskets.save("a", [1, 2])
    baskets.delete("a")
    assert baskets.all() == []
    assert baskets.restore("a").indices == (1, 2)
    with pytest.raises(ParameterError, match="not among the deleted"):
        baskets.restore("a")
    baskets.delete("a")
    baskets.save("a", [3])
    with pytest.raises(ParameterError, match="basket 'a' already"):
        baskets.restore("a")
    with pytest.raises(ParameterError, match="no basket 'nothing'"):
        baskets.delete("nothing")


def test_a_damaged_file_does_not_hide_the_others(baskets):
    baskets.save("a", [1])
    (baskets.folder / "b.json").write_text("{")
    (baskets.folder / "c.json").write_text('{"name": "c"}')
    assert [b.name for b in baskets.all()] == ["a"]


@pytest.mark.parametrize("key", ["", "..", "../x", "_deleted", "a/b"])
def test_a_key_that_leads_elsewhere_is_refused(tmp_path, key):
    with pytest.raises(ParameterError, match="not the key of a data set"):
        Baskets(tmp_path, key, 10)


def test_readers_never_see_half_a_basket(baskets):
    baskets.save("a", range(100))
    stop, seen = threading.Event(), []

    def read():
        while not stop.is_set():
            seen.extend(len(b) for b in baskets.all())

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(50):
        baskets.annotate("a", f"note {i}")
    stop.set()
    reader.join()
    assert set(seen) <= {100}
    assert len(baskets.all()) == 1


# Exports ------------------------------------------------------------------------------------------


def table():
    return pd.DataFrame({"item": [2, 0], "cluster": [1, 0], "class": ["fünf", "a,b"]})


def test_a_table_comes_back_from_csv_and_parquet():
    text = exports.csv(table())
    assert text.decode().splitlines()[:2] == ["item,cluster,class", "2,1,fünf"]
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(text)), table())
    back = pd.read_parquet(io.BytesIO(exports.parquet(table())))
    pd.testing.assert_frame_equal(back, table())


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_keep_every_pixel(channels):
    items = np.random.default_rng(0).integers(256, size=(3, 5, 4, channels), dtype=np.uint8)
    pack = zipfile.ZipFile(io.BytesIO(exports.images(Dataset("a", items), table())))
    assert pack.namelist() == ["000002.png", "000000.png", "items.csv"]
    for row in (2, 0):
        pixels = np.asarray(Image.open(io.BytesIO(pack.read(exports.file_of(row)))))
        assert pixels.tolist() == items[row].squeeze(2 if channels == 1 else ()).tolist()
    facts = pd.read_csv(io.BytesIO(pack.read("items.csv")))
    assert facts["file"].tolist() == ["000002.png", "000000.png"]


def test_points_have_no_pictures():
    points = Dataset("toy", np.zeros((3, 2), np.float32))
    with pytest.raises(ParameterError, match="There are no images of the items of toy"):
        exports.images(points, table())

"""Imported data sets: written piece by piece, whole or not at all, and drawn like all others."""

import itertools
import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest

from clustlab import registry
from clustlab.data import growing_array, item_names, library, locks, own_about, own_sets
from clustlab.data.item_names import ItemNames, item_words, items_named, names_at, shortened
from clustlab.data.own_sets import SetWriter
from clustlab.errors import DataError, DatasetUnavailable, ParameterError
from clustlab.params import build
from clustlab.training.runner import make_runner
from clustlab.types import Dataset, Labelling

N, WIDTH = 60, 5
LABELS = (np.arange(N) % 3).astype(np.int32)
NAMES = [f"item {i}" for i in range(N)]


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def vectors(seed=0):
    return np.random.default_rng(seed).normal(LABELS[:, None], 0.1, (N, WIDTH)).astype(np.float32)


def saved(title="My vectors", seed=0, pieces=(0, 25, N), **about):
    about.setdefault("labellings", {"class": Labelling(LABELS, ("a", "b", "c"))})
    with SetWriter("vectors", (WIDTH,)) as writer:
        for start, end in itertools.pairwise(pieces):
            writer.append(vectors(seed)[start:end], NAMES[start:end])
        return writer.finish(title, origin="a test", **about)


def test_what_is_written_in_pieces_is_read_as_a_whole():
    own, is_new = saved(columns=[f"column {i}" for i in range(WIDTH)])
    assert is_new
    assert (own.name, own.title, own.shape) == ("my-vectors", "My vectors", (N, WIDTH))
    assert (own.items() == vectors()).all()
    assert list(own.item_names()) == NAMES
    assert (own.labelling("class").labels == LABELS).all()
    assert own.images() is None
    assert own_sets.own_sets() == {"my-vectors": own}


def test_the_same_content_is_found_again_whatever_its_pieces():
    own, _ = saved()
    assert saved("Another name", pieces=(0, 1, 7, N)) == (own, False)
    assert list(own_sets.own_sets()) == ["my-vectors"]
    other, is_new = saved("Another name", seed=1)
    assert is_new
    assert other.fingerprint != own.fingerprint


def test_a_name_that_is_taken_is_refused_and_nothing_is_left(data_folder):
    saved()
    for title in ("My vectors", "my VECTORS!", "digits"):
        with pytest.raises(ParameterError, match="already"):
            saved(title, seed=1)
    with pytest.raises(ParameterError, match="letter"):
        saved("???", seed=1)
    with pytest.raises(ParameterError, match="nothing to import"), SetWriter("vectors", (2,)) as w:
        w.finish("nothing", origin="")
    assert [each.name for each in (data_folder / "imported").iterdir()] == ["my-vectors"]


def test_an_import_that_is_stopped_or_killed_leaves_nothing(data_folder):
    def stopped(writer):
        writer.append(vectors(), NAMES)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), SetWriter("vectors", (WIDTH,)) as writer:
        stopped(writer)
    assert not list((data_folder / "imported").iterdir())
    killed = data_folder / "imported" / f"{own_sets.HALF_WRITTEN}1"
    killed.mkdir()
    os.utime(killed, (0, 0))
    saved()
    assert not killed.exists()


def test_it_is_drawn_like_every_other_set(tmp_path):
    saved()
    spec = registry.dataset("my-vectors")
    assert not registry.is_own(spec)
    assert spec.kind == "vectors"
    data = library.load(tmp_path, "my-vectors", {"n_samples": 20}, seed=3)
    again = library.load(tmp_path, "my-vectors", {"n_samples": 20}, seed=3)
    assert data.protocol == "20 of 60, drawn with seed 3"
    rows = [NAMES.index(name) for name in data.item_names]
    assert (data.items == vectors()[rows]).all()
    assert (data.labels == LABELS[rows]).all()
    assert list(again.item_names) == list(data.item_names)
    fewer = library.load(tmp_path, "my-vectors", {"n_samples": 20}, seed=3, excluded=[0, 4])
    assert list(fewer.item_names) == [n for i, n in enumerate(data.item_names) if i not in (0, 4)]
    registry.check_kind(registry.method("kmeans"), spec)
    with pytest.raises(ParameterError, match="works on images"):
        registry.check_kind(registry.method("bigan-kmeans"), spec)


def test_another_content_under_the_same_name_is_another_draw():
    saved()
    before = library.key("my-vectors", {}, 0)
    own_sets.remove("my-vectors")
    saved(seed=1)
    assert library.key("my-vectors", {}, 0) != before


def test_a_second_set_of_classes_can_be_chosen_and_leaves_the_draw_as_it_was(tmp_path):
    saved()
    before = library.key("my-vectors", {}, 0)
    halves = Labelling((np.arange(N) // 30).astype(np.int32), ("first", "second"))
    own_sets.add_labelling("my-vectors", "half", halves)
    assert library.key("my-vectors", {}, 0) == before
    data = library.load(tmp_path, "my-vectors", {"labelling": "half"}, 0)
    rows = np.array([NAMES.index(name) for name in data.item_names])
    assert (data.labels == rows // 30).all()
    assert data.class_names == ("first", "second")
    assert list(data.other_labels) == ["class"]
    with pytest.raises(ParameterError, match="7 labels for 60 items"):
        own_sets.add_labelling("my-vectors", "few", Labelling(LABELS[:7], ()))


def test_a_set_that_is_damaged_takes_no_other_down(data_folder):
    saved()
    broken = data_folder / "imported" / "broken"
    broken.mkdir()
    (broken / "about.json").write_text('{"schema": 1}')
    (data_folder / "imported" / "empty").mkdir()
    assert list(own_sets.own_sets()) == ["my-vectors"]
    assert set(own_sets.unreadable()) == {"broken", "empty"}
    assert "missing" in own_sets.unreadable()["broken"]
    own_sets.remove("broken")
    own_sets.remove("empty")
    assert not own_sets.unreadable()
    for name in ("..", "../data", ".half-1", "no such"):
        with pytest.raises(ParameterError):
            own_sets.remove(name)


def test_a_file_that_is_cut_short_is_said_when_it_is_drawn(tmp_path):
    own, _ = saved()
    (own.folder / "items.npy").write_bytes((own.folder / "items.npy").read_bytes()[:-8])
    with pytest.raises(DatasetUnavailable, match=r"items\.npy holds"):
        library.load(tmp_path, "my-vectors", {}, 0)


@pytest.mark.parametrize("together", [1, 2, 3, 100])
def test_names_read_together_are_those_read_one_by_one(together, monkeypatch):
    monkeypatch.setattr(item_names, "TOGETHER", together)
    called = ["a", "", "ünïcödé", "b" * 5000, "last"]
    names = ItemNames.made_of(called)
    assert list(names) == [names[i] for i in range(5)] == [each[:4000] for each in called]
    assert names_at(names, np.array([4, 0, 0])) == ["last", "a", "a"]
    assert names_at(names, np.array([], np.int64)) == []
    damaged = ItemNames(np.frombuffer(b"abcdef", np.uint8), np.array([2, 1, 9, -3, 4]))
    assert list(damaged) == [damaged[i] for i in range(5)]
    assert list(ItemNames.made_of([])) == []


def test_items_keep_what_they_are_called_through_strange_names():
    names = ["a" * 9000, "", "ünï", "<img src=x>", "x\ny", "\ud800"]
    packed = ItemNames.made_of(names)
    assert packed[0] == "a" * 4000
    assert list(packed)[1:5] == names[1:5]
    assert packed[-1] == packed[5]
    with pytest.raises(IndexError):
        packed[6]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("cells/3.png", "cells/3.png"),
        ("a" * 40, "a" * 40),
        ("a" * 150 + "z" * 150, "a" * 20 + "…" + "z" * 19),
        ("two\nlines\tand   blanks ", "two lines and blanks"),
        ("", ""),
    ],
)
def test_a_long_name_is_cut_in_its_middle(name, short):
    assert shortened(name) == short


def test_an_item_is_called_by_its_name_and_number():
    data = Dataset("a", vectors(), item_names=NAMES)
    assert item_words(data, 3) == "item 3 (item 3)"
    assert item_words(data, 3, number=9) == "item 3 (item 9)"
    assert item_words(replace(data, item_names=()), 3) == "item 3"
    assert (data.noun, data.pictures is data.items) == ("item", True)
    with_images = replace(data, images_shown=np.zeros((N, 2, 2, 1), np.uint8))
    assert (with_images.noun, with_images.pictures is with_images.images_shown) == ("image", True)


@pytest.mark.parametrize("pack", [list, ItemNames.made_of])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("b/1.png", [2]),  # the whole name, though it is a part of others
        ("1.png", [0, 2, 3, 4]),
        ("B/1", [2, 3, 4]),
        ("b/1.PNG", [2, 3, 4]),
        ("ga", []),  # the end of one name and the beginning of the next
        (" a/1.png ", [0]),
        ("straße", [5]),
        ("", []),
        ("no such", []),
    ],
)
def test_an_item_is_found_by_its_name_or_a_part_of_it(pack, text, found):
    names = ["a/1.png", "a/2.png", "b/1.png", "bb/1.png", "xb/1.png", "Straße"]
    assert items_named(pack(names), text, 9) == found
    assert items_named(pack(names), text, 1) == found[:1]


def test_names_are_copied_by_their_place_so_that_charts_are_known_by_little(tmp_path):
    ItemNames.made_of(NAMES * 1000).save(tmp_path)
    names = ItemNames.from_folder(tmp_path, N * 1000)
    text = pickle.dumps(names)
    assert len(text) < 1000
    assert list(pickle.loads(text)) == list(names)
    assert list(pickle.loads(pickle.dumps(ItemNames.made_of(NAMES)))) == NAMES


@pytest.mark.parametrize("name", ["digits", "mnist-5k", "toy", "mnist"])
def test_draws_of_before_keep_their_names(name):
    """What a folder is called hangs on settings that were there from the first; see `key`."""
    known = {
        "digits": "digits-f39a9916dcfb",
        "mnist-5k": "mnist-5k-3a859a389b32",
        "toy": "toy-e8859340008c",
        "mnist": "mnist-e158ae851cc6",
    }
    assert library.key(name, {}, 0) == known[name]


@pytest.mark.parametrize("setting", ["standardise", "whiten_columns", "unit_length"])
def test_vectors_are_brought_to_scale(setting, tmp_path):
    saved()
    data = library.load(tmp_path, "my-vectors", {setting: True}, 0)
    items = np.asarray(data.items, np.float64)
    if setting == "unit_length":
        assert np.abs(np.linalg.norm(items, axis=1) - 1).max() < 1e-5
    else:
        assert np.abs(items.mean(0)).max() < 1e-5
        assert np.abs(items.std(0) - 1).max() < 1e-4
    if setting == "whiten_columns":
        assert np.abs(items.T @ items / N - np.eye(WIDTH)).max() < 1e-3


def test_settings_of_a_set_are_checked_like_all_others():
    saved()
    with pytest.raises(ParameterError, match="n_samples"):
        build(registry.dataset("my-vectors"), {"n_samples": 3})
    about = json.loads((own_sets.own_set("my-vectors").folder / "about.json").read_text())
    assert about["schema"] == own_about.SCHEMA


def test_draws_that_no_run_needs_are_forgotten_and_those_of_others_stay(tmp_path):
    kept, gone, other = "my-set-0123456789ab", "my-set-ba9876543210", "my-set-2-0123456789ab"
    for name in (kept, gone, other):
        (tmp_path / "_data" / name).mkdir(parents=True)
    library.forget_draws(tmp_path, "my-set", keep=[kept])
    assert sorted(f.name for f in (tmp_path / "_data").iterdir()) == sorted([kept, other])
    library.forget_draws(tmp_path / "nothing", "my-set", keep=[])


@pytest.mark.parametrize("names", [[], ["a"], ["ääx", "", "b"], [f"n{i}" for i in range(5)]])
def test_names_that_come_in_piece_by_piece_are_joined_as_if_at_once(names, monkeypatch):
    monkeypatch.setattr(item_names, "TOGETHER", 2)
    packed = item_names.GrowingNames()
    for name in names:
        packed.extend([name])
    assert b"".join(packed.joined()) == "\0".join(names).encode()
    assert list(ItemNames(*packed.arrays())) == names


# -- what goes wrong while something is written ---------------------------------------------------
def test_a_change_of_classes_that_is_stopped_half_way_leaves_them_as_they_were(monkeypatch):
    saved()

    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(own_sets, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        own_sets.add_labelling("my-vectors", "class", Labelling(LABELS[::-1], ("x", "y", "z")))
    own = own_sets.own_set("my-vectors")
    assert (own.labelling("class").labels == LABELS).all()
    assert own.labelling("class").class_names == ("a", "b", "c")
    assert [each.name for each in own.folder.glob("labels-*")] == ["labels-0.npy"]


def test_replaced_classes_are_there_for_those_who_read_them_a_while(monkeypatch):
    before, _ = saved()
    os.utime(before.folder / "labels-0.npy", (0, 0))  # imported long ago
    new = own_sets.add_labelling("my-vectors", "class", Labelling(LABELS[::-1], ("x", "y", "z")))
    assert (before.labelling("class").labels == LABELS).all()
    assert (new.labelling("class").labels == LABELS[::-1]).all()
    os.utime(before.folder / "labels-0.npy", (0, 0))
    last = own_sets.add_labelling("my-vectors", "more", Labelling(LABELS, ("a", "b", "c")))
    assert len(list(last.folder.glob("labels-*"))) == 2
    assert (last.labelling("class").labels == LABELS[::-1]).all()


def test_only_one_change_of_classes_is_made_at_a_time(monkeypatch, data_folder):
    saved()
    monkeypatch.setattr(own_sets, "PATIENCE", 0.0)
    one = {"more": Labelling(LABELS, ("a", "b", "c"))}
    with (
        locks.held(data_folder / "imported" / own_sets.LOCK, 0.0),
        pytest.raises(ParameterError, match="being changed"),
    ):
        own_sets.add_labellings("my-vectors", one)
    assert own_sets.add_labellings("my-vectors", one).label_files[1].startswith("labels-")


def test_the_same_items_with_more_classes_add_them_to_the_set_that_is_there():
    known, _ = saved()
    first = Labelling(LABELS, ("a", "b", "c"))
    halves = Labelling((np.arange(N) // 30).astype(np.int32), ("first", "second"))
    with SetWriter("vectors", (WIDTH,)) as writer:
        writer.append(vectors(), NAMES)
        again, is_new = writer.finish(
            "Again", origin="", labellings={"kind": first, "class": halves, "like it": first}
        )
    assert (again.name, is_new, writer.added) == (known.name, False, ("class (2)",))
    assert [title for title, _ in again.labellings] == ["class", "class (2)"]
    assert (again.labelling("class (2)").labels == halves.labels).all()


def test_whatever_names_and_titles_are_it_can_be_read_again():
    classes = Labelling(LABELS, tuple(letter * 300 for letter in "aab"))
    own, _ = saved(
        labellings={"t" * 300: classes, "t" * 301: classes},
        columns=["c" * 300 + str(i) for i in range(WIDTH)],
        features="odd \udcff",
        conversion="x" * 200_000,
        refused=[{"name": "odd \udcff", "reason": "is odd"}] * 3,
        n_refused=12_000,
    )
    assert own_sets.own_sets() == {own.name: own}
    assert len(set(own.columns)) == WIDTH
    assert [len(title) for title, _ in own.labellings] == [200, 200]
    assert len({title for title, _ in own.labellings}) == 2
    assert len(set(own.labellings[0][1])) == 3
    assert own.n_refused == 12_000
    assert own.refused()[0] == {"name": "odd ?", "reason": "is odd"}


def test_columns_with_long_names_are_drawn(tmp_path):
    saved(columns=["c" * 300 + str(i) for i in range(WIDTH)])
    assert len(library.load(tmp_path, "my-vectors", {}, 0).columns) == WIDTH


def test_names_beyond_all_measure_are_refused_and_leave_nothing(data_folder):
    many = Labelling(LABELS, tuple(f"{i:06d}" + "x" * 194 for i in range(50_000)))
    with pytest.raises(DataError, match="could not be read again"):
        saved(labellings={"class": many})
    assert not list((data_folder / "imported").iterdir())


def test_a_full_disk_leaves_no_half_set(data_folder, monkeypatch):
    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(growing_array.GrowingArray, "_write_head", full)
    with pytest.raises(OSError, match="No space"):
        saved()
    assert not list((data_folder / "imported").iterdir())


def test_a_disk_that_fills_up_while_items_come_in_leaves_no_half_set(data_folder, monkeypatch):
    def filled():
        with SetWriter("vectors", (WIDTH,)) as writer:
            writer.append(vectors(), NAMES)
            monkeypatch.setattr(writer._items, "_file", Full(writer._items._file))
            writer.finish("Mine", origin="")

    class Full:
        """A file whose last bytes the disk does not take."""

        closed = False

        def __init__(self, file):
            self._file = file

        def seek(self, place):
            raise OSError(28, "No space left on device")

        def close(self):
            self._file.close()
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        filled()
    assert not list((data_folder / "imported").iterdir())


def test_what_killed_imports_left_goes_when_a_server_starts(data_folder, tmp_path):
    half = data_folder / "imported" / f"{own_sets.HALF_WRITTEN}1"
    half.mkdir(parents=True)
    (half / "items.npy").write_bytes(b"half")
    for each in (half / "items.npy", half):
        os.utime(each, (0, 0))
    make_runner(tmp_path / "runs", "thread")
    assert not half.exists()

"""Arrays as data sets: what each is taken for, what is said of it, and what is refused."""

import gzip
import io
import re
import zipfile

import numpy as np
import pytest

from clustlab.data import own_sets
from clustlab.errors import Cancelled, DataError, ParameterError
from clustlab.importing import arrays, intake, pixels, sources
from clustlab.importing.plan import Choices, Limits, Refused
from tests.support.image_files import idx_bytes
from tests.support.odd_arrays import WIDTH, N, classes, pictures, told_of_damaged, vectors


def silent(message, share):
    assert 0 <= share <= 1


def saved(tmp_path, name="given.npz", compress=False, **content):
    (np.savez_compressed if compress else np.savez)(tmp_path / name, **content)
    return tmp_path / name


def looked_at(tmp_path, choices=None, **content):
    return arrays.preview(saved(tmp_path, **content), choices or Choices())


def brought_in(path, title="Mine", choices=None):
    return arrays.bring_in(path, title, choices or Choices(), silent)


# -- vectors ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("compress", [False, True])
def test_vectors_come_in_with_their_classes_and_names(tmp_path, compress):
    names = np.array([f"cell {i}" for i in range(N)])
    path = saved(tmp_path, compress=compress, x=vectors(), y=classes(), ids=names)
    seen = arrays.preview(path, Choices())
    assert (seen.kind, seen.n_items, seen.shape, seen.n_refused) == ("vectors", N, (WIDTH,), 0)
    assert seen.class_counts == {str(c): int((classes() == c).sum()) for c in range(3)}
    assert seen.warnings == ()
    assert [c.name for c in seen.columns] == ["x", "y", "ids"]
    assert (seen.chosen.features, seen.chosen.labels, seen.chosen.names) == (("x",), "y", "ids")
    assert (seen.sample == vectors()[:24]).all()
    assert seen.sample_names == tuple(names[:24])
    own = brought_in(path).own
    assert (own.items() == vectors()).all()
    assert (own.labelling("y").labels == classes()).all()
    assert list(own.item_names()) == names.tolist()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_refuses_its_row_by_row_and_column(tmp_path, value):
    items = vectors()
    items[7, 3] = value
    path = saved(tmp_path, x=items, y=classes())
    refused = (Refused("row 7", f"holds {value} in column 3"),)
    assert (seen := arrays.preview(path, Choices())).refused == refused
    assert (seen.n_items, seen.n_refused) == (N - 1, 1)
    outcome = brought_in(path)
    assert (len(outcome.own), outcome.refused) == (N - 1, refused)
    left = np.delete(np.arange(N), 7)
    assert (outcome.own.items() == vectors()[left]).all()
    assert (outcome.own.labelling("y").labels == classes()[left]).all()


def test_what_is_too_large_for_32_bit_is_refused_as_well(tmp_path):
    items = vectors().astype(np.float64)
    items[3, 2] = 1e300
    seen = looked_at(tmp_path, x=items)
    assert seen.refused == (Refused("row 3", "holds inf in column 2"),)
    assert any("32 bit" in fact for fact in seen.facts)


def test_what_is_odd_about_columns_is_said(tmp_path):
    wide = vectors()
    wide[:, 2] *= 1e6
    (warning,) = looked_at(tmp_path, x=wide).warnings
    assert "Column 2" in warning
    assert "standardise" in warning
    (warning,) = looked_at(tmp_path, x=np.ones((500, 5), np.float32)).warnings
    assert "All 500 items are equal" in warning
    flat = vectors()
    flat[:, [4, 6]] = 3
    (warning,) = looked_at(tmp_path, x=flat).warnings
    assert warning == "Columns 4, 6 hold one value only, and tell nothing apart."


def test_labels_below_minus_one_are_classes_and_minus_one_alone_is_none(tmp_path):
    path = saved(tmp_path, x=vectors(), y=classes() - 3)
    seen = arrays.preview(path, Choices())
    assert list(seen.class_counts) == ["-3", "-2", "-1"]
    assert sum(seen.class_counts.values()) == N
    assert any("below -1" in warning for warning in seen.warnings)
    assert (brought_in(path).own.labelling("y").labels == classes()).all()
    seen = looked_at(tmp_path, x=vectors(), y=classes() - 1)
    assert list(seen.class_counts) == ["0", "1"]
    assert sum(seen.class_counts.values()) == (classes() > 0).sum()
    assert seen.warnings == ()


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (np.array(["elm", "oak", ""])[classes()], ["elm", "oak"]),
        (np.array([b"elm", b"oak", b"ash"])[classes()], ["ash", "elm", "oak"]),
        (classes() == 1, ["False", "True"]),
        (classes() * 10.0, ["0", "10", "20"]),
        (np.where(classes() == 0, np.nan, classes() + 0.5), ["1.5", "2.5"]),
        (classes()[:, None], ["0", "1", "2"]),
        (classes().astype(np.uint8) * 100, ["0", "100", "200"]),
    ],
)
def test_classes_of_any_type_keep_their_names(tmp_path, given, names):
    seen = looked_at(tmp_path, x=vectors(), labels=given)
    assert list(seen.class_counts) == names


def test_one_class_and_a_class_for_each_item_are_remarked_upon(tmp_path):
    (warning,) = looked_at(tmp_path, x=vectors(), y=np.zeros(N, int)).warnings
    assert "one class" in warning
    (warning,) = looked_at(tmp_path, x=vectors(), y=np.arange(N)).warnings
    assert "class of its own" in warning


def test_choices_say_otherwise_than_the_guesses(tmp_path):
    content = {"x": vectors(), "other": vectors()[:, :4], "y": classes(), "coarse": classes() // 2}
    choices = Choices(features=("other",), labels="coarse", others=("y",), names="")
    path = saved(tmp_path, **content)
    seen = arrays.preview(path, choices)
    assert (seen.shape, len(seen.class_counts)) == ((4,), 2)
    own = brought_in(path, choices=choices).own
    assert [title for title, _ in own.labellings] == ["coarse", "y"]
    assert looked_at(tmp_path, Choices(labels=""), **content).class_counts == {}
    for wrong in (Choices(labels="z"), Choices(features=("z",)), Choices(image="z")):
        with pytest.raises(ParameterError, match="no array 'z'"):
            arrays.preview(path, wrong)


def test_all_arrays_that_are_called_classes_are_sets_of_them(tmp_path):
    content = {"x": vectors(), "fine_labels": classes(), "coarse_labels": classes() // 2}
    path = saved(tmp_path, **content, test_labels=classes()[:5])
    seen = arrays.preview(path, Choices())
    assert (seen.chosen.labels, seen.chosen.others) == ("fine_labels", ("coarse_labels",))
    own = brought_in(path).own
    assert [title for title, _ in own.labellings] == ["fine_labels", "coarse_labels"]
    assert arrays.preview(path, Choices(labels="coarse_labels")).chosen.others == ()


@pytest.mark.parametrize("part", ["train", "test", "val"])
def test_classes_are_those_of_the_same_part_of_an_experiment(tmp_path, part):
    content = {}
    for place, each in enumerate(("test", "val", "train")):  # equally many of each
        content |= {f"x_{each}": vectors() + place, f"y_{each}": (classes() + place) % 3}
    given = None if part == "train" else (f"x_{part}",)
    seen = looked_at(tmp_path, Choices(features=given), **content)
    assert seen.chosen.features == (f"x_{part}",)
    assert (seen.chosen.labels, seen.chosen.others) == (f"y_{part}", ())
    del content["y_train"]
    alone = looked_at(tmp_path, Choices(features=("x_train",)), **content)
    assert alone.chosen.labels == ""  # rather than those of other items
    both = looked_at(tmp_path, x=vectors(), y_test=classes() * 0, y=classes())
    assert (both.chosen.labels, both.chosen.others) == ("y", ())


def test_what_lies_among_arrays_is_said_unless_a_system_has_left_it(tmp_path):
    path = saved(tmp_path, x=vectors())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "about")
        archive.writestr("__MACOSX/._x.npy", "nothing")
    assert sources.reader_of(path) == "arrays"
    seen = arrays.preview(path, Choices())
    assert seen.facts[-1] == "Not read, since they are no arrays: README.txt."


def test_vectors_of_images_show_them(tmp_path):
    path = saved(tmp_path, x=vectors(20), images=pictures() / 255, y=classes(20))
    seen = arrays.preview(path, Choices())
    assert (seen.kind, seen.shape) == ("vectors", (WIDTH,))
    assert (seen.sample_images == pictures()[..., None]).all()
    own = brought_in(path).own
    assert (own.images() == pictures()[..., None]).all()
    assert (own.items() == vectors(20)).all()
    assert arrays.preview(path, Choices(image="")).sample_images is None
    other = saved(tmp_path, "other.npz", codes=vectors(20), looks=pictures())
    assert arrays.preview(other, Choices(image="looks")).sample_images is not None
    assert arrays.preview(other, Choices()).kind == "vectors"
    with pytest.raises(DataError, match="holds 19 entries for 20 items"):
        arrays.preview(saved(tmp_path, x=vectors(20), images=pictures(19)), Choices(image="images"))


# -- images ----------------------------------------------------------------------------------------
RANGES = {
    "as they are": (lambda a: a, ""),
    "without range": (lambda a: a.astype(np.int64), "pixels from 0 to 255"),
    "0 to 1": (lambda a: (a / 255).astype(np.float32)[..., None], r"\[0, 1\]"),
    "-1 to 1": (lambda a: a / 127.5 - 1, r"\[-1, 1\]"),
    "16 bit": (lambda a: a.astype(np.uint16) * 257, "16 bit"),
    "by columns": (np.asfortranarray, ""),
    "big-endian": (lambda a: a.astype(">f4"), "pixels from 0 to 255"),
    "channels first": (lambda a: a[:, None], "moved"),
}


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kind", RANGES)
def test_images_of_any_type_become_the_same_pixels(tmp_path, kind, compress):
    change, said = RANGES[kind]
    images = pictures(50)
    images[0, -1, -1] = 255  # so that its own range is the whole one
    path = saved(tmp_path, compress=compress, images=change(images))
    seen = arrays.preview(path, Choices())
    assert (seen.kind, seen.n_items, seen.shape) == ("images", 50, (28, 28, 1))
    own = brought_in(path).own
    assert (own.items() == images[..., None]).all()
    assert not said or any(re.search(said, f) for f in seen.facts)
    assert bool(own.conversion) == bool(said)


def test_colour_before_height_is_moved_and_alpha_is_laid_over_the_ground(tmp_path):
    colour = np.stack([pictures(), pictures() // 2, pictures() // 4], 1)
    path = saved(tmp_path, images=colour)
    assert (brought_in(path, "First").own.items() == np.moveaxis(colour, 1, -1)).all()
    clear = np.zeros((3, 6, 6, 4), np.uint8)
    path = saved(tmp_path, images=clear)
    assert arrays.preview(path, Choices(ground="white")).sample.min() == 255
    assert arrays.preview(path, Choices()).sample.max() == 0
    grey = arrays.preview(path, Choices(ground="white", colour="grey"))
    assert grey.shape == (6, 6, 1)
    assert grey.sample.min() == 255
    assert arrays.preview(saved(tmp_path, images=pictures()), Choices(colour="colour")).shape == (
        *(28, 28),
        3,
    )


def test_images_are_brought_to_the_size_asked_for(tmp_path):
    path = saved(tmp_path, images=pictures())
    for fit in ("crop", "pad", "stretch"):
        seen = arrays.preview(path, Choices(size=(14, 20), fit=fit))
        assert seen.shape == (14, 20, 1)
        assert any("14 x 20" in fact for fact in seen.facts)
    padded = arrays.preview(path, Choices(size=(14, 28), fit="pad", ground="white")).sample
    assert (padded[:, :, :7] == 255).all()


def test_an_image_with_a_value_that_is_not_finite_is_refused(tmp_path):
    images = pictures() / 255
    images[3, 5, 6] = np.nan
    seen = looked_at(tmp_path, images=images)
    assert seen.refused == (Refused("row 3", "holds nan at 5, 6"),)
    assert (seen.sample == np.delete(pictures(), 3, 0)[..., None]).all()


# -- files -----------------------------------------------------------------------------------------
def test_npy_of_vectors_and_images(tmp_path):
    np.save(tmp_path / "v.npy", np.asfortranarray(vectors()))
    assert (brought_in(tmp_path / "v.npy").own.items() == vectors()).all()
    np.save(tmp_path / "i.npy", pictures())
    assert arrays.preview(tmp_path / "i.npy", Choices()).kind == "images"
    np.save(tmp_path / "y.npy", classes())
    with pytest.raises(DataError, match=r"may be their labels.*import-labels"):
        arrays.preview(tmp_path / "y.npy", Choices())


@pytest.mark.parametrize("packed", [False, True])
def test_idx_as_mnist_is_shipped_takes_the_labels_beside_it(tmp_path, packed):
    pack, end = (gzip.compress, ".gz") if packed else (bytes, "")
    images = tmp_path / f"train-images-idx3-ubyte{end}"
    images.write_bytes(pack(idx_bytes(pictures())))
    assert arrays.preview(images, Choices()).class_counts == {}
    labels = tmp_path / f"train-labels-idx1-ubyte{end}"
    labels.write_bytes(pack(idx_bytes(classes(20).astype(np.uint8))))
    assert list(arrays.preview(images, Choices()).class_counts) == ["0", "1", "2"]
    assert arrays.preview(images, Choices(labels="")).class_counts == {}
    own = brought_in(images).own
    assert (own.items() == pictures()[..., None]).all()
    assert (own.labelling("labels").labels == classes(20)).all()
    with pytest.raises(DataError, match="labels"):
        arrays.preview(labels, Choices())
    images.write_bytes(pack(idx_bytes(pictures())[:-5]))
    with pytest.raises(DataError, match="cut off"):
        arrays.preview(images, Choices())


def test_pickled_objects_are_never_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr("pickle.load", lambda *_: pytest.fail("unpickled"))
    monkeypatch.setattr("pickle.loads", lambda *_: pytest.fail("unpickled"))
    path = saved(tmp_path, x=np.array([{"a": 1}] * 4, dtype=object))
    for read in (arrays.preview, lambda path, choices: brought_in(path)):
        with pytest.raises(DataError, match="Python objects, which are never loaded"):
            read(path, Choices())
    np.save(tmp_path / "o.npy", np.array([None, 1], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        arrays.preview(tmp_path / "o.npy", Choices())
    assert own_sets.own_sets() == {}


def npy_head(shape, dtype="<f4"):
    head = io.BytesIO()
    about = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, about)
    return head.getvalue()


def test_what_is_declared_is_bound_before_room_is_made_for_it(tmp_path):
    path = tmp_path / "bomb.npz"
    for shape, said in (
        ((10**6, 10**6), "GB, more than the limit"),
        ((10**9, 1), "items, more than the limit"),
        ((10, 10**9), "GB|MB, more than the limit"),
        ((1, 10**8), "MB, more than the limit"),
    ):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.npy", npy_head(shape))
        with pytest.raises(DataError, match=f"{said}|bytes, not"):
            arrays.preview(path, Choices())
        (tmp_path / "bomb.npy").write_bytes(npy_head(shape))
        with pytest.raises(DataError, match=f"{said}|bytes of numbers"):
            arrays.preview(tmp_path / "bomb.npy", Choices())
    few = Choices(limits=Limits(items=50))
    with pytest.raises(DataError, match="60 items, more than the limit of 50"):
        arrays.preview(saved(tmp_path, x=vectors()), few)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"x": np.zeros((4, 3), complex)}, "complex"),
        ({"x": np.zeros((2, 3, 4, 5, 6))}, "2 x 3 x 4 x 5 x 6"),
        ({"x": np.zeros((2, 30, 30, 7))}, "no items"),
        ({"x": np.zeros((0, 3))}, "Nothing"),
        ({"x": np.zeros((3, 0))}, "no items"),
        ({"x": np.float32(3)}, "one value for each item"),
        ({"x": np.full((3, 2), np.nan)}, "row 0 holds nan"),
        ({"x": np.array(["a", "b"])}, "one value for each item"),
        ({}, "no arrays|cut off"),
    ],
)
def test_what_holds_no_items_is_refused_in_a_sentence(tmp_path, content, said):
    path = saved(tmp_path, **content)
    for read in (arrays.preview, lambda path, choices: brought_in(path)):
        with pytest.raises(DataError, match=said):
            read(path, Choices())
    assert own_sets.own_sets() == {}


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "empty.npy").touch()
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "folder.npy").mkdir()
    for name in ("missing.npy", "empty.npy", "text.npz", "folder.npy"):
        with pytest.raises(DataError):
            arrays.preview(tmp_path / name, Choices())


# -- large, stopped, hostile -----------------------------------------------------------------------
def test_of_what_is_large_a_preview_looks_at_the_beginning_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "LOOKED_AT", 2000)
    monkeypatch.setattr(arrays, "rows_together", lambda *_: 10)
    items = vectors()
    items[[3, 50], 0] = np.nan
    path = saved(tmp_path, x=items, y=classes())
    seen = arrays.preview(path, Choices())
    assert (seen.n_items, seen.n_refused) == (N - 1, 1)
    assert any("first 30 rows" in fact for fact in seen.facts)
    outcome = brought_in(path)
    assert [each.name for each in outcome.refused] == ["row 3", "row 50"]
    assert len(outcome.own.labelling("y").labels) == N - 2


def test_an_import_that_is_stopped_leaves_nothing(tmp_path, data_folder):
    def stop(message, share):
        raise Cancelled

    with pytest.raises(Cancelled):
        arrays.bring_in(saved(tmp_path, x=vectors()), "Mine", Choices(), stop)
    assert not list((data_folder / "imported").iterdir())


def test_damaged_files_give_a_sentence_and_nothing_else(tmp_path, data_folder):
    rng = np.random.default_rng(5)
    np.save(tmp_path / "a.npy", vectors(20))
    saved(tmp_path, "b.npz", x=vectors(20), y=classes(20), names=np.array(list("abcd") * 5))
    saved(tmp_path, "c.npz", compress=True, images=pictures(5), y=classes(5))
    (tmp_path / "d-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(pictures(5))))
    (tmp_path / "e-ubyte").write_bytes(idx_bytes(pictures(5)))
    told = told_of_damaged(tmp_path, data_folder, arrays, rng)
    assert len(told) > 30


@pytest.mark.parametrize(
    ("known", "dtype", "found", "wanted"),
    [
        (None, "f4", (-3, 7), (-3, 7)),  # nothing is known of earlier images
        ((-1000, 2000), "i2", (-500, 90), (-1000, 2000)),
        ((-1000, 2000), "i2", (0, 255), (-1000, 2000)),  # looks like pixels, by chance
        ((-1000, 2000), "u1", (0, 255), (0, 255)),  # already made for the eye
        ((0, 1), "f4", (0, 255), (0, 255)),  # both say what is white
        ((0, 255), "f4", (-1, 1), (-1, 1)),
        ((0, 1), "f4", (-0.02, 1.03), (0, 1)),  # beyond by rounding
        ((0, 255), "u1", (0, 1), (0, 255)),  # dark images, not shares of 1
        ((0, 1), "u1", (0, 1), (0, 1)),
    ],
)
def test_the_range_of_earlier_images_holds_where_values_do_not_say_theirs(
    known, dtype, found, wanted
):
    ranges = () if known is None else (("array", *map(float, known)),)
    now = pixels.Range(*map(float, found), "")
    like = pixels.as_before(now, np.dtype(dtype), Choices(ranges=ranges))
    assert (like.low, like.high) == wanted

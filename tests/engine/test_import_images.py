"""Images come in as the preview has said, in order, with names and classes, or not at all."""

import io
import json
import os
import threading
import time
from contextlib import closing

import numpy as np
import psutil
import pytest
from PIL import Image

from clustlab.data import own_sets
from clustlab.errors import Cancelled, ClustlabError, DataError, ParameterError
from clustlab.importing import decoders, images, sources
from clustlab.importing.image_files import Recipe
from clustlab.importing.plan import Choices, Limits
from tests.support.made_images import (
    classes,
    coded,
    coloured,
    declared_png,
    deep,
    foldered,
    picture,
    png,
    tarred,
    zipped,
)


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def watch(text, share):
    assert text
    assert 0 <= share <= 1


def imported(given, title="My set", choices=None):
    """The set, and the outcome."""
    outcome = images.bring_in(given, title, choices or Choices(), watch)
    assert outcome.n_refused == len(outcome.refused) == outcome.own.n_refused or not outcome.is_new
    return outcome.own, outcome


def labels(own, title="folder"):
    found = own.labelling(title)
    names = (*found.class_names, None)
    return [names[label] for label in found.labels]


def left_over(folder):
    """What an import that failed has left in the data folder."""
    place = folder / "imported"
    return list(place.iterdir()) if place.exists() else []


# -- what each odd or hostile input comes to ------------------------------------------------------
def exif(image, turn):
    found = image.getexif()
    found[0x0112] = turn
    return found


WIDE = picture("RGB", (40, 20))
GOOD = coded(picture("RGB"), "JPEG")
MODES = [*(("L", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG")), ("CMYK", "JPEG")]
SIZES = [(1, 1), (3, 120), (37, 53), (640, 480), (28, 28)]
INNER = io.BytesIO()
zipped(INNER, [("x.png", png())])

CASES = {  # files, how many are kept and refused, and shape of an image
    "classes": (classes(), 12, 0, (28, 28, 1)),
    "modes": (
        [(f"{mode}.{form.lower()}", coded(picture(mode), form)) for mode, form in MODES],
        *(5, 0, (28, 28, 1)),
    ),
    "16 bits": ([("a.png", coded(deep())), ("b.tif", coded(deep(), "TIFF"))], 2, 0, (28, 28, 1)),
    "turned": (
        [
            ("plain.jpg", coded(WIDE, "JPEG")),
            ("turned.jpg", coded(WIDE, "JPEG", exif=exif(WIDE, 6))),
        ],
        *(2, 0, (16, 16, 1)),
    ),
    "sizes": ([(f"{w}.png", png(size=(w, h))) for w, h in SIZES], 5, 0, (32, 32, 1)),
    "broken": (
        [
            *(("good.jpg", GOOD), ("cut.jpg", GOOD[: len(GOOD) // 2]), ("empty.png", b"")),
            *(("text.png", b"hello"), ("notes.txt", b"not an image")),
        ],
        *(1, 4, (28, 28, 1)),
    ),
    "declared": ([("a.png", png()), ("b.png", declared_png(60_000, 60_000))], 1, 1, (28, 28, 1)),
    "paths": (
        [(name, png()) for name in ("../evil.png", "/abs.png", "a/../../b.png", "ok.png")],
        *(1, 3, (28, 28, 1)),
    ),
    "nested": ([("inner.zip", INNER.getvalue()), ("ok.png", png())], 1, 1, (28, 28, 1)),
    "names": (
        [("a" * 300 + ".png", png(9)), ("[x](javascript:1).png", png()), ("ünï.png", png(3))],
        *(3, 0, (28, 28, 1)),
    ),
    "one": ([("only.png", png())], 1, 0, (28, 28, 1)),
    "colour": ([("a.png", coded(coloured())), ("b.png", png())], 2, 0, (28, 28, 3)),
    "wrong ending": ([("a.jpg", png()), ("b.dat", png(9))], 2, 0, (28, 28, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_odd_and_hostile_inputs_come_in_as_the_preview_has_said(tmp_path, name):
    files, kept, n_refused, shape = CASES[name]
    given = zipped(tmp_path / "a.zip", files)
    seen = images.preview(given, Choices())
    assert (seen.kind, seen.n_items, seen.n_refused, seen.shape) == (
        "images",
        kept,
        n_refused,
        shape,
    )
    own, outcome = imported(given, choices=seen.chosen)
    assert (len(own), outcome.n_refused, own.shape[1:]) == (kept, n_refused, shape)
    stored = own.items()
    place = {each: i for i, each in enumerate(own.item_names())}
    for sample, each in zip(seen.sample, seen.sample_names, strict=True):
        assert (stored[place[each]] == sample).all()
    assert abs(seen.nbytes - own.nbytes) < 2_000 + 0.1 * own.nbytes
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "data"]
    assert os.listdir(tmp_path / "data") == ["imported"]
    assert os.listdir(tmp_path / "data" / "imported") == ["my-set"]


def test_both_files_of_16_bits_are_equal_and_use_the_whole_range(tmp_path):
    own, _ = imported(zipped(tmp_path / "a.zip", CASES["16 bits"][0]))
    first, second = own.items()
    assert (first == second).all()
    assert (first.min(), first.max()) == (0, 255)
    assert len(np.unique(first)) > 200
    assert "2 images with 16 bits are scaled by the range" in own.conversion
    assert "62,640 white" in own.conversion


def test_a_range_is_that_of_the_whole_set_also_where_it_was_not_seen_before(tmp_path, monkeypatch):
    monkeypatch.setattr("clustlab.importing.image_listing.LOOKED_AT", 2)
    deeper = [("m.png", coded(deep(step=80))), ("n.png", coded(deep(step=40)))]
    own, _ = imported(zipped(tmp_path / "a.zip", [("a.png", png()), *deeper, ("z.png", png(3))]))
    place = {each: i for i, each in enumerate(own.item_names())}
    assert own.items()[place["m.png"]].max() == 255
    assert own.items()[place["n.png"]].max() in (127, 128)
    assert own.items()[place["a.png"]].max() == 220


def test_nothing_comes_of_what_holds_no_image(tmp_path, data_folder):
    for files, told in (
        ([("readme.txt", b"no image here")], "readme.txt is not an image that can be read"),
        ([("a.png", b""), ("b.png", b"x")], "a.png, the first of 2 files, is empty"),
        ([], "holds no files"),
    ):
        given = zipped(tmp_path / "a.zip", files)
        for ask in (lambda given: images.preview(given, Choices()), imported):
            with pytest.raises(DataError, match=told) as error:
                ask(given)
            assert error.value.hint
    assert not left_over(data_folder)


def test_the_same_images_from_a_folder_an_archive_or_uploads_are_one_set(tmp_path):
    files = classes()
    own, first = imported(foldered(tmp_path / "animals", files))
    below = [(f"animals/{name}", data) for name, data in files]
    for given in (
        zipped(tmp_path / "a.zip", below),
        tarred(tmp_path / "a.tgz", sorted(below), "w:gz"),
        [(name, io.BytesIO(data)) for name, data in below],
    ):
        again, outcome = imported(given, "Another")
        assert again == own
        assert (first.is_new, outcome.is_new) == (True, False)
    assert list(own.item_names()) == sorted(name for name, _ in files)
    assert own.origin == "animals"


# -- classes and names ---------------------------------------------------------------------------
def test_folders_become_classes_in_the_order_of_their_numbers(tmp_path):
    files = [(f"train/{c}/{i}.png", png(10 * c + i)) for c in (10, 2, 1) for i in range(3)]
    files += [("test/2/9.png", png(99)), ("loose.png", png(98))]
    seen = images.preview(zipped(tmp_path / "a.zip", files), Choices())
    assert seen.chosen.labels == "folder"
    assert seen.class_counts == {"1": 3, "2": 4, "10": 3}
    assert any("1 image has no class" in fact for fact in seen.facts)
    own, _ = imported(tmp_path / "a.zip", choices=seen.chosen)
    assert own.labelling("folder").class_names == ("1", "2", "10")
    for name, label in zip(own.item_names(), labels(own), strict=True):
        assert label == (name.split("/")[1] if "/" in name else None)


@pytest.mark.parametrize(
    "names",
    [
        ["a/1.png", "a/2.png", "a/3.png"],  # one folder
        ["a/1.png", "b/2.png", "c/3.png"],  # one for each
        ["1.png", "2.png"],
        ["train/1.png", "test/2.png", "train/3.png", "test/4.png"],
    ],
)
def test_folders_that_say_nothing_are_no_classes(tmp_path, names):
    files = [(name, png(i)) for i, name in enumerate(names)]
    own, _ = imported(zipped(tmp_path / "a.zip", files))
    assert own.labellings == ()


def test_folders_are_no_classes_if_none_are_wanted(tmp_path):
    own, _ = imported(zipped(tmp_path / "a.zip", classes()), choices=Choices(labels=""))
    assert own.labellings == ()


TABLE = "file;species;mood;title\n" + "".join(
    f"{name}/{i}.png;{name.upper()};{'calm' if i % 2 else 'wild'};{name} no. {i}\n"
    for name in ("cat", "dog", "eel")
    for i in range(4)
)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_table_beside_the_images_says_more_of_them(tmp_path, coding):
    table = TABLE.replace("cat no.", "kätzchen no.").encode(coding)
    files = [("set/labels.csv", table), *((f"set/{name}", data) for name, data in classes())]
    given = zipped(tmp_path / "a.zip", files)
    seen = images.preview(
        given, Choices(labels="species", names="title", others=("mood", "folder"))
    )
    assert [(each.name, each.roles) for each in seen.columns] == [
        ("species", ("labels",)),
        ("mood", ("labels",)),
        ("title", ("names",)),
        ("folder", ("labels",)),
    ]
    assert (seen.n_items, seen.n_refused) == (12, 0)
    assert seen.class_counts == {"CAT": 4, "DOG": 4, "EEL": 4}
    own, outcome = imported(given, choices=seen.chosen)
    assert not outcome.refused
    assert [title for title, _ in own.labellings] == ["species", "mood", "folder"]
    assert own.item_names()[0] == "kätzchen no. 0"
    assert labels(own, "mood")[:4] == ["wild", "calm", "wild", "calm"]
    assert labels(own, "species") == [each.upper() for each in labels(own, "folder")]


@pytest.mark.parametrize("call", [lambda name: name, lambda name: name.split(".")[0]])
def test_a_table_names_images_with_or_without_folder_and_ending(tmp_path, call):
    files = [(f"x/{i}.png", png(i)) for i in range(6)]
    rows = "".join(f"{call(f'{i}.png')},{i % 2}\n" for i in range(5)) + "nowhere,1\n"
    given = zipped(tmp_path / "a.zip", [*files, ("x/l.csv", b"name,label\n" + rows.encode())])
    seen = images.preview(given, Choices())
    assert seen.chosen.labels == "label"
    assert any("such as 'nowhere'" in warning for warning in seen.warnings)
    own, _ = imported(given, choices=seen.chosen)
    assert labels(own, "label") == ["0", "1", "0", "1", "0", None]
    headless = zipped(tmp_path / "b.zip", [*files, ("x/l.csv", rows.encode())])
    assert images.preview(headless, Choices(labels="column 2")).class_counts == {"0": 3, "1": 2}


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    given = zipped(tmp_path / "a.zip", [("labels.csv", TABLE.encode()), *classes()])
    with pytest.raises(ParameterError, match=r"'colour'.*species, mood, title, folder"):
        images.preview(given, Choices(labels="colour"))


def test_a_table_of_something_else_is_left_out(tmp_path):
    given = zipped(tmp_path / "a.zip", [("other.csv", b"a,b\n1,2\n"), *classes()])
    seen = images.preview(given, Choices())
    assert [each.name for each in seen.refused] == ["other.csv"]
    _, outcome = imported(given, choices=seen.chosen)
    assert [each.name for each in outcome.refused] == ["other.csv"]


# -- size and colour -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        ([(28, 40)] * 3, (28, 40)),
        ([(256, 256)] * 3, (256, 256)),
        ([(300, 300)] * 3, (64, 64)),
        ([(20, 90), (22, 50), (700, 600)], (16, 16)),
        ([(45, 90), (50, 50), (700, 600)], (64, 64)),
        ([(1, 1), (2, 2)], (8, 8)),
    ],
)
def test_the_usual_size_is_that_of_all_or_a_power_of_two_near_the_median(sizes, chosen):
    assert images.usual_size(sizes) == chosen


def test_size_fit_and_colour_are_as_chosen(tmp_path):
    given = zipped(tmp_path / "a.zip", [("a.png", coded(coloured((80, 40)))), ("b.png", png())])
    own, _ = imported(given, choices=Choices((10, 20), "pad", "grey", "white"))
    assert own.shape == (2, 10, 20, 1)
    assert "1 is in colour, and all become grey" in own.conversion
    with pytest.raises(ParameterError, match="0 x 9,000"):
        images.preview(given, Choices((9000, 0)))


# -- many ----------------------------------------------------------------------------------------
def every_child():
    return psutil.Process().children(recursive=True)


@pytest.fixture(autouse=True)
def others():
    """Processes that other tests have left to this one."""
    _others[:] = [child.pid for child in every_child()]


_others = []


def children():
    return [child for child in every_child() if child.pid not in _others]


def many(n=400):
    """More files than are decoded in this process; each tells its number."""
    return [(f"{i:05}.png", coded(Image.new("L", (9, 9), i % 251))) for i in range(n)]


@pytest.mark.slow
def test_many_images_are_decoded_by_processes_in_their_order(tmp_path):
    files = many()
    files[7] = ("00007.png", b"hello")
    files[9] = ("00009.png", files[9][1][:50])
    seen_children = set()

    def look(text, share):
        seen_children.update(child.pid for child in children())

    own = images.bring_in(zipped(tmp_path / "a.zip", files), "Many", Choices(), look).own
    assert len(seen_children) == decoders.PROCESSES
    assert not children()
    kept = [i for i in range(400) if i not in (7, 9)]
    assert own.items()[:, 4, 4, 0].tolist() == [i % 251 for i in kept]
    assert list(own.item_names()) == [f"{i:05}.png" for i in kept]


@pytest.mark.slow
def test_a_cancelled_import_leaves_neither_files_nor_processes(tmp_path, data_folder):
    given = zipped(tmp_path / "a.zip", many(3000))
    had_children = []

    def stop(text, share):
        if share > 0.3:
            had_children.append(len(children()))
            raise Cancelled

    with pytest.raises(Cancelled):
        images.bring_in(given, "Many", Choices(), stop)
    assert had_children == [decoders.PROCESSES]
    assert not children()
    assert not left_over(data_folder)


def test_a_cancelled_import_of_few_images_leaves_nothing(tmp_path, data_folder):
    def stop(text, share):
        if share > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        images.bring_in(zipped(tmp_path / "a.zip", many(200)), "Few", Choices(), stop)
    assert not left_over(data_folder)


RECIPE = Recipe((9, 9), "crop", "grey", "black", 10**6)


@pytest.mark.slow
def test_a_process_that_is_brought_down_is_started_again():
    """Whatever has ended it, all images get their answer."""
    files, answers = dict(many(1200)), {}
    with closing(decoders.pictures(iter(files.items()), RECIPE, lambda: None)) as found:
        for name, answer in found:
            answers[name] = answer
            if len(answers) == 1:
                for child in children():
                    child.kill()
    assert list(answers) == list(files)
    bad = [name for name, answer in answers.items() if isinstance(answer, str)]
    assert len(bad) <= decoders.PROCESSES  # those that may be blamed
    assert not children()


@pytest.mark.slow
def test_processes_work_from_a_thread_and_load_nothing_heavy(monkeypatch):
    loaded = []

    def look():
        for child in children():
            loaded.extend(each.path for each in child.memory_maps())

    answers = []

    def work():
        with closing(decoders.pictures(iter(many(300)), RECIPE, look)) as found:
            answers.extend(found)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert len(answers) == 300
    assert any("PIL" in path or "pillow" in path for path in loaded)
    assert not [path for path in loaded if "/torch" in path or "pyarrow" in path]


def test_a_process_that_does_not_start_is_told(monkeypatch):
    monkeypatch.setattr(decoders, "MODULE", "clustlab.no_such_module")
    with (
        pytest.raises(ClustlabError, match="does not start"),
        closing(decoders.pictures(iter(many(9)), RECIPE, lambda: None)) as found,
    ):
        list(found)
    assert not children()


@pytest.mark.slow
def test_large_images_are_decoded_one_at_a_time_also_by_processes():
    large = coded(Image.new("L", (5000, 4000), 77))
    files = [("a", large), *many(200), ("b", large)]
    recipe = Recipe((9, 9), "crop", "grey", "black", 10**8)
    with closing(decoders.pictures(iter(files), recipe, lambda: None)) as found:
        answers = dict(found)
    assert answers["a"].pixels.max() == answers["b"].pixels.max() == 77
    assert answers["a"].size == (4000, 5000)


def test_a_preview_looks_at_some_of_many_from_all_classes(tmp_path):
    shown = [coded(picture("L", (9, 9), 50 + i)) for i in range(30)]
    files = [(f"{c}/{i:04}.png", shown[i % 30]) for c in "abcde" for i in range(800)]
    given = zipped(tmp_path / "a.zip", files, kind=0)
    start = time.perf_counter()
    seen = images.preview(given, Choices())
    assert time.perf_counter() - start < 10
    assert seen.n_items == 4000
    assert seen.class_counts == dict.fromkeys("abcde", 800)
    assert {name[0] for name in seen.sample_names} == set("abcde")
    assert len(seen.sample) == 24
    assert any("400 of them were looked at" in fact for fact in seen.facts)


def test_limits_hold_for_each_file_and_for_all(tmp_path, data_folder):
    given = zipped(
        tmp_path / "a.zip", [*classes(), ("large.bmp", coded(picture("L", (99, 99)), "BMP"))]
    )
    seen = images.preview(given, Choices(limits=Limits(bytes_of_one=5_000)))
    assert [(each.name, each.reason.split(",")[0]) for each in seen.refused] == [
        ("large.bmp", "has 11 KB")
    ]
    seen = images.preview(given, Choices(limits=Limits(pixels_of_one=1_000)))
    assert [each.name for each in seen.refused] == ["large.bmp"]
    for limits in (Limits(items=12), Limits(bytes_in_all=3_000)):
        for ask in (images.preview, lambda *a: images.bring_in(a[0], "x", a[1], watch)):
            with pytest.raises(DataError, match="holds more than") as told:
                ask(given, Choices(limits=limits))
            assert "in parts" in told.value.hint
    assert not left_over(data_folder)


def test_what_was_refused_stands_beside_the_set(tmp_path):
    own, outcome = imported(zipped(tmp_path / "a.zip", CASES["broken"][0]))
    kept = json.loads((own.folder / "refused.json").read_text("utf-8"))
    assert [(each["name"], each["reason"]) for each in kept] == [
        (each.name, each.reason) for each in outcome.refused
    ]
    assert {each.name: each.reason for each in outcome.refused}["cut.jpg"] == "is cut off"


def test_a_name_that_cannot_be_one_is_told_before_anything_is_read(tmp_path):
    with pytest.raises(ParameterError, match="cannot be the name"):
        imported(tmp_path / "nowhere.zip", "???")


def test_all_that_is_refused_is_counted_and_the_first_of_it_named(tmp_path, monkeypatch):
    monkeypatch.setattr("clustlab.importing.plan.REFUSALS_KEPT", 3)
    files = [*classes(), *((f"broken-{i}.png", b"\x89PNG\r\n\x1a\n") for i in range(5))]
    outcome = images.bring_in(zipped(tmp_path / "a.zip", files), "Some", Choices(), watch)
    assert (outcome.n_refused, outcome.own.n_refused) == (5, 5)
    assert len(outcome.refused) == len(outcome.own.refused()) == 3


def test_an_imported_set_is_found_by_its_name(tmp_path):
    own, _ = imported(zipped(tmp_path / "a.zip", classes()), "My animals")
    assert own_sets.own_set("my-animals") == own


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch, data_folder):
    monkeypatch.setattr("clustlab.importing.intake.SPARE", 10**18)
    given = zipped(tmp_path / "a.zip", classes())
    assert any("on the disk" in each for each in images.preview(given, Choices()).warnings)
    with pytest.raises(DataError, match="on the disk"):
        imported(given)
    assert not left_over(data_folder)


def test_an_upload_of_any_kind_finds_its_reader(tmp_path):
    with zipped(tmp_path / "a.zip", classes()).open("rb") as file:
        own = sources.bring_in([("a.zip", file)], "Uploaded", Choices(), watch).own
    assert own.shape == (12, 28, 28, 1)
    uploads = [(f"animals/{name}", io.BytesIO(data)) for name, data in classes()]
    assert sources.preview(uploads, Choices()).class_counts == {"cat": 4, "dog": 4, "eel": 4}

"""Bringing in one's own data on the page Data sets, without a browser."""

import gzip
import io
import struct
import tarfile
import threading
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet as pq

from clustlab.data import own_sets
from clustlab.data.free_titles import free_title
from clustlab.importing import job, sources
from clustlab.importing.plan import Choices, Outcome, Refused, settled
from clustlab.ui.data import bring
from tests.support import own_data
from tests.ui.test_pages import visit, words

N = 30


@pytest.fixture(autouse=True)
def data_folder(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def vectors(n=N):
    return np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)


GOOD = {"x": vectors(), "y": own_data.classes(N), "z": own_data.classes(N, 2)}


def given(*files, name="cells.npz"):
    """The page with files dropped on it."""
    app = visit("data", bring="yes")
    content = files or (npz(**GOOD),)
    app.file_uploader[0].set_value([(name, each, "application/zip") for each in content]).run()
    assert not app.exception, app.exception
    return app


def button(app, start):
    return next(each for each in app.button if each.label.startswith(start))


def field(kind, label):
    return next(each for each in kind if each.label == label)


def test_nothing_is_written_before_the_button_is_pressed_and_all_is_told(data_folder):
    app = given()
    said = words(app)
    assert f"**{N} vectors** of 4 features" in said
    assert "**3 classes**" in said
    assert "on the disk, up to 105 MB of memory while it comes in, and" in said
    assert not list((data_folder / "imported").iterdir())
    assert field(app.text_input, "Name of the data set").value == "cells"
    assert not app.error


def test_an_import_ends_with_a_set_that_can_be_trained_on_and_looked_at(wait_for):
    app = given()
    button(app, f"Import {N} items").click().run()
    assert not app.exception
    wait_for(lambda: (now := job.current()) and now.status == "done")
    app.run()
    assert f"**{N} items** came in as **cells**." in words(app)
    own = own_sets.own_set("cells")
    assert own.shape == (N, 4)
    assert [title for title, _ in own.labellings][:1] == ["y"]
    assert not app.file_uploader[0].value  # the page has let go of the file
    again = visit("data")  # another tab
    assert "came in as **cells**" in words(again)
    button(again, "Look at it").click().run()
    assert not again.exception
    assert field(again.selectbox, "Data set").value == "cells"
    assert job.current() is None


def test_the_same_content_is_found_again(wait_for):
    for name in ("cells.npz", "others.npz"):
        app = given(name=name)
        button(app, "Import ").click().run()
        wait_for(lambda: (now := job.current()) and now.status == "done")
        app.run()
    assert "are there already, as **cells**" in words(app)
    assert list(own_sets.own_sets()) == ["cells"]


def test_what_is_chosen_is_what_comes_in(wait_for):
    app = given()
    field(app.selectbox, "Classes").set_value("z").run()
    assert "**2 classes**" in words(app)
    field(app.text_input, "Name of the data set").set_value("Two kinds").run()
    button(app, "Import ").click().run()
    wait_for(lambda: (now := job.current()) and now.status == "done")
    own = own_sets.own_set("two-kinds")
    assert own.title == "Two kinds"
    assert own.labellings[0][0] == "z"


def test_the_import_is_told_what_the_preview_has_guessed(wait_for, monkeypatch):
    told = []
    bring_in = sources.bring_in

    def noted(source, title, choices, watch):
        told.append(choices)
        return bring_in(source, title, choices, watch)

    monkeypatch.setattr(sources, "bring_in", noted)
    button(given(), "Import ").click().run()
    wait_for(lambda: (now := job.current()) and now.status == "done")
    (choices,) = told
    assert (choices.features, choices.labels) == (("x",), "y")


def test_guesses_fill_in_only_what_was_left_open_and_found():
    wanted = Choices(labels="", features=())
    guessed = Choices(labels="", names="", image="photo", features=None, others=("z",))
    assert settled(wanted, guessed) == Choices(
        labels="", names=None, image="photo", features=(), others=("z",)
    )


def test_features_that_are_all_cleared_are_not_put_back():
    app = given()
    field(app.multiselect, "Features").set_value([]).run()
    assert not app.exception
    assert "No column is chosen for the features." in words(app)
    assert not [each for each in app.button if each.label.startswith("Import ")]


def test_a_name_that_is_taken_is_refused_and_another_is_proposed():
    own_data.vector_set("cells", n=20)
    app = given()
    box = field(app.text_input, "Name of the data set")
    assert box.value == "cells 2"
    box.set_value("Cells").run()
    assert "There is a data set 'cells' already" in words(app)
    assert button(app, "Import ").disabled


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"\x93NUMPY\x01\x00garbage", "cells.npz"), (npz(a=np.zeros(3)), "cells.npz")],
)
def test_what_cannot_be_read_is_told_in_words(content, said):
    app = given(content)
    assert len(app.error) == 1
    assert said in app.error[0].value.replace("\\", "")
    assert "bug" not in app.error[0].value


def test_what_is_refused_is_listed_and_left_out_if_the_user_agrees():
    broken = vectors()
    broken[[3, 7], 1] = np.nan
    app = given(npz(x=broken))
    assert button(app, f"Import {N - 2} items without the 2 refused")
    assert any(each.label.startswith("2 would be refused") for each in app.expander)
    assert app.dataframe[0].value["what"].tolist()[0].startswith("row ")


def test_limits_are_shown_and_hold():
    app = given()
    field(app.number_input, "Items").set_value(20).run()
    assert not app.exception
    assert "20" in "".join(each.value for each in app.error)


def test_an_import_under_way_is_seen_and_stopped_from_another_tab(wait_for):
    begun = threading.Event()

    def work(watch):
        while True:
            begun.set()
            watch("Reading **files**", 0.5)

    job.start("Many cells", work)
    assert begun.wait(30)
    app = visit("data", bring="yes")
    button(app, "Stop").click().run()
    wait_for(lambda: job.current().status == "cancelled")
    app.run()
    assert "**Many cells**: Stopped; nothing of it was kept." in words(app)
    button(app, "Close").click().run()
    assert job.current() is None


def test_one_import_at_a_time():
    go_on = threading.Event()

    def work(watch):
        go_on.wait(30)
        return Outcome(own_data.image_set(n=9), True, (Refused("<b>", "is cut off"),), 1)

    job.start("First", work)
    assert button(given(), "Import ").disabled
    go_on.set()


# -- a folder of the server ----------------------------------------------------------------------
def test_the_server_offers_no_folder_unless_it_was_told_to(monkeypatch, tmp_path):
    ways = field(visit("data", bring="yes").get("button_group"), "Where it is")
    assert ways.options == ["Files or an archive", "A folder"]
    monkeypatch.setenv(bring.ROOT, str(tmp_path))
    ways = field(visit("data", bring="yes").get("button_group"), "Where it is")
    assert ways.options == ["Files or an archive", "A folder", "This server"]


@pytest.mark.parametrize("path", ["../secret.npz", "/etc/passwd", "link/secret.npz", "none.npz"])
def test_nothing_outside_of_the_folder_on_the_server_is_reached(monkeypatch, tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.npz").write_bytes(npz(**GOOD))
    (root / "link").symlink_to(tmp_path)
    app = on_server(monkeypatch, root, path)
    assert "There is no " in app.error[0].value
    assert "4 features" not in words(app)


def on_server(monkeypatch, root, path):
    monkeypatch.setenv(bring.ROOT, str(root))
    app = visit("data", bring="yes")
    field(app.get("button_group"), "Where it is").set_value("server").run()
    field(app.text_input, "File or folder on this server").set_value(path).run()
    assert not app.exception
    return app


def test_a_file_of_the_server_is_imported(monkeypatch, tmp_path, wait_for):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "cells.npz").write_bytes(npz(**GOOD))
    app = on_server(monkeypatch, tmp_path / "root", "cells.npz")
    button(app, f"Import {N} items").click().run()
    wait_for(lambda: (now := job.current()) and now.status == "done")
    assert own_sets.own_set("cells").shape == (N, 4)


def test_a_folder_for_imports_that_is_not_there_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv(bring.ROOT, str(tmp_path / "nothing"))
    app = visit("data", bring="yes")
    field(app.get("button_group"), "Where it is").set_value("server").run()
    assert "CLUSTLAB_IMPORT_ROOT on the server must name a folder" in words(app).replace("\\", "")


# -- small parts -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["cells.zip"], "cells"),
        (["a/b/cells.tar.gz"], "cells"),
        (["cells/1/a.png", "cells/2/b.png"], "cells"),
        (["x/a.png", "y/b.png"], "My data"),
        (["a.png", "b.png"], "My data"),
    ],
)
def test_data_are_called_after_their_files(names, title):
    assert bring._title(names) == title


@pytest.mark.parametrize(
    ("title", "free"), [("Digits", "Digits 2"), ("细胞", "My data 细胞"), ("  ", "My data")]
)
def test_a_free_name_is_proposed(title, free):
    assert free_title(title) == free


def test_guesses_stay_open_unless_somebody_chooses():
    seen = sources.preview([("cells.npz", io.BytesIO(npz(**GOOD)))], Choices())
    assert seen.chosen.labels == "y"


# -- every format ----------------------------------------------------------------------------------
def saved(write):
    """What a function writes into a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def frame():
    table = pd.DataFrame(vectors(), columns=["age", "size", "weight", "speed"])
    return table.assign(kind=[("ape", "bat", "cat")[i] for i in own_data.classes(N)])


PACKED = [*range(7, N), *range(7)]  # the order of files in an archive: not that of their names


def files():
    """Images that say by their grey which item they are."""
    images = (Image.new("L", (12, 12), 8 * i) for i in range(N))
    return [
        (f"plate/{i:03d}.png", saved(lambda f, each=each: each.save(f, "PNG")))
        for i, each in enumerate(images)
    ]


def zipped(*more):
    def write(file):
        with zipfile.ZipFile(file, "w") as pack:
            for name, content in (*(files()[i] for i in PACKED), *more):
                pack.writestr(name, content)

    return saved(write)


def tarred(mode):
    def write(file):
        with tarfile.open(fileobj=file, mode=mode) as pack:
            for name, content in (files()[i] for i in PACKED):
                about = tarfile.TarInfo(name)
                about.size = len(content)
                pack.addfile(about, io.BytesIO(content))

    return saved(write)


def beside():
    """A table beside images, with rows in an order of its own, which it counts."""
    rows = [f"{row},{i:03d}.png,{'abc'[i % 3]}" for row, i in enumerate(PACKED[::-1])]
    return zipped(("plate/labels.csv", "\n".join(["row,file,label", *rows])))


def idx():
    images = np.zeros((N, 6, 6), np.uint8) + 8 * np.arange(N, dtype=np.uint8)[:, None, None]
    return struct.pack(">4B3I", 0, 0, 8, 3, N, 6, 6) + images.tobytes()


def hub():
    """A table of images as the Hugging Face hub ships it."""
    images = [{"bytes": content, "path": name} for name, content in files()]
    table = pa.table({"image": images, "label": own_data.classes(N)})
    return saved(lambda file: pq.write_table(table, file))


def lists():
    table = pa.table({"id": [f"t{i}" for i in range(N)], "embedding": list(vectors())})
    return saved(lambda file: pq.write_table(table, file))


FORMATS = {
    "a.npy": (lambda: saved(lambda f: np.save(f, vectors())), "vectors"),
    "a.npz": (lambda: npz(**GOOD), "vectors"),
    "train-images-idx3-ubyte": (idx, "images"),
    "train-images-idx3-ubyte.gz": (lambda: gzip.compress(idx()), "images"),
    "a.csv": (lambda: frame().to_csv(index=False).encode(), "vectors"),
    "bom.csv": (lambda: frame().to_csv(index=False, sep=";").encode("utf-8-sig"), "vectors"),
    "a.tsv": (lambda: frame().to_csv(index=False, sep="\t").encode(), "vectors"),
    "a.parquet": (lambda: saved(frame().to_parquet), "vectors"),
    "list.parquet": (lists, "vectors"),
    "a.feather": (lambda: saved(frame().to_feather), "vectors"),
    "hub.parquet": (hub, "images"),
    "a.zip": (zipped, "images"),
    "beside.zip": (beside, "images"),
    "a.tar": (lambda: tarred("w"), "images"),
    "a.tar.gz": (lambda: tarred("w:gz"), "images"),
}


def which(own):
    """Which item each row of a set is, by its content."""
    if own.kind == "images":
        return (own.items()[:, 0, 0, 0] // 8).tolist()
    return [int(np.abs(vectors() - row).sum(1).argmin()) for row in own.items()]


def imported_by(app, wait_for):
    button(app, f"Import {N} items").click().run()
    told = wait_for(lambda: (now := job.current()) and now.status != "running" and now)
    assert told.status == "done", told
    return own_sets.own_set(told.name)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_in_by_the_page_in_its_order(name, wait_for):
    make, kind = FORMATS[name]
    app = given(make(), name=name)
    assert not app.error
    assert f"**{N} {kind}** of " in words(app)
    own = imported_by(app, wait_for)
    assert which(own) == (PACKED if ".tar" in name else list(range(N)))
    if own.item_names() and kind == "images":
        assert [int(each[-7:-4]) for each in own.item_names()] == which(own)
    if name == "beside.zip":
        assert own.labelling("label").labels.tolist() == [i % 3 for i in range(N)]


def test_a_folder_comes_in_by_the_page_in_the_order_of_its_names(monkeypatch, tmp_path, wait_for):
    (tmp_path / "root" / "plate").mkdir(parents=True)
    for i in PACKED:
        name, content = files()[i]
        (tmp_path / "root" / name).write_bytes(content)
    own = imported_by(on_server(monkeypatch, tmp_path / "root", "plate"), wait_for)
    assert which(own) == list(range(N))
    assert list(own.item_names())[3] == "003.png"


def test_columns_of_a_table_are_chosen(wait_for):
    app = given(frame().to_csv(index=False).encode(), name="animals.csv")
    assert field(app.selectbox, "Classes").value == "kind"
    features = field(app.multiselect, "Features")
    assert features.value == ["age", "size", "weight", "speed"]
    features.set_value(["age", "speed"]).run()
    assert f"**{N} vectors** of 2 features" in words(app)
    button(app, "Import ").click().run()
    wait_for(lambda: (now := job.current()) and now.status == "done")
    assert own_sets.own_set("animals").columns == ("age", "speed")


def test_vectors_of_a_set_that_is_there_are_judged_against_it_before_they_come_in():
    own = own_data.image_set(n=N)
    names = ["who.png", *list(own.item_names())[1:]]
    app = given(npz(x=vectors(), names=np.array(names)), name="codes.npz")
    assert button(app, f"Import {N} items")
    field(app.selectbox, "Shown as the images of").set_value(own.name).run()
    assert button(app, f"Import {N - 1} items without the 2 refused")
    assert field(app.selectbox, "Shown as the images of").value == own.name
    assert not app.exception


def test_vectors_are_shown_as_the_images_of_a_set_that_is_there(wait_for):
    own = own_data.image_set(n=N)
    names = list(own.item_names())[::-1]
    app = given(npz(x=vectors(), names=np.array(names)), name="codes.npz")
    field(app.selectbox, "Shown as the images of").set_value(own.name).run()
    button(app, f"Import {N} items").click().run()
    wait_for(lambda: (now := job.current()) and now.status == "done")
    made = own_sets.own_set("codes")
    assert list(made.item_names()) == list(own.item_names())
    assert (made.images() == own.items()).all()
    assert (made.items() == vectors()[::-1]).all()

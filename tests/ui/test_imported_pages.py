"""Data of one's own on every page: images without labels, and vectors with images or without."""

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette

from clustlab.analysis import biography
from clustlab.analysis.failures import report
from clustlab.data import own_sets
from clustlab.data.item_names import shortened
from clustlab.errors import DatasetUnavailable
from clustlab.importing import sources
from clustlab.importing.plan import Choices
from clustlab.runs import source
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.longer import Longer
from clustlab.training.worker import execute, lengthen, new_run, requeue
from clustlab.ui import session
from clustlab.ui.look import embedding
from clustlab.ui.markdown import plain
from clustlab.ui.run import item_sheet
from clustlab.ui.run.view import chosen_step
from clustlab.ui.server import routes
from clustlab.views import scatter
from tests.support import own_data
from tests.support.asked import answer_to
from tests.ui.test_pages import visit, words
from tests.ui.test_train_page import asked

PAGES = ("train", "embedding", "clusters", "evaluate", "failures", "shifts", "follow", "inside")

EVERY_PAGE = sorted(file.stem for file in (Path(__file__).parents[2] / "pages").glob("*.py"))


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    """Folders of data and runs for all tests of this file."""
    root = tmp_path_factory.mktemp("own")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTLAB_DATA", str(root / "data"))
        patch.setenv("CLUSTLAB_RUNS", str(root / "runs"))
        yield root


def trained(own, **settings):
    store = RunStore()
    settings = {"n_clusters": 3, "n_init": 1, "max_iter": 4, **settings}
    run = new_run(store, RunSpec(own.name, "kmeans", {}, settings, preset="custom"))
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    return run


@pytest.fixture(scope="module")
def of_images():
    return trained(own_data.image_set())


@pytest.fixture(scope="module")
def of_features():
    return trained(own_data.vector_set())


@pytest.fixture(scope="module")
def of_table():
    return trained(own_data.vector_set("My table", n=90, shown=False))


@pytest.fixture(scope="module")
def of_many_sizes():
    """A run on 500 images without labels, of 40 sizes, as they come in from files."""
    files = own_data.files_of_many_sizes()
    outcome = sources.bring_in(files, "Many sizes", Choices(), lambda words, share: None)
    assert (outcome.n_refused, len(outcome.own), outcome.own.labellings) == (0, 500, ())
    return trained(outcome.own)


@pytest.mark.slow
@pytest.mark.parametrize("page", EVERY_PAGE)
def test_every_page_opens_with_images_that_came_in_with_forty_sizes(of_many_sizes, page):
    app = visit(page, run=of_many_sizes.id, item="3")
    assert not app.error
    if page in PAGES and page != "train":
        name = session.dataset(of_many_sizes).name_of(3)
        assert f"**{name}** · item 3" in words(app)


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_the_images_of_vectors(of_features, page):
    assert not visit(page, run=of_features.id).error


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_pages_show_vectors_without_images_and_call_none_an_image(of_table, page):
    app = visit(page, run=of_table.id)
    assert not app.error
    assert "image" not in "\n".join(e.value for e in app.markdown).lower()


def test_two_runs_on_them_are_compared(of_features):
    other = trained(own_data.vector_set(), n_clusters=4)
    app = visit("compare", runs=f"{of_features.id},{other.id}")
    assert not app.error


@pytest.mark.slow
def test_two_runs_on_images_without_labels_are_compared(of_many_sizes):
    other = trained(own_sets.own_set("many-sizes"), n_clusters=4)
    app = visit("compare", runs=f"{of_many_sizes.id},{other.id}")
    assert not app.error
    assert "The image on which the runs differ most" in words(app)


def item_called(run, name):
    return list(session.dataset(run).item_names).index(name)


def test_the_biography_is_headed_by_the_name_as_it_is(of_images):
    odd, long = (item_called(of_images, name) for name in (own_data.MARKUP, own_data.LONG))
    said = words(visit("embedding", run=of_images.id, item=str(odd)))
    assert f"**{plain(shortened(own_data.MARKUP))}** · item {odd}" in said
    assert own_data.MARKUP[:20] not in said
    said = words(visit("clusters", run=of_images.id, item=str(long)))
    assert f"**{'a' * 20}…{'z' * 19}** · item {long}" in said


def test_a_hover_and_the_table_name_items(of_images):
    view, item = chosen_step(of_images), item_called(of_images, "cells/0007.png")
    line = item_sheet.item_line(view, item)
    assert line.startswith(f"cells/0007.png (item {item}) · cluster ")
    table = item_sheet.item_table(view, np.array([item_called(of_images, own_data.LONG), item]))
    assert table["name"].tolist() == [own_data.LONG, "cells/0007.png"]


def test_what_is_shown_of_an_item_is_its_image_and_not_its_vector(of_features, of_table):
    def picture(run):
        status, kind, body = answer_to(app, f"/api/item/{run.id}/2.png")
        assert (status, kind) == (200, "image/png")
        return np.asarray(Image.open(io.BytesIO(body)))

    app = Starlette(routes=routes.routes)
    data = session.dataset(of_features)
    assert data.name_of(2) == f"cells/{(row := int(data.name_of(2)[6:10])):04d}.png"
    assert (picture(of_features)[5::9, 5::9][:12, :12] == own_data.pictures(120)[row]).all()
    grey = picture(of_table)
    assert (grey[..., 0] == grey[..., 1]).all()


def test_images_of_vectors_leave_in_an_archive(of_features):
    from clustlab.runs import exports

    table = item_sheet.item_table(chosen_step(of_features), np.array([2, 5]))
    pack = zipfile.ZipFile(io.BytesIO(exports.images(session.dataset(of_features), table)))
    assert pack.namelist() == ["000002.png", "000005.png", "items.csv"]
    assert session.dataset(of_features).name_of(5) in pack.read("items.csv").decode()


def test_maps_carry_the_names_of_what_they_draw(of_images):
    view, names = chosen_step(of_images), session.dataset(of_images).item_names
    table = embedding.table_of(view, view.timeline.points(view.step))
    chart = scatter.embedding(table, names=names).to_dict()
    rows = next(rows for rows in chart["datasets"].values() if "name" in rows[0])
    assert {row["name"] for row in rows} == {shortened(name) for name in names}
    assert '"field": "name"' in json.dumps(chart["layer"][0]["encoding"]["tooltip"])
    assert json.loads(embedding.item_names(of_images)) == [shortened(name) for name in names]


def test_the_command_line_names_items(of_images, of_features):
    run = of_images
    data, timeline = session.dataset(run), session.timeline(run)
    assert biography.report(run, data, timeline, 3)["name"] == data.name_of(3)
    told = report.report(run, data, timeline, "undecided", limit=2)
    assert [item["name"] for item in told["items"]] == [
        data.name_of(item["index"]) for item in told["items"]
    ]
    unnamed = replace(data, item_names=())
    assert biography.report(run, unnamed, timeline, 3)["name"] is None


def test_an_item_is_opened_by_its_name(of_images):
    app = visit("clusters", run=of_images.id)
    field = next(field for field in app.text_input if field.label == "Find by name")
    field.set_value("0007.png").run()
    item = item_called(of_images, "cells/0007.png")
    assert f"**cells/0007.png** · item {item}" in words(app)
    field = next(field for field in app.text_input if field.label == "Find by name")
    field.set_value("no *such*").run()
    assert r"No name holds 'no \*such\*'" in words(app)
    field = next(field for field in app.text_input if field.label == "Find by name")
    field.set_value("cells/000").run()
    assert "**Named 'cells/000'**: 8 items" in words(app)


def test_the_command_finds_an_item_by_its_name(of_images, capsys):
    from clustlab.__main__ import main

    item = item_called(of_images, "cells/0007.png")
    assert main(["biography", of_images.id, "cells/0007.png"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["index"], told["name"]) == (item, "cells/0007.png")
    assert main(["biography", of_images.id, "cells/000"]) == 2
    assert "'cells/0002.png'" in capsys.readouterr().err


def test_what_differs_in_a_cluster_is_told_by_the_names_of_columns(of_table):
    app = visit("clusters", run=of_table.id)
    assert "What differs in this cluster" in words(app)
    box = next(box for box in app.selectbox if box.label == "Cluster")
    labels = session.dataset(of_table).labels
    clusters = chosen_step(of_table).clusters
    box.set_value(int(np.bincount(clusters[labels == 2]).argmax())).run()
    assert not app.exception
    chart = next(c for c in app.get("vega_lite_chart") if "in deviations" in c.proto.spec)
    expression = json.loads(chart.proto.spec)["layer"][0]["encoding"]["y"]["axis"]["labelExpr"]
    assert expression.startswith('["size", ')


def test_pages_of_images_say_nothing_of_features(of_images):
    assert "What differs" not in words(visit("clusters", run=of_images.id))


# -- what is gone ------------------------------------------------------------------------------
@pytest.fixture
def orphan():
    """A run whose data set was removed; its items are still in the folder of runs."""
    own = own_data.vector_set("My orphan", n=60)
    run = trained(own)
    own_sets.remove(own.name)
    yield run
    if own.folder.exists():
        own_sets.remove(own.name)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["train", "clusters", "runs", "data"])
def test_a_run_whose_data_set_was_removed_is_shown_as_before(orphan, page):
    app = visit(page, run=orphan.id)
    assert not app.error
    if page in PAGES:
        assert "The data set 'My orphan' is not there any more" in words(app)


@pytest.mark.parametrize("page", ["train", "clusters", "failures"])
def test_pages_say_how_to_get_back_items_that_are_gone_with_their_data_set(orphan, page):
    shutil.rmtree(RunStore().data_folder(orphan))
    said = "\n".join(each.value for each in visit(page, run=orphan.id).error)
    assert "import the same files again under the name 'my-orphan'" in said.replace("\\", "")


def test_a_run_goes_on_with_its_own_items_while_they_are_there(orphan):
    (orphan.path / "snapshots" / "00001.npz").unlink()
    run = RunStore().run(orphan.id)
    assert run.damaged_steps() == [1]
    requeue(run)
    execute(RunStore().root, run.id)
    assert run.status == "done", run.progress
    assert not RunStore().run(orphan.id).damaged_steps()


def test_a_run_never_goes_on_with_other_items_of_the_same_name(orphan):
    assert own_data.vector_set("My orphan", n=75).name == orphan.spec.dataset
    with pytest.raises(DatasetUnavailable, match="holds other items now"):
        lengthen(RunStore(), orphan, Longer("max_iter", None, 4, 4, "step", None, False), 2)
    shutil.rmtree(RunStore().data_folder(orphan))
    assert "holds other items now" in source.way_back(orphan.spec, orphan.manifest)


# -- the form ----------------------------------------------------------------------------------
def select(app, label):
    return next((box for box in app.selectbox if box.label == label), None)


@pytest.fixture
def with_features():
    """Images, and two sets of their features."""
    base = own_data.image_set("With features", n=40)
    made = [
        own_data.vector_set(title, n=40 + i, parent=base.name, features=words)
        for i, (title, words) in enumerate(
            (("Deep", "resnet18, last layer"), ("Shallow", "resnet18, layer1"))
        )
    ]
    yield base, made
    for own in (base, *made):
        own_sets.remove(own.name)


def test_the_form_asks_what_the_method_sees_if_there_are_features(with_features):
    base, (deep, _) = with_features
    app = visit("train", form="next", dataset=base.name, method="kmeans")
    box = select(app, "What the method sees")
    assert box.options == [
        "pixels",
        "resnet18, last layer · Deep",
        "resnet18, layer1 · Shallow",
    ]
    assert "Deep · imported" not in select(app, "Data set").options
    box.set_value(deep.name).run()
    assert not app.exception
    assert asked(app, "dataset") == deep.name
    assert select(app, "Data set").value == base.name
    assert not app.error
    select(app, "Data set").set_value("digits").run()
    assert select(app, "What the method sees") is None
    assert asked(app, "dataset") == "digits"
    again = visit("train", form="next", dataset=deep.name, method="kmeans")
    assert select(again, "What the method sees").value == deep.name


def test_features_stand_by_themselves_where_their_images_are_gone(with_features):
    base, (deep, _) = with_features
    own_sets.remove(base.name)
    app = visit("train", form="next", dataset=deep.name, method="kmeans")
    assert select(app, "What the method sees") is None
    assert select(app, "Data set").value == deep.name
    own_data.image_set("With features", n=40)


def test_a_method_for_images_refuses_vectors_in_words(of_table):
    app = visit("train", form="next", dataset=of_table.spec.dataset, method="bigan-kmeans")
    assert " works on images, but My table holds vectors." in words(app)
    assert next(button for button in app.button if button.label == "Start").disabled


def test_times_are_estimated_for_vectors(of_table):
    app = visit("train", form="next", dataset=of_table.spec.dataset, method="kmeans")
    assert "Times " in words(app)
    assert "Put columns on one scale" in [toggle.label for toggle in app.toggle]

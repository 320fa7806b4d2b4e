"""The page Data sets: imported ones among the others, their classes, and removing them."""

import io

import numpy as np
import pytest

from clustlab import registry
from clustlab.data import own_sets, undo_removal
from clustlab.errors import ParameterError
from clustlab.runs.store import RunSpec
from clustlab.training.estimate import size_in_words
from clustlab.training.worker import execute, new_run
from clustlab.types import Labelling
from clustlab.ui import session
from clustlab.ui.data import attach
from clustlab.ui.markdown import plain
from tests.support import own_data
from tests.ui.test_pages import visit, words


@pytest.fixture(autouse=True)
def data_folder(runs, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def about(name):
    return visit("data", **{"about-data": name})


def button(app, label):
    return next(each for each in app.button if each.label == label)


def test_an_imported_set_is_listed_and_told_as_text():
    own = own_data.image_set("Cells **bold** ![x](http://example.org/x)", n=30)
    app = about(own.name)
    box = next(box for box in app.selectbox if box.label == "Data set")
    assert f"{own.title} · imported" in box.options
    said = words(app)
    assert "30 images, 12 x 12, imported." in said
    assert "Imported from a folder · " in said
    assert "![x](" not in said
    labels = [each.label for each in app.button]
    assert f"Train on {plain(own.title)}" in labels
    assert not app.error


def test_vectors_show_the_images_they_belong_to_or_a_bar_for_each_feature():
    with_images = own_data.vector_set(n=30)
    assert "a bar for each" not in words(about(with_images.name))
    assert "30 items** of 5 features" in words(about(with_images.name))
    without = own_data.vector_set("No pictures", n=33, shown=False)
    assert "a bar for each of its features" in words(about(without.name))


def test_sets_of_classes_are_switched():
    own = own_data.vector_set(
        n=30,
        labellings={
            "kind": Labelling(own_data.classes(30), ("ape", "bat", "cat")),
            "half": Labelling(own_data.classes(30, 2), ("left", "right")),
        },
    )
    app = about(own.name)
    box = next(box for box in app.selectbox if box.label == "Classes")
    assert box.options == ["kind", "half"]

    def named(app):
        return [name in app.get("vega_lite_chart")[0].proto.spec for name in ("cat", "right")]

    assert named(app) == [True, False]
    box.set_value("half").run()
    assert named(app) == [False, True]


def test_what_was_refused_is_told():
    with own_sets.SetWriter("images", (12, 12, 3)) as writer:
        writer.append(own_data.pictures(9))
        own, _ = writer.finish(
            "Nine", origin="a zip", refused=[{"name": "a/*b*.png", "reason": "is cut off"}]
        )
    app = about(own.name)
    assert "1 refused when it was imported" in [each.label for each in app.expander]
    assert app.dataframe[0].value["what"].tolist() == ["a/*b*.png"]


def test_a_set_is_removed_after_it_has_said_which_runs_need_it_and_can_be_brought_back(runs):
    own = own_data.vector_set(n=30)
    run = new_run(runs, RunSpec(own.name, "kmeans", {}, {"n_clusters": 3}, preset="custom"))
    app = about(own.name)
    assert button(app, f"Remove {own.title}").disabled  # the run waits
    run.request("cancel")
    execute(runs.root, run.id)
    app = about(own.name)
    assert "**1 run** was made on it. It keeps the items" in words(app)
    assert plain(run.title) in words(app)
    button(app, f"Remove {own.title}").click().run()
    assert not app.exception
    assert own.name not in registry.datasets()
    assert "Removed the data set 'My features'." in words(app)
    button(app, "Undo").click().run()
    assert not app.exception
    assert (own_sets.own_set(own.name).items() == own.items()).all()
    box = next(box for box in app.selectbox if box.label == "Data set")
    assert box.value == own.name


def test_a_set_that_cannot_be_read_is_told_with_its_reason_and_can_be_removed():
    own = own_data.image_set(n=30)
    (own.folder / "about.json").write_text("{")
    app = visit("data")
    assert "One imported data set cannot be read" in words(app)
    assert "**my-cells**: it is not whole, or no JSON" in words(app)
    button(app, "Remove my-cells").click().run()
    assert not app.exception
    assert not own_sets.unreadable()


def test_what_was_put_aside_comes_back_unless_another_has_its_name():
    own = own_data.image_set(n=30)
    undo_removal.put_aside(own.name)
    assert not own_sets.own_sets()
    assert not own_sets.unreadable()
    other = own_data.image_set(n=31)
    assert other.name == own.name
    with pytest.raises(ParameterError, match="another data set 'my-cells'"):
        undo_removal.bring_back(own.name)
    own_sets.remove(other.name)
    undo_removal.bring_back(own.name)
    assert own_sets.own_set(own.name) == own
    with pytest.raises(ParameterError, match="not kept any more"):
        undo_removal.bring_back(own.name)
    with pytest.raises(ParameterError, match="no imported data set"):
        undo_removal.put_aside("../data")


def test_what_was_put_aside_long_ago_is_cleared(data_folder, monkeypatch):
    own = own_data.image_set(n=30)
    undo_removal.put_aside(own.name)
    monkeypatch.setattr(own_sets, "HALF_AGE", -1.0)
    own_sets.clear_left_overs()
    assert list((data_folder / "imported").iterdir()) == []


@pytest.mark.parametrize(
    ("nbytes", "said"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (12e6, "12 MB"), (5e12, "5,000 GB")],
)
def test_sizes_are_told_as_people_read_them(nbytes, said):
    assert size_in_words(nbytes) == said


# -- what was made elsewhere ---------------------------------------------------------------------
def with_file(name, content, kind=None, file="clusters.csv"):
    """The page of a data set with a file in its expander."""
    app = about(name)
    app.session_state["attach"] = True
    app.run()
    if kind:
        next(g for g in app.get("button_group") if g.label == "What the file holds").set_value(kind)
        app.run()
    app.file_uploader[0].set_value((file, content, "application/octet-stream")).run()
    assert not app.exception, app.exception
    return app


def table(column, values, names):
    rows = [f"name,{column}", *(f'"{n}",{v}' for n, v in zip(names, values, strict=True))]
    return "\n".join(rows).encode()


def test_a_clustering_made_elsewhere_becomes_a_run_beside_those_trained_here(runs):
    own = own_data.vector_set(n=30)
    content = table("cluster", own_data.classes(30), own_data.names(30))
    app = with_file(own.name, content, "clustering")
    button(app, "Import as a run").click().run()
    assert not app.exception
    assert not app.error
    (run,) = runs.runs()
    assert run.spec.is_outside
    assert f"It is there as the run {plain(run.title)}." in app.success[0].value
    assert run[0].n_clusters == 3
    app = with_file(own.name, content, "clustering")
    button(app, "Import as a run").click().run()
    assert "The same clustering is there already" in words(app)
    assert len(runs.runs()) == 1


def test_columns_of_a_table_can_be_chosen_and_are_guessed_before(runs):
    own = own_data.vector_set(n=30)
    rows = ["name,cluster,age,city"]
    rows += [f'"{n}",{i % 3},{i % 7},{"AB"[i % 2]}' for i, n in enumerate(own_data.names(30))]
    content = "\n".join(rows).encode()
    app = with_file(own.name, content, "clustering")
    steps = next(m for m in app.multiselect if m.label == "Columns of clusters, one for a step")
    assert (steps.value, steps.options) == (["cluster"], ["name", "cluster", "age", "city"])
    joined = next(box for box in app.selectbox if box.label == "Joined by")
    assert joined.value == "name"
    steps.set_value(["cluster", "city"]).run()
    button(app, "Import as a run").click().run()
    assert not app.exception
    (run,) = runs.runs()
    assert len(run) == 2
    app = with_file(own.name, content, "classes")
    chosen = next(m for m in app.multiselect if m.label == "Columns of classes")
    assert chosen.value == ["cluster", "age", "city"]
    chosen.set_value(["city"]).run()
    button(app, "Add these classes").click().run()
    assert not app.exception
    assert [title for title, _ in own_sets.own_set(own.name).labellings] == ["kind", "city"]


def test_arrays_of_an_archive_can_be_chosen_and_are_guessed_before(runs):
    own = own_data.vector_set(n=30)
    file = io.BytesIO()
    named = {"names": np.array(own_data.names(30)), "clusters": own_data.classes(30)}
    np.savez(file, **named, age=np.arange(30) % 7, x=np.zeros((30, 4)), y_test=np.zeros(5, int))
    app = with_file(own.name, file.getvalue(), "clustering", "made.npz")
    steps = next(m for m in app.multiselect if m.label == "Columns of clusters, one for a step")
    assert (steps.value, steps.options) == (["clusters"], ["names", "clusters", "age", "y_test"])
    joined = next(box for box in app.selectbox if box.label == "Joined by")
    assert joined.value == "names"
    steps.set_value(["clusters", "age"]).run()
    button(app, "Import as a run").click().run()
    assert not app.exception
    (run,) = runs.runs()
    assert [run[step].n_clusters for step in range(2)] == [3, 7]
    app = with_file(own.name, file.getvalue(), "classes", "made.npz")
    assert "different lengths" in words(app)
    chosen = next(m for m in app.multiselect if m.label == "Columns of classes")
    chosen.set_value(["age"]).run()
    button(app, "Add these classes").click().run()
    assert not app.exception
    assert [title for title, _ in own_sets.own_set(own.name).labellings] == ["kind", "age"]


def test_a_clustering_that_does_not_fit_is_told_in_words(runs):
    own = own_data.vector_set(n=30)
    content = table("cluster", [0, 1], ["a", "b"])
    app = with_file(own.name, content, "clustering")
    button(app, "Import as a run").click().run()
    assert len(app.error) == 1
    assert "bug" not in app.error[0].value
    assert not runs.runs()


def test_classes_are_added_and_reach_runs_that_are_there(runs):
    own = own_data.vector_set(n=30)
    run = new_run(runs, RunSpec(own.name, "kmeans", {}, {"n_clusters": 3}, preset="custom"))
    execute(runs.root, run.id)
    assert session.dataset(run).class_names == ("ape", "bat", "cat")
    content = table("kind", ["odd", "even"] * 15, own_data.names(30))
    app = with_file(own.name, content, "classes")
    assert "There are classes called 'kind' already: they are replaced." in app.warning[0].value
    button(app, "Add these classes").click().run()
    assert not app.exception
    assert own_sets.own_set(own.name).labellings == (("kind", ("even", "odd")),)
    assert session.dataset(run).class_names == ("even", "odd")
    assert session.timeline(run).n_classes == 2


def test_a_second_set_of_classes_can_be_chosen_afterwards(runs):
    own = own_data.vector_set(n=30)
    content = table("half", ["left", "right"] * 15, own_data.names(30))
    app = with_file(own.name, content, "classes")
    assert not app.warning
    button(app, "Add these classes").click().run()
    assert next(box for box in app.selectbox if box.label == "Classes").options == ["kind", "half"]


def test_classes_for_the_set_of_somebody_else_are_on_a_copy_of_it(runs):
    content = "item,half\n" + "\n".join(f"{i},{i % 2}" for i in range(1797))
    app = with_file("digits", content.encode(), "classes")
    assert "keeps the labels of its authors" in words(app)
    button(app, "Add these classes").click().run()
    assert not app.exception
    own = own_sets.own_set("digits-8-x-8-with-half")
    assert [title for title, _ in own.labellings] == ["class", "half"]
    assert app.selectbox[0].value == own.name
    assert next(box for box in app.selectbox if box.label == "Classes").options == ["class", "half"]


def test_a_clustering_may_be_of_the_draw_of_a_run(runs):
    run = new_run(runs, RunSpec("digits", "kmeans", {"n_samples": 100}, {}, seed=3))
    draws = attach.draws_of(registry.dataset("digits"))
    assert [(draw.params, draw.seed) for draw in draws] == [({}, 0), ({"n_samples": 100}, 3)]
    assert draws[1].words == f"the items of {run.title}"

"""The page Studies, and the form that makes one."""

import pytest
from streamlit.testing.v1 import AppTest

from clustlab import app_folder
from clustlab.runs.liveness import worker_identity
from clustlab.runs.status import write_status
from clustlab.runs.store import RunStore
from clustlab.studies.carry_out import carry_out
from clustlab.studies.description import Base, Study, axis_of
from clustlab.studies.number_of_clusters import curves
from clustlab.studies.state import places
from clustlab.studies.store import Studies
from clustlab.studies.summary import results
from clustlab.training.worker import new_run
from clustlab.ui.studies import matrix, new_study, small_maps

SHELL = app_folder() / "clustlab" / "ui" / "shell.py"
BASE = Base("digits", "kmeans", "quick", {"n_samples": 150}, {"n_init": 1, "max_iter": 3})


@pytest.fixture
def opened(store, monkeypatch):
    """Open a page over the folder of runs."""
    monkeypatch.setenv("CLUSTLAB_RUNS", str(store.root))
    monkeypatch.setenv("CLUSTLAB_WARM_UP", "no")

    def open_page(name, **query):
        app = AppTest.from_file(str(SHELL), default_timeout=120)
        for key, value in query.items():
            app.query_params[key] = value
        app.switch_page(str(app_folder() / "pages" / f"{name}.py"))
        return app.run()

    return open_page


def study(*words, name="k of k-means"):
    return Study(name, BASE, tuple(axis_of(word, BASE) for word in words))


def test_without_a_study_the_page_says_what_one_is_and_where_to_make_it(opened):
    app = opened("studies")
    assert not app.exception
    assert any("One run is an anecdote" in each.value for each in app.markdown)
    assert [button.label for button in app.button] == ["Open the form"]


def test_a_study_that_has_not_begun_can_be_started(store, opened):
    Studies(store).keep(study("n_clusters=4,10", "seed=0..1"))
    app = opened("studies")
    assert not app.exception
    assert "Start (4 left)" in [button.label for button in app.button]
    assert any("as soon as the first one is done" in each.value for each in app.caption)
    assert any(each.value.startswith("4 runs. One after the other") for each in app.caption)


def test_figures_are_those_of_the_summary(store, opened):
    kept = Studies(store).keep(study("n_clusters=4,10", "seed=0..1"))
    carry_out(kept, store, lambda _: None)
    found = results(store, kept, places(kept, store.runs()))
    app = opened("studies", study="k of k-means")
    assert not app.exception
    assert not any("left)" in button.label for button in app.button)
    matrix, table = app.dataframe
    assert list(matrix.value["Seed 0"]) == list(matrix.value["Seed 1"]) == ["done", "done"]
    medians = [f"{each.median:.3f}" for each in found.of("acc")]
    assert list(table.value["median"]) == medians
    assert list(table.value["runs"]) == ["2 of 2"] * 2
    words = " ".join(each.value for each in app.markdown)
    assert f"number of clusters 10** leads with a median of {medians[1]}" in words
    assert "in 2 of 2 seeds" in words


def test_two_settings_are_drawn_over_either_of_them(store, opened):
    kept = Studies(store).keep(study("n_clusters=4,10", "max_iter=1,3"))
    carry_out(kept, store, lambda _: None)
    app = opened("studies")
    assert not app.exception
    app.segmented_control(key="study-over").set_value("max_iter").run()
    assert not app.exception


def test_a_study_that_cannot_be_read_is_told_beside_the_others(store, opened):
    Studies(store).keep(study("n_clusters=4"))
    (store.root / "_studies" / "bad.json").write_text("{")
    app = opened("studies")
    assert not app.exception
    assert any("'bad' cannot be read" in each.value for each in app.warning)
    assert app.selectbox[0].options == ["k of k-means"]


def test_seeds_are_added_on_the_page(store, opened):
    Studies(store).keep(study("n_clusters=4", "seed=0..1"))
    app = opened("studies")
    app.number_input(key="study-seeds").set_value(4).run()
    next(button for button in app.button if button.label == "Add them").click().run()
    assert not app.exception
    assert Studies(store).study("k of k-means").seeds == (0, 1, 2, 3)
    assert "Start (4 left)" in [button.label for button in app.button]


def test_a_study_is_deleted_and_brought_back_and_its_runs_stay(store, opened):
    kept = Studies(store).keep(study("n_clusters=4"))
    other = Studies(store).keep(study("n_clusters=5", name="another"))
    carry_out(kept, store, lambda _: None)
    app = opened("studies", study=kept.name)
    next(button for button in app.button if button.label == "Delete this study").click().run()
    assert not app.exception
    assert Studies(store).all() == [other]
    assert len(store.runs()) == 1
    assert [each.value for each in app.info] == ["Deleted the study 'k of k-means'."]
    app.button(key="undo-study").click().run()
    assert not app.exception
    assert Studies(store).study(kept.name) == kept
    assert app.selectbox[0].value == kept.name
    assert not app.info


def test_the_last_study_that_was_deleted_can_be_brought_back_too(store, opened):
    Studies(store).keep(study("n_clusters=4"))
    app = opened("studies")
    next(button for button in app.button if button.label == "Delete this study").click().run()
    assert any("One run is an anecdote" in each.value for each in app.markdown)
    Studies(store).keep(study("n_clusters=6"))  # of the same name
    app.button(key="undo-study").click().run()
    assert not app.exception
    assert any("another study" in each.value for each in app.error)
    (made,) = Studies(store).all()
    assert made.axes[0].values == (6,)


def test_the_form_makes_a_study_of_what_it_says(store, opened, monkeypatch):
    queued = []
    monkeypatch.setattr(new_study, "queue_all", queued.append)
    app = opened("train", dataset="digits", method="kmeans")
    app.text_input(key="new-study").set_value("from the form").run()
    app.selectbox(key="new-study-setting").set_value("n_clusters").run()
    app.text_input(key="new-study-values").set_value("5..7").run()
    assert not app.exception
    assert any(each.value.startswith("9 runs. One after the other") for each in app.caption)
    app.button(key="start-study").click().run()
    assert not app.exception
    (made,) = Studies(store).all()
    assert (made.name, made.seeds, len(made.cells)) == ("from the form", (0, 1, 2), 3)
    assert [each.name for each in queued] == [made.name]


def test_values_are_proposed_around_that_of_the_form(opened):
    app = opened("train", dataset="digits", method="kmeans", **{"kmeans.n_clusters": "7"})
    app.selectbox(key="new-study-setting").set_value("n_clusters").run()
    assert app.text_input(key="new-study-values").value == "5,6,7,8,9"
    app.selectbox(key="new-study-setting").set_value("data.n_samples").run()
    assert not app.exception
    assert app.text_input(key="new-study-values").value.startswith("all,")
    app.text_input(key="new-study").set_value("proposed").run()
    assert not app.error
    assert not app.button(key="start-study").disabled


def test_one_button_repeats_with_five_seeds_and_twice_is_once(store, opened, monkeypatch):
    queued = []
    monkeypatch.setattr(new_study, "queue_all", queued.append)
    for _ in range(2):
        app = opened("train", dataset="digits", method="kmeans")
        app.button(key="repeat-with-seeds").click().run()
        assert not app.exception
    (made,) = Studies(store).all()
    assert made.name == "k-means on Digits 8 x 8, 5 seeds"
    assert (made.seeds, made.cells[0].chosen) == ((0, 1, 2, 3, 4), ())
    assert queued == [made, made]
    app = opened("train", dataset="digits", method="kmeans", **{"kmeans.n_clusters": "7"})
    app.button(key="repeat-with-seeds").click().run()
    assert "k-means on Digits 8 x 8, 5 seeds (2)" in [each.name for each in Studies(store).all()]


def test_values_of_several_words_may_be_varied(opened):
    app = opened("train", dataset="digits", method="rim")
    app.selectbox(key="new-study-setting").set_value("network").run()
    assert not app.exception
    assert not app.error


def test_values_that_are_none_are_told_in_place(opened):
    app = opened("train", dataset="digits", method="kmeans")
    app.text_input(key="new-study").set_value("bad").run()
    app.selectbox(key="new-study-setting").set_value("n_clusters").run()
    app.text_input(key="new-study-values").set_value("1..3").run()
    assert not app.exception
    assert any("must lie in" in each.value for each in app.error)
    assert app.button(key="start-study").disabled


def test_a_name_is_taken_once(store, monkeypatch):
    monkeypatch.setattr(new_study.session, "store", lambda: RunStore(store.root))
    Studies(store).keep(study("n_clusters=4"))
    with pytest.raises(new_study.ParameterError, match="already"):
        new_study.begin(study("n_clusters=5"))


def test_one_seed_gets_no_sentence_on_many(store, opened):
    kept = Studies(store).keep(study("n_clusters=4,10"))
    carry_out(kept, store, lambda _: None)
    app = opened("studies")
    assert not app.exception
    said = " ".join(each.value for each in (*app.markdown, *app.caption))
    assert "One seed cannot tell" in said
    assert "Where dots of two values mix" not in said
    assert "in the median" not in said
    assert "With seed 0, **number of clusters 10** has +" in said


def test_the_runs_fill_a_table_in_words(store, opened):
    kept = Studies(store).keep(study("n_clusters=4,5,6", "seed=0..1"))
    made = [new_run(store, spec) for _, _, spec in kept.specs()]
    states = [
        {"status": "done"},
        {**worker_identity(), "status": "running", "fraction": 0.45},
        {"status": "failed", "error": "no luck", "fraction": 0.999},
        {"status": "cancelled", "fraction": 0.0},
    ]
    for run, state in zip(made[:4], states, strict=True):
        write_status(run.path, state)
    store.delete(made[5].id)
    app = opened("studies")
    assert not app.exception
    (table,) = app.dataframe
    assert list(table.value["n_clusters"]) == ["4", "5", "6"]
    assert list(table.value["Seed 0"]) == ["done", "running, 45%", "failed, >99%"]
    assert list(table.value["Seed 1"]) == ["stopped", "waiting", "not started"]


def test_a_field_of_the_table_leads_to_its_run(store):
    kept = study("n_clusters=4,5", "seed=3,7")
    every = places(kept, [])
    found = matrix.place_at([(1, "Seed 7")], kept, every)
    assert (found.cell, found.seed) == (kept.cells[1], 7)
    for cells in ([], [(1, "n_clusters")], [(9, "Seed 7")]):
        assert matrix.place_at(cells, kept, every) is None


def test_a_field_that_is_chosen_opens_its_run(store, opened, monkeypatch):
    kept = Studies(store).keep(study("n_clusters=4,5"))
    run = new_run(store, next(kept.specs())[2])
    gone = []
    monkeypatch.setattr(matrix.nav, "go", gone.append)
    every = places(kept, store.runs())
    monkeypatch.setattr(matrix, "place_at", lambda *_: every[0])
    app = opened("studies")
    assert not app.exception
    assert gone[0] == "train"  # it waits, and is followed there
    assert app.session_state["run"] == run.id


def test_what_speaks_for_which_number_of_clusters_stands_beside_each_other(store, opened):
    kept = Studies(store).keep(study("n_clusters=2,4,10,30", "seed=0..1"))
    carry_out(kept, store, lambda _: None)
    app = opened("studies")
    assert not app.exception
    assert "Which number of clusters?" in [each.value for each in app.subheader]
    table = app.dataframe[-1].value
    found = curves(results(store, kept, places(kept, store.runs())))
    assert list(table["criterion"]) == ["Spread within clusters", "Silhouette", "Accuracy"]
    assert list(table["labels"]) == ["no", "no", "yes"]
    assert [each.split()[0] for each in table["choice"]] == [str(each.choice) for each in found]
    said = " ".join(each.value for each in app.caption)
    assert "makes that score too good" in said


def test_two_numbers_of_clusters_are_no_curve(store, opened):
    kept = Studies(store).keep(study("n_clusters=4,10"))
    carry_out(kept, store, lambda _: None)
    headings = [each.value for each in opened("studies").subheader]
    assert headings == ["Maps at the end"]


def test_each_run_that_is_done_has_a_small_map(store, opened, monkeypatch):
    monkeypatch.setattr(small_maps, "SHOWN", 3)
    kept = Studies(store).keep(study("n_clusters=3,5", "seed=0..1"))
    carry_out(kept, store, lambda _: None)
    app = opened("studies")
    assert not app.exception
    assert "Maps at the end" in [each.value for each in app.subheader]
    assert len(app.get("image")) == 3
    app.toggle(key="study-all-maps").set_value(True).run()
    assert not app.exception
    assert len(app.get("image")) == 4
    links = [link.proto for link in app.get("page_link")]
    links = [link for link in links if link.label.startswith("Seed ")]
    assert [link.label for link in links] == ["Seed 0", "Seed 0", "Seed 1", "Seed 1"]
    captions = [each.value for each in app.caption if each.value.startswith("Number of")]
    assert captions == [f"Number of clusters {k}" for k in (3, 5, 3, 5)]
    *_, place, _ = places(kept, store.runs())
    assert place.run.id in links[2].query_string


def test_a_last_step_that_cannot_be_read_has_no_map(store, opened):
    kept = Studies(store).keep(study("n_clusters=3,5"))
    carry_out(kept, store, lambda _: None)
    (place, _) = places(kept, store.runs())
    last = place.run.path / "snapshots" / f"{len(place.run) - 1:05d}.npz"
    last.write_bytes(b"")
    app = opened("studies")
    assert not app.exception
    assert len(app.get("image")) == 1
    assert any("last step cannot be read" in each.value for each in app.caption)

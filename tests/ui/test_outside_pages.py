"""Every page on a clustering made elsewhere: shown like any run, and never offered to run."""

import numpy as np
import pandas as pd
import pytest

from clustlab import registry
from clustlab.data import own_sets
from clustlab.importing import clusterings, labels
from clustlab.importing.clusterings import Choice
from clustlab.runs.baskets import Baskets
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from clustlab.types import Labelling
from clustlab.ui import state
from clustlab.ui.look import runs as table_of_runs
from tests.support.own_data import classes, vector_set
from tests.ui.test_failures_page import TABS
from tests.ui.test_pages import visit, words

N = 90
PAGES = (
    *("home", "train", "embedding", "clusters", "evaluate", "shifts", "follow", "failures"),
    *("inside", "apply", "runs", "figures", "data", "methods"),
)
RUNNING = ("Resume", "Train longer", "Change and run again", "Pause", "Stop")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folders of a data set, of a clustering of it in two steps, and of a run of k-means."""
    place = tmp_path_factory.mktemp("outside")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTLAB_DATA", str(place / "data"))
        own = vector_set("Mine", N)
        second = np.where(np.arange(N) < 9, 1, classes(N))
        second[-4:] = -1
        table = pd.DataFrame({"name": list(own.item_names()), "a": classes(N) % 2, "b": second})
        table.to_csv(place / "theirs.csv", index=False)
        store = RunStore(place / "runs")
        made = clusterings.bring_in(store, place / "theirs.csv", Choice("mine", {})).run
        ours = new_run(store, RunSpec("mine", "kmeans", {}, {"n_clusters": 3, "max_iter": 3}))
        execute(store.root, ours.id)
        assert ours.status == "done", ours.progress
    return place, made.id, ours.id


@pytest.fixture
def theirs(folder, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(folder[0] / "runs"))
    monkeypatch.setenv("CLUSTLAB_DATA", str(folder[0] / "data"))
    return folder[1]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_every_page_shows_it_and_offers_nothing_that_trains_it(theirs, page):
    app = visit(page, run=theirs)
    assert not app.error, app.error
    labels = {button.label for button in app.button if not button.disabled}
    if page not in ("home", "figures", "data", "methods"):
        assert not labels & set(RUNNING)
    if page in ("embedding", "clusters", "shifts"):
        assert "Train on its items" in labels
        assert "theirs on Mine" in words(app)
    assert not {b.key for b in app.button if str(b.key).startswith("longer-")}


def test_the_table_of_runs_offers_only_what_it_can(theirs, monkeypatch):
    monkeypatch.setattr(table_of_runs, "_chosen", lambda event, shown: [RunStore().run(theirs)])
    app = visit("runs")
    enabled = {button.label for button in app.button if not button.disabled}
    assert {"Open", "Train on its items", "Delete"} <= enabled
    assert not enabled & set(RUNNING)
    assert not app.error


def test_evaluate_scores_it_against_the_labels(theirs):
    run = RunStore().run(theirs)
    app = visit("evaluate", run=theirs)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown["Clustered"] == f"{100 * (1 - run[-1].is_noise.mean()):.3g}%"
    assert float(shown["ACC"].strip("%")) > 0


def test_labels_that_are_added_are_seen_without_a_new_server(theirs, folder, tmp_path):
    assert "cheetah" not in words(visit("evaluate", run=theirs))
    own = own_sets.own_set("mine")
    new = Labelling(classes(N), ("cheetah", "dog", "eel"))
    labels.bring_in(labels.FoundLabels((), {"kind": new}, (), own), RunStore())
    try:
        said = words(visit("evaluate", run=theirs))
        assert "cheetah" in said
    finally:
        old = Labelling(classes(N), ("ape", "bat", "cat"))
        labels.bring_in(labels.FoundLabels((), {"kind": old}, (), own), RunStore())


def test_the_page_train_says_where_it_is_from(theirs):
    said = words(visit("train", run=theirs))
    assert "made elsewhere and brought in" in said
    assert "It came without an embedding" in said
    assert "It came without probabilities" in said
    assert "**This clustering**" in said
    assert "How does it work?" not in said


def test_a_method_is_trained_on_its_items_from_its_run_bar(theirs):
    app = visit("embedding", run=theirs)
    app.button(key="control-Train on its items").click().run()
    assert not app.exception, app.exception
    assert not app.error
    assert app.session_state[state.DATASET.key] == "mine"
    assert app.session_state[state.METHOD.key] in registry.methods()


def test_an_item_says_that_its_cluster_cannot_be_explained(theirs):
    app = visit("embedding", run=theirs)
    app.session_state["picked"] = 3
    app.run()
    assert not app.exception, app.exception
    said = words(app)
    assert "cells/" in said
    assert "what made it is not here" in said
    assert "Explain" not in {button.label for button in app.button}


def test_it_is_compared_with_a_run_of_ours(theirs, folder):
    app = visit("compare", runs=f"{theirs},{folder[2]}")
    assert not app.error, app.error
    said = words(app)
    assert "A: Made elsewhere" in said or "theirs on Mine" in said
    other = visit("compare", runs=f"{folder[2]},{theirs}", by="samples")
    assert not other.error


def test_its_failures_are_kept_in_a_basket_that_a_method_is_trained_without(theirs):
    app = visit("failures", run=theirs, query="confidently-wrong")
    assert not app.error
    next(b for b in app.button if b.label.startswith("Select all")).click().run()
    app.text_input(key="basket-name").set_value("Odd ones")
    next(b for b in app.button if b.label == "Save").click().run()
    run = RunStore().run(theirs)
    (basket,) = Baskets(RunStore().root, run.manifest["data_key"], N).all()
    assert basket.indices
    app.session_state[TABS] = "Baskets"
    app.run()
    again = app.button(key="run-without")
    assert again.label.startswith(f"Train without these {len(basket)} items")
    again.click().run()
    assert not app.exception, app.exception
    assert not app.error
    assert app.session_state[state.DATASET.key] == "mine"
    assert app.session_state[state.LEFT_OUT.key]["rows"] == list(basket.indices)


def test_the_form_lists_no_such_method(theirs):
    app = visit("train", run=theirs, form="next")
    assert not app.error
    options = {str(option) for box in app.selectbox for option in box.options}
    assert options
    assert not any("elsewhere" in option.lower() for option in options)

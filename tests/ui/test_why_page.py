"""Why an item is in its cluster, and the simple rule, as pages show them."""

import pytest
import torch

from clustlab.runs.store import write_status
from clustlab.training.writer import load_checkpoint
from clustlab.ui.run import explanation, surrogate_tree
from tests.ui import test_pages
from tests.ui.test_pages import words

SMALL = {
    "kmeans": {"n_init": 1, "max_iter": 30, "n_clusters": 4},
    "dec": {
        "hidden_widths": "100-100-400",
        "epochs": 2,
        "max_updates": 2,
        "update_interval": 3,
        "n_clusters": 4,
    },
}


def trained(store, method="kmeans", dataset="digits"):
    return test_pages.trained(store, method, dataset, **SMALL[method])


def visit(page, picked=None, **state):
    app = test_pages.visit(page)
    for name, value in {"picked": picked, **state}.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


def press(app, key):
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    return words(app)


# -- one item ------------------------------------------------------------------------------------
def test_nothing_is_computed_before_it_is_asked_for(runs, monkeypatch):
    trained(runs)
    monkeypatch.setattr(explanation, "_scorer", lambda run: pytest.fail("was asked"))
    app = visit("clusters", picked=3)
    assert "Why this cluster?" in [e.label for e in app.expander]
    assert app.button(key="why-explain").label == "Explain"


def test_maps_and_the_smallest_change_of_an_image(runs):
    trained(runs, "dec")
    app = visit("clusters", picked=3)
    said = press(app, "why-explain")
    assert not app.error
    assert "Similarity to the map of random weights" in said
    assert "integrated gradients add up to" in said
    assert "at a distance of" in said
    assert "pixels range from 0 to 1" in said
    pictures = [i.alt for image in app.get("image") for i in image.proto.imgs]
    assert sum("three maps" in alt for alt in pictures) == 1
    assert sum("smallest change into cluster" in alt for alt in pictures) == 1


def test_another_cluster_and_target_can_be_chosen(runs):
    trained(runs, "dec")
    app = visit("clusters", picked=3)
    press(app, "why-explain")
    choice = app.selectbox(key="why-target")
    target = next(o for o in choice.options if o != "the nearest other one")
    choice.select_index(choice.options.index(target)).run()
    assert f"Into cluster **{target}** at" in words(app)
    cluster = app.selectbox(key="why-cluster")
    cluster.select_index(0).run()
    assert not app.exception


def test_kmeans_says_that_it_has_no_network(runs):
    trained(runs)
    assert "has no network" in press(visit("embedding", picked=0), "why-explain")


def test_points_are_explained_by_coordinate(runs):
    trained(runs, dataset="toy")
    app = visit("embedding", picked=5)
    said = press(app, "why-explain")
    assert "in units of the spread of the points" in said
    tables = [list(t.value.columns) for t in app.dataframe]
    assert ["coordinate", "before", "after"] in tables
    assert any("gradient, random weights" in columns for columns in tables)


def test_an_earlier_step_offers_the_way_to_the_last_one(runs):
    run = trained(runs)
    app = visit("clusters", picked=3, step=0)
    assert f"trained network of step {len(run) - 1} only" in words(app)
    press(app, "why-go")
    assert app.button(key="why-explain").label == "Explain"


def test_a_stopped_run_is_explained_at_the_step_of_its_checkpoint(runs):
    run = trained(runs)
    state = load_checkpoint(run.path / "checkpoint.pt")
    state |= {"phase": "assign and move", "step": len(run) - 1}
    torch.save(state, run.path / "checkpoint.pt")
    write_status(run.path, {**run.progress, "status": "cancelled"})
    app = visit("clusters", picked=3)
    assert f"trained network of step {len(run) - 2} only" in press(app, "why-explain")
    press(app, "why-go")
    assert f"Step {len(run) - 2} of {len(run) - 1}" in words(app)
    assert "at a distance of" in press(app, "why-explain")


def test_a_run_without_trained_parts_says_so(runs):
    run = trained(runs)
    (run.path / "checkpoint.pt").unlink()
    said = press(visit("clusters", picked=3), "why-explain")
    assert "has kept no trained parts" in said
    assert "resume it" in said


# -- the rule ------------------------------------------------------------------------------------
@pytest.mark.parametrize("dataset", ["digits", "toy"])
def test_the_rule_is_measured_when_it_is_opened(runs, dataset, monkeypatch):
    trained(runs, dataset=dataset)
    grown, fitted = [], surrogate_tree.fitted
    monkeypatch.setattr(surrogate_tree, "fitted", lambda *args: grown.append(args) or fitted(*args))
    app = visit("inside")
    assert len(grown) == 0
    assert "A simple rule for these clusters" in [e.label for e in app.expander]
    app = visit("inside", **{"simple-rule": True})
    said = words(app)
    assert "A tree that asks 3 questions in a row places" in said
    assert "always naming the largest cluster" in said
    assert len(grown) == 1
    app.slider(key="rule-depth").set_value(1).run()
    assert "A tree that asks 1 question in a row" in words(app)
    assert len(grown) == 1
    assert not app.exception

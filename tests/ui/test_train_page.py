"""The page Train: what the address holds, what the form is about, and what is waited for."""

from clustlab import registry
from clustlab.runs.store import RunSpec
from clustlab.types import FAMILIES
from clustlab.ui.train import choices, setup
from tests.support import made_runs
from tests.ui.test_pages import runs, trained, visit, words

__all__ = ["runs"]  # the fixture, for pytest


def button(app, label):
    return next(b for b in app.button if b.label == label)


def select(app, key):
    return next(s for s in app.selectbox if s.key == key)


def asked(app, name):
    """What the address holds."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def test_the_address_always_names_data_set_method_and_preset(runs):
    app = visit("train")
    chosen = {name: asked(app, name) for name in ("dataset", "method", "dec.preset")}
    assert chosen == {"dataset": "mnist-5k", "method": "dec", "dec.preset": "quick"}
    select(app, "method").set_value("kmeans").run()
    assert asked(app, "method") == "kmeans"
    assert asked(app, "kmeans.preset") == "quick"


def test_a_shared_link_opens_the_same_form_whatever_the_reader_has_trained(runs):
    trained(runs, dataset="toy", max_iter=2, n_init=1)
    app = visit("train", dataset="digits", method="dec")
    assert select(app, "dataset").value == "digits"
    assert select(app, "method").value == "dec"


def test_opening_a_run_fills_the_form_and_a_change_is_said_to_be_for_the_next(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    first = made_runs.run(runs, [[0, 1, 2] * 4] * 3, method="dec", seed=3)
    other = made_runs.run(runs, [[0, 1, 2] * 4] * 3, method="iic")
    app = visit("train", run=first.id)
    assert select(app, "method").value == "dec"
    assert "for the next run" not in words(app)
    select(app, "method").set_value("iic").run()
    assert "for the next run" in words(app)
    assert f"{first.title}, differs in method." in words(app)
    button(app, "Use the settings of the run shown").click().run()
    assert select(app, "method").value == asked(app, "method") == "dec"
    assert "for the next run" not in words(app)
    app.session_state["run"] = app.query_params["run"] = other.id
    app.run()
    assert select(app, "method").value == "iic"
    assert "for the next run" not in words(app)
    assert not app.exception


def test_a_link_that_opens_the_form_shows_no_other_run_beside_it(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    made = made_runs.run(runs, [[0, 1, 2] * 4] * 3, method="dec")
    app = visit("train", run=made.id, method="iic", form="next")
    assert select(app, "method").value == "iic"
    assert "IIC" in [element.value for element in app.subheader]
    assert "for the next run" not in words(app)
    button(app, "Back to the run").click().run()
    assert "form" not in app.query_params
    assert f"**{made.title}**" in words(app)
    assert "for the next run" in words(app)


def test_the_item_that_is_open_stands_in_the_address(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    made = made_runs.run(runs, [[0, 1, 2] * 4] * 3)
    app = visit("clusters", run=made.id, item="7")
    assert app.session_state["picked"] == 7
    assert asked(app, "item") == "7"
    nothing = visit("clusters", run=made.id, item="99")
    assert not nothing.exception
    assert "picked" not in nothing.session_state or nothing.session_state["picked"] is None


def test_what_differs_is_named_in_the_words_of_the_form():
    a = RunSpec("digits", "kmeans", {"n_samples": 100}, {"n_clusters": 7}, preset="quick")
    b = RunSpec("digits", "kmeans", preset="quick", continues="another")
    assert setup.different_settings(a, b) == ["number of items", "number of clusters"]
    assert setup.different_settings(a, a) == []
    assert setup.different_settings(a, RunSpec("toy", "kmeans")) == ["data set"]


def test_methods_are_listed_by_family_with_their_names():
    families = choices.by_family()
    assert list(families) == [w for w in FAMILIES.values() if w in families]
    listed = [method.name for members in families.values() for method in members]
    assert sorted(listed) == sorted(registry.methods())
    assert choices.method_words(registry.method("dec")) == "Self-training · DEC"

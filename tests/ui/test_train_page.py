"""The page Train: what the address holds, what the form is about, and what is waited for."""

import json
from dataclasses import replace

from clustlab import registry
from clustlab.params import schema
from clustlab.runs.store import RunSpec, queued_status, write_status
from clustlab.training import longer
from clustlab.training.worker import execute
from clustlab.types import FAMILIES
from clustlab.ui import method_text, session
from clustlab.ui.compare import side_by_side
from clustlab.ui.learn import reference
from clustlab.ui.run import item_sheet, train_longer
from clustlab.ui.train import choices, setup
from tests.support import made_runs
from tests.ui.test_pages import trained, visit, words


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


def test_shares_of_classes_are_typed_with_commas_and_kept_in_the_address(runs):
    shares = "1, 1, 0.5, 1, 1, 1, 1, 1, 1, 0.1"
    app = visit("train", dataset="digits", method="kmeans", **{"digits.unbalance": shares})
    field = next(each for each in app.text_input if each.key == "digits.unbalance")
    assert field.value == shares
    assert "unbalanced by class to 1 : 1 : 0.5" in words(app)
    field.set_value("1, 0.5").run()
    assert "2 shares, but 'digits' has 10 classes" in words(app)
    field = next(each for each in app.text_input if each.key == "digits.unbalance")
    field.set_value("0.5").run()
    assert "unbalanced down to 0.5" in words(app)
    assert not app.exception


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


def test_the_two_steps_of_a_shift_stand_in_the_address(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    made = made_runs.run(runs, [[0, 1, 2] * 4, [0, 1, 1] * 4, [0, 0, 1] * 4, [0, 0, 0] * 4])
    app = visit("shifts", run=made.id, step="3", since="1")
    assert "From step **1** to step **3**" in words(app)
    app.slider(key="from-slider").set_value(0).run()
    assert asked(app, "since") == "0"
    assert "From step **0** to step **3**" in words(app)
    assert not app.exception


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
    assert choices.method_words(registry.method("dec")) == "DEC · Self-training"


# -- the queue -------------------------------------------------------------------------------------
class Nobody:
    """A runner that carries nothing out."""

    def submit(self, run_id):
        pass


def at_work(run, status="running", **more):
    write_status(run.path, {**run.progress, **queued_status(), "status": status, **more})


def busy(runs, **more):
    """A run that is at work, as far as its folder says."""
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    made = made_runs.run(runs, [[0, 1, 2] * 4] * 3, method="kmeans")
    at_work(made, **more)
    return made


def test_a_start_beside_another_run_says_what_it_waits_for_and_shows_that(runs, monkeypatch):
    monkeypatch.setattr(session, "_runner", lambda root: Nobody())
    first = busy(runs, eta=170.0)
    app = visit("train", run=first.id, dataset="digits", method="gmm")
    button(app, "Put in the queue").click().run()
    mine = runs.runs()[0]
    assert mine.spec.method == "gmm"
    assert asked(app, "run") == first.id
    assert f"**{mine.title}** is in the queue." in words(app)
    assert f"waiting for {first.title} (about 3 min left)" in words(app)
    assert "for the next run" not in words(app)  # that is said already
    at_work(mine, "done")
    at_work(first, "done")
    app.run()
    assert asked(app, "run") == mine.id
    assert not app.exception


def test_a_queued_run_that_is_opened_leads_to_the_one_it_waits_for(runs):
    first = busy(runs)
    mine = made_runs.run(runs, [], seed=1)
    at_work(mine, "queued")
    app = visit("train", run=mine.id)
    said = [each.value for each in app.info]
    assert said == [f"This run is waiting for {first.title}. It starts by itself."]
    app.button(key="watch-meanwhile").click().run()
    assert asked(app, "run") == first.id
    assert f"**{mine.title}** is in the queue." in words(app)
    assert not app.exception


def test_a_paused_run_that_holds_up_the_queue_can_be_set_aside(runs):
    first = busy(runs, status="paused")
    made_runs.data(runs, "other")
    at_work(made_runs.run(runs, [], "other", seed=1), "queued")
    app = visit("train", run=first.id)
    assert "the queue stands still" in "".join(each.value for each in app.warning)
    app.button(key="queue-aside").click().run()
    assert first.intention == "setting aside"
    assert any("setting aside …" in badge for badge in said_in_badges(app))
    at_work(first, "set aside")
    app.run()
    assert "Resume" in [b.label for b in app.button]
    assert "made way for others" in words(app)
    assert not app.exception


def said_in_badges(app):
    return [element.value for element in app.markdown if "-badge[" in element.value]


def test_a_run_that_is_about_to_pause_says_so(runs):
    first = busy(runs)
    app = visit("train", run=first.id)
    app.button(key="control-Pause").click().run()
    assert any("pausing …" in badge for badge in said_in_badges(app))
    app.button(key="control-Keep going").click().run()
    assert first.intention == ""
    assert any("running" in badge for badge in said_in_badges(app))


def test_before_the_loop_the_page_says_so_and_no_box_is_lit(runs):
    first = busy(runs, phase="pre-train", active="")
    assert "Before the loop: pre-train" in words(visit("train", run=first.id))
    at_work(first, active="assign items")
    assert "Before the loop" not in words(visit("train", run=first.id))


def test_times_of_presets_say_where_they_come_from(runs):
    said = words(visit("train", dataset="digits", method="kmeans"))
    assert "no run of k-means has finished on this machine yet" in said
    trained(runs, max_iter=2, n_init=1)
    app = visit("train", dataset="digits", method="kmeans")
    assert "Times measured in the last run of k-means on this machine." in words(app)
    (presets,) = [each for each in app.get("button_group") if each.label == "Preset"]
    assert all("about" in option for option in presets.options)


# -- training longer -------------------------------------------------------------------------------
def test_training_longer_asks_how_much_and_goes_on_with_the_same_run(runs, monkeypatch):
    monkeypatch.setattr(session, "_runner", lambda root: Nobody())
    first = trained(runs, max_iter=2, n_init=1, tolerance=0.0)
    app = visit("train", run=first.id)
    app.session_state[f"longer-{first.id}"] = True  # open
    app.run()
    assert app.number_input(key=f"more-{first.id}").value == 5
    app.number_input(key=f"more-{first.id}").set_value(3).run()
    button(app, "Train 3 more rounds").click().run()
    made = runs.runs()[0]
    assert (made.spec.continues, made.spec.method_params["max_iter"]) == (first.id, 5)
    assert len(made) == len(first)
    assert asked(app, "run") == made.id
    assert not app.exception


# -- running again exactly -------------------------------------------------------------------------
def opened_again(run):
    app = visit("train", run=run.id)
    app.session_state[f"again-{run.id}"] = True  # open
    return app.run()


def test_a_run_is_carried_out_once_more_and_compared_with_the_first(runs, monkeypatch):
    monkeypatch.setattr(session, "_runner", lambda root: Nobody())
    first = trained(runs, max_iter=2, n_init=1)
    app = opened_again(first)
    assert "to the bit" in words(app)  # what it is for
    button(app, "Run again exactly").click().run()
    assert not app.exception
    again = runs.runs()[0]
    assert (again.id != first.id, again.spec) == (True, first.spec)
    assert asked(app, "run") == again.id
    execute(runs.root, again.id)
    for one in (first, again):
        assert f"- All {len(first)} steps came out the same to the bit." in words(opened_again(one))


def test_a_repetition_that_came_out_otherwise_says_from_where_on_and_what_differs(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    same, other = [0, 1, 2] * 4, [1, 1, 2] + [0, 1, 2] * 3
    first = made_runs.run(runs, [same, same, same])
    again = made_runs.run(runs, [same, other, other])
    (again.path / "environment.json").write_text('{"python": "3.11", "device": "cuda"}')
    said = words(opened_again(first))
    assert "- They differ from step 1 on." in said
    assert "1 item is in a cluster of another number" in said
    assert "- Another device: " in said


def test_a_run_that_goes_on_from_another_cannot_be_repeated_and_says_so(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    run = made_runs.run(runs, [[0, 1, 2] * 4] * 2)
    manifest = json.loads((run.path / "manifest.json").read_text())
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "steps_before": 1}))
    app = opened_again(run)
    assert "goes on from another run" in words(app)
    assert "Run again exactly" not in [each.label for each in app.button]
    assert not app.exception


# -- training longer, and when not -----------------------------------------------------------------
def test_a_run_that_had_converged_says_so_before_it_is_trained_longer(runs):
    first = trained(runs, n_init=1, tolerance=0.05)
    app = visit("train", run=first.id)
    app.session_state[f"longer-{first.id}"] = True
    app.run()
    said = words(app)
    assert "**This run had converged.** k-means stopped by itself after" in said
    assert "“Stop below this change” set to 0" in said
    assert not app.exception


def test_a_run_that_stopped_without_a_rule_of_convergence_is_not_said_to_have_converged(
    runs, monkeypatch
):
    first = trained(runs, n_init=1, tolerance=0.05)
    how = longer.how_to_train_longer(first, 40, (2,))
    without = replace(how, stopping_rule=None, can_go_beyond=False)
    monkeypatch.setattr(train_longer, "_longer", lambda run: without)
    app = visit("train", run=first.id)
    app.session_state[f"longer-{first.id}"] = True
    app.run()
    said = words(app)
    assert "k-means stopped by itself after" in said
    assert "converged" not in said
    assert "No setting would make it go on." in said
    assert not app.exception


# -- reference -------------------------------------------------------------------------------------
def test_the_reference_pages_list_names_and_keep_short_ones_in_the_address(runs):
    app = visit("methods", about="gmm")
    assert select(app, "about").options[select(app, "about").index] == "Gaussian mixture · Mixtures"
    assert asked(app, "about") == "gmm"
    button(app, "Train Gaussian mixture").click().run()
    assert asked(app, "method") == "gmm"
    app = visit("data", **{"about-data": "toy"})
    assert select(app, "about-data").options[select(app, "about-data").index] == "Toy points"
    button(app, "Train on Toy points").click().run()
    assert asked(app, "dataset") == "toy"
    assert not app.exception


def test_a_formula_in_a_list_does_not_end_the_list():
    text = "1. First,\n   so $$a\n   = b$$ holds.\n2. Second $$c$$\n\nText: $$d$$\n"
    assert method_text.with_formulas_apart(text) == (
        "1. First,\n   so \n\n   $$\n   a\n   = b\n   $$\n\n   holds.\n2. Second \n\n   $$\n"
        "   c\n   $$\n\n\n\nText: \n\n$$\nd\n$$\n\n\n"
    )


def test_before_the_start_the_form_says_what_to_watch_and_where_the_method_fails(runs):
    said = words(visit("train", dataset="digits", method="kmeans", form="new"))
    assert "**What to watch**" in said
    assert "The first rounds move most items" in said
    assert "**Where it fails**" in said
    assert "## " not in method_text.section_of(registry.method("dec"), "Where it fails")
    assert method_text.section_of(registry.method("dec"), "No such heading") == ""


def test_values_of_settings_are_words_and_numbers_that_can_be_read():
    known = {p.name: p for p in schema(registry.method("deepcluster"))}
    assert reference.value_words(known["augment"], True) == "on"
    assert reference.value_words(known["epochs"], 60_000) == "60,000"
    assert reference.value_words(known["n_clusters_over"], 30) == "30"


def test_images_are_large_enough_to_be_recognised_on_all_pages(runs, monkeypatch):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    first, other = (made_runs.run(runs, [[0, 1, 2] * 4] * 3, seed=seed) for seed in (1, 2))
    sizes = []

    def clickable(sheet, *, fit, **options):
        sizes.append((int(sheet.boxes[:, 2:].min()), fit))

    for module in (item_sheet, side_by_side):
        monkeypatch.setattr(module, "clickable", clickable)
    for name, address in (
        ("train", {"run": first.id}),
        ("clusters", {"run": first.id}),
        ("compare", {"runs": f"{first.id},{other.id}"}),
    ):
        sizes.clear()
        assert not visit(name, **address).exception
        assert sizes
        assert all(side >= 32 and fit != "shrink" for side, fit in sizes), (name, sizes)

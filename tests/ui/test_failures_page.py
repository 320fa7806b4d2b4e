"""The page Failures without a browser: questions, filters, baskets, and a run without items."""

import re

import pytest

from clustlab.analysis.failures import report
from clustlab.analysis.failures.catalogue import QUERIES
from clustlab.analysis.failures.search import Filters
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.runs.baskets import Baskets
from clustlab.runs.store import RunSpec
from clustlab.training.worker import execute, new_run
from clustlab.types import CLASS_RULES
from clustlab.ui.look.failure_filters import parsed_steps
from tests.ui.test_pages import trained, visit, words

TABS = "tabs-Queries-Baskets"


@pytest.fixture
def run(runs):
    return trained(runs, max_iter=6, n_init=1)


@pytest.fixture
def ask(runs, run):
    data = runs.dataset(run)
    timeline = Timeline(run, data.labels, len(data.class_names))

    def asked(name, **options):
        return report.report(run, data, timeline, name, **options)

    return asked


def unlabelled(runs):
    spec = RunSpec("toy", "kmeans", {"shape": "uniform-noise", "n": 80}, {"n_clusters": 3})
    run = new_run(runs, spec)
    execute(runs.root, run.id)
    return run


def query_button(app, name):
    return app.button(key=f"query-{name}")


def button(app, label):
    return next(b for b in app.button if b.label.startswith(label))


def test_without_runs_it_says_what_it_will_show(runs):
    app = visit("failures")
    assert "No run yet" in words(app)


def test_each_query_is_a_sentence_with_its_count(run, ask):
    app = visit("failures")
    for q in QUERIES:
        label = query_button(app, q.name).label
        assert label.endswith(f": {q.phrase}")
        if q.needs:
            assert label.startswith("…")
        else:
            count = ask(q.name)["count"]
            item = q.units(count, "image")
            assert label.startswith(f"{count:,} {item}")
        assert not query_button(app, q.name).disabled
    assert "**Sure and wrong**" in words(app)


def test_what_a_cluster_stands_for_is_one_choice_for_all_pages(run, ask):
    by = {rule: ask("confidently-wrong", class_rule=rule)["count"] for rule in CLASS_RULES}
    assert by["match"] != by["majority"]
    app = visit("failures")
    assert query_button(app, "confidently-wrong").label.startswith(f"{by['majority']:,} ")
    app.segmented_control(key="class-rule-switch").set_value("match").run()
    assert query_button(app, "confidently-wrong").label.startswith(f"{by['match']:,} ")
    assert app.query_params["stands-for"] in ("match", ["match"])

    app = visit("evaluate")
    assert "(cluster → class), the outlined cells that give" in words(app)
    app.segmented_control(key="class-rule-switch").set_value("majority").run()
    assert "The majority class of each cluster is outlined" in words(app)


def test_the_counts_are_those_of_the_step_in_view(run, ask):
    app = visit("failures", run=run.id, step="1")
    count = ask("confidently-wrong", step=1)["count"]
    assert query_button(app, "confidently-wrong").label.startswith(f"{count} ")
    assert button(app, "Select all").label == f"Select all {count}"


@pytest.mark.parametrize("name", report.names())
def test_every_query_opens_from_the_address(run, ask, name):
    app = visit("failures", run=run.id, query=name)
    found = ask(name)
    assert f"**{found['title']}**" in words(app)
    assert found["meaning"] in words(app)
    assert button(app, "Select all").label == f"Select all {found['n_items']:,}"
    if found["unit"] in ("class", "cluster") and found["count"]:
        titles = [g["title"] for g in found["groups"]]
        assert app.selectbox(key="group").options[: len(titles)] == titles
    assert not app.error


def test_a_click_asks_another_query_and_the_address_says_so(run):
    app = visit("failures", run=run.id)
    query_button(app, "undecided").click().run()
    assert "**Undecided**" in words(app)
    assert app.query_params["query"] in ("undecided", ["undecided"])


def test_an_unknown_query_in_the_address_is_named(run):
    app = visit("failures", run=run.id, query="ghosts")
    assert "no query 'ghosts'" in words(app)
    assert "**Sure and wrong**" in words(app)


def test_without_labels_the_rest_works_and_the_reason_is_said(runs):
    unlabelled(runs)
    app = visit("failures", query="split-classes")
    for q in QUERIES:
        assert query_button(app, q.name).disabled == q.needs_labels
        if q.needs_labels:
            assert "true classes" in query_button(app, q.name).help
        elif not q.needs:
            assert "items:" in query_button(app, q.name).label or q.unit != "item"
    assert "**Undecided**" in words(app)
    assert "these items do not have" in words(app)
    assert "of_class" not in [s.key for s in app.selectbox]
    assert not app.error


def test_filters_come_from_the_address_and_narrow(run, ask):
    app = visit("failures", run=run.id, query="flip-floppers", in_cluster="3", moved="1-4")
    found = ask("flip-floppers", filters=Filters(cluster=3, steps=(1, 4)))
    assert button(app, "Select all").label == f"Select all {found['n_items']}"
    assert app.selectbox(key="in_cluster").value == "3"
    assert app.text_input(key="moved").value == "1-4"

    app = visit("failures", run=run.id, query="confidently-wrong", of_class="8")
    found = ask("confidently-wrong", filters=Filters(label=8))
    assert button(app, "Select all").label == f"Select all {found['n_items']}"
    app.slider(key="sure").set_value((0.3, 0.9)).run()
    both = ask("confidently-wrong", filters=Filters(label=8, confidence=(0.3, 0.9)))
    assert button(app, "Select all").label == f"Select all {both['n_items']}"
    assert both["n_items"] < found["n_items"]


@pytest.mark.parametrize("text", ["soon", "4-2", "0-999", "-1", "1-2-3"])
def test_a_bad_range_of_steps_is_named_and_left_out(run, ask, text):
    app = visit("failures", run=run.id, query="undecided")
    app.text_input(key="moved").set_value(text).run()
    assert f"{text!r} is not a range of steps" in words(app)
    assert button(app, "Select all").label == f"Select all {ask('undecided')['n_items']}"


def test_ranges_of_steps_are_read_as_people_write_them():
    assert parsed_steps("", 5) is None
    assert parsed_steps(" 3 ", 5) == (3, 3)
    assert parsed_steps("0-4", 5) == parsed_steps("0 – 4", 5) == parsed_steps("0 to 4", 5) == (0, 4)
    with pytest.raises(ParameterError, match=r"\[0, 4\]"):
        parsed_steps("0-5", 5)


def test_what_takes_long_is_counted_once_it_is_asked(run, ask):
    app = visit("failures", run=run.id)
    query_button(app, "impostors").click().run()
    count = ask("impostors")["count"]
    assert query_button(app, "impostors").label.startswith(f"{count} ")
    assert not query_button(app, "outliers").label.startswith("…")  # from the same neighbours
    assert "**Over time**" not in words(app)
    button(app, "Count at every step").click().run()
    assert "**Over time**" in words(app)
    assert not app.exception


def test_all_that_was_found_can_be_selected(run, ask):
    app = visit("failures", run=run.id, query="undecided")
    button(app, "Select all").click().run()
    n = ask("undecided")["n_items"]
    assert f"**Undecided, step {len(run) - 1}**: {n:,} items" in words(app)


# Baskets ------------------------------------------------------------------------------------------


def kept(runs, run):
    return Baskets(runs.root, run.manifest["data_key"], 200)


def open_baskets(app):
    app.session_state[TABS] = "Baskets"
    return app.run()


def test_a_selection_becomes_a_basket(runs, run, ask):
    app = visit("failures", run=run.id, query="undecided")
    button(app, "Select all").click().run()
    app.text_input(key="basket-name").set_value("Odd ones")
    app.text_area(key="basket-note").set_value("look again")
    button(app, "Save").click().run()
    (basket,) = kept(runs, run).all()
    indices = [i["index"] for i in ask("undecided", limit=1000)["items"]]
    assert (basket.name, basket.note, basket.indices) == (
        "Odd ones",
        "look again",
        tuple(sorted(indices)),
    )
    assert "the basket 'Odd ones'" in "\n".join(s.value for s in app.success)
    app.text_input(key="basket-name").set_value("odd ones")
    button(app, "Save").click().run()
    assert "basket 'Odd ones' already" in words(app)
    app.text_input(key="basket-name").set_value(" ")
    button(app, "Save").click().run()
    assert kept(runs, run).all()[1].name == f"Undecided, step {len(run) - 1}"
    assert not app.exception


def test_baskets_are_selected_noted_combined_deleted_and_restored(runs, run):
    baskets = kept(runs, run)
    baskets.save("a", [1, 2, 3])
    baskets.save("b", [3, 4])
    app = open_baskets(visit("failures", run=run.id))
    assert app.selectbox(key="basket").options == ["a (3)", "b (2)"]
    app.button(key="select-basket").click().run()
    assert "**Basket a**: 3 items" in words(app)

    app.text_input(key="rename-a").set_value("first")
    app.text_area(key="note-a").set_value("the first three")
    button(app, "Save changes").click().run()
    assert baskets.get("first").note == "the first three"
    assert "the first three" in words(app)

    app.selectbox(key="combine-a").set_value("first")
    app.selectbox(key="combine-how").set_value("difference")
    app.selectbox(key="combine-b").set_value("b")
    app.text_input(key="combine-name").set_value("rest")
    button(app, "Combine").click().run()
    assert baskets.get("rest").indices == (1, 2)
    assert app.selectbox(key="basket").value == "rest"

    app.button(key="delete-basket").click().run()
    assert [b.name for b in baskets.all()] == ["first", "b"]
    app.button(key="undo-basket").click().run()
    assert baskets.get("rest").indices == (1, 2)
    assert not app.exception
    assert not app.error


def test_a_bad_operation_is_explained_in_place(runs, run):
    kept(runs, run).save("a", [1])
    kept(runs, run).save("b", [2])
    app = open_baskets(visit("failures", run=run.id))
    app.selectbox(key="combine-how").set_value("intersection")
    app.text_input(key="combine-name").set_value("none")
    button(app, "Combine").click().run()
    assert "intersection of 'a' and 'b' is empty" in words(app)


def test_points_offer_no_pictures(runs):
    run = unlabelled(runs)
    Baskets(runs.root, run.manifest["data_key"], 80).save("a", [1])
    app = open_baskets(visit("failures", run=run.id))
    by_label = {b.label: b for b in app.get("download_button")}
    assert by_label["ZIP of images"].proto.disabled
    assert not by_label["CSV"].proto.disabled


def test_a_run_without_a_basket_is_started_from_the_form(runs, run, wait_for):
    kept(runs, run).save("a", [5, 7, 11])
    app = open_baskets(visit("failures", run=run.id))
    app.button(key="run-without").click().run()
    assert "The next run leaves out 3 items" in words(app)
    app.switch_page("../../pages/train.py").run()  # where the browser is by now
    button(app, "Start").click().run()
    fresh = runs.runs()[0]
    assert fresh.id != run.id
    assert fresh.spec.excluded == [5, 7, 11]
    wait_for(lambda: fresh.status == "done")
    assert len(fresh[-1].assignments) == 197
    assert not app.exception

    # From there, rows are still those of the whole draw.
    baskets = Baskets(runs.root, fresh.manifest["data_key"], 197)
    baskets.save("b", [0, 5])  # rows 0 and 6
    app = open_baskets(visit("failures", run=fresh.id))
    app.button(key="run-without").click().run()
    assert "leaves out 5 items" in words(app)
    assert app.session_state["left-out"]["rows"] == [0, 5, 6, 7, 11]
    app.switch_page("../../pages/train.py").run()

    # Another draw is whole again, and so is this one on request.
    seed = next(n for n in app.number_input if n.key == "seed")
    seed.set_value(3).run()
    assert "belong to another data set or seed" in words(app)
    next(n for n in app.number_input if n.key == "seed").set_value(0).run()
    button(app, "Put them back").click().run()
    assert not re.search(r"leaves out \d+ items", words(app))
    assert not app.exception


def test_running_a_run_with_exclusions_again_keeps_them(runs, run):
    spec = RunSpec("digits", "kmeans", {"n_samples": 200}, {"max_iter": 2}, excluded=[1, 2])
    less = new_run(runs, spec)
    execute(runs.root, less.id)
    app = visit("failures", run=less.id)
    button(app, "Change and run again").click().run()
    assert "leaves out 2 items" in words(app)
    app = visit("failures", run=run.id)
    button(app, "Change and run again").click().run()
    assert not re.search(r"leaves out \d+ items", words(app))

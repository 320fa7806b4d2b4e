"""The page Learn without a browser: every lesson, its address, its locks, its errors."""

import json

import pytest

from clustlab import registry
from clustlab.analysis.score_catalogue import SCORES
from clustlab.course import catalogue
from clustlab.params import schema
from clustlab.runs.identity import INTERVENTIONS
from clustlab.runs.store import RunSpec
from clustlab.training.worker import execute, new_run
from clustlab.ui import nav
from clustlab.ui.learn import lesson_runs
from tests.ui.test_pages import visit, words


def labels(app):
    return [button.label for button in app.button]


def address(app):
    """Query of the address, each value as text."""
    return {k: v if isinstance(v, str) else v[0] for k, v in app.query_params.items()}


def test_the_course_lists_all_lessons(runs):
    said = words(visit("learn"))
    for lesson in catalogue.lessons().values():
        assert lesson.title in said
        assert lesson.idea in said


@pytest.mark.parametrize("lesson", catalogue.lessons().values(), ids=lambda lesson: lesson.name)
def test_a_lesson_begins_and_asks_for_a_prediction(runs, lesson):
    app = visit("learn", lesson=lesson.name)
    step = lesson.steps[0]
    assert step.text in words(app)
    assert step.try_it.text in words(app)
    assert set(step.try_it.options) <= set(labels(app))


def test_a_prediction_sets_the_controls_and_is_judged(runs):
    app = visit("learn", lesson="dec", step="3")
    app.button(key="say-dec-3-1").click().run()
    assert address(app) == {"lesson": "dec", "step": "3", "divide": "off", "said": "1"}
    assert "You said: Fewer items. It is: **More items**" in words(app)
    assert app.toggle(key="lesson-dec-3-divide").value is False


def test_the_address_holds_the_controls(runs):
    app = visit("learn", lesson="dec", step="3", power="4")
    assert app.slider(key="lesson-dec-3-power").value == 4
    app.slider(key="lesson-dec-3-power").set_value(2.0).run()
    assert "power" not in app.query_params  # the default need not stand there


def test_another_step_leaves_the_values_of_this_one_behind(runs):
    app = visit("learn", lesson="dec", step="3", power="4", said="0", lock="power")
    app.button(key="dot-4").click().run()
    assert address(app) == {"lesson": "dec", "step": "4", "lock": "power"}
    assert catalogue.lesson("dec").steps[3].text in words(app)


def test_a_teacher_can_lock_and_hide_controls(runs):
    app = visit("learn", lesson="dec", step="3", lock="power,try", hide="divide")
    assert app.slider(key="lesson-dec-3-power").disabled
    assert not app.toggle
    assert all(b.disabled for b in app.button if (b.key or "").startswith("say-"))
    assert visit("learn", lesson="dec", step="3", lock="all").toggle[0].disabled


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"lesson": "nonsense"}, "There is no lesson 'nonsense'"),
        ({"lesson": "dec", "step": "99"}, "no step '99'"),
        ({"lesson": "dec", "step": "x"}, "no step 'x'"),
    ],
)
def test_a_wrong_address_is_explained_and_leads_on(runs, query, said):
    app = visit("learn", **query)
    assert said in words(app)
    app.button(key="door-None-All lessons").click().run()
    assert catalogue.lesson("dec").idea in words(app)


@pytest.mark.parametrize("said", ["9" * 4301, "²", "٣", "-1", "7"])
def test_a_prediction_that_is_none_is_asked_for(runs, said):
    app = visit("learn", lesson="assumptions", step="1", said=said)
    assert not app.exception
    assert "say-assumptions-1-0" in [button.key for button in app.button]


def test_a_wrong_value_is_named_and_the_default_used(runs):
    app = visit("learn", lesson="dec", step="3", power="many")
    assert "power is 'many'" in app.warning[0].value
    assert app.slider(key="lesson-dec-3-power").value == 2


def test_a_figure_from_a_run_offers_to_train_it(runs):
    app = visit("learn", lesson="dec", step="6")
    assert "Train it here" in labels(app)
    assert "drawn from a short run" in words(app)


def test_the_glossary_finds_terms(runs):
    app = visit("learn", lesson="glossary")
    assert all(term in words(app) for term in catalogue.glossary())
    app.text_input(key="glossary-filter").set_value("kl div").run()
    assert "KL divergence" in words(app)
    app.text_input(key="glossary-filter").set_value("xyzzy").run()
    assert "No term contains 'xyzzy'" in words(app)


def test_a_link_to_a_term_opens_the_glossary_at_it(runs):
    address = nav.term_link("Hungarian matching").partition("(")[2].rstrip(")")
    assert address == "/learn?lesson=glossary&term=Hungarian%20matching"
    app = visit("learn", lesson="glossary", term="Hungarian matching")
    assert catalogue.glossary()["Hungarian matching"][0] in words(app)
    assert catalogue.glossary()["Silhouette"][0] not in words(app)


@pytest.mark.parametrize(
    "term",
    ["ACC", "ARI", "Augmentation", "Embedding", "Hungarian matching", "NMI", "PCA", "Projection"],
)
def test_the_glossary_has_the_words_of_the_headers(term):
    assert nav.with_terms("Look.", term).startswith(f"Look.\n\nGlossary: [{term}](/learn?")


@pytest.mark.parametrize("score", SCORES.values(), ids=lambda score: score.key)
def test_the_terms_of_a_score_are_in_the_glossary(score):
    assert set(score.terms) <= set(catalogue.glossary())


def test_a_term_that_is_not_in_the_glossary_is_refused():
    with pytest.raises(AssertionError, match="'gizmo' is no term"):
        nav.term_link("gizmo")


def test_the_help_of_a_parameter_leads_to_its_lesson(runs):
    app = visit("train", method="dec")
    help_of = {getattr(w, "key", ""): w.help for w in [*app.number_input, *app.selectbox]}
    assert "(/learn?lesson=dec&step=1)" in help_of["dec.alpha"]


def test_every_method_with_a_lesson_links_its_parameters():
    for lesson in catalogue.lessons().values():
        for method in lesson.methods:
            for p in schema(registry.method(method)):
                where = catalogue.about_parameter(method, p.name)
                assert where is not None
                assert 1 <= where[1] <= len(catalogue.lesson(where[0]).steps)


def test_a_run_that_was_changed_by_hand_is_no_material_for_a_lesson(runs):
    spec = RunSpec("digits", "kmeans", {"n_samples": 60}, {"max_iter": 2})
    run = new_run(runs, spec)
    execute(runs.root, run.id)
    assert lesson_runs.newest_run_of(spec).id == run.id
    change = {"step": 1, "reason": "", "kind": "merge", "clusters": [0, 1], "value": 1.0}
    (run.path / INTERVENTIONS).write_text(json.dumps(change) + "\n")
    assert lesson_runs.newest_run_of(spec) is None

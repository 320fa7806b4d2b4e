"""One suite over all lessons: every step can be read, drawn, tried out and linked to."""

import re
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from clustlab import registry
from clustlab.analysis.alarm_catalogue import ENTRIES
from clustlab.analysis.timeline import Timeline
from clustlab.course import catalogue
from clustlab.course.controls import Slider
from clustlab.course.figure import Chart, Numbers, Picture, Plane
from clustlab.course.lesson import Material
from clustlab.errors import ParameterError
from clustlab.params import schema
from clustlab.runs.store import RunStore
from clustlab.training.worker import execute, new_run

LESSONS = catalogue.lessons()
FEW = {
    "n_samples": 500
}  # the runs of a lesson, on fewer items; whole ones are trained in a browser
STEPS = [
    pytest.param(lesson, number, step, id=f"{lesson.name}-{number}")
    for lesson in LESSONS.values()
    for number, step in enumerate(lesson.steps, 1)
]
TRAINED = [
    pytest.param(lesson, number, step, id=f"{lesson.name}-{number}", marks=slow)
    for lesson in LESSONS.values()
    for number, step in enumerate(lesson.steps, 1)
    for slow in [[pytest.mark.slow] if step.needs else []]
]
_known = {}


@pytest.fixture(scope="session")
def lesson_store(tmp_path_factory):
    return RunStore(tmp_path_factory.mktemp("lesson-runs"))


def materials(store, step, values):
    """Runs that a figure needs, trained once for all tests."""
    found = []
    for whole in step.needs(values) if step.needs else ():
        spec = replace(whole, dataset_params=FEW)
        key = repr(spec)
        if key not in _known:
            run = new_run(store, spec)
            execute(store.root, run.id)
            assert run.status == "done", run.progress
            data = store.dataset(run)
            timeline = Timeline(run, data.labels, n_classes=len(data.class_names))
            timeline.extend()
            _known[key] = Material(run, data, timeline)
        found.append(_known[key])
    return found


def defaults(step):
    return {control.name: control.value for control in step.controls}


def test_there_are_lessons_in_order():
    numbers = [lesson.number for lesson in LESSONS.values()]
    assert numbers
    assert numbers == sorted(set(numbers))
    assert all(name == lesson.name for name, lesson in LESSONS.items())


@pytest.mark.parametrize("lesson", LESSONS.values(), ids=lambda lesson: lesson.name)
def test_a_lesson_is_short_and_names_what_exists(lesson):
    assert 5 <= len(lesson.steps) <= 10, "a LESSON has 5 to 10 steps"
    assert len({step.title for step in lesson.steps}) == len(lesson.steps)
    unknown = set(lesson.methods) - set(registry.methods())
    assert not unknown, f"`methods` of the LESSON names {unknown}, which are no methods"
    assert lesson.terms, "LESSON has no word for the glossary: fill `terms`"


@pytest.mark.parametrize(("lesson", "number", "step"), STEPS)
def test_a_step_is_no_wall_of_text(lesson, number, step):
    assert len(re.findall(r"[.!?](?:\s|$)", step.text)) <= 4
    assert len(step.text) <= 340
    assert step.formula
    assert step.symbols
    assert 2 <= len(step.try_it.options) <= 4
    assert set(step.try_it.sets) <= set(defaults(step))
    for option in step.try_it.options:  # the page puts "yes" behind the one that is right
        assert not re.match(r"(yes|no)\b", option.lower()), option


@pytest.mark.parametrize(("lesson", "number", "step"), STEPS)
def test_each_setting_of_a_control_survives_the_address(lesson, number, step):
    for control in step.controls:
        for value in (control.value, step.try_it.sets.get(control.name, control.value)):
            assert control.read(control.write(value)) == value
        with pytest.raises(ParameterError, match=control.name):
            control.read("no such value")
        assert control.name not in ("lesson", "step", "said", "lock", "hide", "run")


def test_a_slider_of_whole_numbers_takes_no_fraction():
    slider = Slider("k", "Clusters", 2, 9, 3)
    assert slider.read("4") == 4
    with pytest.raises(ParameterError) as caught:
        slider.read("4.5")
    assert caught.value.hint == "Use a whole number from 2 to 9."
    assert Slider("x", "Share", 0, 1, 0.5, 0.1).read("0.5") == 0.5


@pytest.mark.parametrize(("lesson", "number", "step"), TRAINED)
def test_a_figure_is_drawn_and_can_be_read_out(lesson, number, step, lesson_store):
    for values in (defaults(step), {**defaults(step), **step.try_it.sets}):
        parts = step.figure(values, materials(lesson_store, step, values))
        assert parts
        for part in parts:
            if isinstance(part, Chart):
                assert part.alt
                part.chart.to_dict()  # Altair checks it against the schema of Vega-Lite
            elif isinstance(part, Numbers):
                assert isinstance(part.table, pd.DataFrame)
                for row in range(len(part.table)):
                    for column in part.table.columns:
                        said = part.arithmetic(row, column)
                        assert any(c.isdigit() for c in said), column
                        assert not re.search(r"\de[+-]?\d", said), said  # KaTeX sets it as a letter
            elif isinstance(part, Plane):
                assert len(part.colours) == len(values[part.control])
            elif isinstance(part, Picture):
                assert part.alt
                assert part.pixels.ndim == 3
            else:
                assert part.text


@pytest.mark.parametrize(("lesson", "number", "step"), TRAINED)
def test_the_answer_is_computed_and_says_why(lesson, number, step, lesson_store):
    values = {**defaults(step), **step.try_it.sets}
    right, why = step.try_it.outcome(values, materials(lesson_store, step, values))
    assert 0 <= right < len(step.try_it.options)
    assert any(c.isdigit() for c in why)
    assert "nan" not in why


def test_what_lessons_explain_exists():
    for topic, (name, number) in catalogue.explained().items():
        assert number <= len(LESSONS[name].steps)
        method, parameter = topic.split(".")
        assert parameter in {p.name for p in schema(registry.method(method))}, topic
    for step in (step for lesson in LESSONS.values() for step in lesson.steps):
        assert set(step.alarms) <= set(ENTRIES)


@pytest.mark.parametrize("name", registry.methods())
def test_every_method_has_a_lesson(name):
    if not registry.is_own(registry.method(name)):
        pytest.skip("of another package")
    about = catalogue.about_method(name)
    assert about, (
        f"no lesson is about {name}: put it into `methods` of a LESSON in clustlab/lessons/, or "
        f"write one with `python -m clustlab new lesson NAME`"
    )
    lesson, step = about
    assert name in LESSONS[lesson].methods
    assert step == 1


def test_an_unknown_lesson_is_named_with_those_there_are():
    with pytest.raises(ParameterError, match="nonsense") as caught:
        catalogue.lesson("nonsense")
    assert "dec" in caught.value.hint


def test_the_course_can_be_listed_without_torch():
    code = (
        "import sys; from clustlab.course.catalogue import lessons; lessons(); "
        "print('torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_the_glossary_is_sorted_and_leads_to_lessons():
    words = catalogue.glossary()
    assert list(words) == sorted(words, key=str.lower)
    assert all(meaning.endswith(".") and lesson in LESSONS for meaning, lesson in words.values())

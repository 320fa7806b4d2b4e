"""A lesson as one file: its text, formulas, figures and answers, and the runs it draws on."""

import base64
import json
import re
import zlib

import pytest

from clustlab.cli.command_line import main
from clustlab.course.catalogue import lessons
from clustlab.errors import ParameterError, RunNotFound
from clustlab.replay import lesson_html
from clustlab.replay.lesson_page import lesson_page, missing_runs
from clustlab.replay.page import Limits
from clustlab.training.worker import execute, new_run
from tests.support import replayed, small_lesson


@pytest.fixture
def small(monkeypatch):
    small_lesson.install(monkeypatch)


@pytest.fixture
def run(store):
    made = new_run(store, small_lesson.RUN)
    execute(store.root, made.id)
    return made


@pytest.fixture
def html(store, small, run):
    return lesson_page(store, "small", Limits()).html.decode()


# -- text ------------------------------------------------------------------------------------------
def formulas():
    for lesson in lessons().values():
        for step in lesson.steps:
            yield from (step.formula, *step.symbols)


def test_every_formula_of_the_course_becomes_one_that_browsers_draw():
    every = list(formulas())
    assert len(every) > 200
    for tex in every:
        mathml = lesson_html.math(tex, is_block=True)
        assert mathml.startswith("<math"), tex
        drawn = re.sub(r"<[^>]+>", "", mathml)
        assert "\\" not in drawn, tex  # a word of TeX that nobody has understood
        assert "merror" not in mathml, tex


def test_the_lines_of_a_formula_stand_below_each_other():
    tex = r"\begin{gathered} a = b \\ c = \min_j d \\\max_i e \end{gathered}"
    assert lesson_html.math(tex, is_block=True).count("<math") == 3


def test_sentences_have_strong_words_and_formulas_and_nothing_else():
    shown = lesson_html.text("**1 < 2** holds, and $a_i$ <b>is</b> & stays")
    assert shown.startswith("<b>1 &lt; 2</b> holds, and <math")
    assert shown.endswith("&lt;b&gt;is&lt;/b&gt; &amp; stays")


# -- the page --------------------------------------------------------------------------------------
def test_each_step_has_its_figure_before_and_after_and_its_answer(html):
    sections = html.split('<section class="step"')[1:]
    assert len(sections) == 2
    first, second = sections
    begin, after = first.split('<div class="figure after" hidden>')
    assert "Scale: 1" in begin
    assert "The scale is <b>1</b>, &amp; more" in begin
    assert "Scale: 3" in after
    assert re.findall(r'data-says="(\w+)">([^<]+)<', first) == [
        ("right", "It grows"),
        ("wrong", "It shrinks"),
    ]
    assert "It is 3 now." in first
    assert "Where it &lt;lies&gt;" in first
    assert 'alt="One &lt;point&gt;"' in first
    assert re.findall(r"<td><button[^>]*>([^<]+)<", begin) == ["1.500", "3", "2.500", "4"]
    told = re.findall(r"<p( hidden)?><math", begin)
    assert told == [" hidden", " hidden", " hidden", ""]  # the one that it starts with is shown
    chart = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", second)[1]).decode()
    assert "cluster 3" in chart


def test_its_runs_are_replay_pages_within_it(html, run):
    assert f'data-run="{run.id}"' in html
    pack = re.search(rf'id="replay-{run.id}">([^<]+)<', html)[1]
    page = replayed.opened(zlib.decompress(base64.b64decode(pack)))
    assert page.facts["runs"][0]["id"] == run.id
    own = re.search(r"script-src ([^;]+);", html)[1]
    (inner,) = re.findall(r"script-src ([^;]+);", page.text)
    assert inner in own  # or its script would not run here
    assert len(own.split()) == 2


def test_runs_that_are_not_there_are_named_and_trained_if_asked(store, small, capsys, tmp_path):
    with pytest.raises(RunNotFound, match="needs a run that is not here: kmeans on digits"):
        lesson_page(store, "small", Limits())
    file = tmp_path / "lesson.html"
    words = ["page", "--lesson", "small", "-o", str(file), "--runs", str(store.root)]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert "--train" in err
    assert not file.exists()
    assert main([*words, "--train"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["steps"] == 2
    assert told["bytes"] == file.stat().st_size
    assert missing_runs(store, "small") == []


def test_a_lesson_that_is_not_there_and_runs_beside_one_are_refused(store, capsys):
    with pytest.raises(ParameterError, match="no lesson 'nothing'"):
        lesson_page(store, "nothing", Limits())
    assert main(["page", "a-run", "--lesson", "dec", "--runs", str(store.root)]) == 2
    assert "runs or a lesson" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, each in lessons().items() if not any(s.needs for s in each.steps)]
)
def test_lessons_that_need_no_run_can_be_handed_on_as_they_are(store, name):
    made = lesson_page(store, name, Limits())
    assert made.n_steps == len(lessons()[name].steps)
    assert made.html.count(b'<section class="step"') == made.n_steps

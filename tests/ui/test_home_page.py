"""The page Home: what there is to see and where to begin, without loading what trains."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from clustlab import registry
from clustlab.course import bookmark, catalogue
from clustlab.course.bookmark import Bookmark
from clustlab.runs.status import write_status
from clustlab.runs.store import RunSpec
from clustlab.ui.home import cards, story
from clustlab.views import thumbnail
from tests.support import made_runs
from tests.ui.test_pages import visit, words

ROOT = Path(__file__).parents[2]


def links(app):
    return [element.proto.label for element in app.get("page_link")]


def test_without_a_run_home_shows_a_real_one_and_the_way_to_lesson_1(runs):
    app = visit("home")
    assert "This is what a run looks like" in words(app)
    assert all(file_words in words(app) for _, file_words in story.EXAMPLE_STEPS)
    assert "New here? Start with lesson 1" in links(app)
    assert not [label for label in links(app) if label.startswith("Continue lesson")]
    assert catalogue.lesson(bookmark.FIRST_LESSON).number == 1


def test_home_shows_the_latest_run_that_has_begun_in_a_few_of_its_steps(runs):
    made_runs.data(runs, labels=[0, 1, 2] * 4)
    begun = made_runs.run(runs, [[0, 1, 2] * 4] * 9, phases=["train"] * 9)
    made_runs.run(runs, [])
    app = visit("home")
    said = words(app)
    assert f"**Your latest run: {begun.title}**" in said
    shown = [f"Step {i}: train, round {i + 1}" in said for i in (0, 2, 4, 6, 8)]
    assert shown == [True] * 5
    assert "Step 1: train" not in said
    app.button(key="open-story").click().run()
    assert app.session_state["run"] == begun.id


def test_home_leads_back_to_the_lesson_step_that_was_reached(runs):
    name = list(catalogue.lessons())[1]
    visit("learn", lesson=name, step="2")
    lesson = catalogue.lesson(name)
    (found,) = [label for label in links(visit("home")) if label.startswith("Continue")]
    where = f"Continue lesson {lesson.number}, step 2 of {len(lesson.steps)}"
    assert found == f"{where}: {lesson.title}"


def test_a_bookmark_that_cannot_be_read_or_written_does_no_harm(tmp_path):
    mark = Bookmark("dec", 2, "DEC", 3, 8)
    bookmark.set_bookmark(tmp_path / "runs", mark)
    assert bookmark.bookmark(tmp_path / "runs") == mark
    (tmp_path / "runs" / bookmark.FILE).write_text('{"lesson": 1}')
    assert bookmark.bookmark(tmp_path / "runs") is None
    (tmp_path / "file").touch()
    bookmark.set_bookmark(tmp_path / "file", mark)


def test_the_steps_of_a_picture_are_turned_onto_each_other():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 3)).astype(np.float32) * (3, 1, 0.1)
    clusters = np.arange(60) % 3
    first, second = thumbnail.story([points, -points], [clusters, clusters])
    assert first == second


def test_home_loads_no_torch_although_there_are_runs(runs):
    steps = [made_runs.hard([0, 1, 2] * 4, 3)] * 3
    data = made_runs.dataset(12, [0, 1, 2] * 4, ("a", "b", "c"))
    made = made_runs.write(runs, steps, data, roles=["train"] * 3)
    about = made.path / "manifest.json"
    about.write_text(about.read_text().replace('"schema"', '"changed": {}, "schema"', 1))
    bookmark.set_bookmark(runs.root, Bookmark("dec", 2, "DEC", 3, 8))
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('clustlab/ui/shell.py', default_timeout=100).run()\n"
        "assert not app.exception\n"
        "assert 'Your latest run' in ''.join(m.value for m in app.markdown)\n"
        "print([name for name in ('torch', 'sklearn', 'altair') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr


def test_a_time_is_said_only_where_it_was_measured(runs):
    assert cards.time_taken("kmeans") == ""
    preset = dict(registry.method("kmeans").presets["quick"])
    spec = RunSpec("digits", "kmeans", method_params=preset, preset="quick")
    run = runs.create(
        spec, method_title="k-means", dataset_title="Digits", data_key="digits", changed={}
    )
    write_status(run.path, {"status": "done", "seconds": 12.0})
    assert cards.time_taken("kmeans") == "Took about 12 s on this machine."

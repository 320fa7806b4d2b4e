"""Charts leave the pages as files: each has its menu, and the files are named by what they show."""

import ast
from pathlib import Path

import pytest

from clustlab.ui import state
from clustlab.ui.widgets import picture_menu
from tests.support import made_runs
from tests.ui.test_pages import visit

PAGES = Path(__file__).parents[2] / "clustlab" / "ui"


def test_whatever_draws_a_chart_gives_it_a_menu():
    """Nobody draws one but by the three functions that do both."""
    draws = {}
    for file in PAGES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                calls = {
                    getattr(call.func, "attr", getattr(call.func, "id", ""))
                    for call in ast.walk(node)
                    if isinstance(call, ast.Call)
                }
                if calls & {"vega_lite_chart", "altair_chart", "line_chart", "scatter_chart"}:
                    draws[f"{file.stem}.{node.name}"] = "picture_menu" in calls
    assert draws == {"panels.chart": True, "inside._place": True, "lesson_figure._part": True}


@pytest.fixture
def run(runs):
    made_runs.data(runs, n=30, labels=[0, 1, 2] * 10)
    return made_runs.run(runs, [[0, 1, 2] * 10, [1, 0, 2] * 10])


def test_a_menu_that_is_opened_makes_files_named_by_run_step_and_view(run, monkeypatch):
    pressed = {}

    def button(label, data, *, file_name, **options):
        pressed[file_name] = data

    monkeypatch.setattr(picture_menu.st, "download_button", button)
    app = visit("evaluate", run=run.id, step="0")
    assert not app.exception
    assert not pressed  # what nobody has opened costs nothing
    cleared = app.session_state[state.TIMES_CLEARED.key]  # is part of the key of the chart
    app.session_state[f"save-confusion-{cleared}"] = True
    app.run()
    assert not app.exception
    assert set(pressed) == {f"{run.id}-step-0-confusion.{kind}" for kind in ("png", "svg", "pdf")}
    assert state.DRAWN.key in app.session_state
    svg = pressed[f"{run.id}-step-0-confusion.svg"]().decode()
    assert "Confusion" in svg
    assert "step 0" in svg
    assert "Made with clustlab" in svg
    assert pressed[f"{run.id}-step-0-confusion.pdf"]().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("page", "key", "name"),
    [
        ("clusters", "cluster-rows", "images-of-each-cluster-most-central"),
        ("train", "live-rows", "images-of-each-cluster-a-row"),
    ],
)
def test_sheets_of_images_have_the_menu(run, monkeypatch, page, key, name):
    pressed = {}

    def button(label, data, *, file_name, **options):
        pressed[file_name] = data

    monkeypatch.setattr(picture_menu.st, "download_button", button)
    app = visit(page, run=run.id, step="1")
    assert not pressed
    app.session_state[f"save-{key}"] = True
    app.run()
    assert not app.exception
    files = {f"{run.id}-step-1-{name}.{kind}": kind for kind in ("png", "svg", "pdf")}
    assert set(files) <= set(pressed)
    svg = pressed[f"{run.id}-step-1-{name}.svg"]().decode()
    assert "Images of each cluster" in svg
    assert "each row is a cluster" in svg.lower()
    assert "data:image/png;base64," in svg


def test_whatever_draws_a_sheet_gives_it_a_menu():
    """All but that of what is not imported yet, rows that have one for all, and the scrubber."""
    without = {
        file.stem
        for file in PAGES.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        for each in call.keywords
        if each.arg == "with_menu" and isinstance(each.value, ast.Constant) and not each.value.value
    }
    assert without == {"preview", "clusters", "scrubber"}


def test_a_chart_of_several_runs_is_named_by_all_of_them():
    drawn = state.Drawn.of(("a", "A: DEC", 3), ("b", "B: IIC", 4))
    assert drawn == state.Drawn("a-step-3-b-step-4", "A: DEC, step 3; B: IIC, step 4")


def test_no_menu_has_a_tooltip_which_would_lie_over_what_it_opens():
    explained = [
        f"{file.name}:{call.lineno}"
        for file in sorted(PAGES.rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and getattr(call.func, "attr", "") == "popover"
        and any(given.arg == "help" for given in call.keywords)
    ]
    assert explained == []

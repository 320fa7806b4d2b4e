"""The notebooks do what they say: each is run, and what its cells show can be drawn."""

import ast
import re
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from clustlab import registry
from clustlab.errors import ParameterError

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.py"))
CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)


def cells(text):
    """Kind and content of each cell."""
    parts = CELL.split(text)
    assert parts[0] == ""
    return list(zip((kind.strip() for kind in parts[1::2]), parts[2::2], strict=True))


def shown_by(notebook):
    """What the last line of each cell gives, after all before it were run in one namespace."""
    space, shown = {"__name__": "__main__"}, []
    for kind, content in cells(notebook.read_text("utf-8")):
        if kind == "[markdown]":
            assert all(line.startswith("#") for line in content.strip().splitlines())
            continue
        body = ast.parse(content).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), str(notebook), "exec"), space)
        if last is not None:
            shown.append(eval(compile(ast.Expression(last.value), str(notebook), "eval"), space))
    return shown


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    yield
    registry._added.clear()
    registry.methods.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_can_be_drawn(notebook, elsewhere, capsys):
    shown = shown_by(notebook)
    assert len(shown) >= 3
    for each in shown:
        if isinstance(each, alt.TopLevelMixin):
            assert each.to_dict()["config"]
        elif isinstance(each, Image.Image):
            assert np.ptp(np.asarray(each)) > 50
        elif isinstance(each, pd.DataFrame):
            assert len(each)
            assert not each.isna().all().any()
    if notebook.stem == "paper_figure":
        assert r"\begin{tabular}" in capsys.readouterr().out
        assert Path("confusion.html").stat().st_size > 10_000


def test_there_are_five_and_the_readme_names_them():
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert len(NOTEBOOKS) == 5
    assert "docs/notebooks" in readme


def test_a_method_that_lacks_something_is_not_added(elsewhere):
    class Nothing:
        name = "nothing"

    with pytest.raises(ParameterError, match=r"Nothing cannot be added: .*is no dataclass"):
        registry.add_method(Nothing)
    with pytest.raises(ParameterError, match="the name 'dec' is taken by"):
        registry.add_method(registry.method("dec"))
    assert "nothing" not in registry.methods()

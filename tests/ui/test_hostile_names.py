"""Names, notes, classes and addresses that would be Markdown are shown as they are everywhere."""

import numpy as np
import pytest

from clustlab.runs.baskets import Baskets
from clustlab.runs.labels import Label, set_label
from clustlab.runs.store import RunStore
from tests.support import made_runs
from tests.ui.test_pages import visit

SPY = "![p](http://192.0.2.1/p.png)"
PAGES = (
    *("home", "train", "embedding", "clusters", "evaluate", "shifts", "inside", "learn"),
    *("sabotage", "follow", "failures", "compare", "apply", "studies", "runs", "figures", "data"),
    *("methods", "claims"),
)
AS_THEY_ARE = (
    *("dataframe", "vega", "echarts", "image", "bidi_component", "code", "html"),
    *("text_input", "text_area", "selectbox", "multiselect"),
)
"""Kinds of elements that show their values without rendering them; their labels are literals."""


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Folder of runs with a hostile one."""
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))
    store = RunStore()
    rng = np.random.default_rng(0)
    truth = np.arange(30) % 3
    steps = [np.where(rng.random(30) < share, truth, (truth + 1) % 3) for share in (0.4, 0.7, 0.9)]
    key = made_runs.data(store, n=30, labels=truth, names=(SPY, ":red[x]", "$x$"))
    run = made_runs.run(store, steps, key)
    set_label(run, Label(SPY, (SPY,), f"{SPY}\n\n# {SPY}"))
    Baskets(store.root, key, 30).save(f"a {SPY}", [1, 2, 3], SPY)
    other = made_runs.run(store, steps[::-1], key)
    return run, other


def rendered(app):
    """Every text of a page that Streamlit renders as Markdown."""
    stack = [app._tree]
    while stack:
        node = stack.pop()
        stack.extend(getattr(node, "children", {}).values())
        proto = getattr(node, "proto", None)
        if proto is not None and not any(kind in node.type for kind in AS_THEY_ARE):
            yield node.type, str(proto)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_an_address_is_not_rendered(runs, page):
    hostile = dict.fromkeys(
        (
            "run",
            "runs",
            "lesson",
            "entry",
            "claim",
            "query",
            "dataset",
            "method",
            "about",
            "term",
            "stands-for",
        ),
        SPY,
    )
    texts = list(rendered(visit(page, **hostile)))
    assert texts
    assert [each for each in texts if SPY in each[1]] == []


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_names_notes_and_classes_are_not_rendered(runs, page):
    run, other = runs
    app = visit(page, run=run.id, runs=f"{run.id},{other.id}", item="3", look="Baskets", step="1")
    texts = list(rendered(app))
    assert [each for each in texts if SPY in each[1]] == []

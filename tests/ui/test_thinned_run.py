"""Pages about a long run of which not every step is kept."""

import numpy as np
import pytest

from clustlab.__main__ import main
from clustlab.runs import thinning
from clustlab.runs.store import Run
from tests.support import made_runs
from tests.ui.test_pages import visit, words

N, STEPS = 60, 60
EVEN = np.arange(N) % 3
PAGES = ("embedding", "clusters", "evaluate", "shifts", "inside", "follow", "failures")


@pytest.fixture
def thinned(runs, monkeypatch):
    """Sixty steps by hand, of which a few are kept."""
    monkeypatch.setenv(thinning.VARIABLE, "0.00008")
    rng = np.random.default_rng(0)
    moves = [np.where(rng.random(N) < 0.1, 1, EVEN) for _ in range(STEPS)]
    data = made_runs.dataset(N, EVEN, ("cat", "dog", "owl"))
    sure = np.eye(3) * 0.8 + 0.2 / 3
    snapshots = [
        made_runs.soft(sure[a] + 0.01 * rng.dirichlet(np.ones(3), N) - 0.01 / 3) for a in moves
    ]
    run = Run(made_runs.write(runs, snapshots, data, roles=["train"] * STEPS).path)
    assert run.thinning.every == 4
    return run


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_the_steps_that_are_kept(thinned, page):
    app = visit(page, run=thinned.id, step="6")  # which is not: they show the one before
    assert not app.exception, app.exception
    assert not app.error
    said = words(app)
    assert "Step 4 of 59" in said
    assert "every 4th step is kept" in said


def test_the_slider_goes_over_the_steps_that_are_kept(thinned):
    app = visit("embedding", run=thinned.id, step="8")
    (slider,) = [each for each in app.select_slider if each.label == "Step"]
    assert slider.value == 8
    assert [int(each) for each in slider.options] == thinned.kept_steps
    button = next(each for each in app.button if each.label == "Next step")
    app = button.click().run()
    assert "Step 12 of 59" in words(app)


def test_layouts_are_offered_of_the_steps_that_are_kept(thinned):
    app = visit("embedding", run=thinned.id, step="8", projection="UMAP")
    labels = [each.label for each in app.button]
    assert f"Compute all {len(thinned.kept_steps)} missing steps" in labels


def test_two_runs_are_compared_at_steps_that_are_kept(runs, thinned):
    rng = np.random.default_rng(1)
    data = made_runs.dataset(N, EVEN, ("cat", "dog", "owl"))
    other = made_runs.write(runs, [made_runs.sure(EVEN, 3, rng) for _ in range(3)], data)
    app = visit("compare", runs=f"{thinned.id},{other.id}", by="step", at="6")
    assert not app.exception, app.exception
    assert not app.error


def test_commands_name_the_step_and_the_remedy(thinned, capsys, tmp_path):
    folder = ["--runs", str(thinned.path.parent)]
    assert main(["show", thinned.id, *folder]) == 0
    place = ["-o", str(tmp_path / "x")]
    assert main(["export", thinned.id, "--to", "csv", "--step", "6", *place, *folder]) != 0
    said = capsys.readouterr().err
    assert "Step 6 is not kept" in said
    assert "step 4" in said
    assert thinning.VARIABLE in said
    assert "Traceback" not in said
    assert main(["page", thinned.id, "-o", str(tmp_path / "x.html"), *folder]) == 0

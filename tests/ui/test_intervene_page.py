"""Interventions on the page Train, without a browser: offered, asked for, taken back, told."""

import json
from functools import partial

import numpy as np
import pytest

from clustlab.analysis.lasting_clusters import lasting_numbers
from clustlab.runs import interventions
from clustlab.runs.store import RunSpec, queued_status, write_status
from clustlab.training.worker import execute, new_run
from clustlab.views import curves, specification
from tests.ui.test_pages import visit, words

SMALL = {
    "kmeans": {"n_clusters": 4, "n_init": 1, "max_iter": 4},
    "iic": {"n_clusters": 4, "epochs": 1, "width": 4, "n_heads": 1, "n_clusters_over": None},
    "agglomerative": {"n_clusters": 4},
    "ae-kmeans": {"n_clusters": 4, "epochs": 1, "hidden_widths": "100-100-400", "n_init": 1},
    "idec": {
        "n_clusters": 4,
        "epochs": 1,
        "hidden_widths": "100-100-400",
        "n_init": 1,
        "update_interval": 2,
        "max_updates": 1,
    },
}


@pytest.fixture
def paused(runs):
    """Makes a run of a method that looks paused after its last step."""

    def make(method, phase=None):
        spec = RunSpec("digits", method, {"n_samples": 120}, SMALL[method], preset="custom")
        run = new_run(runs, spec)
        execute(runs.root, run.id)
        assert run.status == "done", run.progress
        state = {**run.progress, **queued_status(), "status": "paused"}
        write_status(run.path, {**state, "phase": phase or run.log[-1]["phase"]})
        return run

    return make


def cut(run, *phases):
    """Let a run look as if it had got no further than some phases."""
    kept = [json.dumps(record) + "\n" for record in run.log if record["phase"] in phases]
    (run.path / "log.jsonl").write_text("".join(kept))


def choose(app, kind):
    (control,) = [g for g in app.get("button_group") if g.key == "intervene-kind"]
    return control.set_value([kind]) if isinstance(control.value, list) else control.set_value(kind)


def test_a_paused_run_can_be_changed_and_the_change_taken_back(runs, paused):
    run = paused("kmeans")
    app = visit("train", run=run.id)
    assert not app.error
    app.button(key="intervene-add").click().run()  # the first kind: merge
    (wish,) = interventions.pending(run, partial(lasting_numbers, run))
    assert wish.kind == "merge"
    assert len(wish.lasting) == 2
    assert "At the start of the next step: **merge cluster" in words(app)
    app.button(key=f"undo-{wish.name}").click().run()
    assert interventions.pending(run, partial(lasting_numbers, run)) == []
    assert "At the start of the next step" not in words(app)


def test_a_cluster_is_chosen_and_asked_for_by_its_lasting_number(runs, paused):
    run = paused("kmeans")
    app = visit("train", run=run.id)
    choose(app, "scramble").run()
    box = app.selectbox(key="intervene-cluster-0")
    assert len(box.options) == 4
    box.select_index(2).run()
    app.button(key="intervene-add").click().run()
    (wish,) = interventions.pending(run, partial(lasting_numbers, run))
    assert wish.kind == "scramble"
    assert box.options[2].startswith("2 (")
    assert wish.lasting == (2,)
    raw = lasting_numbers(run, len(run) - 1).tolist().index(2)
    assert f"({int((run[-1].assignments == raw).sum())} items)" in box.options[2]
    assert "**scramble cluster 2**" in words(app)


@pytest.mark.slow
def test_a_method_says_what_it_does_not_offer(runs, paused):
    said = words(visit("train", run=paused("kmeans").id))
    assert "k-means has no learning rate." in said
    said = words(visit("train", run=paused("ae-kmeans", phase="pre-train").id))
    assert "Autoencoder + k-means has nothing to merge, split, re-seed or scramble" in said
    app = visit("train", run=paused("agglomerative").id)
    assert "cannot be changed while it runs" in words(app)
    assert "PCA + k-means" in words(app)  # one of those that do
    assert "intervene-add" not in [b.key for b in app.button]


def test_the_factor_on_the_learning_rate_is_asked_for(runs, paused):
    run = paused("iic")
    app = visit("train", run=run.id)
    choose(app, "learning rate").run()
    app.number_input(key="factor").set_value(5.0).run()
    app.button(key="intervene-add").click().run()
    (wish,) = interventions.pending(run, partial(lasting_numbers, run))
    assert (wish.kind, wish.lasting, wish.value) == ("learning rate", (), 5.0)


def test_in_another_phase_it_says_that_a_change_waits(runs, paused):
    run = paused("kmeans", phase="try starts")
    cut(run, "try starts")
    said = words(visit("train", run=run.id))
    assert "waits for the phase 'assign and move'" in said


@pytest.mark.slow
def test_what_a_later_phase_offers_waits_for_it_and_what_is_gone_is_not_offered(runs, paused):
    run = paused("idec", phase="cluster")
    app = visit("train", run=run.id)
    (control,) = [g for g in app.get("button_group") if g.key == "intervene-kind"]
    assert len(control.options) == 5
    assert "waits for the phase" not in words(app)
    run = paused("idec", phase="pre-train")
    cut(run, "start", "pre-train")
    app = visit("train", run=run.id)
    assert "waits for the phase" not in words(app)  # the rate can be changed here
    choose(app, "merge").run()
    assert "Your change waits for the phase 'cluster'." in words(app)
    app.button(key="intervene-add").click().run()
    assert "At the start of the phase 'cluster': **merge cluster" in words(app)
    said = words(visit("train", run=paused("ae-kmeans", phase="cluster").id))
    assert "The rest of this run cannot be changed." in said
    assert "Autoencoder + k-means can be changed in 'pre-train' only." in said


def test_a_wish_that_was_granted_meanwhile_is_explained(runs, paused):
    run = paused("kmeans")
    app = visit("train", run=run.id)
    app.button(key="intervene-add").click().run()
    (wish,) = interventions.pending(run, partial(lasting_numbers, run))
    (run.path / "wishes" / f"{wish.name}.json").unlink()
    app.button(key=f"undo-{wish.name}").click().run()
    assert "made meanwhile" in words(app)
    assert not app.exception


def test_what_waits_is_told_while_the_run_goes_on_and_a_finished_one_offers_nothing(runs, paused):
    run = paused("kmeans")
    interventions.ask(run, "split", (0,))
    write_status(run.path, {**run.progress, "status": "running"})
    app = visit("train", run=run.id)
    assert "At the start of the next step: **split cluster" in words(app)
    assert "intervene-add" not in [b.key for b in app.button]
    write_status(run.path, {**run.progress, "status": "done"})
    assert "intervene-add" not in [b.key for b in visit("train", run=run.id).button]


def test_what_was_changed_stands_under_the_scrubber_of_its_step(runs):
    spec = RunSpec("digits", "kmeans", {"n_samples": 120}, SMALL["kmeans"], preset="custom")
    run = new_run(runs, spec)
    (run.path / "wishes").mkdir()
    text = '{"kind": "split", "clusters": [%d], "value": 1.0, "n_steps": 1}'
    (run.path / "wishes" / "1.json").write_text(text % 1)
    (run.path / "wishes" / "2.json").write_text(text % 9)
    execute(runs.root, run.id)
    assert run.status == "done", run.progress
    said = words(visit("train", run=run.id, step="1"))
    assert "**You changed this run here:** split cluster 1." in said
    assert "split cluster 9 was not possible: there is no cluster 9." in said
    assert "You changed" not in words(visit("train", run=run.id, step="2"))
    app = visit("train", run=run.id, step="1")
    items = np.flatnonzero(run[0].assignments == 1)
    assert app.button(key="items-taken-0").label == f"Show its {len(items)} items"
    app.button(key="items-taken-0").click().run()
    assert f"**split cluster 1 at step 1**: {len(items)} items" in words(app)


def test_the_sparkline_marks_the_steps_of_changes():
    shares = [0.0, 0.5, 0.25]
    plain = curves.sparkline_at(shares, 1, alarms=[1])
    marked = curves.sparkline_at(shares, 1, alarms=[1], interventions=[2])
    assert "diamond" not in str(plain)
    assert "diamond" in str(marked)
    fresh = specification.vega_lite_spec(curves.sparkline(shares, 1, alarms=[1], interventions=[2]))
    assert str(marked) == str(fresh)

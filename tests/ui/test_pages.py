"""Every page in every state, without a browser: what is said, and where it leads."""

import contextlib
import functools
import threading

import pytest
from streamlit.testing.v1 import AppTest

from clustlab import registry
from clustlab.analysis import run_scores
from clustlab.analysis.score_catalogue import LABELLED, SCORES
from clustlab.errors import ParameterError
from clustlab.runs.store import RunSpec, queued_status, write_status
from clustlab.training.worker import execute, new_run
from clustlab.ui import session
from clustlab.ui.look import projections
from clustlab.ui.run import scrubber
from clustlab.views import matrices
from tests.support.maps import maps, scenes

LOOK_INSIDE = ("embedding", "clusters", "evaluate", "shifts")
ALL = (
    *("home", "train", *LOOK_INSIDE, "inside", "apply"),
    *("learn", "runs", "figures", "data", "methods"),
)


def trained(store, method="kmeans", dataset="digits", **params):
    """Carry out a small run."""
    data = {"n_samples": 200} if dataset == "digits" else {"n": 120}
    spec = RunSpec(dataset, method, data, params, preset="custom")
    run = new_run(store, spec)
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    return run


def visit(page, **query):
    """Open a page by its address, as the first thing in a new session."""
    app = AppTest.from_file("../../clustlab/ui/shell.py", default_timeout=300)
    if page != "home":
        app.switch_page(f"../../pages/{page}.py")
    app.query_params.update(query)
    app.run()
    assert not app.exception, app.exception
    return app


def words(app):
    """Everything a page says."""
    kinds = (app.markdown, app.caption, app.info, app.error, app.title, app.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


@pytest.mark.parametrize("page", LOOK_INSIDE)
def test_without_runs_a_page_says_what_it_will_show_and_offers_a_start(runs, page):
    app = visit(page)
    assert "No run yet" in words(app)
    assert "Start a run" in [b.label for b in app.button]


@pytest.mark.parametrize("page", ALL)
def test_every_page_shows_a_finished_run(runs, page):
    trained(runs, max_iter=6, n_init=1)
    app = visit(page)
    assert not app.error


@pytest.mark.parametrize("page", LOOK_INSIDE)
def test_points_without_labels_are_shown_and_said_to_have_none(runs, page):
    spec = RunSpec("toy", "kmeans", {"shape": "uniform-noise", "n": 80}, {"n_clusters": 3})
    run = new_run(runs, spec)
    execute(runs.root, run.id)
    app = visit(page)
    assert not app.error
    if page == "evaluate":
        assert "no labels" in words(app)


def test_run_and_step_come_from_the_address(runs):
    run = trained(runs, max_iter=6, n_init=1)
    trained(runs, max_iter=2, n_init=1)
    app = visit("embedding", run=run.id, step="1")
    assert f"Step 1 of {len(run) - 1}" in words(app)


def test_an_unknown_run_in_the_address_is_named_with_a_way_out(runs):
    trained(runs, max_iter=2, n_init=1)
    app = visit("embedding", run="no-such-run")
    assert "no-such-run" in words(app)
    assert "Runs" in words(app)


def test_a_failed_run_shows_its_reason_and_remedy(runs):
    spec = RunSpec("digits", "kmeans", {"n_samples": 20}, {"n_clusters": 50}, preset="custom")
    run = new_run(runs, spec)
    execute(runs.root, run.id)
    assert run.status == "failed"
    said = words(visit("train", run=run.id))
    assert "50" in said
    assert "20 items" in said
    assert "Ask for fewer clusters" in said


def test_scrubber_buttons_move_the_step(runs):
    run = trained(runs, max_iter=6, n_init=1)
    app = visit("clusters")
    app.button(key="scrub-First step").click().run()
    assert f"Step 0 of {len(run) - 1}" in words(app)
    app.button(key="scrub-Next step").click().run()
    assert f"Step 1 of {len(run) - 1}" in words(app)
    app.button(key="scrub-Newest step").click().run()
    assert f"Step {len(run) - 1} of {len(run) - 1}" in words(app)


def test_selection_survives_a_change_of_page(runs):
    trained(runs, max_iter=6, n_init=1)
    app = visit("clusters")
    next(b for b in app.button if b.label == "All" and not b.disabled).click().run()
    said = words(app)
    assert "items" in said
    app.switch_page("../../pages/embedding.py").run()
    assert "**Cluster" in words(app)


def test_form_refuses_a_bad_value_and_keeps_it(runs):
    app = visit("train", dataset="digits", method="kmeans")
    field = next(t for t in app.text_input if "digits.n_samples" in t.key)
    field.set_value("minus three").run()
    assert "minus three" in words(app)
    assert next(b for b in app.button if b.label == "Start").disabled


def test_form_state_comes_from_the_address(runs):
    app = visit("train", **{"dataset": "digits", "method": "kmeans", "kmeans.n_clusters": "7"})
    field = next(n for n in app.number_input if n.key == "kmeans.n_clusters")
    assert field.value == 7


def test_start_looks_at_the_new_run_although_the_address_named_another(runs):
    old = trained(runs, max_iter=2, n_init=1)
    app = visit("train", run=old.id, dataset="digits", method="kmeans")
    next(b for b in app.button if b.label == "Start").click().run()
    newest = runs.runs()[0]
    assert newest.id != old.id
    assert app.query_params["run"] in (newest.id, [newest.id])
    assert not app.exception


def test_evaluate_shows_every_score_that_is_declared(runs):
    run = trained(runs, max_iter=2, n_init=1)
    figures = {tile.label: tile.value for tile in visit("evaluate").metric}
    scores = run_scores.of_run(run, runs.dataset(run))
    for key in LABELLED:
        assert figures[SCORES[key].short] == SCORES[key].written(scores[key])
    assert figures["V-measure"] == figures["NMI"]  # the same number under two names


def test_change_and_run_again_fills_the_form(runs):
    trained(runs, max_iter=3, n_init=1, n_clusters=7)
    app = visit("evaluate")
    next(b for b in app.button if b.label == "Change and run again").click().run()
    assert not app.exception
    assert next(n for n in app.number_input if n.key == "kmeans.n_clusters").value == 7
    assert next(s for s in app.selectbox if s.key == "method").value == "kmeans"
    assert not app.warning


def test_deleting_a_run_can_be_undone(runs):
    run = trained(runs, max_iter=2, n_init=1)
    runs.delete(run.id)
    app = AppTest.from_file("../../clustlab/ui/shell.py", default_timeout=300)
    app.session_state["deleted"] = [run.id]
    app.run()
    app.switch_page("../../pages/runs.py").run()
    next(b for b in app.button if b.label == "Undo").click().run()
    assert [r.id for r in runs.runs()] == [run.id]
    assert not app.exception


def test_a_run_deleted_while_it_is_watched_is_named_with_a_way_out(runs):
    run = trained(runs, max_iter=2, n_init=1)
    app = visit("evaluate")
    runs.delete(run.id)
    app.run()
    assert not app.exception
    assert run.id in words(app)


def test_a_start_leaves_the_form_although_it_was_open(runs):
    old = trained(runs, max_iter=2, n_init=1)
    app = visit("evaluate")
    next(b for b in app.button if b.label == "Change and run again").click().run()
    assert "Back to the run" in [b.label for b in app.button]
    next(b for b in app.button if b.label == "Back to the run").click().run()
    assert old.title in words(app)
    assert not app.exception


def test_the_step_stays_in_the_address_on_another_page(runs):
    run = trained(runs, max_iter=6, n_init=1)
    app = visit("clusters", run=run.id, step="1")
    app.switch_page("../../pages/evaluate.py").run()
    assert app.query_params["step"] in ("1", ["1"])


def test_a_start_without_a_runner_leaves_no_run_waiting(runs, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_RUNNER", "steam")
    app = visit("train", dataset="digits", method="kmeans")
    next(b for b in app.button if b.label == "Start").click().run()
    assert "steam" in words(app)
    assert runs.runs() == []
    assert not app.exception


def test_the_form_keeps_its_values_while_another_page_is_open(runs):
    app = visit("train", dataset="digits", method="kmeans")
    next(n for n in app.number_input if n.key == "kmeans.n_clusters").set_value(7).run()
    app.switch_page("../../pages/methods.py").run()
    app.switch_page("../../pages/train.py").run()
    assert next(s for s in app.selectbox if s.key == "method").value == "kmeans"
    assert next(n for n in app.number_input if n.key == "kmeans.n_clusters").value == 7


def test_the_page_methods_tells_what_each_offers_and_what_was_left_out(runs, monkeypatch):
    monkeypatch.setattr(registry, "_refusals", ["'strange' of the package p was left out: why."])
    app = visit("methods")
    (offers,) = [table.value for table in app.dataframe if "New items" in table.value]
    rows = offers.set_index("method")
    assert len(rows) == len(registry.methods())
    assert list(rows.columns) == [capability.title for capability in registry.CAPABILITIES]
    assert list(rows.loc["k-means"]) == ["yes", "", "", "yes", "yes", "", ""]
    assert [warning.value for warning in app.warning] == registry._refusals
    (settings,) = (table.value for table in app.table)  # in a table, so that sentences are not cut
    assert list(settings.columns) == ["setting", "quick", "standard", "paper", "meaning"]
    assert not app.exception


def test_sizes_of_clusters_are_bars_against_the_largest(runs):
    trained(runs)
    html = [element.proto.body for element in visit("clusters").get("html")]
    bars = [body for body in html if body.startswith('<div style="display:flex')]
    assert len(bars) == 10
    assert sum("width:100.0%" in bar for bar in bars) >= 1


def test_shares_of_the_confusion_matrix_can_be_those_of_the_clusters(runs, monkeypatch):
    trained(runs)
    drawn = []
    confusion = matrices.confusion
    monkeypatch.setattr(
        matrices,
        "confusion",
        functools.wraps(confusion)(
            lambda *args, **options: (
                drawn.append(options["share_of"]) or confusion(*args, **options)
            )
        ),
    )
    app = visit("evaluate")
    app.segmented_control(key="shares-are-of").set_value("cluster").run()
    assert not app.exception
    assert drawn == ["class", "cluster"]


def test_a_map_has_one_key_with_the_sizes_of_its_clusters(runs):
    trained(runs)
    app = visit("embedding")
    (scene,) = scenes(app)
    assert scene["has_legend"]
    assert sum(scene["counts"]) == scene["n"] == 200
    app.selectbox(key="colour").set_value("confidence").run()
    (scene,) = scenes(app)
    assert not scene["has_legend"]
    assert scene["highest"] == 1


def test_a_paused_run_offers_half_a_step(runs):
    run = new_run(runs, RunSpec("digits", "kmeans", {"n_samples": 200}, preset="custom"))
    execute(runs.root, run.id)
    write_status(run.path, {**run.progress, **queued_status(), "status": "paused", "boxes": 5})
    app = visit("train", run=run.id)
    app.button(key="half-step").click().run()
    assert (run.path / "request").read_text() == "box 6"
    assert not app.exception


@pytest.mark.parametrize("outcome", ["done", "stopped", "failed"])
def test_a_layout_is_made_in_the_background_and_can_be_stopped(
    runs, monkeypatch, wait_for, outcome
):
    go_on, reached = threading.Event(), threading.Event()

    def layout(embedding, init, report):
        report("Laying out", 0.5)
        reached.set()
        go_on.wait(20)
        if outcome == "failed":
            raise MemoryError("no room")
        report("Laying out", 0.9)
        return init

    monkeypatch.setitem(projections.MAKE, "umap", layout)
    run = trained(runs, max_iter=3, n_init=1)
    app = visit("embedding", run=run.id, projection="UMAP")
    app.button(key="compute").click().run()
    assert reached.wait(20)
    app.run()
    assert "Laying out" in [p.text for p in app.get("progress")]
    if outcome == "stopped":
        app.button(key="stop-layout").click().run()
        assert app.button(key="compute")
    go_on.set()
    made = run.path / "projections" / f"umap-{len(run) - 1:05d}.npy"
    if outcome == "done":
        wait_for(made.is_file)
    elif outcome == "failed":
        wait_for(lambda: any(job.problem for job in projections._jobs.values()))
    else:
        wait_for(lambda: "clustlab-layout" not in {t.name for t in threading.enumerate()})
    app.run()
    assert made.is_file() == (outcome == "done")
    assert ("no room" in words(app)) == (outcome == "failed")
    assert not app.exception
    projections._jobs.clear()


def test_a_replay_makes_layouts_ahead_while_the_nearest_picture_stays(runs, monkeypatch, wait_for):
    monkeypatch.setitem(projections.MAKE, "umap", lambda embedding, init, report: init)
    run = trained(runs, max_iter=4, n_init=1)
    app = visit("embedding", run=run.id, projection="UMAP", step="0")
    assert "this is the PCA" in words(app)  # rather than an empty page
    assert len(maps(app)) == 1
    app.button(key="compute").click().run()
    wait_for(lambda: not projections._jobs)
    app.button(key="scrub-Next step").click().run()
    assert "where UMAP put them at step 0" in words(app)
    assert list((run.path / "projections").glob("umap-*.npy")) == [
        run.path / "projections" / "umap-00000.npy"
    ]
    app.button(key="scrub-Replay").click().run()
    wait_for(lambda: len(list((run.path / "projections").glob("umap-*.npy"))) == len(run))
    app.run()
    assert "this is the PCA" not in words(app)
    assert "where UMAP put them" not in words(app)
    assert not app.exception


def test_a_replay_is_not_stopped_by_a_place_of_the_slider_that_has_passed(runs):
    trained(runs, max_iter=6, n_init=1)
    app = visit("clusters", step="0")
    app.session_state["playing"], app.session_state["step"] = True, 3
    app.slider(key="scrub").set_value(2).run()  # what the browser still shows
    assert app.session_state["playing"]
    app.session_state["step"] = 3
    app.slider(key="scrub").set_value(5).run()
    assert not app.session_state["playing"]


def test_a_map_is_explained_by_its_projection_and_its_colours(runs, monkeypatch, wait_for):
    monkeypatch.setitem(projections.MAKE, "umap", lambda embedding, init, report: init)
    trained(runs, max_iter=3, n_init=1)
    app = visit("embedding")
    assert "directions in which the embedding varies most" in words(app)
    assert "a boundary cuts through it" in words(app)
    assert "the axes mean little" not in words(app)
    next(box for box in app.selectbox if box.key == "colour").select("class").run()
    assert "a boundary cuts through it" not in words(app)
    assert "holds one class" in words(app)
    app = visit("embedding", projection="UMAP")
    app.button(key="compute").click().run()
    wait_for(lambda: not projections._jobs)
    app.run()
    assert "the axes mean little" in words(app)
    assert "varies most" not in words(app)


def test_a_step_that_a_button_has_left_does_not_come_back_by_itself(runs, monkeypatch):
    monkeypatch.setattr(scrubber, "UNDER_WAY", 60.0)
    trained(runs, max_iter=6, n_init=1)
    app = visit("clusters")
    last = app.slider(key="scrub").value
    app.button(key="scrub-First step").click().run()
    app.slider(key="scrub").set_value(last).run()  # what the browser still shows
    assert app.slider(key="scrub").value == app.session_state["step"] == 0
    app.slider(key="scrub").set_value(2).run()
    assert app.session_state["step"] == 2
    monkeypatch.setattr(scrubber, "UNDER_WAY", 0.0)
    app.slider(key="scrub").set_value(last).run()
    assert app.session_state["step"] is None  # the newest


def test_the_form_shows_the_settings_of_the_run_that_is_watched(runs):
    trained(runs, max_iter=3, n_init=1, n_clusters=7)
    app = visit("train")
    assert next(s for s in app.selectbox if s.key == "method").value == "kmeans"
    assert next(n for n in app.number_input if n.key == "kmeans.n_clusters").value == 7
    assert "Back to the run" not in [b.label for b in app.button]


def test_points_in_the_plane_are_shown_where_they_lie(runs):
    run = trained(runs, "kmeans", "toy", n_clusters=3, n_init=1)
    app = visit("embedding", run=run.id, projection="Plane")
    assert not app.error
    assert "a new point would join" in words(app)
    (scored,) = [t for t in app.toggle if t.label.startswith("Background")]
    assert scored.value
    scored.set_value(False).run()
    assert not app.exception, app.exception
    app = visit("embedding", run=run.id, projection="Plane", step="0")
    assert [t for t in app.toggle if t.label.startswith("Background")] == []
    assert "a new point would join" in words(app)


def test_a_method_without_scores_colours_the_ground_by_the_nearest_item(runs):
    run = trained(runs, "spectral", "toy", n_clusters=3, n_init=1)
    app = visit("embedding", run=run.id, projection="Plane")
    assert not app.error
    assert [t for t in app.toggle if t.label.startswith("Background")] == []
    assert "a new point would join" in words(app)


def test_images_have_no_plane_even_if_the_address_asks_for_it(runs):
    points = trained(runs, "kmeans", "toy", n_clusters=3, n_init=1)
    images = trained(runs, max_iter=2, n_init=1)
    app = visit("embedding", run=images.id, projection="Plane")
    assert not app.error
    assert "a new point would join" not in words(app)
    app = visit("embedding", run=points.id, projection="Plane")
    app.query_params["run"] = images.id
    app.session_state["run"] = images.id
    app.run()
    assert not app.exception, app.exception


def test_only_the_first_look_at_a_page_says_that_it_loads(monkeypatch):
    said = []

    @contextlib.contextmanager
    def spinner(words):
        said.append(words)
        yield

    monkeypatch.setattr(session.st, "spinner", spinner)
    monkeypatch.setattr(session, "_drawn", set())
    monkeypatch.setattr(session, "spare_imports", lambda: None)
    with pytest.raises(ParameterError), session.first_look("train"):
        raise ParameterError("x is wrong.")
    assert session._drawn == set()  # it was not drawn to its end
    for name in ("train", "train", "learn"):
        with session.first_look(name):
            pass
    assert len(said) == 3  # the one that failed, and one for each page
    assert session._drawn == {"train", "learn"}

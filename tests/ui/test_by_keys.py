"""What a chart lets one choose by mouse can be chosen in a box or by numbers, with one outcome."""

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from clustlab.ui import session
from clustlab.ui.widgets import keyboard_choice
from tests.support import made_runs
from tests.ui.test_compare_page import N, ids, pair, tab
from tests.ui.test_pages import trained, visit, words

__all__ = ["pair"]  # the fixture, for pytest


def box(app, name):
    return app.selectbox(key=f"box-{name}")


def chosen(app):
    """Title and items of the selection."""
    items, title = app.session_state["selected"]
    return title, items


def opened(app, name):
    """The page with the panel for an area unfolded."""
    app.session_state[f"area-{name}"] = True
    return app.run()


# -- cells ---------------------------------------------------------------------------------------
def test_filled_cells_come_fullest_first():
    counts = np.array([[0, 3, 1], [7, 0, 3]])
    assert keyboard_choice.filled(counts) == [(1, 0, 7), (0, 1, 3), (1, 2, 3), (0, 2, 1)]
    assert keyboard_choice.filled(np.zeros((2, 2), int)) == []
    assert len(keyboard_choice.filled(np.ones((50, 50), int))) == keyboard_choice.MOST


def test_numbers_of_images_are_words():
    assert keyboard_choice.counted(1, "image") == "1 image"
    assert keyboard_choice.counted(1200, "image") == "1,200 images"
    assert keyboard_choice.counted(2, "item") == "2 items"


@pytest.mark.parametrize(("page", "name"), [("evaluate", "confusion"), ("train", "live-confusion")])
def test_a_cell_of_the_confusion_matrix_is_chosen_in_a_box(pair, page, name):
    app = visit(page, run=pair[0].id)
    assert box(app, name).options == [
        "true one in cluster 1: 20 images",
        "true two in cluster 2: 20 images",
        "true zero in cluster 0: 10 images",
        "true zero in cluster 1: 10 images",
    ]
    assert box(app, name).value is None
    box(app, name).select((0, 1)).run()
    assert chosen(app) == ("zero in cluster 1", list(range(10)))
    assert "**zero in cluster 1**: 10 items" in words(app)
    assert box(app, name).value == (0, 1)
    box(app, name).set_value(None).run()
    assert chosen(app) == ("", [])


def test_the_box_forgets_what_is_chosen_elsewhere_or_at_another_step(pair):
    app = visit("evaluate", run=pair[0].id)
    box(app, "confusion").select((0, 1)).run()
    app.slider(key="scrub").set_value(0).run()
    assert box(app, "confusion").value is None  # as the chart, whose mark would mislead
    assert chosen(app)[0] == "zero in cluster 1"
    box(app, "confusion").select((0, 0)).run()
    assert len(chosen(app)[1]) == 20
    app.session_state["selected"] = ([5], "Another")
    app.run()
    assert box(app, "confusion").value is None


def test_a_cell_can_be_chosen_again_after_it_was_cleared(pair):
    app = visit("evaluate", run=pair[0].id)
    box(app, "confusion").select((0, 1)).run()
    next(b for b in app.button if b.label == "Clear").click().run()
    assert box(app, "confusion").value is None
    box(app, "confusion").select((0, 1)).run()
    assert len(chosen(app)[1]) == 10


def _small_app():
    import streamlit as st

    from clustlab.ui import session
    from clustlab.ui.widgets import keyboard_choice

    def choose(value: str) -> None:
        session.select([len(value)], f"Letter {value}")

    letters = keyboard_choice.Chooser("letters", session.chart_key("letters"), choose)
    st.button("Click on b", on_click=letters.take, args=("b",))
    letters.box("Choose a letter", {"a": "the letter a", "b": "the letter b"})
    st.text(session.chart_key("letters"))


def test_a_text_of_an_earlier_redraw_chooses_nothing(monkeypatch):
    app = AppTest.from_function(_small_app).run()
    app.button[0].click().run()
    shown = app.selectbox[0]
    shown.options[0] = "the letter a, as it was"
    monkeypatch.setattr(type(shown), "format_func", str)
    shown.select_index(0).run()
    assert not app.exception
    assert app.session_state["selected"] == ([1], "Letter b")


def test_the_box_shows_what_was_clicked():
    app = AppTest.from_function(_small_app).run()
    app.button[0].click().run()
    assert box(app, "letters").value == "b"
    box(app, "letters").select("a").run()
    assert app.session_state["selected"] == ([1], "Letter a")


@pytest.mark.parametrize(("mark", "gone"), [([{"letter": "b"}], True), ([], False)])
def test_a_mark_in_the_chart_goes_when_something_is_chosen_in_the_box(mark, gone):
    app = AppTest.from_function(_small_app).run()
    before = app.text[0].value
    app.session_state[before] = {"selection": {"cell": mark}}
    box(app, "letters").select("a").run()
    assert (app.text[0].value != before) == gone
    assert box(app, "letters").value == "a"


# -- bands ---------------------------------------------------------------------------------------
MOVES = [
    "stayed in cluster 1: 20 images",
    "stayed in cluster 2: 20 images",
    "stayed in cluster 0: 10 images",
    "from cluster 0 to 1: 10 images",
]


@pytest.mark.parametrize(("look", "name"), [("Flow", "flow"), ("Matrix", "transition")])
def test_who_moved_between_two_steps_is_chosen_in_a_box(pair, look, name):
    app = visit("shifts", run=pair[0].id, step="1")
    app.session_state["tabs-Flow-Matrix"] = look
    app.run()
    assert box(app, name).options == MOVES
    box(app, name).select((0, 1)).run()
    assert chosen(app) == ("Cluster 0 → 1, steps 0 to 1", list(range(10)))


def test_bands_too_thin_to_be_drawn_are_not_offered_beside_the_flow(runs):
    many = np.repeat([0, 1], 500)
    moved = many.copy()
    moved[:3] = 1  # 3 of 1,000 are under half a percent
    made_runs.data(runs, n=1000)
    run = made_runs.run(runs, [many, moved], k=2)
    app = visit("shifts", run=run.id)
    assert len(box(app, "flow").options) == 2
    app.session_state["tabs-Flow-Matrix"] = "Matrix"
    app.run()
    assert "from cluster 0 to 1: 3 images" in box(app, "transition").options


def test_a_band_of_the_whole_run_is_chosen_in_a_box(pair):
    app = visit("follow", run=pair[0].id, look="Clusters")
    assert box(app, "lineage").options == [
        "steps 1 to 2, stayed in 1: 30 images",
        "steps 0 to 1, stayed in 1: 20 images",
        "steps 0 to 1, stayed in 2: 20 images",
        "steps 1 to 2, stayed in 2: 20 images",
        "steps 0 to 1, stayed in 0: 10 images",
        "steps 0 to 1, cluster 0 to 1: 10 images",
        "steps 1 to 2, stayed in 0: 10 images",
    ]
    box(app, "lineage").select((0, 0, 1)).run()
    assert chosen(app) == ("Cluster 0 → 1, steps 0 to 1", list(range(10)))


def test_a_traced_cluster_leaves_one_entry_for_each_band(pair):
    app = visit("follow", run=pair[0].id, look="Clusters")
    before = box(app, "lineage").options
    app.selectbox(key="traced").select(1).run()
    assert box(app, "lineage").options == before


# -- compare -------------------------------------------------------------------------------------
def test_cells_of_compared_runs_are_chosen_in_boxes(pair):
    app = tab(visit("compare", runs=ids(*pair)), "Confusion")
    box(app, "confusion-A").select((0, 1)).run()
    assert chosen(app) == ("zero in cluster 1 of A", list(range(10)))
    assert box(app, "confusion-A").value == (0, 1)
    assert box(app, "confusion-B").options[-1] == "true two in cluster 1: 5 images"
    box(app, "confusion-B").select((2, 1)).run()
    assert chosen(app) == ("two in cluster 1 of B", list(range(55, 60)))
    assert box(app, "confusion-A").value is None


def test_a_pair_of_clusters_of_two_runs_is_chosen_in_a_box(pair):
    app = tab(visit("compare", runs=ids(*pair)), "Agreement")
    assert "cluster 1 of A, 0 of B: 10 images" in box(app, "between-AB").options
    box(app, "between-AB").select((1, 0)).run()
    assert chosen(app) == ("Cluster 1 of A, 0 of B", list(range(10)))


# -- areas ---------------------------------------------------------------------------------------
def test_the_ends_of_an_area_are_open():
    assert keyboard_choice.edge((25, 75), 1.0, 2.0) == (0.0, 2.0)
    assert keyboard_choice.edge((0, 50), 1.0, 2.0) == (-np.inf, 1.0)
    assert keyboard_choice.edge((50, 100), 1.0, 2.0) == (1.0, np.inf)


@pytest.mark.parametrize(("page", "name"), [("embedding", "map"), ("train", "live-embedding")])
def test_an_area_of_the_map_is_chosen_by_numbers(pair, page, name):
    app = visit(page, run=pair[0].id)
    assert f"{name}-across" not in app.session_state  # folded away, it costs nothing
    opened(app, name)
    app.slider(key=f"{name}-across").set_range(0, 50).run()
    points = session.timeline(pair[0]).points(2)
    wanted = np.flatnonzero(points[:, 0] <= 0).tolist()
    assert 0 < len(wanted) < N
    take = app.button(key=f"{name}-take")
    assert take.label == f"Select these {len(wanted):,}"
    take.click().run()
    assert chosen(app) == ("Brushed", wanted)
    app.slider(key=f"{name}-across").set_range(0, 1)
    app.slider(key=f"{name}-up").set_range(0, 1).run()
    assert app.button(key=f"{name}-take").disabled


def test_an_area_of_the_plane_is_chosen_by_numbers(runs):
    run = trained(runs, dataset="toy", n_clusters=2, n_init=1)
    app = opened(visit("embedding", run=run.id, projection="plane"), "map")
    app.slider(key="map-up").set_range(50, 100).run()
    points = session.dataset(run).items
    middle = (points[:, 1].min() + points[:, 1].max()) / 2
    app.button(key="map-take").click().run()
    assert chosen(app) == ("Brushed", np.flatnonzero(points[:, 1] >= middle).tolist())


def test_an_area_of_one_of_the_compared_runs_is_chosen_by_numbers(pair):
    app = opened(visit("compare", runs=ids(*pair)), "panes")
    app.segmented_control(key="panes-pane").set_value("B").run()
    app.slider(key="panes-up").set_range(50, 100).run()
    app.button(key="panes-take").click().run()
    points = session.timeline(pair[1]).points(4)
    assert chosen(app) == ("Brushed in B", np.flatnonzero(points[:, 1] >= 0).tolist())

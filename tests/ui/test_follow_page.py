"""The page Follow and the biography, without a browser: what is said, and where it leads."""

import numpy as np
import pytest

from clustlab.types import Artefact, Snapshot
from tests.support import made_runs
from tests.ui.test_pages import trained, visit, words

TABS = ("Items", "Clusters", "Matching", "Alarms")
N = 60
EVEN = np.arange(N) % 3


def moved(*changes):
    """Clusters of the items, some of which are elsewhere: pairs of a slice and a cluster."""
    clusters = EVEN.copy()
    for where, cluster in changes:
        clusters[where] = cluster
    return clusters


@pytest.fixture
def collapsed(runs):
    """Six steps by hand.

    At step 1 the items 0 and 3 leave cluster 0 for 1, and 1, 4, 7 and 10 leave 1 for 2; from
    step 2 on all are in cluster 2, which was the largest.
    """
    early = moved(([0, 3], 1), ([1, 4, 7, 10], 2))
    steps = [EVEN, early, *[np.full(N, 2)] * 4]
    snapshots = [made_runs.hard(a, 3, loss=1.0) for a in steps]
    data = made_runs.dataset(N, EVEN, ("cat", "dog", "owl"))
    return made_runs.write(runs, snapshots, data, method="dec")


def labels_of(app):
    return [button.label for button in app.button]


def picked(page, index, **query):
    """A page with an item open in the inspector."""
    app = visit(page, **query)
    app.session_state["picked"] = index
    app.run()
    assert not app.exception, app.exception
    return app


def opened(app, tab):
    """The same with another tab of the biography open."""
    key = "tabs-Now-Over time-Changes-Neighbours"
    app.session_state[key] = tab
    app.run()
    assert not app.exception, app.exception
    return app


# -- the page --------------------------------------------------------------------------------------
def test_without_runs_it_offers_a_start(runs):
    app = visit("follow")
    assert "No run yet" in words(app)
    assert "Start a run" in labels_of(app)


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_shows_a_finished_run(runs, tab):
    trained(runs, max_iter=6, n_init=1)
    app = visit("follow", look=tab)
    assert not app.error
    said = words(app)
    assert {
        "Items": "Click the picture",
        "Clusters": "Each block is a cluster at a step",
        "Matching": "Every step compared with the one before",
        "Alarms": "No alarm",
    }[tab] in said


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_works_without_labels(runs, tab):
    snapshots = [made_runs.hard(a, 3) for a in (EVEN, moved((slice(9), 1)))]
    made_runs.write(runs, snapshots, made_runs.dataset(N))
    app = visit("follow", look=tab)
    assert not app.error
    if tab == "Items":
        (order,) = (control for control in app.segmented_control if control.key == "raster-order")
        assert order.options == ["When it settled", "Number of changes", "Cluster at the end"]
    if tab == "Matching":
        assert "no labels" in words(app)


def test_one_step_is_too_few(runs):
    made_runs.write(runs, [made_runs.hard(EVEN, 3)], made_runs.dataset(N))
    assert "two steps" in words(visit("follow"))


def test_rows_of_the_raster_are_chosen_by_the_slider(collapsed):
    app = visit("follow", look="Items")
    app.slider(key="raster-rows").set_range(50, 59).run()
    assert "**Rows 50 to 59 by when it settled**: 10 items" in words(app)
    order, _ = app.session_state["selected"]
    assert len(order) == 10  # of those that settled at step 2, as all do that were not in 2
    assert not set(order) & {1, 4, 7, 10, *range(2, N, 3)}


def test_few_of_many_items_are_said_to_be_few(runs):
    big = np.arange(1000) % 3
    snapshots = [made_runs.hard(a, 3) for a in (big, np.roll(big, 1))]
    made_runs.write(runs, snapshots, made_runs.dataset(1000))
    assert "400 of 1,000 items shown" in words(visit("follow", look="Items"))


def test_events_are_listed_and_lead_to_their_step(collapsed):
    app = visit("follow", look="Clusters")
    said = words(app)
    assert "Clusters 0, 1 and 2 merged into 2: 60 items." in said
    assert "Two clusters are linked if a quarter or more" in said
    app.button(key="event-0").click().run()
    assert "Step 2 of 5" in words(app)


def test_when_two_clusters_merged_can_be_asked(runs):
    four = np.arange(N) % 4
    steps = [four, np.where(four == 1, 0, four), np.where(four < 2, 0, 2)]
    snapshots = [made_runs.hard(a, 4) for a in steps]
    made_runs.write(runs, snapshots, made_runs.dataset(N))
    app = visit("follow", look="Clusters")
    assert "**2 events**" in words(app)
    (clusters,) = app.multiselect
    clusters.set_value([2, 3]).run()
    assert "**1 event**" in words(app)
    assert "Clusters 2 and 3 merged into 2: 30 items." in words(app)
    assert "Step 2" in labels_of(app)
    app.multiselect[0].set_value([0, 3]).run()
    assert "Clusters 0 and 3 take part in no common event." in words(app)


def test_members_of_a_traced_cluster_can_be_selected(collapsed):
    app = visit("follow", look="Clusters", step="1")
    app.selectbox(key="traced").select(1).run()
    next(b for b in app.button if b.label == "Select them").click().run()
    assert "**Cluster 1 at step 1**: 18 items" in words(app)


def test_the_matching_tells_what_moved(collapsed):
    app = visit("follow", look="Matching", step="1")
    assert {m.label: m.value for m in app.metric} == {
        "ACC at step 0": "1.000",
        "Items that moved": "-0.100",
        "New matching": "0.000",
        "ACC at step 1": "0.900",
    }
    assert "Every cluster stands for the same class" in words(app)


def test_a_changed_matching_is_a_table(runs):
    labels = np.array([0, 0, 0, 1, 1, 0, 1, 1] * 5)
    before = np.array([0, 0, 0, 0, 0, 1, 1, 1] * 5)
    after = np.array([1, 1, 1, 0, 0, 1, 1, 1] * 5)
    snapshots = [made_runs.hard(a, 2) for a in (before, after)]
    made_runs.write(runs, snapshots, made_runs.dataset(40, labels, ("cat", "dog")))
    app = visit("follow", look="Matching")
    assert "from matching clusters to other classes" in words(app)
    (table,) = app.dataframe
    assert set(table.value["class at step 0"]) <= {"cat", "dog", "none"}
    assert (table.value["class at step 0"] != table.value["class at step 1"]).all()


# -- alarms ----------------------------------------------------------------------------------------
def test_alarms_are_listed_and_lead_to_their_step(collapsed):
    app = visit("follow", look="Alarms")
    said = words(app)
    assert "**Collapse**" in said
    assert "**Empty clusters**" in said
    assert "What guards against it" in said
    app.button(key="alarm-collapse-2").click().run()
    assert "Step 2 of 5" in words(app)


@pytest.mark.parametrize("page", ["embedding", "evaluate", "follow"])
def test_a_line_under_the_scrubber_tells_of_an_alarm_at_its_steps_only(collapsed, page):
    said = words(visit(page, step="3"))
    assert "**Collapse** (step 2 to 5): The items are spread as unevenly" in said
    assert "Also: empty clusters" in said
    assert "**Collapse** (" not in words(visit(page, step="1"))


# -- the biography ---------------------------------------------------------------------------------
@pytest.mark.parametrize("page", ["embedding", "clusters", "evaluate", "shifts", "follow", "train"])
def test_a_biography_is_open_on_every_page(collapsed, page):
    said = words(picked(page, 3))
    assert "**Item 3**" in said
    assert "True class **cat**" in said
    assert "Its cluster at each step" in said
    assert "Nearest in the embedding" in said


def test_flips_name_their_companions_and_lead_to_the_step(collapsed):
    app = opened(picked("clusters", 3), "Changes")
    (flips,) = (box for box in app.selectbox if box.label == "2 changes of cluster")
    assert flips.options == ["Step 1: 0 → 1, with 1 other", "Step 2: 1 → 2, with 17 others"]
    assert "Moved with it: 17 items" in words(app)
    flips.select_index(0).run()
    app.button(key="flip-select").click().run()
    assert app.session_state["selected"][0] == [3, 0]
    assert app.session_state["picked"] == 3
    app.button(key="flip-step").click().run()
    assert "Step 1 of 5" in words(app)


def test_an_item_without_flips_says_so(collapsed):
    assert "never changed cluster" in words(opened(picked("clusters", 5), "Changes"))


def test_neighbours_then_and_now(collapsed):
    said = words(opened(picked("clusters", 3), "Neighbours"))
    assert "Nearest in the embedding of step 0" in said
    assert "were already its neighbours at the first step" in said


@pytest.mark.parametrize("tab", ["Now", "Over time"])
def test_probabilities_and_reconstructions_where_there_are_some(runs, tab):
    rng = np.random.default_rng(0)
    pictures = {
        "reconstructions": Artefact(
            "images",
            rng.integers(256, size=(2, 2, 8, 8, 1), dtype=np.uint8),
            "Reconstructions",
            rows=("original", "reconstruction"),
            columns=("4", "7"),
        ),
        "decoded centers": Artefact(
            "images",
            rng.integers(256, size=(1, 3, 8, 8, 1), dtype=np.uint8),
            "Decoded centres",
            cluster_axes=(1,),
        ),
    }
    p = rng.dirichlet(np.ones(3), size=(3, N)).astype(np.float32)
    snapshots = [Snapshot(q, q.argmax(1), {}, q, artefacts=pictures) for q in p]
    made_runs.write(runs, snapshots, made_runs.dataset(N))
    app = opened(picked("clusters", 7), tab)
    said = words(app)
    assert "Its probabilities" in said
    if tab == "Now":
        assert "this is not one of them" not in said
        assert "this is not one of them" in words(picked("clusters", 8))
    else:
        assert "How sure the method was" in said
        assert "Its path in the embedding" in said

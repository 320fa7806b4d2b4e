"""The page Compare without a browser: what it says, what it starts, and where it leads."""

from dataclasses import replace

import numpy as np
import pytest

from clustlab.data import library, some_rows
from clustlab.training.worker import execute, new_run
from clustlab.ui import session
from clustlab.ui.compare import agreement_tabs, compared_run, linked_maps
from clustlab.ui.look import decision_regions
from clustlab.ui.run.view import View
from clustlab.ui.server.put_down import content_of
from clustlab.views import regions
from tests.support import made_runs
from tests.support.maps import maps, places_of, scene_of
from tests.ui.test_pages import trained, visit, words

MOONS = ("kmeans", "spectral")
N = 60
TRUE = np.repeat([0, 1, 2], 20)
LABELS = TRUE.copy()
HALF = np.where(np.arange(N) < 10, 1, TRUE)  # ten zeros are with the ones
TURNED = (TRUE + 1) % 3  # the truth under other numbers
MIXED = np.where(np.arange(N) >= 55, 2, TURNED)  # five twos are with the ones


@pytest.fixture
def pair(runs):
    made_runs.data(runs, n=N, labels=LABELS)
    return (
        made_runs.run(runs, [TRUE, HALF, HALF], method="dec"),
        made_runs.run(runs, [TURNED] * 4 + [MIXED], method="iic"),
    )


class Recorder:
    """Runner that notes what it is given."""

    def __init__(self):
        self.given = []

    def submit(self, run_id):
        self.given.append(run_id)


@pytest.fixture
def runner(monkeypatch):
    found = Recorder()
    monkeypatch.setattr(session, "_runner", lambda root: found)
    return found


def ids(*chosen):
    return ",".join(run.id for run in chosen)


def asked(app):
    found = app.query_params["runs"]
    return (found if isinstance(found, str) else found[0]).split(",")


def button(app, label):
    return next(b for b in app.button if b.label == label)


def tab(app, name):
    app.session_state["tabs-Images-Confusion-Agreement-Consensus-Curves-Settings"] = name
    return app.run()


def test_two_runs_stand_side_by_side_with_the_scores_of_their_steps(runs, pair):
    app = visit("compare", runs=ids(*pair))
    said = words(app)
    assert "**A: DEC**" in said
    assert "**B: IIC**" in said
    assert "Step 2 of 2" in said
    assert "Step 4 of 4" in said
    assert "ACC **0.833**" in said
    assert "ACC **0.917**" in said
    assert not app.error


def test_the_four_cells_select_the_images_that_one_run_has_right(runs, pair):
    app = visit("compare", runs=ids(*pair))
    labels = [b.label for b in app.button if str(b.key).startswith("cell-")]
    assert labels == ["Both right: 45", "Only A: 5", "Only B: 10", "Both wrong: 0"]
    button(app, "Only B: 10").click().run()
    assert "**Right in B, wrong in A**: 10 items" in words(app)
    assert app.session_state["selected"][0] == list(range(10))
    assert button(app, "Both wrong: 0").disabled


def test_one_control_moves_all_runs_by_share_step_or_seconds(runs, pair):
    app = visit("compare", runs=ids(*pair))
    app.slider(key="compare-slider-share").set_value(50).run()
    said = words(app)
    assert "Step 1 of 2" in said
    assert "Step 2 of 4" in said
    assert app.query_params["at"] in ("50", ["50"])
    app.segmented_control(key="by").set_value("step").run()
    assert "Step 4 of 4" in words(app)
    app.slider(key="compare-slider-step").set_value(3).run()
    said = words(app)
    assert "Step 2 of 2" in said  # it has no more
    assert "Step 3 of 4" in said
    app.segmented_control(key="by").set_value("seconds").run()
    app.slider(key="compare-slider-seconds").set_value(2.5).run()
    said = words(app)
    assert "Step 1 of 2" in said
    assert "Step 1 of 4" in said


def test_the_place_of_the_control_comes_from_the_address(runs, pair):
    app = visit("compare", runs=ids(*pair), at="0")
    assert "Step 0 of 2" in words(app)
    assert "Step 0 of 4" in words(app)
    nonsense = visit("compare", runs=ids(*pair), at="nan", by="moon")
    assert "Step 2 of 2" in words(nonsense)
    assert not nonsense.error


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Confusion", "**B: IIC**"),
        ("Agreement", "45 of 60 items (75%) are in clusters that are matched to each other"),
        ("Consensus", "Images on which the runs differ most"),
        ("Curves", "Reading"),
        ("Settings", "Settings that are equal in all runs are left out"),
    ],
)
def test_each_tab_is_drawn(runs, pair, name, says):
    app = tab(visit("compare", runs=ids(*pair)), name)
    assert not app.error
    if name != "Curves":
        assert says in words(app)


def test_consensus_counts_and_selects_what_is_disputed(runs, pair):
    app = tab(visit("compare", runs=ids(*pair)), "Consensus")
    figures = {m.label: m.value for m in app.metric}
    assert figures["All runs agree on"] == "75%"
    turned = tab(visit("compare", runs=ids(*pair[::-1])), "Consensus")
    assert figures == {m.label: m.value for m in turned.metric}  # neither of two decides
    assert "ACC of the consensus" in figures
    button(app, "Select the first 60").click().run()
    assert "**Most disputed**: 60 items" in words(app)


def test_settings_list_what_differs_only(runs, pair):
    for run, threads in zip(pair, (2, 8), strict=True):
        (run.path / "environment.json").write_text(f'{{"threads": {threads}, "device": "cpu"}}')
    app = tab(visit("compare", runs=ids(*pair)), "Settings")
    (table,) = [d.value for d in app.dataframe if "setting" in d.value.columns]
    rows = table.set_index("setting")
    assert rows.loc["Method"].tolist() == ["DEC", "IIC"]
    assert rows.loc["Steps between updates"].tolist() == ["140", "–"]
    assert "Seed" not in rows.index
    (table,) = [d.value for d in app.dataframe if "what" in d.value.columns]
    assert table.set_index("what").loc["Threads"].tolist() == ["2", "8"]
    assert len(table) == 1


def test_facts_of_the_data_are_told_in_words(runs, pair):
    assert agreement_tabs._setting("data.n_samples") == "Number of items (data)"
    assert agreement_tabs._setting("n_clusters") == "Number of clusters"
    run = pair[0]
    assert agreement_tabs._word("dataset", {run.id: "digits"}, run) == run.manifest["dataset_title"]


@pytest.mark.slow
def test_curves_say_why_a_run_has_no_samples(runs, pair):
    lloyd = made_runs.run(runs, [TRUE, HALF], phases=["try starts", "assign and move"])
    n2d = made_runs.run(runs, [TRUE, HALF], method="n2d", phases=["pre-train", "lay out"])
    app = tab(visit("compare", runs=ids(pair[1], lloyd, n2d)), "Curves")
    app.segmented_control(key="compare-axis").set_value("samples").run()
    said = words(app)
    assert "B: k-means has no curve here. k-means has drawn no batches: its steps look" in said
    assert "C: N2D: the steps of 'lay out' look at all items at once" in said
    assert "A: IIC has no curve" not in said


@pytest.mark.slow
def test_other_seeds_join_the_curves_on_demand(runs, pair):
    made_runs.data(runs, "other", n=N, labels=LABELS, seed=4)
    made_runs.run(runs, [TURNED] * 3, "other", method="iic", seed=4)
    app = tab(visit("compare", runs=ids(*pair)), "Curves")
    app.toggle(key="compare-seeds").set_value(True).run()
    assert not app.exception
    assert not app.error


@pytest.mark.slow
def test_runs_without_labels_are_compared_too(runs):
    made_runs.data(runs, n=N)
    chosen = [made_runs.run(runs, [c], method=m) for c, m in ((TRUE, "dec"), (MIXED, "iic"))]
    app = visit("compare", runs=ids(*chosen))
    assert "Confidence" in words(app)
    assert not [b for b in app.button if str(b.key).startswith("cell-")]
    assert "have no labels" in words(tab(app, "Confusion"))
    assert "91.7%" in words(tab(app, "Agreement"))
    for name in ("Consensus", "Curves"):
        assert not tab(app, name).error
        assert not app.exception


@pytest.mark.slow
def test_four_runs_have_a_table_for_every_two_of_who_is_right(runs, pair):
    more = [made_runs.run(runs, [TRUE], method=m) for m in ("deepcluster", "kmeans")]
    app = visit("compare", runs=ids(*pair, *more))
    cells = [b.key for b in app.button if str(b.key).startswith("cell-")]
    tables = ["AB", "AC", "AD", "BC", "BD", "CD"]
    assert [sum(k.startswith(f"cell-{p}-") for k in cells) for p in tables] == [4] * 6
    shares = {b.key: b.label for b in app.button if str(b.key).startswith("right-in-")}
    places = ["all-right", *(f"only-{letter}" for letter in "abcd"), "all-wrong"]
    assert list(shares) == [f"right-in-{place}" for place in places]
    counts = [int(label.split(": ")[1]) for label in shares.values()]
    assert sum(counts) <= N
    app.button(key="right-in-all-right").click().run()
    assert len(app.session_state["selected"][0]) == counts[0]
    assert "D: k-means" in words(app)


@pytest.mark.slow
def test_an_item_is_told_from_every_run(runs, pair):
    app = visit("compare", runs=ids(*pair))
    app.session_state["picked"] = 57
    app.run()
    said = words(app)
    assert "**Item 57 in each run**" in said
    assert "A: DEC: cluster **2** (confidence 0.90), which stands for two: right" in said
    assert "B: IIC: cluster **1** (confidence 0.90), which stands for one: wrong" in said


# -- points in the plane -------------------------------------------------------------------------
def has_ground(app):
    """Of each pane of the linked maps, whether regions lie beneath its dots."""
    return [data["ground"] is not None for data in maps(app)]


def test_points_in_the_plane_lie_before_the_regions_of_each_run(runs):
    kmeans, spectral = (trained(runs, m, "toy", n_clusters=2, n_init=1) for m in MOONS)
    app = visit("compare", runs=ids(kmeans, spectral))
    assert not app.error
    assert has_ground(app) == [True, True]
    one, other = (content_of(data["ground"]) for data in maps(app))
    assert one.startswith(b"\x89PNG")
    assert one != other
    assert "which cluster a new point would join" in words(app)
    (scored,) = [t for t in app.toggle if t.key == "scored-ground"]  # k-means can be asked
    scored.set_value(False).run()
    assert not app.exception, app.exception
    assert has_ground(app) == [True, True]

    app.slider(key="compare-slider-share").set_value(0).run()
    assert not app.exception, app.exception
    assert "scored-ground" not in [t.key for t in app.toggle]

    app.segmented_control(key="compare-map").set_value("embedding").run()
    assert not app.exception, app.exception
    assert has_ground(app) == [False, False]


def test_images_have_no_regions(runs, pair):
    app = visit("compare", runs=ids(*pair))
    assert "compare-map" not in [s.key for s in app.segmented_control]
    assert has_ground(app) == [False, False]


def test_each_pane_draws_all_items_and_says_their_cluster_in_each_run(runs, pair):
    app = visit("compare", runs=ids(*pair))
    for data, run in zip(maps(app), pair, strict=True):
        points = session.timeline(run).points(len(run) - 1)
        shown = (places_of(data) / 65535 * 4 - 2).T * 1.15
        np.testing.assert_allclose(shown, points, atol=1e-3)
        titles = [column["title"] for column in scene_of(data)["columns"]]
        assert titles == ["cluster in A", "cluster in B", "true class"]
        assert data["group"] == "panes"


# -- runs without some items -----------------------------------------------------------------------
GONE = list(range(5, 15))  # five zeros of either kind of the parent


@pytest.fixture
def family(runs):
    """A run, and one of the same draw without ten items that sees all others rightly."""
    whole = made_runs.data(runs, library.key("digits", {}, 0), n=N, labels=LABELS)
    part = library.key("digits", {}, 0, GONE)
    left = some_rows.without(library.open_folder(runs.root / "_data" / whole), GONE)
    library._save(runs.root / "_data" / part, left)
    kept = np.delete(TURNED, GONE)
    return (
        made_runs.run(runs, [TRUE, HALF], whole, method="dec"),
        made_runs.run(runs, [kept, kept], part, method="iic", excluded=GONE),
    )


@pytest.mark.slow
def test_a_run_is_compared_with_its_parent_over_the_items_of_both(runs, family):
    app = visit("compare", runs=ids(*family))
    said = words(app)
    assert not app.error
    assert "Compared on **50 of 60 items**" in said
    assert "ACC **0.900**" in said  # five zeros of the fifty are with the ones
    assert "On the 50 shared items. On all its 60 items: ACC 0.833" in said
    assert said.count("shared items. On all") == 1  # the child has no others
    labels = [b.label for b in app.button if str(b.key).startswith("cell-")][:4]
    assert labels == ["Both right: 45", "Only A: 0", "Only B: 5", "Both wrong: 0"]
    button(app, "Both right: 45").click().run()
    assert app.session_state["selected"][0] == list(range(15, 60))  # their rows in the parent
    for name, says in (
        ("Agreement", "45 of 50 items (90%) are in clusters that are matched to each other"),
        ("Consensus", "Images on which the runs differ most"),
        ("Confusion", "**B: IIC**"),
        ("Settings", "Settings that are equal"),
    ):
        assert says in words(tab(app, name))
        assert not app.error
    button(tab(app, "Consensus"), "Select the first 30").click().run()
    assert set(app.session_state["selected"][0]) == set(range(40)) - set(GONE)
    assert not tab(app, "Curves").error
    assert not app.exception


@pytest.mark.slow
def test_an_item_is_another_row_in_each_run(runs, family):
    parent, child = family
    app = visit("compare", runs=ids(parent, child))
    app.session_state["picked"] = 2
    app.run()
    said = words(app)
    assert "A: DEC: cluster **1** (confidence 0.90), which stands for one: wrong" in said
    assert "B: IIC: cluster **0** (confidence 0.90), which stands for zero: right" in said
    app.session_state["picked"] = 57
    app.run()
    assert "A: DEC: cluster **2** (confidence 0.90), which stands for two: right" in words(app)
    app.session_state["picked"] = GONE[0]
    app.run()
    assert "Not all of these runs have this item" in words(app)
    other = visit("compare", runs=ids(child, parent))
    other.session_state["picked"] = 47  # which is 57 in the parent
    other.run()
    assert "B: DEC: cluster **0** (confidence 0.90), which stands for two: right" in words(other)


def test_a_selection_goes_along_under_its_numbers_in_the_first_run(runs, family):
    parent, child = family
    app = visit("embedding", run=parent.id)
    app.session_state["selected"] = ([0, 7, 57], "Some")
    app.session_state["picked"] = 57
    app.switch_page("../../pages/compare.py")
    app.query_params["runs"] = ids(child, parent)
    app.run()
    assert not app.exception
    assert app.session_state["run"] == child.id
    assert app.session_state["selected"] == ([0, 47], "Some")
    assert app.session_state["picked"] == 47


def test_all_that_is_shown_of_a_side_is_of_the_shared_items(runs, family):
    for run in family:
        session.timeline(run).extend()
    first, other = compared_run.sides(family, {run.id: 1 for run in family}, "AB")
    kept = np.delete(np.arange(N), GONE)
    assert first.items.tolist() == other.items.tolist() == first.rows.tolist() == kept.tolist()
    assert other.rows.tolist() == list(range(50))
    whole = session.timeline(family[0])
    assert first.points.tolist() == whole.points(1)[kept].tolist()
    assert first.view.clusters.tolist() == whole.stable(1)[kept].tolist()
    assert first.view.labels.tolist() == LABELS[kept].tolist()
    assert first.view.wrong.tolist() == (HALF != TRUE)[kept].tolist()
    assert first.view.confidence.tolist() == first.whole.confidence[kept].tolist()
    assert first.view.snapshot.embedding.tolist() == family[0][1].embedding[kept].tolist()
    assert first.has_others
    assert not other.has_others
    assert other.view is other.whole
    table = linked_maps._dots(other, in_plane=False)
    assert table["index"].tolist() == kept.tolist()
    assert table["x"].tolist() == session.timeline(family[1]).points(1)[:, 0].tolist()


def test_the_ground_of_a_run_without_the_items_at_the_rim_fits_the_plane_of_the_first(runs):
    whole = trained(runs, "kmeans", "toy", n_clusters=2, n_init=1)
    points = runs.dataset(whole).items
    rim = np.flatnonzero(np.abs(points - points.mean(0)).max(1) > 0.8).tolist()
    assert 0 < len(rim) < 100
    spec = replace(whole.spec, excluded=rim)
    part = new_run(runs, spec)
    execute(runs.root, part.id)
    app = visit("compare", runs=ids(whole, part))
    assert not app.error
    assert "items**, those that all of these runs have" in words(app)
    square = regions.square_of(points)
    view = View(part, 0, session.timeline(part), session.dataset(part))
    spots = decision_regions.clusters(view, False, square)
    nearest = regions.nearest(session.items(part), regions.spots(square))
    assert spots.tolist() == view.clusters[nearest].tolist()
    own = decision_regions.clusters(view, False)
    assert own.tolist() != spots.tolist()


# -- what cannot be compared ---------------------------------------------------------------------
def test_a_run_over_other_items_is_explained_and_trained_again_on_the_same(runs, runner):
    first = trained(runs, max_iter=2, n_init=1)
    other = made_runs.run(
        runs, [TRUE], made_runs.data(runs, "other", n=N, labels=LABELS), method="dec", seed=3
    )
    app = visit("compare", runs=ids(first, other))
    said = words(app)
    assert "different items" in said
    assert first.title in said
    assert "seed 3" in said
    button(app, "Re-run on the same items and seed").click().run()
    assert not app.exception
    (made,) = runner.given
    spec = runs.run(made).spec
    assert (spec.method, spec.seed, spec.dataset_params) == ("dec", 0, {"n_samples": 200})
    assert asked(app) == [first.id, made]
    said = words(app)
    assert "**A: k-means**" in said  # it is followed at once, beside the one that is there
    assert "DEC on Digits" in said


def test_a_run_over_other_items_can_be_left_out(runs, pair):
    other = made_runs.run(runs, [TRUE], made_runs.data(runs, "other", n=N, labels=LABELS, seed=1))
    app = visit("compare", runs=ids(*pair, other))
    button(app, "Leave it out").click().run()
    assert asked(app) == [run.id for run in pair]
    assert "**B: IIC**" in words(app)


def test_an_unknown_run_in_the_address_is_named_and_the_rest_is_kept(runs, pair):
    app = visit("compare", runs=f"{pair[0].id},no-such-run,../../etc,{pair[1].id},{pair[1].id}")
    said = words(app)
    assert "no-such-run" in said
    assert "../../etc" in said
    assert asked(app) == [run.id for run in pair]
    assert "**B: IIC**" in said


def test_more_than_four_runs_are_cut_with_a_word(runs, pair):
    more = [made_runs.run(runs, [TRUE]) for _ in range(3)]
    app = visit("compare", runs=ids(*pair, *more))
    assert "up to 4 runs, the address names 5" in words(app)
    assert asked(app) == [run.id for run in (*pair, *more[:2])]


def test_a_run_deleted_while_it_is_compared_is_named(runs, pair):
    app = visit("compare", runs=ids(*pair))
    runs.delete(pair[1].id)
    app.run()
    assert not app.exception
    assert pair[1].id in words(app)


def test_without_runs_it_says_what_will_be_here(runs, runner):
    app = visit("compare")
    assert "Put runs side by side" in words(app)
    assert button(app, "Start all three")
    assert asked(app) if "runs" in app.query_params else True


# -- ways in -------------------------------------------------------------------------------------
def test_three_methods_start_at_one_click_and_are_followed(runs, runner):
    app = visit("compare")
    button(app, "Start all three").click().run()
    assert not app.exception
    assert len(runner.given) == 3
    specs = [runs.run(run_id).spec for run_id in runner.given]
    assert [spec.method for spec in specs] == ["dec", "iic", "deepcluster"]
    assert {(s.dataset, s.seed, s.preset) for s in specs} == {("digits", 0, "quick")}
    assert asked(app) == runner.given
    assert "waiting for DEC on" in words(app)


def test_kmeans_and_spectral_start_on_two_moons_at_one_click(runs, runner):
    app = visit("compare")
    button(app, "Start both on two moons").click().run()
    assert not app.exception
    specs = [runs.run(run_id).spec for run_id in runner.given]
    assert [spec.method for spec in specs] == ["kmeans", "spectral"]
    assert all(spec.dataset_params == {"shape": "moons"} for spec in specs)
    assert all(spec.method_params["n_clusters"] == 2 for spec in specs)
    assert asked(app) == runner.given


def test_three_methods_take_the_items_of_the_run_that_is_compared(runs, runner):
    first = trained(runs, max_iter=2, n_init=1)
    app = visit("compare", runs=first.id)
    button(app, "Start all three").click().run()
    keys = {runs.run(run_id).manifest["data_key"] for run_id in runner.given}
    assert keys == {first.manifest["data_key"]}


def test_a_run_that_waits_leaves_the_others_to_be_seen(runs, runner):
    first = trained(runs, max_iter=2, n_init=1)
    second = trained(runs, max_iter=3, n_init=1)
    third = session.queue(first.spec)
    app = visit("compare", runs=ids(third, first, second))
    said = words(app)
    assert "**B: k-means**" in said
    assert "**C: k-means**" in said
    assert third.title in said
    execute(runs.root, third.id)
    app.run()
    assert "**A: k-means**" in words(app)


def test_the_newest_two_over_the_same_items_are_offered(runs, pair):
    made_runs.run(runs, [TRUE], made_runs.data(runs, "other", n=N, labels=LABELS, seed=1))
    app = visit("compare")
    button(app, "Compare the newest two").click().run()
    assert set(asked(app)) == {run.id for run in pair}


def test_the_page_runs_leads_to_a_comparison(runs, pair):
    app = visit("runs")
    assert button(app, "Compare").disabled


def test_a_finished_run_offers_to_compare(runs):
    first = trained(runs, max_iter=2, n_init=1)
    app = visit("train", run=first.id)
    assert [link.label for link in app.get("page_link")].count("Compare") == 1  # side bar
    trained(runs, max_iter=3, n_init=1)
    app = visit("train", run=first.id)
    assert [link.label for link in app.get("page_link")].count("Compare") == 2

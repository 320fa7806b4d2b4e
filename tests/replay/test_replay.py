"""What a replay page holds is what the run says, and what people have named stays text."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import clustlab as cl
from clustlab.analysis import agreement, biography, matching, transitions
from clustlab.analysis.score_catalogue import SCORES
from clustlab.data import library, some_rows
from clustlab.errors import ParameterError, RunNotFound
from clustlab.replay import pictures
from clustlab.replay.packing import NOTHING, packed, sparse, unpacked
from clustlab.replay.page import Limits, page
from clustlab.runs.labels import Label, set_label
from clustlab.runs.store import RunSpec
from clustlab.types import Dataset, Snapshot
from clustlab.views import sheets
from tests.bench import replay_page
from tests.support import made_runs, replayed

N, K = 60, 3
LABELS = np.arange(N) % K
HOSTILE = "</script><script>alert(1)</script> {{FACTS}} <!-- & \\"


def course(seed=0, steps=5, n=N, k=K):
    """Clusters (steps, n) that come closer to the labels from step to step."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    shares = np.linspace(0.8, 0.1, steps)
    return [np.where(rng.random(n) < share, rng.integers(k, size=n), labels) for share in shares]


@pytest.fixture
def run(store):
    made_runs.data(store, n=N, labels=LABELS)
    return made_runs.run(store, course())


@pytest.fixture
def opened(store, run):
    return replayed.opened(page(store, [run.id], Limits()).html)


# -- arrays ----------------------------------------------------------------------------------------
@given(
    st.lists(
        st.tuples(
            st.sampled_from([np.uint8, np.uint16, np.uint32]),
            st.lists(st.integers(0, 4), min_size=1, max_size=3),
            st.integers(0, 2**32 - 1),
        ),
        max_size=4,
    )
)
def test_arrays_come_out_of_a_pack_as_they_went_in(kinds):
    arrays = {}
    for i, (kind, shape, seed) in enumerate(kinds):
        high = np.iinfo(kind).max
        rng = np.random.default_rng(seed)
        arrays[f"a{i}"] = rng.integers(0, high, size=shape, dtype=kind, endpoint=True)
    back = unpacked(*packed(arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_a_pack_takes_whole_numbers_without_a_sign_only():
    with pytest.raises(ValueError, match="x is of type float64"):
        packed({"x": np.zeros(3)})


def test_sparse_tables_name_each_cell_that_is_not_empty():
    tables = [np.array([[0, 2], [3, 0]]), np.zeros((2, 2), int), np.array([[1, 0], [0, 4]])]
    kept = sparse(tables, "t")
    assert kept["t.start"].tolist() == [0, 2, 2, 4]
    for place, table in enumerate(tables):
        assert (replayed.table(kept, "t", place, 2, 2) == table).all()


# -- figures ---------------------------------------------------------------------------------------
def test_figures_are_those_of_the_run(store, run, opened):
    own, (facts,), (arrays,) = cl.open(run.id, store.root), opened.facts["runs"], opened.runs
    n_ids = opened.facts["n_ids"]
    assert (facts["title"], facts["status"], facts["steps"]) == (own.title, "done", [*range(5)])
    curves = own.curves()
    for step in own.steps:
        view = own.view(step)
        told = {key: values[step] for key, values in facts["scores"].items()}
        assert told == {key: SCORES[key].stored(float(curves[key][step])) for key in told}
        assert {"acc", "nmi", "ari", "changed", "confidence"} <= set(told)
        assert {key: told[key] for key in ("acc", "nmi")} == {
            key: own.scores(step)[key] for key in ("acc", "nmi")
        }
        clusters = replayed.clusters(arrays, opened.facts, step)
        assert (clusters == own.assignments(step)).all()
        counts = replayed.table(arrays, "confusion", step, K, n_ids + 1)
        assert (counts[:, :n_ids] == view.counts).all()
        assert (arrays["class_of"][step] == view.class_of).all()
        np.testing.assert_allclose(
            arrays["confidence"][step] / 65535, view.confidence, rtol=0, atol=1e-5
        )
        places = np.stack([arrays["x"][step], arrays["y"][step]], 1) / 65535 * 2.3 - 1.15
        np.testing.assert_allclose(
            places, np.clip(view.timeline.points(step), -1.15, 1.15), atol=3e-5
        )
        assert (arrays["size"][step] == matching.sizes_of(clusters, n_ids + 1)).all()
    assert [alarm["title"] for alarm in facts["alarms"]] == [a["title"] for a in own.alarms]


def test_shifts_are_those_from_the_step_before(store, run, opened):
    own, (arrays,), n_ids = cl.open(run.id, store.root), opened.runs, opened.facts["n_ids"]
    assert opened.facts["runs"][0]["beginnings"] == ["first", *["carried on"] * 4]
    assert not replayed.table(arrays, "shifts", 0, n_ids + 1, n_ids + 1).any()
    for step in range(1, 5):
        moved = transitions.table(own.assignments(step - 1), own.assignments(step), n_ids)
        assert (replayed.table(arrays, "shifts", step, n_ids + 1, n_ids + 1) == moved).all()
        assert (
            f"{(moved.sum() - moved.trace()):,} of 60"
            in opened.facts["runs"][0]["stories"][step][0]
        )


def test_images_and_labels_are_those_of_the_items(store, run, opened):
    dataset = store.dataset(run)
    assert (opened.items["label"] == LABELS).all()
    assert opened.facts["class_names"] == ["zero", "one", "two"]
    for item in (0, 7, N - 1):
        assert (replayed.tile(opened, item) == dataset.items[item]).all()


def test_the_most_central_items_are_those_of_the_sheets(store, run, opened):
    own, (arrays,) = cl.open(run.id, store.root), opened.runs
    for step in own.steps:
        view = own.view(step)
        for cluster in view.ids:
            members = np.flatnonzero(view.clusters == cluster)
            ranked = members[np.argsort(arrays["central"][step][members])]
            assert (ranked == sheets.order("central", members, view.snapshot)).all()


def test_neighbours_are_those_of_the_biography(store, run, opened):
    own, (arrays,) = cl.open(run.id, store.root), opened.runs
    for item in (0, 31):
        for place, step in ((0, 0), (1, 4)):
            told = biography.near(run, own.view(step).timeline, item, step, 8)
            assert arrays["near"][place][item].tolist() == told["items"]


def test_where_it_comes_from_is_told(store, run, opened):
    about = dict(row for rows in opened.facts["runs"][0]["about"].values() for row in rows)
    assert about["Run"] == run.id
    assert (about["Method"], about["Seed"], about["Preset"]) == ("k-means", "0", "quick")
    assert len(about["Fingerprint of the items"]) > 20
    assert about["Number of clusters"] == "10"


# -- kinds of items and clusters -------------------------------------------------------------------
def test_noise_is_a_state_of_its_own(store):
    made_runs.data(store, n=N, labels=LABELS)
    embedding = np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)
    clusters = [np.where(np.arange(N) < 9, -1, LABELS), np.where(np.arange(N) < 4, -1, LABELS)]
    steps = [Snapshot(embedding, each, {}) for each in clusters]
    made = made_runs.write(store, steps, made_runs.dataset(N, LABELS))
    opened = replayed.opened(page(store, [made.id], Limits()).html)
    (arrays,), n_ids = opened.runs, opened.facts["n_ids"]
    assert (arrays["cluster"][0] == NOTHING).sum() == 9
    assert arrays["size"][:, n_ids].tolist() == [9, 4]
    moved = replayed.table(arrays, "shifts", 1, n_ids + 1, n_ids + 1)
    assert moved[n_ids].tolist() == [1, 2, 2, 4]
    assert replayed.table(arrays, "confusion", 0, K, n_ids + 1)[:, n_ids].tolist() == [3, 3, 3]


@pytest.mark.parametrize("width", [2, 7])
def test_points_without_labels_have_pictures_but_no_classes(store, width):
    items = np.random.default_rng(0).normal(size=(20, width)).astype(np.float32)
    made = made_runs.write(store, [made_runs.hard(np.arange(20) % 3, 3)], Dataset("points", items))
    opened = replayed.opened(page(store, [made.id], Limits()).html)
    assert "label" not in opened.items
    assert not opened.facts["has_images"]
    assert "acc" not in opened.facts["runs"][0]["scores"]
    assert set(opened.facts["colourings"]) == {"cluster", "confidence", "changes"}
    assert len(np.unique(replayed.tile(opened, 3))) > 1


def test_what_people_have_named_is_text(store):
    items = made_runs.dataset(4).items
    data = Dataset(
        "digits", items, np.array([0, 1, 0, 1], np.int32), (HOSTILE, "b"), item_names=[HOSTILE] * 4
    )
    made = made_runs.write(store, [made_runs.hard([0, 1, 0, 1], 2)] * 2, data)
    set_label(made, Label(HOSTILE, (), ""))
    opened = replayed.opened(page(store, [made.id], Limits()).html)
    assert opened.facts["class_names"][0] == HOSTILE
    assert opened.facts["names"] == [HOSTILE] * 4
    assert opened.facts["runs"][0]["title"] == HOSTILE
    assert "alert(1)</script>" not in opened.text
    # what a browser takes for a script: facts, four packs of data, and one that runs
    assert len(re.findall(r"<script", opened.text)) == 5
    assert len(re.findall(r"</script>", opened.text)) == 5


def test_the_page_allows_itself_nothing_but_what_is_in_it(opened):
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', opened.text)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert set(rules) == {
        *("default-src", "img-src", "style-src", "script-src", "base-uri", "form-action")
    }
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["style-src"])
    assert rules["img-src"] == "data:"
    assert not re.search(r"""(src|href)=["']?(?!data:)[a-z/]""", opened.text.split("<style>")[0])


def test_images_of_any_shape_are_whole_and_small_enough(monkeypatch):
    rng = np.random.default_rng(0)
    wide = rng.integers(256, size=(30, 20, 40, 3), dtype=np.uint8)
    made = pictures.atlas(wide, np.array([3, 29]))
    assert (made.side, made.columns) == (40, 2)
    monkeypatch.setattr(pictures, "MOST_BYTES", 12_000)
    small = pictures.atlas(wide, np.arange(30))
    assert len(small.webp) <= 12_000
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)  # what nothing fits in ends, too
    assert pictures.atlas(wide, np.arange(30)).side == pictures.LEAST
    monkeypatch.setattr(pictures, "MOST_PIXELS", 3000)
    assert pictures.atlas(wide, np.arange(30)).side == 10


# -- large runs ------------------------------------------------------------------------------------
def test_of_a_long_run_over_many_items_a_part_is_shown_and_all_are_counted(store):
    made_runs.data(store, n=N, labels=LABELS)
    run = made_runs.run(store, course(steps=9))
    made = page(store, [run.id], Limits(steps=4, items=20))
    opened = replayed.opened(made.html)
    (facts,), (arrays,), n_ids = opened.facts["runs"], opened.runs, opened.facts["n_ids"]
    assert (made.n_steps, made.n_items) == (4, 20)
    assert facts["steps"] == [0, 3, 5, 8]
    assert len(facts["scores"]["acc"]) == 9
    assert arrays["x"].shape == (4, 20)
    own = cl.open(run.id, store.root)
    for place, step in enumerate(facts["steps"]):
        clusters = own.assignments(step)
        assert (
            replayed.clusters(arrays, opened.facts, place) == clusters[opened.items["item"]]
        ).all()
        assert arrays["size"][place].sum() == N
    moved = replayed.table(arrays, "shifts", 1, n_ids + 1, n_ids + 1)
    assert (moved == transitions.table(own.assignments(0), own.assignments(3), n_ids)).all()
    assert made.notes == tuple(opened.facts["notes"])
    assert [note.split(",")[0] for note in made.notes] == [
        "20 of 60 images are shown",
        "4 of 9 steps are shown; curves have all of them",
    ]


@pytest.mark.parametrize("limits", [{"steps": 1}, {"items": 0}, {"items": 65_001}, {"steps": 1001}])
def test_limits_out_of_range_are_refused(limits):
    with pytest.raises(ParameterError, match="cannot be made"):
        Limits(**limits)


def test_a_page_that_no_browser_would_open_is_refused(store, run, monkeypatch):
    monkeypatch.setattr("clustlab.replay.page.MOST_PLACES", 299)
    with pytest.raises(ParameterError, match="60 items at 5 steps are 300 places"):
        page(store, [run.id], Limits())
    assert page(store, [run.id], Limits(items=59)).n_items == 59


def test_a_step_that_cannot_be_read_is_left_out(store, run):
    (run.path / "snapshots" / "00002.npz").write_bytes(b"damaged")
    made = page(store, [run.id], Limits())
    opened = replayed.opened(made.html)
    assert opened.facts["runs"][0]["steps"] == [0, 1, 3, 4]
    assert made.notes == ("Steps that cannot be read are left out: 2.",)


@pytest.mark.slow
def test_five_thousand_images_and_forty_steps_stay_under_eight_megabytes(store):
    """Even of noise, which cannot be packed; of MNIST it is less than half of that."""
    run = replay_page.made_up(store, 5000, 40)
    made = page(store, [run.id], Limits())
    assert (made.n_steps, made.n_items, made.notes) == (40, 5000, ())
    assert len(made.html) < 8_000_000


# -- two runs --------------------------------------------------------------------------------------
def test_two_runs_have_common_numbers_and_agree_as_compared(store, run):
    swapped = [(each + 1) % K for each in course(seed=4, steps=3)]
    other = made_runs.run(store, swapped, method="dec")
    opened = replayed.opened(page(store, [run.id, other.id], Limits()).html)
    facts, n_ids = opened.facts, opened.facts["n_ids"]
    assert facts["frames"] == [0, 1, 2, 3, 4]
    ends = [replayed.clusters(a, facts, -1) for a in opened.runs]
    assert (matching.hungarian(matching.contingency(*ends)) == np.arange(K)).all()
    told = cl.compare(run.id, other.id, folder=store.root)
    assert facts["agreement"][-1] == [told["ari"][0][1], told["nmi"][0][1]]
    assert opened.pair["verdict"][-1].tolist()[:4] == [
        told["pairs"][0]["right"][name] for name in ("both", "only_a", "only_b", "neither")
    ]
    both = replayed.table(opened.pair, "common", 4, n_ids + 1, n_ids + 1)
    assert both[:K, :K].tolist() == told["pairs"][0]["contingency"]
    assert {row["name"] for row in facts["differing"]} >= {"Method"}


def test_sentences_and_tables_of_the_second_run_have_its_common_numbers(store, run):
    """Of the moves that a sentence names, the table beside it has as many."""
    swapped = [(each + 1) % K for each in course(seed=4, steps=5)]
    other = made_runs.run(store, swapped, method="dec")
    opened = replayed.opened(page(store, [run.id, other.id], Limits()).html)
    named = 0
    for place, story in enumerate(opened.facts["runs"][1]["stories"]):
        move = re.search(r"move is (\d+) images? from cluster (\d+) to cluster (\d+)", story[1])
        if move:
            number, before, after = map(int, move.groups())
            size = opened.facts["n_ids"] + 1
            moved = replayed.table(opened.runs[1], "shifts", place, size, size)
            assert moved[before, after] == number
            named += 1
    assert named


def test_two_runs_are_compared_over_the_items_they_share(store):
    key, gone = library.key("digits", {}, 0), [0, 1]
    made_runs.data(store, key, n=N, labels=LABELS)
    whole = made_runs.run(store, course(), key)
    part = library.key("digits", {}, 0, gone)
    left = some_rows.without(library.open_folder(store.root / "_data" / key), gone)
    library._save(store.root / "_data" / part, left)
    part = made_runs.run(store, [c[2:] for c in course(seed=1)], part, excluded=gone)
    made = page(store, [whole.id, part.id], Limits())
    opened = replayed.opened(made.html)
    assert opened.items["item"].tolist() == [*range(2, N)]
    assert opened.facts["n_items"] == N - 2
    assert [a["size"][0].sum() for a in opened.runs] == [N - 2, N - 2]
    told = cl.compare(whole.id, part.id, folder=store.root)
    for i, run in enumerate(told["runs"]):
        assert opened.facts["runs"][i]["scores"]["acc"][-1] == pytest.approx(run["acc"])
    assert any("of which 58 are compared" in note for note in made.notes)
    aligned = [replayed.clusters(a, opened.facts, -1) for a in opened.runs]
    ari, _ = agreement.scores(aligned)
    assert opened.facts["agreement"][-1][0] == pytest.approx(ari[0, 1], abs=1e-5)


def test_runs_that_cannot_be_on_a_page_are_refused(store, run):
    with pytest.raises(ParameterError, match="one run or two, got 3"):
        page(store, [run.id] * 3, Limits())
    with pytest.raises(ParameterError, match="different runs"):
        page(store, [run.id, run.id], Limits())
    with pytest.raises(RunNotFound):
        page(store, ["nothing"], Limits())
    spec = RunSpec("digits", "kmeans")
    empty = store.create(spec, method_title="k", dataset_title="d", data_key="made")
    with pytest.raises(RunNotFound, match="has no step yet"):
        page(store, [empty.id], Limits())
    made_runs.data(store, "others", n=12, seed=5)
    other = made_runs.run(store, [np.arange(12) % 3], "others")
    with pytest.raises(ParameterError, match="other items"):
        page(store, [run.id, other.id], Limits())

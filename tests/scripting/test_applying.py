"""Runs applied to new items: their own items come back, strange ones are told, bad input is too."""

import io
import json
import zipfile
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from clustlab import registry
from clustlab.cli.command_line import main
from clustlab.errors import ClustlabError, DataError, ParameterError
from clustlab.explaining.new_items import USUAL, Judge
from clustlab.explaining.scorers import can_score, load_scorer
from clustlab.parts.inputs.sampling import drawn_rows
from clustlab.runs.store import RunSpec, RunStore
from clustlab.scripting.applying import Application
from clustlab.scripting.data import import_data
from clustlab.scripting.runs import open_run
from clustlab.training.worker import execute, new_run
from clustlab.training.writer import load_checkpoint
from tests.methods.test_scorers import IMAGES, POINTS, SCORING, trained
from tests.support import made_runs
from tests.support.odd_arrays import png, vectors
from tests.support.own_data import image_set, vector_set

SWITCHES = {"standardise": True, "whiten_columns": True, "unit_length": True}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Makes a small run of a method on digits or on points, once; returns it opened."""
    store = RunStore(tmp_path_factory.mktemp("runs"))

    @cache
    def made(method, data="images"):
        run = trained(store, method, IMAGES if data == "images" else POINTS)
        return open_run(run.id, store.root)

    return made


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty folder for imported sets."""
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def run_on(tmp_path, dataset, data=None, method="kmeans", **settings):
    store = RunStore(tmp_path / "runs")
    made = new_run(store, RunSpec(dataset, method, data or {}, settings, "quick"))
    execute(store.root, made.id)
    assert made.status == "done", made.progress
    return open_run(made.id, store.root)


def in_file(run):
    """Raw cluster of each item of an imported set, in the order of its file."""
    clusters = run.assignments(ids="raw")
    wanted = np.empty_like(clusters)
    wanted[drawn_rows(len(clusters), None, run.stored.spec.seed)] = clusters
    return wanted


def zipped(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(name, content)
    return path


def as_files(images):
    return [(f"{i:04d}.png", png(image[..., 0])) for i, image in enumerate(images)]


def in_order(table):
    """A table by the numbers in the names of its items."""
    return table.assign(n=table["name"].str[:4].astype(int)).sort_values("n")


# -- its own items -------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["kmeans", "gmm", "dec"])
def test_its_own_images_get_their_clusters_from_files_and_arrays(shared, method, tmp_path):
    run = shared(method)
    items = run.dataset.items
    np.savez(tmp_path / "a.npz", x=np.zeros((len(items), 3)), images=items)
    files = in_order(run.apply(zipped(tmp_path / "a.zip", as_files(items))))
    for table in (run.apply(tmp_path / "a.npz"), run.apply(items), files):
        assert table["raw_cluster"].tolist() == run.assignments(ids="raw").tolist()
        assert table["cluster"].tolist() == run.assignments().tolist()
        assert table["is_strange"].mean() <= (100 - USUAL) / 100
    view = run.view()
    meant = [view.class_name(view.class_of[c]) for c in view.clusters]
    assert files["stands_for"].tolist() == meant


@pytest.mark.slow
@pytest.mark.parametrize("method", SCORING)
def test_every_method_that_can_gives_its_own_items_their_clusters(shared, method):
    """At this size all items are one batch; larger sets are nearly so where BatchNorm uses it."""
    run = shared(method)
    table = run.apply(run.dataset.items)
    assert table["raw_cluster"].tolist() == run.assignments(ids="raw").tolist()
    assert table["is_strange"].mean() <= (100 - USUAL) / 100
    assert ("probability" in table) == (run.probabilities() is not None)


@pytest.mark.parametrize("method", ["kmeans", "imsat"])
def test_its_own_vectors_get_their_clusters_through_every_switch(method, tmp_path, data_folder):
    x = vectors(150, 6) * [1, 50, 1, 0.01, 1, 1] + [0, 0, 900, 0, 0, 0]
    table = pd.DataFrame(x, columns=list("abcdef")).assign(kind="x", name=np.arange(150))
    table.to_csv(tmp_path / "a.csv", index=False)
    name = import_data(tmp_path / "a.csv", "Mine", features=tuple("abcdef"), progress=False)
    settings = {"n_clusters": 3} | ({"epochs": 2, "batch_size": 32} if method == "imsat" else {})
    run = run_on(tmp_path, name, SWITCHES, method, **settings)
    wanted = in_file(run).tolist()
    assert len(set(wanted)) > 1
    turned = table[["f", "kind", "b", "a", "name", "c", "e", "d"]]
    turned.to_parquet(tmp_path / "turned.parquet")
    for given in (tmp_path / "a.csv", tmp_path / "turned.parquet", turned, x):
        assert run.apply(given)["raw_cluster"].tolist() == wanted
    half = run.apply(x[75:])  # on the scale of the training set, not on its own
    assert half["raw_cluster"].tolist() == wanted[75:]
    with pytest.raises(ParameterError, match=r"has not the columns a, b\. The run was trained on"):
        run.apply(table.drop(columns=["a", "b"]))


def test_a_run_without_some_items_has_the_scale_of_its_whole_draw(tmp_path, data_folder):
    x = vectors(90, 4) * [1, 30, 1, 1]
    name = import_data(x, "Mine", progress=False)
    store = RunStore(tmp_path / "runs")
    spec = RunSpec(name, "kmeans", {"standardise": True}, {"n_clusters": 3}, "quick")
    made = new_run(store, RunSpec(**{**vars_of(spec), "excluded": tuple(range(20))}))
    execute(store.root, made.id)
    run = open_run(made.id, store.root)
    kept = drawn_rows(90, None, 0)[20:]
    found = run.apply(x[kept])
    assert found["raw_cluster"].tolist() == run.assignments(ids="raw").tolist()


def vars_of(spec):
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


def test_images_are_treated_as_at_import(tmp_path, data_folder):
    """Shape, ground and the range of 16 bits: a part of the images has another range than all."""
    rng = np.random.default_rng(0)
    files = []
    for i in range(40):
        deep = rng.integers(0, 300, (16, 24)).astype(np.uint16)
        deep[:, : 12 if i % 2 else 24] += 1000 * (1 + i % 4)
        out = io.BytesIO()
        Image.fromarray(deep).save(out, "PNG")
        files.append((f"{i:04d}.png", out.getvalue()))
    path = zipped(tmp_path / "all.zip", files)
    choices = {"size": (12, 12), "fit": "pad", "ground": "white"}
    run = run_on(tmp_path, import_data(path, "Mine", progress=False, **choices), n_clusters=4)
    wanted = in_file(run)
    assert in_order(run.apply(path))["raw_cluster"].tolist() == wanted.tolist()
    dark = [i for i in range(40) if i % 4 == 0]
    some = in_order(run.apply(zipped(tmp_path / "some.zip", [files[i] for i in dark])))
    assert some["raw_cluster"].tolist() == wanted[dark].tolist()
    assert not some["is_strange"].any()


def test_arrays_have_the_range_of_the_training_set(tmp_path, data_folder):
    x = np.random.default_rng(0).normal(0, 40, (60, 6, 6))
    x += np.repeat([-900, 100, 2500], 20)[:, None, None]
    np.save(tmp_path / "all.npy", x)
    name = import_data(tmp_path / "all.npy", "Mine", progress=False)
    run = run_on(tmp_path, name, n_clusters=3)
    wanted = in_file(run).tolist()
    assert len(set(wanted)) == 3
    for start in (0, 20, 40):
        found = run.apply(x[start : start + 20])
        assert found["raw_cluster"].tolist() == wanted[start : start + 20]


def test_a_column_of_images_has_the_range_of_the_training_set(tmp_path, data_folder):
    def cell(level):
        out = io.BytesIO()
        noise = np.random.default_rng(level).integers(0, 50, (8, 8))
        Image.fromarray((noise + level).astype(np.uint16)).save(out, "PNG")
        return {"bytes": out.getvalue(), "path": f"{level}.png"}

    table = pd.DataFrame({"image": [cell(1000 * (i % 3) + i) for i in range(30)]})
    table.to_parquet(tmp_path / "all.parquet")
    name = import_data(tmp_path / "all.parquet", "Mine", progress=False)
    run = run_on(tmp_path, name, n_clusters=3)
    wanted = in_file(run)
    table[::3].to_parquet(tmp_path / "some.parquet")
    assert run.apply(tmp_path / "some.parquet")["raw_cluster"].tolist() == wanted[::3].tolist()


# -- what is told of each ------------------------------------------------------------------------
@pytest.mark.parametrize(
    "method", ["kmeans", "gmm", pytest.param("ae-kmeans", marks=pytest.mark.slow)]
)
def test_strange_images_are_told_from_others_of_the_kind(shared, tmp_path, method):
    run = shared(method)
    if method == "ae-kmeans":  # has to learn something first
        settings = registry.method(method).presets["quick"]
        run = run_on(tmp_path, "digits", {"n_samples": 1000}, method, **settings)
    rng = np.random.default_rng(0)
    everything = registry.dataset("digits")().load(0, lambda *_: None).items
    known = {item.tobytes() for item in run.dataset.items}
    others = np.stack([item for item in everything if item.tobytes() not in known])
    noise = rng.integers(0, 256, (200, *others.shape[1:]), dtype=np.uint8)
    usual, strange = run.apply(others[:400]), run.apply(noise)
    assert usual["is_strange"].mean() < 0.1
    assert strange["is_strange"].mean() > 0.7
    assert strange["distance"].min() > usual["distance"].median()


def test_the_rule_for_strange_items_by_hand(shared):
    run = shared("kmeans", "points")
    scorer = load_scorer(run.store, run.stored)
    judge = Judge(scorer, run.dataset.items)
    known = scorer.inputs[np.arange(len(scorer.inputs))].numpy()
    apart = np.sort(np.linalg.norm(known[:, None] - known, axis=2), axis=1)
    assert judge.usual_distance == pytest.approx(np.percentile(apart[:, 10], 99), rel=1e-4)
    new = np.array([[0.1, 0.2], [50, 50]], np.float32)
    mean, scale = run.dataset.items.mean(0), (run.dataset.items - run.dataset.items.mean(0)).std()
    gaps = np.sort(np.linalg.norm(((new - mean) / scale)[:, None] - known, axis=2), axis=1)
    found = judge.judge(new)
    np.testing.assert_allclose(found.distances, gaps[:, 9], rtol=1e-4)
    assert found.is_strange.tolist() == (gaps[:, 9] > judge.usual_distance).tolist()
    assert found.is_strange[1]


def test_wide_rows_are_far_also_by_what_no_component_shows(shared, monkeypatch):
    run = shared("kmeans")
    monkeypatch.setattr("clustlab.explaining.new_items.WIDEST", 3)
    judge = Judge(load_scorer(run.store, run.stored), run.dataset.items)
    dot = np.zeros((1, *run.dataset.items.shape[1:]), np.uint8)
    dot[0, 0, 0] = dot[0, 7, 0] = dot[0, 7, 7] = 255  # where no digit has any ink
    assert judge.judge(dot).is_strange.all()
    assert judge.judge(run.dataset.items).is_strange.mean() <= 0.01


def test_an_item_is_judged_alike_alone_and_among_others(shared, monkeypatch):
    run = shared("dec")
    application = Application(run.store, run.stored)
    together = application.judge.judge(run.dataset.items[:30])
    monkeypatch.setattr("clustlab.explaining.new_items.pass_size", lambda shape: 7)
    pieces = application.judge.judge(run.dataset.items[:30])
    assert pieces.clusters.tolist() == together.clusters.tolist()
    np.testing.assert_allclose(pieces.distances, together.distances, atol=1e-4)
    np.testing.assert_allclose(pieces.probabilities, together.probabilities, atol=1e-5)


def test_probabilities_are_those_of_the_run(shared):
    run = shared("dec")
    table = run.apply(run.dataset.items, all_probabilities=True)
    p = run.probabilities()
    np.testing.assert_allclose(table["probability"], p.max(1), atol=1e-4)
    columns = [name for name in table if name.startswith("p_")]
    assert columns == [f"p_{k}" for k in range(5)]
    sure = [row[f"p_{row['cluster']}"] for row in table.to_dict("records")]
    np.testing.assert_allclose(sure, p.max(1), atol=1e-4)
    np.testing.assert_allclose(table[columns].sum(axis=1), 1, atol=1e-4)
    assert "probability" not in shared("kmeans").apply(run.dataset.items)


def test_what_is_too_far_for_any_answer_gets_none(shared):
    run = shared("kmeans", "points")
    found = run.apply(np.array([[3e38, -3e38], [0, 0]], np.float32), all_probabilities=True)
    assert found["cluster"].tolist()[0] == -1
    assert found["raw_cluster"].tolist()[0] == -1
    assert found["stands_for"].isna().tolist() == [True, False]
    assert found["is_strange"].tolist()[0]
    assert np.isinf(found["distance"][0])
    assert found["cluster"][1] >= 0


@pytest.mark.parametrize("method", registry.methods())
def test_a_method_can_judge_new_items_or_says_why_not(method):
    assert can_score(method) != bool(registry.why_no_scorer(registry.method(method)))


# -- the command ---------------------------------------------------------------------------------
def answered(capsys, run, *words):
    """Exit code, the last line of standard output as JSON, and the complaints."""
    code = main(["apply", run.id, *map(str, words), "--runs", str(run.store.root)])
    said = capsys.readouterr()
    lines = said.out.splitlines()
    return code, json.loads(lines[-1]) if lines else None, said.err


def test_the_command_writes_a_table_and_says_what_is_in_it(shared, tmp_path, capsys):
    run = shared("dec")
    files = [*as_files(run.dataset.items[:20]), ("=evil.png", png(np.zeros((9, 9), np.uint8)))]
    path = zipped(tmp_path / "a.zip", [*files, ("b.png", b"nothing")])
    code, told, err = answered(capsys, run, path, "-o", tmp_path / "out.parquet")
    assert code == 0, err
    table = pd.read_parquet(tmp_path / "out.parquet")
    assert list(table) == [
        *("item", "name", "cluster", "raw_cluster", "stands_for", "probability", "distance"),
        "is_strange",
    ]
    assert told["items"] == len(table) == 21
    assert told["strange"] == table["is_strange"].sum()
    assert told["clusters"] == {str(k): n for k, n in table["cluster"].value_counts().items()}
    assert (told["run"], told["step"], told["agreement"]) == (run.id, len(run.steps) - 1, 1.0)
    assert told["refused"] == {"count": 1, "reasons": {"is not an image that can be read": 1}}
    assert told["neighbour"] == 10
    assert "refused: b.png: is not an image that can be read" in err
    words = [path, "-o", tmp_path / "out.csv"]
    assert answered(capsys, run, *words)[0] == 0
    flat = pd.read_csv(tmp_path / "out.csv")
    assert flat["name"].tolist()[-1] == "'=evil.png"  # no formula
    assert flat["cluster"].tolist() == table["cluster"].tolist()
    assert answered(capsys, run, *words)[0] == 2  # is there already
    assert answered(capsys, run, *words, "--force", "--step", len(run.steps) - 1)[0] == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.zip", "out.csv", "out.parquet"]


def test_tables_of_several_pieces_are_one(shared, tmp_path, capsys, monkeypatch):
    run = shared("kmeans", "points")
    monkeypatch.setattr("clustlab.scripting.applying.TOGETHER", 8 * 40)
    np.save(tmp_path / "a.npy", run.dataset.items)
    for name, read in (("a.csv", pd.read_csv), ("a.parquet", pd.read_parquet)):
        code, told, err = answered(capsys, run, tmp_path / "a.npy", "-o", tmp_path / name)
        assert (code, told["items"]) == (0, 150), err
        table = read(tmp_path / name)
        assert table["item"].tolist() == list(range(150))
        assert table["raw_cluster"].tolist() == run.assignments(ids="raw").tolist()


def test_rows_that_are_refused_keep_their_numbers(shared, tmp_path, capsys):
    x = np.array([[0, 1], [np.nan, 2], [1, 1]], np.float32)
    np.save(tmp_path / "a.npy", x)
    run = shared("kmeans", "points")
    code, told, err = answered(capsys, run, tmp_path / "a.npy", "-o", tmp_path / "a.csv")
    assert (code, told["items"], told["refused"]["count"]) == (0, 2, 1)
    assert "row 1: holds nan in column 0" in err
    assert pd.read_csv(tmp_path / "a.csv")["item"].tolist() == [0, 2]


@pytest.fixture
def bad(tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((4, 7), np.float32))
    np.save(tmp_path / "nan.npy", np.full((4, 2), np.nan, np.float32))
    np.save(tmp_path / "points.npy", np.zeros((4, 2), np.float32))
    np.save(tmp_path / "images.npy", np.zeros((4, 8, 8), np.uint8))
    (tmp_path / "text.csv").write_text("hello\nworld\n")
    (tmp_path / "empty.npy").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "words", "said"),
    [
        ("points", ["wide.npy"], "holds vectors of 7 numbers, but the run was trained on 2"),
        ("points", ["images.npy"], "holds images, but the run was trained on vectors"),
        ("points", ["nan.npy"], "can be judged: row 0 holds nan in column 0"),
        ("points", ["empty.npy"], "is empty"),
        ("points", ["none.npy"], "There is no"),
        ("points", ["text.csv"], "holds no column of numbers"),
        ("points", ["points.npy", "--step", "0"], "can judge new items, not step 0"),
        ("points", ["points.npy", "--step", "-1"], "must be 0 or more"),
        ("points", ["points.npy", "-o", "{}/a.xlsx"], "End it in .parquet or .csv"),
        ("points", ["points.npy", "-o", "{}/none/a.csv"], "There is no folder"),
        ("images", ["points.npy"], "holds vectors of 2 numbers, but the run was trained on images"),
        ("images", ["text.csv"], "holds no column of numbers, vectors or images"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(shared, bad, kind, words, said, capsys):
    words = [bad / words[0], *(word.format(bad) for word in words[1:])]
    words += [] if "-o" in words else ["-o", bad / "out.csv"]
    before = sorted(bad.iterdir())
    code, told, err = answered(capsys, shared("kmeans", kind), *words)
    assert (code, told) == (2, None)
    complaint = err.splitlines()[-1]
    assert said in complaint
    assert "Traceback" not in err
    assert sorted(bad.iterdir()) == before


def test_runs_that_cannot_judge_say_why_and_which_can(store, tmp_path, capsys):
    data = made_runs.dataset(12)
    rng = np.random.default_rng(0)
    steps = [made_runs.sure([0, 1, 2] * 4, 3, rng)]
    np.save(tmp_path / "a.npy", data.items)
    for method, why in (("hdbscan", "dense places"), ("agglomerative", "two by two")):
        run = open_run(made_runs.write(store, steps, data, method=method).id, store.root)
        code, told, err = answered(capsys, run, tmp_path / "a.npy")
        assert (code, told) == (2, None)
        assert "cannot judge a new item: " in err
        assert why in err
        assert "These methods can: ae-kmeans, " in err
    run = open_run(made_runs.write(store, steps, data).id, store.root)
    assert "has kept no trained parts" in answered(capsys, run, tmp_path / "a.npy")[2]


@pytest.mark.parametrize("shape", [(9, 64), (5, 3), (5,)])
def test_kept_parts_of_another_size_do_no_harm(store, tmp_path, capsys, shape):
    run = open_run(trained(store, "kmeans").id, store.root)
    file = run.path / "checkpoint.pt"
    state = load_checkpoint(file)
    state["parts"]["centers"]["tensor"] = torch.rand(shape)
    torch.save(state, file)
    noise = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "a.npy", noise)
    code, told, err = answered(capsys, run, tmp_path / "a.npy", "-o", tmp_path / "a.csv")
    if shape == (9, 64):  # more clusters than the step tells of
        assert code == 0
        assert max(map(int, told["clusters"])) >= 5
        assert pd.read_csv(tmp_path / "a.csv")["stands_for"].isna().any()
    else:
        assert (code, told) == (2, None)
        assert "does not fit its method" in err


def test_a_scale_that_cannot_be_measured_any_more_is_told(tmp_path, data_folder):
    x = vectors(60, 4)
    name = import_data(x, "Mine", progress=False)
    plain = run_on(tmp_path, name, n_clusters=3)
    scaled = run_on(tmp_path, name, {"standardise": True}, n_clusters=3)
    assert main(["remove", name, "--yes", "--runs", str(tmp_path / "runs")]) == 0
    assert plain.apply(x)["raw_cluster"].tolist() == in_file(plain).tolist()
    with pytest.raises(DataError, match=r"put on a scale.*is not there any more.*import the same"):
        scaled.apply(x)


def test_what_was_made_elsewhere_cannot_judge(tmp_path, data_folder, capsys):
    own = vector_set("Mine", 30, shown=False)
    frame = pd.DataFrame({"name": list(own.item_names()), "cluster": np.arange(30) % 3})
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    runs = ["--runs", str(tmp_path / "runs")]
    main(["import-clustering", str(tmp_path / "theirs.csv"), "--dataset", "mine", *runs])
    theirs = json.loads(capsys.readouterr().out.splitlines()[-1])["run"]
    run = open_run(theirs, tmp_path / "runs")
    code, told, err = answered(capsys, run, tmp_path / "theirs.csv")
    assert (code, told) == (2, None)
    assert "made elsewhere" in err


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (np.array(["a", "b"]), "holds neither images nor vectors"),
        (np.array([object()]), "holds neither images nor vectors"),
        (np.float32(3), "array.npy"),
        (np.zeros((0, 2)), "array.npy"),
        (pd.DataFrame({"a": [1, "b", object()]}), "The table cannot be read"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "The table cannot be read"),
        (pd.DataFrame(), "table.parquet"),
    ],
)
def test_what_is_in_memory_is_refused_in_words(shared, data_folder, items, said):
    with pytest.raises(ClustlabError, match=said):
        shared("kmeans", "points").apply(items)
    assert not list((data_folder / "imported").glob(".*"))


def test_a_table_whose_columns_are_numbers_is_taken(shared, data_folder):
    run = shared("kmeans", "points")
    found = run.apply(pd.DataFrame(run.dataset.items[:9]))
    assert found["raw_cluster"].tolist() == run.assignments(ids="raw")[:9].tolist()


def test_what_is_not_known_of_an_import_is_said(tmp_path, data_folder, capsys):
    images = made_runs.dataset(30).items
    np.save(tmp_path / "a.npy", images)
    words = [tmp_path / "a.npy", "-o", tmp_path / "a.csv", "--force"]
    known = import_data(images, "Known", progress=False)
    for name, is_unsure in ((known, False), (image_set(n=30).name, True)):  # as earlier versions
        code, told, err = answered(capsys, run_on(tmp_path, name, n_clusters=3), *words)
        assert (code, told["items"]) == (0, 30)
        assert ("is not known (any more)" in err) == is_unsure

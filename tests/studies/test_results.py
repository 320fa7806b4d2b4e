"""A study from its description to its figures, on runs that take moments."""

import json
import math
import tomllib

import numpy as np
import pandas as pd
import pytest

from clustlab.__main__ import main
from clustlab.analysis import metrics
from clustlab.errors import ParameterError
from clustlab.studies import summary
from clustlab.studies.carry_out import carry_out, to_do
from clustlab.studies.description import Base, Cell, Study, axis_of, in_words
from clustlab.studies.from_file import read_study
from clustlab.studies.state import counts, places
from clustlab.studies.store import Studies
from clustlab.studies.summary import CellSummary, best, paired
from clustlab.training.worker import new_run

BARE = ("--base", "dataset=digits", "method=kmeans")
BASE = Base("digits", "kmeans", "quick", {"n_samples": 150}, {"n_init": 1, "max_iter": 3})


def of_words(*words, name="k of k-means"):
    return Study(name, BASE, tuple(axis_of(word, BASE) for word in words))


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory):
    """A study of two numbers of clusters with two seeds, and the store of its runs."""
    from clustlab.runs.store import RunStore

    store = RunStore(tmp_path_factory.mktemp("study") / "runs")
    study = Studies(store).keep(of_words("n_clusters=4,10", "seed=0..1"))
    told = []
    ended = carry_out(study, store, told.append)
    assert (ended.done, ended.not_done) == (4, {})
    assert len(told) == 4
    return store, study


def test_what_is_there_is_not_trained_again(carried_out):
    store, study = carried_out
    before = {run.id for run in store.runs()}
    told = []
    carry_out(study, store, told.append)
    assert all(line.endswith("is there") for line in told)
    other = of_words("n_clusters=10,4", "seed=1,0", name="the same from elsewhere")
    assert to_do(other, store) == []
    assert {run.id for run in store.runs()} == before


def test_a_run_that_has_no_step_yet_is_not_missing(store):
    study = Studies(store).keep(of_words("seed=0..1"))
    new_run(store, next(study.specs())[2])
    assert counts(places(study, store.runs())) == {"queued": 1, "missing": 1}


def test_a_study_with_a_share_for_each_class_is_read_as_it_was_made(store, capsys):
    words = ["study", "run", "rarer", *BARE, "data.unbalance=1,0.5", "--vary", "seed=0"]
    words += ["--runs", str(store.root)]
    for _ in range(2):  # what is read is the same base
        assert main(words) == 1
        assert "2 shares, but 'digits' has 10 classes" in capsys.readouterr().out
    study = Studies(store).study("rarer")
    assert study.base.data == {"unbalance": (1.0, 0.5)}
    assert in_words(study.base.data["unbalance"]) == "1 : 0.5"


def test_a_deleted_run_is_missing_and_only_it_is_trained_again(carried_out):
    store, study = carried_out
    (place, *_) = places(study, store.runs())
    store.delete(place.run.id)
    assert counts(places(study, store.runs())) == {"missing": 1, "done": 3}
    assert [(each.cell, each.seed) for each in to_do(study, store)] == [(place.cell, place.seed)]
    store.restore(place.run.id)
    assert to_do(study, store) == []


def test_figures_are_those_of_the_run_folders(carried_out):
    store, study = carried_out
    every = places(study, store.runs())
    found = summary.results(store, study, every)
    for place in every:
        dataset = store.dataset(place.run)
        by_hand = metrics.clustering_accuracy(dataset.labels, place.run[-1].assignments)
        (mine,) = [each for each in found.of("acc") if each.cell == place.cell]
        assert mine.by_seed[place.seed] == pytest.approx(by_hand, abs=1e-5)
        width = metrics.silhouette(place.run[-1].embedding, place.run[-1].assignments)
        (mine,) = [each for each in found.of("silhouette") if each.cell == place.cell]
        assert mine.by_seed[place.seed] == pytest.approx(width, abs=1e-5)
    assert {"acc", "nmi", "silhouette"} <= set(found.figures())


def test_seeds_that_draw_other_items_have_no_stability(carried_out):
    store, study = carried_out
    found = summary.results(store, study, places(study, store.runs()))
    assert found.stability == {}  # n_samples is drawn by the seed


def test_stability_is_the_mean_agreement_of_seeds_over_the_same_items(store):
    base = Base("digits", "kmeans", "quick", {}, {"n_init": 1, "max_iter": 2})
    study = Study("s", base, (axis_of("n_clusters=3", base), axis_of("seed=0..1", base)))
    carry_out(study, store, lambda _: None)
    every = places(study, store.runs())
    one, other = (place.run[-1].assignments for place in every)
    found = summary.results(store, study, every)
    (value,) = found.stability.values()
    assert value == pytest.approx(metrics.ari(one, other), abs=1e-5)


def test_silhouettes_choose_only_among_runs_that_share_a_space(carried_out, store):
    _, study = carried_out
    found = summary.results(carried_out[0], study, places(study, carried_out[0].runs()))
    assert found.is_one_space  # k-means sees the same components of the same items
    assert list(found.choices_without_labels()) == ["silhouette"]

    base = Base("digits", "kmeans", "quick", {"n_samples": 150}, {"max_iter": 2})
    axes = (axis_of("method=kmeans,spectral", base), axis_of("seed=0", base))
    study = Study("two spaces", Base(base.dataset, base.method, "quick", base.data), axes)
    carry_out(study, store, lambda _: None)
    found = summary.results(store, study, places(study, store.runs()))
    assert "silhouette" in found.figures()
    assert not found.is_one_space
    assert found.choices_without_labels() == {}


def test_tables_have_a_row_for_each_run_and_a_line_for_each_cell(carried_out):
    store, study = carried_out
    found = summary.results(store, study, places(study, store.runs()))
    table = summary.frame(found)
    assert list(table[["n_clusters", "seed"]].itertuples(index=False, name=None)) == [
        (4, 0),
        (4, 1),
        (10, 0),
        (10, 1),
    ]
    assert [line.seeds for line in summary.lines(found)] == [(0, 1), (0, 1)]
    assert [line.words for line in summary.lines(found)] == [
        {"n_clusters": "4"},
        {"n_clusters": "10"},
    ]


# -- arithmetic ----------------------------------------------------------------------------------
def cell(value):
    return Cell((("n_clusters", value),))


def test_medians_ranges_and_pairs_by_hand():
    one = CellSummary(cell(5), {0: 0.5, 1: 0.9, 2: 0.6})
    other = CellSummary(cell(6), {1: 0.7, 2: 0.65, 3: 0.1})
    assert (one.median, one.range) == (0.6, (0.5, 0.9))
    pair = paired(one, other)
    assert pair.differences == {1: 0.2, 2: -0.05}  # of the seeds that both have
    assert (pair.in_favour, pair.median, pair.range) == (1, 0.075, (-0.05, 0.2))
    nothing = CellSummary(cell(7), {})
    assert (nothing.median, nothing.range, paired(one, nothing).median) == (None, None, None)
    assert best([nothing, other, one]) == other  # 0.65
    assert best([nothing, other, one], "lower") == one
    assert best([nothing]) is None
    assert best([one, CellSummary(cell(8), {0: 0.6})]) is None  # neither leads


def test_noise_does_not_count_for_stability(store, monkeypatch):
    class Stub:
        def __init__(self, assignments):
            self.last = type("Last", (), {"assignments": np.array(assignments)})

        def __getitem__(self, _):
            return self.last

    runs = [Stub([0, 0, 1, -1, -1]), Stub([1, 1, 0, 0, 1])]
    shared = type("Shared", (), {"rows": (np.arange(5), np.arange(5))})
    monkeypatch.setattr(summary, "same_draw", lambda *_: True)
    monkeypatch.setattr(summary, "shared_items", lambda *_: shared)
    assert summary.stability(store, runs) == 1.0
    assert summary.stability(store, runs[:1]) is None


# -- kept ----------------------------------------------------------------------------------------
def test_a_study_is_kept_and_read_as_it_was(store):
    studies = Studies(store)
    kept = studies.keep(of_words("n_clusters=4,10", "tolerance=0.5,0.25", "seed=0..4"))
    assert studies.study("k of k-means") == kept
    assert studies.all() == [kept]
    studies.delete("k of k-means")
    with pytest.raises(ParameterError, match="no study 'k of k-means'"):
        studies.study("k of k-means")
    studies.restore("k of k-means")
    assert studies.all() == [kept]
    with pytest.raises(ParameterError, match="another study 'k of k-means' by now"):
        studies.restore("k of k-means")
    with pytest.raises(ParameterError, match="not among the deleted"):
        studies.restore("another")


@pytest.mark.parametrize("name", ["", "  ", "a" * 61, "a\nb"])
def test_a_name_that_is_none_is_refused(store, name):
    with pytest.raises(ParameterError, match="cannot be the name"):
        Studies(store).keep(Study(name, BASE, ()))


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"schema": 1}', '{"schema":1,"name":"x","base":{},"axes":[],"created":1}'],
)
def test_a_damaged_file_takes_no_other_down(store, content):
    studies = Studies(store)
    kept = studies.keep(of_words("n_clusters=4,10"))
    (store.root / "_studies" / "bad.json").write_text(content)
    assert studies.all() == [kept]
    (bad,) = studies.unreadable()
    assert bad.slug == "bad"
    assert bad.reason


def test_a_method_that_is_gone_makes_a_study_unreadable_with_its_reason(store):
    studies = Studies(store)
    studies.keep(of_words("n_clusters=4"))
    (file,) = (store.root / "_studies").iterdir()
    file.write_text(file.read_text().replace('"kmeans"', '"gone"'))
    assert studies.all() == []
    assert "gone" in studies.unreadable()[0].reason


# -- the command ---------------------------------------------------------------------------------
def test_the_command_carries_out_shows_lists_and_writes(carried_out, capsys, tmp_path):
    store, _ = carried_out
    runs = ["--runs", str(store.root)]

    def said(*words, code=0):
        assert main(["study", *words, *runs]) == code
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    assert said("run", "k of k-means") == {"study": "k of k-means", "done": 4, "not_done": {}}
    (row,) = said("list", "--json")
    assert (row["study"], row["runs"], row["status"]) == ("k of k-means", 4, {"done": 4})
    shown = said("show", "k of k-means")
    assert [each["n_clusters"] for each in shown["cells"]] == [4, 10]
    accuracies = shown["cells"][1]["figures"]["acc"]
    for seed, run_id in shown["cells"][1]["runs"].items():
        main(["show", run_id, *runs])
        assert json.loads(capsys.readouterr().out)["acc"] == accuracies["by_seed"][seed]
    for kind in ("csv", "parquet", "latex"):
        file = tmp_path / f"table.{kind}"
        assert said("show", "k of k-means", "--to", kind, "-o", str(file))["runs"] == 4
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "table.csv"),
        pd.read_parquet(tmp_path / "table.parquet"),
        check_dtype=False,
    )
    assert math.isclose(
        accuracies["median"],
        pd.read_csv(tmp_path / "table.csv").query("n_clusters == 10")["acc"].median(),
        abs_tol=1e-5,
    )
    assert "\\toprule" in (tmp_path / "table.latex").read_text()


def test_a_run_that_cannot_be_started_is_told_and_the_others_go_on(store, capsys):
    words = ["--base", "dataset=digits", "method=kmeans", "preset=quick", "data.n_samples=20"]
    vary = ["--vary", "n_clusters=5,500"]
    code = main(["study", "run", "too many", *words, *vary, "--runs", str(store.root)])
    out, error = capsys.readouterr()
    answer = json.loads(out)
    assert (code, answer["done"], list(answer["not_done"])) == (1, 1, ["n_clusters 500, seed 0"])
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run",), "lacks its name"),
        (("show", "nothing"), "no study 'nothing'"),
        (("run", "new"), "lacks its dataset"),
        (
            ("run", "new", "--base", "dataset=digits", "method=kmeans", "--vary", "k=1"),
            "setting 'k'",
        ),
    ],
)
def test_bad_words_get_one_line(store, capsys, words, said):
    assert main(["study", *words, "--runs", str(store.root)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


TOML = """
name = "k of k-means"
[base]
dataset = "digits"
method = "kmeans"
preset = "quick"
data = {n_samples = 150}
settings = {n_init = 1, max_iter = 3}
[vary]
n_clusters = "4,10"
seed = [0, 1]
"""


@pytest.mark.parametrize("kind", ["toml", "json", "kept"])
def test_a_study_is_carried_out_from_a_file(carried_out, capsys, tmp_path, kind):
    store, study = carried_out
    file = tmp_path / ("study.toml" if kind == "toml" else "study.json")
    if kind == "kept":
        (stored,) = (store.root / "_studies").iterdir()
        file.write_text(stored.read_text())
    else:
        file.write_text(TOML if kind == "toml" else json.dumps(tomllib.loads(TOML)))
    described = read_study(file)
    assert (described.name, described.base, described.axes) == (study.name, study.base, study.axes)
    assert main(["study", "run", str(file), "--runs", str(store.root)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"study": "k of k-means", "done": 4, "not_done": {}}
    assert Studies(store).study("k of k-means") == study


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('method = "kmeans"', "", "'base.method' is missing"),
        ("preset =", "colour =", "'base.colour' is not known here"),
        ("[vary]", "[varied]", "'varied' is not known here"),
        ("n_init = 1", "width = 1", "kmeans has no setting 'width'"),
        ("n_samples = 150", "n_samples = 1", "must lie in"),
        ('"4,10"', '"4,x"', "n_clusters must be a whole number, got 'x'"),
        ('"4,10"', "[4, true]", "n_clusters must be a whole number, got True"),
        ('"4,10"', "{a = 1}", "'vary[...]' should be text or a list, not a group"),
        ("seed = [0, 1]", "seed = [-1]", "whole number from 0 up, got -1"),
        ("seed = [0, 1]", "method = [3]", "A method has a name, got 3"),
        ('"k of k-means"', '""', "cannot be the name"),
        ("[base]", "[base", "it is no TOML"),
        ("[base]", "x = " + "[" * 400 + "]" * 400 + "\n[base]", "nested too deeply"),
        ("150", "2026-01-01", "'base.data[...]' "),
    ],
)
def test_a_file_that_describes_no_study_is_told_in_one_line(
    store, capsys, tmp_path, before, after, said
):
    file = tmp_path / "study.toml"
    assert before in TOML
    file.write_text(TOML.replace(before, after))
    assert main(["study", "run", str(file), "--runs", str(store.root)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert Studies(store).all() == store.runs() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.toml",), "no file"),
        (("study.toml", "--vary", "seed=0"), "--base and --vary cannot say it, too"),
        (("study.json",), "no JSON"),
    ],
)
def test_a_file_is_there_and_says_all(store, capsys, tmp_path, words, said):
    (tmp_path / "study.toml").write_text(TOML)
    (tmp_path / "study.json").write_text(TOML)
    file, *others = words
    assert main(["study", "run", str(tmp_path / file), *others, "--runs", str(store.root)]) == 2
    assert said in capsys.readouterr().err

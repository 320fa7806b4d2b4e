"""The commands `import-clustering` and `import-labels`, and others on what they bring in."""

import json

import numpy as np
import pandas as pd
import pytest

from clustlab.cli.command_line import main
from clustlab.runs.store import RunStore
from clustlab.training.worker import execute, new_run
from tests.support.odd_arrays import pictures, png
from tests.support.own_data import classes, vector_set

N = 30


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))
    return vector_set("Mine", N, shown=False)


@pytest.fixture
def table(own, tmp_path):
    frame = pd.DataFrame({"name": list(own.item_names()), "cluster": classes(N)}).iloc[::-1]
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    return tmp_path / "theirs.csv"


@pytest.fixture
def ran(capsys):
    """Carry out a command; returns its exit code, its answer and what it complained of."""

    def run(*words):
        code = main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]) if out else None, err

    return run


def test_a_clustering_is_brought_in_scored_and_compared(ran, table):
    code, answer, said = ran("import-clustering", table, "--dataset", "mine")
    assert code == 0
    assert (answer["dataset"], answer["new"], answer["status"]) == ("mine", True, "done")
    assert (answer["acc"], answer["steps"], answer["seconds"]) == (1.0, 1, None)
    assert "Joined by 'name'" in said
    theirs = answer["run"]
    code, again, said = ran("import-clustering", table, "--dataset", "mine")
    assert (again["run"], again["new"]) == (theirs, False)
    assert "there already" in said
    store = RunStore()
    ours = new_run(store, _kmeans())
    execute(store.root, ours.id)
    code, compared, _ = ran("compare", theirs, ours.id)
    assert code == 0
    assert [each["id"] for each in compared["runs"]] == [theirs, ours.id]
    for words in (("show", theirs), ("failures", theirs), ("biography", theirs, "3")):
        assert ran(*words)[0] == 0, words
    _, listed, _ = ran("list", "--json")
    assert theirs in [each["run"] for each in listed]


def _kmeans():
    from clustlab.runs.store import RunSpec

    return RunSpec("mine", "kmeans", {}, {"n_clusters": 3, "max_iter": 2, "n_init": 1})


def test_what_would_train_it_is_refused_in_one_line(ran, table):
    run = ran("import-clustering", table, "--dataset", "mine")[1]["run"]
    for words in (
        ("resume", run),
        ("longer", run),
        ("train", "--dataset", "mine", "--method", "outside"),
        ("benchmark", "--datasets", "mine", "--methods", "outside"),
    ):
        code, answer, said = ran(*words)
        assert (code, answer) == (2, None), words
        assert "made elsewhere" in said, words
        assert said.count("\n") == 1


def test_what_cannot_be_read_exits_with_2_and_one_line(ran, own, tmp_path):
    (tmp_path / "picture.png").write_bytes(png(pictures(1)[0]))
    (tmp_path / "wrong.csv").write_text("name,cluster\nx,1\nx,2\n")
    for name, text in (
        ("missing.csv", "no file"),
        ("picture.png", "neither a table nor arrays"),
        ("wrong.csv", "more than once|unknown"),
    ):
        for command in ("import-clustering", "import-labels"):
            code, answer, said = ran(command, tmp_path / name, "--dataset", "mine")
            assert (code, answer) == (2, None)
            assert said.count("\n") == 1
            assert any(part in said for part in (*text.split("|"), "none of its")), said
    assert ran("import-clustering", tmp_path / "wrong.csv", "--dataset", "who")[0] == 2


def test_choices_name_columns_and_the_draw(ran, own, tmp_path):
    names = list(own.item_names())
    frame = pd.DataFrame({"key": names, "other": names[::-1], "a": classes(N), "b": [0, 1] * 15})
    frame.to_csv(tmp_path / "theirs.csv", index=False)
    command = ("import-clustering", tmp_path / "theirs.csv", "--dataset", "mine")
    more = ("--names", "key", "--steps", "a", "--data", "n_samples=12", "--seed", "3")
    code, answer, said = ran(*command, *more, "--name", "DEC by hand")
    assert code == 0
    assert answer["acc"] == 1
    assert answer["title"] == "DEC by hand on Mine"
    assert "outside of this draw" in said
    run = RunStore().run(answer["run"])
    assert run.spec.seed == 3
    assert run[0].assignments.shape == (12,)
    code, answer, _ = ran(*command, "--names", "none", "--steps", "a")
    assert answer["acc"] == 1


def test_labels_are_added(ran, own, tmp_path):
    np.savez(tmp_path / "y.npz", coarse=classes(N) // 2, fine=np.where(np.arange(N) < 3, -1, 1))
    code, answer, said = ran("import-labels", tmp_path / "y.npz", "--dataset", "mine")
    assert code == 0
    assert answer["labels"] == {"kind": 3, "coarse": 2, "fine": 1}
    assert answer["unlabelled"] == {"coarse": 0, "fine": 3}
    assert answer["added"] == ["coarse", "fine"]
    assert "Joined by order" in said
    code, answer, said = ran("import-labels", tmp_path / "y.npz", "--dataset", "digits")
    assert code == 2
    assert "30 entries for the 1,797 items" in said
    seen = np.where(np.arange(1797) < 30, classes(1797), -1)
    np.savez(tmp_path / "y.npz", item=np.arange(1797), seen=seen)
    code, answer, said = ran("import-labels", tmp_path / "y.npz", "--dataset", "digits")
    assert code == 0
    assert answer["dataset"] == "digits-8-x-8-with-seen"
    assert answer["labels"] == {"class": 10, "seen": 3}
    assert answer["unlabelled"] == {"seen": 1767}
    assert "on a copy of these items" in said

"""The command `page`: it writes a file, and refuses in one line what it cannot write."""

import json

import numpy as np
import pytest

from clustlab.cli.command_line import main
from clustlab.runs.store import RunSpec
from tests.support import made_runs, replayed

LABELS = np.arange(12) % 3


@pytest.fixture
def run(store):
    made_runs.data(store, n=12, labels=LABELS)
    return made_runs.run(store, [LABELS, np.roll(LABELS, 1), LABELS])


@pytest.fixture
def command(store, capsys):
    """Call the command; returns its exit code, answer and lines of complaint."""

    def call(*words):
        code = main(["page", *map(str, words), "--runs", str(store.root)])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err.splitlines()

    return call


def test_it_writes_a_page_and_says_what_is_on_it(command, run, tmp_path):
    file = tmp_path / "run.html"
    code, answer, said = command(run.id, "-o", file)
    assert (code, said) == (0, [])
    assert answer == {
        "file": str(file),
        "bytes": file.stat().st_size,
        "title": run.title,
        "steps": 3,
        "items": 12,
        "notes": [],
    }
    assert replayed.opened(file.read_bytes()).facts["runs"][0]["id"] == run.id
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ""] == ["run.html"]


def test_it_says_what_it_has_left_out(command, run, tmp_path):
    code, answer, said = command(
        run.id, "-o", tmp_path / "a.html", "--steps", 2, "--items", 5, "--json"
    )
    assert code == 0
    assert (answer["steps"], answer["items"]) == (2, 5)
    assert [line.removeprefix("clustlab: ") for line in said] == answer["notes"]
    assert answer["notes"][0].startswith("5 of 12 images are shown")
    assert answer["notes"][1].startswith("2 of 3 steps are shown")


def test_the_file_is_called_after_the_run(command, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command(run.id)[1]["file"] == f"{run.id}.html"
    assert (tmp_path / f"{run.id}.html").is_file()


def test_a_file_that_is_there_is_written_over_only_if_asked(command, run, tmp_path):
    file = tmp_path / "run.html"
    file.write_text("mine")
    code, answer, said = command(run.id, "-o", file)
    assert (code, answer, len(said)) == (2, None, 1)
    assert "There is a file" in said[0]
    assert "--force" in said[0]
    assert file.read_text() == "mine"
    assert command(run.id, "-o", file, "--force")[0] == 0
    assert file.read_text() != "mine"


def test_bad_input_gets_one_clear_line_and_leaves_nothing(command, run, store, tmp_path):
    other = made_runs.data(store, "others", n=9, seed=3)
    stranger = made_runs.run(store, [np.arange(9) % 3], other)
    spec = RunSpec("digits", "kmeans")
    empty = store.create(spec, method_title="k", dataset_title="d", data_key="made")
    file = tmp_path / "out" / "run.html"
    file.parent.mkdir()
    for words, wanted in (
        (("nothing",), "nothing"),
        ((empty.id,), "has no step yet"),
        ((run.id, run.id, run.id), "got 3"),
        ((run.id, run.id), "different runs"),
        ((run.id, stranger.id), "other items"),
        ((run.id, "--steps", "1"), "A page of 1 steps"),
        ((run.id, "--steps", "many"), "'many'"),
        ((run.id, "--items", "70000"), "70,000"),
    ):
        code, answer, said = command(*words, "-o", file)
        assert (code, answer, len(said)) == (2, None, 1), words
        assert wanted in said[0]
    for path, wanted in (
        (tmp_path / "none" / "run.html", "in a folder that is not there"),
        (file.parent, "is a folder"),
    ):
        code, answer, said = command(run.id, "-o", path)
        assert (code, answer, len(said)) == (2, None, 1)
        assert wanted in said[0]
    assert list(file.parent.iterdir()) == []


def test_a_folder_that_refuses_gets_one_clear_line(command, run, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    code, answer, said = command(run.id, "-o", tmp_path / "run.html")
    assert (code, answer, len(said)) == (2, None, 1)
    assert "Permission denied" in said[0]

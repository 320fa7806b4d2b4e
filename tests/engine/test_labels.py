"""What a user says of a run: kept, checked, searched, and no part of what the run is."""

import json
import sys

import pytest

from clustlab.__main__ import main
from clustlab.errors import ParameterError, RunNotFound
from clustlab.runs import titles
from clustlab.runs.identity import INTERVENTIONS, identity_of
from clustlab.runs.labels import FILE, Label, all_tags, label_of, set_label, tags_in
from clustlab.runs.search import Wanted
from clustlab.runs.store import RunSpec
from clustlab.training.worker import execute, new_run

SPEC = RunSpec("digits", "kmeans", {"n_samples": 60}, {"n_init": 1, "max_iter": 2}, "custom")


def test_a_label_is_kept_beside_the_run_and_is_no_part_of_it(store):
    run = new_run(store, SPEC)
    before, plain = identity_of(run), run.title
    assert label_of(run) == Label()
    kept = set_label(run, Label("  First try ", ("draft", " paper ", "draft", ""), "As it came.\n"))
    assert kept == Label("First try", ("draft", "paper"), "As it came.")
    assert label_of(store.run(run.id)) == kept
    assert run.title == "First try"
    assert titles.description(run) == plain
    assert titles.titles([run, new_run(store, SPEC)])[0] == "First try"
    assert identity_of(run) == before
    assert [file.name for file in run.path.glob("*.tmp")] == []


def test_a_label_outlives_training_deletion_and_a_resume(store):
    run = new_run(store, SPEC)
    set_label(run, Label("Kept", ("a",)))
    execute(store.root, run.id)
    store.delete(run.id)
    assert label_of(store.restore(run.id)) == Label("Kept", ("a",))


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (Label("x" * 61), "has 61 letters"),
        (Label("a\nb"), "cannot be shown"),
        (Label(tags=("y" * 31,)), "The tag 'yyyyyyyyyyyyyyyyyyyy'... has 31 letters"),
        (Label(tags=("a,b",)), "holds a comma"),
        (Label(tags=tuple(map(str, range(13)))), "at most 12 tags, got 13"),
        (Label(note="z" * 2001), "2,001 letters"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_changes_nothing(store, label, words):
    run = new_run(store, SPEC)
    set_label(run, Label("Old"))
    with pytest.raises(ParameterError, match=words):
        set_label(run, label)
    assert label_of(run) == Label("Old")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"name": 1, "tags": 2}'])
def test_a_label_that_cannot_be_read_is_an_empty_one(store, text):
    run = new_run(store, SPEC)
    (run.path / FILE).write_text(text)
    assert label_of(run) == Label()
    assert run.title.startswith("k-means on")


def test_a_deleted_run_gets_no_label(store):
    run = new_run(store, SPEC)
    store.delete(run.id)
    with pytest.raises(RunNotFound, match="not there any more"):
        set_label(run, Label("Late"))


def test_tags_of_a_text_and_of_many_runs(store):
    assert tags_in(" b, a ,, c d") == ("b", "a", "c d")
    runs = [new_run(store, SPEC) for _ in range(3)]
    set_label(runs[0], Label(tags=("b", "A")))
    set_label(runs[1], Label(tags=("c", "b")))
    assert all_tags(runs) == ["A", "b", "c"]


def test_runs_are_found_by_words_tags_and_what_they_are(store):
    first = new_run(store, SPEC)
    other = new_run(store, RunSpec("toy", "gmm", {"n": 90}, {}, "standard", seed=3))
    set_label(first, Label("Blurred fours", ("draft", "paper"), "Compare with Anna's."))
    change = {"step": 1, "reason": "", "kind": "merge", "clusters": [0, 1], "value": 1.0}
    (other.path / INTERVENTIONS).write_text(json.dumps(change) + "\n")

    def matching(**wanted):
        return [run for run in (first, other) if Wanted(**wanted).matches(run)]

    assert matching() == [first, other]
    assert matching(words="FOURS anna") == [first]
    assert matching(words="toy points seed") == [other]
    assert matching(words="max_iter=2") == [first]
    assert matching(words=first.id[-4:] + " blurred") == [first]
    assert matching(words="fours gmm") == []
    assert matching(tags=["draft", "paper"]) == [first]
    assert matching(tags=["draft", "none"]) == []
    assert matching(datasets=["toy"]) == matching(methods=["gmm"]) == [other]
    assert matching(by_hand=True) == [other]
    assert matching(statuses=["queued"]) == [first, other]
    assert matching(statuses=["done"]) == []


def test_the_command_line_labels_lists_and_searches(store, capsys, monkeypatch):
    run, other = new_run(store, SPEC), new_run(store, SPEC)
    where = ("--runs", str(store.root))

    def call(*words):
        code = main([*words, *where])
        told = capsys.readouterr()
        return code, json.loads(told.out) if told.out else told.err

    code, kept = call("label", run.id, "--name", "First", "--tag", "a", "b", "--note", "Hm.")
    assert (code, kept["title"], kept["tags"]) == (0, "First", ["a", "b"])
    code, kept = call("label", run.id, "--untag", "a", "--tag", "c")
    assert (kept["name"], kept["tags"], kept["note"]) == ("First", ["b", "c"], "Hm.")
    code, rows = call("list", "--tag", "c")
    assert [(row["run"], row["name"], row["tags"]) for row in rows] == [
        (run.id, "First", ["b", "c"])
    ]
    assert [row["run"] for row in call("list", "--search", "first")[1]] == [run.id]
    assert call("list", "--search", "nowhere") == (0, [])
    assert len(call("list")[1]) == 2
    assert call("label", other.id, "--name", "x" * 99)[0] == 2
    assert call("label", run.id, "--name", "")[1]["title"].startswith("k-means on")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["list", "--tag", "b", *where]) == 0
    assert "b, c" in capsys.readouterr().out

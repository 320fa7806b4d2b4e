"""What is kept of runs between the drawings of pages, and what is followed of their clusters."""

import numpy as np
import pytest

from clustlab.analysis.lasting_clusters import followed_clusters, last_clusters
from clustlab.analysis.timeline import Timeline
from clustlab.runs.store import RunStore
from clustlab.ui import places, session
from tests.support import made_runs


def written(folder, n_steps=3):
    steps = [made_runs.hard(np.roll([0, 0, 1, 1, 2, 2], i), 4) for i in range(n_steps)]
    return made_runs.write(RunStore(folder), steps, made_runs.dataset(6))


def test_an_answer_is_kept_for_a_run_and_its_other_arguments(tmp_path):
    asked = []

    @session.kept_per_run(maxsize=2)
    def answer(run, word, *, times=1):
        asked.append(word)
        return word * times

    run = written(tmp_path)
    again = RunStore(tmp_path).run(run.id)  # another object for the same folder
    assert [answer(run, "a"), answer(again, "a"), answer(run, "a", times=2)] == ["a", "a", "aa"]
    assert asked == ["a", "a"]
    assert answer(written(tmp_path / "other"), "a") == "a"
    assert asked == ["a", "a", "a"]
    assert answer(run, "a") == "a"  # the oldest of three was let go
    assert len(asked) == 4


def test_an_answer_about_a_growing_run_is_worked_out_anew(tmp_path):
    n_steps, asked = [1], []

    @session.kept_per_run(maxsize=2, anew=lambda run: n_steps[0])
    def answer(run):
        asked.append(run.id)
        return n_steps[0]

    run = written(tmp_path)
    assert [answer(run), answer(run)] == [1, 1]
    n_steps[0] = 2
    assert [answer(run), answer(run)] == [2, 2]
    assert len(asked) == 2


def test_clusters_are_followed_as_the_timeline_follows_them(tmp_path):
    run = written(tmp_path, n_steps=5)
    timeline = Timeline(run)
    assert timeline.extend() == 5
    for step, each in enumerate(followed_clusters(run)):
        assert np.array_equal(each.raw, run[step].assignments)
        assert np.array_equal(each.lasting, timeline.stable(step))
        assert np.array_equal(each.mapping, timeline.mapping(step))
    last = last_clusters(run)
    assert np.array_equal(last.lasting, timeline.stable(4))
    assert last.n_ids == timeline.n_ids() == 4


def test_a_run_without_steps_has_no_last_clusters(tmp_path):
    assert last_clusters(written(tmp_path, n_steps=0)) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no run 'a' in {runs}.", "no run 'a' in runs."),
        ("Denied ({runs}/a/log.jsonl)", "Denied (runs/a/log.jsonl)"),
        ("put it into {data}/MNIST/raw", "put it into $CLUSTLAB_DATA/MNIST/raw"),
        ('File "{code}/types.py", line 1', 'File "clustlab/types.py", line 1'),
        ('File "/usr/lib/python3/json.py", line 1', 'File "…/json.py", line 1'),
        ("Denied: '/somewhere/else/my-runs'", "Denied: '…/my-runs'"),
        ("see https://a.example/b/c and /learn?lesson=dec", None),
        ("1/2 of n/a, a/b/c", None),
    ],
)
def test_an_error_on_a_page_does_not_tell_where_the_folders_of_the_server_are(
    tmp_path, monkeypatch, text, shown
):
    monkeypatch.setenv("CLUSTLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "downloads"))
    folders = {"runs": tmp_path / "runs", "data": tmp_path / "downloads", "code": places.CODE}
    assert places.without_places(text.format(**folders)) == (text if shown is None else shown)

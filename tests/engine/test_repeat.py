"""The command `repeat`: a run once more, and what differs."""

import json

import pytest

from clustlab.__main__ import main
from clustlab.training.worker import execute, new_run
from tests.support import made_runs


@pytest.fixture
def repeat(store, capsys):
    """Exit code, answer and complaints of the command."""

    def call(*words):
        code = main(["repeat", *words, "--runs", str(store.root)])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else None, err

    return call


@pytest.fixture
def run(store, fake):
    made = new_run(store, fake(by_hand=True, seed=3))
    execute(store.root, made.id)
    return made


def environment(run, **changes):
    """Change what a run has noted of its machine."""
    file = run.path / "environment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_the_same_machine_gives_the_same_run(store, run, repeat):
    code, answer, err = repeat(run.id)
    assert (code, err) == (0, "")
    assert answer["exact"] is True
    assert answer["repeats"] == run.id
    assert answer["steps"] == [len(run)] * 2
    assert answer["items_differing"] == 0
    assert answer["machine"] == {}
    assert len(store.runs()) == 2


def test_what_differs_is_named(store, run, repeat):
    _, answer, _ = repeat(run.id)
    packages = {"torch": "1.0", "numpy": "1.0"}
    environment(run, threads=64, device="cuda", packages=packages, processor="H100")
    code, answer, err = repeat(run.id, "--against", answer["run"])
    assert code == 0  # nothing differs in the figures
    assert answer["machine"]["torch"][0] == "1.0"
    assert answer["machine"]["processor"][0] == "H100"
    assert {"threads", "device", "numpy"} <= set(answer["machine"])
    assert "Another threads: 64 then, " in err
    assert len(store.runs()) == 2


def test_the_first_step_that_differs_is_told(store, repeat):
    made_runs.data(store, labels=[0, 1, 2] * 4)
    same, other = [0, 1, 2] * 4, [1, 1, 2] + [0, 1, 2] * 3
    a = made_runs.run(store, [same, same, same])
    b = made_runs.run(store, [same, other, other, other], seed=1)
    code, answer, err = repeat(a.id, "--against", b.id)
    assert code == 1
    assert answer["first_difference"] == 1
    assert answer["items_differing"] == 1
    assert answer["steps"] == [3, 4]
    assert answer["settings"] == ["seed"]
    assert "it differs in seed" in err


def test_what_cannot_be_repeated_says_why(store, run, repeat):
    manifest = json.loads((run.path / "manifest.json").read_text())
    (run.path / "manifest.json").write_text(json.dumps({**manifest, "steps_before": 2}))
    code, answer, err = repeat(run.id)
    assert (code, answer) == (2, None)
    assert "goes on from another run" in err
    assert len(store.runs()) == 1

"""The command line: what it prints, where, and with which exit code."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clustlab.__main__ import main
from clustlab.analysis import metrics
from clustlab.analysis.score_catalogue import OF_ONE_STEP
from clustlab.runs.store import snapshot_path, write_status
from clustlab.training.worker import execute, new_run

ROOT = Path(__file__).parents[2]
TRAIN = ("train", "--dataset", "toy", "--method", "fake", "--data", "n=40")
KEYS = ["run", "status", "steps", "seconds", "alarms_at_end", *OF_ONE_STEP]


@pytest.fixture
def cli(store, fake, capsys):
    """Run a command; returns its exit code, the last line of its output as JSON, and errors."""

    def call(*words):
        code = main([*words, "--runs", str(store.root)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, json.loads(out.splitlines()[-1]) if out else None, err

    return call


def refused(cli, *words):
    """One line on standard error of a command that is not valid."""
    try:
        code, out, err = cli(*words)
    except SystemExit as stop:  # argparse's way out
        code, out, err = stop.code, None, None
    return code, out, err


# Training ----------------------------------------------------------------------------------------


def test_train_prints_its_figures_as_one_json_object(cli, store):
    code, result, err = cli(*TRAIN, "--seed", "3")
    assert code == 0
    assert list(result)[: len(KEYS)] == KEYS
    (run,) = store.runs()
    labels, assignments = store.dataset(run).labels, run[-1].assignments
    assert (result["run"], result["status"], result["steps"]) == (run.id, "done", 6)
    assert result["acc"] == pytest.approx(
        metrics.clustering_accuracy(labels, assignments), abs=1e-5
    )
    assert result["nmi"] == pytest.approx(metrics.nmi(labels, assignments), abs=1e-5)
    assert result["ari"] == pytest.approx(metrics.ari(labels, assignments), abs=1e-5)
    assert result["n_occupied"] == len(set(assignments))
    assert result["seconds"] > 0
    assert run.spec.seed == 3
    assert err == ""  # no progress bar where nobody looks


def test_show_answers_although_a_step_is_gone(cli, store):
    cli(*TRAIN)
    (run,) = store.runs()
    (run.path / "snapshots" / "00000.npz").unlink()
    code, about, _ = cli("show", run.id)
    assert code == 0
    assert about["acc"] is not None
    assert about["missing_steps"] == [0]
    assert about["alarms"] is not None


def test_train_takes_presets_parameters_and_data(cli, store):
    words = ("--preset", "quick", "--set", "n_clusters=4", "warm_up=0", "--data", "shape=moons")
    code, result, _ = cli(*TRAIN, *words)
    assert (code, result["steps"]) == (0, 2)
    (run,) = store.runs()
    assert run.spec.method_params == {"epochs": 2, "n_clusters": 4, "warm_up": 0}
    assert run.spec.dataset_params == {"n": 40, "shape": "moons"}
    assert run.spec.preset == "quick"


def test_the_same_command_gives_the_same_arrays(cli, store):
    names = [cli(*TRAIN)[1]["run"] for _ in range(2)]
    one, two = (store.run(name) for name in names)
    for step in range(6):
        same = [snapshot_path(r.path, step).read_bytes() for r in (one, two)]
        assert same[0] == same[1]


def test_scores_are_null_without_labels(cli):
    code, result, _ = cli(*TRAIN, "shape=uniform-noise")
    assert code == 0
    assert (result["acc"], result["nmi"], result["ari"]) == (None, None, None)
    assert result["n_occupied"] >= 1


def test_train_can_continue_a_finished_run(cli):
    first = cli(*TRAIN)[1]["run"]
    code, result, _ = cli(*TRAIN, "--continue-from", first, "--set", "epochs=2")
    assert (code, result["steps"]) == (0, 2)


def test_a_finished_run_can_be_trained_longer(cli, store):
    first = cli(*TRAIN)[1]["run"]
    code, result, _ = cli("longer", first, "--by", "3")
    assert (code, result["status"], result["steps"]) == (0, "done", 9)
    assert store.run(result["run"]).steps_before == 6
    _, whole, _ = cli(*TRAIN, "--set", "epochs=7")
    one, two = (store.run(name) for name in (result["run"], whole["run"]))
    assert snapshot_path(one.path, 8).read_bytes() == snapshot_path(two.path, 8).read_bytes()
    assert cli("longer", first)[1]["steps"] == 11  # half of what there was, and at least 5


def test_what_cannot_be_trained_longer_is_refused_with_a_remedy(cli, monkeypatch):
    first = cli(*TRAIN)[1]["run"]
    code, _, err = refused(cli, "longer", first, "--by", "some")
    assert (code, err) == (
        2,
        "clustlab: The number of steps must be a whole number, got 'some'. For example: --by 5.\n",
    )
    assert "must lie in [1, 4996], got 0" in refused(cli, "longer", first, "--by", "0")[2]
    content = cli(*TRAIN, "--set", "stop_after=2")[1]["run"]
    assert "no setting of it would make it go on" in refused(cli, "longer", content)[2]
    monkeypatch.setattr("clustlab.training.longer.how_to_train_longer", lambda *about: None)
    code, _, err = refused(cli, "longer", first)
    assert code == 2
    assert "No setting of Fake says how long it trains. Change its settings" in err


def test_a_failed_run_says_why_in_one_line_and_exits_with_1(cli):
    code, result, err = cli(*TRAIN, "--set", "trouble=divergence")
    assert code == 1
    assert (result["status"], result["steps"]) == ("failed", 3)
    assert err == (
        "clustlab: loss became nan. Lower the learning rate, or check the scale of the input.\n"
    )
    code, result, err = cli(*TRAIN, "--set", "trouble=bug")
    assert code == 1
    assert err.startswith("clustlab: RuntimeError: the wheel came off")
    assert err.count("\n") == 1


def test_a_run_that_fails_before_its_first_step_has_no_figures(cli):
    code, result, _ = cli(*TRAIN, "--set", "n_clusters=50")
    assert code == 1
    assert (result["status"], result["steps"], result["n_occupied"]) == ("failed", 0, None)


# Bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "--dataset", "cats", "--method", "fake"), "no data set 'cats'. Choose one of:"),
        (("train", "--dataset", "toy", "--method", "magic"), "'magic'. Choose one of: fake."),
        ((*TRAIN, "--preset", "huge"), "preset 'huge'. Choose one of: quick, standard, paper."),
        ((*TRAIN, "--set", "depth=3"), "depth is not a parameter of Fake (it has: n_clusters,"),
        ((*TRAIN, "--set", "n_clusters=1"), "n_clusters must lie in [2, 500], got 1. Change"),
        ((*TRAIN, "--set", "n_clusters=x"), "n_clusters must be a whole number, got 'x'. Change"),
        ((*TRAIN, "--set", "n_clusters"), "'n_clusters' is not of the form name=value. For"),
        ((*TRAIN, "--set", "=3"), "'=3' is not of the form name=value. For example:"),
        ((*TRAIN, "--set", "a\nb=3"), "is not a parameter of Fake"),
        ((*TRAIN, "--data", "n=2"), "n must lie in [10, 200000], got 2. Change"),
        ((*TRAIN, "--data", "size=9"), "size is not a parameter of Toy points (it has: shape"),
        ((*TRAIN, "--seed", "one"), "The seed must be a whole number, got 'one'. For example"),
        ((*TRAIN, "--seed", "-1"), "The seed must be a whole number in [0, 4294967295], got -1."),
        ((*TRAIN, "--device", "warp"), "'warp' is not a device. Choose one of auto, cuda, mps"),
        ((*TRAIN, "--device", "cuda:99"), "'cuda:99' was asked for, but this machine has none."),
        ((*TRAIN, "--continue-from", "x"), "no readable run 'x'"),
        (("train", "--dataset", "digits", "--method", "fake"), "Fake works on points, but"),
        (("resume", "nothing"), "There is no readable run 'nothing'"),
        (("show", "nothing"), "There is no readable run 'nothing'"),
        (("show", "../x"), "'../x' is not the name of a run."),
        (("work", "nothing"), "There is no readable run 'nothing'"),
    ],
)
def test_bad_input_is_told_in_one_line_with_the_value_and_a_remedy(cli, store, words, told):
    code, out, err = cli(*words)
    assert (code, out) == (2, None)
    assert told in err
    assert err.startswith("clustlab: ")
    assert err.count("\n") == 1
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "the following arguments are required: command"),
        (("fly",), "invalid choice: 'fly'"),
        (("train", "--dataset", "toy"), "the following arguments are required: --method"),
        ((*TRAIN, "--colour", "red"), "unrecognized arguments: --colour red"),
        ((*TRAIN, "--set"), "argument --set: expected at least one argument"),
        (("resume",), "the following arguments are required: run"),
    ],
)
def test_bad_grammar_is_told_in_one_line_too(fake, capsys, words, told):
    with pytest.raises(SystemExit) as stop:
        main(words)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, "")
    assert told in err
    assert "--help' to see what there is" in err
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_bad_input(fake, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert main([*TRAIN, "--runs", str(tmp_path / "file" / "runs")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Not a directory" in err
    assert "Choose another folder with --runs" in err
    assert err.count("\n") == 1


# Resuming and looking ----------------------------------------------------------------------------


def stopped(store, spec, steps):
    """Run whose worker is gone after so many steps."""
    run = new_run(store, spec)
    (run.path / "request").write_text("cancel")
    state = run.progress
    (run.path / "request").unlink()
    write_status(run.path, {**state, "status": "running", "pid": 2**22 + 1})
    assert run.status == "lost"
    return run


def test_resume_carries_a_lost_run_to_its_end(cli, store, fake):
    run = stopped(store, fake(), 0)
    code, result, _ = cli("resume", run.id)
    assert code == 0
    assert (result["run"], result["status"], result["steps"]) == (run.id, "done", 6)


def test_resume_refuses_what_is_done_or_at_work(cli, store, fake):
    run = new_run(store, fake())
    code, out, err = cli("resume", run.id)
    assert (code, out) == (2, None)
    assert f"The run '{run.id}' is queued already. Cancel it first." in err
    execute(store.root, run.id)
    code, out, err = cli("resume", run.id)
    assert (code, out) == (2, None)
    assert "is done. To train it longer, use the button" in err


def test_list_tells_every_run_with_its_figures(cli):
    assert cli("list") == (0, [], "")
    first = cli(*TRAIN)[1]
    second = cli(*TRAIN, "--set", "trouble=bug")[1]
    code, rows, _ = cli("list", "--json")
    assert code == 0
    assert [row["run"] for row in rows] == [second["run"], first["run"]]
    assert rows[1]["title"] == "Fake on Toy points, seed 0, 40 items"
    assert rows[1]["bytes"] > 1000
    assert {key: rows[1][key] for key in KEYS} == {key: first[key] for key in KEYS}
    assert cli("list")[1] == rows  # JSON where no person looks


def test_list_is_a_table_on_a_terminal(cli, store, capsys, monkeypatch):
    cli(*TRAIN)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["list", "--runs", str(store.root)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split(maxsplit=3)[1:] == ["done", "6", "Fake on Toy points, seed 0, 40 items"]


def test_show_tells_settings_progress_and_protocol(cli, store):
    name = cli(*TRAIN)[1]["run"]
    code, about, _ = cli("show", name)
    assert code == 0
    assert about["spec"]["method"] == "fake"
    assert about["progress"]["device_reason"]
    assert about["protocol"].startswith("blobs, 40 points")
    assert about["acc"] is not None
    for file in (store.root / "_data").rglob("*"):
        if file.is_file():
            file.unlink()
    code, about, _ = cli("show", name)  # the items are gone, the rest can be told
    assert (code, about["protocol"], about["acc"]) == (0, None, None)


def test_show_can_probe_the_embedding(cli):
    name = cli(*TRAIN)[1]["run"]
    code, about, _ = cli("show", name, "--probe")
    assert code == 0
    assert 0 <= about["knn_probe"] <= 1


def test_methods_and_data_sets_are_listed_with_their_parameters(cli):
    code, (method,), _ = cli("methods", "--json")
    assert code == 0
    assert (method["name"], method["accepts"]) == ("fake", ["points"])
    assert method["presets"]["quick"] == {"epochs": 2}
    pace = next(p for p in method["parameters"] if p["name"] == "pace")
    assert (pace["kind"], pace["default"], pace["low"], pace["high"]) == ("float", 0.0, 0.0, 60.0)
    assert pace["help"] == "Seconds that a batch takes."
    code, rows, _ = cli("datasets", "--json")
    assert code == 0
    toy = next(row for row in rows if row["name"] == "toy")
    assert (toy["kind"], toy["offline"]) == ("points", True)
    assert {"digits", "mnist-5k"} <= {row["name"] for row in rows}


# Terminals, signals and pipes --------------------------------------------------------------------


def test_a_terminal_gets_a_progress_bar(cli, store, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main([*TRAIN, "--set", "pace=0.03", "--runs", str(store.root)]) == 0
    bar = terminal.getvalue()
    assert "train" in bar
    assert "%|" in bar
    assert "s left" in bar
    out = capsys.readouterr().out
    assert json.loads(out)["status"] == "done"  # and nothing else


def heed_ctrl_c():
    """Undo what a shell does to its background jobs, which children would inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def child(store, *words, **options):
    command = [sys.executable, "-m", "tests.support.fake_cli", *words, "--runs", str(store.root)]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
        **options,
    )


@pytest.mark.slow
def test_ctrl_c_cancels_and_keeps_what_is_there(store, wait_for):
    words = (*TRAIN, "--set", "pace=0.05", "epochs=1000", "by_hand=1")
    with child(store, *words) as process:
        run = wait_for(lambda: next(iter(store.runs()), None), 120)
        wait_for(lambda: len(run) >= 2, 120)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)  # a run of 1,000 epochs was cut short
    assert process.returncode == 1
    result = json.loads(out.splitlines()[-1])
    assert (result["status"], result["steps"]) == ("cancelled", len(run))
    assert result["steps"] >= 2
    assert result["acc"] is not None
    assert err == ""
    assert run.status == "cancelled"


def test_a_reader_that_has_seen_enough_is_no_error(store):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        command = [sys.executable, "-m", "clustlab", "datasets", "--runs", str(store.root)]
        found = subprocess.run(
            command, cwd=ROOT, stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.slow
def test_the_real_command_line_works_from_outside(store):
    command = [sys.executable, "-m", "clustlab", "train", "--dataset", "toy", "--method"]
    found = subprocess.run(
        [*command, "kmeans", "--data", "n=100", "--runs", str(store.root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    result = json.loads(found.stdout.splitlines()[-1])
    assert result["status"] == "done"
    assert result["acc"] > 0.3
    found = subprocess.run(
        [*command, "no-such"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "Choose one of: " in found.stderr
    assert found.stderr.count("\n") == 1

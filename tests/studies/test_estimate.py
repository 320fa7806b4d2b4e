"""What a study takes, before it starts."""

import json
from dataclasses import replace

import pytest

from clustlab.__main__ import main
from clustlab.runs.identity import comes_from
from clustlab.runs.status import write_status
from clustlab.studies.carry_out import carry_out
from clustlab.studies.description import Base, Study, axis_of
from clustlab.studies.estimate import ROUGH, Estimate, estimate
from clustlab.studies.state import places
from clustlab.training import estimate as of_runs
from clustlab.training.estimate import Machine
from clustlab.training.worker import new_run

BASE = Base("digits", "kmeans", "quick", {"n_samples": 150}, {"n_init": 1, "max_iter": 4})
ITEM = 8 * 8 + 4  # bytes of an image and its label


def of_words(*words, base=BASE):
    return Study("k", base, tuple(axis_of(word, base) for word in words))


@pytest.fixture(autouse=True)
def measured(monkeypatch):
    """A machine of known speed."""
    monkeypatch.setattr(of_runs, "_linear_rate", lambda device: 1e9)
    monkeypatch.setattr(of_runs, "_conv_rate", lambda device: 1e9)


def planned(store, study):
    """Seconds and iterations of all runs of a study, by the plan of the method."""
    from clustlab import registry
    from clustlab.params import build

    seconds, steps = 0.0, 0
    for _, _, spec in study.specs():
        plan = build(registry.method(spec.method), spec.method_params).plan(150, (8, 8, 1))
        seconds += Machine(store.root).seconds(spec.method, plan)
        steps += sum(phase.iterations for phase in plan)
    return seconds, steps


def test_time_and_room_are_those_of_all_runs_by_their_plans(store):
    study = of_words("n_clusters=4,10", "seed=0..2")
    found = estimate(study, store)
    seconds, steps = planned(store, study)
    assert (found.n_runs, found.n_done, found.n_unknown) == (6, 0, 0)
    assert found.seconds == pytest.approx(seconds)
    draws = 2 * 150 * ITEM  # of the seeds 1 and 2: that of seed 0 was loaded to be looked at
    assert found.n_bytes == pytest.approx(ROUGH * 150 * steps + draws)
    assert found.is_rough
    assert "6 runs. One after the other they take about" in found.words
    assert "no finished run here yet" in found.words


def test_runs_that_are_there_count_for_nothing_and_teach_what_the_others_need(store):
    carry_out(of_words("n_clusters=4", "seed=0..1"), store, lambda _: None)
    there = store.runs()
    assert estimate(of_words("n_clusters=4", "seed=0..1"), store).words == (
        "All 2 runs are there already: nothing is trained."
    )
    study = of_words("n_clusters=4,5", "seed=0..1")
    found = estimate(study, store)
    alone = estimate(of_words("n_clusters=5", "seed=0..1"), store)
    assert (found.n_done, found.n_runs) == (2, 4)
    assert (found.seconds, found.n_bytes) == (alone.seconds, alone.n_bytes)
    assert not found.is_rough
    assert "2 runs; 2 of 4 are there already" in found.words
    carry_out(study, store, lambda _: None)
    taken = sum(run.size for run in store.runs()) - sum(run.size for run in there)
    assert found.n_bytes == pytest.approx(taken, rel=0.5)


def test_one_run_is_told_as_one():
    made = [Estimate(n, done, 0, 5.0, 2e6, False).words for n, done in ((1, 0), (2, 1), (1, 1))]
    assert made == [
        "1 run. It takes about 5 s and about 2.0 MB on the disk.",
        "1 run; 1 of 2 is there already. It takes about 5 s and about 2.0 MB on the disk.",
        "The run is there already: nothing is trained.",
    ]


def test_of_a_run_that_has_begun_only_the_rest_counts(store):
    study = of_words("seed=0")
    whole = estimate(study, store)
    run = new_run(store, next(study.specs())[2])
    write_status(run.path, {"status": "cancelled", "fraction": 0.75})
    left = estimate(study, store)
    assert left.seconds == pytest.approx(whole.seconds / 4)
    assert left.n_bytes == pytest.approx(whole.n_bytes - run.size)


def test_steps_take_no_more_than_is_kept_of_a_long_run(store, monkeypatch):
    study = of_words("n_clusters=4,10", "seed=0")
    estimate(study, store)  # loads the items, which count no more
    monkeypatch.setenv("CLUSTLAB_STEPS_GB", "0.00001")
    assert estimate(study, store).n_bytes == pytest.approx(2 * 10_000)
    monkeypatch.setenv("CLUSTLAB_STEPS_GB", "all")
    assert estimate(study, store).n_bytes > 3 * 10_000


def test_what_has_to_be_downloaded_is_not_known(store, monkeypatch):
    from clustlab import registry

    monkeypatch.setattr(registry.dataset("digits"), "is_ready", lambda _: False)
    found = estimate(of_words("n_clusters=4,10"), store)
    assert found.n_unknown == 2
    assert found.words == ("2 runs. What they take is known once their data are on this machine.")


def test_the_command_says_it_before_it_starts_and_without_starting(store, capsys):
    words = ["dataset=digits", "method=kmeans", "preset=quick", "max_iter=2", "data.n_samples=150"]
    asked = ["k", "--base", *words, "--vary", "seed=0..1", "--runs", str(store.root)]
    assert main(["study", "estimate", *asked]) == 0
    out, error = capsys.readouterr()
    answer = json.loads(out)
    assert (answer["runs"], answer["done"], answer["unknown"]) == (2, 0, 0)
    assert answer["bytes"] > 1000
    assert "2 runs. One after the other" in error
    assert store.runs() == []
    assert not (store.root / "_studies").exists()
    assert main(["study", "run", *asked]) == 0
    assert capsys.readouterr().err.startswith("clustlab: 2 runs. One after the other")
    assert main(["study", "estimate", "k", "--runs", str(store.root)]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 2


def test_a_place_has_the_run_that_comes_from_its_spec_whatever_its_version(store):
    study = of_words("n_clusters=4,5", "seed=0..1")
    specs = [spec for _, _, spec in study.specs()]
    made = [new_run(store, spec) for spec in specs[:2]]
    new_run(store, replace(specs[2], excluded=[3]))
    old = store.root / made[0].id / "manifest.json"
    old.write_text(json.dumps({**json.loads(old.read_text()), "version": "0.0.1"}))
    runs = store.runs()
    for place in places(study, runs):
        fitting = [run.id for run in runs if comes_from(run, place.spec)]
        assert (fitting[:1] or [None]) == [place.run.id if place.run is not None else None]
    assert [place.run is not None for place in places(study, runs)] == [True, True, False, False]

"""What users change in a run under way: made exactly once, recorded, and the same after a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clustlab import interventions, registry
from clustlab.context import Context
from clustlab.errors import ParameterError, RunNotFound
from clustlab.interventions import Desk
from clustlab.parts.interventions import (
    change_rate,
    moved_centers,
    relabelled,
    scrambled_rows,
)
from clustlab.runner import ThreadRunner, execute, new_run, requeue
from clustlab.store import RunSpec, snapshot_path
from clustlab.types import Intervention
from tests import handmade
from tests.test_methods import digits, tiny

ROOT = Path(__file__).parents[1]
DATA = {"n_samples": 150}
KMEANS = {"n_clusters": 5, "n_init": 1, "max_iter": 12, "tolerance": 0.0}


# -- by hand -------------------------------------------------------------------------------------
LINE = torch.tensor([[0.0], [1.0], [10.0], [11.0], [20.0], [21.0], [22.0]])
LABELS = torch.tensor([0, 0, 1, 1, 2, 2, 2])
CENTERS = torch.tensor([[0.5], [10.5], [21.0]])


def wanted(kind, *clusters, value=1.0):
    return [Intervention(kind, clusters, value)]


def test_merging_moves_items_and_puts_the_second_out_of_reach():
    labels, centers = moved_centers(LINE, LABELS, CENTERS, wanted("merge", 0, 1), Context())
    assert labels.tolist() == [0, 0, 0, 0, 2, 2, 2]
    assert centers[[0, 2], 0].tolist() == [5.5, 21.0]
    assert float((LINE - centers[1]).abs().min()) > 22.0  # no two items are farther apart


def test_splitting_fills_an_empty_cluster_first():
    labels = torch.tensor([0, 0, 0, 0, 2, 2, 2])
    after = relabelled(LINE, labels, 3, wanted("split", 0), Context())
    assert {tuple(after[:2].tolist()), tuple(after[2:4].tolist())} == {(0, 0), (1, 1)}
    assert after[4:].tolist() == [2, 2, 2]


def test_splitting_takes_the_place_of_the_smallest_whose_items_go_to_the_nearest():
    z = torch.tensor([[0.0], [1.0], [2.0], [50.0], [51.0], [52.0], [4.0]])
    labels = torch.tensor([0, 0, 0, 1, 1, 1, 2])
    after = relabelled(z, labels, 3, wanted("split", 1), Context())
    assert after[6] == 0
    assert set(after[3:6].tolist()) == {1, 2}
    _, centers = moved_centers(z, labels, torch.zeros(3, 1), wanted("split", 1), Context())
    assert centers[0, 0] == pytest.approx(7 / 4)


def test_a_cluster_of_one_cannot_be_split():
    labels = torch.tensor([0, 1, 1, 1, 1, 1, 1])
    assert torch.equal(relabelled(LINE, labels, 2, wanted("split", 0), Context()), labels)


def test_reseeding_places_a_centre_on_an_item_away_from_all_others():
    centers = torch.tensor([[0.5], [0.4], [10.5]])  # nobody is near the last three items
    labels, after = moved_centers(LINE, LABELS, centers, wanted("re-seed", 1), Context(3))
    assert float(after[1]) in (20.0, 21.0, 22.0)
    assert labels.tolist() == [0, 0, 2, 2, 1, 1, 1]
    assert torch.equal(after[[0, 2]], centers[[0, 2]])


def test_scrambling_touches_the_items_of_the_cluster_only():
    labels = torch.arange(300) % 3
    z = torch.arange(300.0)[:, None]
    after = relabelled(z, labels, 3, wanted("scramble", 1), Context())
    assert torch.equal(after[labels != 1], labels[labels != 1])
    assert 0.5 < float((after[labels == 1] != 1).float().mean()) < 0.8  # two thirds
    p = torch.rand(300, 3).softmax(1)
    rows = scrambled_rows(p, labels, wanted("scramble", 1), Context())
    assert torch.equal(rows[labels != 1], p[labels != 1])
    assert torch.equal(rows.sort(1).values, p.sort(1).values)
    assert not torch.equal(rows[labels == 1], p[labels == 1])


def test_the_rate_is_multiplied():
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    change_rate(optimiser, [*wanted("learning rate", value=0.1), *wanted("merge", 0, 1)])
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("kind", "clusters", "value", "words"),
    [
        ("merge", (1, 1), 1.0, "takes 2 different clusters"),
        ("split", (), 1.0, "takes 1 different"),
        ("learning rate", (3,), 1.0, "takes 0 different"),
        ("learning rate", (), 0.0, "must lie in"),
        ("learning rate", (), float("nan"), "must lie in"),
    ],
)
def test_nonsense_is_refused(kind, clusters, value, words):
    with pytest.raises(ParameterError, match=words):
        Intervention(kind, clusters, value)


# -- in the methods ------------------------------------------------------------------------------
def told(name, at=None, wish=(), **values):
    """Snapshots of a method, with a wish granted at the iteration that makes step `at`."""
    step = 0
    asked = []

    def grant():
        asked.append(step)
        return wish if step == at else ()

    ctx = Context(0, interventions=grant)
    found = []
    for snapshot in tiny(name, **values).iterate(digits(), ctx):
        found.append(snapshot)
        step += 1
    assert len(asked) == len(set(asked))  # at most once an iteration
    return found, asked


OFFERS = {n: registry.interventions(m) for n, m in registry.methods().items()}
OFFERS = {name: offer for name, offer in OFFERS.items() if offer}
CASES = [(n, k) for n, offer in OFFERS.items() for k in next(iter(offer.values()))]


def test_the_methods_of_the_first_version_offer_what_they_can():
    assert set(OFFERS["kmeans"]["assign and move"]) == {"merge", "split", "re-seed", "scramble"}
    assert len(OFFERS["dec"]["cluster"]) == 5
    assert "scramble" in OFFERS["deepcluster"]["train"]
    assert OFFERS["iic"]["train"] == ("learning rate",)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_every_offer_is_carried_out_where_it_is_asked_for_and_nowhere_else(name, kind):
    values = {"tolerance": 0.0} if name in ("kmeans", "pca-kmeans", "dec", "idec") else {}
    untouched, asked = told(name, **values)
    (phase,) = OFFERS[name]
    at = asked[0]
    number = {"learning rate": 0, "merge": 2}.get(kind, 1)
    largest = np.bincount(untouched[at - 1].assignments).argsort()[::-1]
    wish = [Intervention(kind, tuple(int(i) for i in largest[:number]), 10.0)]
    touched, _ = told(name, at, wish, **values)
    for i, (a, b) in enumerate(zip(untouched, touched, strict=False)):
        same = a.embedding.tobytes() == b.embedding.tobytes() and (
            a.assignments.tobytes() == b.assignments.tobytes() and a.scalars == b.scalars
        )
        assert same == (i < at) or i > at, (phase, i)


def test_merged_clusters_of_kmeans_stay_one():
    untouched, asked = told("kmeans", tolerance=0.0, max_iter=6)
    wish = wanted("merge", 0, 1)
    touched, _ = told("kmeans", asked[0], wish, tolerance=0.0, max_iter=6)
    assert (untouched[-1].assignments == 1).any()
    assert not (touched[-1].assignments == 1).any()


def test_a_scrambled_cluster_of_kmeans_recovers():
    untouched, _ = told("kmeans", tolerance=0.0, max_iter=25)
    touched, _ = told("kmeans", 4, wanted("scramble", 2), tolerance=0.0, max_iter=25)
    assert touched[4].scalars["inertia"] > untouched[4].scalars["inertia"]
    assert touched[-1].scalars["inertia"] < 1.05 * untouched[-1].scalars["inertia"]


# -- in the run directory ------------------------------------------------------------------------
def arrays(run):
    return [snapshot_path(run.path, i).read_bytes() for i in range(len(run))]


def paused_at(store, step, wait_for, method="kmeans", **params):
    """A run that a thread holds after so many steps."""
    params = params or KMEANS
    run = new_run(store, RunSpec("digits", method, DATA, params, preset="custom"))
    (run.path / "request").write_text(f"until {step}")
    ThreadRunner(store.root).submit(run.id)
    wait_for(lambda: run.status == "paused", 60)
    assert len(run) == step
    return run


def finished(run, wait_for):
    run.request("run")
    wait_for(lambda: run.status == "done", 60)
    return run


def test_a_wish_is_granted_once_at_the_next_step_and_recorded_there(store, wait_for):
    run = paused_at(store, 3, wait_for)
    interventions.ask(run, Intervention("merge", (0, 1)))
    (wish,) = interventions.wishes(run)
    assert (wish.intervention.clusters, wish.n_steps) == ((0, 1), 3)
    finished(run, wait_for)
    assert interventions.wishes(run) == []
    made = {i: interventions.at_step(r) for i, r in enumerate(run.log)}
    assert {i: m for i, m in made.items() if m} == {3: [Intervention("merge", (0, 1))]}
    (line,) = (run.path / "interventions.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 3
    assert (run[2].assignments == 1).any()
    assert not (run[3].assignments == 1).any()


def test_what_is_taken_back_in_time_is_not_made(store, wait_for):
    run = paused_at(store, 3, wait_for)
    name = interventions.ask(run, Intervention("merge", (0, 1)))
    interventions.take_back(run, name)
    finished(run, wait_for)
    assert not (run.path / "interventions.jsonl").exists()
    assert all("interventions" not in record for record in run.log)
    whole = new_run(store, run.spec)
    execute(store.root, whole.id)
    assert arrays(run) == arrays(whole)
    with pytest.raises(ParameterError, match="made meanwhile"):
        interventions.take_back(run, name)
    with pytest.raises(ParameterError, match="not the name"):
        interventions.take_back(run, "../../spec")


def test_after_a_kill_a_change_is_made_again_at_its_step_and_not_twice(store, wait_for):
    whole = paused_at(store, 3, wait_for)
    interventions.ask(whole, Intervention("scramble", (2,)))
    finished(whole, wait_for)

    run = new_run(store, whole.spec)
    (run.path / "request").write_text("until 3")
    command = [sys.executable, "-m", "clustlab", "work", run.id, "--runs", str(store.root)]
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(command, cwd=ROOT, stdout=quiet, stderr=quiet)
    try:
        wait_for(lambda: run.status == "paused", 120)
        interventions.ask(run, Intervention("scramble", (2,)))
        (run.path / "request").write_text("until 5")
        wait_for(lambda: len(run) == 5 and run.status == "paused", 60)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    wait_for(lambda: run.status == "lost")
    requeue(run)
    execute(store.root, run.id)
    assert run.status == "done"
    assert arrays(run) == arrays(whole)
    assert [i for i, r in enumerate(run.log) if "interventions" in r] == [3]
    assert len((run.path / "interventions.jsonl").read_text().splitlines()) == 1


def test_a_crash_between_the_record_and_the_step_loses_and_doubles_nothing(store, wait_for):
    run = paused_at(store, 3, wait_for)
    run.request("cancel")
    wait_for(lambda: run.status == "cancelled")
    interventions.ask(run, Intervention("merge", (0, 1)))
    (file,) = (run.path / "wishes").iterdir()
    text = file.read_text()
    offered = registry.interventions(registry.method("kmeans"))
    assert Desk(run, offered).take(3, "assign and move", is_new=True)
    file.write_text(text)  # the crash came before the wish was removed ...
    with (run.path / "interventions.jsonl").open("a") as lines:
        lines.write('{"step": 4, "wi')  # ... or in the middle of a line
    requeue(run)
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    assert [len(interventions.at_step(r)) for r in run.log[:6]] == [0, 0, 0, 1, 0, 0]
    assert not list((run.path / "wishes").iterdir())


def test_a_step_that_is_repeated_grants_nothing_new(store, wait_for):
    run = paused_at(store, 4, wait_for)
    interventions.ask(run, Intervention("merge", (0, 1)))
    offered = registry.interventions(registry.method("kmeans"))
    assert Desk(run, offered).take(2, "assign and move", is_new=False) == []
    assert len(interventions.wishes(run)) == 1
    run.request("cancel")
    wait_for(lambda: run.status == "cancelled")


def test_clusters_are_followed_by_their_items_while_a_wish_waits(store):
    first = np.arange(12) % 3
    moved = (first + 1) % 3  # the same clusters under other numbers
    data = handmade.dataset(12)
    run = handmade.write(store, [handmade.hard(a, 3, loss=1.0) for a in (first, moved)], data)

    def judged(intervention, n_steps):
        interventions.ask(run, intervention)
        (file,) = (run.path / "wishes").iterdir()
        file.write_text(json.dumps({**json.loads(file.read_text()), "n_steps": n_steps}))
        desk = Desk(run, {"train": ("merge", "split")})
        granted = desk.take(2, "train", is_new=True)
        record = desk.record(2)
        (run.path / "interventions.jsonl").unlink()
        return granted, interventions.refused_at(record)

    granted, refused = judged(Intervention("merge", (0, 1)), 1)
    assert granted == [Intervention("merge", (1, 2))]
    assert refused == []
    for wish, n_steps, reason in (
        (Intervention("scramble", (0,)), 2, "the phase 'train' does not offer it"),
        (Intervention("split", (7,)), 2, "there are only 3 clusters"),
        (Intervention("split", (0,)), 0, "there were no clusters yet"),
    ):
        granted, refused = judged(wish, n_steps)
        assert granted == []
        assert refused == [(wish, reason)]


def test_of_a_deleted_run_nothing_can_be_asked(store):
    run = new_run(store, RunSpec("digits", "kmeans", DATA, KMEANS, preset="custom"))
    store.delete(run.id)
    with pytest.raises(RunNotFound, match=run.id):
        interventions.ask(run, Intervention("merge", (0, 1)))


def test_a_run_that_nobody_touches_leaves_no_trace(store):
    run = new_run(store, RunSpec("digits", "kmeans", DATA, KMEANS, preset="custom"))
    execute(store.root, run.id)
    assert run.status == "done"
    assert not (run.path / "wishes").exists()
    assert not (run.path / "interventions.jsonl").exists()
    assert not {"interventions", "refused"} & set().union(*run.log)


def test_dec_keeps_a_changed_rate_over_a_resume(store, wait_for):
    small = {
        "n_clusters": 5,
        "epochs": 2,
        "n_init": 2,
        "batch_size": 32,
        "update_interval": 2,
        "max_updates": 6,
        "tolerance": 0.0,
        "hidden_widths": "100-100-400",
    }
    runs = []
    for stop in (False, True):
        run = paused_at(store, 5, wait_for, method="dec", **small)
        interventions.ask(run, Intervention("learning rate", (), 10.0))
        interventions.ask(run, Intervention("scramble", (1,)))
        if stop:
            (run.path / "request").write_text("until 7")
            wait_for(lambda run=run: len(run) == 7 and run.status == "paused", 60)
            run.request("cancel")
            wait_for(lambda run=run: run.status == "cancelled")
            requeue(run)
            execute(store.root, run.id)
            assert run.status == "done", run.progress
        else:
            finished(run, wait_for)
        runs.append(run)
    assert arrays(runs[0]) == arrays(runs[1])
    plain = new_run(store, runs[0].spec)
    execute(store.root, plain.id)
    assert arrays(plain)[:5] == arrays(runs[0])[:5]
    assert arrays(plain)[5:] != arrays(runs[0])[5:]

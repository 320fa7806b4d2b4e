"""What users change in a run under way: made exactly once, recorded, and the same after a kill."""

import json
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from clustlab import registry
from clustlab.context import Context
from clustlab.errors import ParameterError, RunNotFound
from clustlab.params import schema
from clustlab.parts.hooks.interventions import (
    LearningRateFactor,
    change_rate,
    changed_answers,
    moved_centers,
    relabelled,
    scrambled_rows,
)
from clustlab.runs import interventions
from clustlab.runs.interventions import Desk
from clustlab.runs.store import RunSpec, snapshot_path
from clustlab.training.runner import ThreadRunner
from clustlab.training.worker import execute, new_run, requeue
from clustlab.types import Intervention
from tests.methods.test_methods import digits, packed, tiny, unpacked
from tests.support import handmade

ROOT = Path(__file__).parents[2]
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


def test_a_factor_multiplies_a_schedule_and_is_kept():
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=9.0)
    ctx = Context()
    factor = LearningRateFactor("pace", ctx)
    assert factor.set(0.5, optimiser) == 0.5  # exactly, or an untouched run would differ
    factor.take([*wanted("learning rate", value=0.1), *wanted("learning rate", value=4.0)])
    assert factor.set(0.5, optimiser) == pytest.approx(0.2)
    assert optimiser.param_groups[0]["lr"] == pytest.approx(0.2)
    saved = {"finished": [], "phase": "", "parts": ctx._states()}
    resumed = LearningRateFactor("pace", Context(checkpoint=saved))
    assert resumed.set(0.5, optimiser) == pytest.approx(0.2)


ANSWERS = torch.tensor([[0.9, 0.1, 0], [1, 0, 0], [0, 1, 0], [0.2, 0.8, 0], [0, 0, 1.0]])
PLACES = torch.tensor([[0.0], [1.0], [10.0], [9.0], [50.0]])


def test_merged_answers_add_up_and_leave_nothing_to_the_second():
    after = changed_answers(PLACES, ANSWERS, wanted("merge", 1, 0), Context())
    assert after.tolist() == [[0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_a_split_gives_half_of_the_items_to_another_for_sure():
    empty = torch.tensor([[1.0, 0], [1, 0], [1, 0], [1, 0], [1, 0]])
    after = changed_answers(PLACES, empty, wanted("split", 0), Context())
    assert sorted(after.argmax(1).bincount().tolist()) == [1, 4]  # the far one is a half
    assert after.sum(1).tolist() == [1.0] * 5
    assert set(after.flatten().tolist()) == {0.0, 1.0}


def test_a_reseeded_component_answers_for_what_is_nearest_to_its_new_place():
    answers = torch.tensor([[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1.0, 0]])
    after = changed_answers(PLACES, answers, wanted("re-seed", 2), Context(1))
    (taken,) = {tuple(row) for row in after[after[:, 2] > 0].tolist()}
    assert taken == (0, 0, 1)
    gone = changed_answers(PLACES, ANSWERS, wanted("merge", 0, 1), Context())
    again = changed_answers(PLACES, gone, wanted("re-seed", 1), Context(1))
    assert (gone[:, 1] > 0).sum() == 0 < (again[:, 1] > 0).sum()


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
def told(name, at=None, wish=(), until=None, resume=None, checkpoints=False, **values):
    """Snapshots of a method, with a wish granted at the iteration that makes step `at`.

    And at which steps and in which phases it asked, and its checkpoints if they are wanted.
    """
    step, saved = (resume[0] + 1, unpacked(resume[1])) if resume else (0, None)
    asked, found, states = [], [], {}

    def grant():
        asked.append((step, ctx.phase_name))
        return wish if step == at else ()

    ctx = Context(0, interventions=grant, checkpoint=saved)
    for snapshot in tiny(name, **values).iterate(digits(), ctx):
        found.append(snapshot)
        if checkpoints:
            states[step] = packed(ctx.checkpoint())
        if step == until:
            break
        step += 1
    assert len(asked) == len(set(asked))  # at most once an iteration
    return (found, asked, states) if checkpoints else (found, asked)


OFFERS = {n: registry.interventions(m) for n, m in registry.methods().items()}
OFFERS = {name: offer for name, offer in OFFERS.items() if offer}
PHASES = [(n, phase) for n, offer in OFFERS.items() for phase in offer]
CASES = [(n, phase, kind) for n, phase in PHASES for kind in OFFERS[n][phase]]


def settings(name, phase):
    """What a tiny run needs so that every phase has some rounds."""
    known = {p.name for p in schema(registry.method(name))}
    values = {"tolerance": 0.0, "threshold": 0.15, "hidden_widths": "100-100-400"}
    if phase == "pre-train layers":
        values |= {"pretraining": "layer-wise", "layer_epochs": 1}
    values |= {"max_iter": 4, "n_clusters": 4} if "max_iter" in known else {}
    return {key: value for key, value in values.items() if key in known}


def largest(snapshot, kind, value=10.0):
    """A wish of a kind about the largest clusters of a snapshot."""
    number = {"learning rate": 0, "merge": 2}.get(kind, 1)
    clusters = np.bincount(snapshot.assignments).argsort()[::-1][:number]
    return Intervention(kind, tuple(int(i) for i in clusters), value)


def looks(snapshot):
    arrays = (snapshot.embedding, snapshot.assignments, snapshot.probabilities, snapshot.centers)
    return [a.tobytes() for a in arrays if a is not None], snapshot.scalars


def test_methods_offer_what_lasts_in_them():
    assert set(OFFERS["kmeans"]["assign and move"]) == {"merge", "split", "re-seed", "scramble"}
    for name in ("dec", "idec", "vade", "iic", "rim", "imsat", "scan", "contrastive-clustering"):
        assert any(len(kinds) == 5 for kinds in OFFERS[name].values()), name
    for name, method in registry.methods().items():  # who trains by gradients has a rate to change
        has_rate = any(p.name == "learning_rate" for p in schema(method))
        assert has_rate == any("learning rate" in k for k in OFFERS.get(name, {}).values()), name


@pytest.mark.parametrize("name", OFFERS)
def test_offers_stand_in_the_order_of_the_phases(name):
    method = tiny(name, **settings(name, "pre-train layers"))
    planned = [phase.name for phase in method.plan(120, (8, 8, 1))]
    assert [phase for phase in planned if phase in OFFERS[name]] == list(OFFERS[name])


@pytest.mark.parametrize(("name", "phase", "kind"), CASES)
def test_every_offer_is_carried_out_where_it_is_asked_for_and_nowhere_else(name, phase, kind):
    values = settings(name, phase)
    untouched, asked = remembered(name, phase)
    at = next(step for step, where in asked if where == phase)
    wish = [largest(untouched[at - 1], kind)]
    touched, _ = told(name, at, wish, until=at, **values)
    assert len(touched) == at + 1
    assert [looks(a) for a in touched[:at]] == [looks(a) for a in untouched[:at]]
    assert looks(touched[at]) != looks(untouched[at])


@pytest.mark.parametrize(("name", "phase"), PHASES)
def test_a_change_is_repeated_and_remembered_by_a_run_that_is_resumed(name, phase):
    values = settings(name, phase)
    untouched, asked = remembered(name, phase)
    at = next(step for step, where in asked if where == phase)
    kinds = OFFERS[name][phase]
    wish = [largest(untouched[at - 1], kind, 3.0) for kind in kinds]
    last = min(at + 2, len(untouched) - 1)
    whole, _, saved = told(name, at, wish, until=last, checkpoints=True, **values)
    for before in (at - 1, at):  # the step of the change is done again, or behind it already
        rest, _ = told(name, at, wish, until=last, resume=(before, saved[before]), **values)
        assert [looks(a) for a in rest] == [looks(a) for a in whole[before + 1 :]], before


@cache
def remembered(name, phase):
    """An untouched run: its snapshots, and in which steps and phases it asks."""
    return told(name, **settings(name, phase))


def test_merged_clusters_of_kmeans_stay_one():
    untouched, asked = told("kmeans", tolerance=0.0, max_iter=6)
    wish = wanted("merge", 0, 1)
    touched, _ = told("kmeans", asked[0][0], wish, tolerance=0.0, max_iter=6)
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


def test_what_a_later_phase_offers_waits_for_it(store):
    data = handmade.dataset(12)
    run = handmade.write(store, [handmade.hard(np.arange(12) % 3, 3, loss=1.0)], data)
    wish = Intervention("merge", (0, 1))
    interventions.ask(run, wish)
    desk = Desk(run, {"pre-train": ("learning rate",), "cluster": ("merge",), "end": ()})
    assert desk.take(1, "pre-train", is_new=True) == []
    assert [w.intervention for w in interventions.wishes(run)] == [wish]
    assert not (run.path / "interventions.jsonl").exists()
    assert desk.take(1, "cluster", is_new=True) == [wish]
    assert interventions.wishes(run) == []
    interventions.ask(run, wish)
    assert desk.take(2, "end", is_new=True) == []  # nothing later offers it
    assert [reason for _, reason in interventions.refused_at(desk.record(2))] == [
        "the phase 'end' does not offer it"
    ]


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

"""What users change in a run under way: made exactly once, recorded, and the same after a kill."""

import json
import os
import signal
import tempfile
from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clustlab import registry
from clustlab.analysis.lasting_clusters import lasting_numbers
from clustlab.analysis.timeline import Timeline
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
from clustlab.runs.interventions import InterventionQueue, RecordedIntervention
from clustlab.runs.store import RunSpec, RunStore, snapshot_path
from clustlab.training.runner import ThreadRunner
from clustlab.training.worker import execute, new_run, requeue
from clustlab.types import Intervention
from tests.methods.test_methods import digits, packed, tiny, unpacked
from tests.support import forked, made_runs

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


@pytest.mark.slow
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
    for snapshot in tiny(name, **values).iterate(digits(120), ctx):
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


@pytest.mark.slow
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


@pytest.mark.slow
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


def remembered(name, phase):
    """An untouched run: its snapshots, and in which steps and phases it asks."""
    return untouched_run(name, phase if phase == "pre-train layers" else "any other")


@cache
def untouched_run(name, phase):
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
some_examples = hypothesis_settings(max_examples=25, deadline=None)


def pending(run):
    return interventions.pending(run, partial(lasting_numbers, run))


def queue(run, offered):
    return InterventionQueue(run, offered, partial(lasting_numbers, run))


def arrays(run):
    return [snapshot_path(run.path, i).read_bytes() for i in range(len(run))]


def paused_at(store, step, wait_for, method="kmeans", **params):
    """A run that a thread holds after so many steps."""
    params = params or KMEANS
    run = new_run(store, RunSpec("digits", method, DATA, params, preset="custom"))
    (run.path / "request").write_text(f"until {step}")
    ThreadRunner(store.root).submit(run.id)
    wait_for(lambda: run.status == "paused")
    assert len(run) == step
    return run


def finished(run, wait_for):
    run.request("run")
    wait_for(lambda: run.status == "done")
    return run


def test_a_wish_is_granted_once_at_the_next_step_and_recorded_there(store, wait_for):
    run = paused_at(store, 3, wait_for)
    interventions.ask(run, "merge", (0, 1))
    (asked,) = pending(run)
    assert (asked.kind, asked.lasting, asked.n_steps) == ("merge", (0, 1), 3)
    finished(run, wait_for)
    assert pending(run) == []
    made = {i: interventions.made_at(r) for i, r in enumerate(run.log)}
    taken = int((run[2].assignments == 1).sum())
    recorded = RecordedIntervention("merge", 1.0, (0, 1), (0, 1), taken, "")
    assert {i: m for i, m in made.items() if m} == {3: [recorded]}
    (line,) = (run.path / "interventions.jsonl").read_text().splitlines()
    assert json.loads(line)["step"] == 3
    assert (run[2].assignments == 1).any()
    assert not (run[3].assignments == 1).any()


def test_what_is_taken_back_in_time_is_not_made(store, wait_for):
    run = paused_at(store, 3, wait_for)
    name = interventions.ask(run, "merge", (0, 1))
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


@pytest.mark.slow
def test_after_a_kill_a_change_is_made_again_at_its_step_and_not_twice(store, wait_for):
    whole = paused_at(store, 3, wait_for)
    interventions.ask(whole, "scramble", (2,))
    finished(whole, wait_for)

    run = new_run(store, whole.spec)
    (run.path / "request").write_text("until 3")
    child = forked.start("work", run.id, "--runs", str(store.root), fake=False)
    try:
        wait_for(lambda: run.status == "paused", 120)
        interventions.ask(run, "scramble", (2,))
        (run.path / "request").write_text("until 5")
        wait_for(lambda: len(run) == 5 and run.status == "paused")
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
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
    interventions.ask(run, "merge", (0, 1))
    (file,) = (run.path / "wishes").iterdir()
    text = file.read_text()
    offered = registry.interventions(registry.method("kmeans"))
    assert queue(run, offered).take(3, "assign and move", is_new=True)
    file.write_text(text)  # the crash came before the wish was removed ...
    with (run.path / "interventions.jsonl").open("a") as lines:
        lines.write('{"step": 4, "wi')  # ... or in the middle of a line
    requeue(run)
    execute(store.root, run.id)
    assert run.status == "done", run.progress
    assert [len(interventions.made_at(r)) for r in run.log[:6]] == [0, 0, 0, 1, 0, 0]
    assert not list((run.path / "wishes").iterdir())


def test_a_step_that_is_repeated_grants_nothing_new(store, wait_for):
    run = paused_at(store, 4, wait_for)
    interventions.ask(run, "merge", (0, 1))
    offered = registry.interventions(registry.method("kmeans"))
    assert queue(run, offered).take(2, "assign and move", is_new=False) == []
    assert len(pending(run)) == 1
    run.request("cancel")
    wait_for(lambda: run.status == "cancelled")


OWN = np.repeat(np.arange(4), [5, 4, 3, 2])  # four clusters of different sizes


def renumbered(store, orders, moves=()):
    """A run in which the same clusters stand under other raw numbers at each step.

    At each step one item of `moves` goes to the next cluster.
    """
    own, snapshots = OWN.copy(), []
    for step, order in enumerate(orders):
        leaving = list(moves)[step : step + 1]
        own[leaving] = (own[leaving] + 1) % 4
        snapshots.append(made_runs.hard(np.asarray(order)[own], 4, loss=1.0))
    return made_runs.write(store, snapshots, made_runs.dataset(len(OWN)))


def ask_after(run, n_steps, kind, *lasting):
    """Ask for a change as was done when the run had so many steps."""
    interventions.ask(run, kind, lasting)
    (file,) = (run.path / "wishes").iterdir()
    file.write_text(json.dumps({**json.loads(file.read_text()), "n_steps": n_steps}))


@some_examples
@given(st.lists(st.permutations(range(4)), min_size=1, max_size=5), st.integers(0, 3), st.data())
def test_a_lasting_number_reaches_its_cluster_whatever_its_raw_number_is(orders, cluster, data):
    moves = data.draw(st.lists(st.integers(0, 13), unique=True, max_size=len(orders)))
    with tempfile.TemporaryDirectory() as folder:
        run = renumbered(RunStore(folder), orders, moves)
        seen = Timeline(run)  # what pages show
        seen.extend()
        members = np.flatnonzero(seen.stable(len(run) - 1) == cluster)
        if not moves:  # a lasting number is the raw one of the first step
            assert members.tolist() == np.flatnonzero(np.array(orders[0])[OWN] == cluster).tolist()
        ask_after(run, data.draw(st.integers(1, len(run))), "scramble", cluster)
        worker = queue(run, {"train": ("scramble",)})
        (made,) = worker.take(len(run), "train", is_new=True)
        reached = np.flatnonzero(run[-1].assignments == made.clusters[0])
        assert reached.tolist() == members.tolist()
        (recorded,) = interventions.made_at(worker.record(len(run)))
        assert (recorded.lasting, recorded.raw) == ((cluster,), made.clusters)
        assert recorded.n_items == len(members)
        assert interventions.items_taken(run, len(run), recorded).tolist() == members.tolist()
        again = queue(run, {"train": ("scramble",)})  # after a kill
        assert again.take(len(run), "train", is_new=False) == [made]


def test_a_cluster_that_most_of_its_items_have_left_is_still_that_cluster(store):
    snapshots = [
        made_runs.hard(np.array(assignments), 2, loss=1.0)
        for assignments in ([0] * 5 + [1] * 6, [0] * 2 + [1] * 9)
    ]
    run = made_runs.write(store, snapshots, made_runs.dataset(11))
    ask_after(run, 1, "scramble", 0)
    worker = queue(run, {"train": ("scramble",)})
    assert worker.take(2, "train", is_new=True) == [Intervention("scramble", (0,))]
    (recorded,) = interventions.made_at(worker.record(2))
    assert interventions.items_taken(run, 2, recorded).tolist() == [0, 1]


def test_a_file_of_before_that_asks_by_raw_numbers_is_read(store):
    run = renumbered(store, [(0, 1, 2, 3), (2, 3, 0, 1), (1, 2, 3, 0)])
    (run.path / "wishes").mkdir()
    about = {"kind": "merge", "clusters": [2, 1], "value": 1.0, "n_steps": 2}
    (run.path / "wishes" / "1.json").write_text(json.dumps(about))
    assert [asked.lasting for asked in pending(run)] == [(0, 3)]
    made = queue(run, {"train": ("merge",)}).take(3, "train", is_new=True)
    assert made == [Intervention("merge", (1, 0))]


def test_a_log_of_before_is_read_and_its_items_are_known(store):
    run = renumbered(store, [(1, 0, 2, 3)])
    about = {"kind": "merge", "clusters": [0, 1], "value": 1.0}
    (made,) = interventions.made_at({"interventions": [about]})
    assert made == RecordedIntervention("merge", 1.0, None, (0, 1), None, "")
    assert interventions.items_taken(run, 1, made).tolist() == [0, 1, 2, 3, 4]
    (refused,) = interventions.refused_at({"refused": [{**about, "reason": "no"}]})
    assert refused.reason == "no"


@pytest.mark.parametrize(
    ("kind", "lasting", "n_steps", "reason"),
    [
        ("scramble", (0,), 2, "the phase 'train' does not offer it"),
        ("split", (7,), 2, "there is no cluster 7"),
        ("merge", (7, 9), 2, "there is no cluster 7 or 9"),
        ("split", (0,), 0, "there were no clusters yet"),
    ],
)
def test_what_cannot_be_made_is_recorded_with_its_reason(store, kind, lasting, n_steps, reason):
    run = renumbered(store, [(0, 1, 2, 3), (1, 2, 3, 0)])
    ask_after(run, n_steps, kind, *lasting)
    worker = queue(run, {"train": ("merge", "split")})
    assert worker.take(2, "train", is_new=True) == []
    (refused,) = interventions.refused_at(worker.record(2))
    assert (refused.kind, refused.lasting, refused.reason) == (kind, lasting, reason)


def test_what_a_later_phase_offers_waits_for_it(store):
    data = made_runs.dataset(12)
    run = made_runs.write(store, [made_runs.hard(np.arange(12) % 3, 3, loss=1.0)], data)
    interventions.ask(run, "merge", (0, 1))
    worker = queue(run, {"pre-train": ("learning rate",), "cluster": ("merge",), "end": ()})
    assert worker.take(1, "pre-train", is_new=True) == []
    assert [asked.lasting for asked in pending(run)] == [(0, 1)]
    assert not (run.path / "interventions.jsonl").exists()
    assert worker.take(1, "cluster", is_new=True) == [Intervention("merge", (0, 1))]
    assert pending(run) == []
    interventions.ask(run, "merge", (0, 1))
    assert worker.take(2, "end", is_new=True) == []  # nothing later offers it
    assert [refused.reason for refused in interventions.refused_at(worker.record(2))] == [
        "the phase 'end' does not offer it"
    ]


def test_of_a_deleted_run_nothing_can_be_asked(store):
    run = new_run(store, RunSpec("digits", "kmeans", DATA, KMEANS, preset="custom"))
    store.delete(run.id)
    with pytest.raises(RunNotFound, match=run.id):
        interventions.ask(run, "merge", (0, 1))


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
        interventions.ask(run, "learning rate", (), 10.0)
        interventions.ask(run, "scramble", (1,))
        if stop:
            (run.path / "request").write_text("until 7")
            wait_for(lambda run=run: len(run) == 7 and run.status == "paused")
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

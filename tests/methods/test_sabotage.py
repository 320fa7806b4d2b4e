"""Every broken run shows its signature, and the guard removes it: both are trained here."""

import dataclasses
import math
from functools import cache

import numpy as np
import pytest

from clustlab import registry
from clustlab.analysis.matching import contingency
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.params import build, schema
from clustlab.runs.identity import comes_from
from clustlab.runs.phases import steps_with_role
from clustlab.runs.store import RunStore
from clustlab.sabotage import measures
from clustlab.sabotage.entries import ENTRIES, FREQUENT, NAMES, entry_named
from clustlab.sabotage.entry import Signature
from clustlab.training.worker import execute, new_run
from tests.support import made_runs

EVERY = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


@pytest.fixture(scope="module")
def carried_out(tmp_path_factory):
    """Trains a spec, or hands out the run if another entry has the same one."""
    store = RunStore(tmp_path_factory.mktemp("sabotage") / "runs")
    known = {}

    def carry_out(spec):
        key = repr(spec)
        if key not in known:
            run = new_run(store, spec)
            execute(store.root, run.id)
            assert run.status == "done", run.progress
            assert comes_from(run, spec)
            data = store.dataset(run)
            timeline = Timeline(run, data.labels, n_classes=len(data.class_names))
            timeline.extend()
            known[key] = run, timeline
        return known[key]

    return carry_out


@pytest.mark.slow
@EVERY
def test_the_signature_appears_and_the_guard_removes_it(entry, carried_out):
    broken, guarded = (entry.signature.read(*carried_out(spec)) for spec in entry.specs.values())
    assert math.isfinite(broken.value), broken.sentence
    assert math.isfinite(guarded.value), guarded.sentence
    assert broken.is_present, broken.sentence
    assert not guarded.is_present, guarded.sentence


class Trained:
    """A finished run as the sentences of an entry speak of it."""

    def __init__(self, run, timeline):
        self.run, self.timeline = run, timeline

    def row(self, step=-1):
        """Scores of a step, counted from the end where negative."""
        return self.timeline.row(step % len(self.run))

    def rows(self):
        return [self.row(step) for step in range(len(self.run))]

    def scalars(self, name):
        return measures.scalars(self.run, name)

    def heads(self, record):
        found = record["scalars"]
        return [found[name] for name in found if name.startswith("loss_head_")]

    def classes_by_clusters(self):
        """Items by class and cluster at the end."""
        labels = self.timeline._labels
        return contingency(labels, self.run[-1].assignments)


def _no_pre_training(broken, guarded):
    starts = [measures.nmi_at_start_of_clusters(x.run, x.timeline) for x in (broken, guarded)]
    assert 0.35 < starts[0] / starts[1] < 0.65  # about half
    assert starts[0] + 0.05 < broken.row()["nmi"] < starts[1]  # raised, but not that far
    assert broken.row()["confidence"] > 0.9 * guarded.row()["confidence"]


def _code_scale(broken, guarded):
    assert broken.scalars("confidence")[1] < 0.11  # of ten clusters
    assert broken.scalars("loss")[0] < 0.001
    step = steps_with_role(broken.run, "train")[0]
    step = next(i for i in range(step, len(broken.run)) if "target" in broken.run[i].artefacts)
    assert float(broken.run[step].artefacts["target"].data.max()) < 0.2
    assert sum(row["changed"] > 0 for row in broken.rows()[step:]) > 1


def _target_per_batch(broken, guarded):
    assert measures.sharpening(broken.run, broken.timeline) < 1
    assert abs(broken.row()["nmi"] - guarded.row()["nmi"]) < 0.05  # the caveat


def _head_kept(broken, guarded):
    losses = [x.scalars("cross_entropy") for x in (broken, guarded)]
    assert losses[0][0] == losses[1][0]
    assert (losses[0][1:] > losses[1][1:]).all()
    assert losses[0][-1] < losses[0][0]  # it does fall


def _no_sampler(broken, guarded):
    frequent = [
        int((x.classes_by_clusters().argmax(0) < FREQUENT).sum()) for x in (broken, guarded)
    ]
    assert frequent[0] in (7, 8)
    assert abs(frequent[1] - 5) <= 1


def _no_repair(broken, guarded):
    used = [row["n_occupied"] for row in broken.rows()[:-1]]  # the last step merges
    assert used[0] == 150
    assert max(used[1:]) < used[0]


def _wrong_k(broken, guarded):
    counts = broken.classes_by_clusters()
    mixed = (counts > 30).sum(0) >= 2  # large parts of two digits or more
    assert mixed.sum() == len(mixed) - 1
    assert (broken.timeline.recall()[-1] == 0).sum() == 5
    assert (counts.sum(1) > 0).all()


def _no_augmentation(broken, guarded):
    ends = [x.scalars("mutual_information")[-1] for x in (broken, guarded)]
    assert ends[0] > ends[1]
    assert broken.row()["nmi"] < guarded.row()["nmi"]


def _mirrored(broken, guarded):
    ends = [x.scalars("mutual_information")[-1] for x in (broken, guarded)]
    assert ends[0] < ends[1]


def _running_statistics(broken, guarded):
    first = next(record for record in broken.run.log if "loss" in record["scalars"])
    assert min(broken.heads(first)) > first["scalars"]["loss"]
    assert broken.scalars("loss")[-1] < broken.scalars("loss")[0]
    assert abs(broken.row()["nmi"] - guarded.row()["nmi"]) < 0.05  # the caveat


def _learning_rate(broken, guarded):
    fast, steady = (x.scalars("mutual_information") for x in (broken, guarded))
    assert fast[1] > steady[1]
    assert (np.diff(fast[1:]) < 0).sum() >= 2
    assert fast[-1] < 0.75 * steady[-1]


def _augmented_clustering(broken, guarded):
    rounds = steps_with_role(broken.run, "train")
    assert min(broken.row(step)["changed"] for step in rounds) > 0.5
    middle = [measures.agreement_of_rounds(x.run, x.timeline) for x in (broken, guarded)]
    assert 0.35 < middle[0] / middle[1] < 0.65


def _no_entropy(broken, guarded):
    assert [row["n_occupied"] for row in broken.rows()[5:]] == [1] * (len(broken.run) - 5)
    assert broken.row()["confidence"] > 2 * broken.row(1)["confidence"]
    assert broken.scalars("loss")[-1] < broken.scalars("loss")[0]


SENTENCES = {  # by the name of an entry: words of it, and what they say, as figures
    "no-pre-training": ("about half of that with pre-training", _no_pre_training),
    "embedding-scale": ("In the first updates all probabilities are about 1/k", _code_scale),
    "target-per-batch": ("stays below the one towards a target from all items", _target_per_batch),
    "head-not-reset": ("The first round is the same as with the guard", _head_kept),
    "no-uniform-sampling": ("seven or eight are pieces of the two frequent digits", _no_sampler),
    "no-repair": ("The number of clusters in use falls", _no_repair),
    "wrong-k": ("All clusters but one hold large parts of two digits or more", _wrong_k),
    "no-augmentation": ("is higher than in the guarded run", _no_augmentation),
    "mirrored-digits": ("The mutual information is lower", _mirrored),
    "batchnorm-evaluation": ("After the first epoch the loss of every head", _running_statistics),
    "learning-rate": ("After that it goes up and down", _learning_rate),
    "augmented-clustering": ("about half of that in the guarded run", _augmented_clustering),
    "entropy-weight": ("surer and the loss falls all the same", _no_entropy),
}


@pytest.mark.slow
@EVERY
def test_the_sentences_of_an_entry_are_true_of_its_runs(entry, carried_out):
    broken, guarded = (Trained(*carried_out(spec)) for spec in entry.specs.values())
    _, holds = SENTENCES[entry.name]
    holds(broken, guarded)


@EVERY
def test_the_sentences_of_an_entry_are_those_whose_truth_is_tested(entry):
    words, _ = SENTENCES[entry.name]
    assert words in entry.signature.look_for


@EVERY
def test_an_entry_is_one_change_and_explains_itself(entry):
    assert len(entry.changes) == 1
    ((name, (broken, guarded)),) = entry.changes.items()
    known = {p.name: p for p in schema(registry.method(entry.broken.method))}
    default = known[name].default
    default = known[name].none_word if default is None else default
    assert entry.usual == entry.guarded.method_params.get(name, default) == guarded != broken
    same = [dataclasses.replace(s, method_params={}) for s in (entry.broken, entry.guarded)]
    assert same[0] == same[1]
    for spec in (entry.broken, entry.guarded):
        build(registry.method(spec.method), spec.method_params)
        assert spec.dataset in ("digits", "mnist-5k")
    for words in (entry.broken_by, entry.guard, entry.signature.look_for):
        assert words.endswith(".")
        assert words[0].isupper()
    assert entry.seconds < 60
    assert (entry.items == "800 digits") == (entry.left_out is None)


@pytest.mark.slow
def test_the_unbalanced_digits_are_two_kinds_and_a_few_of_each_other(store):
    entry = entry_named("no-uniform-sampling")
    run = new_run(store, entry.specs["guarded"])
    execute(store.root, run.id)
    data = store.dataset(run)
    assert np.bincount(data.labels).tolist() == [178, 182, *[20] * 8]
    whole = new_run(store, entry.guarded)  # on all digits, so another run
    assert not comes_from(whole, entry.specs["guarded"])
    assert comes_from(run, dataclasses.replace(run.spec, excluded=run.spec.excluded[::-1]))
    assert not comes_from(run, dataclasses.replace(run.spec, mixed_precision=True))
    assert len(data.items) == int(entry.items.split()[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_unequal_classes_need_the_guard_whatever_the_seed(seed, carried_out):
    entry = entry_named("no-uniform-sampling")
    specs = [dataclasses.replace(spec, seed=seed) for spec in entry.specs.values()]
    broken, guarded = (entry.signature.read(*carried_out(spec)) for spec in specs)
    assert broken.is_present, broken.sentence
    assert not guarded.is_present, guarded.sentence


def test_names_are_unique_and_found():
    assert len(set(NAMES)) == len(ENTRIES) >= 13
    assert all(entry_named(entry.name) is entry for entry in ENTRIES)
    with pytest.raises(ParameterError, match="'rust'"):
        entry_named("rust")


@pytest.mark.parametrize(("value", "found"), [(0.1, True), (0.3, False), (math.nan, False)])
def test_a_signature_is_a_figure_beyond_a_limit(value, found):
    signature = Signature("Look.", "A figure", lambda run, timeline: value, 0.2, above=False)
    finding = signature.read(None, None)
    assert finding.is_present == found
    shown = "unknown" if math.isnan(value) else f"{value:.2f}"
    assert finding.sentence == f"A figure: **{shown}**. The signature is a value below 0.20."
    upwards = dataclasses.replace(signature, above=True)
    assert upwards.read(None, None).is_present == (value == 0.3)


@cache
def even(n=12):
    return np.arange(n) % 3


@pytest.fixture
def by_hand(store):
    """A run of three steps by hand: two rounds of training, the second with an empty cluster."""
    last = np.where(even() == 2, 1, even())
    reports = {"cross_entropy": 0.5, "cross_entropy_guessing": 2.0, "nmi_previous": 0.75}
    heads = {"loss": -1.0, "loss_head_1": -0.5, "loss_head_2": -0.7}
    snapshots = [
        made_runs.hard(even(), 3),
        made_runs.hard(even(), 3, **reports, **heads),
        made_runs.hard(last, 3, **{**reports, "nmi_previous": 0.25}),
    ]
    data = made_runs.dataset(12, even(), ("cat", "dog", "owl"))
    run = made_runs.write(store, snapshots, data, roles=["initialise", "train", "train"])
    timeline = Timeline(run, even(), n_classes=3)
    timeline.extend()
    return run, timeline


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (measures.guessing, 0.25),
        (measures.agreement_of_rounds, 0.5),
        (measures.empty_in_training, 1.0),
        (measures.classes_without_cluster, 1.0),
        (measures.gap_of_first_epoch, 0.4),
        (measures.last_evenness, (math.log(3) - 2 / 3 * math.log(2)) / math.log(3)),
    ],
)
def test_measures_by_hand(by_hand, measure, expected):
    assert measure(*by_hand) == pytest.approx(expected)


@pytest.mark.parametrize(
    "measure",
    [
        measures.nmi_at_start_of_clusters,
        measures.first_confidence,
        measures.sharpening,
        measures.sense_of_information,
        measures.last_information,
    ],
)
def test_a_run_without_such_steps_gives_nothing(by_hand, measure):
    assert math.isnan(measure(*by_hand))

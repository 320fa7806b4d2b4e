"""Every broken run shows its signature, and the guard removes it: both are trained here."""

import dataclasses
import math
from functools import cache

import numpy as np
import pytest

from clustlab import registry
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.params import build, schema
from clustlab.runs.identity import comes_from
from clustlab.runs.store import RunStore
from clustlab.sabotage import measures
from clustlab.sabotage.entries import ENTRIES, NAMES, entry_named
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


@EVERY
def test_the_signature_appears_and_the_guard_removes_it(entry, carried_out):
    broken, guarded = (entry.signature.read(*carried_out(spec)) for spec in entry.specs.values())
    assert math.isfinite(broken.value), broken.sentence
    assert math.isfinite(guarded.value), guarded.sentence
    assert broken.is_present, broken.sentence
    assert not guarded.is_present, guarded.sentence


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

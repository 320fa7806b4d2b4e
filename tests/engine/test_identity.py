"""Which run it is: what counts as another seed, what was changed, and what runs are called."""

import json
from dataclasses import replace

import numpy as np
import pytest

import clustlab
from clustlab import registry
from clustlab.analysis import comparison
from clustlab.course.on_digits import quick_run
from clustlab.data import own_sets
from clustlab.runs import identity, titles
from clustlab.runs.identity import Change, comes_from, differences, identity_of, same_settings
from clustlab.runs.store import Run, RunSpec
from clustlab.training.worker import new_run
from tests.support import made_runs, own_data

SPEC = RunSpec("digits", "kmeans", {"n_samples": 60}, {"n_init": 1, "max_iter": 30}, "quick")
HALVED = {"step": 3, "wish": "w", "reason": "", "kind": "learning rate", "clusters": [], "value": 2}
MERGED = {**HALVED, "step": 5, "kind": "merge", "clusters": [4, 1], "value": 1.0}
REFUSED = {**HALVED, "reason": "the phase 'train' does not offer it"}


def intervene(run, *lines):
    """Record changes, as the worker does."""
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (run.path / identity.INTERVENTIONS).write_text(text)


def edited(run, **manifest):
    """The run with other words in its manifest; None takes one out."""
    file = run.path / "manifest.json"
    known = {**json.loads(file.read_text()), **manifest}
    file.write_text(json.dumps({k: v for k, v in known.items() if v is not None}))
    return Run(run.path)


# -- what is the same ----------------------------------------------------------------------------
def test_defaults_count_as_if_they_had_been_given(store):
    plain = identity_of(new_run(store, SPEC))
    n_clusters = {"n_clusters": 10, **SPEC.method_params}
    given = identity_of(new_run(store, replace(SPEC, method_params=n_clusters)))
    assert plain == given
    assert differences(plain, given) == []
    text = replace(SPEC, dataset_params={"n_samples": "60"})
    assert identity.planned(text) == plain
    assert dict(plain.settings)["n_clusters"] == 10


def test_preset_and_device_are_names_that_change_no_figure(store):
    plain = identity_of(new_run(store, SPEC))
    other = identity_of(new_run(store, replace(SPEC, preset="mine", device="cpu")))
    assert plain == other
    assert hash(plain) == hash(other)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("method", {"method": "gmm"}),
        ("seed", {"seed": 1}),
        ("dataset", {"dataset": "mnist-5k"}),
        ("data.n_samples", {"dataset_params": {"n_samples": 61}}),
        ("excluded", {"excluded": [3]}),
        ("n_clusters", {"method_params": {**SPEC.method_params, "n_clusters": 7}}),
        ("mixed_precision", {"mixed_precision": True}),
        ("continues", {"continues": "another"}),
    ],
)
def test_each_thing_that_figures_depend_on_makes_another_run(name, change):
    plain, other = identity.planned(SPEC), identity.planned(replace(SPEC, **change))
    assert name in differences(plain, other)
    if name != "method":
        assert differences(plain, other) == [name]
    assert same_settings(plain, other) == (name == "seed")


def test_the_order_in_which_items_are_left_out_does_not_matter():
    one, other = (replace(SPEC, excluded=rows) for rows in ([3, 1], [1, 3]))
    assert identity.planned(one) == identity.planned(other)
    assert identity.planned(one) != identity.planned(replace(SPEC, excluded=[1, 4]))


def test_interventions_are_compared_by_what_was_done(store):
    a, b = new_run(store, SPEC), new_run(store, SPEC)
    intervene(a, REFUSED)
    assert identity_of(a) == identity_of(b)  # nothing was done to it
    intervene(a, HALVED, MERGED)
    assert identity_of(a).interventions == (
        Change(3, "learning rate", (), 2),
        Change(5, "merge", (4, 1), 1.0),
    )
    assert differences(identity_of(a), identity_of(b)) == ["interventions"]
    intervene(b, REFUSED, {**HALVED, "wish": "another"}, MERGED)
    assert identity_of(a) == identity_of(b)
    intervene(b, HALVED, {**MERGED, "clusters": [1, 4]})
    assert differences(identity_of(a), identity_of(b)) == ["interventions"]


def test_a_line_that_is_being_written_is_not_there_yet(store):
    run = new_run(store, SPEC)
    intervene(run, HALVED)
    with (run.path / identity.INTERVENTIONS).open("a") as file:
        file.write('{"step": 4, "ki')
    assert [change.step for change in identity.carried_out(run)] == [3]
    assert (run.path / identity.INTERVENTIONS).read_text().endswith('"ki')  # left to its writer


def test_the_version_of_the_code_is_noted_and_an_unknown_one_matches_itself_only(store):
    new, old, older = (new_run(store, replace(SPEC, seed=seed)) for seed in range(3))
    assert new.manifest["version"] == clustlab.__version__
    old, older = edited(old, version=None), edited(older, version=None)
    assert identity_of(old).version == "unknown"
    assert same_settings(identity_of(old), identity_of(older))
    assert not same_settings(identity_of(new), identity_of(old))
    assert comes_from(old, replace(SPEC, seed=1))  # a spec says nothing of the version


def test_a_run_of_a_plug_in_that_is_gone_keeps_what_it_was_given():
    spec = replace(SPEC, method="gone", dataset="away", method_params={"b": 1, "a": 2})
    found = identity.planned(spec)
    assert found.settings == (("a", 2), ("b", 1))
    assert found.data == (("n_samples", 60),)
    assert identity.changed_from_preset(spec) == {}


def test_a_run_comes_from_a_spec_unless_something_was_changed_by_hand(store):
    run = new_run(store, SPEC)
    assert comes_from(run, SPEC)
    assert comes_from(run, replace(SPEC, method_params={**SPEC.method_params, "n_clusters": 10}))
    assert not comes_from(run, replace(SPEC, method="gmm"))
    intervene(run, REFUSED)
    assert comes_from(run, SPEC)
    intervene(run, HALVED)
    assert not comes_from(run, SPEC)


# -- other seeds ---------------------------------------------------------------------------------
TRUE = np.repeat([0, 1, 2], 4)


def test_only_the_seed_may_differ_between_runs_that_are_averaged(store):
    """Runs that left items out, or were changed by hand, were once taken for other seeds."""
    made_runs.data(store)
    made_runs.data(store, "fewer", n=11)
    same = {"method": "iic", "method_params": {"epochs": 3}}
    plain = made_runs.run(store, [TRUE], **same)
    seed = made_runs.run(store, [TRUE], seed=1, **same)
    without = made_runs.run(store, [TRUE[1:]], "fewer", seed=2, excluded=[0], **same)
    by_hand = made_runs.run(store, [TRUE], seed=3, **same)
    intervene(by_hand, HALVED)
    refused = made_runs.run(store, [TRUE], seed=4, **same)
    intervene(refused, REFUSED)
    older = edited(made_runs.run(store, [TRUE], seed=5, **same), version="0.1.0")
    half = made_runs.run(store, [TRUE], seed=6, mixed_precision=True, **same)
    others = [seed, without, by_hand, refused, older, half]
    assert comparison.seeds([plain], others) == [[plain, seed, refused]]
    names = [row["name"] for row in comparison.differing([plain, without])]
    assert names == ["seed", "excluded"]
    rows = {row["name"]: row["values"] for row in comparison.differing([plain, by_hand])}
    assert rows["interventions"] == {
        plain.id: "none",
        by_hand.id: "learning rate x 2 at step 3",
    }
    many = made_runs.run(store, [TRUE], "fewer", excluded=list(range(9)), **same)
    (row,) = comparison.differing([plain, many])
    assert row["values"] == {plain.id: "none", many.id: "9 items: rows 0, 1, 2, 3, 4 and 4 more"}


# -- titles --------------------------------------------------------------------------------------
def test_a_title_says_what_differs_from_the_plain_run(store):
    plain = replace(SPEC, dataset_params={})
    assert new_run(store, plain).title == "k-means on Digits 8 x 8, seed 0"
    changed = replace(
        SPEC,
        method_params={**SPEC.method_params, "n_clusters": 7},
        excluded=[1, 2, 3],
        mixed_precision=True,
    )
    run = new_run(store, changed)
    intervene(run, MERGED)
    assert run.title == (
        "k-means on Digits 8 x 8, seed 0, 60 items, without 3 items, 7 clusters, "
        "mixed precision, changed by hand"
    )
    toy = RunSpec("toy", "kmeans", {"n": 1200, "shape": "moons"}, SPEC.method_params, "quick", 4)
    assert new_run(store, toy).title == "k-means on Toy points, seed 4, shape moons, 1,200 items"
    longer = made_runs.run(store, [], method_params=SPEC.method_params, continues=run.id)
    assert longer.title == "k-means on Made, seed 0, trained longer"


def test_many_changed_settings_are_counted_and_custom_ones_seen_from_the_nearest_preset(store):
    method = registry.method("dec")
    quick = dict(method.presets["quick"])
    spec = RunSpec("digits", "dec", {}, {**quick, "n_clusters": 7, "epochs": 3}, "custom")
    assert new_run(store, spec).title == "DEC on Digits 8 x 8, seed 0, 7 clusters, 3 epochs"
    more = {**spec.method_params, "alpha": 0.5, "update_interval": 31, "target": "hard"}
    run = new_run(store, replace(spec, preset="quick", method_params=more))
    assert run.title.endswith("seed 0, target hard, 7 clusters, 3 epochs, 2 more settings")
    assert set(run.manifest["changed"]) == {
        *("n_clusters", "epochs", "alpha", "update_interval", "target")
    }


def test_what_differs_between_the_runs_of_a_lesson_is_in_the_name_of_each(store):
    """DeepCluster with and without a new classifier: both have three other settings changed."""
    same = {"n_clusters_over": 30, "epochs": 10, "batch_size": 32}
    pair = [
        new_run(store, quick_run("deepcluster", **same, **more))
        for more in ({}, {"reset_head": False})
    ]
    first, second = (run.title for run in pair)
    assert "new classifier every round off" not in first
    assert "new classifier every round off" in second
    plain = "DeepCluster on Digits 8 x 8, seed 0"
    assert titles.titles(pair) == [plain, f"{plain}, new classifier every round off"]


def test_what_a_preset_was_is_noted_when_a_run_is_laid_down(store, monkeypatch):
    run = new_run(store, SPEC)
    assert run.manifest["changed"] == {}
    cls = registry.method("kmeans")
    monkeypatch.setattr(cls, "presets", {**cls.presets, "quick": {"n_init": 9}})
    assert run.title == "k-means on Digits 8 x 8, seed 0, 60 items"
    assert "1 start" in edited(run, changed=None).title  # of a run that did not note it


def test_runs_side_by_side_are_told_apart_by_what_differs_only(store):
    seven = replace(SPEC, method_params={**SPEC.method_params, "n_clusters": 7})
    runs = [new_run(store, spec) for spec in (SPEC, seven, replace(seven, excluded=[2]))]
    assert titles.titles(runs) == [
        "k-means on Digits 8 x 8, seed 0",
        "k-means on Digits 8 x 8, seed 0, 7 clusters",
        "k-means on Digits 8 x 8, seed 0, without 1 item, 7 clusters",
    ]
    assert titles.titles(runs[:1]) == [runs[0].title]
    assert titles.titles([]) == []
    standard = dict(registry.method("kmeans").presets["standard"])
    pair = [runs[0], new_run(store, replace(SPEC, method_params=standard, preset="standard"))]
    assert titles.titles(pair) == [
        "k-means on Digits 8 x 8, seed 0, quick",
        "k-means on Digits 8 x 8, seed 0, standard",
    ]


def test_runs_on_sets_that_only_have_the_same_name_are_no_seeds_of_one_setting(
    store, monkeypatch, tmp_path
):
    monkeypatch.setenv("CLUSTLAB_DATA", str(tmp_path / "data"))
    runs, older = [], []
    for width, seeds in ((3, (0, 1)), (4, (2,))):
        own = own_data.vector_set("Mine", 40, shown=False, width=width)
        spec = RunSpec(own.name, "kmeans", {}, {"n_init": 1})
        made = [new_run(store, replace(spec, seed=seed)) for seed in seeds]
        runs += [identity_of(run) for run in made]
        older += [edited(run, content=None) for run in made]  # as earlier versions wrote them
        if width == 3:
            assert comes_from(made[0], spec)
            own_sets.remove(own.name)
    assert [own.name for own in own_sets.own_sets().values()] == [own.name]
    a, b, other = runs
    assert same_settings(a, b)
    assert differences(a, other) == ["seed", "data.content"]
    assert not comes_from(older[0], spec)
    assert identity_of(older[2]) == other
    assert not same_settings(identity_of(older[0]), other)


def test_what_comes_along_has_no_content_of_its_own(store):
    run = new_run(store, SPEC)
    assert "content" not in run.manifest
    assert "data.content" not in identity_of(run).facts

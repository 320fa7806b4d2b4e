"""The figures of the lesson on DeepCluster, on cases solved by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from clustlab.analysis.metrics import entropy
from clustlab.course.figure import Numbers
from clustlab.course.lesson import Material
from clustlab.lessons import deepcluster as lesson


class MadeRun(list):
    """A run of which only the log is read."""

    def __init__(self, roles):
        super().__init__(roles)
        self.log = [{"role": role, "samples": 0, "scalars": {}} for role in roles]


def test_half_steps_move_features_first_and_labels_after():
    run = MadeRun(["initialise", "train", "train", "read_off"])
    found = [lesson.half_step(Material(run, None, None), half) for half in range(6)]
    assert found == [
        (0, 0, "start"),
        (1, 0, "train only"),
        (1, 1, "cluster only"),
        (2, 1, "train only"),
        (2, 2, "cluster only"),
        (2, 2, "cluster only"),  # there are no more
    ]


def test_blind_clusters_of_two_even_classes_are_little_purer_than_half():
    labels = np.arange(4000) % 2
    assert lesson.purity_of_chance(labels, np.arange(4000) // 2000) == pytest.approx(0.5, abs=0.03)
    assert lesson.purity_of_chance(np.zeros(10, int), np.arange(10) % 3) == 1


def test_the_best_constant_answer_costs_the_entropy_of_the_sizes():
    assert entropy(lesson.sizes_with(0.1)) == pytest.approx(math.log(10))
    assert lesson.sizes_with(0.95).sum() == pytest.approx(1)
    table = lesson._trivial({"share": 95.0}, ())[1].table
    assert table["adds"].sum() == pytest.approx(entropy(lesson.sizes_with(0.95)))


@pytest.mark.parametrize("balance", ["uniform sampler", "inverse weights"])
def test_each_guard_gives_every_cluster_a_quarter(balance):
    np.testing.assert_allclose(lesson.says(balance), 0.25, atol=0.02)
    np.testing.assert_allclose(lesson.says("none"), [0.6, 0.25, 0.1, 0.05])


def test_the_say_of_a_small_cluster_is_told_of_one_draw_and_of_the_mean():
    said = lesson._say_of_small({"balance": "uniform sampler"}, ())[1]
    share = lesson.says("uniform sampler") / np.array(lesson.SIZES)
    assert f"{share[-1] / share[0]:.1f} times as often in this one draw" in said
    assert "60 / 5 = 12" in said


def test_two_runs_differ_in_nothing_but_what_becomes_of_the_head():
    from clustlab import params, registry
    from clustlab.context import Context

    items = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
    few = {"n_clusters": 3, "n_clusters_over": 6, "epochs": 3, "batch_size": 16, "width": 4}

    def losses(**changes):
        built = params.build(registry.method("deepcluster"), {**few, **changes})
        snapshots = built.iterate(items, Context(0))
        return [s.scalars["cross_entropy"] for s in snapshots if "cross_entropy" in s.scalars]

    fresh, kept = losses(), losses(reset_head=False)
    assert fresh[0] == kept[0]  # the same first head and the same changes of the images
    assert fresh[1:] != kept[1:]


def test_a_far_centre_dies_without_repair_and_lives_with_it():
    assert len(np.unique(lesson.occupied(lesson.CENTERS, repair=False)[1])) == 5
    assert len(np.unique(lesson.occupied(lesson.CENTERS, repair=True)[1])) == 6


class MadeTimeline:
    """Rows of figures, by step."""

    def __init__(self, rows):
        self.row = rows.__getitem__


def made(losses, purity, acc, *, merged=True):
    """A run of a start and some rounds, with a merge at the end or before it."""
    run = MadeRun(["start", *["train"] * len(losses), *["merge"] * merged])
    for record, loss in zip(run.log[1:], losses, strict=False):
        record["scalars"] = {"cross_entropy": loss, "cross_entropy_guessing": 2.0}
    row = {"nmi_previous": 0.75, "purity": purity, "acc": acc}
    data = SimpleNamespace(items=np.zeros((200, 8, 8, 1), np.uint8))
    return Material(run, data, MadeTimeline([row] * len(run)))


ALL_ON = {"whitening": True, "augment": True, "sobel": False}


def test_one_run_is_needed_as_long_as_nothing_is_switched():
    assert lesson.beside(ALL_ON) == [lesson.run_of()]
    values = {**ALL_ON, "augment": False, "sobel": True}
    assert lesson.switched(values) == {"augment": False, "sobel": True}
    assert lesson.beside(values) == [lesson.run_of(), lesson.run_of(augment=False, sobel=True)]


def test_the_end_of_a_run_is_its_last_round_and_its_merge():
    assert lesson.ends(made([1.8, 1.0], 0.9, 0.7)) == {
        "cross-entropy": 0.5,
        "labels kept": 0.75,
        "purity of 30": 0.9,
        "right in 10": 0.7,
    }
    assert lesson.ends(made([1.8], 0.9, 0.7, merged=False)) == {}
    assert lesson.ends(made([], 0.9, 0.7)) == {}


@pytest.mark.parametrize(
    ("loss", "acc", "option"), [(1.4, 0.9, 0), (0.3, 0.6, 1), (1.02, 0.2, 2), (0.3, 0.9, 3)]
)
def test_the_verdict_on_augmentation_compares_both_runs(loss, acc, option):
    guarded, mine = made([1.8, 1.0], 0.9, 0.9), made([1.8, loss], 0.9, acc)
    found, why = lesson._without_changes({**ALL_ON, "augment": False}, [guarded, mine])
    assert found == option
    assert f"at {loss / 2:.2f} of a guess instead of 0.50, and {acc:.2f} of" in why


def test_the_figure_grows_with_the_runs_and_counts_images():
    values = {**ALL_ON, "augment": False}
    begun = lesson._inputs(values, [made([], 0.9, 0.9), made([], 0.9, 0.9)])
    assert [type(part).__name__ for part in begun] == ["Words"]
    assert "**augmentation off**" in begun[0].text
    parts = lesson._inputs(values, [made([1.0], 0.9, 0.9), made([0.3], 0.85, 0.6)])
    (table,) = (part for part in parts if isinstance(part, Numbers))
    assert list(table.table.index) == ["guarded", "as switched"]
    assert "$120$ of $200$ images are in the cluster of their digit" in table.arithmetic(
        1, "right in 10"
    )
    assert "$170$ of $200$" in table.arithmetic(1, "purity of 30")


def test_features_that_move_leave_old_centres_without_items():
    rested, *moved = (
        len(np.unique(lesson.after_moving(degrees, "of the round before")))
        for degrees in (0, 20, 30, 40, 50)
    )
    assert rested == lesson.MANY
    assert max(moved) < lesson.MANY
    for degrees in (20, 50):
        assert len(np.unique(lesson.after_moving(degrees, "drawn"))) == lesson.MANY


def test_features_turn_and_draw_together_as_far_as_asked():
    labels = lesson.toy("blobs").labels
    before, after = (lesson.moved_features(degrees)[labels == 1] for degrees in (0, 60))
    (x, y), turned = before.mean(0), after.mean(0)
    np.testing.assert_allclose(
        turned, [x / 2 - y * np.sqrt(3) / 2, x * np.sqrt(3) / 2 + y / 2], atol=1e-5
    )
    spread = [np.linalg.norm(points - points.mean(0)) for points in (before, after)]
    assert spread[1] == pytest.approx(0.4 * spread[0], rel=1e-4)

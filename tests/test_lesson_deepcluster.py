"""The figures of the lesson on DeepCluster, on cases solved by hand."""

import math

import numpy as np
import pytest

from clustlab.analysis.metrics import entropy
from clustlab.course import Material
from clustlab.lessons import deepcluster as lesson


class MadeRun(list):
    """A run of which only the log is read."""

    def __init__(self, phases):
        super().__init__(phases)
        self.log = [{"phase": phase, "scalars": {}} for phase in phases]


def test_half_steps_move_features_first_and_labels_after():
    run = MadeRun(["start", "train", "train", "merge"])
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


def test_a_far_centre_dies_without_repair_and_lives_with_it():
    assert len(np.unique(lesson.occupied(lesson.CENTERS, repair=False)[1])) == 5
    assert len(np.unique(lesson.occupied(lesson.CENTERS, repair=True)[1])) == 6

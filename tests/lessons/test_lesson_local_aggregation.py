"""Arithmetic of the lesson on Local Aggregation, solved by hand."""

import math

import numpy as np
import pytest

from clustlab.analysis.shares import percent
from clustlab.lessons import local_aggregation as la


@pytest.mark.parametrize(("temperature", "loss"), [(0.5, 0.123464), (0.07, 3.533e-5)])
def test_the_loss_of_the_small_bank_is_the_one_on_paper(temperature, loss):
    assert la.loss_of_one(temperature)[1] == pytest.approx(loss, rel=1e-3)


def test_the_loss_is_the_weight_of_close_rows_in_the_background():
    weights, loss = la.loss_of_one(0.5)
    np.testing.assert_allclose(weights[0], math.exp(0.96 / 0.5))
    assert math.exp(-loss) == pytest.approx(weights[:2].sum() / weights[:3].sum())


def test_votes_count_the_clusterings_that_agree(monkeypatch):
    tables = {0: np.array([0, 0, 1, 1]), 1: np.array([0, 1, 1, 2])}
    monkeypatch.setattr(la, "clustering", lambda k, seed: tables[seed])
    assert la.votes(0, np.array([1, 2, 3]), 2, 2).tolist() == [1, 0, 0]
    both = la.votes(np.array([0, 2]), np.array([[1, 2], [1, 3]]), 2, 2)
    assert both.tolist() == [[1, 0], [1, 1]]


def test_more_clusterings_never_lose_a_close_neighbour():
    found = [la.close_and_right(la.CLUSTERS, h, la.BACKGROUND)[0] for h in (1, 2, 3)]
    assert found == sorted(found)
    assert found[0] > 1


def test_the_background_is_near_and_without_the_image_itself():
    table = la.background()
    assert (table != np.arange(len(table))[:, None]).all()
    cosine = np.take_along_axis(la.memory_bank() @ la.memory_bank()[:5].T, table[:5].T, axis=0).T
    assert (np.diff(cosine, axis=1) <= 1e-6).all()
    np.testing.assert_allclose(np.linalg.norm(la.memory_bank(), axis=1), 1, rtol=1e-5)


def test_those_that_more_clusterings_add_make_up_the_difference():
    (few, before), (many, now) = (
        la.close_and_right(la.CLUSTERS, h, la.BACKGROUND) for h in (1, la.SEEDS)
    )
    said = la._purer({"seeds": float(la.SEEDS)}, ())[1]
    added = (many * now - few * before) / (many - few)
    assert 0 < added < now
    assert f"{percent(added)} are right" in said

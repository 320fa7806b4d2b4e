"""What the lesson on DEC says of shares, targets and pulls, against the figures themselves."""

from types import SimpleNamespace

import numpy as np
import pytest

from clustlab.course.lesson import Material
from clustlab.lessons import dec as lesson


def test_what_becomes_of_every_share_is_told():
    values = {"alpha": 20.0, "item": ((0.0, 0.6),)}
    said = lesson._with_large_alpha(values, ())[1]
    for alpha in (1.0, 20.0):
        for share in lesson.shares(np.array([[0.0, 0.6]]), alpha=alpha)[0]:
            assert f"{share:.2f}" in said
    assert "nearly all" not in said


def test_the_farther_a_centre_the_more_of_its_share_a_large_alpha_takes():
    point = np.array([[0.0, 0.6]])
    order = np.linalg.norm(lesson.CENTERS - point, axis=1).argsort()
    before, after = (lesson.shares(point, alpha=a)[0, order] for a in (1.0, 20.0))
    kept = after / before
    assert kept[0] > 1 > kept[1] > kept[2]


def test_the_line_to_a_centre_is_as_broad_as_its_share():
    plane, numbers = lesson._one_item({"alpha": 1.0, "item": ((0.0, 0.6),)}, ())
    shares = lesson.shares(np.array([[0.0, 0.6]]))[0]
    assert [link.share for link in plane.links] == pytest.approx(shares)
    assert [[link.x, link.y] for link in plane.links] == lesson.CENTERS.tolist()
    assert [link.colour for link in plane.links] == [cross[2] for cross in plane.crosses]
    for row, link in enumerate(plane.links):  # words and row of the table have one number
        assert link.words == f"{row}: q {numbers.table['q'].iloc[row]:.2f}"


def test_shares_are_even_only_if_all_centres_are_near():
    on_one_centre = lesson.shares(lesson.CENTERS[:1])
    assert on_one_centre.max() > 0.6
    np.testing.assert_allclose(
        lesson.shares(lesson.CENTERS[:1] / 100, lesson.CENTERS / 100), 1 / 3, atol=1e-3
    )
    assert r"\max" in lesson.LESSON.steps[1].formula


def test_on_a_border_no_target_is_larger_than_the_other():
    mirrored = np.array([[1.5, 0.0], [-0.4, 1.0], [-0.4, -1.0]])  # clusters 1 and 2 of one size
    p, q = lesson.target(lesson.shares(mirrored)), lesson.shares(mirrored)
    assert q[0, 1] == pytest.approx(q[0, 2])
    assert p[0, 1] == pytest.approx(p[0, 2])
    two = np.array([[-1.0, 0.0], [1.0, 0.0]])
    z = np.array([[0.0, 0.7], [-1.0, 0.2], [1.0, 0.2]])
    q = lesson.shares(z, two)
    np.testing.assert_allclose(lesson.target(q)[0], q[0])
    np.testing.assert_allclose(lesson.pull(z, two, lesson.target(q))[0], 0, atol=1e-12)
    said = lesson._who_moves({"updates": 0.0}, ())[1]
    assert "cancel" not in said
    assert "equal shares, their targets are equal too" in said


def test_the_divergence_is_read_in_the_order_of_its_formula():
    step = lesson.LESSON.steps[4]
    assert r"p_{ij} \ln\frac{p_{ij}}{q_{ij}}" in step.formula
    assert step.symbols["L"] == "KL divergence of P from Q"


def test_squaring_widens_a_lead_and_leaves_a_tie():
    even = np.array([[0.8, 0.2], [0.2, 0.8], [0.5, 0.5]])
    np.testing.assert_allclose(
        lesson.target(even), [[16 / 17, 1 / 17], [1 / 17, 16 / 17], [0.5, 0.5]]
    )
    text = lesson.LESSON.steps[9].text
    assert f"{16 / 17:.2f} beside {1 / 17:.2f}" in text
    np.testing.assert_allclose(lesson.target(even, 1.0, divide=False), even)  # nothing to learn


def test_runs_that_differ_in_their_start_differ_in_nothing_else():
    blank, short, long = (spec.method_params for spec in lesson.starts())
    assert blank == {**long, "pretraining": "none"}
    assert short == {**long, "epochs": 1}


def test_fifths_are_sorted_by_how_sure_they_are():
    q = np.array([[0.6, 0.4], [0.45, 0.55], [0.7, 0.3], [0.2, 0.8], [0.9, 0.1]])
    labels = np.array([0, 0, 0, 1, 0])  # only the least sure one is wrong
    snapshot = SimpleNamespace(probabilities=q, assignments=q.argmax(1))
    material = Material([snapshot], SimpleNamespace(labels=labels), None)
    assert lesson.right_by_fifth(material, 0).tolist() == [0, 1, 1, 1, 1]

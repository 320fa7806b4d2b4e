"""The figures of the lesson on representations, on cases solved by hand."""

import math

import numpy as np
import pytest

from clustlab.lessons import representations as lesson


@pytest.mark.parametrize(
    ("mean", "spread", "nats"),
    [(0.0, 1.0, 0.0), (2.0, 1.0, 2.0), (0.0, 0.1, (0.01 - 1 - math.log(0.01)) / 2)],
)
def test_the_price_of_a_cloud_is_that_of_the_formula(mean, spread, nats):
    assert lesson.price(mean, spread) == pytest.approx(nats)


def test_both_parts_of_the_price_are_shown_and_sum_to_it():
    numbers = lesson._price({"mean": -1.5, "spread": 0.5}, ())[0]
    place, width, whole = numbers.table.iloc[0]
    assert place == pytest.approx(1.125)
    assert place + width == pytest.approx(whole)
    assert "(-1.5)^2 / 2 = 1.125" in numbers.arithmetic(0, "for its place")


def test_more_directions_never_rebuild_worse_and_all_rebuild_exactly():
    errors = [lesson.squared_error(lesson.components(m)[0]) for m in (1, 5, 20, 64)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6
    assert lesson.components(64)[1].sum() == pytest.approx(1, abs=1e-4)


def test_what_is_kept_and_what_is_lost_make_up_the_variance():
    rebuilt, variance = lesson.components(10)
    whole = float((lesson.digits() / 255.0).reshape(-1, 64).var(0).sum())
    lost = lesson.squared_error(rebuilt) * 64
    # pixels are rounded and cut to [0, 255], which can only bring them nearer
    assert lost == pytest.approx(whole * (1 - float(variance.sum())), rel=0.06)


def test_runs_are_shared_between_steps():
    from clustlab.course import catalogue

    specs = [repr(s) for step in catalogue.lesson("representations").steps if step.needs
             for s in step.needs({})]  # fmt: skip
    assert len(set(specs)) == 5
    assert len(specs) > 5
    assert np.isfinite(lesson.reported("ae-kmeans"))


def test_the_race_clusters_every_representation_in_the_same_way():
    from clustlab import params, registry

    starts = {
        params.build(registry.method(spec.method), spec.method_params).n_init
        for spec in lesson.five_runs()
    }
    assert len(starts) == 1

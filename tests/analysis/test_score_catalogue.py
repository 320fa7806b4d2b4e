"""Every score is declared once, and everything that shows scores shows what is declared."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import learning_curves, run_scores, score_catalogue
from clustlab.analysis.matching import contingency, sizes_of
from clustlab.analysis.score_catalogue import (
    FROM_ASSIGNMENTS,
    LABELLED,
    MERGED,
    OF_ONE_STEP,
    SCORES,
    UNLABELLED,
    Division,
)
from clustlab.analysis.timeline import Timeline
from clustlab.benchmark import table
from clustlab.course import catalogue
from tests.support import made_runs

ITEMS = 24
clusters = st.lists(st.integers(-1, 4), min_size=ITEMS, max_size=ITEMS).map(np.array)


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
def test_a_score_is_declared_in_full(score):
    assert score.key.isidentifier()
    assert score.key == score.key.lower()
    assert score.title[0].isupper()
    assert score.short[0].isupper()
    assert score.meaning.endswith(".")
    assert score.low < score.high
    if score.lesson is not None:
        name, number = score.lesson
        assert 1 <= number <= len(catalogue.lesson(name).steps)


def test_titles_tell_scores_apart():
    for words in ("title", "short"):
        assert len({getattr(score, words) for score in SCORES.values()}) == len(SCORES)


@given(clusters, clusters, clusters)
def test_every_score_lies_in_its_range_or_is_nan(labels, before, now):
    sure = np.linspace(0, 1, ITEMS, dtype=np.float32)
    counts = contingency(labels, now)
    computed = score_catalogue.values(Division(sizes_of(now, 5), now, before, counts, sure))
    assert list(computed) == list(SCORES)
    for key, value in computed.items():
        assert math.isnan(value) or SCORES[key].low <= value <= SCORES[key].high, key


def test_without_labels_or_a_step_before_such_scores_are_nan():
    now = np.arange(ITEMS) % 3
    computed = score_catalogue.values(Division(sizes_of(now, 3), now))
    undefined = {key for key, value in computed.items() if math.isnan(value)}
    assert undefined == {*LABELLED, *MERGED, "changed", "nmi_previous", "confidence"}


def test_a_value_is_written_for_people_and_stored_for_programs():
    assert SCORES["acc"].written(0.81249) == "0.812"
    assert SCORES["n_occupied"].written(10.0) == "10"
    assert SCORES["acc"].written(math.nan) == "–"
    near_zero = [SCORES["ari"].written(x) for x in (-0.0, -1e-12, -2e-4, 2e-4, -0.0006)]
    assert near_zero == ["0.000", "0.000", ">-0.001", "<0.001", "-0.001"]
    assert SCORES["acc"].stored(0.123456789) == 0.12346
    assert SCORES["n_occupied"].stored(10.0) == 10
    assert isinstance(SCORES["n_occupied"].stored(10.0), int)
    assert SCORES["acc"].stored(math.nan) is None


def test_everything_that_shows_scores_shows_all_that_are_declared(store):
    assert {"ami", "homogeneity", "completeness", "v_measure"} < set(LABELLED)
    labels = np.arange(12) % 3
    made_runs.data(store, labels=labels)
    run = made_runs.run(store, [labels, labels])
    assert list(Timeline(run, labels).row(0)) == list(SCORES)
    assert {*LABELLED, *MERGED, *UNLABELLED} == set(SCORES)
    assert set(FROM_ASSIGNMENTS) <= set(learning_curves.curve(run, labels).columns)
    assert list(run_scores.of_run(run, store.dataset(run))) == list(OF_ONE_STEP)
    assert set(LABELLED) < set(OF_ONE_STEP) < set(table.COLUMNS)
    assert set(LABELLED) < set(table.HEADINGS)


def test_a_curve_and_a_timeline_agree(store):
    labels = np.repeat([0, 1, 2, -1], 6)
    steps = [(np.arange(24) * 7) % 4, np.repeat([0, 1, 2, 3], 6), np.arange(24) % 4]
    data = made_runs.dataset(24, labels, ("a", "b", "c"))
    run = made_runs.write(store, [made_runs.hard(step, 4) for step in steps], data)
    timeline = Timeline(run, data.labels, 3)
    timeline.extend()
    curve = learning_curves.curve(run, data.labels)
    for key in FROM_ASSIGNMENTS:
        assert curve[key].tolist() == pytest.approx(
            timeline.metrics()[key].tolist(), nan_ok=True
        ), key

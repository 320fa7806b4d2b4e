"""A few of the kills that `python -m tests.robust.kills` tries one by one."""

import pytest

from clustlab.runs.store import RunSpec
from tests.robust.kills import killed_by_the_clock, problems


@pytest.mark.slow
def test_a_worker_may_die_at_any_call_that_changes_a_file(store):
    n_tried, found = problems(store, RunSpec("digits", "kmeans", {"n_samples": 60}), every=11)
    assert n_tried > 10
    assert found == {}


@pytest.mark.slow
def test_a_worker_may_die_at_any_moment(store):
    assert killed_by_the_clock(store, RunSpec("digits", "kmeans", {"n_samples": 60}), 3) == {}

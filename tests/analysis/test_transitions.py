import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import transitions

ids = st.lists(st.integers(0, 4), min_size=1, max_size=50)


@given(st.tuples(ids, st.permutations(range(50))))
def test_table_sums_to_the_number_of_items(drawn):
    before = np.array(drawn[0])
    after = before[np.argsort(drawn[1][: len(before)])]
    table = transitions.table(before, after)
    assert table.sum() == len(before)
    assert (table.sum(1) == np.bincount(before, minlength=len(table))).all()
    assert (table.sum(0) == np.bincount(after, minlength=len(table))).all()


def test_flips_and_first_stable_step():
    steps = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 2], [0, 0, 2]])
    assert transitions.flips(steps).tolist() == [0, 2, 1]
    assert transitions.first_stable_step(steps).tolist() == [0, 2, 2]


def test_a_birth_by_a_split():
    before, after = np.zeros(10, dtype=int), np.repeat([0, 1], 5)
    found = transitions.events(before, after)
    assert found.births == (1,)
    assert found.deaths == ()
    assert found.splits == ((0, (0, 1)),)
    assert found.moved == 5
    assert found.sentence == "Cluster 1 appeared; cluster 0 split into 0 and 1."


def test_a_death_by_a_merger():
    before, after = np.repeat([0, 1, 2], 4), np.repeat([0, 0, 2], 4)
    found = transitions.events(before, after)
    assert found.deaths == (1,)
    assert found.merges == (((0, 1), 0),)
    assert found.sentence == "Cluster 1 emptied; clusters 0 and 1 merged into 0."


def test_a_few_movers_are_no_event():
    before = np.repeat([0, 1], 10)
    after = before.copy()
    after[:3] = 1
    assert transitions.events(before, after).sentence == (
        "No cluster appeared, emptied, split or merged."
    )


def test_nothing_has_no_events():
    empty = np.zeros(0, dtype=int)
    assert transitions.events(empty, empty).moved == 0
    assert transitions.table(empty, empty, 3).shape == (4, 4)

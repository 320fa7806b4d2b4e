import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clustlab.analysis import genealogy, metrics, rematch

# -- genealogy -------------------------------------------------------------------------------------
# Eight items over seven steps: cluster 2 dies into 1 at step 2, and 0 splits off 3 at step 5,
# after one item has gone ahead at step 4.
LINES = np.array(
    [
        [0, 0, 0, 0, 0, 1, 1, 2],
        [0, 0, 0, 0, 0, 1, 1, 2],
        [0, 0, 0, 0, 0, 1, 1, 1],
        [0, 0, 0, 0, 0, 1, 1, 1],
        [3, 0, 0, 0, 0, 1, 1, 1],
        [3, 3, 3, 0, 0, 1, 1, 1],
        [3, 3, 3, 0, 0, 1, 1, 1],
    ]
)
ALL = np.array([0, 6])


def told(events):
    return [
        (e.step, e.change.kind, e.change.before, e.change.after, e.change.items) for e in events
    ]


def test_events_over_a_long_stretch_are_dated_to_the_step_they_happened():
    found = genealogy.events(LINES, ALL)
    assert told(found) == [
        (2, "merge", (1, 2), (1,), 3),
        (5, "split", (0,), (0, 3), 5),
    ]
    assert {(e.first, e.last) for e in found} == {(0, 6)}


def test_events_between_more_columns_name_them():
    found = genealogy.events(LINES, np.array([0, 3, 6]))
    assert [(e.change.kind, e.first, e.last) for e in found] == [
        ("merge", 0, 3),
        ("split", 3, 6),
    ]


def test_events_of_some_clusters_together():
    merge, split = genealogy.events(LINES, ALL)
    assert genealogy.of_all([merge, split], []) == [merge, split]
    assert genealogy.of_all([merge, split], [2, 1]) == [merge]
    assert genealogy.of_all([merge, split], [3]) == [split]
    assert genealogy.of_all([merge, split], [0, 1]) == []


def test_a_cluster_that_comes_and_goes_within_a_stretch_is_no_event():
    lines = np.array([[0, 0, 1, 1], [0, 2, 1, 1], [0, 0, 1, 1]])
    assert genealogy.events(lines, np.array([0, 2])) == []


def test_nothing_happens_in_one_step_or_none():
    assert genealogy.events(LINES[:1], genealogy.thinned(1)) == []
    assert genealogy.thinned(0).tolist() == []


@pytest.mark.parametrize(
    ("n", "limit", "steps"),
    [(1, 8, [0]), (3, 8, [0, 1, 2]), (50, 3, [0, 24, 49]), (9, 5, [0, 2, 4, 6, 8])],
)
def test_thinned_steps_are_even_and_hold_both_ends(n, limit, steps):
    assert genealogy.thinned(n, limit).tolist() == steps


def test_traced_members():
    members = np.flatnonzero(LINES[6] == 3)
    assert genealogy.traced(LINES, np.array([0, 4, 6]), members).tolist() == [
        [3, 0, 0, 0],
        [2, 0, 0, 1],
        [0, 0, 0, 3],
    ]


def test_flows_of_all_and_of_some():
    first, second = genealogy.flows(LINES, np.array([0, 3, 6]))
    assert first[2].tolist() == [0, 1, 0, 0, 0]
    assert second[0].tolist() == [2, 0, 0, 3, 0]
    (some,) = genealogy.flows(LINES, ALL, np.array([0, 7]))
    assert some.sum() == 2
    assert (some[0, 3], some[2, 1]) == (1, 1)


# -- matching --------------------------------------------------------------------------------------
def test_a_jump_that_is_only_the_matching():
    # At a cluster 0 holds 3 x A, 2 x B and cluster 1 the rest of both, 1 x A and 2 x B.
    labels = np.array([0, 0, 0, 1, 1, 0, 1, 1])
    before = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    # At b the three A of cluster 0 have gone to 1: 0 holds 2 x B, 1 holds 4 x A and 2 x B.
    after = np.array([1, 1, 1, 0, 0, 1, 1, 1])
    found = rematch.decompose(labels, before, after)
    assert found.acc_before == 5 / 8  # 0 -> A, 1 -> B
    assert found.moved == -3 / 8  # by that matching only the 2 x B in cluster 1 are right
    assert found.rematched == 4 / 8  # 0 -> B, 1 -> A: 2 + 4 are right
    assert found.acc_after == 6 / 8
    assert (found.n_gained, found.n_lost) == (0, 3)
    assert found.changed == [(0, 0, 1), (1, 1, 0)]
    assert found.sentence == (
        "Of the change in accuracy of +0.125, -0.375 comes from items that moved to another "
        "cluster, and +0.500 from matching clusters to other classes."
    )


def test_a_change_without_another_matching():
    labels = np.array([0, 0, 1, 1])
    found = rematch.decompose(labels, np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    assert (found.acc_before, found.moved, found.rematched) == (0.75, 0.25, 0.0)
    assert (found.n_gained, found.n_lost, found.changed) == (1, 0, [])
    assert "nothing from the matching" in found.sentence


def test_another_matching_that_is_as_good_is_no_change():
    labels, one = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    found = rematch.decompose(labels, one, one[::-1])
    assert found.rematched == 0
    assert found.changed == []


def test_items_without_a_label_have_no_say():
    labels = np.array([0, 0, 1, 1, -1, -1])
    before, after = np.array([0, 0, 1, 1, 5, 5]), np.array([0, 0, 1, 1, 0, 1])
    found = rematch.decompose(labels, before, after)
    assert (found.acc_before, found.acc_after) == (1, 1)
    with pytest.raises(ValueError, match="without labels"):
        rematch.decompose(labels - 2, before, after)


def test_more_clusters_than_classes():
    labels = np.array([0, 0, 0, 1])
    found = rematch.decompose(labels, np.array([0, 0, 2, 1]), np.array([0, 0, 0, 1]))
    assert (found.acc_before, found.moved, found.acc_after) == (0.75, 0.25, 1.0)
    assert found.classes_before.tolist() == [0, 1, -1]


steps = hnp.arrays(np.int64, (3, 25), elements=st.integers(0, 3))


@given(steps)
def test_the_parts_add_up_and_the_matching_never_costs(drawn):
    labels, before, after = drawn
    found = rematch.decompose(labels, before, after)
    assert found.acc_before == pytest.approx(metrics.clustering_accuracy(labels, before))
    assert found.acc_after == pytest.approx(metrics.clustering_accuracy(labels, after))
    assert found.acc_before + found.moved + found.rematched == pytest.approx(found.acc_after)
    assert found.rematched >= 0
    assert (found.rematched == 0) == (found.changed == [])
    assert (found.n_gained - found.n_lost) / 25 == pytest.approx(found.moved)


def test_over_time_has_a_row_for_each_step_but_the_first():
    labels = np.array([0, 0, 1, 1])
    lines = np.array([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]])
    table = rematch.over_time(labels, lines)
    assert table.to_dict("list") == {
        "step": [1, 2],
        "acc": [1.0, 1.0],
        "moved": [0.25, 0.0],
        "rematched": [0.0, 0.0],
    }

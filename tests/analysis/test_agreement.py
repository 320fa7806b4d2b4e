import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import agreement, matching

A = np.array([0, 0, 0, 1, 1, 1])
B = np.array([1, 1, 0, 0, 0, 0])  # cluster 1 of A is cluster 0 here; item 2 has moved


@st.composite
def runs(draw, most=4):
    """Two to four clusterings of the same items, and how many clusters each may have."""
    n = draw(st.integers(1, 40))
    r = draw(st.integers(2, most))
    sizes = [draw(st.integers(1, 6)) for _ in range(r)]
    parts = [np.array(draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))) for k in sizes]
    return parts, sizes


def renumbered(draw_from, sizes, seed):
    rng = np.random.default_rng(seed)
    return [rng.permutation(k)[c] for c, k in zip(draw_from, sizes, strict=True)]


def test_scores_of_a_hand_solved_pair():
    ari, nmi = agreement.scores([A, B])
    # pairs together: in both 1 + 3 = 4; in A 6, in B 1 + 6 = 7, of 15
    assert ari[0, 1] == ari[1, 0] == pytest.approx((4 - 6 * 7 / 15) / (6.5 - 6 * 7 / 15))
    # the information is the sum of both entropies less that of the pairs
    h_a, h_b = np.log(2), -(np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3)
    h_ab = -(np.log(1 / 3) / 3 + np.log(1 / 6) / 6 + np.log(1 / 2) / 2)
    assert nmi[0, 1] == pytest.approx((h_a + h_b - h_ab) / ((h_a + h_b) / 2))
    assert np.diag(ari).tolist() == np.diag(nmi).tolist() == [1, 1]


@given(runs(), st.integers(0, 9))
def test_scores_and_disagreement_do_not_depend_on_numbers(drawn, seed):
    parts, sizes = drawn
    other = renumbered(parts, sizes, seed)
    for before, after in zip(agreement.scores(parts), agreement.scores(other), strict=True):
        assert after == pytest.approx(before)
        assert (after == after.T).all()
    assert agreement.disagreement(other) == pytest.approx(agreement.disagreement(parts))


def test_clusters_take_the_numbers_of_the_first_run():
    first, second = agreement.alignments([A, B], [2, 2])
    assert first.tolist() == [0, 1]
    assert second.tolist() == [1, 0]
    assert second[B].tolist() == [0, 0, 1, 1, 1, 1]


def test_an_extra_cluster_gets_a_number_that_stands_for_nothing_else():
    three = np.array([0, 0, 2, 1, 1, 1])
    _, ids = agreement.alignments([A, three], [2, 3])
    assert ids.tolist() == [0, 1, 2]
    # two runs that split off the same items agree on the new number, a third does not
    apart = np.array([0, 0, 0, 1, 1, 2])
    maps = agreement.alignments([A, three, three + 1, apart], [2, 3, 4, 3])
    assert maps[2].tolist() == [3, 0, 1, 2]  # its number 0 is empty
    assert maps[3].tolist() == [0, 1, 4]


@given(runs(), st.integers(0, 9))
def test_alignment_is_one_to_one_and_undoes_any_renumbering(drawn, seed):
    parts, sizes = drawn
    for mapping, k in zip(agreement.alignments(parts, sizes), sizes, strict=True):
        assert len(set(mapping.tolist())) == k
    (copy,) = renumbered(parts[:1], sizes[:1], seed)
    _, ids = agreement.alignments([parts[0], copy], [sizes[0]] * 2)
    assert (ids[copy] == parts[0]).all()


@given(runs())
def test_nothing_is_disputed_exactly_where_the_company_is_the_same(drawn):
    parts, _ = drawn
    apart = agreement.disagreement(parts)
    assert ((apart >= 0) & (apart < 1)).all()
    together = [c[:, None] == c for c in parts]
    same_company = (np.array(together) == together[0]).all((0, 2))
    assert ((apart == 0) == same_company).all()


def test_disagreement_counts_the_company_of_an_item():
    # item 2: with 0 and 1 in A, with 3, 4 and 5 in B: only itself in both, all six in either
    # item 0: {0, 1, 2} and {0, 1}; item 3: {3, 4, 5} and {2, 3, 4, 5}
    assert agreement.disagreement([A, B]) == pytest.approx(
        [1 / 3, 1 / 3, 5 / 6, 1 / 4, 1 / 4, 1 / 4]
    )
    assert agreement.ranking([A, B]).tolist() == [2, 0, 1, 3, 4, 5]
    assert agreement.ranking([A, B], limit=2).tolist() == [2, 0]


def test_clusters_stand_for_classes_one_to_one_unless_there_are_more_of_them():
    labels = np.array([0, 0, 0, 1, 1, -1])
    assert matching.classes_of(labels, np.array([1, 1, 0, 0, 0, 0]), 2, 2).tolist() == [1, 0]
    assert matching.classes_of(labels, np.array([0, 1, 1, 2, 2, 3]), 4, 2).tolist() == [
        0,
        0,
        1,
        -1,
    ]
    assert matching.classes_of(None, A, 2, 0).tolist() == [-1, -1]


@given(runs(most=2), st.integers(0, 9))
def test_items_in_matched_clusters_do_not_depend_on_numbers_or_sides(drawn, seed):
    (a, b), sizes = drawn
    number = agreement.n_in_matched(a, b)
    assert number == agreement.n_in_matched(b, a)
    assert number == agreement.n_in_matched(*renumbered((a, b), sizes, seed))
    assert agreement.n_in_matched(a, a) == len(a)


@given(runs(), st.lists(st.integers(-1, 3), min_size=40, max_size=40), st.integers(0, 9))
def test_each_labelled_item_is_right_in_all_one_several_or_no_runs(drawn, drawn_labels, seed):
    parts, sizes = drawn
    labels = np.array(drawn_labels[: len(parts[0])])
    rights = [agreement.right(labels, c, k, 4) for c, k in zip(parts, sizes, strict=True)]
    found = agreement.how_many_are_right(labels, rights)
    places = [found.every, *found.only, found.several, found.none]
    assert sorted(np.concatenate(places)) == np.flatnonzero(labels >= 0).tolist()
    for own, items in zip(rights, found.only, strict=True):
        assert own[items].all()
    order = np.random.default_rng(seed).permutation(len(parts))
    turned = agreement.how_many_are_right(labels, [rights[i] for i in order])
    assert [t.tolist() for t in turned.only] == [found.only[i].tolist() for i in order]


def test_who_is_right_lists_the_items_of_each_cell():
    labels = np.array([0, 0, 0, 1, 1, -1])
    right_a = agreement.right(labels, A, 2, 2)
    right_b = agreement.right(labels, np.array([0, 0, 1, 0, 1, 1]), 2, 2)
    found = agreement.who_is_right(labels, right_a, right_b, np.zeros(6, dtype=bool))
    assert found.both.tolist() == [0, 1, 4]
    assert found.only_a.tolist() == [2, 3]
    assert found.only_b.tolist() == found.neither.tolist() == []
    assert found.counts.tolist() == [[3, 2], [0, 0]]


@given(runs(most=2), st.lists(st.integers(-1, 3), min_size=40, max_size=40))
def test_the_cells_hold_each_labelled_item_once_and_change_sides_with_the_runs(drawn, drawn_labels):
    (a, b), sizes = drawn
    labels = np.array(drawn_labels[: len(a)])
    rights = [agreement.right(labels, c, k, 4) for c, k in zip((a, b), sizes, strict=True)]
    noise = np.zeros(len(a), dtype=bool)
    found = agreement.who_is_right(labels, *rights, noise)
    cells = [found.both, found.only_a, found.only_b, found.neither]
    assert sorted(np.concatenate(cells)) == np.flatnonzero(labels >= 0).tolist()
    turned = agreement.who_is_right(labels, *rights[::-1], noise)
    assert (turned.counts == found.counts.T).all()

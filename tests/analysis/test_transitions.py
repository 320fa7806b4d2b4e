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


def crossings(table, order):
    """Pairs of items whose ways cross where both sides are in this order."""
    place = np.argsort(order)
    before, after = np.repeat(np.stack(np.nonzero(table)), table[table > 0], axis=1)
    left = place[before][:, None] - place[before]
    right = place[after][:, None] - place[after]
    return int((left * right < 0).sum()) // 2


def test_clusters_that_trade_items_stand_beside_each_other():
    table = np.diag([9] * 6)
    table[0, 5] = table[5, 3] = 4
    order = transitions.order_by_exchange(table)
    assert order.tolist() == [0, 5, 3, 1, 2, 4]
    assert crossings(table, np.arange(6)) == 196
    assert crossings(table, order) == 0


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_the_order_by_exchange_holds_every_cluster_once(moves):
    table = np.diag([5] * 8)
    for a, b in moves:
        table[a, b] += 1
    order = transitions.order_by_exchange(table)
    assert sorted(order.tolist()) == list(range(8))
    assert (order == transitions.order_by_exchange(table.T)).all()  # there and back alike


def test_without_exchange_the_numbers_are_the_order():
    assert transitions.order_by_exchange(np.diag([3, 0, 2])).tolist() == [0, 1, 2]
    assert transitions.order_by_exchange(np.zeros((0, 0))).tolist() == []


def test_flips_and_first_stable_step():
    steps = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 2], [0, 0, 2]])
    assert transitions.flips(steps).tolist() == [0, 2, 1]
    assert transitions.first_stable_step(steps).tolist() == [0, 2, 2]


def only(before, after):
    (change,) = transitions.events(np.asarray(before), np.asarray(after)).changes
    return change.kind, change.before, change.after, change.items


def test_what_became_of_clusters_in_words():
    ten = np.repeat([0, 1], 5)
    for before, after, words in (
        (0 * ten, ten, "Cluster 0 split into 0 and 1: 10 items."),
        (ten, 0 * ten, "Clusters 0 and 1 merged into 0: 10 items."),
        (-1 + 0 * ten, 0 * ten, "Cluster 0 appeared, with 10 items."),
        (0 * ten, -1 + 0 * ten, "Cluster 0 dissolved; it had 10 items."),
        (0 * ten, 7 + 0 * ten, "Cluster 0 continues as 7: 10 items."),
        (ten, 1 - ten, "Cluster 0 continues as 1: 5 items. Cluster 1 continues as 0: 5 items."),
    ):
        assert transitions.events(before, after).sentence == words


def test_a_cluster_that_lives_on_has_not_merged():
    before = np.repeat([6, 7], 10)
    after = before.copy()
    after[10:16] = 6  # six of ten have gone over, and 7 lives on
    assert only(before, after) == ("regrouping", (6, 7), (6, 7), 20)
    (change,) = transitions.events(before, after).changes
    assert change.sentence == "Clusters 6 and 7 regrouped: 6 from 7 to 6."


def test_nearly_half_of_a_cluster_that_leaves_is_an_event():
    before = np.repeat([0, 1], 100)
    after = before.copy()
    after[:43] = 1
    assert only(before, after)[:3] == ("regrouping", (0, 1), (0, 1))
    after[:43] = 2  # nobody else is there
    assert only(before, after) == ("split", (0,), (0, 2), 100)


def test_a_loss_is_what_left_in_small_parts():
    before = np.repeat(np.arange(5), 100)
    after = before.copy()
    for other in range(1, 5):
        after[10 * other : 10 * other + 10] = other
    assert only(before, after) == ("loss", (0,), (0,), 40)
    (change,) = transitions.events(before, after).changes
    assert change.sentence == "Cluster 0 lost 40 items, a few at a time to several clusters."


def test_a_few_movers_are_no_event():
    before = np.repeat([0, 1], 20)
    after = before.copy()
    after[:4] = 1
    assert transitions.events(before, after).sentence == f"{transitions.NOTHING}."


with_noise = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(-1, 5), min_size=n, max_size=n)] * 2)
)
SHAPES = {  # how many clusters before and after each kind has
    "birth": lambda a, b: (a, b) == (0, 1),
    "death": lambda a, b: (a, b) == (1, 0),
    "split": lambda a, b: a == 1 < b,
    "merge": lambda a, b: b == 1 < a,
    "regrouping": lambda a, b: a > 1 < b,
    "renaming": lambda a, b: (a, b) == (1, 1),
    "loss": lambda a, b: (a, b) == (1, 1),
}


@given(with_noise)
def test_every_cluster_is_in_one_change_at_most_and_each_follows_from_the_flow(drawn):
    before, after = map(np.array, drawn)
    counts = transitions.table(before, after, 6)
    old, new = counts.sum(1)[:-1], counts.sum(0)[:-1]
    great = counts[:-1, :-1] * (
        (4 * counts[:-1, :-1] >= old[:, None]) | (4 * counts[:-1, :-1] >= new)
    )
    changes = transitions.events(before, after).changes
    for side in ("before", "after"):
        named = [cluster for change in changes for cluster in getattr(change, side)]
        assert len(named) == len(set(named))
        assert {*named} <= set((before if side == "before" else after).tolist()) - {-1}
    for change in changes:
        assert SHAPES[change.kind](len(change.before), len(change.after))
        inside = np.isin(np.arange(6), change.before)[:, None] & np.isin(np.arange(6), change.after)
        across = np.isin(np.arange(6), change.before)[:, None] ^ np.isin(np.arange(6), change.after)
        assert not great[across].any()  # nothing great leads out of a change or into it
        if change.kind not in ("birth", "death"):
            assert change.items == (
                counts[change.before[0]].sum() - counts[change.before[0], change.before[0]]
                if change.kind == "loss"
                else counts[:-1, :-1][inside].sum()
            )
    told = {cluster for change in changes for cluster in change.before}
    for cluster in np.flatnonzero(old):
        if cluster not in told:  # it lives on, alone
            assert np.flatnonzero(great[cluster]).tolist() == [cluster]
            assert np.flatnonzero(great[:, cluster]).tolist() == [cluster]
            assert 4 * counts[cluster, cluster] >= 3 * old[cluster]


@given(with_noise)
def test_time_turned_round_turns_births_into_deaths_and_splits_into_merges(drawn):
    before, after = map(np.array, drawn)
    turned = {"birth": "death", "split": "merge", "death": "birth", "merge": "split"}

    def told(changes, back):
        return sorted(
            (turned.get(c.kind, c.kind), c.after, c.before) if back else (c.kind, c.before, c.after)
            for c in changes
            if c.kind != "loss"
        )

    forth, back = transitions.events(before, after), transitions.events(after, before)
    assert told(forth.changes, False) == told(back.changes, True)


def test_nothing_has_no_events():
    empty = np.zeros(0, dtype=int)
    assert transitions.events(empty, empty).moved == 0
    assert transitions.table(empty, empty, 3).shape == (4, 4)

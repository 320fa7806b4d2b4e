"""Noise is no cluster: what readers make of items that a method leaves out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import (
    agreement,
    comparison,
    genealogy,
    learning_curves,
    matching,
    metrics,
    rematch,
    run_scores,
    surrogate_tree,
    transitions,
    verdict,
)
from clustlab.analysis.consensus import consensus
from clustlab.analysis.failures import catalogue, queries
from clustlab.analysis.failures.queries import QueriedStep
from clustlab.analysis.nearest_neighbours import Twins, k_nearest
from clustlab.analysis.score_catalogue import LABELLED
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.types import NOISE, Dataset, Snapshot
from tests.support import made_runs

CLASSES = np.repeat([0, 1, 2], 20)
PARTLY = np.where(np.arange(60) % 20 < 5, NOISE, CLASSES)  # a quarter of each class is noise

with_noise = st.lists(st.integers(-1, 5), min_size=1, max_size=60).map(np.array)


def snapshot(assignments, k=3, **changes):
    rng = np.random.default_rng(0)
    embedding = CLASSES[:, None] * 5 + rng.normal(size=(60, 2))
    centers = np.arange(k)[:, None] * 5 + np.zeros((k, 2))
    fields = {"embedding": embedding, "centers": centers, **changes}
    return Snapshot(assignments=assignments, scalars={}, **fields)


# Snapshots ---------------------------------------------------------------------------------------


def test_a_snapshot_knows_its_noise_and_counts_no_cluster_for_it():
    made = snapshot(PARTLY)
    assert made.n_clusters == 3
    assert made.is_noise.tolist() == (PARTLY == -1).tolist()
    assert snapshot(PARTLY, centers=None).n_clusters == 3
    for centers in (None, np.zeros((0, 2))):
        nothing = snapshot(np.full(60, NOISE), centers=centers)
        assert nothing.n_clusters == 0
        assert nothing.is_noise.all()


def test_below_noise_there_is_nothing():
    with pytest.raises(ValueError, match=r"must lie in \[0, 3\), or be -1 for noise"):
        snapshot(np.where(PARTLY == -1, -2, PARTLY))


def test_rows_of_noise_may_leave_probability_over_and_no_others():
    p = np.eye(3)[np.maximum(PARTLY, 0)]
    p[PARTLY == NOISE] = [0.2, 0.1, 0.0]
    made = snapshot(PARTLY, probabilities=p)
    assert (metrics.confidence(made)[PARTLY == NOISE] == 0).all()
    assert (metrics.margin(made)[PARTLY == NOISE] == 0).all()
    assert (metrics.confidence(made)[PARTLY >= 0] == 1).all()
    for row, value in ((PARTLY >= 0, [0.2, 0.1, 0.0]), (PARTLY == NOISE, [0.9, 0.9, 0.0])):
        broken = p.copy()
        broken[row] = value
        with pytest.raises(ValueError, match="sum to 1"):
            snapshot(PARTLY, probabilities=broken)


# Matching and scores -----------------------------------------------------------------------------


@given(with_noise, st.permutations(range(6)))
def test_noise_stays_noise_however_clusters_are_renumbered(clusters, order):
    mapping = np.array(order, dtype=np.int32)
    found = matching.looked_up(clusters, mapping)
    assert ((found == -1) == (clusters == -1)).all()
    assert (found[clusters >= 0] == mapping[clusters[clusters >= 0]]).all()


def test_nothing_but_noise_needs_no_cluster_to_be_looked_up():
    assert matching.looked_up(np.full(3, -1), np.zeros(0, int)).tolist() == [-1, -1, -1]


@given(with_noise)
def test_sizes_are_of_clusters_only(clusters):
    sizes = matching.sizes_of(clusters, 6)
    assert sizes.tolist() == [int((clusters == i).sum()) for i in range(6)]


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=40))
def test_a_table_with_noise_leaves_no_item_out(pairs):
    a, b = np.array(pairs, dtype=int).reshape(-1, 2).T
    counts = matching.with_noise(a, b, 4, 4)
    assert counts.sum() == len(pairs)
    assert (counts[:4, :4] == matching.contingency(a, b, 4, 4)).all()
    assert counts[4, 4] == ((a == -1) & (b == -1)).sum()


def test_an_item_keeps_its_cluster_past_noise_and_noise_takes_no_number():
    stable, mapping = matching.follow(CLASSES, 3)
    renumbered = np.where(PARTLY < 0, -1, (PARTLY + 1) % 3)
    after, mapping = matching.follow(renumbered, 3, stable, mapping)
    assert (after == PARTLY).all()
    nothing, none = matching.follow(np.full(60, -1), 0, after, mapping)
    assert (nothing == -1).all()
    assert len(none) == 0
    back, mapping = matching.follow(CLASSES, 3, nothing, none)
    assert (back >= 0).all()
    assert sorted(mapping.tolist()) == [0, 1, 2]


@given(with_noise)
def test_scores_are_those_of_the_clustered_items_alone(clusters):
    labels = np.arange(len(clusters)) % 3
    kept = clusters >= 0
    found = run_scores.scores(clusters, labels)
    assert found["share_clustered"] == pytest.approx(kept.mean(), abs=1e-5)
    assert found["n_occupied"] == len(set(clusters[kept].tolist()))
    if not kept.any():
        assert {found[key] for key in LABELLED} == {None}
        return
    alone = run_scores.scores(clusters[kept], labels[kept])
    assert {key: found[key] for key in LABELLED} == {key: alone[key] for key in LABELLED}


def test_perfect_on_a_part_is_perfect_and_says_how_large_the_part_is():
    found = run_scores.scores(PARTLY, CLASSES)
    assert {found[key] for key in LABELLED} == {1}
    assert (found["n_occupied"], found["share_clustered"]) == (3, 0.75)


def test_all_noise_has_no_score():
    nothing = np.full(60, NOISE)
    assert math.isnan(metrics.clustering_accuracy(CLASSES, nothing))
    assert metrics.n_occupied(nothing) == 0
    assert metrics.share_clustered(nothing) == 0
    assert math.isnan(metrics.silhouette(np.zeros((60, 2)), nothing))
    assert metrics.confidence(snapshot(nothing, k=0)).tolist() == [0] * 60


def test_silhouette_and_confidence_are_those_of_the_clustered_items():
    made, kept = snapshot(PARTLY), PARTLY >= 0
    alone = Snapshot(made.embedding[kept], PARTLY[kept], {}, centers=made.centers)
    for score in (metrics.confidence, metrics.margin):
        assert (score(made)[kept] == score(alone)).all()
        assert (score(made)[~kept] == 0).all()
    assert metrics.silhouette(made.embedding, PARTLY) == metrics.silhouette(
        made.embedding[kept], PARTLY[kept]
    )


# Timeline ----------------------------------------------------------------------------------------


def test_a_timeline_follows_items_into_noise_and_out_of_it():
    steps = [snapshot(CLASSES), snapshot(PARTLY), snapshot(np.full(60, NOISE), k=0)]
    timeline = Timeline([*steps, snapshot(PARTLY)], CLASSES)
    timeline.extend()
    assert timeline.n_ids() == 3
    assert (timeline.stable(1) == PARTLY).all()
    assert (timeline.stable(2) == NOISE).all()
    assert ((timeline.stable(3) == NOISE) == (PARTLY == NOISE)).all()
    rows = [timeline.row(step) for step in range(4)]
    assert [row["share_clustered"] for row in rows] == [1, 0.75, 0, 0.75]
    assert [row["n_occupied"] for row in rows] == [3, 3, 0, 3]
    assert rows[1]["acc"] == 1
    assert rows[1]["evenness"] == pytest.approx(1)
    assert all(math.isnan(rows[2][name]) for name in ("acc", "nmi", "ari", "purity", "confidence"))
    assert rows[1]["changed"] == 0.25
    assert rows[2]["changed"] == 0.75
    kept = timeline.certainty(59)[1, 0]
    assert timeline.certainty(0)[1].tolist() == [0, 0]
    assert rows[1]["confidence"] > 0.5 < kept
    assert timeline.recall()[1].tolist() == [1, 1, 1]


def test_centers_of_a_timeline_are_means_of_clusters_without_noise():
    far = np.where(PARTLY[:, None] < 0, 100.0, CLASSES[:, None] * [5.0, 0.0])
    far = far + np.random.default_rng(0).normal(size=(60, 2))
    timeline = Timeline([Snapshot(far, PARTLY, {})], CLASSES)
    points, places = timeline.points(0), timeline.centers(0)
    assert places.shape == (3, 2)
    for cluster in range(3):
        mean = points[np.equal(PARTLY, cluster)].mean(0)
        assert places[cluster] == pytest.approx(mean, abs=1e-6)


def test_curves_know_the_share_that_is_clustered(store):
    made_runs.data(store, n=60, labels=CLASSES)
    run = made_runs.run(store, [CLASSES, PARTLY, np.full(60, NOISE)])
    curve = learning_curves.curve(run, CLASSES)
    assert curve["acc"].tolist() == pytest.approx([1, 1, math.nan], nan_ok=True)
    assert curve["n_occupied"].tolist() == [3, 3, 0]
    assert curve["share_clustered"].tolist() == [1, 0.75, 0]
    assert math.isnan(curve["evenness"][2])


# Who moved, and what became of clusters ----------------------------------------------------------


@given(with_noise, st.randoms(use_true_random=False))
def test_no_event_of_a_cluster_is_one_of_noise(before, random):
    after = np.array([random.randint(-1, 5) for _ in before])
    counts = transitions.table(before, after, 6)
    assert counts.shape == (7, 7)
    assert counts.sum() == len(before)
    assert counts[-1].sum() == (before == -1).sum()
    found = transitions.events(before, after, 6)
    assert found.moved == (before != after).sum()
    named = set().union(*(change.concerns for change in found.changes))
    assert min(named, default=0) >= 0
    gone = set(before.tolist()) - set(after.tolist()) - {-1}
    assert gone <= set().union(*(change.before for change in found.changes))
    new = set(after.tolist()) - set(before.tolist()) - {-1}
    assert new <= set().union(*(change.after for change in found.changes))


def test_a_cluster_that_drowns_in_noise_has_dissolved_and_none_appeared():
    found = transitions.events(CLASSES, np.where(CLASSES == 1, NOISE, CLASSES))
    assert found.sentence == "Cluster 1 dissolved; it had 20 items."
    back = transitions.events(np.where(CLASSES == 1, NOISE, CLASSES), CLASSES)
    assert back.sentence == "Cluster 1 appeared, with 20 items."


def test_flows_lead_into_noise_and_out_of_it():
    steps = np.array([CLASSES, PARTLY, np.full(60, NOISE), CLASSES])
    flows = genealogy.flows(steps, np.arange(4))
    assert [counts.shape for counts in flows] == [(4, 4)] * 3
    assert [counts.sum() for counts in flows] == [60] * 3
    assert flows[0][:, -1].tolist() == [5, 5, 5, 0]
    assert flows[1][:, -1].tolist() == [15, 15, 15, 15]
    assert flows[2][-1].tolist() == [20, 20, 20, 0]
    kinds = [
        (e.step, e.change.kind, e.change.before, e.change.after)
        for e in genealogy.events(steps, np.arange(4))
    ]
    assert sorted(kinds) == [
        *((2, "death", (i,), ()) for i in range(3)),
        *((3, "birth", (), (i,)) for i in range(3)),
    ]
    traced = genealogy.traced(steps, np.arange(4), np.arange(20))
    assert traced.tolist() == [[20, 0, 0], [15, 0, 0], [0, 0, 0], [20, 0, 0]]


@given(with_noise, st.randoms(use_true_random=False))
def test_the_parts_of_a_change_of_accuracy_add_up_past_noise(before, random):
    after = np.array([random.randint(-1, 5) for _ in before])
    labels = np.arange(len(before)) % 3
    found = rematch.decompose(labels, before, after, 3)
    for score, clusters in ((found.acc_before, before), (found.acc_after, after)):
        assert score == pytest.approx(metrics.clustering_accuracy(labels, clusters), nan_ok=True)
    if (before >= 0).any() and (after >= 0).any():
        assert found.acc_before + found.moved + found.rematched == pytest.approx(found.acc_after)
        assert found.rematched >= 0


# Between runs ------------------------------------------------------------------------------------


def test_there_is_no_accuracy_to_take_apart_where_all_is_noise():
    told = rematch.decompose(np.array([0, 1]), np.array([0, 1]), np.array([NOISE, NOISE])).sentence
    assert told == (
        "At one of the two steps every item is noise, so there is no accuracy to explain."
    )


def test_runs_agree_on_what_both_cluster():
    ari, nmi = agreement.scores([CLASSES, PARTLY, np.full(60, NOISE)])
    assert ari[0, 1] == nmi[0, 1] == pytest.approx(1)
    assert np.isnan(ari[0, 2])
    assert ari[2, 2] == 1


def test_common_numbers_are_those_of_clusters():
    turned = np.where(PARTLY < 0, NOISE, (PARTLY + 1) % 3)
    maps = agreement.alignments([CLASSES, turned, turned], [3, 3, 3])
    for mapping in maps[1:]:
        assert (matching.looked_up(turned, mapping) == PARTLY).all()
    nothing = agreement.alignments([np.full(60, NOISE), CLASSES], [0, 3])
    assert [len(mapping) for mapping in nothing] == [0, 3]


def test_noise_keeps_no_company():
    a, b = np.array([0, 0, 0, -1]), np.array([0, 0, -1, -1])
    apart = agreement.disagreement([a, b])
    assert apart == pytest.approx([1 / 3, 1 / 3, 2 / 3, 0])
    found = consensus([a, b, b])
    assert found.clusters.tolist() == [0, 0, -1, -1]
    assert found.share.tolist() == pytest.approx([1, 1, 2 / 3, 1])


def test_noise_in_common_is_nothing_that_runs_agree_on():
    alike = [np.array([NOISE] * 8 + [0, 1]), np.array([NOISE] * 8 + [1, 0])]
    assert comparison._consensus(alike, None)["unanimous"] == 2


def test_noise_is_neither_right_nor_wrong():
    labels = np.array([0, 0, 1, 1, 1, -1])
    a, b = np.array([0, 0, 1, -1, 0, -1]), np.array([0, -1, 1, -1, 1, 0])
    rights = [agreement.right(labels, each, 2, 2) for each in (a, b)]
    assert [right.tolist() for right in rights] == [
        [True, True, True, False, False, False],
        [True, False, True, False, True, False],
    ]
    found = agreement.who_is_right(labels, *rights, (a < 0) | (b < 0))
    assert (found.both.tolist(), found.only_b.tolist()) == ([0, 2], [4])
    assert found.noise.tolist() == [1, 3]
    assert found.counts.sum() == 3


# Verdicts ----------------------------------------------------------------------------------------


def test_verdicts_tell_noise_from_clusters():
    names = ("a", "b", "c")
    found = verdict.verdict_on(snapshot(PARTLY), CLASSES, names)
    assert found.sentence == (
        "found all 3 classes; accuracy 1.000 over the 75% that are clustered; the rest is noise."
    )
    drowned = verdict.verdict_on(snapshot(np.where(CLASSES == 2, NOISE, CLASSES)), CLASSES, names)
    assert drowned.sentence == (
        "found 2 of 3 classes; c is mostly noise; accuracy 1.000 over the 66.7% that are "
        "clustered; the rest is noise."
    )
    assert (drowned.recovered, drowned.noise, drowned.scattered) == ((0, 1), (2,), ())
    nothing = verdict.verdict_on(snapshot(np.full(60, NOISE), k=0), CLASSES, names)
    assert nothing.sentence == "found no cluster: every item is noise."
    single = verdict.verdict_on(snapshot(np.where(CLASSES == 0, 0, NOISE)), CLASSES, names)
    assert single.sentence == (
        "found a single cluster; 33.3% of the items are clustered, the rest is noise."
    )


def test_verdicts_without_labels_and_over_many_clusters_say_how_much_is_noise():
    found = verdict.verdict_on(snapshot(PARTLY))
    assert found.sentence.startswith(
        "made 3 clusters, all in use; the largest, cluster 0, holds 25%"
    )
    assert found.sentence.endswith("75% of the items are clustered, the rest is noise.")
    halves = np.where(PARTLY < 0, NOISE, 2 * CLASSES + np.arange(60) % 2)
    many = verdict.verdict_on(snapshot(halves, k=6), CLASSES, ("a", "b", "c"))
    assert many.sentence == (
        "made 6 clusters for 3 classes; every class has at least one; 100% pure; merged to 3, "
        "accuracy 1.000 over the 75% that are clustered; the rest is noise."
    )


# Failures ----------------------------------------------------------------------------------------


@pytest.fixture
def scene():
    """A class of which one item is wrong, one is noise; noise that resembles what is clustered."""
    clusters = PARTLY.copy()
    clusters[[19, 39]] = 2, NOISE
    twins = Twins(np.array([[19, 18], [39, 38], [0, 1]]), np.array([0.1, 0.2, 0.3]), 60)
    return looked_at(snapshot(clusters, k=4), twins)


def looked_at(made, twins=None):
    data = Dataset("made", np.zeros((60, 2), np.float32), CLASSES)
    near = k_nearest(made.embedding, 10)
    return QueriedStep([made], 0, Timeline([made], CLASSES), data, neighbours=near, twins=twins)


def test_noise_is_no_failure_of_a_cluster(scene):
    noise = np.flatnonzero(scene.clusters == NOISE)
    assert np.flatnonzero(scene.wrong).tolist() == [19]
    for query in catalogue.QUERIES:
        found = query.find(scene)
        assert not np.isin(found.items, noise).any(), query.name
        assert all(cluster >= 0 for group in found.groups for cluster in group.clusters)
    assert [g.clusters for g in queries.dead_clusters(scene).groups] == [(3,)]
    assert queries.near_duplicates_apart(scene).items.tolist() == [19, 18]
    assert queries.merged_classes(scene).groups == ()


def test_giants_are_measured_by_what_is_clustered():
    clusters = np.where(np.arange(60) < 6, 0, NOISE)
    clusters[6:8] = 1, 2
    (group,) = queries.giant_clusters(looked_at(snapshot(clusters))).groups
    assert group.clusters == (0,)
    assert group.score == pytest.approx(6 / (8 / 3))


def test_queries_over_nothing_but_noise_find_nothing():
    nothing = snapshot(np.full(60, NOISE), k=0, embedding=np.zeros((60, 2)))
    scene = looked_at(nothing, Twins(np.array([[0, 1]]), np.array([0.1]), 60))
    assert [q.number(q.find(scene)) for q in catalogue.QUERIES] == [0] * len(catalogue.QUERIES)


# Rules -------------------------------------------------------------------------------------------


def test_a_rule_for_clusters_asks_nothing_of_noise():
    x = np.stack([CLASSES, np.arange(60) % 7], 1).astype(float)
    found = surrogate_tree.fitted(x, ("class", "other"), PARTLY, 60)
    assert found.n_used == 45
    assert found.fidelity[-1] == 1
    assert all(node.cluster >= 0 for tree in found.trees for node in tree)
    with pytest.raises(ParameterError, match="all items are noise"):
        surrogate_tree.fitted(x, ("class", "other"), np.full(60, NOISE), 60)

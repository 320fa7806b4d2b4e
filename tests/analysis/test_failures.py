"""Ready queries after failures: a case solved by hand for each, and what must always hold."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clustlab.analysis import metrics, nearest_neighbours
from clustlab.analysis.failures import queries, report
from clustlab.analysis.failures.catalogue import QUERIES, query
from clustlab.analysis.failures.queries import QueriedStep
from clustlab.analysis.failures.search import FailureSearch, Filters, changed_within
from clustlab.analysis.step_view import StepView
from clustlab.analysis.timeline import Timeline
from clustlab.context import Context
from clustlab.errors import ParameterError
from clustlab.parts.clustering import neighbour_graph
from clustlab.types import Dataset, Snapshot


def hard(confidence, clusters, k):
    """Probabilities with the given greatest value at the given cluster, the rest shared evenly."""
    p = np.repeat(((1 - np.array(confidence)) / (k - 1))[:, None], k, axis=1)
    p[np.arange(len(clusters)), clusters] = confidence
    return p


def queried(
    clusters, *, labels=None, confidence=None, embedding=None, k=None, before=(), **compared
):
    """The last step of a run; `before` are the clusters at the steps that led to it."""
    clusters = np.array(clusters)
    k = k or int(clusters.max()) + 1
    n = len(clusters)
    rows = np.zeros((n, 1)) if embedding is None else np.array(embedding, dtype=float)
    sure = [0.9] * n if confidence is None else confidence
    snapshots = [
        Snapshot(rows, np.array(each), {}, hard(sure, np.array(each), k))
        for each in (*before, clusters)
    ]
    truth = None if labels is None else np.array(labels, dtype=np.int32)
    classes = 0 if truth is None else int(truth.max()) + 1
    dataset = Dataset("made", rows.astype(np.float32), truth, tuple("abcdefg"[:classes]))
    return QueriedStep(snapshots, len(before), Timeline(snapshots, truth), dataset, **compared)


# One case each, solved by hand --------------------------------------------------------------------


def left_over():
    """A run in which class c is spread thin: cluster 1 is left over for it, and holds one of it."""
    clusters = np.repeat([0, 1, 2], [6, 5, 5])
    labels = np.array([0] * 6 + [0] * 4 + [2] + [1] * 5)
    snapshots = [Snapshot(np.zeros((16, 1)), clusters, {}, hard([0.9] * 16, clusters, 3))]
    dataset = Dataset("made", np.zeros((16, 1), np.float32), labels, ("a", "b", "c"))
    return snapshots, dataset, Timeline(snapshots, labels, 3)


@pytest.mark.parametrize(("rule", "wrong"), [("match", [6, 7, 8, 9]), ("majority", [10])])
def test_a_cluster_that_was_left_over_is_wrong_as_a_whole_by_its_match_only(rule, wrong):
    run, dataset, timeline = left_over()
    answer = report.report(run, dataset, timeline, "confidently-wrong", class_rule=rule)
    assert sorted(item["index"] for item in answer["items"]) == wrong
    assert answer["stands_for"] == rule


def test_failures_ask_what_does_not_belong_into_a_cluster_unless_told_otherwise():
    run, dataset, timeline = left_over()
    assert report.report(run, dataset, timeline, "confidently-wrong")["count"] == 1
    assert StepView(run, 0, timeline, dataset).wrong.sum() == 4  # as accuracy counts


def test_confidently_wrong_are_the_wrong_ones_among_the_surer_half():
    #        cluster 0 stands for a, cluster 1 for b; items 2, 3 and 7 are wrong
    found = queries.confidently_wrong(
        queried(
            [0, 0, 0, 0, 1, 1, 1, 1],
            labels=[0, 0, 1, 1, 1, 1, 1, 0],
            confidence=[0.9, 0.8, 0.7, 0.95, 0.85, 0.6, 0.6, 0.99],
        )
    )  # the median is 0.825
    assert found.items.tolist() == [7, 3]
    assert found.scores == pytest.approx([0.99, 0.95])


def test_items_without_a_label_are_never_wrong():
    found = queries.confidently_wrong(queried([0, 0, 0, 1], labels=[0, 0, -1, 1]))
    assert found.items.tolist() == []


def test_undecided_have_a_small_lead_the_smallest_first():
    found = queries.undecided(queried([0, 1, 0, 1], confidence=[0.9, 0.53, 0.51, 0.56]))
    assert found.items.tolist() == [2, 1]
    assert found.scores == pytest.approx([0.02, 0.06], abs=1e-6)


def test_flip_floppers_changed_three_times_the_most_restless_first():
    still = [0] * 5 + [1] * 5  # so many that the clusters keep their numbers
    run = [
        [*flips, 1, *still]
        for flips in zip(
            [0, 1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 1, 1, 1, 1, 1], [0, 1] * 4, strict=True
        )
    ]
    found = queries.flip_floppers(queried(run[-1], before=run[:-1]))
    assert found.items.tolist() == [2, 1]
    assert found.scores.tolist() == [7, 3]


def test_impostors_have_other_neighbours():
    # 0..10 lie close together, all but item 4 in cluster 0; 11..21 are cluster 1, far off
    rows = np.concatenate([np.arange(11), 1000 + np.arange(11)])[:, None]
    clusters = [0] * 4 + [1] + [0] * 6 + [1] * 11
    near = nearest_neighbours.k_nearest(rows, queries.K)
    found = queries.impostors(queried(clusters, embedding=rows, neighbours=near))
    assert found.items.tolist() == [4]
    assert found.scores.tolist() == [0.0]


def test_outliers_lie_beyond_the_whiskers():
    # tenth neighbours: 5 off within the line, 6 to 10 near its ends, 70 and 169 for the last two
    rows = np.concatenate([np.arange(40), [100, 200]])[:, None].astype(float)
    near = nearest_neighbours.k_nearest(rows, queries.K)
    assert near.distances[:, -1].astype(int).tolist() == [
        *(10, 9, 8, 7, 6, *[5] * 30, 6, 7, 8, 9, 10),
        *(70, 169),
    ]
    found = queries.outliers(queried([0] * 21 + [1] * 21, embedding=rows, neighbours=near))
    low, high = np.percentile(near.distances[:, -1], (25, 75))
    assert (low, high) == (5, 6)  # so the whiskers reach 7.5
    assert found.items.tolist() == [41, 40, 0, 39, 1, 38, 2, 37]
    assert found.scores.tolist() == [169, 70, 10, 10, 9, 9, 8, 8]


def test_near_duplicates_apart_are_pairs_across_a_border():
    pairs = np.array([[2, 5], [0, 1], [2, 3]])
    twins = nearest_neighbours.Twins(pairs, np.array([0.5, 1.0, 2.0]), 6)
    found = queries.near_duplicates_apart(
        queried([0, 0, 0, 1, 1, 1], labels=[0, 0, 0, 0, 1, 1], twins=twins)
    )
    assert found.items.tolist() == [2, 5, 3]  # 2 comes once, in the closer pair
    assert found.scores.tolist() == [0.5, 0.5, 2.0]
    assert [g.title for g in found.groups] == ["items 2 and 5", "items 2 and 3"]
    assert [g.clusters for g in found.groups] == [(0, 1), (0, 1)]
    assert [g.classes for g in found.groups] == [(0, 1), (0,)]


def test_split_classes_have_a_fifth_elsewhere():
    #  a: 6 in 0, 2 in 1, 1 in 2 (0.11: too few);  b: all in 2
    clusters = [0] * 6 + [1] * 2 + [2] + [2] * 5
    found = queries.split_classes(queried(clusters, labels=[0] * 9 + [1] * 5))
    assert found.items.tolist() == [6, 7]
    (group,) = found.groups
    assert group.title == "a: clusters 0 and 1"
    assert group.score == pytest.approx(3 / 9)
    assert [side.title for side in group.sides] == ["a in cluster 0: 6", "a in cluster 1: 2"]
    assert (group.clusters, group.classes) == ((0, 1), (0,))


def test_merged_classes_come_as_pairs_with_items_of_both():
    #  cluster 0: 5 a, 3 b, 1 c (0.11: too few); cluster 1: 4 c
    clusters, labels = [0] * 9 + [1] * 4, [0] * 5 + [1] * 3 + [2] + [2] * 4
    confidence = [0.6, 0.9, 0.7, 0.8, 0.65, 0.7, 0.9, 0.8, *[0.9] * 5]
    found = queries.merged_classes(queried(clusters, labels=labels, confidence=confidence))
    (group,) = found.groups
    assert group.title == "a and b in cluster 0"
    assert group.score == pytest.approx(3 / 9)
    assert [side.items.tolist() for side in group.sides] == [[1, 3, 2, 4, 0], [6, 7, 5]]
    assert found.items.tolist() == [1, 3, 2, 4, 0, 6, 7, 5]


def test_three_classes_in_one_cluster_make_three_pairs():
    found = queries.merged_classes(queried([0, 0, 0, 1], labels=[0, 1, 2, 0], k=2))
    assert sorted(g.classes for g in found.groups) == [(0, 1), (0, 2), (1, 2)]
    assert sorted(found.items.tolist()) == [0, 1, 2]


def test_dead_clusters_show_what_was_in_them_last():
    found = queries.dead_clusters(
        queried([0, 0, 2, 0, 0, 2, 2], k=4, before=[[1, 0, 1, 0, 0, 2, 2], [0, 0, 2, 0, 0, 2, 2]])
    )
    assert [(g.title, g.score) for g in found.groups] == [("cluster 1", 2), ("cluster 3", 0)]
    assert found.items.tolist() == [0, 2]
    assert found.groups[1].sides[0].title == "never held any"
    assert queries.count_dead(queried([0, 0, 2, 2], k=4)) == 2


def test_giant_clusters_hold_twice_an_even_share():
    sure = [0.9, 0.5, 0.7, 0.8, 0.6, 0.9, 0.9, 0.9]  # 4 clusters, an even share is 2
    found = queries.giant_clusters(queried([0, 0, 0, 0, 0, 1, 2, 3], confidence=sure))
    (group,) = found.groups
    assert group.title == "cluster 0, 2.5 times an even share"
    assert found.items.tolist() == [1, 4, 2, 3, 0]


# Neighbours and look-alikes -----------------------------------------------------------------------


@given(
    st.integers(2, 200).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(1, 12), st.integers(1, 4), st.integers(0, 99))
    )
)
def test_neighbours_are_those_of_all_pairs(case):
    n, k, width, seed = case
    rows = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    near = nearest_neighbours.k_nearest(rows, k)
    exact = np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(2))
    np.fill_diagonal(exact, np.inf)
    wanted = np.sort(exact, axis=1)[:, : min(k, n - 1)]
    assert near.indices.shape == wanted.shape
    np.testing.assert_allclose(near.distances, wanted, rtol=1e-4, atol=1e-5)
    assert (near.indices != np.arange(n)[:, None]).all()
    assert all(len(set(row)) == len(row) for row in near.indices.tolist())


def test_neighbours_of_one_item_rise_in_distance_and_leave_it_out():
    line = np.array([[0.0], [10.0], [1.0], [3.0]])
    near = nearest_neighbours.k_nearest(line, 2, np.array([0]))
    assert near.indices.tolist() == [[2, 3]]
    assert near.distances.tolist() == [[1, 3]]
    assert nearest_neighbours.k_nearest(line, 99, np.array([1])).indices.tolist() == [[3, 2, 0]]


@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_neighbours_of_one_item_are_those_found_among_many(offset):
    rows = np.random.default_rng(3).normal(offset, 1, (500, 6)).astype(np.float32)
    many = nearest_neighbours.k_nearest(rows, 9)
    for item in (0, 17, 499):
        one = nearest_neighbours.k_nearest(rows, 9, np.array([item]))
        assert one.indices[0].tolist() == many.indices[item].tolist()
        assert np.allclose(one.distances[0], many.distances[item], rtol=1e-4)


def test_both_searches_agree():
    rows = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    near = nearest_neighbours.k_nearest(rows, 7)
    x = torch.from_numpy(rows)
    indices, distances = neighbour_graph.nearest(x, x, 7, Context(), same=True)
    assert near.indices.tolist() == indices.tolist()
    # differences of squares against squares of differences, both in float32
    np.testing.assert_allclose(near.distances, distances.numpy(), atol=1e-3)


def test_a_single_item_has_no_neighbours():
    assert nearest_neighbours.k_nearest(np.zeros((1, 3)), 5).indices.shape == (1, 0)
    assert len(nearest_neighbours.twins(np.zeros((1, 2), np.float32)).pairs) == 0


def test_far_from_the_origin_neighbours_stay_exact():
    rows = 10_000 + np.arange(50, dtype=np.float64)[:, None] * 0.01
    near = nearest_neighbours.k_nearest(rows, 1)
    assert (np.abs(near.indices[:, 0] - np.arange(50)) == 1).all()


def test_only_some_of_very_many_items_are_examined_and_always_the_same():
    few = nearest_neighbours.examined(70_000, 10)
    assert len(few) == 10_000
    assert (np.diff(few) > 0).all()
    assert few.tolist() == nearest_neighbours.examined(70_000, 10).tolist()
    assert len(nearest_neighbours.examined(10_000, 784)) == 2551  # wide rows cost more
    assert len(nearest_neighbours.examined(9000, 10)) == 9000


@pytest.mark.parametrize("shape", [(12, 12, 1), (40, 28, 3), (100, 3, 1)])
def test_look_alikes_are_found_by_their_pixels(shape):
    rng = np.random.default_rng(0)
    items = rng.integers(0, 200, size=(60, *shape), dtype=np.uint8)
    items[7] = items[41] + 1
    items[20] = items[3]
    found = nearest_neighbours.twins(items)
    assert found.pairs.tolist() == [[3, 20], [7, 41]]
    assert found.distances.tolist() == [0, 1]


def test_noise_has_no_look_alikes():
    items = np.random.default_rng(0).integers(256, size=(300, 8, 8, 1), dtype=np.uint8)
    assert len(nearest_neighbours.twins(items).pairs) == 0


# A whole run --------------------------------------------------------------------------------------


def made(steps=4, n=60, *, labelled=True, k=3):
    """Run, data set and timeline of noise around three centres; a few items wander each step."""
    rng = np.random.default_rng(0)
    labels = (np.arange(n) % k).astype(np.int32)
    centers = np.array([[0, 0], [10, 0], [0, 10]], dtype=np.float32)
    run = []
    for step in range(steps):
        clusters = labels.copy()
        clusters[: 6 + step] = (labels[: 6 + step] + rng.integers(k, size=6 + step)) % k
        if step == steps - 1:
            clusters[clusters == 2] = 1  # cluster 2 dies
        rows = centers[labels] + rng.normal(size=(n, 2)).astype(np.float32)
        sure = rng.uniform(0.4, 0.99, size=n)
        run.append(Snapshot(rows, clusters, {}, hard(sure, clusters, k), centers))
    items = rng.integers(256, size=(n, 8, 8, 1), dtype=np.uint8)
    data = Dataset("made", items, labels if labelled else None, ("a", "b", "c") if labelled else ())
    return run, data, Timeline(run, data.labels, len(data.class_names))


FREE = [q.name for q in QUERIES if not q.needs_labels]


@pytest.mark.parametrize("name", report.names())
def test_a_report_is_plain_and_keeps_its_promises(name):
    run, data, timeline = made()
    found = json.loads(json.dumps(report.report(run, data, timeline, name, limit=5)))
    assert found["query"] == name
    assert found["step"] == 3
    assert found["meaning"].endswith(".")
    assert len(found["items"]) == min(found["n_items"], 5)
    assert found["count"] >= len(found["groups"]) or found["unit"] == "item"
    clusters = timeline.stable(3)
    for item in found["items"]:
        assert item["cluster"] == clusters[item["index"]]
        assert item["class"] == data.labels[item["index"]]
        assert item["class_name"] == "abc"[item["class"]]
        assert 0 <= item["confidence"] <= 1
    for group in found["groups"]:
        for side in group["sides"]:
            assert len(side["items"]) == min(side["count"], 5)


@pytest.mark.parametrize("name", FREE)
def test_what_needs_no_labels_works_without(name):
    run, data, timeline = made(labelled=False)
    found = report.report(run, data, timeline, name)
    assert all(item["class"] is None for item in found["items"])


@pytest.mark.parametrize("labels", [None, np.full(60, -1, np.int32)])
def test_what_needs_labels_says_so(labels):
    run, data, _ = made(labelled=False)
    data = Dataset("made", data.items, labels)
    with pytest.raises(ParameterError, match=r"'split-classes' needs labels.* undecided"):
        report.report(run, data, Timeline(run, labels), "split-classes")


def test_an_unknown_query_is_named_with_those_there_are():
    run, data, timeline = made()
    with pytest.raises(ParameterError, match=r"no query 'ghosts'.*confidently-wrong, undecided"):
        report.report(run, data, timeline, "ghosts")


@pytest.mark.parametrize("step", [4, -1])
def test_an_unknown_step_is_named(step):
    run, data, timeline = made()
    with pytest.raises(ParameterError, match=rf"no step {step} .* \[0, 3\]"):
        report.report(run, data, timeline, "undecided", step=step)


def test_a_limit_below_one_and_a_run_without_steps_are_refused():
    run, data, timeline = made()
    with pytest.raises(ParameterError, match="at least 1, got 0"):
        report.report(run, data, timeline, "undecided", limit=0)
    with pytest.raises(ParameterError, match="Wait for its first step"):
        report.report([], data, Timeline([]), "undecided")


def test_a_dead_cluster_brings_its_former_members():
    run, data, timeline = made()
    found = report.report(run, data, timeline, "dead-clusters", limit=100)
    assert found["count"] == 1
    (dead,) = found["groups"][0]["clusters"]
    former = np.flatnonzero(timeline.stable(2) == dead)
    assert [item["index"] for item in found["items"]] == former.tolist()


@pytest.mark.parametrize("name", report.names())
@pytest.mark.parametrize(
    "filters",
    [
        Filters(cluster=1),
        Filters(label=0),
        Filters(steps=(1, 2)),
        Filters(confidence=(0.5, 0.8)),
        Filters(cluster=0, label=1, steps=(0, 3), confidence=(0.0, 0.9)),
    ],
)
def test_filters_narrow_what_is_found(name, filters):
    search = FailureSearch(*made())
    every = search.find(name, 2)
    some = search.find(name, 2, filters)
    assert set(some.items) <= set(every.items)
    assert len(some.groups) <= len(every.groups)
    if query(name).unit != "item":
        return
    clusters, sure = search.timeline.stable(2), metrics.confidence(search.run[2])
    for i in some.items:
        assert filters.cluster in (None, clusters[i])
        assert filters.label in (None, search.dataset.labels[i])
        assert not filters.steps or changed_within(search.timeline, filters.steps)[i] > 0
        low, high = filters.confidence or (0, 1)
        assert low <= sure[i] <= high


def test_a_filter_by_steps_counts_changes_within_them():
    _, _, timeline = made(steps=6)
    timeline.extend()
    every = timeline.assignments()
    within = (every[2:5] != every[1:4]).sum(0)
    assert changed_within(timeline, (2, 4)).tolist() == within.tolist()
    assert changed_within(timeline, (0, 5)).tolist() == timeline.flips(5).tolist()
    with pytest.raises(ParameterError, match=r"no steps 2 to 6 .* \[0, 5\]"):
        changed_within(timeline, (2, 6))


@pytest.mark.parametrize("name", report.names())
def test_counts_over_time_are_those_of_each_step(name):
    run, data, timeline = made(steps=20)
    timeline.extend()
    search = FailureSearch(run, data, timeline)
    assert search.missing(name) == (12 if query(name).needs == "neighbours" else 20)
    told = []
    steps, counts = search.history(name, report=lambda words, share: told.append((words, share)))
    assert len(steps) == (12 if query(name).needs == "neighbours" else 20)
    assert (steps[0], steps[-1]) == (0, 19)
    assert search.missing(name) == 0
    assert told[0] == ("Step 0", 0.0)
    for step, count in zip(steps.tolist(), counts.tolist(), strict=True):
        assert report.report(run, data, timeline, name, step=step)["count"] == count
        assert search.count(name, step) == count


def test_a_query_is_counted_at_an_even_share_of_the_steps_of_a_large_run(monkeypatch):
    monkeypatch.setattr("clustlab.analysis.failures.search.COUNTED", 60 * 15)
    run, data, timeline = made(steps=20)
    timeline.extend()
    search = FailureSearch(run, data, timeline)
    assert search.missing("undecided") == 15
    steps, _ = search.history("undecided")
    assert len(steps) == 15
    assert (steps[0], steps[-1]) == (0, 19)
    assert set(np.diff(steps).tolist()) <= {1, 2}


@pytest.mark.parametrize("name", ["flip-floppers", "impostors", "confidently-wrong"])
def test_counts_over_time_follow_the_filters(name):
    run, data, timeline = made(steps=6)
    timeline.extend()
    search, some, others = FailureSearch(run, data, timeline), Filters(cluster=1), Filters(label=0)
    for filters in (some, others, some):
        steps, counts = search.history(name, filters)
        assert counts.tolist() == [
            query(name).number(search.find(name, step, filters)) for step in steps.tolist()
        ]
        assert search.missing(name, filters) == 0
    assert search.missing(name, others) == len(steps)  # of one filter at a time
    everything = search.history(name)[1]
    assert (counts <= everything).all()
    assert (counts < everything).any()


def test_counting_does_not_start_what_takes_long():
    run, data, timeline = made()
    timeline.extend()
    search = FailureSearch(run, data, timeline)
    assert search.count("impostors", 1) is None
    assert search.count("near-duplicates-apart", 1) is None
    assert search.count("undecided", 1) is not None
    search.find("impostors", 1)
    assert search.count("impostors", 1) is not None
    assert search.count("outliers", 1) is not None  # from the same neighbours


def test_counts_of_steps_that_are_gone_are_forgotten():
    search = FailureSearch(*made())
    search.timeline.extend()
    search.history("undecided")
    search.find("impostors", 3)
    search.forget_after(3)
    assert not search.is_ready(query("impostors"), 3)
    assert search.missing("undecided") == 1


def test_what_is_not_looked_at_is_said(monkeypatch):
    monkeypatch.setattr(nearest_neighbours, "EXAMINED", 25)
    search = FailureSearch(*made())
    search.timeline.extend()
    found = search.find("outliers", 0)
    assert search.note("outliers") == "25 of 60 items examined"
    assert search.note("undecided") == ""
    assert set(found.items) <= set(nearest_neighbours.examined(60, 2))

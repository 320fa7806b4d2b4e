import json

import numpy as np
import pytest

from clustlab.analysis import biography
from clustlab.analysis.timeline import Timeline
from clustlab.errors import ParameterError
from clustlab.runs import item_series
from clustlab.runs.store import snapshot_path
from tests.support import made_runs

# Six items in three clusters. Items 0 and 1 move from 0 to 1 at step 1, and 0 back at step 3;
# item 4 moves from 2 to 0 at step 1.
MOVES = [[0, 0, 0, 1, 2, 2], [1, 1, 0, 1, 0, 2], [1, 1, 0, 1, 0, 2], [0, 1, 0, 1, 0, 2]]
LABELS = [0, 1, 0, 1, -1, 2]


def opened(store, snapshots, labels=LABELS, **options):
    data = made_runs.dataset(len(snapshots[0].assignments), labels, ("cat", "dog", "owl"))
    run = made_runs.write(store, snapshots, data, **options)
    return run, data, Timeline(run, data.labels, 3)


@pytest.fixture
def told(store):
    """A run by hand, its items and its timeline."""
    return opened(store, [made_runs.hard(a, 3) for a in MOVES])


def test_flips_name_the_step_the_move_and_who_came_along(told):
    found = biography.report(*told, 0)
    assert found["clusters"] == [0, 1, 1, 0]
    assert found["flips"] == [
        {"step": 1, "from": 0, "to": 1, "n_together": 1, "together": [1]},
        {"step": 3, "from": 1, "to": 0, "n_together": 0, "together": []},
    ]
    assert found["first_stable_step"] == 3
    assert (found["index"], found["label"], found["class"]) == (0, 0, "cat")
    assert (found["step"], found["n_steps"], found["cluster"]) == (3, 4, 0)


def test_an_item_that_stays_has_no_flips_and_an_unlabelled_one_no_class(told):
    assert biography.report(*told, 5)["flips"] == []
    found = biography.report(*told, 4)
    assert (found["label"], found["class"]) == (None, None)
    assert [f["step"] for f in found["flips"]] == [1]


def test_companions_are_all_counted_but_not_all_named(store):
    before, after = [0] * 40 + [1] * 20, [0] * 25 + [1] * 35
    told = opened(store, [made_runs.hard(before, 2), made_runs.hard(after, 2)], [0] * 60)
    (flip,) = biography.report(*told, 30, companions=4)["flips"]
    assert flip["n_together"] == 14
    assert flip["together"] == [25, 26, 27, 28]


def test_raw_numbers_do_not_matter(store):
    swapped = [1, 0, 2]
    snapshots = [made_runs.hard(MOVES[0], 3), made_runs.hard(np.array(swapped)[MOVES[0]], 3)]
    told = opened(store, snapshots)
    assert biography.report(*told, 0)["flips"] == []


def test_certainty_comes_from_distances_where_there_are_no_probabilities(told):
    found = biography.report(*told, 3)
    assert found["confidence"] == found["margin"]
    assert min(found["confidence"]) > 0.9
    assert found["probabilities"] is None
    assert found["probability_rows"] == [None] * 4


def test_probabilities_follow_the_stable_clusters(store):
    first = [[0.8, 0.2, 0.0], [0.7, 0.3, 0.0], [0.0, 0.4, 0.6], [0.1, 0.9, 0.0]]
    again = np.array(first)[:, [2, 0, 1]]  # raw 0 is now what was 2
    told = opened(
        store, [made_runs.hard([0, 0, 2, 1], 3), *map(made_runs.soft, (first, again))], None
    )
    found = biography.report(*told, 2)
    assert found["clusters"] == [2, 2, 2]
    assert found["confidence"][1:] == pytest.approx([0.6, 0.6], abs=1e-3)
    assert found["margin"][1:] == pytest.approx([0.2, 0.2], abs=1e-3)
    assert found["probability_rows"][0] is None
    assert found["probability_rows"][1] == found["probability_rows"][2] == [0.0, 0.4, 0.6]
    assert found["probabilities"] == [
        {"cluster": 0, "probability": 0.0},
        {"cluster": 1, "probability": pytest.approx(0.4)},
        {"cluster": 2, "probability": pytest.approx(0.6)},
    ]
    assert told[2].has_probabilities().tolist() == [False, True, True]


def test_neighbours_then_and_now(store):
    def line(places):
        p = np.array(places, dtype=np.float32)[:, None]
        return made_runs.Snapshot(p, [0, 0, 1, 1], {}, centers=np.array([[0.0], [9.0]]))

    told = opened(store, [line([0, 1, 5, 9]), line([0, 9, 1, 3])], None)
    found = biography.report(*told, 0, n_neighbors=2)
    assert found["neighbors_then"] == {
        "step": 0,
        "items": [1, 2],
        "distances": [1.0, 5.0],
        "clusters": [0, 1],
        "same_cluster": 0.5,
    }
    assert found["neighbors_now"]["items"] == [2, 3]
    assert found["neighbors_now"]["same_cluster"] == 0.0
    assert biography.report(*told, 0, n_neighbors=2, step=0)["neighbors_now"]["items"] == [1, 2]


def test_the_path_is_that_of_the_aligned_points(told):
    found = biography.report(*told, 2)
    points = [told[2].points(step)[2] for step in range(4)]
    assert np.allclose(found["path"], points, atol=1e-4)


def test_a_report_is_plain_json(told):
    text = json.dumps(biography.report(*told, np.int64(1)), allow_nan=False)
    assert json.loads(text)["clusters"] == [0, 1, 1, 1]


@pytest.mark.parametrize("index", [-1, 6, 1000])
def test_an_unknown_item_is_named_with_the_range(told, index):
    with pytest.raises(ParameterError, match=f"no item {index}.*0 to 5"):
        biography.report(*told, index)


def test_an_unknown_step_is_named_with_the_range(told):
    with pytest.raises(ParameterError, match=r"no step 4.*0 to 3"):
        biography.report(*told, 0, step=4)


# -- single rows -----------------------------------------------------------------------------------
def test_a_row_is_that_of_the_whole_array(store):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), size=(4, 50))
    by_column = [np.asfortranarray(q) for q in p[:2]]
    run, _, _ = opened(store, [made_runs.soft(q) for q in (*by_column, *p[2:])], None)
    for item in (0, 17, 49):
        for step, row in enumerate(item_series.of_item(run, "probabilities", item)):
            assert row.tolist() == run[step].probabilities[item].tolist()


def test_a_row_of_an_array_that_a_step_lacks_is_none(told):
    assert item_series.of_item(told[0], "probabilities", 0) == [None] * 4


def test_a_row_beyond_the_last_is_refused(told):
    with pytest.raises(IndexError, match="item 6 of"):
        item_series.of_item(told[0], "embedding", 6)


def test_a_damaged_step_has_no_row_and_the_others_do(told):
    snapshot_path(told[0].path, 2).write_bytes(b"broken")
    rows = item_series.of_item(told[0], "embedding", 0)
    assert [row is None for row in rows] == [False, False, True, False]

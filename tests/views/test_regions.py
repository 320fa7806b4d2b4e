"""The plane of the items: which spot belongs to which cluster, and how it is drawn."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from clustlab.explaining.scorers import answered, load_scorer
from clustlab.runs.store import RunSpec, RunStore
from clustlab.training.worker import execute, new_run
from clustlab.views import panes, regions, scatter, specification, theme

POINTS = np.array([[0.0, 10.0], [0.0, 30.0]])
TWO = scatter.dots(POINTS, np.array([4, 7]))
STEPS = (([4, 7], [7, 5]), ([7, 4], [7, 7]))
ROWS = regions.nearest(POINTS, regions.spots(regions.square_of(POINTS)))


def pixels(chart, layer):
    """The picture that a layer draws, (SIDE, SIDE, 4), and its row."""
    (row,) = chart.to_dict()["datasets"][layer["data"]["name"]]
    head, data = row["ground"].split(",")
    assert head == "data:image/png;base64"
    found = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert found.shape == (regions.SIDE, regions.SIDE, 4)
    return found, row


def shade(cluster):
    """Colour of the ground of a cluster."""
    return [*theme.rgb([theme.colour(cluster)])[0].tolist(), regions.OPACITY]


def test_spots_cover_the_shown_square_from_its_top_left_corner():
    x, y, half = square = regions.square_of(POINTS)
    assert square == scatter.square_of(TWO, None)
    places = regions.spots(square)
    assert places.shape == (regions.SIDE**2, 2)
    step = 2 * half / regions.SIDE
    assert np.allclose(places[0], (x - half + step / 2, y + half - step / 2), atol=1e-4)
    assert np.allclose(places[1] - places[0], (step, 0), atol=1e-4)
    assert np.allclose(places[-1], (x + half - step / 2, y - half + step / 2), atol=1e-4)


def test_without_scores_a_spot_belongs_to_the_nearest_item():
    assert regions.nearest(POINTS, np.array([[0.0, 19.0], [5.0, 21.0]])).tolist() == [0, 1]
    rows = ROWS.reshape(regions.SIDE, -1)
    assert set(rows[: regions.SIDE // 2].ravel()) == {1}
    assert set(rows[regions.SIDE // 2 :].ravel()) == {0}


def test_the_ground_lies_behind_the_dots_in_the_colours_of_the_clusters():
    chart = regions.plane(TWO, np.array([4, 7])[ROWS], title="Here")
    layers = chart.to_dict()["layer"]
    assert layers[0]["mark"]["type"] == "image"
    assert layers[1]["mark"]["type"] == "circle"
    found, row = pixels(chart, layers[0])
    assert found[0, 0].tolist() == shade(7)
    assert found[-1, -1].tolist() == shade(4)
    assert (row["x"], row["y"]) == (0, 20)
    # both have the same axes, or the ground would not lie where it belongs
    assert layers[0]["encoding"]["x"]["scale"] == layers[1]["encoding"]["x"]["scale"]
    assert layers[0]["encoding"]["y"]["scale"] == layers[1]["encoding"]["y"]["scale"]


def linked(one, other, **options):
    """Two runs over the same two items, with these common ids."""
    table = panes.wide([POINTS, POINTS], [np.array(one), np.array(other)])
    grounds = [np.array(ids)[ROWS] for ids in (one, other)]
    return regions.linked(table, "AB", grounds, regions.square_of(POINTS), **options)


def test_each_pane_has_the_ground_of_its_run_behind_its_dots():
    chart = linked([4, 7], [7, 5])
    spec = chart.to_dict()
    for pane, letter, (low, high) in zip(spec["concat"], "AB", ((4, 7), (7, 5)), strict=True):
        ground, dots = pane["layer"][:2]
        assert (ground["mark"]["type"], dots["mark"]["type"]) == ("image", "circle")
        found, row = pixels(chart, ground)
        assert found[0, 0].tolist() == shade(high)
        assert found[-1, -1].tolist() == shade(low)
        # it fills the shown square: as high as the pane, around the middle of both axes
        assert ground["mark"]["width"] == ground["mark"]["height"] == pane["height"]
        for axis, middle in (("x", 0), ("y", 20)):
            assert ground["encoding"][axis] == dots["encoding"][axis]
            assert ground["encoding"][axis]["field"] == f"{axis}{letter}"
            low_end, high_end = ground["encoding"][axis]["scale"]["domain"]
            assert row[f"{axis}{letter}"] == middle == (low_end + high_end) / 2
        assert high_end - low_end == pytest.approx(2 * regions.square_of(POINTS)[2])


def test_another_step_changes_rows_only():
    one, other = (specification.vega_lite_spec(linked(*steps, ids=[4, 5, 7])) for steps in STEPS)
    assert {k: v for k, v in one.items() if k != "datasets"} == {
        k: v for k, v in other.items() if k != "datasets"
    }


def test_scores_of_new_points_are_asked_in_the_units_of_the_items(tmp_path):
    store = RunStore(tmp_path)
    data = {"shape": "moons", "n": 200}
    run = new_run(store, RunSpec("toy", "kmeans", data, {"n_clusters": 2, "n_init": 1}))
    execute(store.root, run.id)
    scorer, items = load_scorer(store, run), store.dataset(run).items
    last = run[len(run) - 1]
    assert answered(scorer, items, items).tolist() == last.assignments.tolist()
    # k-means parts the plane by which centre is nearer, everywhere
    places = np.random.default_rng(0).uniform(-3, 3, (500, 2)).astype(np.float32)
    means = np.stack([items[last.assignments == c].mean(0) for c in (0, 1)])
    gaps = np.linalg.norm(places[:, None] - means, axis=2)
    assert np.mean(answered(scorer, items, places) == gaps.argmin(1)) > 0.99

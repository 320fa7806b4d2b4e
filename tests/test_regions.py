"""The plane of the items: which spot belongs to which cluster, and how it is drawn."""

import base64
import io

import numpy as np
from PIL import Image

from clustlab.explaining.scorers import answered, load_scorer
from clustlab.runner import execute, new_run
from clustlab.store import RunSpec, RunStore
from clustlab.views import regions, scatter, theme

TWO = scatter.dots(np.array([[0.0, 10.0], [0.0, 30.0]]), np.array([4, 7]))


def test_spots_cover_the_shown_square_from_its_top_left_corner():
    places = regions.spots(TWO)
    x, y, half = scatter.square_of(TWO, None)
    assert places.shape == (regions.SIDE**2, 2)
    step = 2 * half / regions.SIDE
    assert np.allclose(places[0], (x - half + step / 2, y + half - step / 2), atol=1e-4)
    assert np.allclose(places[1] - places[0], (step, 0), atol=1e-4)
    assert np.allclose(places[-1], (x + half - step / 2, y - half + step / 2), atol=1e-4)


def test_without_scores_a_spot_belongs_to_the_nearest_item():
    found = regions.by_nearest(TWO, np.array([[0.0, 19.0], [5.0, 21.0]]))
    assert found.tolist() == [4, 7]
    ground = regions.by_nearest(TWO, regions.spots(TWO)).reshape(regions.SIDE, -1)
    assert set(ground[: regions.SIDE // 2].ravel()) == {7}
    assert set(ground[regions.SIDE // 2 :].ravel()) == {4}


def test_the_ground_lies_behind_the_dots_in_the_colours_of_the_clusters():
    ground = regions.by_nearest(TWO, regions.spots(TWO))
    layers = regions.plane(TWO, ground, title="Here").to_dict()["layer"]
    assert layers[0]["mark"]["type"] == "image"
    assert layers[1]["mark"]["type"] == "circle"
    head, data = layers[0]["mark"]["url"].split(",")
    assert head == "data:image/png;base64"
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert pixels.shape == (regions.SIDE, regions.SIDE, 4)
    top, bottom = (theme.rgb([theme.colour(i)])[0].tolist() for i in (7, 4))
    assert pixels[0, 0].tolist() == [*top, regions.OPACITY]
    assert pixels[-1, -1].tolist() == [*bottom, regions.OPACITY]
    # both have the same axes, or the ground would not lie where it belongs
    assert layers[0]["encoding"]["x"]["scale"] == layers[1]["encoding"]["x"]["scale"]
    assert layers[0]["encoding"]["y"]["scale"] == layers[1]["encoding"]["y"]["scale"]


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
